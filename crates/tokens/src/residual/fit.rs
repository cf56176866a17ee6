//! Levels of residual k-means from a sample of vectors: each is fitted on what the ones before leave.
//!
//! The sample is held in memory and each level subtracts its codes from it; or, for catalogues beyond memory, blocks of it are
//! read again in each pass and go through all levels so far. Both give the same codes.

use super::{Level, TASK, to_unit};
use crate::kmeans::{self, Options};
use crate::nearest::{BLOCK, Scratch};
use crate::vectors::{Chosen, first_error, read_all, sample};
use crate::{Error, Rows, TokenSettings, VectorSource};
use rayon::prelude::*;
use semrank_core::Rng;
use semrank_nn::kernel::dot;
use std::borrow::Cow;
use std::ops::Range;

/// Rows that a thread reads at once from a sample in memory.
const HELD_BLOCK: usize = 1024;

/// Fits all levels.
pub(super) fn levels(
    settings: &TokenSettings,
    vectors: &dyn VectorSource,
    seed: u64,
) -> Result<Vec<Level>, Error> {
    settings.check_for(vectors.len())?;
    let rows = sample(vectors.len(), settings.sample_size(vectors.len()), seed);
    let source = Chosen { source: vectors, rows: &rows };
    let seeds = Rng::new(seed, "tokens/levels");
    let seed = |level: usize| seeds.fork(level as u64).next_u64();
    if settings.mini_batch == 0 {
        return held(settings, read_all(&source, HELD_BLOCK)?, vectors.dim(), seed);
    }
    let mut levels = Vec::new();
    for level in 0..settings.levels {
        let left = Left { source: &source, levels: &levels, unit: false };
        levels.push(fit_streamed(settings, &left, seed(level))?);
    }
    Ok(levels)
}

/// Fits all levels on a sample, `[n x D]`, that is used up.
fn held(
    settings: &TokenSettings,
    mut left: Vec<f32>,
    dim: usize,
    seed: impl Fn(usize) -> u64,
) -> Result<Vec<Level>, Error> {
    let mut levels: Vec<Level> = Vec::new();
    for level in 0..settings.levels {
        if let Some(last) = levels.last() {
            in_blocks(&mut left, dim, |x, scratch| last.leave(x, scratch, &mut Vec::new()));
        }
        levels.push(fit_level(settings, &mut left, dim, seed(level))?);
    }
    Ok(levels)
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

/// The same on residuals that are computed again in each pass.
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
