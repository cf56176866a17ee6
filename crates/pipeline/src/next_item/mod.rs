//! `task=next-item`: the next item of a history, among all.
//!
//! | file | does |
//! |---|---|
//! | `model` | the stage `model`: training, and the blend of scores |
//! | `evaluation` | [`Evaluation`]: the model and every baseline, ranked on the same cases |
//! | `report` | the stage `report` |
//! | `item_encoder` | [`ItemEncoder`]: texts of items that come after training |
//! | `view` | [`ModelView`]: a trained model with the data that it scores |
//! | `asked` | for whom is recommended |
//! | `recommend` | the best items of a query, with the parts of their scores |
//! | `interests` | what a user is interested in, in words |

mod asked;
mod evaluation;
mod interests;
mod item_encoder;
mod model;
mod recommend;
mod report;
mod view;

pub use asked::Asked;
pub use evaluation::{Difference, Evaluation, ModelIntervals, evaluate};
pub(crate) use interests::interests_among;
pub use interests::{Interest, interests};
pub use item_encoder::{EncodedItem, ItemEncoder};
pub use model::NextItem;
pub use recommend::{Recommendation, Recommender, Source, kind};
pub use report::{Extra, Report};
pub use view::ModelView;
