//! Histories and content vectors in, a next-item model out that ranks every item.

pub mod artefact;
mod batch;
mod blend;
mod columns;
mod fit;
mod interests;
mod item_item;
mod live;
mod network;
mod newcomers;
mod pairs;
mod past;
mod places;
mod prior;
mod regression;
mod rows;
mod servable;
mod settings;
mod shard_step;
mod similar;
#[doc(hidden)]
pub mod testing;
mod text_neighbours;
mod trainer;
mod training_data;
mod work;

pub(crate) use batch::push_history;
pub use batch::{Batch, Batcher, SeenInTraining, Shard};
pub use blend::{BlendProgress, BlendTask, Chosen, choose};
pub use fit::{
    Ended, EpochReport, Fit, FitError, Fitting, SAVE_EVERY, StepReport, Task, TrainedContent, Watch,
};
pub use interests::{Interest, InterestRecall, Labels, UnitVectors, interest_recall};
pub use item_item::ItemItem;
pub use live::{Live, LiveReport, LiveSettings, Visits};
pub use network::{KnownItems, Network, Sequences, Shape, TrunkSaved};
pub use newcomers::{NewItems, Words};
pub use places::keep_places;
pub use prior::Prior;
pub use servable::{
    Arena, Blend, Eligible, FusedQuery, ItemInput, ItemVectors, Parts, SeenPolicy, Servable, UserState,
};
pub use settings::BlendSettings;
pub use similar::{ContentAlone, SimilarContent};
pub use text_neighbours::Texts;
pub use trainer::Trainer;
pub use training_data::{TrainingData, Window};
