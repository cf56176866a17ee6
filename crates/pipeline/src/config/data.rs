//! The section `data`: which events are for what.

use semrank_data::{Dataset, SplitKind};
use serde::{Deserialize, Serialize};

/// How events are divided into training, validation and test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitChoice {
    /// By time where the data set has times, else leave-one-out.
    Auto,
    /// Each user's last two events.
    LeaveOneOut,
    /// Two cuts in time.
    Time,
}

impl SplitChoice {
    /// The split of a data set.
    pub fn of(self, dataset: &Dataset) -> SplitKind {
        match self {
            SplitChoice::Auto if dataset.events.timed() => SplitKind::Time,
            SplitChoice::Auto | SplitChoice::LeaveOneOut => SplitKind::LeaveOneOut,
            SplitChoice::Time => SplitKind::Time,
        }
    }
}

semrank_core::settings! {
    /// What is made of the data set.
    pub struct DataSettings of "data" {
        /// `auto` (by time where the data set has times, else leave-one-out), `leave-one-out` or `time`.
        split: SplitChoice = SplitChoice::Auto,
    }
}
