//! Chooses, on validation cases only, the weights of item-item term and prior, the prior's half-life and the seen
//! policy.
//!
//! Logits are computed once a case; every combination is then a rank count over the same row. The best NDCG@10 wins,
//! ties go to the combination tried first (smaller weights).

use crate::evaluate::Query;
use crate::{Blend, BlendSettings, Encoded, ItemItem, SeenPolicy, TrainingData};
use rayon::prelude::*;
use semrank_core::{ItemId, RankMetrics};
use semrank_data::Case;
use semrank_nn::kernel;
use serde::{Deserialize, Serialize};

const BLOCK: usize = 64;
const DAY_MS: f64 = 86_400_000.0;

/// Work of the search: cases x items x combinations stay below this, by taking every n-th case.
const MOST_COUNTED: usize = 40_000_000_000;

/// How popular items are, one number each, 0 for an item without training events.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Prior {
    /// `ln(1 + training events)`.
    Popularity,
    /// `ln(1 + events)` where an event weighs half as much every half-life before the last training event.
    Recent {
        /// Half-life.
        half_life_days: f64,
    },
}

impl Prior {
    /// One number an item, from the training events.
    pub fn values(self, data: &TrainingData) -> Vec<f32> {
        match self {
            Prior::Popularity => data.counts.iter().map(|&count| f64::from(count).ln_1p() as f32).collect(),
            Prior::Recent { half_life_days } => {
                recent(data, half_life_days).iter().map(|count| count.ln_1p() as f32).collect()
            }
        }
    }
}

/// Training events of each item, an event weighing half as much every half-life before the last one.
fn recent(data: &TrainingData, half_life_days: f64) -> Vec<f64> {
    let users = 0..data.train_ends.len();
    let events = || users.clone().flat_map(|user| data.range(user)).map(|at| data.events.event(at));
    let now = events().map(|event| event.time).max().unwrap_or(0);
    let mut counts = vec![0.0f64; data.items()];
    for event in events().filter(|event| data.is_target(event.action)) {
        let age_days = (now - event.time) as f64 / DAY_MS;
        counts[event.item.index()] += (-age_days / half_life_days).exp2();
    }
    counts
}

/// A chosen blend and its validation NDCG@10.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The weights and the policy.
    pub blend: Blend,
    /// The prior that goes with them.
    pub prior: Vec<f32>,
    /// NDCG@10 over the validation cases used.
    pub ndcg_10: f64,
}

/// Tries all combinations. `learned_seen` says whether training let seen items compete (else only masking and doing
/// nothing are tried).
pub fn choose(
    encoded: &Encoded,
    item_item: &ItemItem,
    data: &TrainingData,
    cases: &[Case],
    settings: &BlendSettings,
    learned_seen: bool,
) -> Chosen {
    let mut kinds = vec![Prior::Popularity];
    if data.events.timed() {
        kinds.extend(settings.half_lives_days.iter().map(|&half_life_days| Prior::Recent { half_life_days }));
    }
    let priors: Vec<Vec<f32>> = kinds.iter().map(|kind| kind.values(data)).collect();
    let alphas = if settings.window == 0 { vec![0.0] } else { settings.alphas.clone() };
    let mut policies = vec![SeenPolicy::Mask];
    if learned_seen {
        policies.push(SeenPolicy::Learned);
    }
    policies.push(SeenPolicy::None);

    let mut blends = Vec::new();
    for (p, &prior) in kinds.iter().enumerate() {
        for &beta in settings.betas.iter().filter(|&&beta| p == 0 || beta != 0.0) {
            for &seen in &policies {
                for &alpha in &alphas {
                    let blend = Blend { alpha: alpha as f32, beta: beta as f32, prior, seen };
                    blends.push((p, blend));
                }
            }
        }
    }
    let search = Search { encoded, item_item, priors: &priors, blends: &blends };
    let per_case = encoded.items() * blends.len();
    let stride = (cases.len() * per_case).div_ceil(MOST_COUNTED).max(1);
    let sample: Vec<Case> = cases.iter().copied().step_by(stride).collect();
    let metrics = search.run(&sample);
    let mut best = 0;
    for (at, metric) in metrics.iter().enumerate() {
        if metric.summary().ndcg_10 > metrics[best].summary().ndcg_10 {
            best = at;
        }
    }
    let blend = blends[best].1;
    Chosen { blend, prior: blend.prior.values(data), ndcg_10: metrics[best].summary().ndcg_10 }
}

struct Search<'a> {
    encoded: &'a Encoded<'a>,
    item_item: &'a ItemItem,
    priors: &'a [Vec<f32>],
    blends: &'a [(usize, Blend)],
}

impl Search<'_> {
    /// One metric a blend.
    fn run(&self, cases: &[Case]) -> Vec<RankMetrics> {
        let ranks: Vec<Vec<u32>> = cases.par_chunks(BLOCK).flat_map_iter(|block| self.block(block)).collect();
        (0..self.blends.len())
            .map(|b| RankMetrics::from_ranks(ranks.iter().map(|ranks| ranks[b] as usize)))
            .collect()
    }

    fn block(&self, cases: &[Case]) -> Vec<Vec<u32>> {
        let items = self.encoded.items();
        let queries: Vec<Query> = cases.iter().map(|case| Query { user: case.user, end: case.end }).collect();
        let mut logits = vec![0.0; cases.len() * items];
        self.encoded.logits(&queries, &mut logits);
        let mut space =
            CaseSpace { term: vec![0.0; items], scores: vec![0.0; items], ..CaseSpace::default() };
        cases
            .iter()
            .zip(logits.chunks_exact(items))
            .map(|(case, logits)| self.case(case, logits, &mut space))
            .collect()
    }

    fn case(&self, case: &Case, logits: &[f32], space: &mut CaseSpace) -> Vec<u32> {
        let history = self.encoded.events().before(case.user, case.end).items;
        let mut seen: Vec<ItemId> = history.to_vec();
        seen.sort_unstable();
        seen.dedup();
        let target = case.target.index();
        let CaseSpace { term, scores, touched, .. } = space;
        self.item_item.add(history, term, touched);
        touched.sort_unstable();
        touched.dedup();
        space.terms.clear();
        space.terms.extend(touched.iter().map(|&item| term[item as usize]));
        let mut current = None;
        let mut ranks = Vec::with_capacity(self.blends.len());
        for &(p, blend) in self.blends {
            // Blends come grouped by prior, beta and policy: the dense part is made once a group.
            if current != Some((p, blend.beta.to_bits(), blend.seen)) {
                current = Some((p, blend.beta.to_bits(), blend.seen));
                scores.copy_from_slice(logits);
                kernel::axpy(blend.beta, &self.priors[p], scores);
                let bias = self.encoded.seen_bias(blend.seen);
                seen.iter().for_each(|item| scores[item.index()] += bias);
                space.plain.clear();
                space.plain.extend(touched.iter().map(|&item| scores[item as usize]));
            }
            // Only items with a term change with alpha: count all, then those again.
            let floor = scores[target] + blend.alpha * term[target];
            let (without, with) = count_touched(floor, blend.alpha, &space.plain, &space.terms);
            ranks.push(count_at_least(floor, scores) + with - without);
        }
        touched.drain(..).for_each(|item| term[item as usize] = 0.0);
        ranks
    }
}

#[derive(Default)]
struct CaseSpace {
    /// The item-item term, one entry an item, and the items that have one.
    term: Vec<f32>,
    touched: Vec<u32>,
    /// Scores without the term, one an item.
    scores: Vec<f32>,
    /// Term and score of each touched item.
    terms: Vec<f32>,
    plain: Vec<f32>,
}

kernel! {
    /// How many touched items score at least `floor` without their term, and with it.
    fn count_touched<T: Scalar>(floor: T, alpha: T, plain: &[T], terms: &[T]) -> (u32, u32) {
        let without = plain.iter().map(|&score| u32::from(score >= floor)).sum();
        let with = plain.iter().zip(terms).map(|(&s, &term)| u32::from(s + alpha * term >= floor)).sum();
        (without, with)
    }
}

kernel! {
    /// How many scores are at least `floor`; the target itself is one of them, so this is its pessimistic rank.
    fn count_at_least<T: Scalar>(floor: T, scores: &[T]) -> u32 {
        scores.iter().map(|&score| u32::from(score >= floor)).sum()
    }
}
