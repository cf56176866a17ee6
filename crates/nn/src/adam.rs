//! AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) over a flat vector, gradient clipping, and the learning-rate
//! schedule.

use crate::{Scalar, kernel};
use rayon::prelude::*;

/// Parameters of one task.
const CHUNK: usize = 1 << 15;

/// Hyper-parameters of one step, the learning rate of that step included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub rate: f64,
    /// Decay of the first moment.
    pub beta_1: f64,
    /// Decay of the second moment.
    pub beta_2: f64,
    /// Added to the denominator.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { rate: 1e-3, beta_1: 0.9, beta_2: 0.98, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// Moments of a parameter vector.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AdamState<T> {
    /// First moments.
    pub first: Vec<T>,
    /// Second moments.
    pub second: Vec<T>,
}

impl<T: Scalar> AdamState<T> {
    /// Zero moments for `len` parameters.
    pub fn new(len: usize) -> Self {
        Self { first: vec![T::ZERO; len], second: vec![T::ZERO; len] }
    }

    /// Updates all parameters. `step` counts from 1; gradients are multiplied by `factor` first (clipping).
    ///
    /// # Panics
    /// When lengths differ, and for step 0, whose correction would divide by 0.
    pub fn update(&mut self, adam: &Adam, step: u64, factor: T, grads: &[T], params: &mut [T]) {
        assert!(step > 0, "steps are counted from 1");
        assert!(grads.len() == params.len() && self.first.len() == params.len());
        let moments = self.first.par_chunks_mut(CHUNK).zip(self.second.par_chunks_mut(CHUNK));
        params.par_chunks_mut(CHUNK).zip(grads.par_chunks(CHUNK)).zip(moments).for_each(
            |((params, grads), (first, second))| update(adam, step, factor, grads, first, second, params),
        );
    }
}

kernel! {
    /// One AdamW step over slices of one length; `step` counts from 1.
    pub(crate) fn update<T: Scalar>(
        adam: &Adam, step: u64, factor: T, grads: &[T], first: &mut [T], second: &mut [T], params: &mut [T],
    ) {
        let power = step.min(i32::MAX as u64) as i32;
        let (b1, b2) = (T::from_f64(adam.beta_1), T::from_f64(adam.beta_2));
        let (a1, a2) = (T::from_f64(1.0 - adam.beta_1), T::from_f64(1.0 - adam.beta_2));
        let rate = T::from_f64(adam.rate / (1.0 - adam.beta_1.powi(power)));
        let correction = T::from_f64(1.0 / (1.0 - adam.beta_2.powi(power)));
        let (epsilon, shrink) = (T::from_f64(adam.epsilon), T::from_f64(1.0 - adam.rate * adam.weight_decay));
        for (((p, &g), m), v) in params.iter_mut().zip(grads).zip(first).zip(second) {
            let g = g * factor;
            *m = b1 * *m + a1 * g;
            *v = b2 * *v + a2 * g * g;
            *p = *p * shrink - rate * *m / ((*v * correction).sqrt() + epsilon);
        }
    }
}

/// The factor that brings a gradient whose squared norm is `squared` to at most `limit`; 1 where `limit` is 0.
pub fn clip_factor(squared: f64, limit: f64) -> f64 {
    let norm = squared.sqrt();
    if limit > 0.0 && norm > limit { limit / norm } else { 1.0 }
}

/// Linear warm-up, then linear decay to a share of the peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Peak learning rate.
    pub peak: f64,
    /// Steps of warm-up.
    pub warmup_steps: u64,
    /// All steps, warm-up included.
    pub total_steps: u64,
    /// Share of the peak that is left at the end.
    pub final_share: f64,
}

impl Schedule {
    /// The rate of a step, counted from 1.
    ///
    /// ```
    /// use semrank_nn::Schedule;
    /// let s = Schedule { peak: 1.0, warmup_steps: 10, total_steps: 110, final_share: 0.1 };
    /// assert_eq!((s.rate(5), s.rate(10), s.rate(60)), (0.5, 1.0, 0.55));
    /// assert!((s.rate(110) - 0.1).abs() < 1e-12 && (s.rate(500) - 0.1).abs() < 1e-12);
    /// let at_once = Schedule { warmup_steps: 0, ..s };
    /// assert_eq!((at_once.rate(1), at_once.rate(55)), (1.0 - 0.9 / 110.0, 0.55));
    /// ```
    ///
    /// # Panics
    /// For step 0, whose rate would be 0, or without warm-up no number.
    pub fn rate(&self, step: u64) -> f64 {
        assert!(step > 0, "steps are counted from 1");
        if step <= self.warmup_steps {
            return self.peak * step as f64 / self.warmup_steps as f64;
        }
        let span = self.total_steps.saturating_sub(self.warmup_steps).max(1);
        let done = ((step - self.warmup_steps) as f64 / span as f64).min(1.0);
        self.peak * (1.0 - done * (1.0 - self.final_share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_steps_agree_with_the_paper() {
        let adam = Adam { rate: 0.1, weight_decay: 0.01, ..Adam::default() };
        let (mut params, mut state) = (vec![1.0f64, -2.0], AdamState::new(2));
        for (step, grads) in [[0.5, -1.0], [0.25, 2.0], [-1.0, 0.1]].iter().enumerate() {
            state.update(&adam, step as u64 + 1, 1.0, grads, &mut params);
        }
        let expected = reference();
        assert!(
            (params[0] - expected[0]).abs() < 1e-12 && (params[1] - expected[1]).abs() < 1e-12,
            "{params:?}"
        );
    }

    /// Algorithm 2 of the paper, written out.
    fn reference() -> [f64; 2] {
        let mut params = [1.0, -2.0];
        let (mut m, mut v) = ([0.0; 2], [0.0; 2]);
        for (t, grads) in [[0.5, -1.0], [0.25, 2.0], [-1.0, 0.1]].iter().enumerate() {
            for i in 0..2 {
                m[i] = 0.9 * m[i] + 0.1 * grads[i];
                v[i] = 0.98 * v[i] + 0.02 * grads[i] * grads[i];
                let m_hat = m[i] / (1.0 - 0.9f64.powi(t as i32 + 1));
                let v_hat: f64 = v[i] / (1.0 - 0.98f64.powi(t as i32 + 1));
                params[i] -= 0.1 * (m_hat / (v_hat.sqrt() + 1e-8) + 0.01 * params[i]);
            }
        }
        params
    }

    #[test]
    fn every_step_of_every_schedule_has_a_rate_above_zero() {
        for warmup_steps in [0, 1, 7, 100] {
            for total_steps in [0, 1, 20, u64::MAX] {
                let schedule = Schedule { peak: 0.3, warmup_steps, total_steps, final_share: 0.1 };
                for step in [1, 2, 7, 8, 20, 100, 101, u64::MAX] {
                    let rate = schedule.rate(step);
                    assert!(rate > 0.0 && rate <= 0.3 + 1e-12, "{rate} at step {step} of {schedule:?}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "counted from 1")]
    fn there_is_no_step_zero() {
        Schedule { peak: 1.0, warmup_steps: 0, total_steps: 10, final_share: 0.1 }.rate(0);
    }

    #[test]
    fn clipping_brings_the_norm_to_the_limit() {
        assert_eq!(clip_factor(4.0, 1.0), 0.5);
        assert_eq!(clip_factor(0.25, 1.0), 1.0);
        assert_eq!(clip_factor(4.0, 0.0), 1.0);
    }
}
