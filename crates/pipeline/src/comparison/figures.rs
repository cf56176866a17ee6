//! Quality and cost of a run, and the median of several runs.

use super::cost::{Cost, median, median_of_known};
use crate::next_item::Evaluation;
use crate::{Error, REPORT, Record, Timing};
use semrank_core::BySegment;
use semrank_measure::{RankSummary, ranking::Protocol};
use serde::Serialize;
use std::path::Path;

/// The row of an evaluation that is compared.
const MODEL: &str = "model";

/// Test metrics over some targets; zero where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// Cases.
    pub targets: usize,
    /// Share of targets among the first ten.
    #[serde(rename = "recall@10")]
    pub recall_10: f64,
    /// Mean over the cases.
    #[serde(rename = "ndcg@10")]
    pub ndcg_10: f64,
}

/// Quality of a run, and the cost of making all its stages.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Over all targets.
    #[serde(flatten)]
    pub all: Quality,
    /// By how much of the training events the target holds.
    pub segments: BySegment<Quality>,
    /// Sum over the stages.
    pub wall_seconds: f64,
    /// Sum over the stages; none where one does not know it.
    pub cpu_seconds: Option<f64>,
    /// Largest of the stages.
    pub peak_rss_mb: Option<f64>,
    /// Texts that went through the encoder while the model was trained.
    pub encoder_passes: f64,
    /// Kept of lower layers, so that they ran once.
    pub bytes_cached: f64,
    /// NDCG@10 above the reference's for each CPU minute above its; none where there is no such minute.
    pub gain_per_cpu_minute: Option<f64>,
}

impl Quality {
    fn of(summary: &RankSummary) -> Quality {
        Quality { targets: summary.users, recall_10: summary.recall_10, ndcg_10: summary.ndcg_10 }
    }

    /// A metric in its median; targets are the same in all runs of a data set.
    fn median(all: &[Quality]) -> Quality {
        Quality {
            targets: all.first().map_or(0, |quality| quality.targets),
            recall_10: median(all.iter().map(|quality| quality.recall_10)),
            ndcg_10: median(all.iter().map(|quality| quality.ndcg_10)),
        }
    }
}

impl Figures {
    /// The figures of the run at `path`.
    ///
    /// # Errors
    /// [`Error::MissingStage`] where the evaluation has no row of the model.
    pub fn of(path: &Path, record: &Record<Evaluation>) -> Result<Figures, Error> {
        let mut rows = record.evaluation.rows_of(Protocol::Strict);
        let model = rows
            .find(|row| row.name == MODEL)
            .ok_or_else(|| Error::MissingStage { run: path.to_owned(), stage: REPORT })?;
        let segment = |segment| Quality::of(model.segments.of(segment));
        let sum = |of: fn(&Timing) -> f64| record.timings.iter().map(of).sum();
        let Cost { wall_seconds, cpu_seconds, peak_rss_mb } = Cost::of(&record.timings);
        Ok(Figures {
            all: Quality::of(&model.all),
            segments: BySegment::new(segment),
            wall_seconds,
            cpu_seconds,
            peak_rss_mb,
            encoder_passes: sum(|timing| timing.counts.get("encoder_passes").copied().unwrap_or(0.0)),
            bytes_cached: sum(|timing| timing.counts.get("bytes_cached").copied().unwrap_or(0.0)),
            gain_per_cpu_minute: None,
        })
    }

    /// Every figure in its median; a gain is none, because it is that of the medians.
    pub fn median(all: &[Figures]) -> Figures {
        let segment = |segment| {
            let of = |figures: &Figures| *figures.segments.of(segment);
            Quality::median(&all.iter().map(of).collect::<Vec<Quality>>())
        };
        let known = |of: fn(&Figures) -> Option<f64>| median_of_known(all.iter().map(of));
        Figures {
            all: Quality::median(&all.iter().map(|figures| figures.all).collect::<Vec<Quality>>()),
            segments: BySegment::new(segment),
            wall_seconds: median(all.iter().map(|figures| figures.wall_seconds)),
            cpu_seconds: known(|figures| figures.cpu_seconds),
            peak_rss_mb: known(|figures| figures.peak_rss_mb),
            encoder_passes: median(all.iter().map(|figures| figures.encoder_passes)),
            bytes_cached: median(all.iter().map(|figures| figures.bytes_cached)),
            gain_per_cpu_minute: None,
        }
    }

    /// CPU time in minutes.
    pub fn cpu_minutes(&self) -> Option<f64> {
        self.cpu_seconds.map(|seconds| seconds / 60.0)
    }
}

#[cfg(test)]
impl Figures {
    /// Figures that say only these.
    pub fn sample(ndcg_10: f64, cpu_seconds: Option<f64>) -> Figures {
        let quality = |factor: f64| Quality {
            targets: (100.0 * factor) as usize,
            recall_10: 2.0 * ndcg_10 * factor,
            ndcg_10: ndcg_10 * factor,
        };
        Figures {
            all: quality(1.0),
            segments: BySegment {
                head: quality(1.5),
                torso: quality(0.8),
                tail: quality(0.5),
                new: quality(0.0),
            },
            wall_seconds: cpu_seconds.unwrap_or(1.0) / 2.0,
            cpu_seconds,
            peak_rss_mb: Some(100.0),
            encoder_passes: 0.0,
            bytes_cached: 0.0,
            gain_per_cpu_minute: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_each_figure_by_itself() {
        let all = [(0.3, Some(10.0)), (0.1, Some(30.0)), (0.2, Some(20.0))];
        let all = all.map(|(ndcg, cpu)| Figures::sample(ndcg, cpu));
        let found = Figures::median(&all);
        assert_eq!((found.all.ndcg_10, found.cpu_seconds, found.all.targets), (0.2, Some(20.0), 100));
        assert_eq!(Figures::median(&all[..2]).all.ndcg_10, 0.2, "the mean of the two in the middle");
        let unknown = Figures::median(&[all[0], Figures::sample(0.1, None)]);
        assert_eq!(unknown.cpu_seconds, None, "a cost that one run does not know is not known");
    }
}
