//! A first-order Markov chain: the items that most often followed the last item; ties by popularity.
//!
//! On data sets with repeat purchases (the next size, a refill) it beats many published sequence models, so every table
//! should have it.

use super::{Targets, fractions};
use crate::ranking::Scorer;
use semrank_core::{History, UserId, narrow};
use semrank_data::{Dataset, FitScope};
use semrank_nn::linalg::SparseMatrix;

/// Scores item `j` after last item `i` by the number of consecutive training events `i -> j`; popularity, below any
/// transition, orders items with the same number.
#[derive(Debug, Clone)]
pub struct Markov {
    targets: Targets,
    /// `[items x items]`, entry `(i, j)` is the number of transitions `i -> j`.
    transitions: SparseMatrix,
    /// Training events squeezed into `[0, 1)`.
    popularity: Vec<f32>,
}

impl Markov {
    /// Counts the transitions between training events of the target action.
    pub fn fit(dataset: &Dataset, scope: &FitScope) -> Self {
        let targets = Targets::of(dataset);
        let mut pairs = Vec::new();
        for user in 0..dataset.events.users() {
            let mut items = targets.items(scope.history(dataset, UserId(narrow::index(user))));
            let Some(mut from) = items.next() else { continue };
            for to in items {
                pairs.push((from.0, to.0));
                from = to;
            }
        }
        Self {
            targets,
            transitions: counted(pairs, dataset.catalog.len()),
            popularity: fractions(scope.counts()),
        }
    }
}

/// How often each pair occurs in the list, `[items x items]`.
fn counted(mut pairs: Vec<(u32, u32)>, items: usize) -> SparseMatrix {
    pairs.sort_unstable();
    let mut out = SparseMatrix::empty(items);
    let mut runs = pairs.chunk_by(|a, b| a == b).peekable();
    for from in narrow::indices(items) {
        let row = std::iter::from_fn(|| runs.next_if(|run| run[0].0 == from));
        out.push_row(row.map(|run| (run[0].1, run.len() as f32)));
    }
    out
}

impl Scorer for Markov {
    fn name(&self) -> &str {
        "markov"
    }

    fn score(&self, histories: &[History], out: &mut [f32]) {
        let items = self.popularity.len();
        assert_eq!(out.len(), histories.len() * items, "[histories x items]");
        for (history, row) in histories.iter().zip(out.chunks_mut(items.max(1))) {
            row.copy_from_slice(&self.popularity);
            if let Some(last) = self.targets.newest(history).next() {
                let (to, counts) = self.transitions.row(last.index());
                to.iter().zip(counts).for_each(|(&item, count)| row[item as usize] += count);
            }
        }
    }
}
