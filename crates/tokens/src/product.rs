//! Product quantisation: the vector is cut into L parts, and each part gets the nearest of K codes of its own (Jégou, Douze &
//! Schmid 2011, "Product quantization for nearest neighbor search", section II.B).
//!
//! Levels are parts, so a prefix of an id is not a coarser meaning; but two codes of one item do not depend on each other.
//! The first D mod L parts are one column wider than the others.

use crate::kmeans::{self, Options};
use crate::nearest::{BLOCK, NearestCode, Scratch, check_rows};
use crate::tokenizer::{Tokenizer, check_ids};
use crate::vectors::{Chosen, check_finite, first_error, read_all, sample};
use crate::{Error, Rows, SemanticIds, TokenSettings, VectorSource};
use rayon::prelude::*;
use semrank_core::{Rng, settings::SettingError};
use std::borrow::Cow;
use std::ops::Range;

/// Rows that a thread reads at once from a sample in memory.
const HELD_BLOCK: usize = 1024;
/// Rows of a task of encoding.
const TASK: usize = 8 * BLOCK;

/// L codebooks of K codes, one for each part of the vector.
#[derive(Debug, Clone)]
pub struct Product {
    dim: usize,
    parts: Vec<NearestCode>,
}

impl Product {
    /// Fits each part on a sample of `vectors`.
    ///
    /// # Errors
    /// [`Error::Setting`] where there are more levels than columns, [`Error::FewItems`], [`Error::NotFinite`], and those of
    /// the source.
    pub fn fit(settings: &TokenSettings, vectors: &dyn VectorSource, seed: u64) -> Result<Self, Error> {
        settings.check_for(vectors.len())?;
        let (dim, levels) = (vectors.dim(), settings.levels);
        if levels > dim {
            let expected = format!("at most {dim}, the width of the vectors, for `product`");
            return Err(SettingError { key: "tokens.levels", got: levels.to_string(), expected }.into());
        }
        let rows = sample(vectors.len(), settings.sample_size(vectors.len()), seed);
        let source = Chosen { source: vectors, rows: &rows };
        let fit_part = |part: usize| {
            let points = Columns { source: &source, columns: columns(dim, levels, part) };
            let seed = Rng::new(seed, "tokens/levels").fork(part as u64).next_u64();
            if settings.mini_batch > 0 {
                let block = settings.mini_batch.div_ceil(rayon::current_num_threads());
                return kmeans::fit(&points, &Options::new(settings, block, seed));
            }
            let held = read_all(&points, HELD_BLOCK)?;
            kmeans::fit(&Rows::new(&held, points.dim()), &Options::new(settings, HELD_BLOCK, seed))
        };
        Ok(Self { dim, parts: (0..levels).map(fit_part).collect::<Result<_, _>>()? })
    }

    /// Puts parts together: for each its codes, `[K x width of the part]`.
    pub(crate) fn from_parts(dim: usize, values: Vec<Vec<f32>>) -> Self {
        let levels = values.len();
        let part =
            |(part, values): (usize, Vec<f32>)| NearestCode::new(columns(dim, levels, part).len(), &values);
        Self { dim, parts: values.into_iter().enumerate().map(part).collect() }
    }

    /// The codes of a part, `[K x width of the part]`.
    ///
    /// # Panics
    /// When there is no such part.
    pub fn level(&self, level: usize) -> &[f32] {
        self.parts[level].values()
    }

    /// The same codes, code `c` of part `l` called `labels[l][c]`.
    pub(crate) fn relabelled(&self, labels: &[Vec<u16>]) -> Self {
        let parts = self.parts.iter().zip(labels).map(|(part, labels)| part.relabelled(labels));
        Self { dim: self.dim, parts: parts.collect() }
    }

    /// Squared distances of a part of a vector to its codes.
    pub(crate) fn distances(&self, vector: &[f32], level: usize) -> Vec<f32> {
        self.parts[level].distances(&vector[columns(self.dim, self.parts.len(), level)])
    }
}

/// Columns of a part.
pub(crate) fn columns(dim: usize, levels: usize, part: usize) -> Range<usize> {
    let start = |part: usize| part * (dim / levels) + part.min(dim % levels);
    start(part)..start(part + 1)
}

impl Tokenizer for Product {
    fn levels(&self) -> usize {
        self.parts.len()
    }

    fn codes(&self) -> usize {
        self.parts[0].codes()
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn encode(&self, vectors: &[f32]) -> Result<SemanticIds, Error> {
        let (dim, levels) = (self.dim, self.levels());
        let mut out = vec![0; check_rows(vectors, dim)? * levels];
        let tasks = vectors.par_chunks(TASK * dim).zip(out.par_chunks_mut(TASK * levels)).enumerate();
        let results = tasks.map(|(task, (vectors, out))| {
            check_finite(vectors, dim, task * TASK)?;
            let mut scratch = Scratch::default();
            for (index, part) in self.parts.iter().enumerate() {
                let values = cut(vectors, dim, columns(dim, levels, index));
                let mut codes = vec![0; vectors.len() / dim];
                part.find(&values, &mut scratch, &mut codes);
                out.iter_mut().skip(index).step_by(levels).zip(codes).for_each(|(out, code)| *out = code);
            }
            Ok(())
        });
        first_error(results.collect())?;
        Ok(SemanticIds::new(levels, self.codes(), out))
    }

    fn decode(&self, ids: &SemanticIds) -> Result<Vec<f32>, Error> {
        check_ids(self, ids)?;
        let mut out = Vec::with_capacity(ids.len() * self.dim);
        for codes in ids.values().chunks_exact(self.levels()) {
            self.parts.iter().zip(codes).for_each(|(part, &code)| out.extend_from_slice(part.of(code)));
        }
        Ok(out)
    }
}

/// Some columns of rows.
fn cut(rows: &[f32], dim: usize, columns: Range<usize>) -> Vec<f32> {
    rows.chunks_exact(dim).flat_map(|row| &row[columns.clone()]).copied().collect()
}

/// Some columns of a source.
struct Columns<'a> {
    source: &'a dyn VectorSource,
    columns: Range<usize>,
}

impl VectorSource for Columns<'_> {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn dim(&self) -> usize {
        self.columns.len()
    }

    fn rows(&self, range: Range<usize>) -> Result<Cow<'_, [f32]>, Error> {
        Ok(cut(&self.source.rows(range)?, self.source.dim(), self.columns.clone()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_coded_apart_and_put_together_again() {
        // Width 3 in two parts: columns 0 and 1, column 2.
        let x: Vec<f32> = (0..40).flat_map(|i| [(i % 2) as f32, 1.0, (i / 20) as f32 * 5.0]).collect();
        let settings = TokenSettings { levels: 2, codes: 2, iterations: 9, ..TokenSettings::default() };
        for mini_batch in [0, 7] {
            let settings = TokenSettings { mini_batch, ..settings.clone() };
            let product = Product::fit(&settings, &Rows::new(&x, 3), 1).unwrap();
            let ids = product.encode(&x).unwrap();
            assert_eq!(product.decode(&ids).unwrap(), x);
            assert!(ids.of(0)[0] != ids.of(1)[0] && ids.of(0)[1] == ids.of(1)[1]);
        }
    }

    #[test]
    fn columns_cover_the_vector_and_too_many_levels_are_refused() {
        let all: Vec<usize> = (0..4).flat_map(|part| columns(10, 4, part)).collect();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
        assert_eq!(columns(10, 4, 1), 3..6);
        let settings = TokenSettings { levels: 4, codes: 2, ..TokenSettings::default() };
        let said = Product::fit(&settings, &Rows::new(&[0.0; 12], 3), 1).unwrap_err().to_string();
        assert_eq!(said, "tokens.levels is 4, expected at most 3, the width of the vectors, for `product`");
    }
}
