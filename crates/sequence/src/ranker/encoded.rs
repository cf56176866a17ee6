//! The network with its item vectors computed once: queries in, logits of all items, or of some, out.

use super::SeenPolicy;
use crate::columns::Columns;
use crate::{Network, Sequences, TrunkSaved, push_history};
use rayon::prelude::*;
use semrank_core::{EventLog, ItemId};
use semrank_measure::ranking::Query;
use semrank_nn::{Mat, matmul, unit_rows};
use semrank_tower::RowDropout;

/// The network with all item vectors, or some, computed once.
#[derive(Debug)]
pub struct Encoded<'a> {
    network: &'a Network<f32>,
    events: &'a EventLog,
    items: usize,
    /// The items that have a vector, ascending; `None` = all.
    some: Option<Vec<u32>>,
    vectors: Vec<f32>,
    unit: Vec<f32>,
}

impl<'a> Encoded<'a> {
    /// Computes the vectors of all items; `content` is `[items x C]` or empty.
    pub fn new(network: &'a Network<f32>, events: &'a EventLog, items: usize, content: &[f32]) -> Self {
        let all: Vec<u32> = semrank_core::narrow::indices(items).collect();
        Self::of(network, events, items, &all, content)
    }

    /// Computes only the vectors that `queries` and the logits of the `wanted` items need. Asking for the logits of another
    /// item is a mistake and panics.
    pub fn some(
        network: &'a Network<f32>,
        events: &'a EventLog,
        items: usize,
        (queries, wanted): (&[Query], impl Iterator<Item = ItemId>),
        content: &[f32],
    ) -> Self {
        let read = queries.iter().flat_map(|query| {
            let history = events.before(query.user, query.end);
            history.last(network.history()).items
        });
        let mut some: Vec<u32> = read.copied().chain(wanted).map(|item| item.0).collect();
        some.sort_unstable();
        some.dedup();
        let out = Self::of(network, events, items, &some, content);
        Self { some: Some(some), ..out }
    }

    fn of(
        network: &'a Network<f32>,
        events: &'a EventLog,
        items: usize,
        encoded: &[u32],
        content: &[f32],
    ) -> Self {
        let dim = network.dim();
        let mut vectors = vec![0.0; encoded.len() * dim];
        network.item_vectors(encoded, content, RowDropout::off(), &mut vectors);
        let mut unit = vec![0.0; vectors.len()];
        unit.par_chunks_mut(1024 * dim).zip(vectors.par_chunks(1024 * dim)).for_each(|(unit, vectors)| {
            unit_rows(dim, vectors, &mut vec![0.0; vectors.len() / dim], unit);
        });
        Self { network, events, items, some: None, vectors, unit }
    }

    /// The log that queries point into.
    pub fn events(&self) -> &'a EventLog {
        self.events
    }

    /// The items of a query's history, oldest first.
    pub fn history(&self, query: &Query) -> &'a [ItemId] {
        self.events.before(query.user, query.end).items
    }

    /// What a policy adds to the score of a seen item.
    pub fn seen_bias(&self, policy: SeenPolicy) -> f32 {
        match policy {
            SeenPolicy::Mask => f32::NEG_INFINITY,
            SeenPolicy::Learned => self.network.seen_bias(),
            SeenPolicy::None => 0.0,
        }
    }

    /// Width D of an item vector.
    pub(crate) fn dim(&self) -> usize {
        self.network.dim()
    }

    /// Number of items of the catalogue.
    pub fn items(&self) -> usize {
        self.items
    }

    /// The row of an item's vector.
    fn row(&self, item: u32) -> u32 {
        let Some(some) = &self.some else { return item };
        let row = some.binary_search(&item);
        assert!(row.is_ok(), "item row {item} has no vector: it was not among those to be encoded");
        row.unwrap_or(0) as u32
    }

    /// `scale · cos(h_u, v_j)`, `[queries x items]`.
    pub fn logits(&self, queries: &[Query], out: &mut [f32]) {
        self.logits_of(&self.hidden(queries), &Columns::Range(0..self.items()), out);
    }

    /// `h_u` of length 1, `[queries x D]`; zero for a user without history, so that the prior alone ranks.
    pub(crate) fn hidden(&self, queries: &[Query]) -> Vec<f32> {
        let dim = self.network.dim();
        let mut sequences = Sequences::default();
        sequences.clear();
        for query in queries {
            let start = self.events.range(query.user).start;
            push_history(&mut sequences, self.events, start, query.end, self.network.history());
        }
        sequences.items.iter_mut().for_each(|item| *item = self.row(*item));
        let mut saved = TrunkSaved::default();
        self.network.trunk_last(&sequences, &self.vectors, &mut saved);
        let mut last = vec![0.0; queries.len() * dim];
        // A user without history has no position.
        let with_history = sequences.offsets.windows(2).enumerate().filter(|(_, ends)| ends[1] > ends[0]);
        for ((query, _), hidden) in with_history.zip(saved.hidden.chunks_exact(dim)) {
            last[query * dim..(query + 1) * dim].copy_from_slice(hidden);
        }
        let mut unit = vec![0.0; last.len()];
        unit_rows(dim, &last, &mut vec![0.0; queries.len()], &mut unit);
        unit
    }

    /// The logits of some items, `[queries x columns]`, given [`Encoded::hidden`].
    pub(crate) fn logits_of(&self, hidden: &[f32], columns: &Columns, out: &mut [f32]) {
        let dim = self.network.dim();
        let rows = match &self.some {
            None => columns.rows(&self.unit, dim),
            Some(_) => {
                let rows: Vec<u32> = columns.iter().map(|item| self.row(item)).collect();
                Columns::List(&rows).rows(&self.unit, dim)
            }
        };
        let items = Mat::new(&rows, columns.len(), dim);
        matmul(out, 0.0, Mat::new(hidden, hidden.len() / dim, dim), items.t(), self.network.scale());
    }
}
