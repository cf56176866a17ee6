//! The backward pass of one sequence, given its attention weights.
//!
//! With `P` the weights, `F` the dropout factors, `dP = (dY Vᵀ) ∘ F` and `dS = P ∘ (dP - rowsum(P ∘ dP)) / √W`:
//! `dQ = dS K`, `dK = dSᵀ Q`, `dV = (P ∘ F)ᵀ dY`.

use super::Scratch;
use super::forward::{Sequence, drop_some, fold};
use super::heads::{LANE, Padded, panels};
use super::tile::{Product, ROWS, Tiles, tile_height};
use crate::{Dropout, Scalar};

/// Writes `dqkv` `[L x inputs]`, given that of the output and the weights `[H x L x padded L]`.
///
/// # Safety
/// The machine has the vector's instructions.
#[inline(always)]
pub(super) unsafe fn backward<V: Tiles>(
    sequence: &Sequence<V::Item>,
    scratch: &mut Scratch<V::Item>,
    weights: &[V::Item],
    dy: &[V::Item],
    dqkv: &mut [V::Item],
) {
    let Sequence { shape, qkv, dropout, .. } = *sequence;
    let (inputs, outputs, width) = (shape.inputs(), shape.outputs(), shape.width);
    let len = qkv.len() / inputs;
    assert!(dqkv.len() == qkv.len() && dy.len() == len * outputs);
    assert_eq!(weights.len(), shape.sequence_weights(len));
    let (stride, padded) = (len.next_multiple_of(LANE), width.next_multiple_of(LANE));
    let Scratch { keys, values, rows, queries, dy: dy_rows, kept, dscores, sums, .. } = scratch;
    rows.resize(ROWS * stride, V::Item::ZERO);
    dscores.resize(len * stride, V::Item::ZERO);
    if !dropout.is_off() {
        kept.resize(len * stride, V::Item::ZERO);
    }
    let in_group = shape.heads / shape.kv_heads;
    for group in 0..shape.kv_heads {
        let [_, k, v] = shape.columns(group * in_group);
        let value_panels = panels(qkv, inputs, v, width, values);
        let key_rows = Padded::new(qkv, inputs, k, width, keys);
        // Rows of dQ, dK and dV.
        sums.clear();
        sums.resize(3 * len * padded, V::Item::ZERO);
        let (dq, dkv) = sums.split_at_mut(len * padded);
        let (dk, dv) = dkv.split_at_mut(len * padded);
        for head in group * in_group..(group + 1) * in_group {
            let [q, ..] = shape.columns(head);
            let weights = &weights[head * len * stride..][..len * stride];
            let query_rows = Padded::new(qkv, inputs, q, width, queries);
            let dy_rows = Padded::new(dy, outputs, head * width, width, dy_rows);
            let height = tile_height(len);
            for first in (0..len).step_by(height) {
                let count = height.min(len - first);
                let seen = shape.visible(first + count - 1, len);
                let columns = seen.next_multiple_of(LANE);
                let product = Product {
                    rows: count,
                    depth: width,
                    columns,
                    a: dy_rows.from(first),
                    a_rows: dy_rows.stride,
                    a_columns: 1,
                    b: value_panels,
                    b_stride: LANE,
                    b_lane: width * LANE,
                    out: rows.as_mut_ptr(),
                    out_stride: stride,
                    keep: false,
                    scale: V::Item::ONE,
                };
                // SAFETY: `count` rows of `dy`, panels that there are, and `ROWS` rows of `stride` columns.
                unsafe { V::multiply(&product) };
                for (r, dweights) in rows.chunks_exact_mut(stride).take(count).enumerate() {
                    let row = (first + r) * stride;
                    let (weights, dweights) = (&weights[row..][..columns], &mut dweights[..columns]);
                    if !dropout.is_off() {
                        let index = sequence.first_weight + head * len * stride + row;
                        drop_some(dropout, index, weights, &mut kept[row..][..columns]);
                        mask(dropout, index, dweights);
                    }
                    softmax_backward(weights, dweights, shape.scale(), &mut dscores[row..][..columns]);
                }
                let product = Product {
                    depth: seen,
                    columns: padded,
                    a: dscores[first * stride..].as_ptr(),
                    a_rows: stride,
                    b: key_rows.at,
                    b_stride: key_rows.stride,
                    b_lane: LANE,
                    out: dq[first * padded..].as_mut_ptr(),
                    out_stride: padded,
                    ..product
                };
                // SAFETY: `count` rows of `dscores` and `dq`, and `seen` rows of keys.
                unsafe { V::multiply(&product) };
            }
            let kept = if dropout.is_off() { weights } else { kept.as_slice() };
            // SAFETY: by the caller's promise.
            unsafe {
                add_to_positions::<V>(sequence, kept, dy_rows, dv);
                add_to_positions::<V>(sequence, dscores, query_rows, dk);
            }
            copy_columns(dq, padded, dqkv, inputs, q, width);
        }
        copy_columns(dk, padded, dqkv, inputs, k, width);
        copy_columns(dv, padded, dqkv, inputs, v, width);
    }
}

/// Multiplies by the dropout's factors; the first value has index `first`.
#[inline(always)]
fn mask<T: Scalar>(dropout: Dropout, first: usize, values: &mut [T]) {
    for (at, value) in values.iter_mut().enumerate() {
        *value *= dropout.factor(first.wrapping_add(at));
    }
}

/// `dS` of a query, whole lanes. Where the weight is zero, as behind the positions that the query sees, `dP` may hold anything.
#[inline(always)]
fn softmax_backward<T: Scalar>(weights: &[T], dweights: &[T], scale: T, dscores: &mut [T]) {
    let lanes = || weights.as_chunks::<LANE>().0.iter().zip(dweights.as_chunks::<LANE>().0);
    let mut sums = [T::ZERO; LANE];
    for (weights, dweights) in lanes() {
        for (sum, (&weight, &dweight)) in sums.iter_mut().zip(weights.iter().zip(dweights)) {
            *sum += if weight == T::ZERO { T::ZERO } else { weight * dweight };
        }
    }
    let along = fold(sums, |a, b| a + b);
    for ((weights, dweights), dscores) in lanes().zip(dscores.as_chunks_mut::<LANE>().0) {
        for (dscore, (&weight, &dweight)) in dscores.iter_mut().zip(weights.iter().zip(dweights)) {
            *dscore = if weight == T::ZERO { T::ZERO } else { weight * (dweight - along) * scale };
        }
    }
}

/// Adds to every position's row of `out` those of the queries that see it, `rows`, times `matrix` `[L x padded L]`: a head's
/// share of `dV` or `dK`.
#[inline(always)]
unsafe fn add_to_positions<V: Tiles>(
    sequence: &Sequence<V::Item>,
    matrix: &[V::Item],
    rows: Padded<V::Item>,
    out: &mut [V::Item],
) {
    let shape = sequence.shape;
    let len = sequence.qkv.len() / shape.inputs();
    let (stride, padded) = (len.next_multiple_of(LANE), shape.width.next_multiple_of(LANE));
    let height = tile_height(len);
    for first in (0..len).step_by(height) {
        // Queries before the first position do not see it.
        let query = if shape.causal { first } else { 0 };
        let product = Product {
            rows: height.min(len - first),
            depth: len - query,
            columns: padded,
            a: matrix[query * stride + first..].as_ptr(),
            a_rows: 1,
            a_columns: stride,
            b: rows.from(query),
            b_stride: rows.stride,
            b_lane: LANE,
            out: out[first * padded..].as_mut_ptr(),
            out_stride: padded,
            keep: true,
            scale: V::Item::ONE,
        };
        // SAFETY: the matrix has `len` rows of `stride` columns, and `rows` and `out` have `len` rows.
        unsafe { V::multiply(&product) };
    }
}

/// Writes rows of padded width into columns of wider rows.
#[inline(always)]
fn copy_columns<T: Scalar>(
    from: &[T],
    padded: usize,
    to: &mut [T],
    stride: usize,
    column: usize,
    width: usize,
) {
    for (from, to) in from.chunks_exact(padded).zip(to.chunks_exact_mut(stride)) {
        to[column..column + width].copy_from_slice(&from[..width]);
    }
}
