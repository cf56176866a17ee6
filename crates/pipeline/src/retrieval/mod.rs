//! The first stage of a run: what may be shown, the sources of candidates, and how many each may give.
//!
//! | file | does |
//! |---|---|
//! | `items` | columns of the data set -> what filters and time windows read |
//! | `standing` | `status` and budgets -> items that are held back |
//! | `sources` | a trained model -> its sources |
//! | `changes` | changes of items, and what a journal keeps of them |
//! | `catalogue` | items that change while a program runs, kept by a journal |
//! | `follower` | a model behind the first stage, which has to know new items |
//! | `fields` | values of an item's columns, as changes name them |
//! | `requests` | what is asked for -> candidates, pages, rankings |
//! | `cases` | held-out cases as requests |
//! | `candidates` | how many candidates each source may give |
//! | `quotas` | the stage `index`: quotas chosen on validation |
//! | `of_run` | all of it, of a run |
//! | `measure` | cases -> figures of every source, of the funnel, and of what the ranker makes of it |

mod candidates;
mod cases;
mod catalogue;
mod changes;
mod fields;
mod follower;
mod items;
mod measure;
mod of_run;
mod quotas;
mod requests;
mod sources;
mod standing;

pub use candidates::Quotas;
pub use catalogue::Catalogue;
pub use changes::Change;
pub use fields::{FieldValue, Fields};
pub use follower::{Follower, NewItem};
pub use items::not_held_back;
pub use measure::{FunnelEvaluation, RankedFigures, measure};
pub use quotas::IndexStage;
pub use requests::{Ask, Page, Retrieved};
pub use sources::{Live, Retrieval};
