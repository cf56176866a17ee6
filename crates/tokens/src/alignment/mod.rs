//! Behaviour alignment: a small tower that turns content vectors into vectors in which items that users take together
//! are near, so that semantic ids reflect behaviour and not only the words of the text.
//!
//! `z = unit(GELU(x W1 + b1) W2 + b2)`, trained by in-batch contrastive loss (InfoNCE, van den Oord et al. 2018, arXiv
//! 1807.03748, eq. 4) on pairs of items taken one soon after the other: an item's partner is to be nearer than the
//! partners of all other pairs of the batch. In the family of two-tower content encoders (Yi et al. 2019, RecSys), with
//! one tower for both sides.
//!
//! ```
//! use semrank_tokens::{AlignSettings, Tower};
//! let contents = [1.0, 0.0, 0.9, 0.1, 0.0, 1.0, 0.1, 0.9]; // [4 items x 2]
//! let settings = AlignSettings { hidden: 8, width: 4, epochs: 2, ..AlignSettings::default() };
//! let tower = Tower::fit(&contents, 2, &[[0, 1], [2, 3]], &settings, 1, |_| ()).unwrap();
//! let mut aligned = vec![0.0; 4 * 4];
//! tower.forward(&contents, &mut aligned);
//! let length: f32 = aligned[..4].iter().map(|x| x * x).sum();
//! assert!((length - 1.0).abs() < 1e-5);
//! ```

mod files;
mod loss;
#[cfg(test)]
mod tests;
mod train;

use rayon::prelude::*;
use semrank_core::Rng;
use semrank_nn::{Dropout, Init, Layout, Linear, Scalar, gelu, gelu_backward, unit_rows};

const ROWS_PER_TASK: usize = 1024;

semrank_core::settings! {
    /// The tower that aligns content vectors with behaviour before they are quantised.
    pub struct AlignSettings of "align" {
        /// Whether vectors are aligned at all.
        enabled: bool = true,
        /// Width of the hidden layer.
        hidden: usize = 256, in 1..=16_384,
        /// Width of an aligned vector.
        width: usize = 32, in 1..=16_384,
        /// Dropout on the input and the hidden layer.
        dropout: f64 = 0.2, in 0.0..=0.99,
        /// Temperature of the contrastive loss.
        temperature: f64 = 0.07, in 1e-3..=100.0,
        /// Largest distance, in events, of two items that count as co-engaged.
        gap: usize = 2, in 1..=1_000_000,
        /// Pairs per step; each pair's partner competes with the partners of all others.
        batch: usize = 1024, in 1..=1_000_000,
        /// Most passes over all pairs.
        epochs: usize = 8, in 0..=1_000_000,
        /// Most steps, whatever the number of pairs.
        max_steps: u64 = 2000, in 0..=1_000_000_000,
        /// Peak learning rate.
        rate: f64 = 1e-3, in 1e-9..=1.0,
        /// Decoupled weight decay.
        weight_decay: f64 = 0.01, in 0.0..=100.0,
    }
}

/// A trained tower.
#[derive(Debug, Clone)]
pub struct Tower<T> {
    layout: Layout,
    /// All parameters; see [`Tower::layout`].
    pub params: Vec<T>,
    hidden: Linear,
    out: Linear,
}

/// Buffers of one part of a batch.
#[derive(Debug, Clone, Default)]
struct Part<T> {
    x: Vec<T>,
    u: Vec<T>,
    h: Vec<T>,
    dh: Vec<T>,
    grads: Vec<T>,
}

impl<T: Scalar> Tower<T> {
    /// A fresh tower for contents of width `inputs`.
    pub fn new(inputs: usize, settings: &AlignSettings, seed: u64) -> Self {
        let mut tower = Self::without_params(inputs, settings);
        tower.params = tower.layout.init(&Rng::new(seed, "tower"));
        tower
    }

    /// Its tensors' places only.
    fn without_params(inputs: usize, settings: &AlignSettings) -> Self {
        let mut layout = Layout::new();
        let he = |fan_in: usize| Init::Normal((2.0 / fan_in as f64).sqrt());
        let hidden = Linear::new(&mut layout, "hidden", inputs, settings.hidden, he(inputs));
        let out = Linear::new(&mut layout, "out", settings.hidden, settings.width, he(settings.hidden));
        Self { layout, params: Vec::new(), hidden, out }
    }

    /// Names and places of the parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Width of a content vector.
    pub fn inputs(&self) -> usize {
        self.hidden.weight.rows
    }

    /// Width of an aligned vector.
    pub fn width(&self) -> usize {
        self.out.weight.cols
    }

    /// Writes aligned vectors of length 1, `[items x width]`, given `[items x inputs]`; an item without content stays zero.
    pub fn forward(&self, contents: &[f32], out: &mut [T]) {
        let tasks = contents.par_chunks(ROWS_PER_TASK * self.inputs());
        out.par_chunks_mut(ROWS_PER_TASK * self.width()).zip(tasks).for_each_init(
            || (Part::default(), Vec::new(), Vec::new()),
            |(part, z, inverse), (out, contents)| {
                z.resize(out.len(), T::ZERO);
                inverse.resize(out.len() / self.width(), T::ZERO);
                part.x.clear();
                part.x.extend(contents.iter().map(|&value| T::from_f64(f64::from(value))));
                self.encode(part, Dropout::off(), z);
                unit_rows(self.width(), z, inverse, out);
                let rows = contents.chunks_exact(self.inputs()).zip(out.chunks_exact_mut(self.width()));
                rows.filter(|(content, _)| content.iter().all(|&x| x == 0.0))
                    .for_each(|(_, out)| out.fill(T::ZERO));
            },
        );
    }

    /// `z` before it gets length 1, from `part.x`; dropout site 1 is the input, site 2 the hidden layer.
    fn encode(&self, part: &mut Part<T>, dropout: Dropout, z: &mut [T]) {
        let rows = part.x.len() / self.inputs();
        dropout.apply(0, &mut part.x);
        part.u.resize(rows * self.hidden.weight.cols, T::ZERO);
        part.h.resize(part.u.len(), T::ZERO);
        self.hidden.forward(&self.params, &part.x, &mut part.u);
        gelu(&part.u, &mut part.h);
        dropout.apply(part.x.len(), &mut part.h);
        self.out.forward(&self.params, &part.h, z);
    }

    /// Leaves the gradients of all parameters in `part.grads`, given `dz`.
    fn encode_backward(&self, part: &mut Part<T>, dropout: Dropout, dz: &[T]) {
        part.grads.clear();
        part.grads.resize(self.params.len(), T::ZERO);
        part.dh.resize(part.h.len(), T::ZERO);
        self.out.backward(&self.params, &part.h, dz, &mut part.grads, &mut part.dh);
        dropout.apply(part.x.len(), &mut part.dh);
        gelu_backward(&part.u, &mut part.dh);
        self.hidden.backward_params(&part.x, &part.dh, &mut part.grads);
    }
}
