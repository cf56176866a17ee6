//! Histories and texts in, a trained model that ranks every item out.
pub mod artefact;
pub mod baselines;
mod batch;
mod blend;
mod check;
pub mod evaluate;
mod fit;
mod item_item;
mod network;
mod newcomers;
mod places;
mod prefixes;
mod ranker;
mod settings;
mod similar;
mod trainer;

pub use batch::{Batch, Batcher, SeenInTraining, Shard, TrainingData, Window, push_history};
pub use blend::{Chosen, Prior, Terms, choose, untouched};
pub use check::SettingError;
pub use fit::{Ended, EpochReport, Fit, FitError, Fitting, SAVE_EVERY, StepReport, Task, Watch, fit};
pub use item_item::ItemItem;
pub use network::{
    GAP_BUCKETS, KnownItems, Network, Prefixes, RowDropout, Sequences, Shape, TrunkSaved, gap_bucket,
};
pub use newcomers::Newcomers;
pub use places::keep_every;
pub use prefixes::PrefixRows;
pub use ranker::{Blend, Encoded, Ranker, SeenPolicy};
pub use settings::{BlendSettings, Loss, ModelSettings, Negatives, TrainSettings};
pub use similar::{ContentAlone, SimilarContent};
pub use trainer::Trainer;
