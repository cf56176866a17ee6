//! Codes for a block of vectors such that no code has more than its share: the vectors that lose most by a second choice
//! choose first.
//!
//! A block is a random part of the sample, so equal shares of every block are equal shares of all, and memory stays bounded.

use crate::nearest::NearestCode;
use semrank_nn::{Mat, matmul};

/// Vectors of a block, for each code.
const ROWS_PER_CODE: usize = 8;

/// Vectors of a block.
pub(super) fn block(codes: usize) -> usize {
    codes * ROWS_PER_CODE
}

/// Writes a code for each row of `x`; each code is given to at most rows / K of them, rounded up.
pub(super) fn assign(nearest: &NearestCode, x: &[f32], out: &mut [u16]) {
    let codes = nearest.codes();
    let scores = scores(nearest, x, out.len());
    let row = |i: usize| &scores[i * codes..][..codes];
    let mut order: Vec<(f32, usize)> = (0..out.len()).map(|i| (margin(row(i)), i)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut free = vec![out.len().div_ceil(codes); codes];
    for (_, i) in order {
        let best =
            (0..codes).filter(|&code| free[code] > 0).fold(None, |best: Option<usize>, code| match best {
                Some(best) if row(i)[best] >= row(i)[code] => Some(best),
                _ => Some(code),
            });
        let code = best.unwrap_or(0);
        free[code] = free[code].saturating_sub(1);
        out[i] = code as u16;
    }
}

/// `<x, c> - |c|²/2` of each row and code.
fn scores(nearest: &NearestCode, x: &[f32], rows: usize) -> Vec<f32> {
    let (codes, dim) = (nearest.codes(), nearest.dim());
    let mut scores = Vec::with_capacity(rows * codes);
    (0..rows).for_each(|_| scores.extend_from_slice(nearest.bias()));
    let values = Mat::new(nearest.values(), codes, dim);
    matmul(&mut scores, 1.0, Mat::new(x, rows, dim), values.t(), 1.0);
    scores
}

/// The best score less the second best.
fn margin(scores: &[f32]) -> f32 {
    let [mut first, mut second] = [f32::NEG_INFINITY; 2];
    for &score in scores {
        if score > first {
            (first, second) = (score, first);
        } else if score > second {
            second = score;
        }
    }
    first - second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_equal_and_the_most_decided_vectors_have_their_choice() {
        let nearest = NearestCode::new(1, &[0.0, 10.0]);
        let mut out = [9; 4];
        assign(&nearest, &[4.0, 1.0, 0.0, 3.0], &mut out);
        assert_eq!(out, [1, 0, 0, 1]);
    }
}
