//! A second sieve in 8-bit integers, for rows whose scores are too near each other for four.
//!
//! With embeddings of texts most scores lie within a few times the bound of the 4-bit sieve, and a tenth of all rows would be scored
//! exactly. The bound of 8 bits is a sixteenth of it, for twice the bytes to read.

use super::arena::Arena;
use super::filter::lower_most;
use super::search::Search;
use super::sieve::GROUP;
use crate::QuantLinear;
use crate::packed::PANEL;
use std::ops::Range;

/// Groups that are scored at once: their scores stay in the first-level cache.
const STEP: usize = 24;

impl Search<'_> {
    /// Lowers what scores of the rows of some groups can be, those of `arena.most` but the `passed` first ones, to what the products in 8
    /// bits allow.
    pub(super) fn refine(&self, quant: &QuantLinear, groups: Range<usize>, passed: usize, arena: &mut Arena) {
        let scan = self.scan;
        let Arena { rows: x, scores, most, least, .. } = arena;
        let bound = x.bounds(self.query)[0];
        let (error, rest) = scan.slack(bound);
        let (most, tops) = (&mut most.scores[passed * GROUP..], &mut most.tops[passed..]);
        let steps = most.chunks_mut(STEP * GROUP).zip(tops.chunks_mut(STEP));
        for (first, (most, tops)) in (groups.start + passed..groups.end).step_by(STEP).zip(steps) {
            if tops.iter().all(|top| *top < least.max(f32::MIN)) {
                continue;
            }
            let rows = first * GROUP..scan.len().min((first + tops.len()) * GROUP);
            let panels = rows.start / PANEL..rows.end.div_ceil(PANEL);
            scores.resize(scan.len().min(panels.end * PANEL) - panels.start * PANEL, 0.0);
            quant.forward_panels(x, panels.clone(), None, scores);
            let scores = &scores[rows.start - panels.start * PANEL..][..rows.len()];
            let (lengths, errors) = (&scan.lengths[rows.clone()], &scan.errors[rows]);
            lower_most(error, bound.length, rest, lengths, errors, scores, most);
            for (top, most) in tops.iter_mut().zip(most.chunks(GROUP)) {
                *top = crate::kernel::max(most);
            }
        }
    }
}
