//! Run-time choice of instructions: one loop, compiled three times.
//!
//! [`kernel!`](crate::kernel!) takes a plain generic function and compiles its body for AVX-512, for AVX2 and for the portable
//! baseline; a call picks the best one the machine has. The body is ordinary safe Rust, written so that the compiler
//! vectorises it, and uses no fused multiply-add, so all three give the same bytes. (Matrix products use nothing but fused
//! multiply-adds, which round once everywhere: the same bytes, too.)

use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Only what every machine of this architecture has.
    Portable = 1,
    /// x86-64 with AVX2.
    Avx2 = 2,
    /// x86-64 with AVX-512 F, VL, BW and DQ.
    Avx512 = 3,
}

impl Level {
    /// The name written into manifests.
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }
}

static LEVEL: AtomicU8 = AtomicU8::new(0);

/// The level in use: the best this machine has, unless [`limit`] lowered it.
#[inline]
pub fn level() -> Level {
    match LEVEL.load(Ordering::Relaxed) {
        1 => Level::Portable,
        2 => Level::Avx2,
        3 => Level::Avx512,
        _ => {
            let best = detect();
            LEVEL.store(best as u8, Ordering::Relaxed);
            best
        }
    }
}

/// Uses at most `most` from now on, and never more than the machine has.
pub fn limit(most: Level) {
    LEVEL.store(most.min(detect()) as u8, Ordering::Relaxed);
}

fn detect() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq");
        if avx2 && avx512 {
            return Level::Avx512;
        }
        if avx2 {
            return Level::Avx2;
        }
    }
    Level::Portable
}

/// Compiles a generic function for every [`Level`] and picks one at each call.
///
/// ```
/// use semrank_nn::{Scalar, kernel};
/// kernel! {
///     /// The sum of a slice.
///     pub fn total<T: Scalar>(x: &[T]) -> T { x.iter().copied().sum() }
/// }
/// assert_eq!(total(&[1.0f32, 2.0]), 3.0);
/// ```
#[macro_export]
macro_rules! kernel {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$T:ident: Scalar>($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name<$T: $crate::Scalar>($($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body<$T: $crate::Scalar>($($arg: $type),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw,avx512dq")]
            #[allow(clippy::too_many_arguments)]
            fn avx512<$T: $crate::Scalar>($($arg: $type),*) $(-> $ret)? {
                body($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            #[allow(clippy::too_many_arguments)]
            fn avx2<$T: $crate::Scalar>($($arg: $type),*) $(-> $ret)? {
                body($($arg),*)
            }

            match $crate::kernel::level() {
                // SAFETY: `level` returns a level only where the machine has all its features.
                #[cfg(target_arch = "x86_64")]
                $crate::kernel::Level::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::kernel::Level::Avx2 => unsafe { avx2($($arg),*) },
                _ => body($($arg),*),
            }
        }
    };
}

use crate::Scalar;

/// Independent partial sums of a reduction: enough to fill the widest registers twice, and fixed, so that every level
/// adds in the same order.
pub(crate) const LANES: usize = 32;

/// The body of [`dot`], for use inside other kernels.
#[inline(always)]
pub(crate) fn dot_inline<T: Scalar>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    for (x, y) in a_chunks.zip(b_chunks) {
        for i in 0..LANES {
            lanes[i] += x[i] * y[i];
        }
    }
    fold(lanes) + a_rest.iter().zip(b_rest).map(|(&x, &y)| x * y).sum::<T>()
}

/// The body of [`axpy`], for use inside other kernels.
#[inline(always)]
pub(crate) fn axpy_inline<T: Scalar>(alpha: T, x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += alpha * x;
    }
}

/// Adds lanes pairwise.
#[inline(always)]
pub(crate) fn fold<T: Scalar>(mut lanes: [T; LANES]) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

kernel! {
    /// Inner product of two vectors of one length.
    pub fn dot<T: Scalar>(a: &[T], b: &[T]) -> T {
        dot_inline(a, b)
    }
}

kernel! {
    /// `y += alpha · x`.
    pub fn axpy<T: Scalar>(alpha: T, x: &[T], y: &mut [T]) {
        axpy_inline(alpha, x, y);
    }
}

kernel! {
    /// `y += x`.
    pub fn add<T: Scalar>(x: &[T], y: &mut [T]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y += x;
        }
    }
}

kernel! {
    /// `x *= factor`.
    pub fn scale<T: Scalar>(factor: T, x: &mut [T]) {
        for x in x.iter_mut() {
            *x *= factor;
        }
    }
}

kernel! {
    /// The largest value; negative infinity for an empty slice.
    pub fn max<T: Scalar>(x: &[T]) -> T {
        let mut lanes = [T::NEG_INFINITY; LANES];
        let chunks = x.chunks_exact(LANES);
        let rest = chunks.remainder().iter().fold(T::NEG_INFINITY, |a, &b| a.larger(b));
        for x in chunks {
            for i in 0..LANES {
                lanes[i] = lanes[i].larger(x[i]);
            }
        }
        lanes.iter().fold(rest, |a, &b| a.larger(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize, salt: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + salt * 11) % 101) as f32 / 50.0 - 1.0).collect()
    }

    #[test]
    fn every_level_gives_the_same_bytes_as_the_portable_twin() {
        let run = |n: usize| {
            let (a, mut b) = (values(n, 1), values(n, 2));
            axpy(0.3, &a, &mut b);
            scale(1.7, &mut b);
            add(&a, &mut b);
            let (inner, top) = (dot(&a, &b), max(&b));
            (b.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), inner.to_bits(), top.to_bits())
        };
        for n in [0, 1, 31, 32, 33, 100, 1024] {
            limit(Level::Portable);
            let portable = run(n);
            for level in [Level::Avx2, Level::Avx512] {
                limit(level);
                assert_eq!(run(n), portable, "{} at length {n}", level.name());
            }
        }
    }

    #[test]
    fn a_dot_product_by_hand() {
        let ones = vec![1.0f32; 100];
        let count: Vec<f32> = (0..100).map(|i| i as f32).collect();
        assert_eq!(dot(&ones, &count), 4950.0);
    }
}
