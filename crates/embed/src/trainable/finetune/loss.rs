//! The contrastive loss of a batch of pairs, and its gradients.

use super::super::tasks::{TaskPass, TrainedEncoder, backward_in_tasks, forward_in_tasks};
use super::FinetuneSettings;
use super::negatives::Taken;
use crate::Error;
use semrank_core::narrow;
use semrank_nn::{Candidates, Masked, SoftmaxGrads, SoftmaxLoss, kernel};
use std::collections::BTreeSet;

/// Mean loss of whole batches of held-out pairs, without hard negatives.
pub(super) fn held_loss(
    encoder: &dyn TrainedEncoder,
    taken: &Taken,
    held: &[[u32; 2]],
    settings: &FinetuneSettings,
) -> Result<f64, Error> {
    let batches: Vec<&[[u32; 2]]> =
        held.chunks_exact(settings.batch.min(held.len()).max(1)).take(8).collect();
    let mut sum = 0.0;
    for batch in &batches {
        sum += forward(encoder, taken, batch, &[], settings)?.0;
    }
    Ok(sum / batches.len().max(1) as f64)
}

/// Mean loss of a batch, and the gradients of the parameters.
pub(super) fn gradients(
    encoder: &dyn TrainedEncoder,
    taken: &Taken,
    pairs: &[[u32; 2]],
    hard: &[u32],
    settings: &FinetuneSettings,
) -> Result<(f64, Vec<f32>), Error> {
    let (loss, tasks) = forward(encoder, taken, pairs, hard, settings)?;
    Ok((loss, backward_in_tasks(encoder, tasks).unwrap_or_default()))
}

/// Mean loss of a batch; what the forward pass of its distinct items left, with the gradients of their vectors.
pub(super) fn forward(
    encoder: &dyn TrainedEncoder,
    taken: &Taken,
    pairs: &[[u32; 2]],
    hard: &[u32],
    settings: &FinetuneSettings,
) -> Result<(f64, Vec<TaskPass>), Error> {
    let dim = encoder.width();
    let all = pairs.iter().flatten().chain(hard).copied().collect::<BTreeSet<u32>>();
    let items: Vec<u32> = all.into_iter().collect();
    let slot = |item: u32| items.binary_search(&item).unwrap_or(0);
    let tasks = forward_in_tasks(encoder, &items)?;
    let vectors: Vec<f32> = tasks.iter().flat_map(|(_, vectors)| vectors).copied().collect();
    let rows = |chosen: &[u32]| -> Vec<f32> {
        chosen.iter().flat_map(|&item| &vectors[slot(item) * dim..][..dim]).copied().collect()
    };
    let anchors: Vec<u32> = pairs.iter().map(|pair| pair[0]).collect();
    let partners: Vec<u32> = pairs.iter().map(|pair| pair[1]).collect();
    let candidates: Vec<u32> = partners.iter().chain(hard).copied().collect();
    let mut bias: Vec<f32> = partners.iter().map(|&item| taken.correction(item, pairs.len())).collect();
    bias.resize(candidates.len(), 0.0);
    let mut masked = Masked::default();
    masked.clear();
    for &[anchor, partner] in pairs {
        let other = |&at: &u32| {
            let item = candidates[at as usize];
            item == partner || taken.together(anchor, item)
        };
        masked.indices.extend(narrow::indices(candidates.len()).filter(other));
        masked.end_position();
    }
    let (queries, positives, others) = (rows(&anchors), rows(&partners), rows(&candidates));
    let targets: Vec<u32> = narrow::indices(pairs.len()).collect();
    let loss = SoftmaxLoss {
        dim,
        queries: &queries,
        targets: &targets,
        items: &positives,
        candidates: Candidates { vectors: &others, bias: &bias },
        masked: &masked,
        seen: &Masked::default(),
        target_seen: &[],
        scale: (1.0 / settings.temperature) as f32,
        seen_bias: 0.0,
        weight: 1.0 / pairs.len() as f32,
        weights: &[],
    };
    let (mut dqueries, mut dpositives, mut dothers) =
        (vec![0.0; queries.len()], vec![0.0; positives.len()], vec![0.0; others.len()]);
    let mut out = SoftmaxGrads {
        queries: &mut dqueries,
        items: &mut dpositives,
        candidates: &mut dothers,
        scale: 0.0,
        seen_bias: 0.0,
    };
    let sum = loss.forward_backward(&mut out, &mut Vec::new());
    let mut dvectors = vec![0.0; vectors.len()];
    for (chosen, grads) in [(&anchors, &dqueries), (&partners, &dpositives), (&candidates, &dothers)] {
        for (&item, grad) in chosen.iter().zip(grads.chunks_exact(dim)) {
            kernel::add(grad, &mut dvectors[slot(item) * dim..][..dim]);
        }
    }
    let mut rest = dvectors.into_iter();
    let tasks =
        tasks.into_iter().map(|(saved, made)| (saved, rest.by_ref().take(made.len()).collect())).collect();
    Ok((sum / pairs.len() as f64, tasks))
}
