//! The second half of the funnel: a click or conversion run behind the first stage of a next-item run over the same data set.
//!
//! ```text
//! history, now, context -> sources -> merged candidates -> the early-stage model's best -> probabilities -> the best k
//! ```
//!
//! | file | does |
//! |---|---|
//! | `rank` | [`ClickRanking`]: a request in, the best items with probabilities and sources out |
//! | `later` | [`ClickFollower`]: new items of a catalogue for the click model |
//! | `moments` | users at moments before the tests of both runs, and what the click model says of their candidates |
//! | `measure` | how much of the click model's own list the first places of an order hold |
//! | `early` | the stage `early`: the early-stage model, and where it wins |

mod early;
mod later;
mod measure;
mod moments;
mod rank;

pub use early::{EarlyModel, EarlyReport};
pub use later::ClickFollower;
pub use measure::{OrderRecall, Orders, orders_of_cases};
pub use rank::{ClickRanking, Depth, Ranked, RankedPage};
