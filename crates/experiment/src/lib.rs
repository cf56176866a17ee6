//! The randomised test: assignment of units, counts from the log, and the statistics of the comparison.
//!
//! Pure functions: nothing here knows a model, a file or the network. A test runs from top to bottom of this table.
//!
//! | step | modules |
//! |---|---|
//! | define | [`definition`] |
//! | plan | [`power`] |
//! | assign | [`assign`], [`hash`] |
//! | count | [`log`], [`counts`], [`moments`] |
//! | trust | [`srm`], [`triggered`] (the complement must show no effect) |
//! | estimate | [`estimate`], [`proportion`], [`quantile`], [`relative`]; with covariates [`cuped`], [`regression`], [`strata`] |
//! | few units | [`few`], [`bootstrap`] |
//! | conversions still to come | [`survival`] |
//! | looks before the end | [`sequential`], [`boundary`], [`spending`] |
//! | several tests | [`multiplicity`], [`non_inferiority`] |
//! | read | [`series`] (by day, by segment), [`bayes`] |
//! | show | [`page`](mod@page): an [`analysis`] as one page of HTML |
//! | without a test | [`interleave`], [`explore`], [`offpolicy`], [`policy_value`] |
//! | all of it | [`analysis`] |
//! | check | [`verify`] answers a file of cases computed by other libraries |
//!
//! The base: [`special`], [`distribution`], [`linalg`], [`random`].

// `!(x > 0.0)` also refuses NaN, which `x <= 0.0` lets through.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

pub mod analysis;
pub mod assign;
pub mod bayes;
pub mod bootstrap;
pub mod boundary;
pub mod counts;
pub mod cuped;
pub mod definition;
pub mod distribution;
mod error;
pub mod estimate;
pub mod explore;
pub mod few;
pub mod hash;
pub mod interleave;
pub mod linalg;
pub mod log;
pub mod moments;
pub mod multiplicity;
pub mod non_inferiority;
pub mod offpolicy;
pub mod page;
pub mod policy_value;
pub mod power;
pub mod proportion;
pub mod quantile;
pub mod random;
pub mod regression;
pub mod relative;
pub mod sequential;
pub mod series;
pub mod special;
pub mod spending;
pub mod srm;
pub mod strata;
pub mod survival;
pub mod triggered;
pub mod verify;

pub use error::{Error, Result};
