//! How similar an item's text is to that of the item in the context column `goal`, the user's stated intent.

use super::LabelledRows;
use semrank_core::ItemId;
use semrank_data::ContextValues;
use semrank_embed::hash::{FeatureSettings, TfIdf};
use semrank_nn::linalg::SparseMatrix;

/// Cosines of TF-IDF rows.
#[derive(Debug, Clone)]
pub struct GoalSimilarity<'a> {
    data: LabelledRows<'a>,
    /// One code a row.
    codes: &'a [u32],
    /// The item that each code names, if it is one.
    goals: Vec<Option<ItemId>>,
    /// `[items x tokens]`, rows of length 1.
    texts: SparseMatrix,
}

impl<'a> GoalSimilarity<'a> {
    /// Fits the idf to the texts that may be read; none where there is no column `goal` of items, or no text.
    ///
    /// # Panics
    /// When the settings fail [`FeatureSettings::check`].
    pub fn fit(data: LabelledRows<'a>, settings: &FeatureSettings) -> Option<Self> {
        let catalog = &data.dataset.catalog;
        let Some(ContextValues::Text { codes, names }) = data.examples.context("goal") else { return None };
        let goals: Vec<Option<ItemId>> =
            names.names().map(|name| catalog.ids.get(name).map(ItemId)).collect();
        if catalog.texts.is_empty() || goals.iter().all(Option::is_none) {
            return None;
        }
        let texts = TfIdf::fit(catalog, data.scope.known(), settings).transform(catalog);
        Some(GoalSimilarity { data, codes, goals, texts })
    }

    /// The cosine of every row, 0 where there is no goal.
    pub fn scores(&self, rows: &[u32]) -> Vec<f64> {
        rows.iter().map(|&row| self.score(row as usize)).collect()
    }

    fn score(&self, row: usize) -> f64 {
        let goal = self.goals.get(self.codes[row] as usize).copied().flatten();
        let item = self.data.examples.items[row];
        goal.map_or(0.0, |goal| cosine(&self.texts, item.index(), goal.index()))
    }
}

/// The product of two rows, by merging their ascending columns.
fn cosine(matrix: &SparseMatrix, a: usize, b: usize) -> f64 {
    let ((a, x), (b, y)) = (matrix.row(a), matrix.row(b));
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                sum += f64::from(x[i]) * f64::from(y[j]);
                (i, j) = (i + 1, j + 1);
            }
        }
    }
    sum
}
