//! Token vectors into one vector per text, and back: mean, first token, maximum, mean times the root of the length
//! (Reimers & Gurevych 2019, arXiv 1908.10084, section 3; the last is an option of sentence-transformers).

use semrank_nn::{Scalar, kernel};

/// How token vectors `[T x D]` become text vectors `[B x D]`. A text without tokens gets zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// Their mean.
    Mean,
    /// The first one, `[CLS]`.
    Cls,
    /// The largest value of each column.
    Max,
    /// Their sum over the square root of their number.
    MeanSqrtLen,
}

impl Pool {
    /// Words of the option `pool`, in the order of [`Pool::named`].
    pub(super) const NAMES: [&'static str; 4] = ["mean", "cls", "max", "mean_sqrt_len"];

    /// The pooling of a word of [`Pool::NAMES`].
    pub(super) fn named(name: &str) -> Option<Pool> {
        let all = [Pool::Mean, Pool::Cls, Pool::Max, Pool::MeanSqrtLen];
        all.into_iter().find(|pool| pool.name() == name)
    }

    /// Its word.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Factor of the sum over `len` tokens.
    fn factor<T: Scalar>(self, len: usize) -> T {
        let len = len as f64;
        T::from_f64(if self == Pool::Mean { 1.0 / len } else { 1.0 / len.sqrt() })
    }

    /// Writes `y` `[B x dim]` for sequences with these offsets in `x` `[T x dim]`.
    pub fn forward<T: Scalar>(self, dim: usize, offsets: &[usize], x: &[T], y: &mut [T]) {
        y.fill(T::ZERO);
        for (w, y) in offsets.windows(2).zip(y.chunks_exact_mut(dim)).filter(|(w, _)| w[0] < w[1]) {
            let x = &x[w[0] * dim..w[1] * dim];
            match self {
                Pool::Cls => y.copy_from_slice(&x[..dim]),
                Pool::Max => {
                    y.copy_from_slice(&x[..dim]);
                    for x in x.chunks_exact(dim).skip(1) {
                        y.iter_mut().zip(x).for_each(|(y, &x)| *y = y.larger(x));
                    }
                }
                Pool::Mean | Pool::MeanSqrtLen => {
                    x.chunks_exact(dim).for_each(|x| kernel::add(x, y));
                    kernel::scale(self.factor(w[1] - w[0]), y);
                }
            }
        }
    }

    /// Writes `dx`. The maximum's gradient goes to the first token that has it.
    pub fn backward<T: Scalar>(self, dim: usize, offsets: &[usize], x: &[T], dy: &[T], dx: &mut [T]) {
        dx.fill(T::ZERO);
        for (w, dy) in offsets.windows(2).zip(dy.chunks_exact(dim)).filter(|(w, _)| w[0] < w[1]) {
            let rows = w[0] * dim..w[1] * dim;
            let (x, dx) = (&x[rows.clone()], &mut dx[rows]);
            match self {
                Pool::Cls => dx[..dim].copy_from_slice(dy),
                Pool::Max => {
                    for (column, &dy) in dy.iter().enumerate() {
                        dx[first_largest(x, dim, column) * dim + column] = dy;
                    }
                }
                Pool::Mean | Pool::MeanSqrtLen => {
                    let factor = self.factor(w[1] - w[0]);
                    dx.chunks_exact_mut(dim).for_each(|dx| kernel::axpy(factor, dy, dx));
                }
            }
        }
    }
}

/// The row with the largest value in a column of `x` `[T x dim]`.
fn first_largest<T: Scalar>(x: &[T], dim: usize, column: usize) -> usize {
    let rows = x.len() / dim;
    (1..rows).fold(0, |best, row| if x[row * dim + column] > x[best * dim + column] { row } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_nn::{Layout, gradient_check::check};

    const ALL: [Pool; 4] = [Pool::Mean, Pool::Cls, Pool::Max, Pool::MeanSqrtLen];

    #[test]
    fn poolings_by_hand() {
        let x = [1.0, 8.0, 3.0, 4.0, 5.0, 0.0, 0.0, 12.0];
        let pooled = ALL.map(|pool| {
            let mut y = [9.0; 4];
            pool.forward(2, &[0, 4, 4], &x, &mut y);
            y
        });
        let want =
            [[2.25, 6.0, 0.0, 0.0], [1.0, 8.0, 0.0, 0.0], [5.0, 12.0, 0.0, 0.0], [4.5, 12.0, 0.0, 0.0]];
        assert_eq!(pooled, want);
        assert!(ALL.iter().all(|&pool| Pool::named(pool.name()) == Some(pool)));
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let offsets = [0, 3, 3, 4, 6];
        for pool in ALL {
            check(
                &Layout::new(),
                6 * 5,
                4 * 5,
                |_, x, y| pool.forward(5, &offsets, x, y),
                |_, x, dy, _, dx| pool.backward(5, &offsets, x, dy, dx),
            );
        }
    }
}
