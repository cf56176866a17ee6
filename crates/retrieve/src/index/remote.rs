//! What indexes outside the process share: eligible items in few numbers, slack and ties by asking for more, and bounds.

use super::check;
use crate::Error;
use semrank_nn::scan::{Bitmap, Hit};
use std::time::Duration;

/// One request, from sending to the last byte. The funnel has shorter deadlines of its own; this one frees the thread.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// Items that are put in together.
const BATCH: usize = 1000;

/// A row as servers have it: the bias is one more component, which is 1 in a query.
pub(super) fn with_bias(vector: &[f32], bias: f32) -> Vec<f32> {
    vector.iter().copied().chain([bias]).collect()
}

/// A query with its 1.
pub(super) fn with_one(query: &[f32], width: usize) -> Result<Vec<f32>, Error> {
    let (got, expected) = (query.len(), width);
    if got == expected { Ok(with_bias(query, 1.0)) } else { Err(Error::Width { got, expected }) }
}

/// Sends rows, checked, so many at a time.
pub(super) fn in_batches(
    items: &[u32],
    vectors: &[f32],
    biases: &[f32],
    send: impl Fn(&[u32], Vec<Vec<f32>>) -> Result<(), Error>,
) -> Result<(), Error> {
    let width = vectors.len() / items.len().max(1);
    for first in (0..items.len()).step_by(BATCH) {
        let batch = first..items.len().min(first + BATCH);
        let row = |at: usize| {
            let vector = &vectors[at * width..][..width];
            check(items[at], vector, biases[at], width)?;
            Ok(with_bias(vector, biases[at]))
        };
        send(&items[batch.clone()], batch.map(row).collect::<Result<_, Error>>()?)?;
    }
    Ok(())
}

/// The eligible items, with the shorter of two lists.
pub(super) enum Which {
    All,
    Only(Vec<i64>),
    /// Those below a number that are not listed.
    Below(i64, Vec<i64>),
}

impl Which {
    pub(super) fn of(eligible: Option<&Bitmap>) -> Self {
        let Some(eligible) = eligible else { return Self::All };
        if eligible.count() * 2 <= eligible.len() {
            return Self::Only(eligible.iter().map(i64::from).collect());
        }
        let mut others = eligible.clone();
        others.invert();
        Self::Below(eligible.len() as i64, others.iter().map(i64::from).collect())
    }

    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::Only(items) if items.is_empty())
    }
}

/// A search with a slack, and with the lower number first of equal scores, by an engine that has neither: it is asked for more than
/// `k` until the last of its answer is too low to count, up to the `most` that it gives. `top` gives the best so many.
pub(super) fn search(
    k: usize,
    slack: Option<f32>,
    most: usize,
    top: impl Fn(usize) -> Result<Vec<Hit>, Error>,
) -> Result<Vec<Hit>, Error> {
    if k == 0 {
        return Ok(Vec::new());
    }
    let mut limit = (k + k / 4 + 16).min(most).max(k);
    loop {
        let mut hits = top(limit)?;
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
        let Some(worst) = hits.get(k - 1) else { return Ok(hits) };
        let least = worst.score - slack.unwrap_or(0.0);
        if hits.len() < limit || limit >= most || hits.last().is_some_and(|last| last.score < least) {
            match slack {
                Some(_) => hits.retain(|hit| hit.score >= least),
                None => hits.truncate(k),
            }
            return Ok(hits);
        }
        limit = limit.saturating_mul(2).min(most);
    }
}
