//! Settings of the tokenizers; `semrank config` prints them with these comments.

use serde::{Deserialize, Serialize};

/// How vectors become ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// K-means level after level, each on what the ones before left.
    ResidualKmeans,
    /// Residual codes of an autoencoder's latent vector.
    RqVae,
    /// K-means in L parts of the vector.
    Product,
}

/// What happens to items whose vectors have the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Collisions {
    /// They share it; an item's id is a function of its vector.
    Share,
    /// One keeps it and the others move to free ids nearby: every id has one item.
    Reassign,
}

semrank_core::settings! {
    /// How content vectors become semantic ids.
    pub struct TokenSettings of "tokens" {
        /// `residual-kmeans`, `rq-vae` or `product`.
        tokenizer: Kind = Kind::ResidualKmeans,
        /// Codes of an item, L.
        levels: usize = 4, in 1..=64,
        /// Codes of a level, K; at most 65,536.
        codes: usize = 256, in 2..=65_536,
        /// Passes of k-means over the sample, a level.
        iterations: usize = 25, in 1..=10_000,
        /// Items of the sample that a tokenizer is fitted on, for each code of a level; 0 = all items.
        points_per_code: usize = 256, in 0..=1_000_000_000,
        /// Whether what a level left is brought to length 1 before the next one.
        normalise_residuals: bool = true,
        /// Whether fitting gives each code of a level equally many items of the sample.
        balanced: bool = false,
        /// Rows of the sample that fitting reads at once instead of holding all of them in memory; 0 = hold them. The
        /// ids are the same.
        mini_batch: usize = 0, in 0..=1_000_000_000,
        /// Items whose vectors have the same id: `share` it, or `reassign` all but one to free ids nearby.
        collisions: Collisions = Collisions::Share,
        /// `rq-vae`: width of the hidden layer of encoder and decoder.
        hidden: usize = 512, in 1..=16_384,
        /// `rq-vae`: width of the latent vector.
        latent: usize = 64, in 1..=16_384,
        /// `rq-vae`: passes over the sample.
        epochs: usize = 20, in 1..=1_000_000,
        /// `rq-vae`: items per step.
        batch: usize = 1024, in 1..=1_000_000,
        /// `rq-vae`: peak learning rate.
        rate: f64 = 1e-3, in 1e-9..=1.0,
        /// `rq-vae`: weight of the commitment loss.
        commitment: f64 = 0.25, in 0.0..=1000.0,
        /// `rq-vae`: share of a code's running mean that a step keeps.
        decay: f64 = 0.99, in 0.0..=0.999_999,
    }
}

impl TokenSettings {
    /// Items that k-means is fitted on, of a catalogue of `items`.
    pub(crate) fn sample_size(&self, items: usize) -> usize {
        match self.points_per_code {
            0 => items,
            points => items.min(points.saturating_mul(self.codes)),
        }
    }
}
