//! A user's interests: groups of the engaged items, ads and organic ones, by their texts, each named by its
//! distinctive words.

use super::view::ModelView;
use semrank_core::{Catalog, ItemId, Kind, Rng, UserId, narrow};
use semrank_sequence::{Interest as Direction, Labels, UnitVectors};
use serde::Serialize;

/// Most interests shown.
const MOST: usize = 3;
/// Words or pairs of words of a label.
const GRAMS: usize = 4;
/// Items named for one interest.
const ITEMS: usize = 3;

/// One interest.
#[derive(Debug, Clone, Serialize)]
pub struct Interest {
    /// The n-grams that set it apart, strongest first.
    pub label: Vec<String>,
    /// Share of the events engaged with that have content.
    pub share: f64,
    /// Events engaged with that have content.
    pub events: usize,
    /// How many of the events are of ads.
    pub ads: usize,
    /// Ids of the items nearest to its direction.
    pub items: Vec<String>,
}

/// The interests in what a user engaged with, the strongest first; `None` where the run has no content vectors.
pub fn interests(view: ModelView, seed: u64, user: UserId, engaged: &[ItemId]) -> Option<Vec<Interest>> {
    let (values, width) = view.content.texts();
    if values.is_empty() {
        return None;
    }
    let rng = Rng::new(seed, "interests").fork(u64::from(user.0));
    let found = UnitVectors::new(values, width).interests(engaged, MOST, &rng);
    Some(in_words(&view.data.dataset.catalog, found, engaged))
}

/// The same, given the content vectors of the items engaged with alone: one each, in their order, equal ones for the same item.
pub(crate) fn interests_among(
    catalog: &Catalog,
    vectors: (Vec<f32>, usize),
    engaged: &[ItemId],
) -> Vec<Interest> {
    let events: Vec<ItemId> = narrow::indices(engaged.len()).map(ItemId).collect();
    let found = UnitVectors::new(vectors.0, vectors.1).interests(&events, MOST, &Rng::new(0, "interests"));
    let to_items = |direction: Direction| Direction {
        items: direction.items.iter().map(|at| engaged[at.index()]).collect(),
        ..direction
    };
    in_words(catalog, found.into_iter().map(to_items).collect(), engaged)
}

fn in_words(catalog: &Catalog, found: Vec<Direction>, engaged: &[ItemId]) -> Vec<Interest> {
    let labels = Labels::new(catalog, engaged);
    let all: usize = found.iter().map(|interest| interest.items.len()).sum();
    let one = |Direction { items, .. }: Direction| {
        let mut nearest = items.clone();
        nearest.dedup();
        nearest.truncate(ITEMS);
        Interest {
            label: labels.of(&items, GRAMS),
            share: items.len() as f64 / all as f64,
            events: items.len(),
            ads: items.iter().filter(|item| catalog.kinds[item.index()] == Kind::Ad).count(),
            items: nearest.into_iter().map(|item| catalog.name(item).to_owned()).collect(),
        }
    };
    found.into_iter().map(one).collect()
}
