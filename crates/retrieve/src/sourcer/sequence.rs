//! The next-item ranker's own best items, exactly: a search of fused rows, and the few items with terms of their own
//! ([`semrank_sequence::FusedQuery`]).

use super::{Request, Scored, Sourcer};
use crate::{Error, Flat, Index};
use semrank_core::{ItemId, narrow};
use semrank_nn::scan::{Bitmap, Hit, Precision};
use semrank_sequence::Servable;

/// Items that are put into an index together.
const BLOCK: usize = 4096;

/// The ranker as a source.
pub struct Sequence {
    index: Box<dyn Index>,
    /// Of the catalogue; items that are put in later have none.
    largest_bias: f32,
}

impl Sequence {
    /// Of a trained model, in memory.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for the first item whose vector is not of finite numbers.
    pub fn new(servable: &Servable, precision: Precision) -> Result<Self, Error> {
        Self::over(Box::new(Flat::new(servable.fused_width(), precision)), servable)
    }

    /// Of a trained model, in an index that is empty.
    ///
    /// # Errors
    /// [`Error::Inexact`] for an approximate index; [`Error::NotFinite`]; those of the index.
    ///
    /// # Panics
    /// When the index is of another width than [`Servable::fused_width`].
    pub fn over(index: Box<dyn Index>, servable: &Servable) -> Result<Self, Error> {
        let width = servable.fused_width();
        assert_eq!(index.width(), width, "the width of fused rows");
        if !index.is_exact() {
            return Err(Error::Inexact(index.name()));
        }
        let mut largest_bias = 0.0f32;
        for items in narrow::indices(servable.items()).collect::<Vec<_>>().chunks(BLOCK) {
            let mut rows = vec![0.0; items.len() * width];
            let rows_of = items.iter().zip(rows.chunks_exact_mut(width));
            let biases: Vec<f32> =
                rows_of.map(|(&item, row)| servable.fused_row(ItemId(item), row)).collect();
            index.put_all(items, &rows, &biases)?;
            largest_bias = biases.iter().fold(largest_bias, |largest, bias| largest.max(bias.abs()));
        }
        Ok(Self { index, largest_bias })
    }

    /// Takes in an item that was put into the servable, or whose parts have changed there.
    ///
    /// # Errors
    /// [`Error::NotFinite`]; those of the index.
    pub fn put(&self, servable: &Servable, item: u32) -> Result<(), Error> {
        let mut row = vec![0.0; servable.fused_width()];
        let bias = servable.fused_row(ItemId(item), &mut row);
        self.index.put(item, &row, bias)
    }

    /// The best `k` eligible items by another query to the same rows.
    ///
    /// # Errors
    /// [`Error::Width`].
    pub(crate) fn search(&self, query: &[f32], k: usize, eligible: &Bitmap) -> Result<Vec<Hit>, Error> {
        self.index.search(query, k, None, Some(eligible))
    }

    /// The best `k` eligible items with the scores of [`Servable::top_k`], best first.
    ///
    /// # Errors
    /// [`Error::Score`] where a score is not a number; those of the index.
    pub fn top_k(&self, request: &Request, k: usize) -> Result<Vec<(f32, u32)>, Error> {
        let query = request.servable.fused_query(request.user, self.largest_bias);
        if query.values.iter().any(|value| !value.is_finite()) {
            let first = request.eligible.iter().next();
            return first.map_or(Ok(Vec::new()), |item| Err(Error::Score(ItemId(item))));
        }
        let mut rest = request.eligible.clone();
        query.corrected.iter().for_each(|&item| _ = rest.set(item, false));
        let [all, old] = request.servable.wanted(k);
        let mut found = query.corrected;
        let mut search = |k: usize, rest: &Bitmap| {
            let hits = self.index.search(&query.values, k, Some(query.slack), Some(rest))?;
            found.extend(hits.iter().map(|hit| hit.row));
            Ok::<(), Error>(())
        };
        search(all, &rest)?;
        if old > 0 {
            request.servable.new_items().iter().for_each(|&item| _ = rest.set(item, false));
            search(old, &rest)?;
        }
        let allows = |item| request.eligible.contains(item);
        request.servable.best_of(request.user, k, &found, allows).map_err(Error::Score)
    }
}

impl Sourcer for Sequence {
    fn name(&self) -> &'static str {
        "sequence"
    }

    fn candidates(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
        out.extend(self.top_k(request, n)?.into_iter().map(|(score, item)| Scored { item, score }));
        Ok(())
    }
}
