//! Scorers in, exact ranking figures out: every case's target is ranked among **all** items, none sampled.
//!
//! One scoring pass gives the ranks of both protocols. *strict*: the evaluator removes nothing; a scorer that does not
//! want to show seen items again scores them `-inf` itself. *filtered*: items of the history other than the target are
//! skipped. Ties rank pessimistically, a NaN score is an error, and sampled candidates are never used (they change
//! which model wins: Krichene & Rendle 2020, "On Sampled Metrics for Item Recommendation").
//!
//! ```
//! use semrank_core::{ActionId, Event, EventLogBuilder, History, ItemId, UserId};
//! use semrank_data::Case;
//! use semrank_measure::ranking::{RankOptions, Scorer, rank};
//!
//! struct ByNumber; // item 3 is best
//! impl Scorer for ByNumber {
//!     fn name(&self) -> &str { "by number" }
//!     fn score(&self, histories: &[History], out: &mut [f32]) {
//!         let items = out.len() / histories.len();
//!         out.iter_mut().enumerate().for_each(|(at, score)| *score = (at % items) as f32);
//!     }
//! }
//! let mut log = EventLogBuilder::default();
//! for (time, item) in [3, 1].into_iter().enumerate() {
//!     log.push(UserId(0), Event { item: ItemId(item), action: ActionId(0), time: time as i64 });
//! }
//! let case = Case { user: UserId(0), end: 1, target: ItemId(1) };
//! let ranking = rank(&ByNumber, &log.finish(1, false), 4, &[case], RankOptions::default())?;
//! assert_eq!(ranking.strict.ranks, [3]); // behind items 3 and 2
//! assert_eq!(ranking.filtered.ranks, [2]); // item 3 is in the history
//! # Ok::<(), semrank_measure::ranking::EvaluateError>(())
//! ```

mod bootstrap;
mod count;
mod predictions;
mod rank;
mod report;

pub use bootstrap::{
    Interval, SummaryIntervals, mean_interval, mean_over_users, ndcg_difference, summary_intervals,
};
pub use predictions::write_predictions;
pub use rank::{Ranked, Ranking, histories_of_a_tile, rank};
pub use report::ResultRow;

use semrank_core::History;

/// Scores every item of the catalogue, given what a user has done.
pub trait Scorer: Sync {
    /// The name in reports.
    fn name(&self) -> &str;

    /// Fills `out`, row-major `[histories x items]`, which holds old numbers at first; higher is better.
    ///
    /// `-inf` puts an item behind all others; NaN makes the evaluation fail. Called from several threads at once, and
    /// a history's row must not depend on the other histories of the block.
    fn score(&self, histories: &[History], out: &mut [f32]);
}

/// What happens to items of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// They stay in the ranking.
    Strict,
    /// They are removed, except for the target.
    Filtered,
}

impl Protocol {
    /// Both, in the order of reports.
    pub const ALL: [Protocol; 2] = [Protocol::Strict, Protocol::Filtered];
}

/// How to rank.
#[derive(Debug, Clone, Copy, Default)]
pub struct RankOptions {
    /// Length of the lists of best items to keep for every case; 0 = ranks only.
    pub list: usize,
}

/// What stops an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// A score is not a number.
    #[error(
        "{scorer} scored item row {item} for user row {user} with NaN: the model has diverged or its input is damaged"
    )]
    NotANumber {
        /// The scorer's name.
        scorer: String,
        /// Row of the user dictionary.
        user: u32,
        /// Row of the catalogue.
        item: u32,
    },
    /// An id that cannot be written to a list separated by spaces.
    #[error("id {id:?} is empty or contains white space, and so cannot be written to a predictions file")]
    UnwritableId {
        /// The id.
        id: String,
    },
    /// The predictions could not be written.
    #[error("cannot write the predictions")]
    Write(#[from] std::io::Error),
}

#[cfg(test)]
mod tests;
