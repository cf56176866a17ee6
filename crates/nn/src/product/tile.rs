//! Tiles of up to 6 rows by up to 4 vectors, whose sums stay in registers while the inputs pass by.

use super::Operand;
use super::panel::Panel;
use crate::Scalar;
use crate::vector::Vector;

/// Rows of a tile: with 4 vectors each, 24 sums of the 32 registers of AVX-512, with 2 each 12 of the 16 of AVX2.
pub(super) const ROWS: usize = 6;
/// Inputs a loop takes at once; without that a tile takes up to a seventh longer.
const UNROLL: usize = 4;

/// All rows of one panel's columns.
#[derive(Clone, Copy)]
pub(super) struct Strip<T> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) depth: usize,
    pub(super) a: Operand<T>,
    pub(super) panel: Panel<T>,
    pub(super) keep: T,
    pub(super) scale: T,
    pub(super) from: *const T,
    /// Distance of two rows of `from`.
    pub(super) from_stride: usize,
    pub(super) out: *mut T,
    pub(super) out_stride: usize,
    /// Room for a row of whole vectors.
    pub(super) row: *mut T,
}

/// All tiles of a strip; `C` vectors hold its columns.
///
/// # Safety
/// All values of the strip exist, and nothing else reads or writes `out`, `row` and the panel's copy meanwhile; the machine has the
/// vector's instructions.
#[inline(always)]
pub(super) unsafe fn rows<V: Vector, const C: usize>(strip: &Strip<V::Item>) {
    let mut strip = *strip;
    let height = strip.rows.div_ceil(strip.rows.div_ceil(ROWS));
    let mut first = 0;
    // SAFETY: the tiles' rows lie in `a` and `out`, by the caller's promise.
    unsafe {
        if !strip.panel.copy.is_null() {
            // Enough rows for a whole tile, as is checked where the panel is made. Its multiply-adds hide the copying.
            tile::<V, ROWS, C, true>(&strip, 0);
            strip.panel = Panel { at: strip.panel.copy, stride: C * V::LEN, copy: std::ptr::null_mut() };
            first = ROWS;
        }
        while first < strip.rows {
            let count = height.min(strip.rows - first);
            match count {
                1 => tile::<V, 1, C, false>(&strip, first),
                2 => tile::<V, 2, C, false>(&strip, first),
                3 => tile::<V, 3, C, false>(&strip, first),
                4 => tile::<V, 4, C, false>(&strip, first),
                5 => tile::<V, 5, C, false>(&strip, first),
                _ => tile::<V, ROWS, C, false>(&strip, first),
            }
            first += count;
        }
    }
}

/// Computes `R` rows from the row `first` on, of `C` vectors of columns.
#[inline(always)]
unsafe fn tile<V: Vector, const R: usize, const C: usize, const COPY: bool>(
    strip: &Strip<V::Item>,
    first: usize,
) {
    let Panel { at: mut b, stride, mut copy } = strip.panel;
    let mut a = strip.a.from(first, 0);
    // SAFETY: the inputs lie in `a` and `b` and the rows in `out`, by the promise of `rows`; the pointers may end one step behind
    // the values.
    unsafe {
        let mut sums = [[V::splat(V::Item::ZERO); C]; R];
        for _ in 0..strip.depth / UNROLL {
            for input in 0..UNROLL {
                let a = a.wrapping_add(input * strip.a.columns);
                let copy = copy.wrapping_add(input * C * V::LEN);
                step::<V, R, C, COPY>(strip.a.rows, a, b.wrapping_add(input * stride), copy, &mut sums);
            }
            a = a.wrapping_add(UNROLL * strip.a.columns);
            b = b.wrapping_add(UNROLL * stride);
            copy = copy.wrapping_add(UNROLL * C * V::LEN);
        }
        for _ in 0..strip.depth % UNROLL {
            step::<V, R, C, COPY>(strip.a.rows, a, b, copy, &mut sums);
            a = a.wrapping_add(strip.a.columns);
            b = b.wrapping_add(stride);
            copy = copy.wrapping_add(C * V::LEN);
        }
        let (from, out) =
            (strip.from.add(first * strip.from_stride), strip.out.add(first * strip.out_stride));
        // The loops below have constant lengths: read at an index that is not constant, the sums would not be kept in registers.
        if strip.columns == C * V::LEN {
            for (r, sums) in sums.iter().enumerate() {
                finish(strip, sums, from.add(r * strip.from_stride), out.add(r * strip.out_stride));
            }
        } else {
            for (r, sums) in sums.iter().enumerate() {
                // By way of a row of whole vectors.
                strip.row.copy_from_nonoverlapping(from.add(r * strip.from_stride), strip.columns);
                finish(strip, sums, strip.row, strip.row);
                out.add(r * strip.out_stride).copy_from_nonoverlapping(strip.row, strip.columns);
            }
        }
    }
}

/// Adds the products of one input.
#[inline(always)]
unsafe fn step<V: Vector, const R: usize, const C: usize, const COPY: bool>(
    rows: usize,
    a: *const V::Item,
    b: *const V::Item,
    copy: *mut V::Item,
    sums: &mut [[V; C]; R],
) {
    // SAFETY: by the promise of `rows`.
    unsafe {
        let mut columns = [V::splat(V::Item::ZERO); C];
        for (c, column) in columns.iter_mut().enumerate() {
            *column = V::load(b.add(c * V::LEN));
            if COPY {
                column.store(copy.add(c * V::LEN));
            }
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            let value = V::splat(*a.add(r * rows));
            for (sum, &column) in sums.iter_mut().zip(&columns) {
                *sum = value.mul_add(column, *sum);
            }
        }
    }
}

/// Writes a row of whole vectors.
#[inline(always)]
unsafe fn finish<V: Vector, const C: usize>(
    strip: &Strip<V::Item>,
    sums: &[V; C],
    from: *const V::Item,
    out: *mut V::Item,
) {
    // SAFETY: by the promise of `rows`.
    unsafe {
        let (keep, scale) = (V::splat(strip.keep), V::splat(strip.scale));
        for (c, sum) in sums.iter().enumerate() {
            let value = if strip.keep == V::Item::ZERO {
                scale.mul(*sum)
            } else {
                scale.mul_add(*sum, keep.mul(V::load(from.add(c * V::LEN))))
            };
            value.store(out.add(c * V::LEN));
        }
    }
}
