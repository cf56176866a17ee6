//! Behaviour alignment: a small tower that turns content vectors into vectors in which items that people take together
//! are near, so that semantic ids reflect what people do with items and not only what the words say.
//!
//! `z = unit(GELU(x W1 + b1) W2 + b2)`, trained by in-batch contrastive loss (InfoNCE, van den Oord et al. 2018, arXiv
//! 1807.03748, eq. 4) on pairs of items taken one soon after the other: an item's partner is to be nearer than the
//! partners of all other pairs of the batch. In the family of two-tower content encoders (Yi et al. 2019, RecSys), with
//! one tower for both sides.
//!
//! ```
//! use semrank_tokens::{AlignSettings, Tower};
//! let contents = [1.0, 0.0, 0.9, 0.1, 0.0, 1.0, 0.1, 0.9]; // [4 items x 2]
//! let settings = AlignSettings { hidden: 8, width: 4, epochs: 2, ..AlignSettings::default() };
//! let tower = Tower::fit(&contents, 2, &[[0, 1], [2, 3]], &settings, 1, |_| ()).unwrap();
//! let mut aligned = vec![0.0; 4 * 4];
//! tower.forward(&contents, &mut aligned);
//! let length: f32 = aligned[..4].iter().map(|x| x * x).sum();
//! assert!((length - 1.0).abs() < 1e-5);
//! ```

use crate::vectors::check_finite;
use crate::{Error, check};
use rayon::prelude::*;
use semrank_core::{Rng, narrow};
use semrank_nn::{
    Adam, AdamState, Candidates, Dropout, Init, Layout, Linear, Masked, Scalar, Schedule, SoftmaxGrads,
    SoftmaxLoss,
    checkpoint::{self, Checkpoint, Tensor, Values},
    gelu, gelu_backward, kernel, unit_rows, unit_rows_backward,
};
use semrank_store::{hash_file, sealed};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Parts a step is cut into, whatever the number of threads.
const SHARDS: usize = 4;
const ROWS_PER_TASK: usize = 1024;
const FACTS: &str = "tower.json";
const TENSORS: &str = "tower.safetensors";

semrank_core::settings! {
    /// The tower that aligns content vectors with behaviour before they are quantised.
    pub struct AlignSettings of "align" {
        /// Whether vectors are aligned at all.
        enabled: bool = true,
        /// Width of the hidden layer.
        hidden: usize = 256, in 1..=16_384,
        /// Width of an aligned vector.
        width: usize = 32, in 1..=16_384,
        /// Dropout on the input and the hidden layer.
        dropout: f64 = 0.2, in 0.0..=0.99,
        /// Temperature of the contrastive loss.
        temperature: f64 = 0.07, in 1e-3..=100.0,
        /// Largest distance, in events, of two items that count as taken together.
        gap: usize = 2, in 1..=1_000_000,
        /// Pairs a step; each pair's partner competes with the partners of all others.
        batch: usize = 1024, in 1..=1_000_000,
        /// Most passes over all pairs.
        epochs: usize = 8, in 0..=1_000_000,
        /// Most steps, whatever the number of pairs.
        max_steps: u64 = 2000, in 0..=1_000_000_000,
        /// Peak learning rate.
        rate: f64 = 1e-3, in 1e-9..=1.0,
        /// Decoupled weight decay.
        weight_decay: f64 = 0.01, in 0.0..=100.0,
    }
}

/// A trained tower.
#[derive(Debug, Clone)]
pub struct Tower<T> {
    layout: Layout,
    /// All parameters; see [`Tower::layout`].
    pub params: Vec<T>,
    hidden: Linear,
    out: Linear,
}

/// Buffers of one part of a batch.
#[derive(Debug, Clone, Default)]
struct Part<T> {
    x: Vec<T>,
    u: Vec<T>,
    h: Vec<T>,
    dh: Vec<T>,
    grads: Vec<T>,
}

impl<T: Scalar> Tower<T> {
    /// A fresh tower for contents of width `inputs`.
    pub fn new(inputs: usize, settings: &AlignSettings, seed: u64) -> Self {
        let mut tower = Self::without_params(inputs, settings);
        tower.params = tower.layout.init(&Rng::new(seed, "tower"));
        tower
    }

    /// Its tensors' places only.
    fn without_params(inputs: usize, settings: &AlignSettings) -> Self {
        let mut layout = Layout::new();
        let he = |fan_in: usize| Init::Normal((2.0 / fan_in as f64).sqrt());
        let hidden = Linear::new(&mut layout, "hidden", inputs, settings.hidden, he(inputs));
        let out = Linear::new(&mut layout, "out", settings.hidden, settings.width, he(settings.hidden));
        Self { layout, params: Vec::new(), hidden, out }
    }

    /// Names and places of the parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Width of a content vector.
    pub fn inputs(&self) -> usize {
        self.hidden.weight.rows
    }

    /// Width of an aligned vector.
    pub fn width(&self) -> usize {
        self.out.weight.cols
    }

    /// Writes aligned vectors of length 1, `[items x width]`, given `[items x inputs]`; an item without content stays zero.
    pub fn forward(&self, contents: &[f32], out: &mut [T]) {
        let tasks = contents.par_chunks(ROWS_PER_TASK * self.inputs());
        out.par_chunks_mut(ROWS_PER_TASK * self.width()).zip(tasks).for_each_init(
            || (Part::default(), Vec::new(), Vec::new()),
            |(part, z, inverse), (out, contents)| {
                z.resize(out.len(), T::ZERO);
                inverse.resize(out.len() / self.width(), T::ZERO);
                part.x.clear();
                part.x.extend(contents.iter().map(|&value| T::from_f64(f64::from(value))));
                self.encode(part, Dropout::off(), z);
                unit_rows(self.width(), z, inverse, out);
                let rows = contents.chunks_exact(self.inputs()).zip(out.chunks_exact_mut(self.width()));
                rows.filter(|(content, _)| content.iter().all(|&x| x == 0.0))
                    .for_each(|(_, out)| out.fill(T::ZERO));
            },
        );
    }

    /// `z` before it gets length 1, from `part.x`; dropout site 1 is the input, site 2 the hidden layer.
    fn encode(&self, part: &mut Part<T>, dropout: Dropout, z: &mut [T]) {
        let rows = part.x.len() / self.inputs();
        dropout.apply(0, &mut part.x);
        part.u.resize(rows * self.hidden.weight.cols, T::ZERO);
        part.h.resize(part.u.len(), T::ZERO);
        self.hidden.forward(&self.params, &part.x, &mut part.u);
        gelu(&part.u, &mut part.h);
        dropout.apply(part.x.len(), &mut part.h);
        self.out.forward(&self.params, &part.h, z);
    }

    /// Leaves the gradients of all parameters in `part.grads`, given `dz`.
    fn encode_backward(&self, part: &mut Part<T>, dropout: Dropout, dz: &[T]) {
        part.grads.clear();
        part.grads.resize(self.params.len(), T::ZERO);
        part.dh.resize(part.h.len(), T::ZERO);
        self.out.backward(&self.params, &part.h, dz, &mut part.grads, &mut part.dh);
        dropout.apply(part.x.len(), &mut part.dh);
        gelu_backward(&part.u, &mut part.dh);
        self.hidden.backward_params(&part.x, &part.dh, &mut part.grads);
    }
}

impl Tower<f32> {
    /// Trains on pairs of rows of `contents` (`[items x inputs]`); `say` hears the mean loss of each epoch.
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::NotFinite`], [`Error::Diverged`].
    pub fn fit(
        contents: &[f32],
        inputs: usize,
        pairs: &[[u32; 2]],
        settings: &AlignSettings,
        seed: u64,
        mut say: impl FnMut(f64),
    ) -> Result<Self, Error> {
        settings.check()?;
        check_finite(contents, inputs, 0)?;
        let mut tower = Self::new(inputs, settings, seed);
        let rng = Rng::new(seed, "align");
        let batch = settings.batch.min(pairs.len()).max(1);
        let steps_per_epoch = (pairs.len() / batch) as u64;
        let total_steps = (steps_per_epoch * settings.epochs as u64).min(settings.max_steps);
        let schedule = Schedule { peak: settings.rate, warmup_steps: 20, total_steps, final_share: 0.03 };
        let mut moments = AdamState::new(tower.params.len());
        let mut order: Vec<u32> = narrow::indices(pairs.len()).collect();
        let mut step_of = Step::default();
        let (mut step, mut sum) = (0, 0.0);
        while step < total_steps {
            let at = (step % steps_per_epoch) as usize;
            if at == 0 {
                rng.fork(step << 1).shuffle(&mut order);
            }
            let chosen: Vec<[u32; 2]> =
                order[at * batch..(at + 1) * batch].iter().map(|&pair| pairs[pair as usize]).collect();
            let key = rng.fork(step << 1 | 1).next_u64();
            let loss = step_of.gradients(&tower, contents, &chosen, settings, key);
            step += 1;
            if !loss.is_finite() {
                return Err(settings.diverged(("loss", loss), step));
            }
            let rate = schedule.rate(step);
            let adam = Adam { rate, weight_decay: settings.weight_decay, ..Adam::default() };
            moments.update(&adam, step, 1.0, &step_of.grads, &mut tower.params);
            sum += loss;
            if at + 1 == steps_per_epoch as usize || step == total_steps {
                say(sum / (at + 1) as f64);
                sum = 0.0;
            }
        }
        // The last step has no next one whose loss would tell.
        match tower.params.iter().find(|param| !param.is_finite()) {
            Some(&param) => Err(settings.diverged(("parameter", f64::from(param)), step)),
            None => Ok(tower),
        }
    }
}

impl AlignSettings {
    fn diverged(&self, (what, got): (&'static str, f64), step: u64) -> Error {
        Error::Diverged { what, got, of: "the alignment tower", setting: "align.rate", rate: self.rate, step }
    }
}

/// `tower.json`.
#[derive(Serialize, Deserialize)]
struct Facts {
    inputs: usize,
    features: String,
    settings: AlignSettings,
    tensors_blake3: String,
}

impl Facts {
    /// Refuses numbers that no tower has; `path` is where they were read.
    fn check(&self, path: &Path) -> Result<(), Error> {
        self.settings.check().map_err(|error| Error::damaged(path, error.to_string()))?;
        check::widths(path, [self.inputs, self.settings.hidden, self.settings.width])
    }
}

impl Tower<f32> {
    /// Writes the tower, trained on features of this fingerprint, into an existing folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, dir: &Path, settings: &AlignSettings, features: &str) -> Result<(), Error> {
        let path = dir.join(TENSORS);
        let entries = self.layout.entries().iter();
        let tensors: Vec<Tensor> = entries
            .map(|entry| Tensor {
                name: &entry.name,
                shape: [entry.slot.rows, entry.slot.cols],
                values: Values::F32(entry.slot.of(&self.params)),
            })
            .collect();
        checkpoint::save(&path, &tensors)?;
        let tensors_blake3 = hash_file(&path)?;
        let (inputs, features, settings) = (self.inputs(), features.to_owned(), settings.clone());
        sealed::write(&dir.join(FACTS), &Facts { inputs, features, settings, tensors_blake3 })?;
        Ok(())
    }

    /// Reads a tower for features of this fingerprint.
    ///
    /// # Errors
    /// [`Error::Damaged`] where a file was cut short or altered, [`Error::Fingerprint`] for other features.
    pub fn open(dir: &Path, features: &str) -> Result<Self, Error> {
        let (facts, _): (Facts, String) = sealed::read(&dir.join(FACTS))?;
        facts.check(&dir.join(FACTS))?;
        if facts.features != features {
            return Err(Error::Fingerprint { got: features.to_owned(), expected: facts.features });
        }
        let path = dir.join(TENSORS);
        let got = hash_file(&path)?;
        if got != facts.tensors_blake3 {
            return Err(Error::damaged(
                &path,
                format!("it has the hash {got}, not {}", facts.tensors_blake3),
            ));
        }
        let mut tower = Self::without_params(facts.inputs, &facts.settings);
        let file = Checkpoint::open(&path)?;
        for entry in tower.layout.entries() {
            tower.params.extend(file.f32s(&entry.name, [entry.slot.rows, entry.slot.cols])?);
        }
        Ok(tower)
    }
}

/// Buffers of a training step, kept between steps.
#[derive(Debug, Default)]
struct Step<T> {
    parts: Vec<Part<T>>,
    z: Vec<T>,
    unit: Vec<T>,
    inverse: Vec<T>,
    dz: Vec<T>,
    grads: Vec<T>,
}

impl<T: Scalar> Step<T> {
    /// Mean loss of a batch of pairs; its gradients are left in `self.grads`. First items ask, second items answer.
    fn gradients(
        &mut self,
        tower: &Tower<T>,
        contents: &[f32],
        pairs: &[[u32; 2]],
        settings: &AlignSettings,
        key: u64,
    ) -> f64 {
        let (width, inputs) = (tower.width(), tower.inputs());
        let rows: Vec<u32> = (0..2).flat_map(|side| pairs.iter().map(move |pair| pair[side])).collect();
        let len = rows.len().div_ceil(SHARDS);
        let dropout = |shard: usize| Dropout::new(settings.dropout, key.wrapping_add((shard as u64) << 40));
        self.z.resize(rows.len() * width, T::ZERO);
        self.unit.resize(self.z.len(), T::ZERO);
        self.inverse.resize(rows.len(), T::ZERO);
        self.parts.resize_with(rows.len().div_ceil(len), Part::default);
        self.parts
            .par_iter_mut()
            .zip(rows.par_chunks(len))
            .zip(self.z.par_chunks_mut(len * width))
            .zip(self.unit.par_chunks_mut(len * width).zip(self.inverse.par_chunks_mut(len)))
            .enumerate()
            .for_each(|(shard, (((part, rows), z), (unit, inverse)))| {
                part.x.clear();
                for &row in rows {
                    let content = &contents[row as usize * inputs..][..inputs];
                    part.x.extend(content.iter().map(|&value| T::from_f64(f64::from(value))));
                }
                tower.encode(part, dropout(shard), z);
                unit_rows(width, z, inverse, unit);
            });
        let loss = self.loss(width, pairs, settings);
        unit_rows_backward(width, &self.unit, &self.inverse, &mut self.dz);
        self.parts
            .par_iter_mut()
            .zip(self.dz.par_chunks(len * width))
            .enumerate()
            .for_each(|(shard, (part, dz))| tower.encode_backward(part, dropout(shard), dz));
        self.grads.clear();
        self.grads.resize(tower.params.len(), T::ZERO);
        self.parts.iter().for_each(|part| kernel::add(&part.grads, &mut self.grads));
        loss
    }

    /// Mean loss; leaves the gradient of the unit vectors in `self.dz`.
    fn loss(&mut self, width: usize, pairs: &[[u32; 2]], settings: &AlignSettings) -> f64 {
        let (queries, partners) = self.unit.split_at(pairs.len() * width);
        self.dz.clear();
        self.dz.resize(self.unit.len(), T::ZERO);
        let (dqueries, dpartners) = self.dz.split_at_mut(pairs.len() * width);
        let bias = vec![T::ZERO; pairs.len()];
        let rows = pairs.len().div_ceil(SHARDS);
        let parts: Vec<(f64, Vec<T>)> = queries
            .par_chunks(rows * width)
            .zip(dqueries.par_chunks_mut(rows * width))
            .enumerate()
            .map(|(shard, (queries, dqueries))| {
                let first = shard * rows;
                let positions = queries.len() / width;
                let targets: Vec<u32> = (narrow::index(first)..narrow::count(first + positions)).collect();
                let masked = same_items(&pairs[first..first + positions], pairs);
                let mut dcandidates = vec![T::ZERO; partners.len()];
                let mut ditems = vec![T::ZERO; partners.len()];
                let loss = SoftmaxLoss {
                    dim: width,
                    queries,
                    targets: &targets,
                    items: partners,
                    candidates: Candidates { vectors: partners, bias: &bias },
                    masked: &masked,
                    seen: &Masked::default(),
                    target_seen: &[],
                    scale: T::from_f64(1.0 / settings.temperature),
                    seen_bias: T::ZERO,
                    weight: T::from_f64(1.0 / pairs.len() as f64),
                    weights: &[],
                };
                let mut grads = SoftmaxGrads {
                    queries: dqueries,
                    items: &mut ditems,
                    candidates: &mut dcandidates,
                    scale: T::ZERO,
                    seen_bias: T::ZERO,
                };
                let sum = loss.forward_backward(&mut grads, &mut Vec::new());
                kernel::add(&ditems, &mut dcandidates);
                (sum, dcandidates)
            })
            .collect();
        parts.iter().for_each(|(_, part)| kernel::add(part, dpartners));
        parts.iter().map(|(sum, _)| sum).sum::<f64>() / pairs.len() as f64
    }
}

/// For each of `asking` the pairs whose partner is one of its own two items: they are no negatives.
fn same_items(asking: &[[u32; 2]], pairs: &[[u32; 2]]) -> Masked {
    let mut by_partner: Vec<(u32, u32)> =
        pairs.iter().enumerate().map(|(at, pair)| (pair[1], narrow::index(at))).collect();
    by_partner.sort_unstable();
    let mut masked = Masked::default();
    masked.clear();
    for pair in asking {
        for item in pair {
            let start = by_partner.partition_point(|entry| entry.0 < *item);
            let same = by_partner[start..].iter().take_while(|entry| entry.0 == *item);
            masked.indices.extend(same.map(|entry| entry.1));
        }
        masked.end_position();
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIRS: [[u32; 2]; 5] = [[0, 1], [2, 3], [4, 5], [1, 0], [5, 2]];

    fn contents() -> Vec<f32> {
        let mut rng = Rng::new(3, "contents");
        (0..6 * 12).map(|_| rng.normal() as f32).collect()
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let settings = AlignSettings { hidden: 5, width: 3, ..AlignSettings::default() };
        let contents = contents();
        let mut tower = Tower::<f64>::new(12, &settings, 1);
        let mut step = Step::default();
        let loss =
            |tower: &Tower<f64>, step: &mut Step<f64>| step.gradients(tower, &contents, &PAIRS, &settings, 7);
        loss(&tower, &mut step);
        let grads = step.grads.clone();
        for entry in tower.layout().entries().to_vec() {
            assert!(entry.slot.of(&grads).iter().any(|&g| g != 0.0), "{} gets no gradient", entry.name);
        }
        for (at, &grad) in grads.iter().enumerate() {
            let (value, small) = (tower.params[at], 1e-6);
            tower.params[at] = value + small;
            let up = loss(&tower, &mut step);
            tower.params[at] = value - small;
            let down = loss(&tower, &mut step);
            tower.params[at] = value;
            let expected = (up - down) / (2.0 * small);
            let near = (grad - expected).abs() < 1e-6 * (1.0 + expected.abs());
            assert!(near, "parameter {at}: {grad} {expected}");
        }
    }

    #[test]
    fn a_training_that_diverges_names_its_rate() {
        let pairs: Vec<[u32; 2]> = PAIRS.repeat(20);
        // Both within their ranges: every step multiplies the parameters by 1 - rate · weight decay.
        let settings = AlignSettings { rate: 1.0, weight_decay: 100.0, batch: 5, ..AlignSettings::default() };
        let said = Tower::fit(&contents(), 12, &pairs, &settings, 1, |_| ()).unwrap_err().to_string();
        assert!(said.contains("of the alignment tower is"), "{said}");
        assert!(said.ends_with("with align.rate=1: training has diverged"), "{said}");
    }

    #[test]
    fn items_taken_together_become_neighbours() {
        // Contents say 0 and 1 are alike, behaviour says 0 and 2 (1 and 3) are.
        let contents =
            [[1.0, 0.0, 0.5, 0.0], [1.0, 0.0, 0.0, 0.5], [0.0, 1.0, 0.5, 0.0], [0.0, 1.0, 0.0, 0.5]];
        let pairs: Vec<[u32; 2]> = (0..64).map(|at| [[0, 2], [1, 3]][at % 2]).collect();
        let settings =
            AlignSettings { hidden: 16, width: 8, epochs: 200, batch: 16, ..AlignSettings::default() };
        let mut losses = Vec::new();
        let tower =
            Tower::fit(contents.as_flattened(), 4, &pairs, &settings, 1, |loss| losses.push(loss)).unwrap();
        let mut z = vec![0.0; 4 * 8];
        tower.forward(contents.as_flattened(), &mut z);
        let cosine = |a: usize, b: usize| kernel::dot(&z[a * 8..a * 8 + 8], &z[b * 8..b * 8 + 8]);
        assert!(cosine(0, 2) > cosine(0, 1) && cosine(1, 3) > cosine(1, 0), "{z:?}");
        assert!(losses.last() < losses.first());
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let settings = AlignSettings { hidden: 5, width: 3, ..AlignSettings::default() };
        let fit = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Tower::fit(&contents(), 12, &PAIRS, &settings, 1, |_| ()).unwrap().params)
        };
        assert_eq!(fit(1), fit(3));
    }

    #[test]
    fn facts_that_claim_more_than_the_tensors_are_refused_before_anything_is_allocated() {
        let dir = tempfile::tempdir().unwrap();
        let settings = AlignSettings { hidden: 8, width: 4, ..AlignSettings::default() };
        let tower = Tower::<f32>::new(6, &settings, 1);
        type Claim = fn(&mut Facts);
        let claims: [Claim; 4] = [
            |facts| facts.inputs = 1 << 62,
            |facts| (facts.inputs, facts.settings.hidden) = (1 << 20, 1 << 20),
            |facts| facts.settings.width = 0,
            |facts| facts.settings.hidden = 9,
        ];
        for claim in claims {
            tower.write(dir.path(), &settings, "features").unwrap();
            assert_eq!(Tower::open(dir.path(), "features").unwrap().params, tower.params);
            let (mut facts, _): (Facts, String) = sealed::read(&dir.path().join(FACTS)).unwrap();
            claim(&mut facts);
            sealed::write(&dir.path().join(FACTS), &facts).unwrap();
            let error = Tower::open(dir.path(), "features").unwrap_err();
            assert!(matches!(error, Error::Damaged { .. } | Error::Checkpoint(_)), "{error}");
        }
    }
}
