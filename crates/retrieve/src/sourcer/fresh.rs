//! Items without events. A model that predicts what new items gather orders them, each user by one of its members; without one, or beyond its
//! items, they come in an order drawn for the user: everything new is tried on somebody.

use super::{Request, Scored, Sourcer};
use crate::Error;
use semrank_core::{Rng, narrow};
use semrank_nn::scan::Bitmap;

/// New items as a source.
pub struct Fresh {
    /// Of the catalogue; every item that came later is new.
    new: Bitmap,
}

impl Fresh {
    /// Of the catalogue's items: those without training events.
    pub fn new(new: Bitmap) -> Self {
        Self { new }
    }
}

impl Sourcer for Fresh {
    fn name(&self) -> &'static str {
        "fresh"
    }

    fn candidates(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
        let catalogue = narrow::index(self.new.len());
        let allowed =
            |item: u32| (item >= catalogue || self.new.contains(item)) && request.eligible.contains(item);
        let mut items = request.servable.new_items_for(request.user, n, allowed);
        if items.len() < n {
            let known: std::collections::BTreeSet<u32> = items.iter().copied().collect();
            let new = self.new.iter().chain(catalogue..narrow::index(request.servable.items()));
            let mut others: Vec<u32> = new.filter(|item| allowed(*item) && !known.contains(item)).collect();
            let user = request.user.first().map_or(0, |item| u64::from(item.0));
            let mut rng = Rng::new(user, request.user_id.unwrap_or("fresh"));
            let left = (n - items.len()).min(others.len());
            for at in 0..left {
                let other = at + rng.below(others.len() - at);
                others.swap(at, other);
            }
            items.extend(&others[..left]);
        }
        // A place in an order is all there is.
        out.extend(items.iter().enumerate().map(|(rank, &item)| Scored { item, score: -(rank as f32) }));
        Ok(())
    }
}
