//! All sections put together: [`Config`], its keys and its checks.

use super::{ConfigError, ContentSettings, ContentTraining, DataSettings, RetrieveSettings};
use semrank_core::settings::{Key, SettingError};
use semrank_data::PrepSettings;
use semrank_embed::hash::FeatureSettings;
use semrank_response::PointwiseSettings;
use semrank_sequence::BlendSettings;
use semrank_sim::{AdMarketConfig, MarketConfig};
use semrank_tokens::{AlignSettings, TokenSettings};
use semrank_tower::{ModelSettings, TrainSettings};
use serde::{Deserialize, Serialize};

/// All settings; serialised into every run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is predicted; the only setting outside of a section.
    pub task: Task,
    /// Which events are for what.
    pub data: DataSettings,
    /// What turns texts into vectors, and whether that is trained.
    pub content: ContentSettings,
    /// Hashed n-grams.
    pub features: FeatureSettings,
    /// The alignment of content with behaviour.
    pub align: AlignSettings,
    /// Semantic ids.
    pub tokens: TokenSettings,
    /// Networks.
    pub model: ModelSettings,
    /// The training of a next-item model, and what conversions teach.
    pub train: TrainSettings,
    /// What is added to the network's score, and how its weight is chosen.
    pub blend: BlendSettings,
    /// The first stage.
    pub retrieve: RetrieveSettings,
    /// Models of clicks and conversions.
    pub pointwise: PointwiseSettings,
    /// Read by `semrank prep`, no stage of a run.
    pub prep: PrepSettings,
    /// Read by `semrank simulate`, no stage of a run.
    pub market: MarketConfig,
    /// Read by `semrank simulate --impressions`, no stage of a run.
    pub ads: AdMarketConfig,
}

/// The value of `task`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// The next item of a history, among all.
    #[default]
    #[serde(alias = "retrieval")]
    NextItem,
    /// Probabilities of clicks, of the rows of `examples.parquet`.
    Ctr,
    /// Of clicks, and of conversions given a click.
    Oc,
}

impl Task {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Task::NextItem => "next-item",
            Task::Ctr => "ctr",
            Task::Oc => "oc",
        }
    }
}

/// The key outside of a section, and its comment.
pub const TASK: &str = "task";
/// Its comment.
pub const TASK_DOC: &str = " `next-item` (the next item of a history), `ctr` (clicks of impressions) or `oc` (and their conversions).";

/// Units of the adapter that `content.train=adapter` asks for.
const ADAPTER: usize = 256;

/// Name and keys of every section, in the order of [`Config`].
pub const SECTIONS: [(&str, &[Key]); 13] = [
    ("data", DataSettings::KEYS),
    ("content", ContentSettings::KEYS),
    ("features", FeatureSettings::KEYS),
    ("align", AlignSettings::KEYS),
    ("tokens", TokenSettings::KEYS),
    ("model", ModelSettings::KEYS),
    ("train", TrainSettings::KEYS),
    ("blend", BlendSettings::KEYS),
    ("retrieve", RetrieveSettings::KEYS),
    ("pointwise", PointwiseSettings::KEYS),
    ("prep", PrepSettings::KEYS),
    ("market", MarketConfig::KEYS),
    ("ads", AdMarketConfig::KEYS),
];

impl Config {
    /// The settings that follow from others filled in.
    pub(crate) fn completed(mut self) -> Config {
        if self.content.train == ContentTraining::Adapter && self.model.adapter == 0 {
            self.model.adapter = ADAPTER;
        }
        self
    }

    /// Returns an error for the first number outside its range.
    pub(crate) fn check_ranges(&self) -> Result<(), SettingError> {
        self.content.check_ranges()?;
        self.features.check_ranges()?;
        self.align.check_ranges()?;
        self.tokens.check_ranges()?;
        self.model.check_ranges()?;
        self.train.check_ranges()?;
        self.blend.check_ranges()?;
        self.retrieve.check_ranges()?;
        self.pointwise.check_ranges()?;
        self.prep.check_ranges()?;
        self.market.check_ranges()?;
        self.ads.check_ranges()
    }

    /// Validates a file of settings that another program or a person wrote: numbers outside their ranges, and settings
    /// that contradict each other.
    ///
    /// # Errors
    /// The first such setting.
    pub fn check_all(&self) -> Result<(), ConfigError> {
        self.check_ranges()?;
        self.check()
    }

    /// Validates settings that depend on each other.
    ///
    /// # Errors
    /// The first such setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.content.check()?;
        self.features.check()?;
        self.align.check()?;
        self.tokens.check()?;
        self.model.check()?;
        self.train.check()?;
        self.blend.check()?;
        self.retrieve.check()?;
        self.pointwise.check()?;
        if self.task == Task::Oc {
            self.pointwise.check_delay(self.train.delay)?;
        }
        Ok(())
    }
}

/// All keys, `section.name`.
pub(crate) fn keys() -> impl Iterator<Item = String> {
    SECTIONS.iter().flat_map(|(section, keys)| keys.iter().map(move |key| format!("{section}.{}", key.name)))
}
