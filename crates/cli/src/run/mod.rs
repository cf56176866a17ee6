//! `semrank run` and `semrank train`: a data set in, a run folder out, stage by stage.
//!
//! ```text
//! semrank run --data beauty --out beauty-run --set train.epochs=12 --seed 2
//! semrank train --data beauty --out beauty-run --resume           features and model only
//! ```
//!
//! | file | does |
//! |---|---|
//! | `args` | the arguments of a run to make and of one to read |
//! | `verbs` | the two verbs |
//! | `summary` | what they print; `kept` says which epoch was kept |
//! | `pages` | the pages beside the figures |

mod args;
mod kept;
mod pages;
mod summary;
mod verbs;

pub(crate) use args::{MakeArgs, OpenArgs};
pub(crate) use pages::{Pages, SOURCES_PAGE, TOKENS_PAGE, write_page};
pub(crate) use verbs::{RunArgs, run, train};
