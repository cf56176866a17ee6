//! Tiles of up to 6 rows by up to 4 vectors, whose sums stay in registers while the inputs pass by.

use super::Operand;
use crate::Scalar;
use crate::vector::Vector;

/// Rows of a tile: with 4 vectors each, 24 sums of the 32 registers of AVX-512, with 2 each 12 of the 16 of AVX2.
pub(super) const ROWS: usize = 6;
/// Inputs a loop takes at once; without that a tile takes up to a seventh longer.
const UNROLL: usize = 4;

/// All rows of one panel's columns.
pub(super) struct Strip<T> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) depth: usize,
    pub(super) a: Operand<T>,
    /// Whole vectors of columns, one input after the other.
    pub(super) b: *const T,
    /// Distance of two inputs in `b`.
    pub(super) stride: usize,
    pub(super) keep: T,
    pub(super) scale: T,
    pub(super) out: *mut T,
    pub(super) out_stride: usize,
    /// Room for the sums of a tile, and for a further row.
    pub(super) sums: *mut T,
}

/// All tiles of a strip; `C` vectors hold its columns.
///
/// # Safety
/// All values of the strip exist, and nothing else reads or writes `out` and `sums` meanwhile; the machine has the vector's
/// instructions.
#[inline(always)]
pub(super) unsafe fn rows<V: Vector, const C: usize>(strip: &Strip<V::Item>) {
    let height = strip.rows.div_ceil(strip.rows.div_ceil(ROWS));
    for first in (0..strip.rows).step_by(height) {
        let count = height.min(strip.rows - first);
        // SAFETY: the tile's rows lie in `a` and `out`, by the caller's promise.
        unsafe {
            let a = strip.a.from(first, 0);
            match count {
                1 => tile::<V, 1, C>(strip, a),
                2 => tile::<V, 2, C>(strip, a),
                3 => tile::<V, 3, C>(strip, a),
                4 => tile::<V, 4, C>(strip, a),
                5 => tile::<V, 5, C>(strip, a),
                _ => tile::<V, 6, C>(strip, a),
            }
            for row in 0..count {
                let sums = strip.sums.add(row * C * V::LEN);
                finish::<V, C>(strip, sums, strip.out.add((first + row) * strip.out_stride));
            }
        }
    }
}

/// Leaves the inner products of `R` rows and `C` vectors of columns in the strip's sums.
#[inline(always)]
unsafe fn tile<V: Vector, const R: usize, const C: usize>(strip: &Strip<V::Item>, a: *const V::Item) {
    let (mut a, mut b) = (a, strip.b);
    // SAFETY: the inputs lie in `a` and `b` and the sums have room, by the promise of `rows`; the pointers may end one step
    // behind the values.
    unsafe {
        let mut sums = [[V::splat(V::Item::ZERO); C]; R];
        for _ in 0..strip.depth / UNROLL {
            for input in 0..UNROLL {
                let a = a.wrapping_add(input * strip.a.columns);
                step(strip.a.rows, a, b.wrapping_add(input * strip.stride), &mut sums);
            }
            a = a.wrapping_add(UNROLL * strip.a.columns);
            b = b.wrapping_add(UNROLL * strip.stride);
        }
        for _ in 0..strip.depth % UNROLL {
            step(strip.a.rows, a, b, &mut sums);
            a = a.wrapping_add(strip.a.columns);
            b = b.wrapping_add(strip.stride);
        }
        // Here and nowhere else: read at an index that is not constant, the sums would not be kept in registers.
        for (r, sums) in sums.iter().enumerate() {
            for (c, sum) in sums.iter().enumerate() {
                sum.store(strip.sums.add((r * C + c) * V::LEN));
            }
        }
    }
}

/// Adds the products of one input.
#[inline(always)]
unsafe fn step<V: Vector, const R: usize, const C: usize>(
    rows: usize,
    a: *const V::Item,
    b: *const V::Item,
    sums: &mut [[V; C]; R],
) {
    // SAFETY: by the promise of `rows`.
    unsafe {
        let mut columns = [V::splat(V::Item::ZERO); C];
        for (c, column) in columns.iter_mut().enumerate() {
            *column = V::load(b.add(c * V::LEN));
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            let value = V::splat(*a.add(r * rows));
            for (sum, &column) in sums.iter_mut().zip(&columns) {
                *sum = value.mul_add(column, *sum);
            }
        }
    }
}

/// Writes one row; where its columns do not fill the vectors, by way of a row of whole vectors.
#[inline(always)]
unsafe fn finish<V: Vector, const C: usize>(strip: &Strip<V::Item>, sums: *const V::Item, out: *mut V::Item) {
    // SAFETY: by the promise of `rows`; the further row lies behind the sums of a whole tile.
    unsafe {
        if strip.columns == C * V::LEN {
            return finish_vectors::<V, C>(strip, sums, out);
        }
        let whole = strip.sums.add(ROWS * C * V::LEN);
        out.copy_to_nonoverlapping(whole, strip.columns);
        finish_vectors::<V, C>(strip, sums, whole);
        whole.copy_to_nonoverlapping(out, strip.columns);
    }
}

#[inline(always)]
unsafe fn finish_vectors<V: Vector, const C: usize>(
    strip: &Strip<V::Item>,
    sums: *const V::Item,
    out: *mut V::Item,
) {
    let Strip { keep, scale, .. } = *strip;
    for c in 0..C {
        // SAFETY: by the promise of `rows`.
        unsafe {
            let (scale, sum, out) = (V::splat(scale), V::load(sums.add(c * V::LEN)), out.add(c * V::LEN));
            let value = if keep == V::Item::ZERO {
                scale.mul(sum)
            } else if keep == V::Item::ONE {
                scale.mul_add(sum, V::load(out))
            } else {
                V::splat(keep).mul(V::load(out)).add(scale.mul(sum))
            };
            value.store(out);
        }
    }
}
