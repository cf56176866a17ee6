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
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// `self · factor + addend`, rounded once.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
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
            unsafe fn add(mut self, other: Self) -> Self {
                self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
                self
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
         $splat:ident, $load:ident, $store:ident, $add:ident, $mul:ident, $mul_add:ident) => {
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
                unsafe fn add(self, other: Self) -> Self {
                    Self(unsafe { $add(self.0, other.0) })
                }

                #[inline(always)]
                unsafe fn mul(self, other: Self) -> Self {
                    Self(unsafe { $mul(self.0, other.0) })
                }

                #[inline(always)]
                unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
                    Self(unsafe { $mul_add(self.0, factor.0, addend.0) })
                }
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
        _mm512_add_ps,
        _mm512_mul_ps,
        _mm512_fmadd_ps
    );
    register!(
        F64x8(__m512d),
        [f64; 8],
        4,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_add_pd,
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
        _mm256_add_ps,
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
        _mm256_add_pd,
        _mm256_mul_pd,
        _mm256_fmadd_pd
    );
}
