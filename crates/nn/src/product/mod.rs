//! The matrix product behind [`matmul`](crate::matmul), written so that a value depends on its own row and column only.
//!
//! Every value of `a b` is one chain of fused multiply-adds over the inputs, in their order, cut into the same blocks of at most
//! [`DEPTH`] inputs whatever the other sizes are. So a row has the same bytes alone as among a million others, on every level of
//! instructions, and whether an operand is transposed or not. (Libraries take other paths for one row or for few.)
//!
//! Blocks are as in Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication": a panel of `b`, as many
//! columns as a few registers hold, stays in the cache while tiles of up to 6 rows of `a` pass by. The panel is packed where `b`
//! is transposed, where its columns do not fill registers, and where enough rows pay for the copy.

mod panel;
mod tile;

use crate::Scalar;
use crate::kernel::{Level, level};
use crate::vector::{self, Vector};
use tile::{Strip, rows};

/// Inputs of a block: its panel of 64 columns takes 128 KiB, which stay in a second-level cache.
pub(crate) const DEPTH: usize = 512;

/// Where an operand's values lie: `(row, column)` is `data[row · rows + column · columns]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand<T> {
    pub(crate) data: *const T,
    /// Distance of two rows.
    pub(crate) rows: usize,
    /// Distance of two columns.
    pub(crate) columns: usize,
}

/// `out = keep · from + scale · a b`, `out` row-major `[rows x columns]`, with `inputs` columns of `a` and rows of `b`.
#[derive(Debug, Clone, Copy)]
pub struct Product<T> {
    pub(crate) rows: usize,
    pub(crate) inputs: usize,
    pub(crate) columns: usize,
    pub(crate) a: Operand<T>,
    pub(crate) b: Operand<T>,
    pub(crate) keep: T,
    pub(crate) scale: T,
    /// `out` itself, or one row for all rows of `out`.
    pub(crate) from: *const T,
    /// Distance of two rows of `from`.
    pub(crate) from_stride: usize,
    pub(crate) out: *mut T,
}

/// A type of numbers that products are compiled for.
pub trait Multiply: Sized {
    /// Writes the product with the instructions of a level.
    ///
    /// # Safety
    /// All values of `a`, `b`, `from` and `out` exist; of one column, `from` is `out`. Nothing else reads or writes `out` meanwhile.
    unsafe fn multiply(product: &Product<Self>);
}

macro_rules! multiply {
    ($type:ty: $avx512:ident, $avx2:ident, $portable:ident) => {
        impl Multiply for $type {
            unsafe fn multiply(product: &Product<$type>) {
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]
                unsafe fn avx512(product: &Product<$type>, buffer: *mut $type) {
                    // SAFETY: the caller's promise, and the instructions are there.
                    unsafe { run::<vector::x86::$avx512>(product, buffer) }
                }

                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2(product: &Product<$type>, buffer: *mut $type) {
                    // SAFETY: as above.
                    unsafe { run::<vector::x86::$avx2>(product, buffer) }
                }

                let product = &product.with_long_rows();
                panel::with_buffer(|buffer| match level() {
                    // SAFETY: the caller's promise; `level` returns a level only where the machine has all its features,
                    // and the FMA instructions are asked for. The buffer holds a strip of any vectors.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 if is_x86_feature_detected!("fma") => unsafe { avx512(product, buffer) },
                    // SAFETY: as above.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 if is_x86_feature_detected!("fma") => unsafe { avx2(product, buffer) },
                    // SAFETY: as above.
                    _ => unsafe { run::<vector::$portable>(product, buffer) },
                });
            }
        }
    };
}

multiply!(f32: F32x16, F32x8, PortableF32);
multiply!(f64: F64x8, F64x4, PortableF64);

impl<T: Copy> Product<T> {
    /// A product with one column as one with one row, `outᵀ = bᵀ aᵀ`: columns are what registers are filled with.
    fn with_long_rows(&self) -> Self {
        if self.columns > 1 {
            return *self;
        }
        let (a, b) = (self.b.transposed(), self.a.transposed());
        Self { rows: 1, columns: self.rows, a, b, from_stride: self.rows, ..*self }
    }
}

impl<T> Operand<T> {
    fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, ..self }
    }

    /// The operand without its first rows and columns. Of one without values, say of a product without inputs, the pointer is
    /// nowhere, which is no fault as long as nothing is read there.
    #[inline(always)]
    fn from(&self, row: usize, column: usize) -> *const T {
        self.data.wrapping_add(row * self.rows + column * self.columns)
    }
}

/// All blocks of inputs, and of each all panels.
///
/// # Safety
/// As [`Multiply::multiply`]; the machine has the vector's instructions, and `buffer` holds [`panel::LEN`] values.
#[inline(always)]
unsafe fn run<V: Vector>(product: &Product<V::Item>, buffer: *mut V::Item) {
    let Product { inputs, columns, a, .. } = *product;
    let width = V::LEN * V::COLUMNS;
    let blocks = inputs.div_ceil(DEPTH).max(1);
    let depth = inputs.div_ceil(blocks);
    for block in 0..blocks {
        let first = block * depth;
        let depth = depth.min(inputs - first);
        for start in (0..columns).step_by(width) {
            let columns = width.min(columns - start);
            // SAFETY: the block lies in `a` and `b`, the strip in `from` and `out`, and row and panel in the buffer.
            unsafe {
                let (from, from_stride) = match block {
                    0 => (product.from, product.from_stride),
                    _ => (product.out.cast_const(), product.columns),
                };
                let panel = panel::of::<V>(product, [first, start], [depth, columns], buffer);
                let strip = Strip {
                    rows: product.rows,
                    columns,
                    depth,
                    a: Operand { data: a.from(0, first), ..a },
                    panel,
                    keep: if block == 0 { product.keep } else { V::Item::ONE },
                    scale: product.scale,
                    from: from.wrapping_add(start),
                    from_stride,
                    out: product.out.wrapping_add(start),
                    out_stride: product.columns,
                    row: buffer,
                };
                match columns.div_ceil(V::LEN) {
                    1 => rows::<V, 1>(&strip),
                    2 => rows::<V, 2>(&strip),
                    3 => rows::<V, 3>(&strip),
                    _ => rows::<V, 4>(&strip),
                }
            }
        }
    }
}
