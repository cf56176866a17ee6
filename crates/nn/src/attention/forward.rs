//! The forward pass of one sequence: scores, softmax and mixed values, some queries at a time.

use super::heads::{LANE, Padded, PastHeads, panels};
use super::tile::{Product, ROWS, Tiles};
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

/// Positions that stand one after another in a row of scores: their first column, keys and values.
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

    /// Past positions.
    fn before(&self) -> usize {
        self.past.iter().map(|past| past.len()).sum()
    }

    /// Columns of a row of scores in front of the sequence's own.
    fn past_columns(&self) -> usize {
        self.past.iter().map(|past| past.len().next_multiple_of(LANE)).sum()
    }
}

/// Writes `y` `[answered queries x outputs]`, and into `weights` `[H x L x L]`, where given, the attention weights before dropout.
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
    assert!(weights.as_ref().is_none_or(|weights| weights.len() == shape.heads * len * len));
    let columns = sequence.past_columns() + len.next_multiple_of(LANE);
    let Scratch { keys, values, rows, mixed, .. } = scratch;
    rows.resize(ROWS * columns, V::Item::ZERO);
    mixed.resize(ROWS * width.next_multiple_of(LANE), V::Item::ZERO);
    let mut segments = Vec::with_capacity(sequence.past.len() + 1);
    for group in 0..shape.kv_heads {
        let in_group = shape.heads / shape.kv_heads;
        let [_, k, v] = shape.columns(group * in_group);
        segments.clear();
        let mut column = 0;
        for past in sequence.past {
            let (keys, values) = past.of(group, width);
            segments.push(Segment { column, len: past.len(), keys, values });
            column += past.len().next_multiple_of(LANE);
        }
        let keys = panels(qkv, inputs, k, width, keys);
        segments.push(Segment { column, len, keys, values: Padded::new(qkv, inputs, v, width, values) });
        for head in group * in_group..(group + 1) * in_group {
            let weights = weights.as_deref_mut().map(|weights| &mut weights[head * len * len..][..len * len]);
            // SAFETY: by the caller's promise.
            unsafe { forward_head::<V>(sequence, head, &segments, [rows, mixed], weights, y) };
        }
    }
}

/// All queries of a head.
#[inline(always)]
unsafe fn forward_head<V: Tiles>(
    sequence: &Sequence<V::Item>,
    head: usize,
    segments: &[Segment<V::Item>],
    [rows, mixed]: [&mut [V::Item]; 2],
    mut weights: Option<&mut [V::Item]>,
    y: &mut [V::Item],
) {
    let Sequence { shape, bias, dropout, first_query, .. } = *sequence;
    let (len, outputs, width) = (sequence.len(), shape.outputs(), shape.width);
    let (stride, before) = (rows.len() / ROWS, sequence.before());
    let own = segments[segments.len() - 1].column;
    let queries = len - first_query;
    let height = queries.div_ceil(queries.div_ceil(ROWS).max(1));
    for first in (first_query..len).step_by(height.max(1)) {
        let count = height.min(len - first);
        let seen = shape.visible(first + count - 1, len);
        let columns = own + seen.next_multiple_of(LANE);
        // SAFETY: the caller's promise; rows hold `ROWS` rows of that stride.
        unsafe { scores::<V>(sequence, head, segments, [first, count, seen], rows) };
        for (r, row) in rows.chunks_exact_mut(stride).take(count).enumerate() {
            let seen = shape.visible(first + r, len);
            if let Some(bias) = bias {
                add_bias(bias.of(head, before + first + r, before + seen), segments, row);
            }
            segments.iter().for_each(|segment| {
                let end = segment.column + segment.len.next_multiple_of(LANE);
                row[segment.column + segment.len..end].fill(V::Item::NEG_INFINITY);
            });
            row[own + seen..columns].fill(V::Item::NEG_INFINITY);
            softmax(&mut row[..columns]);
        }
        let totals = totals(rows, columns);
        for (r, row) in rows.chunks_exact_mut(stride).take(count).enumerate() {
            divide(&mut row[..columns], totals[r]);
            let (query, seen) = (first + r, shape.visible(first + r, len));
            if let Some(weights) = &mut weights {
                let weights = &mut weights[query * len..][..len];
                weights[..seen].copy_from_slice(&row[own..own + seen]);
                weights[seen..].fill(V::Item::ZERO);
            }
            if !dropout.is_off() {
                let base = sequence.first_weight + (head * len + query) * len;
                row[own..own + seen].iter_mut().enumerate().for_each(|(j, w)| *w *= dropout.factor(base + j));
            }
        }
        let y = &mut y[(first - first_query) * outputs..];
        // SAFETY: as above.
        unsafe { mix::<V>([count, seen], segments, rows, mixed, (y, outputs, head * width), width) };
    }
}

/// Scores of some queries with all positions that one of them sees; behind the last one of a segment anything.
#[inline(always)]
unsafe fn scores<V: Tiles>(
    sequence: &Sequence<V::Item>,
    head: usize,
    segments: &[Segment<V::Item>],
    [first, count, seen]: [usize; 3],
    rows: &mut [V::Item],
) {
    let (shape, stride) = (sequence.shape, rows.len() / ROWS);
    let (inputs, width) = (shape.inputs(), shape.width);
    let [q, ..] = shape.columns(head);
    let queries = &sequence.qkv[first * inputs + q..][..(count - 1) * inputs + width];
    for (index, segment) in segments.iter().enumerate() {
        let len = if index + 1 == segments.len() { seen } else { segment.len };
        assert!(segment.column + len.next_multiple_of(LANE) <= stride && rows.len() >= count * stride);
        for panel in 0..len.div_ceil(LANE) {
            let product = Product {
                rows: count,
                depth: width,
                columns: LANE,
                a: queries.as_ptr(),
                a_rows: inputs,
                a_columns: 1,
                b: segment.keys.wrapping_add(panel * width * LANE),
                b_stride: LANE,
                out: rows.as_mut_ptr().wrapping_add(segment.column + panel * LANE),
                out_stride: stride,
                keep: false,
                scale: shape.scale(),
            };
            // SAFETY: the queries are `count` rows of `width` values, the segment has that panel, and rows have its columns.
            unsafe { V::multiply(&product) };
        }
    }
}

/// Adds the bias of the positions that a query sees.
#[inline(always)]
fn add_bias<T: Scalar>(bias: &[T], segments: &[Segment<T>], row: &mut [T]) {
    let mut bias = bias;
    for segment in segments {
        let (of_segment, rest) = bias.split_at(segment.len.min(bias.len()));
        let scores = row[segment.column..].iter_mut();
        scores.zip(of_segment).for_each(|(score, &bias)| *score += bias);
        bias = rest;
    }
}

/// Replaces scores by their exponentials, of the largest by 1; whole lanes.
#[inline(always)]
fn softmax<T: Scalar>(scores: &mut [T]) {
    let lanes = scores.as_chunks_mut::<LANE>().0;
    let mut tops = [T::NEG_INFINITY; LANE];
    for scores in &*lanes {
        for (top, &score) in tops.iter_mut().zip(scores) {
            *top = top.larger(score);
        }
    }
    let mut width = LANE / 2;
    while width > 0 {
        for i in 0..width {
            tops[i] = tops[i].larger(tops[i + width]);
        }
        width /= 2;
    }
    let top = tops[0];
    for scores in lanes {
        for score in scores {
            *score = (*score - top).exp();
        }
    }
}

/// The sums of the first columns of all rows, each in its order. Rows beyond the queries are added, too: six sums at once hide the
/// latency of an addition.
#[inline(always)]
fn totals<T: Scalar>(rows: &[T], columns: usize) -> [T; ROWS] {
    let stride = rows.len() / ROWS;
    let rows: [&[T]; ROWS] = std::array::from_fn(|r| &rows[r * stride..][..columns]);
    let mut totals = [T::ZERO; ROWS];
    for column in 0..columns {
        for (total, row) in totals.iter_mut().zip(&rows) {
            *total += row[column];
        }
    }
    totals
}

#[inline(always)]
fn divide<T: Scalar>(row: &mut [T], by: T) {
    for values in row.as_chunks_mut::<LANE>().0 {
        for value in values {
            *value = *value / by;
        }
    }
}

/// Mixes the values of the positions by the weights in `rows`, into columns `from..from + width` of `y`.
#[inline(always)]
unsafe fn mix<V: Tiles>(
    [count, seen]: [usize; 2],
    segments: &[Segment<V::Item>],
    rows: &[V::Item],
    mixed: &mut [V::Item],
    (y, outputs, from): (&mut [V::Item], usize, usize),
    width: usize,
) {
    let stride = rows.len() / ROWS;
    let in_place = width.is_multiple_of(LANE);
    let padded = width.next_multiple_of(LANE);
    assert!(y.len() >= count * outputs && from + width <= outputs && mixed.len() >= ROWS * padded);
    let (out, out_stride) =
        if in_place { (y[from..].as_mut_ptr(), outputs) } else { (mixed.as_mut_ptr(), padded) };
    for (index, segment) in segments.iter().enumerate() {
        let len = if index + 1 == segments.len() { seen } else { segment.len };
        let product = Product {
            rows: count,
            depth: len,
            columns: padded,
            a: rows.as_ptr().wrapping_add(segment.column),
            a_rows: stride,
            a_columns: 1,
            b: segment.values.at,
            b_stride: segment.values.stride,
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
