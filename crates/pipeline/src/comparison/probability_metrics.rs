//! Quality of the probabilities of a run, and what the run cost.

use super::cost::{Cost, median_of_known};
use super::differences::Differences;
use crate::Record;
use crate::response::{Measured, PointwiseEvaluation};
use serde::Serialize;

/// A run's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probabilities {
    /// Of the task's own probability.
    #[serde(flatten)]
    pub all: ProbabilityMetrics,
    /// Of conversions: P(conversion | click) among clicks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_click: Option<ProbabilityMetrics>,
    /// Of making all stages.
    #[serde(flatten)]
    pub cost: Cost,
}

/// Measures on the test rows; none where the labels do not define one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ProbabilityMetrics {
    /// Measured.
    pub rows: usize,
    /// Area under the ROC curve.
    pub auc: Option<f64>,
    /// Mean AUC within users.
    pub uauc: Option<f64>,
    /// Mean AUC within requests; none where rows have none.
    pub request_auc: Option<f64>,
    /// Area under precision and recall.
    pub pr_auc: Option<f64>,
    /// Mean negative log likelihood.
    pub log_loss: Option<f64>,
    /// Log loss over that of the base rate.
    pub ne: Option<f64>,
    /// Predicted over observed positives.
    pub calibration: Option<f64>,
    /// Expected calibration error.
    pub ece: Option<f64>,
    /// From the reference, which has none.
    pub difference: Option<Differences>,
}

impl Probabilities {
    /// The figures of a run; differences are noted later.
    pub(crate) fn of(record: &Record<PointwiseEvaluation>) -> Probabilities {
        let evaluation = &record.evaluation;
        Probabilities {
            all: ProbabilityMetrics::of(&evaluation.measured),
            given_click: evaluation.given_click.as_ref().map(ProbabilityMetrics::of),
            cost: Cost::of(&record.timings),
        }
    }

    /// Every figure in its median, without differences.
    pub(crate) fn median(all: &[Probabilities]) -> Probabilities {
        let given: Option<Vec<ProbabilityMetrics>> = all.iter().map(|figures| figures.given_click).collect();
        Probabilities {
            all: ProbabilityMetrics::median(&all.iter().map(|figures| figures.all).collect::<Vec<_>>()),
            given_click: given.map(|given| ProbabilityMetrics::median(&given)),
            cost: Cost::median(&all.iter().map(|figures| figures.cost).collect::<Vec<_>>()),
        }
    }
}

impl ProbabilityMetrics {
    fn of(measured: &Measured) -> ProbabilityMetrics {
        let scores = &measured.scores;
        ProbabilityMetrics {
            rows: scores.rows,
            auc: scores.auc,
            uauc: measured.uauc,
            request_auc: measured.request_auc,
            pr_auc: scores.pr_auc,
            log_loss: scores.log_loss,
            ne: scores.ne,
            calibration: scores.calibration,
            ece: scores.ece,
            difference: None,
        }
    }

    /// Rows are the same in all runs of a data set.
    fn median(all: &[ProbabilityMetrics]) -> ProbabilityMetrics {
        let known = |of: fn(&ProbabilityMetrics) -> Option<f64>| median_of_known(all.iter().map(of));
        ProbabilityMetrics {
            rows: all.first().map_or(0, |metrics| metrics.rows),
            auc: known(|metrics| metrics.auc),
            uauc: known(|metrics| metrics.uauc),
            request_auc: known(|metrics| metrics.request_auc),
            pr_auc: known(|metrics| metrics.pr_auc),
            log_loss: known(|metrics| metrics.log_loss),
            ne: known(|metrics| metrics.ne),
            calibration: known(|metrics| metrics.calibration),
            ece: known(|metrics| metrics.ece),
            difference: None,
        }
    }
}
