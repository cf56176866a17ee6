//! Which items users took together, and the hard negatives: near items that no user took together with an anchor.

use super::super::tasks::{TrainedEncoder, vectors_of};
use crate::Error;
use rayon::prelude::*;
use semrank_core::{Best, Rng, narrow};
use semrank_nn::{Mat, matmul};
use std::collections::{BTreeMap, BTreeSet};

/// Anchors whose nearest items are sought at a time, and items that they are compared with at a time: 4 MB of scores.
const ANCHORS: usize = 64;
pub(super) const TILE_ITEMS: usize = 1 << 14;
/// Nearest items that a hard negative is drawn from.
pub(super) const NEAREST: usize = 16;

/// Which items were taken with which, and how often each is a partner.
pub(super) struct Taken {
    with: Vec<Vec<u32>>,
    counts: Vec<u32>,
    total: u64,
}

impl Taken {
    pub(super) fn new(items: usize, pairs: &[[u32; 2]]) -> Self {
        let mut with = vec![Vec::new(); items];
        let mut counts = vec![0; items];
        for &[a, b] in pairs {
            with[a as usize].push(b);
            with[b as usize].push(a);
            counts[b as usize] += 1;
        }
        with.iter_mut().for_each(|with| {
            with.sort_unstable();
            with.dedup();
        });
        Self { with, counts, total: pairs.len() as u64 }
    }

    pub(super) fn together(&self, a: u32, b: u32) -> bool {
        a == b || self.with[a as usize].binary_search(&b).is_ok()
    }

    /// -ln of the expected number among the partners of a batch.
    pub(super) fn correction(&self, item: u32, batch: usize) -> f32 {
        let count = f64::from(self.counts[item as usize].max(1));
        -((batch as f64 * count / self.total as f64).ln()) as f32
    }
}

/// One of the nearest items that were not taken with the first of each pair.
pub(super) fn hard_negatives(
    encoder: &dyn TrainedEncoder,
    items: usize,
    pairs: &[[u32; 2]],
    taken: &Taken,
    rng: &mut Rng,
) -> Result<Vec<u32>, Error> {
    let all: Vec<u32> = narrow::indices(items).collect();
    let vectors = vectors_of(encoder, &all)?;
    let dim = encoder.width();
    let anchors: Vec<u32> = pairs.iter().map(|pair| pair[0]).collect::<BTreeSet<_>>().into_iter().collect();
    let near: BTreeMap<u32, Vec<u32>> = anchors
        .par_chunks(ANCHORS)
        .flat_map_iter(|anchors| anchors.iter().copied().zip(nearest(anchors, &vectors, dim, taken)))
        .collect();
    let draw = |&[a, b]: &[u32; 2]| match near.get(&a).filter(|near| !near.is_empty()) {
        Some(near) => near[rng.below(near.len())],
        None => b,
    };
    Ok(pairs.iter().map(draw).collect())
}

/// The items nearest to each anchor that were not taken with it, nearest first, found tile by tile.
pub(super) fn nearest(anchors: &[u32], vectors: &[f32], dim: usize, taken: &Taken) -> Vec<Vec<u32>> {
    let queries: Vec<f32> =
        anchors.iter().flat_map(|&a| &vectors[a as usize * dim..][..dim]).copied().collect();
    let queries = Mat::new(&queries, anchors.len(), dim);
    let mut best: Vec<Best> = anchors.iter().map(|_| Best::default()).collect();
    best.iter_mut().for_each(|best| best.begin(NEAREST));
    let mut scores = Vec::new();
    for (tile, vectors) in vectors.chunks(TILE_ITEMS * dim).enumerate() {
        let items = vectors.len() / dim;
        scores.resize(anchors.len() * items, 0.0);
        matmul(&mut scores, 0.0, queries, Mat::new(vectors, items, dim).t(), 1.0);
        for ((&anchor, scores), best) in anchors.iter().zip(scores.chunks_exact(items)).zip(&mut best) {
            best.add((tile * TILE_ITEMS) as u32, scores, |item| !taken.together(anchor, item));
        }
    }
    best.iter_mut().map(|best| best.finish().iter().map(|found| found.1).collect()).collect()
}
