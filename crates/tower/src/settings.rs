//! Settings of items, trunk and training that both rankers read; `semrank config` prints them with these comments.

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

/// What is learned from a click whose conversion may still come; see [`super::delay`](crate).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delay {
    /// Wait until the attribution window is over.
    Window,
    /// Not yet converted is negative.
    Naive,
    /// Negative at once, positive when the conversion arrives, importance weights.
    FakeNegativeWeighted,
    /// A distribution of delays is learned too.
    DelayModel,
    /// Wait a little, then importance weights from a model of late conversions.
    Elapsed,
}

/// Whether the log is read once, in time order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Stream {
    /// As given.
    Fixed(bool),
    /// By size.
    Auto(Auto),
}

/// The word `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auto {
    /// `auto`.
    Auto,
}

/// Training rows from which on `auto` reads a log once.
const STREAM_ROWS: usize = 1_000_000;

impl Stream {
    /// Whether `rows` training rows are read once.
    pub fn once(self, rows: usize) -> bool {
        match self {
            Stream::Fixed(once) => once,
            Stream::Auto(_) => rows > STREAM_ROWS,
        }
    }
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
        /// Positions per step: whole histories, together about this many events.
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
        /// Sampled negatives per step, shared by all positions.
        negatives: usize = 1024, in 1..=10_000_000,
        /// `uniform` or `popularity`.
        sampling: Negatives = Negatives::Uniform,
        /// Parts a step is cut into, added in order: the result depends on it, but not on the number of threads.
        shards: usize = 2, in 1..=1024,
        /// What clicks teach whose conversion may still come (`task=oc`): `window`, `naive`, `fake-negative-weighted`,
        /// `delay-model` (with `pointwise.hazard`) or `elapsed`. Without an attribution window all are the same.
        delay: Delay = Delay::DelayModel,
        /// Whether `task=ctr` and `task=oc` read the log once, in time order: `true`, `false`, or `auto` (above a million
        /// training rows).
        stream: Stream = Stream::Auto(Auto::Auto),
    }
}
