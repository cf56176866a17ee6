//! The forward pass of one sequence: scores, softmax and mixed values, some queries at a time.

use super::heads::{LANE, Padded, PastHeads, panels};
use super::tile::{Product, ROWS, Tiles, tile_height};
use super::{Attention, DistanceBias, Scratch};
use crate::{Dropout, Scalar};

/// A sequence and what its queries see.
pub struct Sequence<'a, T> {
    pub(super) shape: Attention,
    /// `[L x inputs]`.
    pub(super) qkv: &'a [T],
    /// Positions before the sequence, which all of its queries see.
    pub(super) past: &'a [&'a PastHeads<T>],
    pub(super) bias: Option<&'a DistanceBias<T>>,
    pub(super) dropout: Dropout,
    /// Index of the first attention weight, for dropout.
    pub(super) first_weight: usize,
    /// Queries before this one are not answered.
    pub(super) first_query: usize,
}

/// Positions that stand one after another in a row of scores: the first one's column, keys and values.
#[derive(Clone, Copy)]
struct Segment<T> {
    column: usize,
    len: usize,
    /// Panels of `width · LANE` values.
    keys: *const T,
    values: Padded<T>,
}

impl<T: Scalar> Sequence<'_, T> {
    fn len(&self) -> usize {
        self.qkv.len() / self.shape.inputs()
    }

    /// The past positions of a key head, then `own`. A position has the same column however the past is cut.
    #[inline(always)]
    fn segments(&self, group: usize, own: Segment<T>) -> impl Iterator<Item = Segment<T>> {
        let mut column = 0;
        let past = self.past.iter().map(move |past| {
            let (keys, values) = past.of(group, self.shape.width);
            let segment = Segment { column, len: past.len(), keys, values };
            column += past.len();
            segment
        });
        past.chain(std::iter::once(own))
    }
}

/// Writes `y` `[answered queries x outputs]`, and into `weights` `[H x L x padded L]`, where given, the attention weights before
/// dropout. Without weights there is no dropout.
///
/// # Safety
/// The machine has the vector's instructions.
#[inline(always)]
pub(super) unsafe fn forward<V: Tiles>(
    sequence: &Sequence<V::Item>,
    scratch: &mut Scratch<V::Item>,
    mut weights: Option<&mut [V::Item]>,
    y: &mut [V::Item],
) {
    let Sequence { shape, qkv, .. } = *sequence;
    let (len, inputs, width) = (sequence.len(), shape.inputs(), shape.width);
    assert_eq!(y.len(), (len - sequence.first_query) * shape.outputs(), "a row per query");
    let before = sequence.past.iter().map(|past| past.len()).sum::<usize>();
    // The last panel of a segment may reach behind the columns in use, as far as a panel is wide.
    let stride = (before + len).next_multiple_of(LANE) + if before > 0 { LANE } else { 0 };
    let Scratch { keys, values, rows, mixed, .. } = scratch;
    rows.resize(ROWS * stride, V::Item::ZERO);
    mixed.resize(ROWS * width.next_multiple_of(LANE), V::Item::ZERO);
    let in_group = shape.heads / shape.kv_heads;
    for group in 0..shape.kv_heads {
        let [_, k, v] = shape.columns(group * in_group);
        let keys = panels(qkv, inputs, k, width, keys);
        let own = Segment { column: before, len, keys, values: Padded::new(qkv, inputs, v, width, values) };
        for head in group * in_group..(group + 1) * in_group {
            let weights =
                weights.as_deref_mut().map(|weights| &mut weights[head * len * stride..][..len * stride]);
            // SAFETY: by the caller's promise.
            unsafe { forward_head::<V>(sequence, [group, head], own, [rows, mixed], weights, y) };
        }
    }
}

/// All queries of a head.
#[inline(always)]
unsafe fn forward_head<V: Tiles>(
    sequence: &Sequence<V::Item>,
    [group, head]: [usize; 2],
    own: Segment<V::Item>,
    [rows, mixed]: [&mut [V::Item]; 2],
    mut weights: Option<&mut [V::Item]>,
    y: &mut [V::Item],
) {
    let Sequence { shape, bias, dropout, first_query, .. } = *sequence;
    let (len, outputs, width) = (sequence.len(), shape.outputs(), shape.width);
    let (stride, before) = (rows.len() / ROWS, own.column);
    let height = tile_height(len - first_query);
    for first in (first_query..len).step_by(height) {
        let count = height.min(len - first);
        let seen = shape.visible(first + count - 1, len);
        let columns = (before + seen).next_multiple_of(LANE);
        let segments = || sequence.segments(group, Segment { len: seen, ..own });
        // Scores become weights in place; weights of which some are dropped are a copy.
        let (scored, mut dropped) = match &mut weights {
            Some(weights) => {
                let dropped = (!dropout.is_off()).then_some(&mut rows[..count * stride]);
                (&mut weights[first * stride..][..count * stride], dropped)
            }
            None => (&mut rows[..count * stride], None),
        };
        // SAFETY: the caller's promise; a row has columns for all segments, and for a panel more where there are several.
        unsafe { scores::<V>(sequence, head, segments(), [first, count], scored) };
        for (r, row) in scored.chunks_exact_mut(stride).enumerate() {
            let seen = before + shape.visible(first + r, len);
            if let Some(bias) = bias {
                let bias = bias.of(head, before + first + r, seen);
                row.iter_mut().zip(bias).for_each(|(score, &bias)| *score += bias);
            }
            row[seen..columns].fill(V::Item::NEG_INFINITY);
            softmax(&mut row[..columns]);
            if let Some(dropped) = &mut dropped {
                let index = sequence.first_weight + (head * len + first + r) * stride;
                drop_some(dropout, index, &row[..columns], &mut dropped[r * stride..][..columns]);
            }
        }
        let rows = dropped.unwrap_or(scored);
        let y = &mut y[(first - first_query) * outputs..];
        // SAFETY: as above.
        unsafe { mix::<V>(segments(), rows, count, mixed, (y, outputs, head * width), width) };
    }
}

/// Scores of some queries with the positions of all segments; a panel's columns behind its segment hold anything.
#[inline(always)]
unsafe fn scores<V: Tiles>(
    sequence: &Sequence<V::Item>,
    head: usize,
    segments: impl Iterator<Item = Segment<V::Item>>,
    [first, count]: [usize; 2],
    rows: &mut [V::Item],
) {
    let (shape, stride) = (sequence.shape, rows.len() / count);
    let (inputs, width) = (shape.inputs(), shape.width);
    let [q, ..] = shape.columns(head);
    let queries = &sequence.qkv[first * inputs + q..][..(count - 1) * inputs + width];
    for segment in segments {
        let columns = segment.len.next_multiple_of(LANE);
        assert!(segment.column + columns <= stride);
        let product = Product {
            rows: count,
            depth: width,
            columns,
            a: queries.as_ptr(),
            a_rows: inputs,
            a_columns: 1,
            b: segment.keys,
            b_stride: LANE,
            b_lane: width * LANE,
            out: rows.as_mut_ptr().wrapping_add(segment.column),
            out_stride: stride,
            keep: false,
            scale: shape.scale(),
        };
        // SAFETY: the queries are `count` rows of `width` values, the segment has these panels, and rows have the columns.
        unsafe { V::multiply(&product) };
    }
}

/// Replaces scores by their exponentials over the sum of these; whole lanes, which are added lane by lane.
#[inline(always)]
fn softmax<T: Scalar>(scores: &mut [T]) {
    let lanes = scores.as_chunks_mut::<LANE>().0;
    let mut tops = [T::NEG_INFINITY; LANE];
    for scores in &*lanes {
        tops.iter_mut().zip(scores).for_each(|(top, &score)| *top = top.larger(score));
    }
    let (top, mut totals) = (fold(tops, T::larger), [T::ZERO; LANE]);
    for scores in &mut *lanes {
        for (score, total) in scores.iter_mut().zip(&mut totals) {
            *score = (*score - top).exp();
            *total += *score;
        }
    }
    let factor = T::ONE / fold(totals, |a, b| a + b);
    scores.iter_mut().for_each(|score| *score *= factor);
}

/// Joins lanes pairwise.
#[inline(always)]
pub(super) fn fold<T: Scalar>(mut lanes: [T; LANE], join: impl Fn(T, T) -> T) -> T {
    let mut width = LANE / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = join(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Writes the weights times the dropout's factors; the first weight has index `first`.
#[inline(always)]
pub(super) fn drop_some<T: Scalar>(dropout: Dropout, first: usize, weights: &[T], kept: &mut [T]) {
    for (at, (kept, &weight)) in kept.iter_mut().zip(weights).enumerate() {
        *kept = weight * dropout.factor(first.wrapping_add(at));
    }
}

/// Mixes the values of the positions by the weights in `rows`, into columns `from..from + width` of `y`.
#[inline(always)]
unsafe fn mix<V: Tiles>(
    segments: impl Iterator<Item = Segment<V::Item>>,
    rows: &[V::Item],
    count: usize,
    mixed: &mut [V::Item],
    (y, outputs, from): (&mut [V::Item], usize, usize),
    width: usize,
) {
    let stride = rows.len() / count;
    let in_place = width.is_multiple_of(LANE);
    let padded = width.next_multiple_of(LANE);
    assert!(y.len() >= count * outputs && from + width <= outputs && mixed.len() >= ROWS * padded);
    let (out, out_stride) =
        if in_place { (y[from..].as_mut_ptr(), outputs) } else { (mixed.as_mut_ptr(), padded) };
    for (index, segment) in segments.enumerate() {
        let product = Product {
            rows: count,
            depth: segment.len,
            columns: padded,
            a: rows[segment.column..].as_ptr(),
            a_rows: stride,
            a_columns: 1,
            b: segment.values.at,
            b_stride: segment.values.stride,
            b_lane: LANE,
            out,
            out_stride,
            keep: index > 0,
            scale: V::Item::ONE,
        };
        // SAFETY: rows have the segment's columns, the segment that many values, and `out` `count` rows, by the assertions.
        unsafe { V::multiply(&product) };
    }
    if !in_place {
        for (y, mixed) in y.chunks_mut(outputs).zip(mixed.chunks_exact(padded)).take(count) {
            y[from..from + width].copy_from_slice(&mixed[..width]);
        }
    }
}
