//! A run as a library object: a data set and settings in, a folder of stages out, and what they hold.
//!
//! ```no_run
//! use semrank_pipeline::config::Sources;
//! use semrank_pipeline::{Context, Data, Run};
//!
//! let config = Sources::default().load()?;
//! let run = Run::create("beauty-run".as_ref(), Data::open("beauty".as_ref(), &config)?, config, 1)?;
//! let context = Context::default();
//! run.make_content(&context)?;
//! run.make_model(false, &context)?;
//!
//! let run = Run::open("beauty-run".as_ref())?;
//! assert!(run.data()?.has_text());
//! # Ok::<(), semrank_pipeline::Error>(())
//! ```
//!
//! | file | does |
//! |---|---|
//! | `context` | [`Context`]: progress, cancel and threads, passed in |
//! | `config` | [`Config`](config::Config): all settings |
//! | `data` | [`Data`]: the data set, its split and counts |
//! | `folder` | the run folder and `run.json` |
//! | `stage` | [`Stage`]; skip or make a stage; manifests and their checks |
//! | `features`, `tokens` | the first two stages; `ids_file` is the file of semantic ids |
//! | `next_item` | the stages `model` and `report` of `task=next-item`, and recommendations |
//! | `response` | the same of `task=ctr` and `task=oc` |
//! | `live` | content that is trained with its ranker |
//! | `partial` | the state of a training under way |
//! | `retrieval` | the first stage: sources, quotas, requests, pages; `cursor_key` signs cursors |
//! | `ranking` | a click run behind the first stage of a next-item run, and the early-stage model between them |
//! | `run` | [`Run`]: a folder with its stages, read when they are asked for |
//! | `record` | what the files of a finished run tell without its data set |
//! | `overview` | what a person wants to see of a finished run |
//! | `comparison` | runs beside each other; `backtest` compares settings on cuts inside the training events |
//! | `pairs`, `predictions` | files of pairs to score, of the best items and of scores |
//! | `ids` | measures of semantic ids; published ids |
//! | `finetune`, `vectors` | encoders without a run |

pub mod backtest;
pub mod comparison;
pub mod config;
mod context;
mod cursor_key;
mod data;
mod error;
mod features;
mod finetune;
mod folder;
pub mod ids;
mod ids_file;
mod live;
pub mod next_item;
pub mod overview;
mod pairs;
mod partial;
mod predictions;
pub mod ranking;
mod record;
pub mod response;
pub mod retrieval;
mod run;
mod stage;
mod tokens;
mod vectors;

pub use context::{Context, Event, Progress, Silent};
pub use data::{Data, Part};
pub use error::Error;
pub use features::{CACHED, ENCODED, Features};
pub use finetune::{FACTS as FINETUNE_FACTS, Finetune, Finetuned, Objective};
pub use folder::{DatasetRef, Lock, RunFile};
pub use pairs::Pairs;
pub use predictions::{write_lists, write_rows};
pub use record::{Record, task};
pub use run::Run;
pub use stage::{Done, Key, Pages, Stage, Timing};
pub use tokens::{Content, Tokens};
pub use vectors::{Embedded, VectorsOptions, write_vectors};

/// Name of the stage of figures, and of its folder.
pub const REPORT: &str = "report";
/// The file of figures in it.
pub(crate) const EVALUATION: &str = "evaluation.json";

/// The examples of `CONTRIBUTING.md` compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../../CONTRIBUTING.md")]
struct Contributing;
