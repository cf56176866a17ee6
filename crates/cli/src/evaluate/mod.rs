//! `semrank evaluate`: a run in, its metrics beside those of the baselines out, strict and filtered, by segment.
//!
//! ```text
//! semrank evaluate beauty-run                                 tables
//! semrank evaluate beauty-run --json                          one JSON object
//! semrank evaluate beauty-run --predictions top.tsv --filtered
//! ```
//!
//! | file | does |
//! |---|---|
//! | `verb` | the verb, of both kinds of runs |
//! | `table`, `probabilities`, `funnel` | an evaluation for people |

mod funnel;
mod probabilities;
mod table;
mod verb;

pub(crate) use funnel::table as funnel_table;
pub(crate) use probabilities::text as probability_table;
pub(crate) use table::tables;
pub(crate) use verb::{EvaluateArgs, evaluate};
