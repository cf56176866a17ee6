//! Weights files, read from front to back: the one reader of safetensors, and the size checks that other formats share.
//!
//! [`Stream`] knows its place and never reads past the end; [`Rows`] is a matrix's place in the file, checked before anything
//! of its size is allocated; [`Safetensors`] is the table of tensors, which takes its header's length in memory and not the
//! file's. Values of every float type become f32 ([`Float`]).
//!
//! ```
//! use semrank_nn::weights::Safetensors;
//! let header = br#"{"x":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}"#;
//! let file = [&(header.len() as u64).to_le_bytes()[..], header, &[0x80, 0x3f, 0x00, 0xc0]].concat();
//! let table = Safetensors::parse(&file, "x.safetensors".as_ref())?;
//! let x = table.find("x").expect("it is there");
//! assert_eq!(x.floats(&file), Some(vec![1.0, -2.0]));
//! # Ok::<(), semrank_nn::weights::Error>(())
//! ```

mod float;
mod rows;
mod safetensors;
mod stream;

pub use self::safetensors::{EXPECTED, Entry, Safetensors};
pub use ::safetensors::Dtype;
pub use float::{Float, bf16_to_f32, f16_to_f32, f32_to_bf16};
pub use rows::{Rows, check_disjoint};
pub use stream::Stream;

use std::path::PathBuf;

/// Why a weights file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that ends early, contradicts itself or is not what its name says.
    #[error("{} is damaged or not {expected}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The expected kind of file.
        expected: &'static str,
        /// The defect found.
        reason: String,
    },
    /// A format or number type that is not read.
    #[error("{}: {what} is {got}; supported: {supported}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The unsupported feature.
        what: String,
        /// Value found.
        got: String,
        /// Supported values.
        supported: String,
    },
}
