//! The section `content`: what turns an item's texts into vectors.

use super::ContentTraining;
use semrank_embed::Trainable;
use semrank_sequence::{LiveSettings, Visits};
use semrank_tower::SettingError;
use serde::{Deserialize, Serialize};

/// One encoder's name or a list of them, whose vectors are put side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Encoders {
    /// `"hash:"`.
    One(String),
    /// `["hash:", "bert:models/minilm"]`.
    Several(Vec<String>),
}

impl Encoders {
    /// The names.
    pub fn names(&self) -> &[String] {
        match self {
            Encoders::One(name) => std::slice::from_ref(name),
            Encoders::Several(names) => names,
        }
    }
}

semrank_core::settings! {
    /// What turns an item's texts into vectors.
    pub struct ContentSettings of "content" {
        /// `hash:`, `static:PATH`, `bert:PATH`, `llama:PATH`, `onnx:PATH`, `parquet:PATH` or `http:URL`; or a list of
        /// such names, e.g. `["hash:", "bert:models/minilm"]`, whose vectors are put side by side.
        encoder: Encoders = Encoders::One("hash:".into()),
        /// How the encoder is trained with the ranker: `frozen` (cached vectors, a trained projection), `adapter` (and a small
        /// net), `top:N` (its last N layers), `lora:R` (low-rank corrections of its last layers) or `full` (all layers). The
        /// encoder must be `bert:` or `llama:` for the last three, and stand first in a list.
        train: ContentTraining = ContentTraining::Frozen,
        /// Layers that `lora:R` corrects.
        lora_layers: usize = 2, in 1..=1000,
        /// Times that the whole catalogue is encoded during a training.
        passes: f64 = 3.0, in 1e-3..=1e6,
        /// Items that are encoded again, and learned from, at a time.
        block: usize = 256, in 1..=1_000_000,
        /// Which items a step encodes again: `turn` (each in its turn, within the budget of passes) or `batch` (all items of
        /// the batch: exact, and expensive).
        visits: Visits = Visits::Turn,
        /// Peak learning rate of the encoder.
        rate: f64 = 1e-4, in 1e-9..=1.0,
        /// Decoupled weight decay of the encoder.
        weight_decay: f64 = 0.0, in 0.0..=100.0,
        /// Share of the steps, at the beginning, in which the encoder stays as it is.
        warmup: f64 = 0.1, in 0.0..=0.99,
        /// Longest text in training, in tokens.
        max_tokens: usize = 64, in 3..=1_000_000,
        /// Bytes of the frozen layers' output that are kept on disk; beyond that it is made again.
        kept_bytes: u64 = 1 << 30, in 0..=(1_u64 << 50),
        /// Folder in which vectors are kept, so that a text is encoded once; empty = `semrank` in the user's cache folder.
        cache: String = String::new(),
    }
}

impl ContentSettings {
    /// Validates the settings; returns an error for the first invalid value.
    ///
    /// # Errors
    /// The first invalid value.
    pub fn check(&self) -> Result<(), SettingError> {
        self.check_ranges()?;
        let first = self.encoder.names().first().map_or("", String::as_str);
        if self.train.trains_encoder() && !Trainable::is_possible(first) {
            let got = format!("{} of `{first}`", String::from(self.train));
            let expected = "frozen or adapter, or bert: or llama: as the first content.encoder".to_owned();
            return Err(SettingError { key: "content.train", got, expected });
        }
        Ok(())
    }

    /// How the encoder is trained, with low-rank corrections of `rank` unless that is 0.
    pub fn live(&self, rank: usize, clip: f64) -> LiveSettings {
        LiveSettings {
            passes: self.passes,
            block: self.block,
            visits: self.visits,
            rank,
            rate: self.rate,
            weight_decay: self.weight_decay,
            warmup: self.warmup,
            clip,
        }
    }

    /// The folder of the cache.
    pub fn cache_dir(&self) -> std::path::PathBuf {
        if !self.cache.is_empty() {
            return self.cache.clone().into();
        }
        let var =
            |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(std::path::PathBuf::from);
        let home = || var("HOME").map(|home| home.join(".cache"));
        var("XDG_CACHE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir).join("semrank")
    }
}
