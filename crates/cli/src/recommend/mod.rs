//! `semrank recommend`: a run and a user or a history in, items with text, score and its sources out.
//!
//! The user's whole history counts, test events included: this is what would be shown next, not an evaluation.
//!
//! ```text
//! semrank recommend beauty-run --user A2 -k 5 --explain
//! semrank recommend beauty-run --history B1,B7,B3        a user with this history
//! semrank recommend beauty-run --new-user                a user without history
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
