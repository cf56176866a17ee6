//! What is chosen on validation: the weights of a model's terms, and what happens to items of the history.

use crate::Prior;
use serde::{Deserialize, Serialize};

/// What happens to items that already are in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeenPolicy {
    /// They are never recommended again.
    Mask,
    /// Their logit gets the bias that training learned.
    Learned,
    /// Nothing.
    None,
}

/// What is chosen on validation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Blend {
    /// Weight of the item-item term.
    pub alpha: f32,
    /// Weight of the content neighbours.
    pub content: f32,
    /// Weight of the popularity prior.
    pub beta: f32,
    /// Of every ten places the last so many are kept for items without training events.
    pub new_places: u32,
    /// Which prior.
    pub prior: Prior,
    /// Items of the history.
    pub seen: SeenPolicy,
}

impl Blend {
    /// The network alone: before anything is chosen.
    pub fn network_alone() -> Self {
        let (prior, seen) = (Prior::Popularity, SeenPolicy::None);
        Self { alpha: 0.0, content: 0.0, beta: 0.0, new_places: 0, prior, seen }
    }
}
