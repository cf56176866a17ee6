//! The nearest code of a level: vectors and codes in, the code of largest `<x, c> - |c|²/2` out, which is the one of least
//! `|x - c|²`, found by [`semrank_nn::scan`]: the result is the same bit by bit on every machine, whatever vectors stand beside.
//! With unit vectors of 384 numbers the 8-bit scores leave one code of 256 most of the time, and few otherwise.

use crate::vectors::check_width;
use semrank_nn::kernel::dot;
use semrank_nn::scan::{Arena, Nearest, Precision};

/// Rows that are encoded at once.
pub(crate) const BLOCK: usize = 128;

/// Codes of one level, prepared for the search.
#[derive(Debug, Clone)]
pub(crate) struct NearestCode {
    /// The codes, each with the bias `-|c|²/2`.
    rows: Nearest,
}

/// Buffers of a search; reuse them.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    arena: Arena,
    rows: Vec<u32>,
}

impl NearestCode {
    /// Prepares `values`, `[K x D]`, all finite.
    pub(crate) fn new(dim: usize, values: &[f32]) -> Self {
        let bias: Vec<f32> = values.chunks_exact(dim).map(|code| -0.5 * dot(code, code)).collect();
        Self { rows: Nearest::new(dim, Precision::fastest(), values, &bias) }
    }

    pub(crate) fn dim(&self) -> usize {
        self.rows.dim()
    }

    pub(crate) fn codes(&self) -> usize {
        self.rows.len()
    }

    /// All codes, `[K x D]`.
    pub(crate) fn values(&self) -> &[f32] {
        self.rows.values()
    }

    /// `-|c|²/2` of each code.
    pub(crate) fn bias(&self) -> &[f32] {
        self.rows.bias()
    }

    /// The vector of a code.
    pub(crate) fn of(&self, code: u16) -> &[f32] {
        self.rows.row(code.into())
    }

    /// Writes the nearest code of each row of `x`; of equally near ones the first. NaN has any code.
    pub(crate) fn find(&self, x: &[f32], scratch: &mut Scratch, out: &mut [u16]) {
        scratch.rows.resize(out.len(), 0);
        self.rows.best_rows(x, &mut scratch.arena, &mut scratch.rows);
        out.iter_mut().zip(&scratch.rows).for_each(|(out, &row)| *out = row as u16);
    }

    /// Exact scores as far as f32 goes: products are added in one order on every machine.
    pub(crate) fn score(&self, x: &[f32], code: usize) -> f32 {
        self.rows.score(x, code as u32)
    }

    /// The same codes, code `c` called `labels[c]`.
    pub(crate) fn relabelled(&self, labels: &[u16]) -> Self {
        let dim = self.dim();
        let mut values = vec![0.0; self.values().len()];
        for (code, &label) in self.values().chunks_exact(dim).zip(labels) {
            values[usize::from(label) * dim..][..dim].copy_from_slice(code);
        }
        Self::new(dim, &values)
    }

    /// Squared distances of a vector to all codes.
    pub(crate) fn distances(&self, x: &[f32]) -> Vec<f32> {
        let square = dot(x, x);
        (0..self.codes()).map(|code| (square - 2.0 * self.score(x, code)).max(0.0)).collect()
    }
}

/// Refuses vectors of another width than the codes'.
pub(crate) fn check_rows(values: &[f32], dim: usize) -> Result<usize, crate::Error> {
    let rest = values.len() % dim;
    check_width("the last vector", if rest == 0 { dim } else { rest }, dim)?;
    Ok(values.len() / dim)
}
