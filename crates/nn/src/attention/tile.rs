//! Small products that stay in registers: up to 6 rows by some vectors of columns.
//!
//! Every value is one chain of fused multiply-adds over the inputs in their order, so tiles of any size give the same bytes, at
//! every level of instructions.

use super::heads::LANE;
use crate::Scalar;
use crate::vector::{self, Vector};

/// Rows of a tile.
pub(super) const ROWS: usize = 6;
/// Inputs that a loop takes at once.
const UNROLL: usize = 4;

/// Height of all tiles but the last when `rows` are cut evenly.
pub(super) fn tile_height(rows: usize) -> usize {
    rows.div_ceil(rows.div_ceil(ROWS))
}

/// `out = (keep ? out : 0) + a b`, scaled at the end.
#[derive(Clone, Copy)]
pub(super) struct Product<T> {
    pub(super) rows: usize,
    /// Inputs.
    pub(super) depth: usize,
    /// Columns of `b` and `out`: whole vectors of any level.
    pub(super) columns: usize,
    /// `a(row, input)` is `a[row · a_rows + input · a_columns]`.
    pub(super) a: *const T,
    pub(super) a_rows: usize,
    pub(super) a_columns: usize,
    pub(super) b: *const T,
    /// Distance of two inputs in `b`.
    pub(super) b_stride: usize,
    /// Distance of [`LANE`] columns and the next ones in `b`.
    pub(super) b_lane: usize,
    pub(super) out: *mut T,
    pub(super) out_stride: usize,
    pub(super) keep: bool,
    pub(super) scale: T,
}

impl<T> Product<T> {
    /// Where a column of `b` begins.
    #[inline(always)]
    fn column(&self, column: usize) -> usize {
        column / LANE * self.b_lane + column % LANE
    }
}

/// A vector whose products are compiled once, not into every place where they are needed.
pub(super) trait Tiles: Vector {
    /// Computes a product of at most [`ROWS`] rows.
    ///
    /// # Safety
    /// All values of `a`, `b` and `out` exist, `out` overlaps neither, and the machine has the vector's instructions.
    unsafe fn multiply(product: &Product<Self::Item>);
}

macro_rules! tiles {
    ($vector:ty $(, $features:literal)?) => {
        impl Tiles for $vector {
            #[inline(always)]
            unsafe fn multiply(product: &Product<Self::Item>) {
                $(#[target_feature(enable = $features)])?
                unsafe fn compiled(product: &Product<<$vector as Vector>::Item>) {
                    // SAFETY: by the caller's promise.
                    unsafe { multiply::<$vector>(product) }
                }
                // SAFETY: as above.
                unsafe { compiled(product) }
            }
        }
    };
}

tiles!(vector::PortableF32);
tiles!(vector::PortableF64);
#[cfg(target_arch = "x86_64")]
tiles!(vector::x86::F32x8, "avx2,fma");
#[cfg(target_arch = "x86_64")]
tiles!(vector::x86::F64x4, "avx2,fma");
#[cfg(target_arch = "x86_64")]
tiles!(vector::x86::F32x16, "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq");
#[cfg(target_arch = "x86_64")]
tiles!(vector::x86::F64x8, "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq");

#[inline(always)]
unsafe fn multiply<V: Vector>(product: &Product<V::Item>) {
    let width = V::LEN * V::COLUMNS;
    for start in (0..product.columns).step_by(width) {
        let vectors = width.min(product.columns - start) / V::LEN;
        let part = Product {
            b: product.b.wrapping_add(product.column(start)),
            out: product.out.wrapping_add(start),
            ..*product
        };
        // SAFETY: the columns lie within `b` and `out`, by the caller's promise.
        unsafe {
            match vectors {
                1 => rows::<V, 1>(&part),
                2 => rows::<V, 2>(&part),
                3 => rows::<V, 3>(&part),
                _ => rows::<V, 4>(&part),
            }
        }
    }
}

#[inline(always)]
unsafe fn rows<V: Vector, const C: usize>(product: &Product<V::Item>) {
    // SAFETY: by the promise of `Tiles::multiply`.
    unsafe {
        match product.rows {
            1 => tile::<V, 1, C>(product),
            2 => tile::<V, 2, C>(product),
            3 => tile::<V, 3, C>(product),
            4 => tile::<V, 4, C>(product),
            5 => tile::<V, 5, C>(product),
            _ => tile::<V, ROWS, C>(product),
        }
    }
}

#[inline(always)]
unsafe fn tile<V: Vector, const R: usize, const C: usize>(product: &Product<V::Item>) {
    let Product { depth, a_columns, b_stride, out, out_stride, keep, scale, .. } = *product;
    let (mut a, mut b) = (product.a, product.b);
    // SAFETY: by the promise of `Tiles::multiply`; the pointers may end one step behind the values.
    unsafe {
        let mut sums = [[V::splat(V::Item::ZERO); C]; R];
        if keep {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (c, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(out.add(r * out_stride + c * V::LEN));
                }
            }
        }
        for _ in 0..depth / UNROLL {
            for input in 0..UNROLL {
                let a = a.wrapping_add(input * a_columns);
                step(product, a, b.wrapping_add(input * b_stride), &mut sums);
            }
            a = a.wrapping_add(UNROLL * a_columns);
            b = b.wrapping_add(UNROLL * b_stride);
        }
        for _ in 0..depth % UNROLL {
            step(product, a, b, &mut sums);
            a = a.wrapping_add(a_columns);
            b = b.wrapping_add(b_stride);
        }
        let scale = V::splat(scale);
        for (r, sums) in sums.iter().enumerate() {
            for (c, sum) in sums.iter().enumerate() {
                sum.mul(scale).store(out.add(r * out_stride + c * V::LEN));
            }
        }
    }
}

/// Adds the products of one input.
#[inline(always)]
unsafe fn step<V: Vector, const R: usize, const C: usize>(
    product: &Product<V::Item>,
    a: *const V::Item,
    b: *const V::Item,
    sums: &mut [[V; C]; R],
) {
    // SAFETY: by the promise of `Tiles::multiply`.
    unsafe {
        let mut columns = [V::splat(V::Item::ZERO); C];
        for (c, column) in columns.iter_mut().enumerate() {
            *column = V::load(b.add(product.column(c * V::LEN)));
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            let value = V::splat(*a.add(r * product.a_rows));
            for (sum, &column) in sums.iter_mut().zip(&columns) {
                *sum = value.mul_add(column, *sum);
            }
        }
    }
}
