//! Impressions to probabilities: the click model (CTR) and the optimised-conversion model (OC).
//!
//! In: a prepared data set ([`semrank_data::Examples`] beside histories), content vectors, semantic ids. Out: for each row the
//! probabilities of a click and of a conversion given a click, from features that are known at the row's time.
//!
//! | file | does |
//! |---|---|
//! | `counts`, `affinity`, `histogram` | features of a row from labels and contents that came before it |
//! | `effects` | what contents say of labels: of an item, and of a user's taste |
//! | `features` | all of them, row by row, in time order |
//! | `rows`, `items`, `shard` | what a row refers to; a batch with items and events numbered once |
//! | `attention`, `network` | target attention over the history; the whole network, forward and backward |
//! | `lessons` | the examples as a stream of what is learned when |
//! | `delay`, `hazard`, `loss` | losses of the heads, with delayed feedback |
//! | `propensity` | weights of rows by how likely they were shown |
//! | `diverged` | the error of a training whose numbers are none any more |
//! | `start` | where the heads begin: at base rates |
//! | `trainer`, `passes`, `training`, `progress` | a step; epochs or one pass; a training that can be asked at any time; what is told of it |
//! | `score`, `artefact` | probabilities of rows; the model in a folder |
//! | `state` | a training under way in a folder, to go on with |
//!
//! # Losses
//! `click_weight · l(click) + conversion_weight · l(conversion | click) + entire_space · l(P(click) P(conversion | click)) +
//! dwell_weight · (ln dwell - prediction)² / 2`, each over the lessons that are about it: a label that can still change is no lesson
//! unless `train.delay` says so. The weights are settings (1, 1, 0, 0.05); the length of each head's gradient in the last hidden
//! layer is reported.

mod affinity;
mod artefact;
mod attention;
mod counts;
mod delay;
mod diverged;
mod effects;
mod features;
mod hazard;
mod histogram;
mod items;
mod lessons;
mod loss;
mod network;
mod passes;
mod progress;
mod propensity;
mod rows;
mod score;
mod settings;
mod shard;
mod start;
mod state;
#[cfg(test)]
mod tests;
mod trainer;
mod training;

pub use artefact::PointwiseFacts;
pub use diverged::Diverged;
pub use items::ItemTables;
pub use network::{HeadColumns, PointwiseNetwork, PointwiseShape, Position};
pub use progress::{DayReport, HeadReport, PassReport, Tally};
pub use rows::Contexts;
pub use score::Score;
pub use settings::{CalibrationKind, Hazard, Kinds, Known, PointwiseSettings};
pub use training::{Choosing, Goal, PointwiseTask, PointwiseTrainer, Progress, Watch};
