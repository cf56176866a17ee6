//! Quality of scores: scores and labels in; metrics with intervals, calibration and baselines out.
//!
//! Nothing here knows how a score was made: a ranking is measured through [`ranking::Scorer`], probabilities as columns.
//!
//! | module | holds |
//! |---|---|
//! | [`ranking`] | the rank of each target among all items, lists of the best, their bootstrap |
//! | [`probabilities`] | AUC, log loss, normalised entropy, calibration, their paired bootstrap over users |
//! | [`calibrate`] | Platt, isotonic and logistic maps from scores to probabilities |
//! | [`baselines`] | rankers that every model is compared with: popularity, Markov, TF-IDF |
//! | [`label_baselines`] | the same for clicks and conversions |

pub mod baselines;
pub mod calibrate;
pub mod label_baselines;
mod metrics;
pub mod probabilities;
pub mod ranking;

pub use metrics::{NamedMetric, RankMetrics, RankSummary};
