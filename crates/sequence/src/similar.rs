//! Content neighbours: how near a candidate's content is to the newest items of a history, by cosine.
//!
//! `s(u, j) = sum over the newest events of decay^age · <z_event, z_j - mean of all z>`, with `z` the behaviour-aligned content vectors of
//! length 1 (or the plain ones, without alignment); the mean moves all of a user's scores alike, so that their level does not
//! hang on the weight of this term. It needs no event of the candidate, so it also finds items without
//! interactions. Content-based profiles: Pazzani & Billsus 2007, section 3.

use crate::BlendSettings;
use crate::columns::Columns;
use rayon::prelude::*;
use semrank_core::{History, ItemId};
use semrank_measure::ranking::Scorer;
use semrank_nn::{Mat, kernel, matmul, unit_rows};

/// The same vectors with length 1, or 0 where a vector is; `[rows x width]`.
pub(crate) fn unit_vectors(mut vectors: Vec<f32>, width: usize) -> Vec<f32> {
    let (width, block) = (width.max(1), 64 * width.max(1));
    let to_unit = |rows: &mut [f32]| {
        let whole = rows.to_vec();
        unit_rows(width, &whole, &mut vec![0.0; whole.len() / width], rows);
    };
    // A request's few rows wait for no other thread.
    match vectors.len() <= block {
        true => to_unit(&mut vectors),
        false => vectors.par_chunks_mut(block).for_each(to_unit),
    }
    vectors
}

/// Unit vectors of all items.
#[derive(Debug, Clone)]
pub struct SimilarContent {
    unit: Vec<f32>,
    mean: Vec<f32>,
    width: usize,
    recent: usize,
    decay: f32,
}

impl SimilarContent {
    /// From `[items x width]` vectors.
    pub fn new(vectors: Vec<f32>, width: usize, settings: &BlendSettings) -> Self {
        let unit = unit_vectors(vectors, width);
        let mut mean = vec![0.0; width];
        let share = width as f32 / unit.len().max(1) as f32;
        unit.chunks_exact(width.max(1)).for_each(|row| kernel::axpy(share, row, &mut mean));
        Self { unit, mean, width, recent: settings.content_recent, decay: settings.content_decay as f32 }
    }

    /// Gives an item another vector, or the next item its first. The mean stays that of the catalogue, so that no other item's `s` moves.
    ///
    /// # Panics
    /// When the vector has another width, or there is no such item and it is not the next.
    pub(crate) fn put(&mut self, item: u32, vector: &[f32]) {
        assert_eq!(vector.len(), self.width, "the width of a content vector");
        let (at, unit) = (item as usize * self.width, unit_vectors(vector.to_vec(), self.width));
        self.unit.resize(self.unit.len().max(at + self.width), 0.0);
        self.unit[at..at + self.width].copy_from_slice(&unit);
    }

    /// Whether items have no content.
    pub fn is_empty(&self) -> bool {
        self.unit.is_empty()
    }

    /// Width of a vector.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// An item's vector, of length 1.
    pub(crate) fn unit_row(&self, item: ItemId) -> &[f32] {
        &self.unit[item.index() * self.width..][..self.width]
    }

    /// The weighted sum of a history's newest vectors (oldest event first).
    fn profile(&self, history: &[ItemId], out: &mut [f32]) {
        let mut factor = 1.0;
        for item in history.iter().rev().take(self.recent) {
            kernel::axpy(factor, &self.unit[item.index() * self.width..][..self.width], out);
            factor *= self.decay;
        }
    }

    /// Newest events of a history that count.
    pub(crate) fn recent(&self) -> usize {
        self.recent
    }

    /// The profile of one history.
    pub(crate) fn profile_of(&self, history: &[ItemId]) -> Vec<f32> {
        let mut out = vec![0.0; self.width];
        self.profile(history, &mut out);
        out
    }

    /// `s` of some items, given the profile of a history.
    pub(crate) fn near(&self, profile: &[f32], items: &[u32]) -> Vec<f32> {
        let average = kernel::dot(profile, &self.mean);
        let row = |&item: &u32| &self.unit[item as usize * self.width..][..self.width];
        items.iter().map(|item| kernel::dot(profile, row(item)) - average).collect()
    }

    /// What each of the newest events of a history adds to a candidate's `s`, newest first.
    pub fn sources(&self, history: &[ItemId], candidate: ItemId) -> Vec<(ItemId, f32)> {
        if self.is_empty() {
            return Vec::new();
        }
        let row = |item: ItemId| &self.unit[item.index() * self.width..][..self.width];
        let mut factor = 1.0;
        let one = |&item: &ItemId| {
            let near = kernel::dot(row(item), row(candidate)) - kernel::dot(row(item), &self.mean);
            let added = factor * near;
            factor *= self.decay;
            (item, added)
        };
        history.iter().rev().take(self.recent).map(one).collect()
    }

    /// Adds `weight · s` of several histories to `out` `[histories x items]`.
    pub fn add<'h>(
        &self,
        histories: impl ExactSizeIterator<Item = &'h [ItemId]>,
        weight: f32,
        out: &mut [f32],
    ) {
        if self.is_empty() || weight == 0.0 {
            return;
        }
        let items = self.unit.len() / self.width;
        self.add_of(&self.profiles(histories), weight, &Columns::Range(0..items), out);
    }

    /// The profiles of several histories, `[histories x width]`.
    pub(crate) fn profiles<'h>(&self, histories: impl ExactSizeIterator<Item = &'h [ItemId]>) -> Vec<f32> {
        let mut out = vec![0.0; histories.len() * self.width];
        let rows = out.chunks_exact_mut(self.width.max(1));
        rows.zip(histories).for_each(|(out, history)| self.profile(history, out));
        out
    }

    /// As [`SimilarContent::add`] for some items, given the profiles of the histories; `out` is `[histories x columns]`.
    pub(crate) fn add_of(&self, profiles: &[f32], weight: f32, columns: &Columns, out: &mut [f32]) {
        if self.is_empty() || weight == 0.0 || out.is_empty() {
            return;
        }
        let (width, items) = (self.width, columns.len());
        let rows = columns.rows(&self.unit, width);
        let vectors = Mat::new(&rows, items, width);
        matmul(out, 1.0, Mat::new(profiles, profiles.len() / width, width), vectors.t(), weight);
        for (profile, out) in profiles.chunks_exact(width).zip(out.chunks_exact_mut(items)) {
            let average = weight * kernel::dot(profile, &self.mean);
            out.iter_mut().for_each(|score| *score -= average);
        }
    }
}

/// The content neighbours alone, as a baseline.
#[derive(Debug, Clone, Copy)]
pub struct ContentAlone<'a> {
    /// The content neighbours.
    pub similar: &'a SimilarContent,
    /// Whether items of the history score `-inf`: right for data without repeats.
    pub mask_seen: bool,
}

impl Scorer for ContentAlone<'_> {
    fn name(&self) -> &str {
        "content"
    }

    fn score(&self, histories: &[History], out: &mut [f32]) {
        out.fill(0.0);
        self.similar.add(histories.iter().map(|history| history.items), 1.0, out);
        if self.mask_seen {
            let items = out.len() / histories.len().max(1);
            for (history, scores) in histories.iter().zip(out.chunks_exact_mut(items.max(1))) {
                history.items.iter().for_each(|item| scores[item.index()] = f32::NEG_INFINITY);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_events_count_more() {
        let settings = BlendSettings { content_decay: 0.5, ..BlendSettings::default() };
        let similar = SimilarContent::new(vec![2.0, 0.0, 0.0, 3.0, 1.0, 1.0, 0.0, 0.0], 2, &settings);
        let history = [ItemId(0), ItemId(1)];
        let mut out = vec![10.0; 4];
        similar.add([&history[..]].into_iter(), 2.0, &mut out);
        // Item 1 is the newest: 1 to itself, half of it to item 0, and 1.5 / sqrt 2 to the diagonal; less their mean.
        let diagonal = 1.5 / 2f32.sqrt();
        let mean = (1.5 + diagonal) / 4.0;
        for (got, near) in out.iter().zip([0.5, 1.0, diagonal, 0.0]) {
            assert!((got - (10.0 + 2.0 * (near - mean))).abs() < 1e-5, "{out:?}");
        }
        let alone = similar.near(&similar.profile_of(&history), &[1, 3]);
        assert!((alone[0] - (1.0 - mean)).abs() < 1e-6 && (alone[1] + mean).abs() < 1e-6, "{alone:?}");
        for (item, near) in [1, 3].into_iter().zip(alone) {
            let sources = similar.sources(&history, ItemId(item));
            assert_eq!(sources.iter().map(|source| source.0.0).collect::<Vec<_>>(), [1, 0]);
            assert!((sources.iter().map(|source| source.1).sum::<f32>() - near).abs() < 1e-6, "{sources:?}");
        }
    }
}
