//! The gated activation SwiGLU (Shazeer 2020, arXiv 2002.05202, equation 5): `y = silu(gate) · up`, where
//! `silu(g) = g · sigmoid(g)`.
//!
//! ```
//! let mut y = [0.0f64; 1];
//! semrank_nn::swiglu(1, &[2.0, 10.0], &mut y); // gate 2, up 10
//! assert!((y[0] - 20.0 / (1.0 + (-2f64).exp())).abs() < 1e-12);
//! ```

use crate::{Scalar, kernel};

kernel! {
    /// Writes `y` `[T x width]`; a row of `gate_up` `[T x 2 width]` is all gates, then all factors.
    pub fn swiglu<T: Scalar>(width: usize, gate_up: &[T], y: &mut [T]) {
        for (row, y) in gate_up.chunks_exact(2 * width).zip(y.chunks_exact_mut(width)) {
            let (gate, up) = row.split_at(width);
            for ((y, &gate), &up) in y.iter_mut().zip(gate).zip(up) {
                *y = gate * sigmoid(gate) * up;
            }
        }
    }
}

kernel! {
    /// Writes the gradient of `gate_up` from `dy`.
    pub fn swiglu_backward<T: Scalar>(width: usize, gate_up: &[T], dy: &[T], dgate_up: &mut [T]) {
        let rows = gate_up.chunks_exact(2 * width).zip(dgate_up.chunks_exact_mut(2 * width));
        for ((row, drow), dy) in rows.zip(dy.chunks_exact(width)) {
            let (gate, up) = row.split_at(width);
            let (dgate, dup) = drow.split_at_mut(width);
            let values = gate.iter().zip(up).zip(dgate.iter_mut().zip(dup)).zip(dy);
            for (((&gate, &up), (dgate, dup)), &dy) in values {
                let s = sigmoid(gate);
                *dgate = dy * up * s * (T::ONE + gate * (T::ONE - s));
                *dup = dy * gate * s;
            }
        }
    }
}

#[inline(always)]
fn sigmoid<T: Scalar>(x: T) -> T {
    T::ONE / (T::ONE + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Layout, gradient_check::check};

    #[test]
    fn gradients_agree_with_finite_differences() {
        check(
            &Layout::new(),
            3 * 14,
            3 * 7,
            |_, x, y| swiglu(7, x, y),
            |_, x, dy, _, dx| swiglu_backward(7, x, dy, dx),
        );
    }
}
