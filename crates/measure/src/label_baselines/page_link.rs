//! How often an item was clicked when it was shown after a certain last item: on a page, the popularity of its links.

use super::{LabelledRows, SmoothedMeans};
use semrank_data::Part;
use std::collections::HashMap;

/// Imaginary rows of a pair at the item's own rate.
const SMOOTHING: f64 = 10.0;

/// Rates of pairs (last item of the history, item).
#[derive(Debug, Clone)]
pub struct PageLink<'a> {
    data: LabelledRows<'a>,
    means: &'a SmoothedMeans<'a>,
    /// Positive rows and rows.
    pairs: HashMap<(u32, u32), (u32, u32)>,
}

impl<'a> PageLink<'a> {
    /// Counts the training rows whose labels may be fitted.
    pub fn fit(data: LabelledRows<'a>, means: &'a SmoothedMeans<'a>) -> Self {
        let mut out = PageLink { data, means, pairs: HashMap::new() };
        let known = data.known(&[Part::Train]);
        for (row, label) in known.rows.into_iter().zip(known.labels) {
            let (positives, rows) = out.pairs.entry(out.pair(row as usize)).or_default();
            *positives += u32::from(label);
            *rows += 1;
        }
        out
    }

    /// The smoothed rate of every row's pair.
    pub fn scores(&self, rows: &[u32]) -> Vec<f64> {
        rows.iter().map(|&row| self.score(row as usize)).collect()
    }

    fn score(&self, row: usize) -> f64 {
        let (positives, rows) = self.pairs.get(&self.pair(row)).copied().unwrap_or_default();
        (f64::from(positives) + SMOOTHING * self.means.item(row)) / (f64::from(rows) + SMOOTHING)
    }

    /// A history without events counts as an item of its own.
    fn pair(&self, row: usize) -> (u32, u32) {
        let last = self.data.examples.history(self.data.dataset, row).items.last();
        (last.map_or(u32::MAX, |item| item.0), self.data.examples.items[row].0)
    }
}
