//! Every setting of a run: sections declared once, next to the code that they steer, and put together here.
//!
//! Precedence: default < file < `SEMRANK_SECTION_KEY` in the environment < `section.key=value`.
//!
//! ```
//! use semrank_pipeline::config::{Sources, to_toml};
//!
//! let sources = Sources { file: None, set: vec!["train.epochs=4".into()] };
//! let config = sources.load()?;
//! assert_eq!(config.train.epochs, 4);
//! assert!(to_toml(&config).contains("epochs = 4"));
//! let typing = Sources { set: vec!["trian.epochs=4".into()], ..Sources::default() };
//! assert!(typing.load().unwrap_err().help().unwrap().contains("did you mean `train.epochs`?"));
//! # Ok::<(), semrank_pipeline::config::ConfigError>(())
//! ```
//!
//! | file | does |
//! |---|---|
//! | `content`, `training`, `data`, `retrieve` | those sections; the other sections stand beside the code that they steer |
//! | `sections` | [`Config`]: all of them |
//! | `layers` | one source over the other, with the origin of every value |
//! | `print` | the settings as commented TOML |
//! | `error` | what can be wrong |

mod content;
mod data;
mod error;
mod layers;
mod print;
mod retrieve;
mod sections;
#[cfg(test)]
mod tests;
mod training;

pub use content::{ContentSettings, Encoders};
pub use data::{DataSettings, SplitChoice};
pub(crate) use error::ALL_SETTINGS;
pub use error::{ConfigError, Origin};
pub use layers::{Given, Sources};
pub use print::to_toml;
pub use retrieve::RetrieveSettings;
pub(crate) use sections::keys;
pub use sections::{Config, SECTIONS, TASK, TASK_DOC, Task};
pub use training::ContentTraining;
