//! `semrank recommend`: a run and a user or a history in, items with text, score and its sources out.
//!
//! The user's whole history counts, test events included: this is what the program would show next, no measurement.
//!
//! ```text
//! semrank recommend beauty-run --user A2 -k 5 --explain
//! semrank recommend beauty-run --history B1,B7,B3        someone who took these, in this order
//! semrank recommend beauty-run --new-user                someone of whom nothing is known
//! ```
//!
//! | file | does |
//! |---|---|
//! | `verb` | the verb |
//! | `show` | recommendations, histories and interests for people |

mod show;
mod verb;

pub(crate) use show::list;
pub(crate) use verb::{RecommendArgs, recommend};
