//! Affine map `y = x W + b`.

use crate::{Init, Layout, Mat, Scalar, Slot, kernel, matmul, matmul_bias};

/// `y = x W + b` over rows.
///
/// # Shapes
/// x `[T x inputs]`, W `[inputs x outputs]`, b `[outputs]`, y `[T x outputs]`.
#[derive(Debug, Clone, Copy)]
pub struct Linear {
    /// W.
    pub weight: Slot,
    /// b, starting at 0; a map without bias has none.
    pub bias: Option<Slot>,
}

impl Linear {
    /// Adds the two tensors `NAME.weight` and `NAME.bias`.
    pub fn new(layout: &mut Layout, name: &str, inputs: usize, outputs: usize, init: Init) -> Self {
        let weight = layout.tensor(&format!("{name}.weight"), inputs, outputs, init);
        let bias = layout.tensor(&format!("{name}.bias"), 1, outputs, Init::Constant(0.0));
        Self { weight, bias: Some(bias) }
    }

    /// Adds the tensor `NAME.weight` only: `y = x W`.
    pub fn without_bias(layout: &mut Layout, name: &str, inputs: usize, outputs: usize, init: Init) -> Self {
        Self { weight: layout.tensor(&format!("{name}.weight"), inputs, outputs, init), bias: None }
    }

    /// Writes `y`.
    pub fn forward<T: Scalar>(&self, params: &[T], x: &[T], y: &mut [T]) {
        let (inputs, outputs) = (self.weight.rows, self.weight.cols);
        let (x, weight) =
            (Mat::new(x, x.len() / inputs, inputs), Mat::new(self.weight.of(params), inputs, outputs));
        match self.bias {
            Some(bias) => matmul_bias(y, bias.of(params), x, weight),
            None => matmul(y, T::ZERO, x, weight, T::ONE),
        }
    }

    /// Adds the gradients of W and b.
    pub fn backward_params<T: Scalar>(&self, x: &[T], dy: &[T], grads: &mut [T]) {
        let (inputs, outputs) = (self.weight.rows, self.weight.cols);
        let positions = x.len() / inputs;
        let (x, dy_mat) = (Mat::new(x, positions, inputs), Mat::new(dy, positions, outputs));
        matmul(self.weight.of_mut(grads), T::ONE, x.t(), dy_mat, T::ONE);
        if let Some(bias) = self.bias {
            let bias = bias.of_mut(grads);
            dy.chunks_exact(outputs).for_each(|row| kernel::add(row, bias));
        }
    }

    /// Adds the gradients of W and b and writes `dx`.
    pub fn backward<T: Scalar>(&self, params: &[T], x: &[T], dy: &[T], grads: &mut [T], dx: &mut [T]) {
        let (inputs, outputs) = (self.weight.rows, self.weight.cols);
        self.backward_params(x, dy, grads);
        let weight = Mat::new(self.weight.of(params), inputs, outputs);
        matmul(dx, T::ZERO, Mat::new(dy, dy.len() / outputs, outputs), weight.t(), T::ONE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient_check::check;

    #[test]
    fn gradients_agree_with_finite_differences() {
        let mut layout = Layout::new();
        let linear = Linear::new(&mut layout, "l", 3, 4, Init::Normal(0.5));
        check(
            &layout,
            5 * 3,
            5 * 4,
            |params, x, y| linear.forward(params, x, y),
            |params, x, dy, grads, dx| {
                linear.backward(params, x, dy, grads, dx);
            },
        );
    }
}
