//! Residual k-means: the first code is the nearest of K to the vector, each next one the nearest to what is left (Chen,
//! Guan & Wang 2010, "Approximate nearest neighbor search by residual vector quantization", section 3; as semantic ids:
//! QARM, arXiv 2411.11739, and OneRec, arXiv 2502.18965).
//!
//! With `r_0 = x`, level `l` gives the code `c_l` nearest to `u_l = r_l / s`, and leaves `r_{l+1} = u_l - c_l`. `s` is 1, or with
//! `normalise_residuals` the length of `r_l`; then the vectors are put together with the mean length `m_l` of the sample's:
//! `x ≈ m_0 (c_0 + m_1 (c_1 + …))`.

use crate::kmeans::{self, Options};
use crate::nearest::{BLOCK, NearestCode, Scratch, check_rows};
use crate::tokenizer::{Tokenizer, check_ids};
use crate::vectors::{Chosen, check_finite, first_error, read_all, sample};
use crate::{Error, Rows, SemanticIds, TokenSettings, VectorSource};
use rayon::prelude::*;
use semrank_core::Rng;
use semrank_nn::kernel::{axpy, dot, scale};
use std::borrow::Cow;
use std::ops::Range;

/// Rows that a thread reads at once from a sample in memory.
const HELD_BLOCK: usize = 1024;
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
        let (items, dim) = (vectors.len(), vectors.dim());
        settings.check_for(items)?;
        let rows = sample(items, settings.sample_size(items), seed);
        let source = Chosen { source: vectors, rows: &rows };
        let held = settings.mini_batch == 0;
        let mut left = if held { read_all(&source, HELD_BLOCK)? } else { Vec::new() };
        let mut levels = Vec::new();
        for level in 0..settings.levels {
            let seed = Rng::new(seed, "tokens/levels").fork(level as u64).next_u64();
            let level = if held {
                let level = fit_level(settings, &mut left, dim, seed)?;
                in_blocks(&mut left, dim, |x, scratch| level.leave(x, scratch, &mut Vec::new()));
                level
            } else {
                fit_streamed(settings, &Left { source: &source, levels: &levels, unit: false }, seed)?
            };
            levels.push(level);
        }
        Ok(Self { levels })
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
            nearest: NearestCode::new(dim, values.to_vec()),
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

    /// The mean lengths of residuals, one a level, where they are normalised.
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

/// Fits a level on the residuals that `left` holds, and normalises them if the settings say so.
fn fit_level(settings: &TokenSettings, left: &mut [f32], dim: usize, seed: u64) -> Result<Level, Error> {
    let length = settings.normalise_residuals.then(|| mean_length(&Rows::new(left, dim))).transpose()?;
    if length.is_some() {
        in_blocks(left, dim, |x, _| x.chunks_exact_mut(dim).for_each(to_unit));
    }
    let nearest = kmeans::fit(&Rows::new(left, dim), &Options::new(settings, HELD_BLOCK, seed))?;
    Ok(Level { nearest, length })
}

/// The same on residuals that are computed anew in each pass.
fn fit_streamed(settings: &TokenSettings, left: &Left, seed: u64) -> Result<Level, Error> {
    let length = settings.normalise_residuals.then(|| mean_length(left)).transpose()?;
    let block = settings.mini_batch.div_ceil(rayon::current_num_threads());
    let points = Left { unit: length.is_some(), ..*left };
    let nearest = kmeans::fit(&points, &Options::new(settings, block, seed))?;
    Ok(Level { nearest, length })
}

/// What some levels leave of a source's vectors.
#[derive(Clone, Copy)]
struct Left<'a> {
    source: &'a dyn VectorSource,
    levels: &'a [Level],
    /// Whether it is brought to length 1.
    unit: bool,
}

impl VectorSource for Left<'_> {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn dim(&self) -> usize {
        self.source.dim()
    }

    fn rows(&self, range: Range<usize>) -> Result<Cow<'_, [f32]>, Error> {
        let mut x = self.source.rows(range)?.into_owned();
        let (mut scratch, mut codes) = (Scratch::default(), Vec::new());
        for level in self.levels {
            level.normalise(&mut x);
            level.leave(&mut x, &mut scratch, &mut codes);
        }
        if self.unit {
            x.chunks_exact_mut(self.dim()).for_each(to_unit);
        }
        Ok(x.into())
    }
}

fn to_unit(x: &mut [f32]) {
    let length = dot(x, x).sqrt();
    if length > 0.0 {
        scale(1.0 / length, x);
    }
}

/// Mean length of the vectors, added in order.
fn mean_length(points: &dyn VectorSource) -> Result<f32, Error> {
    let blocks = (0..points.len()).into_par_iter().step_by(HELD_BLOCK);
    let lengths = blocks.map(|first| {
        let rows = points.rows(first..points.len().min(first + HELD_BLOCK))?;
        Ok(rows.chunks_exact(points.dim()).map(|x| f64::from(dot(x, x).sqrt())).sum::<f64>())
    });
    let total: f64 = first_error(lengths.collect())?.iter().sum();
    Ok((total / points.len() as f64) as f32)
}

/// Runs `work` on blocks of rows, in parallel.
fn in_blocks(x: &mut [f32], dim: usize, work: impl Fn(&mut [f32], &mut Scratch) + Sync) {
    x.par_chunks_mut(TASK * dim).for_each(|x| {
        let mut scratch = Scratch::default();
        x.chunks_mut(BLOCK * dim).for_each(|x| work(x, &mut scratch));
    });
}

#[cfg(test)]
mod tests;
