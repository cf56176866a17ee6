//! What the probabilities of a run are worth, and what the run cost.

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
    pub all: Worth,
    /// Of conversions: P(conversion | click) among clicks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_click: Option<Worth>,
    /// Of making all stages.
    #[serde(flatten)]
    pub cost: Cost,
}

/// Measures on the test rows; none where the labels do not define one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Worth {
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
            all: Worth::of(&evaluation.measured),
            given_click: evaluation.given_click.as_ref().map(Worth::of),
            cost: Cost::of(&record.timings),
        }
    }

    /// Every figure in its median, without differences.
    pub(crate) fn median(all: &[Probabilities]) -> Probabilities {
        let worth = |of: &dyn Fn(&Probabilities) -> Option<Worth>| {
            let worths: Option<Vec<Worth>> = all.iter().map(of).collect();
            worths.map(|worths| Worth::median(&worths))
        };
        Probabilities {
            all: Worth::median(&all.iter().map(|figures| figures.all).collect::<Vec<Worth>>()),
            given_click: worth(&|figures| figures.given_click),
            cost: Cost::median(&all.iter().map(|figures| figures.cost).collect::<Vec<Cost>>()),
        }
    }
}

impl Worth {
    fn of(measured: &Measured) -> Worth {
        let scores = &measured.scores;
        Worth {
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
    fn median(all: &[Worth]) -> Worth {
        let known = |of: fn(&Worth) -> Option<f64>| median_of_known(all.iter().map(of));
        Worth {
            rows: all.first().map_or(0, |worth| worth.rows),
            auc: known(|worth| worth.auc),
            uauc: known(|worth| worth.uauc),
            request_auc: known(|worth| worth.request_auc),
            pr_auc: known(|worth| worth.pr_auc),
            log_loss: known(|worth| worth.log_loss),
            ne: known(|worth| worth.ne),
            calibration: known(|worth| worth.calibration),
            ece: known(|worth| worth.ece),
            difference: None,
        }
    }
}
