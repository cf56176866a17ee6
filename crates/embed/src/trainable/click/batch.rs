//! Batches of engagements with drawn negatives, and the vectors of their items.

use super::super::tasks::{Saved, TrainedEncoder, forward_in_tasks};
use super::{Engaged, Engagement};
use crate::Error;
use semrank_core::Rng;
use semrank_nn::kernel;
use std::collections::BTreeSet;

/// Items drawn for every engaged one.
const NEGATIVES: usize = 4;
/// Attempts to draw a negative that the user has not taken.
const TRIES: usize = 10;

/// Engagements with what was drawn against them.
pub(super) struct Batch {
    pub(super) examples: Vec<(Vec<u32>, Vec<u32>)>,
}

/// The pool of negatives, and the items that each user took.
pub(super) struct Draw {
    pool: Vec<u32>,
    /// Items of each user, ascending.
    pub(super) taken: Vec<Vec<u32>>,
}

impl Draw {
    pub(super) fn new(engaged: &Engaged) -> Self {
        let sorted = |items: &Vec<u32>| {
            let mut items = items.clone();
            items.sort_unstable();
            items
        };
        Self { pool: engaged.pool.clone(), taken: engaged.by_user.iter().map(sorted).collect() }
    }

    /// Recent items and candidates of each example, the engaged one first. All draw from as many items as there are examples:
    /// each is encoded once.
    pub(super) fn batch(&self, examples: &[Engagement], rng: &mut Rng) -> Batch {
        let pool: Vec<u32> = examples.iter().map(|_| self.pool[rng.below(self.pool.len())]).collect();
        let mut with_negatives = |example: &Engagement| {
            let taken = &self.taken[example.user as usize];
            let mut candidates = vec![example.item];
            for _ in 0..NEGATIVES {
                let mut draws = (0..TRIES).map(|_| pool[rng.below(pool.len())]);
                candidates.extend(draws.find(|item| taken.binary_search(item).is_err()));
            }
            (example.recent.clone(), candidates)
        };
        Batch { examples: examples.iter().map(&mut with_negatives).collect() }
    }
}

/// Vectors of the distinct items of a batch.
pub(super) struct Vectors<'a> {
    batch: &'a Batch,
    pub(super) dim: usize,
    items: Vec<u32>,
    pub(super) values: Vec<f32>,
    /// State of each task's forward pass, and the number of values of its vectors.
    pub(super) saved: Vec<(Saved, usize)>,
}

impl<'a> Vectors<'a> {
    pub(super) fn of(encoder: &dyn TrainedEncoder, batch: &'a Batch) -> Result<Self, Error> {
        let all = batch.examples.iter().flat_map(|(recent, candidates)| recent.iter().chain(candidates));
        let items: Vec<u32> = all.copied().collect::<BTreeSet<_>>().into_iter().collect();
        let (mut values, mut saved) = (Vec::with_capacity(items.len() * encoder.width()), Vec::new());
        for (left, part) in forward_in_tasks(encoder, &items)? {
            saved.push((left, part.len()));
            values.extend(part);
        }
        Ok(Self { batch, dim: encoder.width(), items, values, saved })
    }

    pub(super) fn slot(&self, item: u32) -> usize {
        self.items.binary_search(&item).unwrap_or(0)
    }

    pub(super) fn row(&self, item: u32) -> &[f32] {
        &self.values[self.slot(item) * self.dim..][..self.dim]
    }

    pub(super) fn mean(&self, items: &[u32]) -> Vec<f32> {
        let mut out = vec![0.0; self.dim];
        items.iter().for_each(|&item| kernel::axpy(1.0 / items.len() as f32, self.row(item), &mut out));
        out
    }

    /// Inner product and label of every prediction.
    pub(super) fn products(&self) -> Vec<(f64, f64)> {
        let mut out = Vec::new();
        for (recent, candidates) in &self.batch.examples {
            let user = self.mean(recent);
            let product = |&item: &u32| f64::from(kernel::dot(&user, self.row(item)));
            out.extend(candidates.iter().enumerate().map(|(at, item)| (product(item), f64::from(at == 0))));
        }
        out
    }
}
