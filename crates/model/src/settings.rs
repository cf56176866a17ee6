//! Settings of the sequence model and of its training; `semrank config` prints them with these comments.

use crate::pointwise::{Auto, Delay, Stream};
use serde::{Deserialize, Serialize};

/// Which items a position's target competes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// A softmax over shared sampled negatives.
    Sampled,
    /// A softmax over every trained item.
    Full,
}

/// How negatives are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Negatives {
    /// Every trained item alike, without replacement.
    Uniform,
    /// By training events, corrected by -ln(expected count) (logQ).
    Popularity,
}

semrank_core::settings! {
    /// The item tower and the sequence trunk.
    pub struct ModelSettings of "model" {
        /// Width D of item vectors and of the trunk.
        dim: usize = 128, in 1..=16_384,
        /// Transformer blocks.
        blocks: usize = 1, in 0..=64,
        /// Attention heads; a divisor of `dim`.
        heads: usize = 2, in 1..=256,
        /// Width of the feed-forward net, as a multiple of `dim`.
        expansion: usize = 4, in 1..=64,
        /// Events of a history that the trunk reads, counted from the newest.
        history: usize = 50, in 1..=65_536,
        /// Dropout on inputs, attention weights and residual branches.
        dropout: f64 = 0.5, in 0.0..=0.99,
        /// Share of items whose id row is left out of a training step, so that content stands on its own.
        id_dropout: f64 = 0.3, in 0.0..=0.99,
        /// Share of prefix rows that are left out of a training step.
        prefix_dropout: f64 = 0.3, in 0.0..=0.99,
        /// Whether items have an id row.
        ids: bool = true,
        /// Whether items have a projected content vector.
        content: bool = true,
        /// Units of a small net over content vectors beside their projection; 0 = none. `content.train=adapter` sets it to
        /// 256 if it is 0.
        adapter: usize = 0, in 0..=16_384,
        /// Whether items have a row for each prefix of their semantic ids. Without `content` and `prefixes` no text is read.
        prefixes: bool = true,
        /// Largest number of prefix rows; beyond it prefixes share rows by hash.
        prefix_rows: usize = 1_000_000, in 1..=2_000_000_000,
        /// Largest number of id rows; a larger catalogue shares rows by hash.
        id_rows: usize = 1_000_000, in 1..=2_000_000_000,
        /// Starting temperature of the cosine score; it is learned.
        temperature: f64 = 0.07, in 1e-3..=100.0,
    }
}

semrank_core::settings! {
    /// How the model is trained.
    pub struct TrainSettings of "train" {
        /// Most passes over the training histories.
        epochs: usize = 12, in 1..=1_000_000,
        /// Steps to allow at least for a model without semantic ids: a small data set gets more epochs than `epochs`, up to
        /// 200, and many are validated a few at a time. With ids, items learn from each other and a few epochs are enough.
        min_steps: u64 = 3000, in 0..=1_000_000_000,
        /// Stop after this many of `epochs` without a better validation NDCG@10; where `min_steps` makes epochs more, after
        /// as large a share of them. 0 = never.
        patience: usize = 6, in 0..=1_000_000,
        /// Positions a step: whole histories, together about this many events.
        batch: usize = 768, in 1..=1_000_000,
        /// Peak learning rate.
        rate: f64 = 2e-3, in 1e-9..=1.0,
        /// Steps of linear warm-up.
        warmup_steps: u64 = 50, in 0..=1_000_000_000,
        /// Share of the peak rate that is left at the end of the linear decay.
        final_share: f64 = 0.03, in 0.0..=1.0,
        /// Largest norm of a step's gradient; 0 = no clipping.
        clip: f64 = 1.0, in 0.0..=1e6,
        /// Decoupled weight decay of the trunk and of the projections.
        weight_decay: f64 = 0.0, in 0.0..=100.0,
        /// Learning rate of id rows and prefix rows, as a multiple of `rate`.
        id_rate: f64 = 1.0, in 1e-6..=1000.0,
        /// Decoupled weight decay of the id rows and prefix rows of a batch.
        id_weight_decay: f64 = 0.0, in 0.0..=100.0,
        /// Epochs after which id rows and prefix rows stay as they are, while trunk and content go on; 0 = all learn to the
        /// end.
        id_epochs: usize = 0, in 0..=1_000_000,
        /// A target counts half as much for every such share of the training events that is younger; 0 = all count
        /// alike. Only for data with times, where what is popular changes.
        half_life: f64 = 0.25, in 0.0..=1000.0,
        /// `sampled` or `full`.
        loss: Loss = Loss::Sampled,
        /// Sampled negatives a step, shared by all positions.
        negatives: usize = 1024, in 1..=10_000_000,
        /// `uniform` or `popularity`.
        sampling: Negatives = Negatives::Uniform,
        /// Parts a step is cut into, added in order: the result depends on it, but not on the number of threads.
        shards: usize = 2, in 1..=1024,
        /// What clicks teach whose conversion may still come (`task=oc`): `window`, `naive`, `fake-negative-weighted`,
        /// `delay-model` (with `pointwise.hazard`) or `elapsed`; `oracle` takes the label of the future, for experiments. Without
        /// an attribution window all are the same.
        delay: Delay = Delay::DelayModel,
        /// Whether `task=ctr` and `task=oc` read the log once, in time order: `true`, `false`, or `auto` (above a million
        /// training rows).
        stream: Stream = Stream::Auto(Auto::Auto),
    }
}

semrank_core::settings! {
    /// The item-item term, the content neighbours and the popularity prior that are blended with the model's scores.
    pub struct BlendSettings of "blend" {
        /// Largest distance of two events that count as co-occurring; 0 = no item-item term.
        window: usize = 5, in 0..=10_000,
        /// Weight of "the other item came before" relative to "came after".
        backward: f64 = 0.3, in 0.0..=1000.0,
        /// Power of an item's total co-occurrence, as source, that its row is divided by.
        row_power: f64 = 0.5, in 0.0..=10.0,
        /// Power of an item's total co-occurrence, as candidate, that its column is divided by.
        column_power: f64 = 0.25, in 0.0..=10.0,
        /// Strongest candidates kept for each item.
        top: usize = 256, in 1..=1_000_000,
        /// Newest events of a history that bring candidates.
        recent: usize = 8, in 0..=1_000_000,
        /// Weight of an event relative to the next newer one.
        decay: f64 = 0.7, in 0.0..=1.0,
        /// Newest events of a history whose contents a candidate is compared with.
        content_recent: usize = 8, in 0..=1_000_000,
        /// Weight of such an event relative to the next newer one.
        content_decay: f64 = 0.85, in 0.0..=1.0,
        /// Items whose first event is among the last such share of the training events teach what an item without events
        /// can expect; only for data with times.
        newcomers: f64 = 0.7, in 0.0..=1.0,
        /// Days after its first event in which such an item shows what it is worth.
        newcomer_days: f64 = 30.0, in 0.0..=36_500.0,
        /// Weights of the content neighbours that are tried on validation.
        contents: Vec<f64> = vec![0.0, 2.0, 4.0, 8.0, 12.0, 16.0], in 0.0..=1e6,
        /// How many of every ten places may be kept for items without training events, tried on validation; only for data
        /// with times and texts.
        new_places: Vec<usize> = vec![1, 2, 3], in 1..=9,
        /// Such places are kept while NDCG@10 over all validation cases loses at most this share for each share of the
        /// targets that have no training events: with 0.5, a market where every tenth target is new gives up at most
        /// a twentieth; with 0, no place is kept.
        place_price: f64 = 0.5, in 0.0..=1000.0,
        /// Weights of the item-item term that are tried on validation.
        alphas: Vec<f64> = vec![0.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0], in 0.0..=1e6,
        /// Weights of the popularity prior that are tried on validation.
        betas: Vec<f64> = vec![0.0, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5], in 0.0..=1e6,
        /// Half-lives (days) of the popularity prior that are tried on validation, besides one that never forgets;
        /// only for data with times.
        half_lives_days: Vec<f64> = vec![60.0, 30.0, 14.0, 7.0, 3.0], in 1e-3..=36_500.0,
    }
}
