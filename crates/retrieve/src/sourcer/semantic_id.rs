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
use std::sync::Arc;

/// Newest events that are expanded.
const EVENTS: usize = 20;
/// Weight of an event relative to the next newer one.
const DECAY: f32 = 0.9;
/// Candidates that are collected for each one asked for, before the best are kept.
const COLLECTED: usize = 4;

/// Semantic ids as a source.
pub struct SemanticId {
    ids: Arc<SemanticIds>,
    /// Items in the order of their ids: a prefix is a run.
    sorted: Vec<u32>,
}

impl SemanticId {
    /// Of the ids of a catalogue.
    pub fn new(ids: Arc<SemanticIds>) -> Self {
        let mut sorted: Vec<u32> = narrow::indices(ids.len()).collect();
        sorted.sort_by(|&a, &b| ids.of(a as usize).cmp(ids.of(b as usize)).then(a.cmp(&b)));
        Self { ids, sorted }
    }

    /// The items whose id begins with a prefix, ascending within equal ids.
    pub fn cell(&self, prefix: &[u16]) -> &[u32] {
        let begins = |item: &u32| &self.ids.of(*item as usize)[..prefix.len()];
        let first = self.sorted.partition_point(|item| begins(item) < prefix);
        let len = self.sorted[first..].partition_point(|item| begins(item) == prefix);
        &self.sorted[first..first + len]
    }
}

impl Sourcer for SemanticId {
    fn name(&self) -> &'static str {
        "semantic-id"
    }

    fn candidates(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
        let levels = self.ids.levels();
        let events = request.user.recent().items.iter().rev().take(EVENTS);
        let events: Vec<&[u16]> = events
            .filter(|item| item.index() < self.ids.len())
            .map(|item| self.ids.of(item.index()))
            .collect();
        let mut found: BTreeMap<u32, f32> = BTreeMap::new();
        'levels: for depth in (1..=levels).rev() {
            for id in &events {
                for &item in self.cell(&id[..depth]) {
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
            let id = self.ids.of(item as usize);
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
