//! Training of an RQ-VAE: AdamW over shuffled batches of a sample, each cut into a fixed number of shards whose gradients are
//! added in order, so that a seed gives the same bytes on any number of threads.

use super::codebooks::{Codebooks, Given};
use super::network::{Autoencoder, Weights};
use super::{RqVae, Scale, Widths};
use crate::kmeans::Options;
use crate::vectors::{Chosen, LONGEST, first_error, sample};
use crate::{Error, ResidualKmeans, TokenSettings, VectorSource};
use rayon::prelude::*;
use semrank_core::Rng;
use semrank_nn::{Adam, AdamState, Schedule, clip_factor, kernel};

/// Parts of a step.
const SHARDS: usize = 4;
/// Largest norm of a step's gradient.
const CLIP: f64 = 1.0;
/// Share of the peak rate that is left at the end.
const FINAL_SHARE: f64 = 0.05;
/// Vectors whose latent vectors start and finish the codes, for each code.
const POINTS_PER_CODE: usize = 64;
/// Rows read at once.
const BLOCK: usize = 1024;

/// Everything that a step changes.
struct Training {
    network: Autoencoder,
    params: Vec<f32>,
    optimiser: AdamState<f32>,
    codebooks: Codebooks,
    weights: Weights<f32>,
    scale: Scale,
    /// Peak learning rate.
    rate: f64,
}

pub(super) fn fit(settings: &TokenSettings, vectors: &dyn VectorSource, seed: u64) -> Result<RqVae, Error> {
    settings.check_for(vectors.len())?;
    let widths = Widths { dim: vectors.dim(), hidden: settings.hidden, latent: settings.latent };
    let mut rows = sample(vectors.len(), settings.sample_size(vectors.len()), seed);
    let few = rows[..rows.len().min(settings.codes * POINTS_PER_CODE)].to_vec();
    let options = Options { iterations: 10, balanced: false, ..Options::new(settings, BLOCK, seed) };
    let scale = scale_of(&Chosen { source: vectors, rows: &few })?;
    let network = Autoencoder::new(widths.dim, widths.hidden, widths.latent);
    let params = network.layout.init(&Rng::new(seed, "tokens/rq-vae"));
    let z = latent(&network, &params, &scale, &Chosen { source: vectors, rows: &few })?;
    let mut training = Training {
        codebooks: Codebooks::start(settings.levels, z, widths.latent, options)?,
        optimiser: AdamState::new(params.len()),
        weights: Weights { share: 0.0, commitment: settings.commitment as f32 },
        network,
        params,
        scale,
        rate: settings.rate,
    };
    let steps = train(&mut training, settings, vectors, &mut rows, seed)?;
    let Training { network, params, codebooks, scale, .. } = training;
    let z = latent(&network, &params, &scale, &Chosen { source: vectors, rows: &few })?;
    check_latent(&z, settings.rate, steps)?;
    let codes = codebooks.finish(z, options)?;
    let codes = ResidualKmeans::from_parts(widths.latent, settings.codes, &codes, None);
    Ok(RqVae::from_parts(widths, params, scale, codes))
}

fn train(
    training: &mut Training,
    settings: &TokenSettings,
    vectors: &dyn VectorSource,
    rows: &mut [usize],
    seed: u64,
) -> Result<u64, Error> {
    let steps = rows.len().div_ceil(settings.batch) * settings.epochs;
    let schedule = Schedule {
        peak: settings.rate,
        warmup_steps: (steps / 20) as u64,
        total_steps: steps as u64,
        final_share: FINAL_SHARE,
    };
    let mut rng = Rng::new(seed, "tokens/rq-vae/batches");
    let mut step = 0;
    for _ in 0..settings.epochs {
        rng.shuffle(rows);
        for rows in rows.chunks(settings.batch) {
            step += 1;
            let adam = Adam { rate: schedule.rate(step), ..Adam::default() };
            training.step(&Chosen { source: vectors, rows }, &adam, step, settings.decay as f32, &mut rng)?;
        }
    }
    Ok(step)
}

/// Refuses latent vectors that no code can be near to.
fn check_latent(z: &[f32], rate: f64, step: u64) -> Result<(), Error> {
    match z.iter().find(|value| value.is_nan() || value.abs() > LONGEST) {
        Some(&value) => Err(diverged("latent value", value, rate, step)),
        None => Ok(()),
    }
}

fn diverged(what: &'static str, got: f32, rate: f64, step: u64) -> Error {
    Error::Diverged { what, got: f64::from(got), of: "the RQ-VAE", setting: "tokens.rate", rate, step }
}

impl Training {
    fn step(
        &mut self,
        batch: &Chosen,
        adam: &Adam,
        step: u64,
        decay: f32,
        rng: &mut Rng,
    ) -> Result<(), Error> {
        self.weights.share = 1.0 / batch.len() as f32;
        let rows = batch.len().div_ceil(SHARDS);
        let starts: Vec<usize> = (0..batch.len()).step_by(rows).collect();
        let shards = starts.into_par_iter().map(|first| {
            let x = batch.rows(first..batch.len().min(first + rows))?.into_owned();
            self.shard(x, step)
        });
        let (mut grads, mut given) = (vec![0.0; self.params.len()], Vec::new());
        for (shard_grads, shard_given) in first_error(shards.collect())? {
            kernel::add(&shard_grads, &mut grads);
            given.push(shard_given);
        }
        let squared: f64 = grads.iter().map(|&grad| f64::from(grad) * f64::from(grad)).sum();
        let factor = clip_factor(squared, CLIP) as f32;
        self.optimiser.update(adam, step, factor, &grads, &mut self.params);
        self.codebooks.follow(&given, decay, rng);
        Ok(())
    }

    /// Gradient of some rows of a batch, and the codes they were given.
    fn shard(&self, mut x: Vec<f32>, step: u64) -> Result<(Vec<f32>, Vec<Given>), Error> {
        self.scale.apply(&mut x);
        let encoded = self.network.encode(&self.params, &x);
        check_latent(&encoded.out, self.rate, step)?;
        let (quantised, given) = self.codebooks.quantise(&encoded.out);
        let mut grads = vec![0.0; self.params.len()];
        let loss = self.network.step(&self.params, &x, encoded, &quantised, self.weights, &mut grads);
        if loss.is_finite() { Ok((grads, given)) } else { Err(diverged("loss", loss, self.rate, step)) }
    }
}

/// Latent vectors of all rows.
fn latent(
    network: &Autoencoder,
    params: &[f32],
    scale: &Scale,
    rows: &dyn VectorSource,
) -> Result<Vec<f32>, Error> {
    let blocks = (0..rows.len()).into_par_iter().step_by(BLOCK);
    let latent = blocks.map(|first| {
        let mut x = rows.rows(first..rows.len().min(first + BLOCK))?.into_owned();
        scale.apply(&mut x);
        Ok(network.encode(params, &x).out)
    });
    Ok(first_error(latent.collect())?.concat())
}

/// Mean and deviation, added in order.
fn scale_of(rows: &dyn VectorSource) -> Result<Scale, Error> {
    let dim = rows.dim();
    let (mut sums, mut squares) = (vec![0.0; dim], 0.0);
    for first in (0..rows.len()).step_by(BLOCK) {
        for (i, &x) in rows.rows(first..rows.len().min(first + BLOCK))?.iter().enumerate() {
            sums[i % dim] += f64::from(x);
            squares += f64::from(x) * f64::from(x);
        }
    }
    let count = rows.len() as f64;
    let mean: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
    let of_mean: f64 = mean.iter().map(|mean| mean * mean).sum();
    let variance = ((squares / count - of_mean) / dim as f64).max(0.0);
    // Equal vectors have no spread; any scale will do.
    let deviation = if variance > 0.0 { variance.sqrt() as f32 } else { 1.0 };
    Ok(Scale { mean: mean.iter().map(|&mean| mean as f32).collect(), deviation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latent_values_that_no_code_can_be_near_to_end_the_training() {
        assert!(check_latent(&[0.0, -1e15], 1e-3, 7).is_ok());
        for value in [f32::NAN, f32::NEG_INFINITY, 1e16] {
            let said = check_latent(&[0.0, value], 1e-3, 7).unwrap_err();
            let number = f64::from(value);
            let expected = "in step 7 with tokens.rate=0.001: training has diverged";
            assert_eq!(said.to_string(), format!("the latent value of the RQ-VAE is {number} {expected}"));
            assert_eq!(said.help().as_deref(), Some("try a lower tokens.rate"));
        }
    }
}
