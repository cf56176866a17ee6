//! Which differences between trained models are real: one bootstrap over users for all runs, so that every pair is drawn alike.
//!
//! An interval says how these models would differ on other users. It does not say how two ways of training differ: another
//! seed gives another model, which only runs of several seeds show.

use crate::response::ScoredRows;
use semrank_measure::probabilities::{Bootstrap, BootstrapSettings, Interval, Measure};
use serde::Serialize;

/// How far a run is from the reference; none where the labels do not define a measure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Differences {
    /// Below 0 is better.
    pub ne: Option<Difference>,
    /// Above 0 is better.
    pub auc: Option<Difference>,
    /// Above 0 is better.
    pub uauc: Option<Difference>,
}

/// A difference with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// The difference.
    #[serde(flatten)]
    pub interval: Interval,
    /// Whether the interval excludes 0.
    pub significant: bool,
}

/// All runs, measured on the same draws of users.
pub(crate) struct Paired(Bootstrap);

impl Paired {
    /// Of runs with the same rows in the same order.
    pub(crate) fn new(runs: &[&ScoredRows]) -> Paired {
        let columns: Vec<&[f64]> = runs.iter().map(|rows| rows.scores.as_slice()).collect();
        let (labels, users) = runs.first().map_or((&[][..], &[][..]), |rows| (&rows.labels, &rows.users));
        Paired(Bootstrap::new(&columns, labels, users, BootstrapSettings::default()))
    }

    /// The mean of runs `a` less the mean of runs `b`.
    pub(crate) fn differences(&self, a: &[usize], b: &[usize]) -> Differences {
        let of = |measure| {
            let interval = self.0.contrast(measure, a, b)?;
            Some(Difference { interval, significant: interval.excludes_zero() })
        };
        Differences { ne: of(Measure::Ne), auc: of(Measure::Auc), uauc: of(Measure::UserAuc) }
    }
}
