//! Consecutive blocks of a network, and the norm after the last one, where there is one.
//!
//! A network is one stack. To train its upper layers, run the layers below once, keep their output, and train a stack of the
//! layers above on it: its parameters, their gradient and the optimiser's moments have only these layers' length.

use crate::block::sized;
use crate::{Block, BlockConfig, BlockSaved, Layout, Norm, NormState, Pass, Scalar, keep_last};
use std::ops::Range;

/// Some layers of a network. Shapes: x and y `[T x D]`.
#[derive(Debug, Clone)]
pub struct Stack {
    config: BlockConfig,
    layers: Range<usize>,
    blocks: Vec<Block>,
    norm: Option<Norm>,
}

/// State of a forward pass. Reuse it: buffers keep their capacity.
#[derive(Debug, Clone)]
pub struct StackSaved<T> {
    keeps: bool,
    blocks: Vec<BlockSaved<T>>,
    /// Input of the final norm.
    hidden: Vec<T>,
    norm: NormState<T>,
    dhidden: Vec<T>,
}

/// For training.
impl<T: Default> Default for StackSaved<T> {
    fn default() -> Self {
        let (hidden, dhidden) = (Vec::new(), Vec::new());
        Self { keeps: true, blocks: Vec::new(), hidden, norm: NormState::default(), dhidden }
    }
}

impl<T: Scalar> StackSaved<T> {
    /// For passes that no backward pass follows: the buffers of one layer, used by all.
    pub fn inference() -> Self {
        Self { keeps: false, ..Self::default() }
    }

    /// For training: every layer keeps what its backward pass needs.
    pub fn training() -> Self {
        Self::default()
    }

    fn block(&mut self, index: usize) -> &mut BlockSaved<T> {
        let index = if self.keeps { index } else { 0 };
        if self.blocks.len() <= index {
            self.blocks.resize_with(index + 1, BlockSaved::default);
        }
        &mut self.blocks[index]
    }
}

impl Stack {
    /// Adds the tensors of `layers`, numbered as in the whole network, under `NAME.N`, and of a final norm under `final_norm`.
    ///
    /// # Panics
    /// As [`Block::new`].
    pub fn new(
        layout: &mut Layout,
        name: &str,
        config: BlockConfig,
        layers: Range<usize>,
        final_norm: Option<&str>,
    ) -> Self {
        let block = |layer| Block::new(layout, &format!("{name}.{layer}"), config);
        let blocks = layers.clone().map(block).collect();
        let norm = final_norm.map(|name| Norm::new(layout, name, config.dim, config.norm, config.epsilon));
        Self { config, layers, blocks, norm }
    }

    /// Some of the layers, with their places in the same parameters; the final norm stays after the last one.
    ///
    /// # Panics
    /// When the stack does not have all of `layers`.
    pub fn part(&self, layers: Range<usize>) -> Self {
        let blocks = self.blocks[self.indices(&layers)].to_vec();
        let norm = self.norm.filter(|_| layers.end == self.layers.end);
        Self { config: self.config, layers, blocks, norm }
    }

    /// Sizes and switches of all blocks.
    pub fn config(&self) -> &BlockConfig {
        &self.config
    }

    /// Which layers these are.
    pub fn layers(&self) -> Range<usize> {
        self.layers.clone()
    }

    /// The blocks, in order.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The final norm.
    pub fn norm(&self) -> Option<&Norm> {
        self.norm.as_ref()
    }

    /// Replaces `x`, the input of the first of `layers`, by the output of the last; behind the stack's last layer the final norm
    /// follows.
    ///
    /// # Panics
    /// When the stack does not have all of `layers`.
    pub fn forward<T: Scalar>(
        &self,
        layers: Range<usize>,
        pass: &Pass<T>,
        saved: &mut StackSaved<T>,
        x: &mut [T],
    ) {
        for index in self.indices(&layers) {
            self.blocks[index].forward(&keyed(pass, index), saved.block(index), x);
        }
        self.normalise(&layers, pass, saved, x);
    }

    /// The output of all layers at the last position of each sequence that has one: `x` shrinks to these rows. Without dropout, and
    /// no backward pass may follow.
    pub fn forward_last<T: Scalar>(&self, pass: &Pass<T>, saved: &mut StackSaved<T>, x: &mut Vec<T>) {
        let pass = &Pass { key: None, ..*pass };
        match self.blocks.split_last() {
            None => keep_last(pass.offsets, self.config.dim, x),
            Some((last, before)) => {
                for (index, block) in before.iter().enumerate() {
                    block.forward(pass, saved.block(index), x);
                }
                last.forward_last(pass, saved.block(before.len()), x);
            }
        }
        self.normalise(&self.layers, pass, saved, x);
    }

    /// Replaces `dy`, of the output of the last of `layers`, by that of the first one's input, and adds the parameters' gradients,
    /// after [`Stack::forward`] of the same pass.
    ///
    /// # Panics
    /// When `saved` is not for training, or the stack does not have all layers.
    pub fn backward<T: Scalar>(
        &self,
        layers: Range<usize>,
        pass: &Pass<T>,
        saved: &mut StackSaved<T>,
        grads: &mut [T],
        dy: &mut [T],
    ) {
        let indices = self.indices(&layers);
        assert!(saved.keeps && saved.blocks.len() >= indices.end, "a forward pass for training goes first");
        if let Some(norm) = self.norm.as_ref().filter(|_| layers.end == self.layers.end) {
            let dhidden = sized(&mut saved.dhidden, dy.len());
            dhidden.fill(T::ZERO);
            norm.backward(pass.params, &saved.hidden, &saved.norm, dy, grads, dhidden);
            dy.copy_from_slice(dhidden);
        }
        for index in indices.rev() {
            self.blocks[index].backward(&keyed(pass, index), &mut saved.blocks[index], grads, dy);
        }
    }

    fn normalise<T: Scalar>(
        &self,
        layers: &Range<usize>,
        pass: &Pass<T>,
        saved: &mut StackSaved<T>,
        x: &mut [T],
    ) {
        if let Some(norm) = self.norm.as_ref().filter(|_| layers.end == self.layers.end) {
            saved.hidden.clear();
            saved.hidden.extend_from_slice(x);
            norm.forward(pass.params, &saved.hidden, &mut saved.norm, x);
        }
    }

    fn indices(&self, layers: &Range<usize>) -> Range<usize> {
        let Range { start, end } = self.layers;
        assert!(
            start <= layers.start && layers.start <= layers.end && layers.end <= end,
            "layers {layers:?}"
        );
        layers.start - start..layers.end - start
    }
}

/// The pass of a block: each has dropout masks of its own.
fn keyed<'a, T: Scalar>(pass: &Pass<'a, T>, block: usize) -> Pass<'a, T> {
    let key = pass.key.map(|key| key.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(block as u64 * 8));
    Pass { params: pass.params, offsets: pass.offsets, positions: pass.positions, key }
}
