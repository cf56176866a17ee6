//! Item vectors, and the parts of training that both rankers share: the tower of `sequence` and `response`.
//!
//! | file | does |
//! |---|---|
//! | `item_tower`, `content_map`, `tables`, `prefixes` | item vectors ([`ItemTower`]): content, and rows of items, advertisers and prefixes |
//! | `gradients`, `optimiser` | sums of gradients; one step of the optimiser ([`Optimiser`]) |
//! | `weights` | all parameters of a ranker ([`Weights`]), in memory and in files |
//! | `rounds` | passes over the data, and when they are validated |
//! | `settings`, `check` | settings of items, trunk and training |
//! | `artefact` | features in a folder; tensors and errors of all artefacts |

pub mod artefact;
mod check;
mod content_map;
mod gap;
mod gradients;
mod item_tower;
mod optimiser;
mod prefixes;
mod rounds;
mod settings;
mod tables;
mod weights;

pub use check::SettingError;
pub use content_map::{ContentConfig, ContentMap};
pub use gap::{GAP_BUCKETS, gap_bucket};
pub use gradients::{RowGrads, gather};
pub use item_tower::{ItemParts, ItemRows, ItemTower};
pub use optimiser::{Optimiser, StepRates};
pub use prefixes::PrefixRows;
pub use rounds::Rounds;
pub use settings::{Auto, Delay, Loss, ModelSettings, Negatives, Stream, TrainSettings};
pub use tables::{RowDropout, RowKey, TableShape};
pub use weights::{Snapshot, Weights};
