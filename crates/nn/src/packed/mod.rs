//! Affine maps for inference, packed once: `y = activation(x W + b)` in f32 (`linear`) and bfloat16 (`bf16`), and stacks of
//! transformer layers made of them (`stack`).

mod bf16;
mod linear;
mod map;
mod stack;
mod tiles;

pub use linear::PackedLinear;
pub use map::Precision;
pub use stack::{PackedBuffers, PackedStack};
pub(crate) use tiles::{PANEL, ROWS, padded};
