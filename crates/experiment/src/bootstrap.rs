//! The bootstrap of a two-arm contrast: all resamples enumerated for few units, or a seeded sample; percentile and BCa intervals.
//!
//! Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 and 14; acceleration of two samples: Davison & Hinkley,
//! Bootstrap Methods (1997), section 5.3.2.

use crate::distribution::{ln_choose, normal_lower, normal_quantile};
use crate::error::{Error, Result, all_finite, fraction};
use crate::estimate::Interval;
use crate::random::Stream;
use crate::special::ln_gamma;

/// What is compared between the arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// Difference of means.
    Mean,
    /// Difference of medians.
    Median,
    /// Mean of treatment over mean of control, less 1.
    Lift,
}

impl Statistic {
    fn of_arm(self, values: &[f64]) -> f64 {
        if self != Self::Median {
            return values.iter().sum::<f64>() / values.len() as f64;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let half = sorted.len() / 2;
        if sorted.len() % 2 == 1 { sorted[half] } else { 0.5 * (sorted[half - 1] + sorted[half]) }
    }

    fn contrast(self, control: f64, treatment: f64) -> f64 {
        if self == Self::Lift { treatment / control - 1.0 } else { treatment - control }
    }

    fn of(self, control: &[f64], treatment: &[f64]) -> f64 {
        self.contrast(self.of_arm(control), self.of_arm(treatment))
    }
}

/// The distribution of the contrast over resamples: sorted values with probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampled {
    /// The contrast of the data.
    pub estimate: f64,
    values: Vec<(f64, f64)>,
}

/// All `n^n` resamples of each arm.
///
/// # Errors
/// [`Error::TooFew`] without units, [`Error::TooMany`], [`Error::NotFinite`] (also for a lift over a control of 0).
pub fn enumerate(control: &[f64], treatment: &[f64], statistic: Statistic) -> Result<Resampled> {
    check(control, treatment)?;
    let distinct = |n: usize| ln_choose((2 * n - 1) as f64, n as f64).exp();
    let limited = |got: f64| match got {
        got if got > 3e7 => Err(Error::TooMany { what: "the exact bootstrap", got, limit: 3e7 }),
        _ => Ok(()),
    };
    limited(distinct(control.len()).max(distinct(treatment.len())))?;
    // Equal values join first: 8 units against 8 have 41 million pairs, but far fewer of different value.
    let (c, t) = (arm_distribution(control, statistic), arm_distribution(treatment, statistic));
    limited(c.len() as f64 * t.len() as f64)?;
    let pairs = c.iter().flat_map(|&(c, p)| t.iter().map(move |&(t, q)| (statistic.contrast(c, t), p * q)));
    Resampled::new(statistic.of(control, treatment), pairs.collect())
}

/// Seeded resamples of each arm.
///
/// # Errors
/// [`Error::TooFew`] without units, [`Error::NotFinite`].
pub fn resample(
    control: &[f64],
    treatment: &[f64],
    statistic: Statistic,
    resamples: usize,
    seed: u64,
) -> Result<Resampled> {
    check(control, treatment)?;
    let mut stream = Stream::new(seed);
    let mut draw = |arm: &[f64]| -> Vec<f64> { arm.iter().map(|_| arm[stream.below(arm.len())]).collect() };
    let share = 1.0 / resamples as f64;
    let values = (0..resamples).map(|_| (statistic.of(&draw(control), &draw(treatment)), share)).collect();
    Resampled::new(statistic.of(control, treatment), values)
}

fn check(control: &[f64], treatment: &[f64]) -> Result<()> {
    if control.len().min(treatment.len()) < 2 {
        let got = control.len().min(treatment.len());
        return Err(Error::TooFew { what: "an arm of the bootstrap", got, needed: 2 });
    }
    all_finite("a unit", control).and(all_finite("a unit", treatment))
}

/// Statistic of every multiset of the values with its probability.
fn arm_distribution(values: &[f64], statistic: Statistic) -> Vec<(f64, f64)> {
    let n = values.len();
    let ln_all = n as f64 * (n as f64).ln() - ln_gamma(n as f64 + 1.0);
    let mut out = Vec::new();
    let mut visit = |counts: &[usize]| {
        let resampled: Vec<f64> =
            counts.iter().zip(values).flat_map(|(&k, &v)| std::iter::repeat_n(v, k)).collect();
        let ln_ways: f64 = counts.iter().map(|&k| -ln_gamma(k as f64 + 1.0)).sum();
        out.push((statistic.of_arm(&resampled), (ln_ways - ln_all).exp()));
    };
    compositions(n, &mut vec![0; n], 0, &mut visit);
    merge_equal(out)
}

fn compositions(left: usize, counts: &mut Vec<usize>, at: usize, visit: &mut impl FnMut(&[usize])) {
    if at + 1 == counts.len() {
        counts[at] = left;
        return visit(counts);
    }
    for k in 0..=left {
        counts[at] = k;
        compositions(left - k, counts, at + 1, visit);
    }
}

/// Sorts, and joins values that differ by rounding only.
fn merge_equal(mut values: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out: Vec<(f64, f64)> = Vec::with_capacity(values.len());
    for (value, p) in values {
        match out.last_mut() {
            Some(last) if (value - last.0).abs() <= 1e-11 * value.abs().max(1e-3) => last.1 += p,
            _ => out.push((value, p)),
        }
    }
    out
}

impl Resampled {
    fn new(estimate: f64, values: Vec<(f64, f64)>) -> Result<Self> {
        values
            .iter()
            .try_for_each(|(value, _)| crate::error::finite("a resampled contrast", *value).map(drop))?;
        Ok(Self { estimate, values: merge_equal(values) })
    }

    /// Mean over resamples.
    pub fn mean(&self) -> f64 {
        self.values.iter().map(|(value, p)| value * p).sum()
    }

    /// Standard deviation over resamples.
    pub fn se(&self) -> f64 {
        let mean = self.mean();
        self.values.iter().map(|(value, p)| (value - mean).powi(2) * p).sum::<f64>().sqrt()
    }

    /// Different values.
    pub fn support(&self) -> usize {
        self.values.len()
    }

    /// The smallest value whose cumulative probability reaches `level`.
    pub fn quantile(&self, level: f64) -> f64 {
        let mut sum = 0.0;
        let reached = self.values.iter().find(|(_, p)| {
            sum += p;
            sum >= level - 1e-12
        });
        reached.or(self.values.last()).map_or(f64::NAN, |(value, _)| *value)
    }

    /// Percentile interval.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an alpha outside 0..1.
    pub fn percentile(&self, alpha: f64) -> Result<Interval> {
        let tail = fraction("alpha", alpha)? / 2.0;
        Ok(Interval { low: self.quantile(tail), high: self.quantile(1.0 - tail) })
    }

    /// Bias correction: the normal quantile of the share below the estimate, ties counted half.
    pub fn bias(&self) -> f64 {
        let tolerance = 1e-9 * self.estimate.abs().max(1e-3);
        let share = |(value, p): &(f64, f64)| match value - self.estimate {
            gap if gap < -tolerance => *p,
            gap if gap <= tolerance => 0.5 * p,
            _ => 0.0,
        };
        normal_quantile(self.values.iter().map(share).sum())
    }

    /// Levels of the BCa interval for an acceleration.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an alpha outside 0..1.
    pub fn bca_levels(&self, acceleration: f64, alpha: f64) -> Result<Interval> {
        let tail = fraction("alpha", alpha)? / 2.0;
        let bias = self.bias();
        let level = |z: f64| normal_lower(bias + (bias + z) / (1.0 - acceleration * (bias + z)));
        Ok(Interval { low: level(normal_quantile(tail)), high: level(-normal_quantile(tail)) })
    }

    /// BCa interval for an [`acceleration`].
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an alpha outside 0..1.
    pub fn bca(&self, acceleration: f64, alpha: f64) -> Result<Interval> {
        Ok(self.bca_levels(acceleration, alpha)?.map(|level| self.quantile(level)))
    }
}

/// Acceleration from the jackknife of both arms.
pub fn acceleration(control: &[f64], treatment: &[f64], statistic: Statistic) -> f64 {
    let without = |values: &[f64], at: usize| -> Vec<f64> {
        values.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, value)| *value).collect()
    };
    let in_control: Vec<f64> =
        (0..control.len()).map(|at| statistic.of(&without(control, at), treatment)).collect();
    let in_treatment: Vec<f64> =
        (0..treatment.len()).map(|at| statistic.of(control, &without(treatment, at))).collect();
    let (mut cubes, mut squares) = (0.0, 0.0);
    for jackknife in [in_control, in_treatment] {
        let n = jackknife.len() as f64;
        let mean = jackknife.iter().sum::<f64>() / n;
        for value in jackknife {
            let influence = (n - 1.0) * (mean - value) / n;
            cubes += influence.powi(3);
            squares += influence.powi(2);
        }
    }
    if squares > 0.0 { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 }
}
