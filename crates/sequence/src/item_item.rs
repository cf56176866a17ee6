//! Pairs of items: what users took near each other in training histories, and what shares words. Nearly free, and strong on its own.
//!
//! For two events `g <= window` apart, earlier item `i` and later item `j`: `W[i, j] += 1 / g` and
//! `W[j, i] += backward / g`. Each weight is divided by `rowsum_i^row_power · colsum_j^column_power` (sums before
//! dividing), which takes popularity out in part. In the family of item-based neighbourhoods (Sarwar et al. 2001; Deshpande & Karypis
//! 2004). A share of the weight is that of a [`regression`], which knows what a pair owes to a third item. Where items have texts, `text` times the cosine of their words is added to the weights of each item's nearest neighbours
//! ([`text_neighbours`]), so that pairs that nobody has taken together yet have one too. A user's term is
//! `k(u, j) = sum over the newest events of decay^age · W[i, j]`.

use crate::pairs::{Pairs, Scratch};
use crate::regression::regression;
use crate::rows::strongest;
use crate::text_neighbours::{Texts, text_neighbours};
use crate::{BlendSettings, TrainingData};
use rayon::prelude::*;
use semrank_core::{ItemId, narrow};

/// The strongest candidates of each item, `W` in compressed rows.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemItem {
    pub(crate) offsets: Vec<usize>,
    pub(crate) candidates: Vec<u32>,
    pub(crate) weights: Vec<f32>,
    pub(crate) recent: usize,
    pub(crate) decay: f32,
}

impl ItemItem {
    /// Counts the training events; `blend.regression` of the table's weight is that of the regression.
    pub fn fit(data: &TrainingData, settings: &BlendSettings) -> Self {
        let counted = Self::counted(data, settings);
        if settings.regression == 0.0 {
            return counted;
        }
        let share = settings.regression as f32;
        let regressed = Self::of_rows(regression(data, settings), settings.recent, settings.decay as f32);
        let total = |table: &Self| table.weights.iter().map(|&weight| f64::from(weight)).sum::<f64>();
        let [total, of_regressed] = [total(&counted), total(&regressed)];
        let scale = if of_regressed > 0.0 { (total / of_regressed) as f32 } else { 0.0 };
        let joined = |item: usize| {
            let item = ItemId(narrow::index(item));
            let counted = counted.of(item).map(|(other, weight)| (other, (1.0 - share) * weight));
            let regressed = regressed.of(item).map(|(other, weight)| (other, share * scale * weight));
            let mut row = summed(counted.chain(regressed).collect());
            row.retain(|entry| entry.1 > 0.0);
            strongest(row, settings.top)
        };
        let rows = (0..data.items()).into_par_iter().map(joined).collect();
        Self::of_rows(rows, settings.recent, settings.decay as f32)
    }

    fn counted(data: &TrainingData, settings: &BlendSettings) -> Self {
        let nearer = (1..=settings.window).map(|gap| 1.0 / gap as f64).collect();
        let pairs = Pairs::new(data, nearer, settings.backward);
        let (row_sums, column_sums) = pairs.sums();
        let scale = |sum: f64, power: f64| if sum > 0.0 { sum.powf(-power) } else { 0.0 };
        let columns: Vec<f64> = column_sums.iter().map(|&sum| scale(sum, settings.column_power)).collect();
        let rows: Vec<Vec<(u32, f32)>> = (0..data.items())
            .into_par_iter()
            .map_init(Scratch::default, |scratch, item| {
                let row_scale = scale(row_sums[item], settings.row_power);
                pairs.row(item, scratch);
                let weight = |(j, w): (u32, f64)| (j, (w * row_scale * columns[j as usize]) as f32);
                strongest(scratch.merged().map(weight).collect(), settings.top)
            })
            .collect();
        Self::of_rows(rows, settings.recent, settings.decay as f32)
    }

    /// The same with the weights of the items' nearest neighbours by words; without them where `blend.text` is 0.
    #[must_use]
    pub fn with_texts(&self, texts: Texts, data: &TrainingData, settings: &BlendSettings) -> Self {
        if settings.text == 0.0 {
            return self.clone();
        }
        let (near, weight) = (text_neighbours(texts, data, settings.text_top), settings.text as f32);
        let joined = |(item, near): (usize, Vec<(u32, f32)>)| {
            let own = self.of(ItemId(narrow::index(item)));
            let near = near.into_iter().map(|(other, value)| (other, weight * value));
            strongest(summed(own.chain(near).collect()), usize::MAX)
        };
        let rows = near.into_par_iter().enumerate().map(joined).collect();
        Self::of_rows(rows, self.recent, self.decay)
    }

    fn of_rows(rows: Vec<Vec<(u32, f32)>>, recent: usize, decay: f32) -> Self {
        let mut out = Self { offsets: vec![0], candidates: Vec::new(), weights: Vec::new(), recent, decay };
        for row in rows {
            out.candidates.extend(row.iter().map(|entry| entry.0));
            out.weights.extend(row.iter().map(|entry| entry.1));
            out.offsets.push(out.candidates.len());
        }
        out
    }

    /// Whether no item has a candidate.
    pub(crate) fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// Candidates of an item, strongest first, with their weights; none of one that came after training.
    pub fn of(&self, item: ItemId) -> impl Iterator<Item = (u32, f32)> {
        let range = match self.offsets.get(item.index()..) {
            Some(&[from, to, ..]) => from..to,
            _ => 0..0,
        };
        self.candidates[range.clone()].iter().copied().zip(self.weights[range].iter().copied())
    }

    /// What each of the newest events of a history adds to a candidate's term, newest first; none for those that add nothing.
    pub fn sources(&self, history: &[ItemId], candidate: ItemId) -> Vec<(ItemId, f32)> {
        let mut out: Vec<(ItemId, f32)> = Vec::new();
        let mut factor = 1.0;
        for &item in history.iter().rev().take(self.recent) {
            let found = self.of(item).find(|&(other, _)| other == candidate.0);
            out.extend(found.map(|(_, weight)| (item, factor * weight)));
            factor *= self.decay;
        }
        out
    }

    /// `k(u, ·)` of a history (oldest first): the items that have a term, ascending, and the terms.
    pub fn terms(&self, history: &[ItemId]) -> Vec<(u32, f32)> {
        let (mut found, mut factor) = (Vec::new(), 1.0);
        for &item in history.iter().rev().take(self.recent) {
            found.extend(self.of(item).map(|(candidate, weight)| (candidate, factor * weight)));
            factor *= self.decay;
        }
        summed(found)
    }
}

/// Items ascending, each with the sum of its values, added in the order they were found.
fn summed(mut found: Vec<(u32, f32)>) -> Vec<(u32, f32)> {
    found.sort_by_key(|entry| entry.0);
    found.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 += if same { next.1 } else { 0.0 };
        same
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::{ActionId, Event, EventLogBuilder, UserId};
    use semrank_nn::linalg::SparseMatrix;

    #[test]
    fn a_pair_that_nobody_took_has_the_weight_of_its_words() {
        let mut log = EventLogBuilder::default();
        (0..2).for_each(|time| {
            log.push(UserId(0), Event { item: ItemId(time), action: ActionId(0), time: time.into() })
        });
        let (log, ends) = (log.finish(1, false), [2]);
        let data = TrainingData::new(&log, &ends, &[1, 1, 0]);
        let mut texts = SparseMatrix::empty(2);
        [&[(0, 0.6), (1, 0.8)][..], &[(0, 1.0)], &[(1, 1.0)]]
            .iter()
            .for_each(|row| texts.push_row(row.iter().copied()));
        let texts = Some(Texts { rows: &texts, known: &[true; 3] });
        let of = |texts: Option<Texts>, item, settings: &BlendSettings| {
            let counted = ItemItem::fit(&data, settings);
            let table = texts.map_or(counted.clone(), |texts| counted.with_texts(texts, &data, settings));
            table.of(ItemId(item)).collect::<Vec<_>>()
        };
        let settings = BlendSettings { text: 0.5, regression: 0.0, ..BlendSettings::default() };
        let taken = of(None, 0, &settings);
        assert_eq!(taken.iter().map(|entry| entry.0).collect::<Vec<_>>(), [1]);
        assert_eq!(of(texts, 0, &settings), [(1, taken[0].1 + 0.5 * 0.6), (2, 0.5 * 0.8)]);
        assert_eq!(of(texts, 2, &settings), [(0, 0.5 * 0.8)]);
        assert_eq!(of(texts, 0, &BlendSettings { text: 0.0, ..settings.clone() }), taken);
        assert_eq!(of(texts, 0, &BlendSettings { window: 0, ..settings }), [(2, 0.5 * 0.8), (1, 0.5 * 0.6)]);
    }
}
