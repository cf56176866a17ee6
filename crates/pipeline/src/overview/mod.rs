//! The content of a run's page as plain data: the caller decides how to show it.
//!
//! | file | does |
//! |---|---|
//! | `content` | [`Report`]: of a next-item run; `next_item` makes it |
//! | `ranking` | [`PointwiseReport`]: of a ranking run; `response` makes it |
//! | `words` | settings, times and what was chosen on validation, in words |

mod content;
mod next_item;
mod ranking;
mod response;
mod words;

pub use content::{
    DatasetFacts, Epoch, MODEL, Past, Recommended, Report, ResultRow, SegmentFacts, TokensLink, UserExample,
};
pub use next_item::of_next_item;
pub use ranking::{Example, Facts, PointwiseReport};
pub use response::of_response;
pub use words::{policy, when};
