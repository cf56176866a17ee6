//! What everybody takes: items by a popularity that was counted before, walked from the top.

use super::{Request, Scored, Sourcer};
use crate::Error;

/// Items by popularity.
#[derive(Debug, Clone, Default)]
pub struct Popular {
    order: Vec<Scored>,
}

impl Popular {
    /// Of a popularity per item, such as decayed counts; items at or below 0 are left out.
    pub fn new(popularity: &[f32]) -> Self {
        let scored = (0..).zip(popularity).filter(|(_, score)| **score > 0.0);
        let mut order: Vec<Scored> = scored.map(|(item, &score)| Scored { item, score }).collect();
        super::keep_best(popularity.len(), &mut order);
        Self { order }
    }
}

impl Sourcer for Popular {
    fn name(&self) -> &'static str {
        "popular"
    }

    fn candidates(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
        out.extend(self.order.iter().filter(|scored| request.eligible.contains(scored.item)).take(n));
        Ok(())
    }
}
