//! The contrastive loss of a batch of pairs and its gradients, cut into a fixed number of shards.

use super::{AlignSettings, Part, Tower};
use rayon::prelude::*;
use semrank_core::narrow;
use semrank_nn::{
    Candidates, Dropout, Masked, Scalar, SoftmaxGrads, SoftmaxLoss, kernel, unit_rows, unit_rows_backward,
};

/// Parts a step is cut into, whatever the number of threads.
const SHARDS: usize = 4;

/// Buffers of a training step, kept between steps.
#[derive(Debug, Default)]
pub(super) struct Step<T> {
    parts: Vec<Part<T>>,
    z: Vec<T>,
    unit: Vec<T>,
    inverse: Vec<T>,
    dz: Vec<T>,
    pub(super) grads: Vec<T>,
}

impl<T: Scalar> Step<T> {
    /// Mean loss of a batch of pairs; its gradients are left in `self.grads`. First items ask, second items answer.
    pub(super) fn gradients(
        &mut self,
        tower: &Tower<T>,
        contents: &[f32],
        pairs: &[[u32; 2]],
        settings: &AlignSettings,
        key: u64,
    ) -> f64 {
        let (width, inputs) = (tower.width(), tower.inputs());
        let rows: Vec<u32> = (0..2).flat_map(|side| pairs.iter().map(move |pair| pair[side])).collect();
        let len = rows.len().div_ceil(SHARDS);
        let dropout = |shard: usize| Dropout::new(settings.dropout, key.wrapping_add((shard as u64) << 40));
        self.z.resize(rows.len() * width, T::ZERO);
        self.unit.resize(self.z.len(), T::ZERO);
        self.inverse.resize(rows.len(), T::ZERO);
        self.parts.resize_with(rows.len().div_ceil(len), Part::default);
        self.parts
            .par_iter_mut()
            .zip(rows.par_chunks(len))
            .zip(self.z.par_chunks_mut(len * width))
            .zip(self.unit.par_chunks_mut(len * width).zip(self.inverse.par_chunks_mut(len)))
            .enumerate()
            .for_each(|(shard, (((part, rows), z), (unit, inverse)))| {
                part.x.clear();
                for &row in rows {
                    let content = &contents[row as usize * inputs..][..inputs];
                    part.x.extend(content.iter().map(|&value| T::from_f64(f64::from(value))));
                }
                tower.encode(part, dropout(shard), z);
                unit_rows(width, z, inverse, unit);
            });
        let loss = self.loss(width, pairs, settings);
        unit_rows_backward(width, &self.unit, &self.inverse, &mut self.dz);
        self.parts
            .par_iter_mut()
            .zip(self.dz.par_chunks(len * width))
            .enumerate()
            .for_each(|(shard, (part, dz))| tower.encode_backward(part, dropout(shard), dz));
        self.grads.clear();
        self.grads.resize(tower.params.len(), T::ZERO);
        self.parts.iter().for_each(|part| kernel::add(&part.grads, &mut self.grads));
        loss
    }

    /// Mean loss; leaves the gradient of the unit vectors in `self.dz`.
    fn loss(&mut self, width: usize, pairs: &[[u32; 2]], settings: &AlignSettings) -> f64 {
        let (queries, partners) = self.unit.split_at(pairs.len() * width);
        self.dz.clear();
        self.dz.resize(self.unit.len(), T::ZERO);
        let (dqueries, dpartners) = self.dz.split_at_mut(pairs.len() * width);
        let bias = vec![T::ZERO; pairs.len()];
        let rows = pairs.len().div_ceil(SHARDS);
        let parts: Vec<(f64, Vec<T>)> = queries
            .par_chunks(rows * width)
            .zip(dqueries.par_chunks_mut(rows * width))
            .enumerate()
            .map(|(shard, (queries, dqueries))| {
                let first = shard * rows;
                let positions = queries.len() / width;
                let targets: Vec<u32> = (narrow::index(first)..narrow::count(first + positions)).collect();
                let masked = same_items(&pairs[first..first + positions], pairs);
                let mut dcandidates = vec![T::ZERO; partners.len()];
                let mut ditems = vec![T::ZERO; partners.len()];
                let loss = SoftmaxLoss {
                    dim: width,
                    queries,
                    targets: &targets,
                    items: partners,
                    candidates: Candidates { vectors: partners, bias: &bias },
                    masked: &masked,
                    seen: &Masked::default(),
                    target_seen: &[],
                    scale: T::from_f64(1.0 / settings.temperature),
                    seen_bias: T::ZERO,
                    weight: T::from_f64(1.0 / pairs.len() as f64),
                    weights: &[],
                };
                let mut grads = SoftmaxGrads {
                    queries: dqueries,
                    items: &mut ditems,
                    candidates: &mut dcandidates,
                    scale: T::ZERO,
                    seen_bias: T::ZERO,
                };
                let sum = loss.forward_backward(&mut grads, &mut Vec::new());
                kernel::add(&ditems, &mut dcandidates);
                (sum, dcandidates)
            })
            .collect();
        parts.iter().for_each(|(_, part)| kernel::add(part, dpartners));
        parts.iter().map(|(sum, _)| sum).sum::<f64>() / pairs.len() as f64
    }
}

/// For each of `asking`, the pairs whose partner is one of its own two items: these are not negatives.
fn same_items(asking: &[[u32; 2]], pairs: &[[u32; 2]]) -> Masked {
    let mut by_partner: Vec<(u32, u32)> =
        pairs.iter().enumerate().map(|(at, pair)| (pair[1], narrow::index(at))).collect();
    by_partner.sort_unstable();
    let mut masked = Masked::default();
    masked.clear();
    for pair in asking {
        for item in pair {
            let start = by_partner.partition_point(|entry| entry.0 < *item);
            let same = by_partner[start..].iter().take_while(|entry| entry.0 == *item);
            masked.indices.extend(same.map(|entry| entry.1));
        }
        masked.end_position();
    }
    masked
}
