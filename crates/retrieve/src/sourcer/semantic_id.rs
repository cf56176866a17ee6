//! Items that share a prefix of their semantic id with items of the history, by an inverted index: prefix -> items.
//!
//! The longest prefixes of the newest events come first; a cell is taken whole or, where it does not fit, in the order of its items, and only
//! eligible items count. An item's score is the sum over the events that share a prefix with it of
//! `decay^age · (levels shared / levels)`, so that it is higher the longer the prefix and the newer the event.
//!
//! ```text
//! history … (7, 3, 9)      cells (7, 3, 9), then (7, 3), then (7)
//! ```

use super::{Request, Scored, Sourcer, keep_best};
use crate::Error;
use semrank_core::narrow;
use semrank_tokens::SemanticIds;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// Newest events that are expanded.
const EVENTS: usize = 20;
/// Weight of an event relative to the next newer one.
const DECAY: f32 = 0.9;
/// Candidates that are collected for each one asked for, before the best are kept.
const COLLECTED: usize = 4;

/// Semantic ids as a source.
pub struct SemanticId {
    cells: RwLock<Cells>,
}

/// An inverted index of prefixes.
struct Cells {
    ids: SemanticIds,
    /// Items in the order of their ids: a prefix is a run.
    sorted: Vec<u32>,
}

impl Cells {
    fn new(ids: SemanticIds) -> Self {
        let mut sorted: Vec<u32> = narrow::indices(ids.len()).collect();
        sorted.sort_by(|&a, &b| ids.of(a as usize).cmp(ids.of(b as usize)).then(a.cmp(&b)));
        Self { ids, sorted }
    }

    /// The items whose id begins with a prefix, ascending within equal ids.
    fn of(&self, prefix: &[u16]) -> &[u32] {
        let begins = |item: &u32| &self.ids.of(*item as usize)[..prefix.len()];
        let first = self.sorted.partition_point(|item| begins(item) < prefix);
        let len = self.sorted[first..].partition_point(|item| begins(item) == prefix);
        &self.sorted[first..first + len]
    }
}

impl SemanticId {
    /// Of the ids of a catalogue.
    pub fn new(ids: SemanticIds) -> Self {
        Self { cells: RwLock::new(Cells::new(ids)) }
    }

    /// The id of an item, if it has one.
    pub fn of(&self, item: u32) -> Option<Vec<u16>> {
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        ((item as usize) < cells.ids.len()).then(|| cells.ids.of(item as usize).to_vec())
    }

    /// Takes in the next item. Ids never change, so an item that has one keeps it.
    ///
    /// # Panics
    /// When the id has another number of levels than those of the catalogue, or a code beyond theirs.
    pub fn push(&self, id: &[u16]) {
        let mut cells = self.cells.write().unwrap_or_else(PoisonError::into_inner);
        let item = narrow::index(cells.ids.len());
        let end = cells.sorted.partition_point(|&other| cells.ids.of(other as usize) <= id);
        cells.ids.push(id);
        cells.sorted.insert(end, item);
    }
}

impl Sourcer for SemanticId {
    fn name(&self) -> &'static str {
        "semantic-id"
    }

    fn candidates(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        let levels = cells.ids.levels();
        let events = request.user.recent().items.iter().rev().take(EVENTS);
        let events: Vec<&[u16]> = events
            .filter(|item| item.index() < cells.ids.len())
            .map(|item| cells.ids.of(item.index()))
            .collect();
        let mut found: BTreeMap<u32, f32> = BTreeMap::new();
        'levels: for depth in (1..=levels).rev() {
            for id in &events {
                for &item in cells.of(&id[..depth]) {
                    if request.eligible.contains(item) {
                        found.entry(item).or_default();
                    }
                    if found.len() >= COLLECTED * n {
                        break 'levels;
                    }
                }
            }
        }
        for (&item, score) in &mut found {
            let id = cells.ids.of(item as usize);
            let mut weight = 1.0;
            for event in &events {
                let shared = id.iter().zip(*event).take_while(|(a, b)| a == b).count();
                *score += weight * shared as f32 / levels as f32;
                weight *= DECAY;
            }
        }
        out.extend(found.into_iter().map(|(item, score)| Scored { item, score }));
        keep_best(n, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_holds_what_was_there_and_what_came() {
        let source = SemanticId::new(SemanticIds::new(2, 3, vec![0, 0, 0, 0, 0, 1, 1, 0, 2, 2]));
        let cell = |prefix: &[u16]| source.cells.read().unwrap().of(prefix).to_vec();
        assert_eq!((cell(&[0]), cell(&[0, 1]), cell(&[2, 1])), (vec![0, 1, 2], vec![2], vec![]));
        for id in [[0, 0], [2, 1], [0, 2]] {
            source.push(&id);
        }
        assert_eq!((cell(&[0]), cell(&[0, 0]), cell(&[2])), (vec![0, 1, 5, 2, 7], vec![0, 1, 5], vec![6, 4]));
    }
}
