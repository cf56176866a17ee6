//! One shard of a training step: trunk forward, softmax forward and backward, trunk backward. Shards share what they read and
//! write into buffers of their own.

use crate::{Network, Shard, TrunkSaved};
use semrank_nn::{Candidates, Scalar, SoftmaxGrads, SoftmaxLoss, unit_rows, unit_rows_backward};
use semrank_tower::gather;

/// Buffers of one shard.
#[derive(Debug, Default)]
pub(crate) struct ShardSpace<T> {
    trunk: TrunkSaved<T>,
    weights: Vec<T>,
    hidden: Vec<T>,
    queries: Vec<T>,
    inverse: Vec<T>,
    dqueries: Vec<T>,
    dhidden: Vec<T>,
    logits: Vec<T>,
    pub(crate) grads: Vec<T>,
    pub(crate) dvectors: Vec<T>,
    pub(crate) dunit: Vec<T>,
    pub(crate) dnegatives: Vec<T>,
    pub(crate) loss: f64,
}

/// Everything a shard reads.
pub(crate) struct ShardStep<'a, T> {
    pub(crate) network: &'a Network<T>,
    pub(crate) shard: &'a Shard,
    pub(crate) vectors: &'a [T],
    pub(crate) unit: &'a [T],
    pub(crate) negatives: Candidates<'a, T>,
    pub(crate) weight: T,
    pub(crate) key: u64,
}

impl<T: Scalar> ShardStep<'_, T> {
    /// Leaves loss and gradients in `space`.
    pub(crate) fn run(&self, space: &mut ShardSpace<T>) {
        let (dim, network, shard) = (self.network.dim(), self.network, self.shard);
        for (buffer, len) in [
            (&mut space.grads, network.weights.params.len()),
            (&mut space.dvectors, self.unit.len()),
            (&mut space.dunit, self.unit.len()),
            (&mut space.dnegatives, self.negatives.vectors.len()),
        ] {
            buffer.clear();
            buffer.resize(len, T::ZERO);
        }
        network.trunk(&shard.sequences, self.vectors, Some(self.key), &mut space.trunk);

        let positions = shard.targets.len();
        gather(&space.trunk.hidden, &shard.with_target, dim, &mut space.hidden);
        space.queries.resize(positions * dim, T::ZERO);
        space.inverse.resize(positions, T::ZERO);
        space.dqueries.resize(positions * dim, T::ZERO);
        unit_rows(dim, &space.hidden, &mut space.inverse, &mut space.queries);
        space.weights.clear();
        space.weights.extend(shard.weights.iter().map(|&weight| T::from_f64(f64::from(weight))));
        let loss = SoftmaxLoss {
            dim,
            queries: &space.queries,
            targets: &shard.targets,
            items: self.unit,
            candidates: self.negatives,
            masked: &shard.masked,
            seen: &shard.seen,
            target_seen: &shard.target_seen,
            scale: network.scale(),
            seen_bias: network.seen_bias(),
            weight: self.weight,
            weights: &space.weights,
        };
        let mut grads = SoftmaxGrads {
            queries: &mut space.dqueries,
            items: &mut space.dunit,
            candidates: &mut space.dnegatives,
            scale: T::ZERO,
            seen_bias: T::ZERO,
        };
        space.loss = loss.forward_backward(&mut grads, &mut space.logits);
        network.add_scalar_grads(grads.scale, grads.seen_bias, &mut space.grads);

        unit_rows_backward(dim, &space.queries, &space.inverse, &mut space.dqueries);
        space.dhidden.clear();
        space.dhidden.resize(space.trunk.hidden.len(), T::ZERO);
        for (from, &position) in space.dqueries.chunks_exact(dim).zip(&shard.with_target) {
            space.dhidden[position as usize * dim..][..dim].copy_from_slice(from);
        }
        let ShardSpace { trunk, dhidden, grads, dvectors, .. } = space;
        network.trunk_backward(&shard.sequences, Some(self.key), trunk, dhidden, grads, dvectors);
    }
}
