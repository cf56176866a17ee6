//! Consecutive layers of a decoder, forward and backward, over packed sequences.
//!
//! A model is one stack. To train its top layers, run the layers below once ([`LlamaModel::forward_layers`]), keep
//! their output, and train a stack of the layers above on it: its parameters, their gradient and the optimiser's
//! moments have only these layers' length.
//!
//! [`LlamaModel::forward_layers`]: super::LlamaModel::forward_layers

use super::LlamaConfig;
use semrank_nn::{DecoderBlock, DecoderBlockSaved, Layout, RmsNorm, RmsSaved, Rotary, Scalar};
use std::ops::Range;

/// Layers `first..last` of a model; the final norm follows the model's last layer.
///
/// # Shapes
/// x, y `[T x D]`; parameters, gradients: one vector of the [`layout`](Stack::layout)'s length.
#[derive(Debug, Clone)]
pub struct Stack {
    layers: Range<usize>,
    layout: Layout,
    blocks: Vec<DecoderBlock>,
    norm: Option<RmsNorm>,
}

/// What one forward pass leaves. Reuse it: buffers keep their capacity.
#[derive(Debug, Clone)]
pub struct StackSaved<T> {
    keeps: bool,
    blocks: Vec<DecoderBlockSaved<T>>,
    /// What the final norm read.
    hidden: Vec<T>,
    norm: RmsSaved<T>,
    dhidden: Vec<T>,
}

impl<T: Scalar> StackSaved<T> {
    /// For passes that no backward pass follows: the buffers of one layer, used by all.
    pub fn inference() -> Self {
        Self::new(false)
    }

    /// For training: every layer keeps what its backward pass needs.
    pub fn training() -> Self {
        Self::new(true)
    }

    fn new(keeps: bool) -> Self {
        let (hidden, dhidden) = (Vec::new(), Vec::new());
        Self { keeps, blocks: Vec::new(), hidden, norm: RmsSaved::default(), dhidden }
    }

    fn block(&mut self, index: usize) -> &mut DecoderBlockSaved<T> {
        let index = if self.keeps { index } else { 0 };
        if self.blocks.len() <= index {
            self.blocks.resize_with(index + 1, DecoderBlockSaved::default);
        }
        &mut self.blocks[index]
    }
}

impl Stack {
    /// The given layers of a model.
    ///
    /// # Panics
    /// When the model has not all of them.
    pub fn new(config: &LlamaConfig, layers: Range<usize>) -> Stack {
        assert!(layers.start <= layers.end && layers.end <= config.layers, "{layers:?} of {}", config.layers);
        let mut layout = Layout::new();
        let block = |layer| DecoderBlock::new(&mut layout, &format!("layers.{layer}"), config.block);
        let blocks = layers.clone().map(block).collect();
        let (dim, epsilon) = (config.block.dim, config.block.epsilon);
        let is_last = layers.end == config.layers;
        let norm = is_last.then(|| RmsNorm::new(&mut layout, "norm", dim, epsilon));
        Stack { layers, layout, blocks, norm }
    }

    /// Names and places of all parameters: `layers.N.…` with the layer's number in the whole model, and `norm.gain`.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Which layers these are.
    pub fn layers(&self) -> Range<usize> {
        self.layers.clone()
    }

    /// The blocks, in order.
    pub fn blocks(&self) -> &[DecoderBlock] {
        &self.blocks
    }

    /// The final norm, where the model's last layer is here.
    pub fn norm(&self) -> Option<&RmsNorm> {
        self.norm.as_ref()
    }

    /// Replaces `x` by the output of the given layers, a part of this stack's, numbered as in the whole model.
    ///
    /// # Panics
    /// When the stack has not all of them, or a sequence is longer than the rotary table.
    pub fn forward<T: Scalar>(
        &self,
        layers: Range<usize>,
        params: &[T],
        rotary: &Rotary<T>,
        offsets: &[usize],
        saved: &mut StackSaved<T>,
        x: &mut [T],
    ) {
        assert!(self.layers.start <= layers.start && layers.end <= self.layers.end, "layers {layers:?}");
        let is_end = layers.end == self.layers.end;
        for layer in layers {
            let index = layer - self.layers.start;
            self.blocks[index].forward(params, offsets, rotary, saved.block(index), x);
        }
        if let Some(norm) = self.norm.as_ref().filter(|_| is_end) {
            saved.hidden.clear();
            saved.hidden.extend_from_slice(x);
            norm.forward(params, &saved.hidden, &mut saved.norm, x);
        }
    }

    /// Replaces `dy` by `dx` and adds the parameters' gradients, after a forward pass through the whole stack.
    ///
    /// # Panics
    /// When `saved` is not for training.
    pub fn backward<T: Scalar>(
        &self,
        params: &[T],
        rotary: &Rotary<T>,
        offsets: &[usize],
        saved: &mut StackSaved<T>,
        grads: &mut [T],
        dy: &mut [T],
    ) {
        assert!(
            saved.keeps && saved.blocks.len() >= self.blocks.len(),
            "a forward pass for training goes first"
        );
        if let Some(norm) = &self.norm {
            saved.dhidden.clear();
            saved.dhidden.resize(dy.len(), T::ZERO);
            norm.backward(params, &saved.hidden, &saved.norm, dy, grads, &mut saved.dhidden);
            dy.copy_from_slice(&saved.dhidden);
        }
        for (block, saved) in self.blocks.iter().zip(&mut saved.blocks).rev() {
            block.backward(params, offsets, rotary, saved, grads, dy);
        }
    }
}
