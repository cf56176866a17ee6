//! From vectors with codes to new codes: the mean of each, and a split for those without vectors.

use semrank_nn::kernel::add;

/// How far the two parts of a split code stand apart, relative to the length of an average code; faiss takes as much.
const SPLIT: f64 = 1.0 / 1024.0;

/// Sums of the vectors of each code.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    dim: usize,
    sums: Vec<f32>,
    pub(super) counts: Vec<usize>,
}

impl Sums {
    pub(super) fn new(codes: usize, dim: usize) -> Self {
        Self { dim, sums: vec![0.0; codes * dim], counts: vec![0; codes] }
    }

    /// Adds vectors with these codes.
    pub(super) fn collect(&mut self, rows: &[f32], codes: &[u16]) {
        for (row, &code) in rows.chunks_exact(self.dim).zip(codes) {
            let code = usize::from(code);
            add(row, &mut self.sums[code * self.dim..][..self.dim]);
            self.counts[code] += 1;
        }
    }

    /// Adds the sums of another shard.
    pub(super) fn add(&mut self, other: &Self) {
        add(&other.sums, &mut self.sums);
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
    }

    /// `Σ_k |sum_k|² / n_k`: what the means take from the squared lengths of all vectors.
    pub(super) fn explained(&self) -> f64 {
        let square = |sum: &[f32]| sum.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>();
        let codes = self.sums.chunks_exact(self.dim).zip(&self.counts);
        codes.filter(|(_, count)| **count > 0).map(|(sum, &count)| square(sum) / count as f64).sum()
    }

    /// The means, `[K x D]`. A code without vectors takes one half of the fullest one's, which loses it.
    pub(super) fn codes(mut self, old: &[f32]) -> Vec<f32> {
        let mut codes = old.to_vec();
        for (code, (sum, &count)) in
            codes.chunks_exact_mut(self.dim).zip(self.sums.chunks_exact(self.dim).zip(&self.counts))
        {
            if count > 0 {
                code.iter_mut().zip(sum).for_each(|(code, &sum)| *code = sum / count as f32);
            }
        }
        let step = self.step(&codes);
        for empty in 0..self.counts.len() {
            if self.counts[empty] == 0 {
                self.split(&mut codes, empty, step);
            }
        }
        codes
    }

    /// Root mean square of the codes' numbers, times [`SPLIT`].
    fn step(&self, codes: &[f32]) -> f32 {
        let squares: f64 = codes.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
        ((squares / codes.len() as f64).sqrt() * SPLIT) as f32
    }

    /// The hyperplane between the halves goes through the mean, so neither is empty unless all vectors lie on it.
    fn split(&mut self, codes: &mut [f32], empty: usize, step: f32) {
        let fullest =
            |best: usize, code: usize| if self.counts[code] > self.counts[best] { code } else { best };
        let from = (0..self.counts.len()).fold(0, fullest);
        for column in 0..self.dim {
            let side = if (column ^ empty).count_ones().is_multiple_of(2) { step } else { -step };
            let mean = codes[from * self.dim + column];
            codes[from * self.dim + column] = mean - side;
            codes[empty * self.dim + column] = mean + side;
        }
        self.counts[empty] = self.counts[from] / 2;
        self.counts[from] -= self.counts[empty];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_by_hand_and_an_empty_code_beside_the_fullest() {
        let mut sums = Sums::new(3, 2);
        sums.collect(&[1.0, 2.0, 3.0, 4.0, 0.0, 9.0], &[0, 0, 2]);
        assert_eq!(sums.explained(), (16.0 + 36.0) / 2.0 + 81.0);
        let codes = sums.codes(&[0.0; 6]);
        assert_eq!(codes[4..], [0.0, 9.0]);
        let (kept, new) = (&codes[..2], &codes[2..4]);
        assert_ne!(kept, new);
        assert!((kept[0] + new[0] - 4.0).abs() < 1e-5 && (kept[1] + new[1] - 6.0).abs() < 1e-5);
    }
}
