//! Normalisation of rows: of either kind behind one type, and rows of unit length.

mod layer;
mod rms;

pub use layer::{LayerNorm, NormSaved, residual_norm, unit_rows, unit_rows_backward};
pub use rms::{RmsNorm, RmsSaved};

use crate::{Layout, Scalar, Slot};

/// Which norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// [`LayerNorm`].
    Layer,
    /// [`RmsNorm`].
    Rms,
}

/// A norm of either kind.
#[derive(Debug, Clone, Copy)]
pub enum Norm {
    /// With mean and bias.
    Layer(LayerNorm),
    /// Without.
    Rms(RmsNorm),
}

/// What the backward pass of a [`Norm`] needs. Reuse it.
#[derive(Debug, Clone, Default)]
pub struct NormState<T> {
    layer: NormSaved<T>,
    rms: RmsSaved<T>,
}

impl Norm {
    /// Adds the norm's tensors under `name`.
    pub fn new(layout: &mut Layout, name: &str, dim: usize, kind: NormKind, epsilon: f64) -> Self {
        match kind {
            NormKind::Layer => Self::Layer(LayerNorm::new(layout, name, dim).with_epsilon(epsilon)),
            NormKind::Rms => Self::Rms(RmsNorm::new(layout, name, dim, epsilon)),
        }
    }

    /// Its gain.
    pub fn gain(&self) -> Slot {
        match self {
            Self::Layer(norm) => norm.gain,
            Self::Rms(norm) => norm.gain,
        }
    }

    /// Its bias, if it has one.
    pub fn bias(&self) -> Option<Slot> {
        if let Self::Layer(norm) = self { Some(norm.bias) } else { None }
    }

    /// Writes `y`.
    pub fn forward<T: Scalar>(&self, params: &[T], x: &[T], state: &mut NormState<T>, y: &mut [T]) {
        match self {
            Self::Layer(norm) => norm.forward(params, x, &mut state.layer, y),
            Self::Rms(norm) => norm.forward(params, x, &mut state.rms, y),
        }
    }

    /// Adds the gradients of gain and bias, and adds `dx` to what `dx` holds.
    pub fn backward<T: Scalar>(
        &self,
        params: &[T],
        x: &[T],
        state: &NormState<T>,
        dy: &[T],
        grads: &mut [T],
        dx: &mut [T],
    ) {
        match self {
            Self::Layer(norm) => norm.backward(params, x, &state.layer, dy, grads, dx),
            Self::Rms(norm) => norm.backward(params, x, &state.rms, dy, grads, dx),
        }
    }
}
