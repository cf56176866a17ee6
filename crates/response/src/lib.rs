//! Impressions to probabilities: the click model (CTR) and the optimised-conversion model (OC).
//!
//! In: a prepared data set ([`semrank_data::Examples`] beside histories), content vectors, semantic ids. Out: for each row the
//! probabilities of a click and of a conversion given a click, from features that are known at the row's time.
//!
//! | file | does |
//! |---|---|
//! | `request`, `contexts`, `items` | one (user, item, context, moment), and how much of it is read; what is known of items |
//! | `counts`, `affinity`, `histogram` | features of a request from labels and contents that came before it |
//! | `effects` | what contents say of labels: of an item, and of a user's taste |
//! | `features`, `snapshot`, `tensors` | [`FeatureState`]: all of them at one moment; in a folder |
//! | `rows`, `replay`, `store` | rows as requests; their labels when they are known; the features of all rows, in time order |
//! | `shard` | a batch with items and events numbered once |
//! | `attention`, `network` | target attention over the history; the whole network, forward and backward |
//! | `samples` | the examples as a stream of what is learned when |
//! | `delay`, `hazard`, `loss` | losses of the heads, with delayed feedback |
//! | `propensity` | weights of rows by how likely they were shown |
//! | `diverged` | the error of a training whose numbers are none any more |
//! | `start` | where the heads begin: at base rates |
//! | `task`, `training`, `progress` | what is trained on; a training that can be asked at any time; what is reported of it |
//! | `trainer`, `passes` | a step; epochs or one pass |
//! | `score`, `model`, `artefact` | probabilities of rows; [`ResponseModel`]: of requests; the model in a folder |
//! | `state` | a training under way in a folder, to go on with |
//!
//! # Losses
//! `click_weight · l(click) + conversion_weight · l(conversion | click) + entire_space · l(P(click) P(conversion | click)) +
//! dwell_weight · (ln dwell - prediction)² / 2`, each over the samples that are about it: a label that can still change is no sample
//! unless `train.delay` says so. The weights are settings (1, 1, 0, 0.05); the length of each head's gradient in the last hidden
//! layer is reported.

mod affinity;
mod artefact;
mod attention;
mod contexts;
mod counts;
mod delay;
mod diverged;
mod effects;
mod features;
mod hazard;
mod histogram;
mod items;
mod loss;
mod model;
mod network;
mod passes;
mod progress;
mod propensity;
mod replay;
mod request;
mod rows;
mod samples;
mod score;
mod settings;
mod shard;
mod snapshot;
mod start;
mod state;
mod store;
mod task;
mod tensors;
#[doc(hidden)]
pub mod testing;
#[cfg(test)]
mod tests;
mod trainer;
mod training;

pub use artefact::PointwiseFacts;
pub use contexts::{ContextCoder, ContextValue, Contexts};
pub use counts::{Label, LabelEvent, labels_of};
pub use diverged::Diverged;
pub use features::FeatureState;
pub use items::Items;
pub use model::ResponseModel;
pub use network::{HeadColumns, PointwiseNetwork, PointwiseShape, Position};
pub use progress::{DayReport, HeadReport, PassReport, Tally};
pub use request::{Events, NO_SLOT, Request};
pub use score::Score;
pub use settings::{CalibrationKind, Hazard, Kinds, Known, PointwiseSettings};
pub use task::{Goal, PointwiseTask};
pub use training::{Choosing, PointwiseTrainer, Progress, Watch};
