//! The backward pass of one sequence, given its attention weights.
//!
//! With `P` the weights, `F` the dropout factors, `dP = (dY Vᵀ) ∘ F` and `dS = P ∘ (dP - rowsum(P ∘ dP)) / √W`:
//! `dQ = dS K`, `dK = dSᵀ Q`, `dV = (P ∘ F)ᵀ dY`.

use super::Scratch;
use super::forward::Sequence;
use super::heads::{LANE, Padded, panels};
use super::tile::{Product, ROWS, Tiles};
use crate::Scalar;

/// The matrices of a head, `[L x stride]`, zero where a query does not see a position.
struct Weights<'a, T> {
    /// `P ∘ F`.
    kept: &'a [T],
    kept_stride: usize,
    /// `dS`.
    dscores: &'a [T],
    stride: usize,
}

/// Writes `dqkv` `[L x inputs]`, given that of the output and the weights `[H x L x L]`.
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
    assert!(dqkv.len() == qkv.len() && dy.len() == len * outputs && weights.len() == shape.heads * len * len);
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
            let weights = &weights[head * len * len..][..len * len];
            let query_rows = Padded::new(qkv, inputs, q, width, queries);
            let dy_rows = Padded::new(dy, outputs, head * width, width, dy_rows);
            let height = len.div_ceil(len.div_ceil(ROWS));
            for first in (0..len).step_by(height) {
                let count = height.min(len - first);
                let seen = shape.visible(first + count - 1, len);
                let mut product = Product {
                    rows: count,
                    depth: width,
                    columns: LANE,
                    a: dy_rows.from(first),
                    a_rows: dy_rows.stride,
                    a_columns: 1,
                    b: value_panels,
                    b_stride: LANE,
                    out: rows.as_mut_ptr(),
                    out_stride: stride,
                    keep: false,
                    scale: V::Item::ONE,
                };
                for panel in 0..seen.div_ceil(LANE) {
                    product.b = value_panels.wrapping_add(panel * width * LANE);
                    product.out = rows.as_mut_ptr().wrapping_add(panel * LANE);
                    // SAFETY: `count` rows of `dy`, a panel that there is, and `ROWS` rows of `stride` columns.
                    unsafe { V::multiply(&product) };
                }
                for (r, dweights) in rows.chunks_exact_mut(stride).take(count).enumerate() {
                    let (query, seen) = (first + r, shape.visible(first + r, len));
                    let weights = &weights[query * len..][..seen];
                    if !dropout.is_off() {
                        let base = sequence.first_weight + (head * len + query) * len;
                        let kept = &mut kept[query * stride..][..stride];
                        for (j, (dweight, kept)) in dweights[..seen].iter_mut().zip(&mut *kept).enumerate() {
                            let factor = dropout.factor(base + j);
                            *dweight *= factor;
                            *kept = weights[j] * factor;
                        }
                        kept[seen..].fill(V::Item::ZERO);
                    }
                    let dscores = &mut dscores[query * stride..][..stride];
                    softmax_backward(weights, &dweights[..seen], shape.scale(), dscores);
                }
                let product = Product {
                    depth: seen,
                    columns: padded,
                    a: dscores[first * stride..].as_ptr(),
                    a_rows: stride,
                    b: key_rows.at,
                    b_stride: key_rows.stride,
                    out: dq[first * padded..].as_mut_ptr(),
                    out_stride: padded,
                    ..product
                };
                // SAFETY: `count` rows of `dscores` and `dq`, and `seen` rows of keys.
                unsafe { V::multiply(&product) };
            }
            let (kept, kept_stride) =
                if dropout.is_off() { (weights, len) } else { (kept.as_slice(), stride) };
            let matrices = Weights { kept, kept_stride, dscores, stride };
            // SAFETY: by the caller's promise.
            unsafe { keys_and_values::<V>(sequence, &matrices, query_rows, dy_rows, [dk, dv]) };
            copy_columns(dq, padded, dqkv, inputs, q, width);
        }
        copy_columns(dk, padded, dqkv, inputs, k, width);
        copy_columns(dv, padded, dqkv, inputs, v, width);
    }
}

/// `dS` of a query; zero behind the positions that it sees.
#[inline(always)]
fn softmax_backward<T: Scalar>(weights: &[T], dweights: &[T], scale: T, dscores: &mut [T]) {
    let seen = weights.len();
    for ((product, &weight), &dweight) in dscores.iter_mut().zip(weights).zip(dweights) {
        *product = weight * dweight;
    }
    let mut along = T::ZERO;
    dscores[..seen].iter().for_each(|&product| along += product);
    for ((dscore, &weight), &dweight) in dscores.iter_mut().zip(weights).zip(dweights) {
        *dscore = weight * (dweight - along) * scale;
    }
    dscores[seen..].fill(T::ZERO);
}

/// Adds a head's share of `dK` and `dV`, some positions at a time.
#[inline(always)]
unsafe fn keys_and_values<V: Tiles>(
    sequence: &Sequence<V::Item>,
    weights: &Weights<V::Item>,
    queries: Padded<V::Item>,
    dy: Padded<V::Item>,
    [dk, dv]: [&mut [V::Item]; 2],
) {
    let shape = sequence.shape;
    let (len, padded) = (sequence.qkv.len() / shape.inputs(), shape.width.next_multiple_of(LANE));
    let height = len.div_ceil(len.div_ceil(ROWS));
    for first in (0..len).step_by(height) {
        // Queries before the first position do not see it.
        let query = if shape.causal { first } else { 0 };
        let of = |matrix: &[V::Item], stride: usize, rows: Padded<V::Item>, out: &mut [V::Item]| Product {
            rows: height.min(len - first),
            depth: len - query,
            columns: padded,
            a: matrix[query * stride + first..].as_ptr(),
            a_rows: 1,
            a_columns: stride,
            b: rows.from(query),
            b_stride: rows.stride,
            out: out[first * padded..].as_mut_ptr(),
            out_stride: padded,
            keep: true,
            scale: V::Item::ONE,
        };
        // SAFETY: the matrices have `len` rows of at least `len` columns, `queries` and `dy` `len` rows, and so have the sums.
        unsafe {
            V::multiply(&of(weights.kept, weights.kept_stride, dy, dv));
            V::multiply(&of(weights.dscores, weights.stride, queries, dk));
        }
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
