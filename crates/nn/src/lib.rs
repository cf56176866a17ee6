//! A small training engine for CPUs: slices in, slices out, every backward pass written by hand.
//!
//! - **Parameters** of a network live in one flat vector; a [`Layout`] names the parts and a [`Slot`] is one tensor's
//!   place. A gradient is a vector of the same length, so adding shards, clipping, optimising and saving are loops over
//!   one slice. Large embedding tables live apart in a [`Table`], whose optimiser touches only the rows of a batch.
//! - **Layers** hold slots and sizes: `forward(params, x, …) -> y`, `backward(params, …, dy, grads) -> dx`.
//! - **One transformer**: a [`Block`] with six switches, a [`Stack`] of them to train, a [`PackedStack`] to run, in f32, bfloat16
//!   or 8-bit integers, with a [`KvCache`] for sequences that continue.
//! - **Sequences are packed**: `T` positions of a batch one after another, `offsets` mark where each begins. Nothing
//!   is padded.
//! - **Search** of the best among many rows is exact ([`scan`]); sparse matrices and factors are in [`linalg`], weights files in
//!   [`weights`].
//! - **Kernels** choose AVX-512, AVX2 or portable code at run time ([`mod@kernel`]). One call runs on one thread; the
//!   caller cuts work into a fixed number of shards and adds results in order, so a seed gives the same bytes for any
//!   number of threads.
//!
//! Everything is generic over [`Scalar`]: training runs in `f32`, gradient checks run the same code in `f64`.
//!
//! ```
//! use semrank_nn::{Init, Layout, Linear};
//! let mut layout = Layout::new();
//! let linear = Linear::new(&mut layout, "head", 2, 1, Init::Normal(0.02));
//! let mut params = vec![0.0f32; layout.len()];
//! linear.weight.of_mut(&mut params).copy_from_slice(&[2.0, 3.0]);
//! linear.bias.expect("this map has one").of_mut(&mut params)[0] = 1.0;
//! let mut y = [0.0];
//! linear.forward(&params, &[10.0, 100.0], &mut y);
//! assert_eq!(y, [2.0 * 10.0 + 3.0 * 100.0 + 1.0]);
//! ```

mod activation;
mod adam;
mod attention;
mod block;
mod cache;
pub mod checkpoint;
mod dropout;
pub mod gradient_check;
mod huge;
mod int8;
pub mod kernel;
mod layout;
pub mod linalg;
mod linear;
mod matmul;
mod norm;
mod packed;
mod product;
mod rotary;
mod scalar;
pub mod scan;
mod softmax_loss;
mod stack;
mod swiglu;
mod table;
mod vector;
pub mod weights;

pub use activation::{Gelu, gelu, gelu_backward, gelu_erf, gelu_erf_backward};
pub use adam::{Adam, AdamState, Schedule, clip_factor};
pub use attention::{
    Attention, AttentionInput, DistanceBias, PastHeads, Queries, Scratch as AttentionScratch,
};
pub use block::{
    Biases, Block, BlockConfig, BlockSaved, FeedForward, Pass, PositionTable, Positions, keep_last,
};
pub use cache::KvCache;
pub use dropout::Dropout;
pub use int8::{Bound, QuantLinear, QuantRows, fast_gelu};
pub use layout::{Init, Layout, Slot};
pub use linear::Linear;
pub use matmul::{Mat, matmul, matmul_bias};
pub use norm::{
    LayerNorm, Norm, NormKind, NormSaved, NormState, RmsNorm, RmsSaved, residual_norm, unit_rows,
    unit_rows_backward,
};
pub use packed::{PackedBuffers, PackedLinear, PackedStack, Precision};
pub use rotary::{Rotary, RotaryConfig};
pub use scalar::Scalar;
pub use softmax_loss::{Candidates, Masked, SoftmaxGrads, SoftmaxLoss};
pub use stack::{Stack, StackSaved};
pub use swiglu::{swiglu, swiglu_backward};
pub use table::Table;
