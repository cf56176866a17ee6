//! Residual k-means: the first code is the nearest of K to the vector, each next one the nearest to what is left (Chen,
//! Guan & Wang 2010, "Approximate nearest neighbor search by residual vector quantization", section 3; as semantic ids:
//! QARM, arXiv 2411.11739, and OneRec, arXiv 2502.18965).
//!
//! With `r_0 = x`, level `l` gives the code `c_l` nearest to `u_l = r_l / s`, and leaves `r_{l+1} = u_l - c_l`. `s` is 1, or with
//! `normalise_residuals` the length of `r_l`; then the vectors are put together with the mean length `m_l` of the sample's:
//! `x ≈ m_0 (c_0 + m_1 (c_1 + …))`.

mod fit;

use crate::nearest::{BLOCK, NearestCode, Scratch, check_rows};
use crate::tokenizer::{Tokenizer, check_ids};
use crate::vectors::{check_finite, first_error};
use crate::{Error, SemanticIds, TokenSettings, VectorSource};
use rayon::prelude::*;
use semrank_nn::kernel::{axpy, dot, scale};

/// Rows of a task of encoding.
const TASK: usize = 8 * BLOCK;

/// L codebooks of K codes.
#[derive(Debug, Clone)]
pub struct ResidualKmeans {
    levels: Vec<Level>,
}

#[derive(Debug, Clone)]
struct Level {
    nearest: NearestCode,
    /// Mean length of the sample's residuals where they are normalised.
    length: Option<f32>,
}

impl ResidualKmeans {
    /// Fits the levels one after another on a sample of `vectors`.
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::FewItems`], [`Error::NotFinite`], and those of the source.
    pub fn fit(settings: &TokenSettings, vectors: &dyn VectorSource, seed: u64) -> Result<Self, Error> {
        Ok(Self { levels: fit::levels(settings, vectors, seed)? })
    }

    /// Puts levels together: `values` holds `[L x K x D]`, finite; `lengths` the mean length of residuals of each level, where
    /// they are normalised.
    ///
    /// # Panics
    /// When `values` holds no whole number of levels, at least one, or `lengths` another number.
    pub fn from_parts(dim: usize, codes: usize, values: &[f32], lengths: Option<&[f32]>) -> Self {
        let levels = values.len() / (codes * dim);
        assert!(levels > 0 && values.len() == levels * codes * dim, "{} values", values.len());
        assert!(lengths.is_none_or(|lengths| lengths.len() == levels), "{levels} levels");
        let level = |(level, values): (usize, &[f32])| Level {
            nearest: NearestCode::new(dim, values),
            length: lengths.map(|lengths| lengths[level]),
        };
        Self { levels: values.chunks_exact(codes * dim).enumerate().map(level).collect() }
    }

    /// The codes of a level, `[K x D]`.
    ///
    /// # Panics
    /// When there is no such level.
    pub fn level(&self, level: usize) -> &[f32] {
        self.levels[level].nearest.values()
    }

    /// All codes, `[L x K x D]`.
    pub(crate) fn values(&self) -> Vec<f32> {
        self.levels.iter().flat_map(|level| level.nearest.values()).copied().collect()
    }

    /// The same codes, code `c` of level `l` called `labels[l][c]`.
    pub(crate) fn relabelled(&self, labels: &[Vec<u16>]) -> Self {
        let level = |(level, labels): (&Level, &Vec<u16>)| Level {
            nearest: level.nearest.relabelled(labels),
            ..*level
        };
        Self { levels: self.levels.iter().zip(labels).map(level).collect() }
    }

    /// Squared distances of what the codes of `prefix` leave of a vector to the codes of the next level.
    pub(crate) fn distances(&self, vector: &[f32], prefix: &[u16]) -> Vec<f32> {
        let mut left = vector.to_vec();
        for (level, &code) in self.levels.iter().zip(prefix) {
            level.normalise(&mut left);
            axpy(-1.0, level.nearest.of(code), &mut left);
        }
        let next = &self.levels[prefix.len()];
        next.normalise(&mut left);
        next.nearest.distances(&left)
    }

    /// The mean lengths of residuals, one per level, where they are normalised.
    pub(crate) fn lengths(&self) -> Option<Vec<f32>> {
        self.levels.iter().map(|level| level.length).collect()
    }
}

impl Tokenizer for ResidualKmeans {
    fn levels(&self) -> usize {
        self.levels.len()
    }

    fn codes(&self) -> usize {
        self.levels[0].nearest.codes()
    }

    fn dim(&self) -> usize {
        self.levels[0].nearest.dim()
    }

    fn encode(&self, vectors: &[f32]) -> Result<SemanticIds, Error> {
        let (dim, levels) = (self.dim(), self.levels());
        let mut out = vec![0; check_rows(vectors, dim)? * levels];
        let tasks = vectors.par_chunks(TASK * dim).zip(out.par_chunks_mut(TASK * levels)).enumerate();
        let results = tasks.map(|(task, (vectors, out))| {
            check_finite(vectors, dim, task * TASK)?;
            let mut scratch = Scratch::default();
            for (vectors, out) in vectors.chunks(BLOCK * dim).zip(out.chunks_mut(BLOCK * levels)) {
                encode_block(&self.levels, vectors, &mut scratch, out);
            }
            Ok(())
        });
        first_error(results.collect())?;
        Ok(SemanticIds::new(levels, self.codes(), out))
    }

    fn decode(&self, ids: &SemanticIds) -> Result<Vec<f32>, Error> {
        check_ids(self, ids)?;
        let mut out = vec![0.0; ids.len() * self.dim()];
        let rows = out.par_chunks_exact_mut(self.dim()).zip(ids.values().par_chunks_exact(self.levels()));
        rows.for_each(|(x, codes)| {
            for (level, &code) in self.levels.iter().zip(codes).rev() {
                axpy(1.0, level.nearest.of(code), x);
                if let Some(length) = level.length {
                    scale(length, x);
                }
            }
        });
        Ok(out)
    }
}

/// Writes the ids `[n x L]` of a block of vectors.
fn encode_block(levels: &[Level], vectors: &[f32], scratch: &mut Scratch, out: &mut [u16]) {
    let (mut left, mut codes) = (vectors.to_vec(), Vec::new());
    for (index, level) in levels.iter().enumerate() {
        level.normalise(&mut left);
        level.leave(&mut left, scratch, &mut codes);
        out.iter_mut().skip(index).step_by(levels.len()).zip(&codes).for_each(|(out, &code)| *out = code);
    }
}

impl Level {
    /// Brings rows to length 1, if this level wants that; a zero vector stays.
    fn normalise(&self, x: &mut [f32]) {
        if self.length.is_some() {
            x.chunks_exact_mut(self.nearest.dim()).for_each(to_unit);
        }
    }

    /// Writes the codes of rows and subtracts their vectors.
    fn leave(&self, x: &mut [f32], scratch: &mut Scratch, codes: &mut Vec<u16>) {
        let dim = self.nearest.dim();
        codes.clear();
        codes.resize(x.len() / dim, 0);
        self.nearest.find(x, scratch, codes);
        x.chunks_exact_mut(dim).zip(codes).for_each(|(x, code)| axpy(-1.0, self.nearest.of(*code), x));
    }
}

fn to_unit(x: &mut [f32]) {
    let length = dot(x, x).sqrt();
    if length > 0.0 {
        scale(1.0 / length, x);
    }
}

#[cfg(test)]
mod tests;
