//! Every setting of a run: sections declared once, next to the code that they steer, and put together here.
//!
//! Precedence: default < `--config` file < `SEMRANK_SECTION_KEY` in the environment < `--set section.key=value`.
//!
//! ```text
//! semrank config                                       every key with its comment and default, as TOML
//! semrank config --config shop.toml --set train.epochs=4        what would be used
//! SEMRANK_TRAIN_EPOCHS=4 semrank run …
//! ```
//!
//! | file | does |
//! |---|---|
//! | `content`, `data` | those sections; the other sections stand beside the code that they steer |
//! | `layers` | one source over the other, with the origin of every value |
//! | `print` | the settings as commented TOML |

mod content;
mod data;
mod layers;
mod print;
#[cfg(test)]
mod tests;
mod training;

pub(crate) use content::ContentSettings;
pub(crate) use data::{DataSettings, SplitChoice};
pub(crate) use layers::ConfigError;
pub(crate) use print::to_toml;
pub(crate) use training::ContentTraining;

use crate::error::Error;
use clap::Args;
use semrank_core::settings::{Key, SettingError};
use semrank_embed::hash::FeatureSettings;
use semrank_model::pointwise::PointwiseSettings;
use semrank_model::{BlendSettings, ModelSettings, TrainSettings};
use semrank_tokens::{AlignSettings, TokenSettings};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// All settings; serialised into every run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// What is predicted; the only setting outside of a section.
    pub(crate) task: Task,
    pub(crate) data: DataSettings,
    pub(crate) content: ContentSettings,
    pub(crate) features: FeatureSettings,
    pub(crate) align: AlignSettings,
    pub(crate) tokens: TokenSettings,
    pub(crate) model: ModelSettings,
    pub(crate) train: TrainSettings,
    pub(crate) blend: BlendSettings,
    pub(crate) pointwise: PointwiseSettings,
}

/// The value of `task`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// The next item of a history, among all.
    #[default]
    Retrieval,
    /// Probabilities of clicks, of the rows of `examples.parquet`.
    Ctr,
    /// Of clicks, and of conversions given a click.
    Oc,
}

impl Task {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Task::Retrieval => "retrieval",
            Task::Ctr => "ctr",
            Task::Oc => "oc",
        }
    }
}

/// The key outside of a section, and its comment.
pub(crate) const TASK: &str = "task";
pub(crate) const TASK_DOC: &str = " `retrieval` (the next item of a history), `ctr` (clicks of impressions) or `oc` (and their conversions).";

/// Units of the adapter that `content.train=adapter` asks for.
const ADAPTER: usize = 256;

/// Name and keys of every section, in the order of [`Config`].
pub(crate) const SECTIONS: [(&str, &[Key]); 9] = [
    ("data", DataSettings::KEYS),
    ("content", ContentSettings::KEYS),
    ("features", FeatureSettings::KEYS),
    ("align", AlignSettings::KEYS),
    ("tokens", TokenSettings::KEYS),
    ("model", ModelSettings::KEYS),
    ("train", TrainSettings::KEYS),
    ("blend", BlendSettings::KEYS),
    ("pointwise", PointwiseSettings::KEYS),
];

/// Where settings come from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigArgs {
    /// TOML file with settings; `semrank config` prints all of them.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, e.g. train.epochs=8; wins over file and environment.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

impl Config {
    /// The settings of all sources, checked.
    pub(crate) fn load(args: &ConfigArgs) -> Result<Config, Error> {
        let mut config: Config = layers::load(args.config.as_deref(), std::env::vars_os(), &args.set)?;
        if config.content.train == ContentTraining::Adapter && config.model.adapter == 0 {
            config.model.adapter = ADAPTER;
        }
        config.check()?;
        Ok(config)
    }

    /// Refuses the first number outside of its range.
    fn check_ranges(&self) -> Result<(), SettingError> {
        self.content.check_ranges()?;
        self.features.check_ranges()?;
        self.align.check_ranges()?;
        self.tokens.check_ranges()?;
        self.model.check_ranges()?;
        self.train.check_ranges()?;
        self.blend.check_ranges()?;
        self.pointwise.check_ranges()
    }

    /// Refuses what another program, or a hand, wrote into a file of settings: numbers outside of their ranges, and settings that do
    /// not go together.
    pub(crate) fn check_all(&self) -> Result<(), Error> {
        self.check_ranges()?;
        self.check()
    }

    /// Refuses settings that do not go together.
    fn check(&self) -> Result<(), Error> {
        self.content.check()?;
        self.features.check()?;
        self.align.check()?;
        self.tokens.check()?;
        self.model.check()?;
        self.train.check()?;
        self.blend.check()?;
        self.pointwise.check()?;
        if self.task == Task::Oc {
            self.pointwise.check_delay(self.train.delay)?;
        }
        Ok(())
    }
}

/// All keys, `section.name`.
fn keys() -> impl Iterator<Item = String> {
    SECTIONS.iter().flat_map(|(section, keys)| keys.iter().map(move |key| format!("{section}.{}", key.name)))
}
