//! What making a run took.

use crate::Timing;
use serde::Serialize;

/// Of all stages of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Cost {
    /// Sum over the stages.
    pub wall_seconds: f64,
    /// Sum over the stages; none where one does not know it.
    pub cpu_seconds: Option<f64>,
    /// Largest of the stages.
    pub peak_rss_mb: Option<f64>,
}

impl Cost {
    /// Of stages with these timings.
    pub(crate) fn of(timings: &[Timing]) -> Cost {
        let known = |of: fn(&Timing) -> Option<f64>| timings.iter().map(of).collect::<Option<Vec<f64>>>();
        Cost {
            wall_seconds: timings.iter().map(|timing| timing.seconds).sum(),
            cpu_seconds: known(|timing| timing.cpu_seconds).map(|all| all.iter().sum()),
            peak_rss_mb: known(|timing| timing.peak_rss_mb).map(|all| all.into_iter().fold(0.0, f64::max)),
        }
    }

    /// Every figure in its median; one that a run does not know is not known.
    pub(crate) fn median(all: &[Cost]) -> Cost {
        let known = |of: fn(&Cost) -> Option<f64>| median_of_known(all.iter().map(of));
        Cost {
            wall_seconds: median(all.iter().map(|cost| cost.wall_seconds)),
            cpu_seconds: known(|cost| cost.cpu_seconds),
            peak_rss_mb: known(|cost| cost.peak_rss_mb),
        }
    }
}

/// The middle value; none where one is not known, or there is none.
pub(crate) fn median_of_known(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| median(values.into_iter()))
}

/// The middle value, or the mean of the two in the middle; 0 of nothing.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        len if len % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}
