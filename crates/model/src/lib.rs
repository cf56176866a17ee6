//! Histories and texts in, a trained model that ranks every item out.
pub mod artefact;
pub mod baselines;
mod batch;
mod blend;
pub mod calibrate;
mod check;
mod cholesky;
mod click;
mod columns;
mod content_map;
pub mod evaluate;
mod finetune;
mod fit;
mod interests;
mod item_item;
mod live;
mod network;
mod newcomers;
mod past;
mod places;
pub mod pointwise;
pub mod pointwise_baselines;
mod prefixes;
mod prior;
mod ranker;
mod rounds;
mod settings;
mod similar;
mod trainer;
mod work;

pub use batch::{Batch, Batcher, SeenInTraining, Shard, TrainingData, Window, push_history};
pub use blend::{BlendProgress, BlendTask, Chosen, choose};
pub use check::SettingError;
pub use click::{Engagement, engagements, finetune_clicks};
pub use finetune::{FinetuneSettings, Losses, finetune};
pub use fit::{
    Ended, EpochReport, Fit, FitError, Fitting, SAVE_EVERY, StepReport, Task, TrainedContent, Watch, fit,
};
pub use interests::{Interest, InterestRecall, Labels, UnitVectors, interest_recall};
pub use item_item::ItemItem;
pub use live::{Live, LiveReport, LiveSettings, Saved, TextLayers, TrainedEncoder, Visits, vectors_of};
pub use network::{
    GAP_BUCKETS, KnownItems, Network, Prefixes, RowDropout, Sequences, Shape, TrunkSaved, gap_bucket,
};
pub use newcomers::NewItems;
pub use places::keep_places;
pub use prefixes::PrefixRows;
pub use prior::Prior;
pub use ranker::{Blend, Encoded, Ranker, SeenPolicy, Terms};
pub use settings::{BlendSettings, Loss, ModelSettings, Negatives, TrainSettings};
pub use similar::{ContentAlone, SimilarContent};
pub use trainer::Trainer;
