//! Codes that follow the vectors they are given to: running means (van den Oord 2017, arXiv 1711.00937, appendix A.1), a
//! k-means start and the revival of unused codes (SoundStream: Zeghidour 2021, arXiv 2107.03312, section III.C).

use super::network::Quantised;
use crate::kmeans::{self, Options};
use crate::nearest::{NearestCode, Scratch};
use crate::{Error, Rows};
use semrank_core::Rng;
use semrank_nn::kernel::{add, axpy};

/// A code whose running count is below this share of an equal one is set again.
const DEAD_SHARE: f32 = 0.1;

/// The codes of all levels while they are trained.
#[derive(Debug)]
pub(super) struct Codebooks {
    levels: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    nearest: NearestCode,
    /// Running counts and sums of vectors, by code.
    counts: Vec<f32>,
    sums: Vec<f32>,
}

/// A level's codes of a batch, and what they were given for.
#[derive(Debug)]
pub(super) struct Given {
    codes: Vec<u16>,
    /// `[n x latent]`.
    left: Vec<f32>,
}

impl Codebooks {
    /// Starts each level by k-means on what the ones before leave of `z`.
    pub(super) fn start(levels: usize, mut z: Vec<f32>, dim: usize, options: Options) -> Result<Self, Error> {
        let seeds = Rng::new(options.seed, "tokens/levels");
        let mut out = Vec::new();
        for level in 0..levels {
            let options = Options { seed: seeds.fork(level as u64).next_u64(), ..options };
            let nearest = kmeans::fit(&Rows::new(&z, dim), &options)?;
            leave(&nearest, &mut z);
            let counts = vec![1.0; nearest.codes()];
            out.push(Running { sums: nearest.values().to_vec(), counts, nearest });
        }
        Ok(Self { levels: out })
    }

    /// The codes of `z`, `[n x latent]`, level by level.
    pub(super) fn quantise(&self, z: &[f32]) -> (Quantised<f32>, Vec<Given>) {
        let mut out = Quantised { q: vec![0.0; z.len()], pull: vec![0.0; z.len()], squares: 0.0 };
        let (mut left, mut given) = (z.to_vec(), Vec::new());
        for level in &self.levels {
            let before = left.clone();
            let codes = leave(&level.nearest, &mut left);
            add(&left, &mut out.pull);
            out.squares += left.iter().map(|left| left * left).sum::<f32>();
            given.push(Given { codes, left: before });
        }
        out.q.iter_mut().zip(z.iter().zip(&left)).for_each(|(q, (z, left))| *q = z - left);
        (out, given)
    }

    /// Moves the codes towards the vectors of a batch, which comes in shards: `shards[s][level]`. Unused codes are set to
    /// vectors of the batch.
    pub(super) fn follow(&mut self, shards: &[Vec<Given>], decay: f32, rng: &mut Rng) {
        for (index, level) in self.levels.iter_mut().enumerate() {
            level.follow(shards.iter().map(|shard| &shard[index]), decay);
            level.revive(shards.iter().map(|shard| &shard[index].left[..]), rng);
        }
    }

    /// All codes, `[L x K x latent]`, none of them unused by `z`.
    pub(super) fn finish(self, mut z: Vec<f32>, options: Options) -> Result<Vec<f32>, Error> {
        let options = Options { iterations: 0, ..options };
        let mut out = Vec::new();
        for level in self.levels {
            let dim = level.nearest.dim();
            let nearest = kmeans::run(&Rows::new(&z, dim), level.nearest, &options)?;
            leave(&nearest, &mut z);
            out.extend_from_slice(nearest.values());
        }
        Ok(out)
    }
}

/// Subtracts each row's code; returns the codes.
fn leave(nearest: &NearestCode, x: &mut [f32]) -> Vec<u16> {
    let mut codes = vec![0; x.len() / nearest.dim()];
    nearest.find(x, &mut Scratch::default(), &mut codes);
    x.chunks_exact_mut(nearest.dim()).zip(&codes).for_each(|(x, &code)| axpy(-1.0, nearest.of(code), x));
    codes
}

impl Running {
    fn follow<'a>(&mut self, shards: impl Iterator<Item = &'a Given>, decay: f32) {
        let dim = self.nearest.dim();
        self.counts.iter_mut().chain(&mut self.sums).for_each(|value| *value *= decay);
        for given in shards {
            for (x, &code) in given.left.chunks_exact(dim).zip(&given.codes) {
                let code = usize::from(code);
                self.counts[code] += 1.0 - decay;
                axpy(1.0 - decay, x, &mut self.sums[code * dim..][..dim]);
            }
        }
    }

    fn revive<'a>(&mut self, shards: impl Iterator<Item = &'a [f32]>, rng: &mut Rng) {
        let dim = self.nearest.dim();
        let vectors: Vec<&[f32]> = shards.flat_map(|left| left.chunks_exact(dim)).collect();
        let mean = self.counts.iter().sum::<f32>() / self.counts.len() as f32;
        for (count, sum) in self.counts.iter_mut().zip(self.sums.chunks_exact_mut(dim)) {
            if *count < DEAD_SHARE * mean {
                let x = vectors[rng.below(vectors.len())];
                *count = mean;
                sum.iter_mut().zip(x).for_each(|(sum, x)| *sum = mean * x);
            }
        }
        let mut values = self.sums.clone();
        for (code, count) in values.chunks_exact_mut(dim).zip(&self.counts) {
            code.iter_mut().for_each(|value| *value /= count);
        }
        self.nearest = NearestCode::new(dim, &values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codebooks(values: Vec<f32>) -> Codebooks {
        let nearest = NearestCode::new(1, &values);
        let counts = vec![1.0; nearest.codes()];
        Codebooks { levels: vec![Running { sums: nearest.values().to_vec(), counts, nearest }] }
    }

    #[test]
    fn codes_follow_their_vectors_and_unused_ones_are_set_to_some() {
        let mut codebooks = codebooks(vec![0.0, 100.0]);
        let mut rng = Rng::new(1, "test");
        for _ in 0..200 {
            let (_, given) = codebooks.quantise(&[1.0, 3.0]);
            codebooks.follow(&[given], 0.5, &mut rng);
        }
        let mut codes = codebooks.levels[0].nearest.values().to_vec();
        codes.sort_by(f32::total_cmp);
        assert!((codes[0] - 1.0).abs() < 1e-3 && (codes[1] - 3.0).abs() < 1e-3, "{codes:?}");
    }

    #[test]
    fn a_batch_by_hand() {
        let (quantised, _) = codebooks(vec![0.0, 10.0]).quantise(&[1.0, 8.0]);
        assert_eq!((quantised.q, quantised.pull, quantised.squares), (vec![0.0, 10.0], vec![1.0, -2.0], 5.0));
    }
}
