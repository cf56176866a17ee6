//! From a content vector to the width of item vectors: `y = c W + b`, and with an adapter `+ gelu(c W1 + b1) W2`.
//!
//! The adapter (Houlsby et al. 2019, arXiv 1902.00751, without the bottleneck's position inside an encoder) lets cached
//! vectors be bent to what the ranker needs; W2 starts at zero, so that at first there is none.

use crate::gather;
use rayon::prelude::*;
use semrank_nn::{Init, Layout, Linear, Mat, Scalar, gelu, gelu_backward, kernel, matmul};
use std::ops::Range;

/// How a map is made.
#[derive(Debug, Clone, Copy)]
pub struct ContentConfig {
    /// Width of a content vector.
    pub width: usize,
    /// Width of an item vector.
    pub dim: usize,
    /// Units of the adapter; 0 = none.
    pub adapter: usize,
    /// Whether `b` is there.
    pub bias: bool,
    /// Standard deviation of W at the start.
    pub deviation: f64,
    /// Parts of a backward pass, which are added in order.
    pub parts: usize,
}

/// The map. Its parameters are the first of the layout.
#[derive(Debug, Clone)]
pub struct ContentMap {
    linear: Linear,
    adapter: Option<[Linear; 2]>,
    params: usize,
    parts: usize,
}

/// All content vectors, and the items whose vectors are meant.
type Contents<'a> = (&'a [f32], &'a [u32]);

impl ContentMap {
    /// Adds its tensors.
    ///
    /// # Panics
    /// When the layout has other tensors already.
    pub fn new(layout: &mut Layout, config: ContentConfig) -> Self {
        assert!(layout.is_empty(), "gradients are made in a prefix of the parameters");
        let ContentConfig { width, dim, adapter: hidden, bias, deviation, parts } = config;
        let linear = if bias { Linear::new } else { Linear::without_bias };
        let linear = linear(layout, "content", width, dim, Init::Normal(deviation));
        let adapter = (hidden > 0).then(|| {
            let up =
                Linear::new(layout, "adapter.up", width, hidden, Init::Normal((width as f64).sqrt().recip()));
            [up, Linear::without_bias(layout, "adapter.down", hidden, dim, Init::Constant(0.0))]
        });
        Self { linear, adapter, params: layout.len(), parts }
    }

    /// Width of a content vector.
    fn width(&self) -> usize {
        self.linear.weight.rows
    }

    fn gathered<T: Scalar>(&self, (contents, items): Contents) -> Vec<T> {
        let mut out = Vec::with_capacity(items.len() * self.width());
        gather(contents, items, self.width(), &mut out);
        out
    }

    /// Writes `y` of some items; `c` is a buffer.
    pub(crate) fn forward<T: Scalar>(
        &self,
        params: &[T],
        (contents, items): Contents,
        c: &mut Vec<T>,
        y: &mut [T],
    ) {
        gather(contents, items, self.width(), c);
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

    /// Adds the parameters' gradients, given those of some items' `y`.
    pub(crate) fn backward<T: Scalar>(
        &self,
        params: &[T],
        (contents, items): Contents,
        dy: &[T],
        grads: &mut [T],
    ) {
        let dim = self.linear.weight.cols;
        let rows = items.len().div_ceil(self.parts).max(1);
        let parts: Vec<Vec<T>> = dy
            .par_chunks(rows * dim)
            .zip(items.par_chunks(rows))
            .map(|(dy, items)| self.part(params, &self.gathered((contents, items)), dy))
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

    /// The gradients of some columns of the contents, `[items x columns]`, given those of some items' `y`.
    pub(crate) fn backward_content<T: Scalar>(
        &self,
        params: &[T],
        contents: Contents,
        columns: Range<usize>,
        dy: &[T],
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
            let (u, _) = self.hidden(up, params, &self.gathered(contents));
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
