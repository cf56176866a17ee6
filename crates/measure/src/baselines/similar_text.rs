//! Text similarity: items whose text is most similar to the texts of the last items.
//!
//! Similarity is the cosine of TF-IDF vectors (see [`TfIdf`]) between an item and the sum of the last three; products
//! run over an inverted index from tokens to items, so no `[items x items]` matrix is made. An item without a text in
//! common scores 0.

use super::Targets;
use crate::ranking::Scorer;
use semrank_core::History;
use semrank_data::{Dataset, FitScope};
use semrank_embed::hash::{FeatureSettings, TfIdf};
use semrank_nn::linalg::SparseMatrix;

/// Items of the history whose texts are added up.
const LAST_ITEMS: usize = 3;

/// Scores items by the cosine of their text to the last three items' texts.
#[derive(Debug, Clone)]
pub struct SimilarText {
    targets: Targets,
    mask_seen: bool,
    /// `[items x tokens]`, rows of length 1.
    items: SparseMatrix,
    /// `[tokens x items]`, the same values.
    tokens: SparseMatrix,
}

impl SimilarText {
    /// Fits the idf on the texts that the scope knows.
    ///
    /// With `mask_seen` every item of the history scores `-inf`, under the strict protocol too: the last items are the
    /// most similar to themselves and would fill the first ranks. It is right for data without repeats; leave it out
    /// where users come back to the same item.
    ///
    /// # Panics
    /// When the settings fail [`FeatureSettings::check`].
    pub fn fit(dataset: &Dataset, scope: &FitScope, settings: &FeatureSettings, mask_seen: bool) -> Self {
        let catalog = &dataset.catalog;
        let items = TfIdf::fit(catalog, scope.known(), settings).transform(catalog);
        let tokens = items.transpose();
        Self { targets: Targets::of(dataset), mask_seen, items, tokens }
    }

    /// The last items' summed vector, scaled to length 1: tokens and weights.
    fn query_vector(&self, history: &History) -> Vec<(u32, f32)> {
        let mut entries: Vec<(u32, f32)> = Vec::new();
        for item in self.targets.newest(history).take(LAST_ITEMS) {
            let (tokens, weights) = self.items.row(item.index());
            entries.extend(tokens.iter().copied().zip(weights.iter().copied()));
        }
        entries.sort_by_key(|entry| entry.0); // stable: equal tokens add up newest first
        entries.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0.0 };
            same
        });
        let length = entries.iter().map(|entry| entry.1 * entry.1).sum::<f32>().sqrt();
        entries.iter_mut().for_each(|entry| entry.1 /= length);
        entries
    }

    fn score_one(&self, history: &History, out: &mut [f32]) {
        out.fill(0.0);
        for (token, weight) in self.query_vector(history) {
            let (items, values) = self.tokens.row(token as usize);
            items.iter().zip(values).for_each(|(&item, value)| out[item as usize] += weight * value);
        }
        if self.mask_seen {
            history.items.iter().for_each(|item| out[item.index()] = f32::NEG_INFINITY);
        }
    }
}

impl Scorer for SimilarText {
    fn name(&self) -> &str {
        "tfidf"
    }

    fn score(&self, histories: &[History], out: &mut [f32]) {
        assert_eq!(out.len(), histories.len() * self.items.rows, "[histories x items]");
        for (history, row) in histories.iter().zip(out.chunks_mut(self.items.rows.max(1))) {
            self.score_one(history, row);
        }
    }
}
