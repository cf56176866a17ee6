//! Keys and values of a head as the products of attention read them.
//!
//! Keys come in panels of [`LANE`] positions, transposed: `[positions / 16 x W x 16]`, so that the scores of a query with the
//! positions of a panel are computed at once. Values are rows of whole vectors: where the width of a head is a multiple of [`LANE`]
//! they are read where they are, otherwise copied to rows of that width. Values of the padding never reach a result.

use super::Attention;
use crate::Scalar;

/// Positions of a panel, and what rows are padded to.
pub(super) const LANE: usize = 16;

/// Rows that can be read in whole vectors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Padded<T> {
    pub(super) at: *const T,
    /// Distance of two rows.
    pub(super) stride: usize,
}

impl<T: Scalar> Padded<T> {
    /// Columns `from..from + width` of `rows`; `buffer` takes the copy, if one is needed.
    #[inline(always)]
    pub(super) fn new(rows: &[T], stride: usize, from: usize, width: usize, buffer: &mut Vec<T>) -> Self {
        if width.is_multiple_of(LANE) {
            assert!(rows.is_empty() || from + width <= stride);
            return Self { at: rows.as_ptr().wrapping_add(from), stride };
        }
        let padded = width.next_multiple_of(LANE);
        buffer.resize(rows.len() / stride * padded, T::ZERO);
        for (row, out) in rows.chunks_exact(stride).zip(buffer.chunks_exact_mut(padded)) {
            out[..width].copy_from_slice(&row[from..from + width]);
        }
        Self { at: buffer.as_ptr(), stride: padded }
    }

    /// The rows from row `first` on.
    #[inline(always)]
    pub(super) fn from(self, first: usize) -> *const T {
        self.at.wrapping_add(first * self.stride)
    }
}

/// Writes columns `from..from + width` of `rows` in panels; returns their beginning.
#[inline(always)]
pub(super) fn panels<T: Scalar>(
    rows: &[T],
    stride: usize,
    from: usize,
    width: usize,
    buffer: &mut Vec<T>,
) -> *const T {
    let len = rows.len() / stride;
    buffer.resize(len.next_multiple_of(LANE) * width, T::ZERO);
    for (rows, panel) in rows.chunks(LANE * stride).zip(buffer.chunks_exact_mut(LANE * width)) {
        transpose(rows, stride, from, width, panel);
    }
    buffer.as_ptr()
}

/// One panel, in blocks of 4 by 4.
#[inline(always)]
fn transpose<T: Scalar>(rows: &[T], stride: usize, from: usize, width: usize, panel: &mut [T]) {
    let len = rows.len() / stride;
    let whole = (len - len % 4, width - width % 4);
    for row in (0..whole.0).step_by(4) {
        let quad: [&[T]; 4] = std::array::from_fn(|r| &rows[(row + r) * stride + from..][..width]);
        for column in (0..whole.1).step_by(4) {
            let block: [[T; 4]; 4] = quad.map(|row| {
                let row = &row[column..column + 4];
                [row[0], row[1], row[2], row[3]]
            });
            for c in 0..4 {
                let values = [block[0][c], block[1][c], block[2][c], block[3][c]];
                panel[(column + c) * LANE + row..][..4].copy_from_slice(&values);
            }
        }
    }
    for row in 0..len {
        for column in if row < whole.0 { whole.1..width } else { 0..width } {
            panel[column * LANE + row] = rows[row * stride + from + column];
        }
    }
}

/// Keys and values of positions that were passed before, of all key heads.
#[derive(Debug, Clone, Default)]
pub struct PastHeads<T> {
    len: usize,
    heads: Vec<PastHead<T>>,
}

#[derive(Debug, Clone, Default)]
struct PastHead<T> {
    /// `[len / 16 x W x 16]`.
    keys: Vec<T>,
    /// `[len x W]`, the width padded.
    values: Vec<T>,
}

impl<T: Scalar> PastHeads<T> {
    /// Number of positions.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no positions.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all positions from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Appends the keys and values of rows of queries, keys and values.
    ///
    /// # Panics
    /// When the rows have another width than the shape says.
    pub fn append(&mut self, shape: &Attention, qkv: &[T]) {
        let (width, inputs) = (shape.width, shape.inputs());
        assert!(qkv.len().is_multiple_of(inputs), "rows of {inputs} values");
        let rows = qkv.len() / inputs;
        let (padded, end) = (width.next_multiple_of(LANE), self.len + rows);
        self.heads.resize_with(shape.kv_heads, PastHead::default);
        for (group, head) in self.heads.iter_mut().enumerate() {
            let [_, k, v] = shape.columns(group * (shape.heads / shape.kv_heads));
            head.keys.resize(end.next_multiple_of(LANE) * width, T::ZERO);
            head.values.resize(end * padded, T::ZERO);
            for (at, row) in qkv.chunks_exact(inputs).enumerate().map(|(at, row)| (self.len + at, row)) {
                let panel = &mut head.keys[at / LANE * LANE * width..][..LANE * width];
                let column = panel[at % LANE..].iter_mut().step_by(LANE);
                column.zip(&row[k..k + width]).for_each(|(out, &key)| *out = key);
                head.values[at * padded..][..width].copy_from_slice(&row[v..v + width]);
            }
        }
        self.len = end;
    }

    /// Panels of keys and rows of values of a key head.
    #[inline(always)]
    pub(super) fn of(&self, group: usize, width: usize) -> (*const T, Padded<T>) {
        let head = &self.heads[group];
        let stride = width.next_multiple_of(LANE);
        assert!(head.values.len() >= self.len * stride && head.keys.len() >= self.len * width);
        (head.keys.as_ptr(), Padded { at: head.values.as_ptr(), stride })
    }
}
