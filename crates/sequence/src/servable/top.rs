//! The best items of a user, exactly: every item is scored, and a heap of the best is kept.

use super::{Servable, UserState};
use semrank_core::{Best, ItemId, narrow};

/// Which items may be shown.
pub trait Eligible {
    /// Whether an item may be shown.
    fn allows(&self, item: ItemId) -> bool;
}

impl<F: Fn(ItemId) -> bool> Eligible for F {
    fn allows(&self, item: ItemId) -> bool {
        self(item)
    }
}

/// Memory of searches, kept between them.
#[derive(Debug, Default)]
pub struct Arena {
    scores: Vec<f32>,
    best: Best,
}

impl Servable {
    /// The best `k` eligible items with their scores, best first, ties by catalogue row. Items that the seen policy masks are never
    /// among them, and the result depends on the eligible items only.
    ///
    /// # Errors
    /// The first item whose score is not a number.
    pub fn top_k<'a>(
        &self,
        user: &UserState,
        k: usize,
        eligible: &dyn Eligible,
        arena: &'a mut Arena,
    ) -> Result<&'a [(f32, u32)], ItemId> {
        let Arena { scores, best } = arena;
        scores.resize(self.items(), 0.0);
        let blended = self.blended();
        blended.rows(std::slice::from_ref(user), scores);
        if let Some(item) = scores.iter().position(|score| score.is_nan()) {
            return Err(ItemId(narrow::index(item)));
        }
        let allowed = |item: u32| eligible.allows(ItemId(item));
        if blended.blend.new_places > 0 {
            let refused = (0..).zip(scores.iter_mut()).filter(|(item, _)| !allowed(*item));
            refused.for_each(|(_, score)| *score = f32::NEG_INFINITY);
            blended.keep_places(user, scores, allowed);
        }
        best.begin(k);
        best.add(0, scores, |item| scores[item as usize] > f32::NEG_INFINITY && allowed(item));
        Ok(best.finish())
    }
}
