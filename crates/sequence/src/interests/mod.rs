//! A user's interests: vectors of the engaged items in, K directions out, each with its items and a label in words
//! ([`Labels`]). The mean vector of a user who reads about tea and about drills is between the two and near neither; several
//! vectors keep them apart (Pal et al. 2020, PinnerSage, arXiv 2007.03634).
//!
//! Spherical k-means (Dhillon & Modha 2001, section 3.1), seeded as k-means++ (Arthur & Vassilvitskii 2007): the best of a
//! few starts. An item that was taken twice counts twice; one without content not at all.
//!
//! ```
//! use semrank_core::{ItemId, Rng};
//! use semrank_sequence::UnitVectors;
//! let items = UnitVectors::new(vec![1.0, 0.0, 0.9, 0.1, 0.0, 1.0], 2); // three items
//! let found = items.interests(&[ItemId(0), ItemId(2), ItemId(1)], 2, &Rng::new(1, "doc"));
//! assert_eq!(found[0].items.len(), 2); // the strongest first: items 0 and 1
//! assert_eq!(found[1].items, [ItemId(2)]);
//! ```

mod labels;
mod recall;

pub use labels::Labels;
pub use recall::{InterestRecall, interest_recall};

use crate::similar::unit_vectors;
use semrank_core::{ItemId, Rng};
use semrank_nn::{kernel, unit_rows};

/// Starts of which the best is kept.
const STARTS: u64 = 4;
/// Most rounds of a start.
const ROUNDS: usize = 20;

/// Vectors of length 1 of all items; zero where an item has no content.
#[derive(Debug, Clone)]
pub struct UnitVectors {
    values: Vec<f32>,
    width: usize,
}

/// One interest of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Interest {
    /// Its direction, of length 1.
    pub vector: Vec<f32>,
    /// The events it stands for, by their items, nearest to the direction first.
    pub items: Vec<ItemId>,
}

impl UnitVectors {
    /// From `[items x width]` vectors of any length.
    pub fn new(vectors: Vec<f32>, width: usize) -> Self {
        Self { values: unit_vectors(vectors, width), width }
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether no item has content.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn of(&self, item: ItemId) -> &[f32] {
        &self.values[item.index() * self.width..][..self.width]
    }

    /// At most `k` interests of somebody who engaged with `items`, that of most events first. Fewer where there are fewer
    /// different items; none without content.
    pub fn interests(&self, items: &[ItemId], k: usize, rng: &Rng) -> Vec<Interest> {
        if self.is_empty() {
            return Vec::new();
        }
        let items: Vec<ItemId> =
            items.iter().copied().filter(|&item| self.of(item).iter().any(|&x| x != 0.0)).collect();
        let start = |at| self.clusters(&items, k, rng.fork(at));
        let best = (0..STARTS).map(start).reduce(|best, next| if next.0 > best.0 { next } else { best });
        let (_, centres, owners) = best.unwrap_or_default();
        let mut found: Vec<Interest> = centres
            .into_iter()
            .enumerate()
            .map(|(at, vector)| {
                let mut items: Vec<ItemId> = items
                    .iter()
                    .zip(&owners)
                    .filter(|(_, owner)| **owner == at)
                    .map(|(item, _)| *item)
                    .collect();
                let cosine = |item: ItemId| kernel::dot(self.of(item), &vector);
                items.sort_by(|a, b| cosine(*b).total_cmp(&cosine(*a)).then(a.cmp(b)));
                Interest { vector, items }
            })
            .filter(|interest| !interest.items.is_empty())
            .collect();
        found.sort_by_key(|interest| std::cmp::Reverse(interest.items.len()));
        found
    }

    /// One start: the sum of all cosines, the centres, and which of them each item belongs to.
    fn clusters(&self, items: &[ItemId], k: usize, mut rng: Rng) -> (f64, Vec<Vec<f32>>, Vec<usize>) {
        let mut centres = self.seeds(items, k, &mut rng);
        let (mut sum, mut owners) = self.assign(items, &centres);
        for _ in 0..ROUNDS {
            for (at, centre) in centres.iter_mut().enumerate() {
                let mut total = vec![0.0; self.width];
                let members = items.iter().zip(&owners).filter(|(_, owner)| **owner == at);
                members.for_each(|(&item, _)| kernel::add(self.of(item), &mut total));
                // Opposite items add up to nothing: the centre stays where it was.
                if total.iter().any(|&x| x != 0.0) {
                    unit_rows(self.width, &total, &mut [0.0], centre);
                }
            }
            let (next, moved) = self.assign(items, &centres);
            sum = next;
            if moved == owners {
                break;
            }
            owners = moved;
        }
        (sum, centres, owners)
    }

    /// Items to begin with, each drawn by its distance `1 - cosine` to those before.
    fn seeds(&self, items: &[ItemId], k: usize, rng: &mut Rng) -> Vec<Vec<f32>> {
        let mut centres: Vec<Vec<f32>> = Vec::new();
        let mut distance = vec![1.0f64; items.len()];
        while centres.len() < k {
            let all: f64 = distance.iter().sum();
            if all <= 0.0 {
                break;
            }
            let mut left = rng.unit() * all;
            let drawn = distance.iter().position(|&part| {
                left -= part;
                part > 0.0 && left < 0.0
            });
            let at = drawn.or(distance.iter().rposition(|&part| part > 0.0)).unwrap_or(0);
            let centre = self.of(items[at]).to_vec();
            for (distance, &item) in distance.iter_mut().zip(items) {
                let apart = 1.0 - f64::from(kernel::dot(self.of(item), &centre));
                // Rounding must not make a second centre of the same text.
                *distance = if apart < 1e-5 { 0.0 } else { distance.min(apart) };
            }
            centres.push(centre);
        }
        centres
    }

    fn assign(&self, items: &[ItemId], centres: &[Vec<f32>]) -> (f64, Vec<usize>) {
        let mut sum = 0.0;
        let nearest = |&item: &ItemId| {
            let (at, cosine) = centres
                .iter()
                .map(|centre| kernel::dot(self.of(item), centre))
                .enumerate()
                .fold((0, f32::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best });
            sum += f64::from(cosine);
            at
        };
        let owners = items.iter().map(nearest).collect();
        (sum, owners)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(rows: &[u32]) -> Vec<ItemId> {
        rows.iter().copied().map(ItemId).collect()
    }

    #[test]
    fn interests_are_the_groups_that_are_apart() {
        // Three directions with two items each, and an item without content.
        let rows = [3.0, 0.0, 0.0, 1.0, 0.1, 0.0, 0.0, 2.0, 0.0, 0.1, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.1, 1.0];
        let vectors = UnitVectors::new([&rows[..], &[0.0; 3]].concat(), 3);
        for seed in 0..20 {
            let rng = Rng::new(seed, "test");
            let found = vectors.interests(&items(&[0, 2, 4, 6, 1, 3, 5, 0]), 3, &rng);
            let mut groups: Vec<Vec<u32>> = Vec::new();
            for interest in &found {
                let mut group: Vec<u32> = interest.items.iter().map(|item| item.0).collect();
                group.sort_unstable();
                groups.push(group);
                assert!((kernel::dot(&interest.vector, &interest.vector) - 1.0).abs() < 1e-5);
            }
            assert_eq!(groups[0], [0, 0, 1], "the interest with most events is the first");
            groups.sort();
            assert_eq!(groups, [vec![0, 0, 1], vec![2, 3], vec![4, 5]]);
            assert_eq!(found, vectors.interests(&items(&[0, 2, 4, 6, 1, 3, 5, 0]), 3, &rng));
        }
    }

    #[test]
    fn there_are_no_more_interests_than_different_items() {
        let vectors = UnitVectors::new(vec![1.0, 0.0, 2.0, 0.0, 0.0, 0.0], 2);
        let rng = Rng::new(1, "test");
        assert_eq!(vectors.interests(&items(&[0, 1, 0]), 5, &rng).len(), 1);
        assert!(vectors.interests(&items(&[2, 2]), 5, &rng).is_empty());
        assert!(vectors.interests(&[], 5, &rng).is_empty());
        assert!(UnitVectors::new(Vec::new(), 0).interests(&items(&[0]), 5, &rng).is_empty());
        let opposite = UnitVectors::new(vec![1.0, -1.0], 1);
        let one = opposite.interests(&items(&[0, 1]), 1, &rng);
        assert!(one[0].items.len() == 2 && one[0].vector[0].abs() == 1.0);
    }
}
