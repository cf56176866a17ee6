//! Comparison of several runs: quality and cost.
//!
//! | file | does |
//! |---|---|
//! | `compared` | names of runs, and whether they can be compared |
//! | `members` | which runs differ in the seed only |
//! | `next_item` | [`Comparison`], of `task=next-item` |
//! | `figures`, `cost` | [`Figures`]: quality and cost of one run; their median |
//! | `groups` | runs of one way of training, with their medians |
//! | `gain` | the reference, and the gain of the others per additional CPU minute |
//! | `probabilities` | [`ProbabilityComparison`], of `task=ctr` and `task=oc`, with intervals of their differences |
//! | `probability_metrics` | [`Probabilities`]: quality and cost of one such run |
//! | `differences` | the paired bootstrap |

mod compared;
mod cost;
mod differences;
mod figures;
mod gain;
mod groups;
mod members;
mod next_item;
mod probabilities;
mod probability_metrics;

pub use compared::{ComparedRun, same_task};
pub use cost::Cost;
pub use differences::{Difference, Differences};
pub use figures::{Figures, Quality};
pub use groups::Group;
pub use next_item::Comparison;
pub use probabilities::{ProbabilityComparison, ProbabilityGroup};
pub use probability_metrics::{Probabilities, ProbabilityMetrics};
