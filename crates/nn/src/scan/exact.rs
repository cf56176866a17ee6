//! Exact scores of rows here and there, each fetched from memory ahead of its turn.
//!
//! A score is [`dot`](crate::kernel::dot()) and the bias, bit by bit: 32 partial sums, without fused multiply-adds, added pairwise. The
//! compiler makes the sums of `dot` from registers of 4 numbers once the loop is inlined beside a prefetch; the one below has them in
//! two registers of 16, which makes a gathered row of 64 values twice as fast.

use crate::kernel::{Level, dot_inline, level};

/// Cache lines that are fetched, to the second-level cache, before they are needed. Rows of 64 values here and there of a million cost
/// 26 ns so, and 38 ns when they are fetched to the first level, which has 24 places for lines on their way (Zen 4, large pages).
const AHEAD: usize = 96;

/// Rows to score.
pub(super) struct Rows<'a> {
    pub(super) query: &'a [f32],
    /// `[N x D]`.
    pub(super) values: &'a [f32],
    pub(super) bias: &'a [f32],
}

impl Rows<'_> {
    /// Writes the scores of some rows.
    pub(super) fn scores(&self, rows: &[u32], out: &mut Vec<f32>) {
        out.clear();
        out.reserve(rows.len());
        match level() {
            // SAFETY: `level` returns a level only where the machine has all its features.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { x86::scores_avx512(self, rows, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::scores_avx2(self, rows, out) },
            _ => self.scores_by(rows, out, dot_inline),
        }
    }

    #[inline(always)]
    fn scores_by(&self, rows: &[u32], out: &mut Vec<f32>, dot: impl Fn(&[f32], &[f32]) -> f32) {
        let far = (AHEAD / self.query.len().div_ceil(16)).clamp(2, 32);
        rows.iter().take(far).for_each(|&row| self.fetch(row));
        for (i, &row) in rows.iter().enumerate() {
            if let Some(&ahead) = rows.get(i + far) {
                self.fetch(ahead);
            }
            out.push(dot(self.query, self.row(row)) + self.bias[row as usize]);
        }
    }

    fn row(&self, row: u32) -> &[f32] {
        let dim = self.query.len();
        &self.values[row as usize * dim..][..dim]
    }

    /// Asks for the cache lines of a row.
    #[inline(always)]
    fn fetch(&self, row: u32) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            let bias = &self.bias[row as usize];
            let lines = self.row(row).chunks(16).map(|line| line.as_ptr());
            for line in lines.chain([std::ptr::from_ref(bias)]) {
                // SAFETY: every x86-64 machine has the instruction, which reads nothing that a program could see.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(line.cast()) };
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = row;
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use crate::kernel::LANES;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn scores_avx2(of: &Rows, rows: &[u32], out: &mut Vec<f32>) {
        of.scores_by(rows, out, dot_inline);
    }

    #[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw,avx512dq")]
    pub(super) fn scores_avx512(of: &Rows, rows: &[u32], out: &mut Vec<f32>) {
        of.scores_by(rows, out, |a, b| dot_avx512(a, b));
    }

    /// The portable twin is `dot_inline`.
    #[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw,avx512dq")]
    #[inline]
    fn dot_avx512(a: &[f32], b: &[f32]) -> f32 {
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let mut lanes = [_mm512_setzero_ps(); 2];
        for (a, b) in a.iter().zip(b) {
            let halves = a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0);
            for (lanes, (a, b)) in lanes.iter_mut().zip(halves) {
                // SAFETY: 16 values each.
                let (a, b) = unsafe { (_mm512_loadu_ps(a.as_ptr()), _mm512_loadu_ps(b.as_ptr())) };
                *lanes = _mm512_add_ps(*lanes, _mm512_mul_ps(a, b));
            }
        }
        let lanes = _mm512_add_ps(lanes[0], lanes[1]);
        let lanes = _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps::<1>(lanes));
        let lanes = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
        let lanes = _mm_add_ps(lanes, _mm_movehl_ps(lanes, lanes));
        let sum = _mm_cvtss_f32(_mm_add_ss(lanes, _mm_movehdup_ps(lanes)));
        sum + a_rest.iter().zip(b_rest).map(|(&a, &b)| a * b).sum::<f32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::limit;
    use semrank_core::Rng;

    #[test]
    fn every_level_gives_the_bytes_of_the_plain_product() {
        let mut rng = Rng::new(3, "exact");
        for dim in (1..70).chain([384, 1537]) {
            let mut draw = |len: usize| -> Vec<f32> { (0..len).map(|_| rng.normal() as f32).collect() };
            let (query, values, bias) = (draw(dim), draw(dim * 40), draw(40));
            let all: Vec<u32> = (0..40).rev().collect();
            let want: Vec<u32> = all
                .iter()
                .map(|&row| {
                    crate::kernel::dot(&query, &values[row as usize * dim..][..dim]) + bias[row as usize]
                })
                .map(f32::to_bits)
                .collect();
            for most in [Level::Portable, Level::Avx2, Level::Avx512] {
                limit(most);
                let mut got = Vec::new();
                Rows { query: &query, values: &values, bias: &bias }.scores(&all, &mut got);
                assert!(
                    got.iter().map(|score| score.to_bits()).eq(want.iter().copied()),
                    "{} at width {dim}",
                    most.name()
                );
            }
        }
    }
}
