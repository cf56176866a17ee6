//! The next-item ranker's own best items, exactly: a search of fused rows, and the few items with terms of their own
//! ([`semrank_sequence::FusedQuery`]).

use super::{Request, Scored, Sourcer};
use crate::{Error, Flat, Index};
use semrank_core::{ItemId, narrow};
use semrank_nn::scan::{Bitmap, Hit, Precision};
use semrank_sequence::Servable;

/// The ranker as a source.
pub struct Sequence {
    index: Flat,
    /// Of the catalogue; items that are put in later have none.
    largest_bias: f32,
}

impl Sequence {
    /// Of a trained model.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for the first item whose vector is not of finite numbers.
    pub fn new(servable: &Servable, precision: Precision) -> Result<Self, Error> {
        let index = Flat::new(servable.fused_width(), precision);
        let mut out = Self { index, largest_bias: 0.0 };
        for item in narrow::indices(servable.items()) {
            let bias = out.put(servable, item)?;
            out.largest_bias = out.largest_bias.max(bias.abs());
        }
        Ok(out)
    }

    /// Takes in an item that was put into the servable, or whose parts have changed there; returns its bias.
    ///
    /// # Errors
    /// [`Error::NotFinite`].
    pub fn put(&self, servable: &Servable, item: u32) -> Result<f32, Error> {
        let mut row = vec![0.0; servable.fused_width()];
        let bias = servable.fused_row(ItemId(item), &mut row);
        self.index.put(item, &row, bias)?;
        Ok(bias)
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
    /// [`Error::Score`] where a score is not a number.
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
