//! How an epoch is measured: by ranking validation cases with the network alone, as often and on as many as the cost allows.

use super::Task;
use crate::columns::Columns;
use crate::work::{SHARE, affordable};
use crate::{ItemVectors, Network, SeenInTraining, Trainer};
use semrank_core::History;
use semrank_data::Case;
use semrank_measure::ranking::{EvaluateError, RankOptions, Scorer, rank};
use semrank_measure::{RankMetrics, RankSummary};
use semrank_tower::Rounds;

/// Validation cases below which an epoch is not chosen by fewer of them, though they take long, but less often.
const FEWEST_CASES: usize = 500;
/// Validations of a training, however long they take.
const FEWEST_ROUNDS: u64 = 3;

/// After how many epochs each validation follows, and how many cases it has: as many as keep all validations below a share of the
/// training's work.
pub(super) fn affordable_validation(trainer: &Trainer<f32>, task: &Task) -> (Rounds, usize) {
    let (items, dim) = (task.data.items(), trainer.network.dim());
    let encoded = (items * task.data.content_width() * dim) as f64;
    let case = (items * dim) as f64;
    let (all, an_epoch) = (task.validation.len(), SHARE * trainer.epoch_work());
    let fewest = FEWEST_CASES.min(all);
    let rounds = trainer.rounds();
    let needed = ((encoded + fewest as f64 * case) / an_epoch.max(1.0)).ceil() as u64;
    let each = rounds.each.max(needed.min(rounds.passes / FEWEST_ROUNDS));
    let cases = affordable(an_epoch * each as f64, encoded, case, [fewest, all]);
    (Rounds { each, ..rounds }, cases)
}

/// What the network ranks first of these cases.
pub(super) fn metrics(
    trainer: &Trainer<f32>,
    task: &Task,
    cases: &[Case],
) -> Result<RankSummary, EvaluateError> {
    let (data, network) = (&task.data, &trainer.network);
    let vectors = ItemVectors::all(network, data.items(), trainer.content());
    let scorer = NetworkAlone { network, vectors, masks: trainer.seen() == SeenInTraining::Masked };
    let ranking = rank(&scorer, data.events, data.items(), cases, RankOptions::default())?;
    Ok(RankMetrics::from_ranks(ranking.strict.ranks.iter().map(|&rank| rank as usize)).summary())
}

/// The network's logits, with the treatment of seen items that it was trained for.
struct NetworkAlone<'a> {
    network: &'a Network<f32>,
    vectors: ItemVectors,
    masks: bool,
}

impl Scorer for NetworkAlone<'_> {
    fn name(&self) -> &str {
        "network"
    }

    fn score(&self, histories: &[History], out: &mut [f32]) {
        let hidden = self.vectors.hidden(self.network, histories.iter().copied());
        let items = self.vectors.items();
        self.vectors.logits_of(self.network, &hidden, &Columns::Range(0..items), out);
        if !self.masks {
            return;
        }
        for (history, scores) in histories.iter().zip(out.chunks_exact_mut(items)) {
            history.items.iter().for_each(|item| scores[item.index()] = f32::NEG_INFINITY);
        }
    }
}
