//! Training of the tower: AdamW on the contrastive loss of shuffled batches of pairs.

use super::loss::Step;
use super::{AlignSettings, Tower};
use crate::Error;
use crate::vectors::check_finite;
use semrank_core::{Rng, narrow};
use semrank_nn::{Adam, AdamState, Schedule};

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
