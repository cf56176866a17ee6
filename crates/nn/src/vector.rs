//! Registers that products and attention are computed in.
//!
//! Methods are inlined into functions that are compiled for the instructions they need; elsewhere they must not be called.

use crate::Scalar;

/// Numbers that are computed at once.
///
/// # Safety
/// The machine has the type's instructions; a pointer is good for [`Vector::LEN`] values, aligned or not.
pub(crate) trait Vector: Copy {
    /// `f32` or `f64`.
    type Item: Scalar;
    /// Numbers in a vector.
    const LEN: usize;
    /// Vectors in a row of a tile: with 6 rows, as many sums as the registers hold. At most 4.
    const COLUMNS: usize;
    unsafe fn splat(value: Self::Item) -> Self;
    unsafe fn load(at: *const Self::Item) -> Self;
    unsafe fn store(self, at: *mut Self::Item);
    unsafe fn mul(self, other: Self) -> Self;
    /// `self · factor + addend`, rounded once.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;

    /// Writes the transposition of a block of [`Vector::LEN`] by [`Vector::LEN`] values, whose rows are `stride` apart, to rows
    /// `to_stride` apart. Both are good for all rows.
    #[inline(always)]
    unsafe fn transpose(from: *const Self::Item, stride: usize, to: *mut Self::Item, to_stride: usize) {
        for row in (0..Self::LEN).step_by(4) {
            for column in (0..Self::LEN).step_by(4) {
                // SAFETY: by the trait's promise; the lengths are multiples of 4.
                unsafe {
                    let mut block = [[Self::Item::ZERO; 4]; 4];
                    for (r, values) in block.iter_mut().enumerate() {
                        *values = from.add((row + r) * stride + column).cast::<[Self::Item; 4]>().read();
                    }
                    for (c, &value) in block[0].iter().enumerate() {
                        let values = [value, block[1][c], block[2][c], block[3][c]];
                        to.add((column + c) * to_stride + row).cast::<[Self::Item; 4]>().write(values);
                    }
                }
            }
        }
    }
}

/// Arrays, for the compiler to turn into what the machine has. On x86-64 before 2013 the fused operation is a slow call.
macro_rules! portable {
    ($name:ident, $item:ty, $len:literal) => {
        #[derive(Clone, Copy)]
        pub(crate) struct $name([$item; $len]);

        impl Vector for $name {
            type Item = $item;
            const LEN: usize = $len;
            const COLUMNS: usize = 2;

            #[inline(always)]
            unsafe fn splat(value: $item) -> Self {
                Self([value; $len])
            }

            #[inline(always)]
            unsafe fn load(at: *const $item) -> Self {
                // SAFETY: by the trait's promise.
                Self(unsafe { at.cast::<[$item; $len]>().read_unaligned() })
            }

            #[inline(always)]
            unsafe fn store(self, at: *mut $item) {
                // SAFETY: by the trait's promise.
                unsafe { at.cast::<[$item; $len]>().write_unaligned(self.0) }
            }

            #[inline(always)]
            unsafe fn mul(mut self, other: Self) -> Self {
                self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a *= b);
                self
            }

            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, mut addend: Self) -> Self {
                for (c, (a, b)) in addend.0.iter_mut().zip(self.0.iter().zip(factor.0)) {
                    *c = a.mul_add(b, *c);
                }
                addend
            }
        }
    };
}

portable!(PortableF32, f32, 8);
portable!(PortableF64, f64, 4);

#[cfg(target_arch = "x86_64")]
pub(crate) mod x86 {
    use super::Vector;
    use std::arch::x86_64::*;

    macro_rules! register {
        ($name:ident($register:ty), [$item:ty; $len:literal], $columns:literal,
         $splat:ident, $load:ident, $store:ident, $mul:ident, $mul_add:ident $(, $transpose:ident)?) => {
            #[derive(Clone, Copy)]
            pub(crate) struct $name($register);

            // SAFETY of all methods: by the trait's promise.
            #[allow(clippy::undocumented_unsafe_blocks)]
            impl Vector for $name {
                type Item = $item;
                const LEN: usize = $len;
                const COLUMNS: usize = $columns;

                #[inline(always)]
                unsafe fn splat(value: $item) -> Self {
                    Self(unsafe { $splat(value) })
                }

                #[inline(always)]
                unsafe fn load(at: *const $item) -> Self {
                    Self(unsafe { $load(at) })
                }

                #[inline(always)]
                unsafe fn store(self, at: *mut $item) {
                    unsafe { $store(at, self.0) }
                }

                #[inline(always)]
                unsafe fn mul(self, other: Self) -> Self {
                    Self(unsafe { $mul(self.0, other.0) })
                }

                #[inline(always)]
                unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
                    Self(unsafe { $mul_add(self.0, factor.0, addend.0) })
                }

                $(#[inline(always)]
                unsafe fn transpose(from: *const $item, stride: usize, to: *mut $item, to_stride: usize) {
                    unsafe { $transpose(from, stride, to, to_stride) }
                })?
            }
        };
    }

    register!(
        F32x16(__m512),
        [f32; 16],
        4,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_mul_ps,
        _mm512_fmadd_ps,
        transpose_16
    );
    register!(
        F64x8(__m512d),
        [f64; 8],
        4,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_mul_pd,
        _mm512_fmadd_pd
    );
    register!(
        F32x8(__m256),
        [f32; 8],
        2,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_mul_ps,
        _mm256_fmadd_ps
    );
    register!(
        F64x4(__m256d),
        [f64; 4],
        2,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_mul_pd,
        _mm256_fmadd_pd
    );

    /// 16 rows in 16 registers: single values change places within blocks of 4 by 4, then whole blocks do.
    ///
    /// # Safety
    /// As [`Vector::transpose`].
    #[inline(always)]
    unsafe fn transpose_16(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: by the caller's promise.
        unsafe {
            // `quads[g][k]` has of rows 4 g to 4 g + 3 the columns k, 4 + k, 8 + k and 12 + k. (No closures: they would not be
            // compiled for these instructions.)
            let mut quads = [[_mm512_setzero_pd(); 4]; 4];
            for (g, quads) in quads.iter_mut().enumerate() {
                let mut rows = [_mm512_setzero_ps(); 4];
                for (r, row) in rows.iter_mut().enumerate() {
                    *row = _mm512_loadu_ps(from.add((4 * g + r) * stride));
                }
                let [a, b, c, d] = rows;
                let low_ab = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
                let low_cd = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
                let high_ab = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
                let high_cd = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
                *quads = [
                    _mm512_unpacklo_pd(low_ab, low_cd),
                    _mm512_unpackhi_pd(low_ab, low_cd),
                    _mm512_unpacklo_pd(high_ab, high_cd),
                    _mm512_unpackhi_pd(high_ab, high_cd),
                ];
            }
            #[allow(clippy::needless_range_loop, reason = "a column of all four")]
            for k in 0..4 {
                let [a, b, c, d] = [quads[0][k], quads[1][k], quads[2][k], quads[3][k]];
                let left = [_mm512_shuffle_f64x2::<0x44>(a, b), _mm512_shuffle_f64x2::<0x44>(c, d)];
                let right = [_mm512_shuffle_f64x2::<0xee>(a, b), _mm512_shuffle_f64x2::<0xee>(c, d)];
                let rows = [
                    _mm512_shuffle_f64x2::<0x88>(left[0], left[1]),
                    _mm512_shuffle_f64x2::<0xdd>(left[0], left[1]),
                    _mm512_shuffle_f64x2::<0x88>(right[0], right[1]),
                    _mm512_shuffle_f64x2::<0xdd>(right[0], right[1]),
                ];
                for (quarter, row) in rows.into_iter().enumerate() {
                    _mm512_storeu_pd(to.add((4 * quarter + k) * to_stride).cast(), row);
                }
            }
        }
    }
}
