//! Panels of `b`: some inputs by the columns of a strip, whole vectors one after the other.

use super::{DEPTH, Product};
use crate::Scalar;
use crate::vector::Vector;
use std::cell::RefCell;

/// Columns of the widest panel, and values in front of it: a row.
const WIDTH: usize = 64;
/// Rows from which on a panel is copied although it could be read in place: aligned loads then pay for the copy. (Ratios to
/// the time in place for 64 columns and 64 to 1024 inputs: 1.05 to 1.10 at 64 rows, .90 to .97 from 192 rows on.)
const ROWS_TO_PACK: usize = 65;
/// Inputs that are transposed at once: rows of 256 bytes of `b` are read, and what is written stays in the nearest cache.
const INPUTS: usize = 64;

/// Some inputs by the columns of a strip.
#[derive(Clone, Copy)]
pub(super) struct Panel<T> {
    /// Whole vectors of columns, one input after the other.
    pub(super) at: *const T,
    /// Distance of two inputs.
    pub(super) stride: usize,
    /// Where the first tile copies the panel to, for the others; null where all read it where it is.
    pub(super) copy: *mut T,
}

/// One cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f64; 8]);

thread_local! {
    static BUFFER: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Runs `task` on this thread's buffer, which has room for a row and the panel of any strip.
pub(super) fn with_buffer<T: Scalar>(task: impl FnOnce(*mut T)) {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(
            ((WIDTH + DEPTH * WIDTH) * size_of::<T>()).div_ceil(64).max(buffer.len()),
            Line([0.0; 8]),
        );
        task(buffer.as_mut_ptr().cast());
    });
}

/// The panel from an input and a column on, of some inputs and columns: in place where that can be, otherwise in the buffer, with
/// zeros up to whole vectors.
///
/// # Safety
/// All values of the panel exist, the buffer is that of [`with_buffer`], and the machine has the vector's instructions.
#[inline(always)]
pub(super) unsafe fn of<V: Vector>(
    product: &Product<V::Item>,
    [input, column]: [usize; 2],
    [depth, columns]: [usize; 2],
    buffer: *mut V::Item,
) -> Panel<V::Item> {
    let b = product.b;
    let padded = columns.next_multiple_of(V::LEN);
    // SAFETY: by the caller's promise; a panel has at most `DEPTH` inputs of `WIDTH` values.
    unsafe {
        let (from, to) = (b.from(input, column), buffer.add(WIDTH));
        if b.columns == 1 && padded == columns {
            let copy = if product.rows < ROWS_TO_PACK { std::ptr::null_mut() } else { to };
            return Panel { at: from, stride: b.rows, copy };
        }
        if b.columns == 1 {
            copy(from, b.rows, [depth, columns], padded, to);
        } else {
            transpose::<V>(from, b.columns, [depth, columns], padded, to);
        }
        Panel { at: to, stride: padded, copy: std::ptr::null_mut() }
    }
}

/// Copies rows of `columns` values, `stride` apart.
#[inline(always)]
unsafe fn copy<T: Scalar>(
    from: *const T,
    stride: usize,
    [depth, columns]: [usize; 2],
    padded: usize,
    panel: *mut T,
) {
    for input in 0..depth {
        // SAFETY: by the promise of `of`.
        unsafe {
            let to = panel.add(input * padded);
            to.copy_from_nonoverlapping(from.add(input * stride), columns);
            (columns..padded).for_each(|column| *to.add(column) = T::ZERO);
        }
    }
}

/// Copies columns of `depth` values, `stride` apart, in blocks as wide as a vector.
#[inline(always)]
unsafe fn transpose<V: Vector>(
    from: *const V::Item,
    stride: usize,
    [depth, columns]: [usize; 2],
    padded: usize,
    panel: *mut V::Item,
) {
    for first in (0..depth).step_by(INPUTS) {
        let depth = INPUTS.min(depth - first);
        let whole = [depth - depth % V::LEN, columns - columns % V::LEN];
        // SAFETY: by the promise of `of`.
        unsafe {
            let (from, panel) = (from.add(first), panel.add(first * padded));
            for column in (0..whole[1]).step_by(V::LEN) {
                for input in (0..whole[0]).step_by(V::LEN) {
                    let to = panel.add(input * padded + column);
                    V::transpose(from.add(column * stride + input), stride, to, padded);
                }
            }
            for input in 0..depth {
                for column in if input < whole[0] { whole[1]..padded } else { 0..padded } {
                    let value =
                        if column < columns { *from.add(column * stride + input) } else { V::Item::ZERO };
                    *panel.add(input * padded + column) = value;
                }
            }
        }
    }
}
