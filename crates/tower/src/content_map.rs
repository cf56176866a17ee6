//! From a content vector to the width of item vectors: `y = c W + b`, and with an adapter `+ gelu(c W1 + b1) W2`.
//!
//! The adapter (Houlsby et al. 2019, arXiv 1902.00751, without the bottleneck's position inside an encoder) lets cached
//! vectors be bent to what the ranker needs; W2 starts at zero, so that at first there is none.

use rayon::prelude::*;
use semrank_nn::{Init, Layout, Linear, Mat, Scalar, gelu, gelu_backward, kernel, matmul};
use std::ops::Range;

/// Rows of one task of the backward pass: a fixed number of parts, added in order.
const PARTS: usize = 4;

/// The map. Its parameters are the first of the layout.
#[derive(Debug, Clone)]
pub struct ContentMap {
    linear: Linear,
    adapter: Option<[Linear; 2]>,
    params: usize,
}

impl ContentMap {
    /// From `width` to `dim`, with an adapter of `hidden` units unless that is 0.
    ///
    /// # Panics
    /// When the layout has other tensors already.
    pub fn new(layout: &mut Layout, width: usize, dim: usize, hidden: usize) -> Self {
        assert!(layout.is_empty(), "gradients are made in a prefix of the parameters");
        let init = Init::Normal(0.02);
        let linear = Linear::new(layout, "content", width, dim, init);
        let adapter = (hidden > 0).then(|| {
            let up =
                Linear::new(layout, "adapter.up", width, hidden, Init::Normal((width as f64).sqrt().recip()));
            [up, Linear::without_bias(layout, "adapter.down", hidden, dim, Init::Constant(0.0))]
        });
        Self { linear, adapter, params: layout.len() }
    }

    /// Width of a content vector.
    pub fn width(&self) -> usize {
        self.linear.weight.rows
    }

    /// Writes `y` for contents `c`.
    pub fn forward<T: Scalar>(&self, params: &[T], c: &[T], y: &mut [T]) {
        self.linear.forward(params, c, y);
        if let Some([up, down]) = &self.adapter {
            let (_, active) = self.hidden(up, params, c);
            let (hidden, dim) = (up.weight.cols, down.weight.cols);
            let weight = Mat::new(down.weight.of(params), hidden, dim);
            matmul(y, T::ONE, Mat::new(&active, active.len() / hidden, hidden), weight, T::ONE);
        }
    }

    fn hidden<T: Scalar>(&self, up: &Linear, params: &[T], c: &[T]) -> (Vec<T>, Vec<T>) {
        let mut u = vec![T::ZERO; c.len() / self.width() * up.weight.cols];
        up.forward(params, c, &mut u);
        let mut active = vec![T::ZERO; u.len()];
        gelu(&u, &mut active);
        (u, active)
    }

    /// Adds the parameters' gradients, given the catalogue's contents and those of some items' `y`.
    pub fn backward<T: Scalar>(
        &self,
        params: &[T],
        gathered: impl Fn(&[u32]) -> Vec<T> + Sync,
        items: &[u32],
        dy: &[T],
        grads: &mut [T],
    ) {
        let dim = self.linear.weight.cols;
        let rows = items.len().div_ceil(PARTS).max(1);
        let parts: Vec<Vec<T>> = dy
            .par_chunks(rows * dim)
            .zip(items.par_chunks(rows))
            .map(|(dy, items)| self.part(params, &gathered(items), dy))
            .collect();
        parts.iter().for_each(|part| kernel::add(part, &mut grads[..self.params]));
    }

    fn part<T: Scalar>(&self, params: &[T], c: &[T], dy: &[T]) -> Vec<T> {
        let mut grads = vec![T::ZERO; self.params];
        self.linear.backward_params(c, dy, &mut grads);
        if let Some([up, down]) = &self.adapter {
            let (u, active) = self.hidden(up, params, c);
            let mut du = vec![T::ZERO; u.len()];
            down.backward(params, &active, dy, &mut grads, &mut du);
            gelu_backward(&u, &mut du);
            up.backward_params(c, &du, &mut grads);
        }
        grads
    }

    /// The gradients of some columns of the contents, `[items x columns]`.
    pub fn backward_content<T: Scalar>(
        &self,
        params: &[T],
        columns: Range<usize>,
        (c, dy): (impl Fn() -> Vec<T>, &[T]),
    ) -> Vec<T> {
        let (dim, width) = (self.linear.weight.cols, columns.len());
        let items = dy.len() / dim;
        let mut out = vec![T::ZERO; items * width];
        let weight = |linear: &Linear| {
            let cols = linear.weight.cols;
            linear.weight.of(params)[columns.start * cols..columns.end * cols].to_vec()
        };
        let linear = weight(&self.linear);
        matmul(&mut out, T::ZERO, Mat::new(dy, items, dim), Mat::new(&linear, width, dim).t(), T::ONE);
        if let Some([up, down]) = &self.adapter {
            let hidden = up.weight.cols;
            let (u, _) = self.hidden(up, params, &c());
            let mut du = vec![T::ZERO; u.len()];
            let map = Mat::new(down.weight.of(params), hidden, dim);
            matmul(&mut du, T::ZERO, Mat::new(dy, items, dim), map.t(), T::ONE);
            gelu_backward(&u, &mut du);
            let up = weight(up);
            matmul(&mut out, T::ONE, Mat::new(&du, items, hidden), Mat::new(&up, width, hidden).t(), T::ONE);
        }
        out
    }
}
