//! RQ-VAE: residual codes of the latent vector of an autoencoder that is trained with them (TIGER: Rajput 2023, arXiv
//! 2305.05065, section 3.1; Zeghidour 2021, arXiv 2107.03312).
//!
//! Vectors are centred and scaled as a whole; one hidden layer a side; the codes follow the latent vectors as running means,
//! so the loss has the reconstruction and the commitment only. A fitted one encodes row by row, whatever stands beside.

mod codebooks;
mod network;
mod train;

use crate::nearest::{BLOCK, check_rows};
use crate::tokenizer::{Tokenizer, check_ids};
use crate::vectors::{check_finite, first_error};
use crate::{Error, ResidualKmeans, SemanticIds, TokenSettings, VectorSource};
use network::Autoencoder;
use rayon::prelude::*;
use semrank_nn::{Gelu, PackedLinear};

/// Rows of a task.
const TASK: usize = 4 * BLOCK;

/// An autoencoder with residual codes in its middle.
#[derive(Debug, Clone)]
pub struct RqVae {
    params: Vec<f32>,
    scale: Scale,
    maps: [PackedLinear; 4],
    codes: ResidualKmeans,
}

/// `(x - mean) / deviation` goes into the network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scale {
    pub(crate) mean: Vec<f32>,
    /// Root mean square of all centred numbers.
    pub(crate) deviation: f32,
}

/// Widths of the network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Widths {
    pub(crate) dim: usize,
    pub(crate) hidden: usize,
    pub(crate) latent: usize,
}

impl RqVae {
    /// Trains on a sample of `vectors`.
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::FewItems`], [`Error::NotFinite`], and those of the source.
    pub fn fit(settings: &TokenSettings, vectors: &dyn VectorSource, seed: u64) -> Result<Self, Error> {
        train::fit(settings, vectors, seed)
    }

    /// Puts a fitted one together; `codes` are of width `latent`.
    pub(crate) fn from_parts(widths: Widths, params: Vec<f32>, scale: Scale, codes: ResidualKmeans) -> Self {
        let network = Autoencoder::new(widths.dim, widths.hidden, widths.latent);
        let maps = network.maps.each_ref().map(|map| PackedLinear::new(map, &params));
        Self { params, scale, maps, codes }
    }

    /// Length of the parameters of a network of these widths.
    pub(crate) fn params_len(widths: Widths) -> usize {
        Autoencoder::new(widths.dim, widths.hidden, widths.latent).layout.len()
    }

    /// All parameters of the network, the scale, and the codes of the latent vectors.
    pub(crate) fn parts(&self) -> (&[f32], &Scale, &ResidualKmeans) {
        (&self.params, &self.scale, &self.codes)
    }

    /// The same codes, code `c` of level `l` called `labels[l][c]`.
    pub(crate) fn relabelled(&self, labels: &[Vec<u16>]) -> Self {
        Self { codes: self.codes.relabelled(labels), ..self.clone() }
    }

    /// Squared distances of what the codes of `prefix` leave of the latent vector to the codes of the next level.
    pub(crate) fn distances(&self, vector: &[f32], prefix: &[u16]) -> Vec<f32> {
        self.codes.distances(&self.latent(vector), prefix)
    }

    /// Latent vectors of rows.
    fn latent(&self, vectors: &[f32]) -> Vec<f32> {
        let mut x = vectors.to_vec();
        self.scale.apply(&mut x);
        run(&self.maps[..2], &x)
    }
}

impl Tokenizer for RqVae {
    fn levels(&self) -> usize {
        self.codes.levels()
    }

    fn codes(&self) -> usize {
        self.codes.codes()
    }

    fn dim(&self) -> usize {
        self.scale.mean.len()
    }

    fn encode(&self, vectors: &[f32]) -> Result<SemanticIds, Error> {
        let dim = self.dim();
        check_rows(vectors, dim)?;
        let tasks = vectors.par_chunks(TASK * dim).enumerate();
        let latent = tasks.map(|(task, vectors)| {
            check_finite(vectors, dim, task * TASK)?;
            Ok(self.latent(vectors))
        });
        self.codes.encode(&first_error(latent.collect())?.concat())
    }

    fn decode(&self, ids: &SemanticIds) -> Result<Vec<f32>, Error> {
        check_ids(self, ids)?;
        let latent = self.codes.decode(ids)?;
        let tasks = latent.par_chunks(TASK * self.codes.dim());
        let out: Vec<Vec<f32>> = tasks.map(|latent| run(&self.maps[2..], latent)).collect();
        let mut out = out.concat();
        self.scale.invert(&mut out);
        Ok(out)
    }
}

/// Two maps with an activation between.
fn run(maps: &[PackedLinear], x: &[f32]) -> Vec<f32> {
    let [first, second] = maps else { unreachable!("a side has two maps") };
    let rows = x.len() / first.inputs();
    let (mut hidden, mut out) = (vec![0.0; rows * first.outputs()], vec![0.0; rows * second.outputs()]);
    first.forward(x, Some(Gelu::Tanh), &mut hidden);
    second.forward(&hidden, None, &mut out);
    out
}

impl Scale {
    fn apply(&self, x: &mut [f32]) {
        for x in x.chunks_exact_mut(self.mean.len()) {
            x.iter_mut().zip(&self.mean).for_each(|(x, mean)| *x = (*x - mean) / self.deviation);
        }
    }

    fn invert(&self, x: &mut [f32]) {
        for x in x.chunks_exact_mut(self.mean.len()) {
            x.iter_mut().zip(&self.mean).for_each(|(x, mean)| *x = *x * self.deviation + mean);
        }
    }
}

#[cfg(test)]
mod tests;
