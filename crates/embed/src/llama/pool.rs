//! Hidden states of a text's positions into one vector.

use semrank_nn::{Scalar, kernel};

/// How positions are weighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// All alike.
    Mean,
    /// Only the last position, the one that has seen the whole text.
    Last,
    /// Position `i`, from 0, by `i + 1`: later positions have seen more (SGPT, Muennighoff 2022, arXiv 2202.08904,
    /// section 3.1.2).
    Weighted,
}

impl Pool {
    /// Names in options, the default first.
    pub(crate) const NAMES: [&str; 3] = ["mean", "last", "weighted"];

    /// By its name.
    pub(crate) fn of(name: &str) -> Pool {
        match name {
            "last" => Pool::Last,
            "weighted" => Pool::Weighted,
            _ => Pool::Mean,
        }
    }

    /// Weight of position `i` of `len`; the weights of a text sum to 1.
    fn weight(self, i: usize, len: usize) -> f64 {
        match self {
            Pool::Mean => 1.0 / len as f64,
            Pool::Last => f64::from(u8::from(i + 1 == len)),
            Pool::Weighted => 2.0 * (i + 1) as f64 / (len as f64 * (len + 1) as f64),
        }
    }

    /// Adds to `y` `[texts x D]` the weighted states `x` `[T x D]`; an empty text adds nothing.
    ///
    /// ```
    /// use semrank_embed::llama::Pool;
    /// let mut y = [0.0; 2];
    /// Pool::Weighted.forward(&[0, 2, 2], 1, &[1.0, 4.0], &mut y);
    /// assert!((y[0] - 3.0f64).abs() < 1e-12 && y[1] == 0.0); // (1 · 1 + 2 · 4) / 3; no position
    /// ```
    pub fn forward<T: Scalar>(self, offsets: &[usize], dim: usize, x: &[T], y: &mut [T]) {
        for (w, y) in offsets.windows(2).zip(y.chunks_exact_mut(dim)) {
            let rows = x[w[0] * dim..w[1] * dim].chunks_exact(dim);
            for (i, row) in rows.enumerate() {
                kernel::axpy(T::from_f64(self.weight(i, w[1] - w[0])), row, y);
            }
        }
    }

    /// Writes `dx` from `dy`. Shapes as in [`Pool::forward`].
    pub fn backward<T: Scalar>(self, offsets: &[usize], dim: usize, dy: &[T], dx: &mut [T]) {
        dx.fill(T::ZERO);
        for (w, dy) in offsets.windows(2).zip(dy.chunks_exact(dim)) {
            let rows = dx[w[0] * dim..w[1] * dim].chunks_exact_mut(dim);
            for (i, row) in rows.enumerate() {
                kernel::axpy(T::from_f64(self.weight(i, w[1] - w[0])), dy, row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_nn::{Layout, gradient_check::check};

    #[test]
    fn gradients_agree_with_finite_differences() {
        let offsets = [0, 3, 4, 6];
        for pool in Pool::NAMES.map(Pool::of) {
            check(
                &Layout::new(),
                6 * 2,
                3 * 2,
                |_, x, y| pool.forward(&offsets, 2, x, y),
                |_, _, dy, _, dx| pool.backward(&offsets, 2, dy, dx),
            );
        }
    }

    #[test]
    fn weights_of_a_text_sum_to_one() {
        for pool in Pool::NAMES.map(Pool::of) {
            for len in 1..9 {
                let total: f64 = (0..len).map(|i| pool.weight(i, len)).sum();
                assert!((total - 1.0).abs() < 1e-12, "{pool:?} {len}");
            }
        }
    }
}
