//! Assignment of units to arms: bucket = hash(salt, unit), ranges of buckets, namespaces.
//!
//! Every range starts where it starts at any coverage, so ramping up from 1 to 100 % never moves a unit (growthbook, "bucket ranges").
//!
//! ```
//! use semrank_experiment::assign::{choose, ranges};
//! assert_eq!(choose(0.3, &ranges(0.5, &[0.4, 0.6])), None); // arm 0 has 0..0.2 of its 0..0.4 so far
//! assert_eq!(choose(0.3, &ranges(1.0, &[0.4, 0.6])), Some(0));
//! ```

use crate::hash::{PLANOUT_SCALE, growthbook, murmur3, planout, wide};
use serde::{Deserialize, Serialize};

/// How a unit becomes a bucket in `[0, 1)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hash {
    /// 64 bits wide; two salts give independent buckets.
    #[default]
    Wide,
    /// growthbook, hash version 1.
    #[serde(rename = "growthbook-1")]
    GrowthBook1,
    /// growthbook, hash version 2.
    #[serde(rename = "growthbook-2")]
    GrowthBook2,
    /// PlanOut, parameter `arm`.
    #[serde(rename = "planout")]
    PlanOut,
    /// Optimizely: MurmurHash3 of unit then salt, 10,000 buckets.
    #[serde(rename = "murmur3")]
    Murmur3,
}

impl Hash {
    /// The bucket of a unit.
    pub fn bucket(self, salt: &str, unit: &str) -> f64 {
        match self {
            Self::Wide => (wide(salt, unit) >> 11) as f64 / (1_u64 << 53) as f64,
            Self::GrowthBook1 => growthbook(salt, unit, 1),
            Self::GrowthBook2 => growthbook(salt, unit, 2),
            Self::PlanOut => {
                planout(salt, "arm", unit) as f64 / (PLANOUT_SCALE as f64 * (1.0 + f64::EPSILON))
            }
            Self::Murmur3 => {
                (f64::from(murmur3(format!("{unit}{salt}").as_bytes(), 1)) / 4_294_967_296.0 * 10_000.0)
                    .floor()
                    / 10_000.0
            }
        }
    }
}

/// Bucket ranges `[start, end)` of the arms at a coverage; weights that do not sum to about 1 become equal ones.
pub fn ranges(coverage: f64, weights: &[f64]) -> Vec<(f64, f64)> {
    let coverage = if coverage.is_nan() { 0.0 } else { coverage.clamp(0.0, 1.0) };
    let sum: f64 = weights.iter().sum();
    let valid = (0.99..=1.01).contains(&sum) && weights.iter().all(|weight| *weight >= 0.0);
    let equal = 1.0 / weights.len() as f64;
    let place = |start: &mut f64, weight: &f64| {
        let (weight, from) = (if valid { *weight } else { equal }, *start);
        *start += weight;
        Some((from, from + coverage * weight))
    };
    weights.iter().scan(0.0, place).collect()
}

/// The arm whose range holds a bucket.
pub fn choose(bucket: f64, ranges: &[(f64, f64)]) -> Option<usize> {
    ranges.iter().position(|&(start, end)| bucket >= start && bucket < end)
}

/// A share of a namespace: experiments with disjoint ranges never share a unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Namespace {
    /// Name, the salt of the namespace.
    pub name: String,
    /// First bucket.
    pub start: f64,
    /// End, excluded.
    pub end: f64,
}

impl Namespace {
    /// Whether a unit belongs to the range (growthbook version 1 with seed `__name`).
    pub fn contains(&self, unit: &str) -> bool {
        let bucket = growthbook(&format!("__{}", self.name), unit, 1);
        self.start <= bucket && bucket < self.end
    }
}

/// How a phase of an experiment assigns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// Salt of the phase.
    pub salt: String,
    /// Hash function.
    pub hash: Hash,
    /// Weight of every arm; control first.
    pub weights: Vec<f64>,
    /// Share of units that take part.
    pub coverage: f64,
    /// Mutual exclusion.
    pub namespace: Option<Namespace>,
}

impl Assignment {
    /// The arm of a unit; none when the unit does not take part.
    pub fn arm(&self, unit: &str) -> Option<usize> {
        let inside = self.namespace.as_ref().is_none_or(|namespace| namespace.contains(unit));
        let bucket = || self.hash.bucket(&self.salt, unit);
        if inside { choose(bucket(), &ranges(self.coverage, &self.weights)) } else { None }
    }
}

/// PlanOut's random operators on `experiment.parameter.unit`.
pub mod planout_ops {
    use super::{PLANOUT_SCALE, planout};

    /// Uniform number in `low..=high`.
    pub fn float(experiment: &str, parameter: &str, unit: &str, low: f64, high: f64) -> f64 {
        low + (high - low) * (planout(experiment, parameter, unit) as f64 / PLANOUT_SCALE as f64)
    }

    /// Uniform whole number from `low` to `high`, both included; `low` when the range is empty.
    pub fn integer(experiment: &str, parameter: &str, unit: &str, low: i64, high: i64) -> i64 {
        let count = high.saturating_sub(low).saturating_add(1).max(1) as u64;
        low + (planout(experiment, parameter, unit) % count) as i64
    }

    /// 1 with probability `p`.
    pub fn bernoulli(experiment: &str, parameter: &str, unit: &str, p: f64) -> bool {
        float(experiment, parameter, unit, 0.0, 1.0) <= p
    }

    /// Index of a uniform choice among `count`.
    pub fn uniform_choice(experiment: &str, parameter: &str, unit: &str, count: usize) -> usize {
        (planout(experiment, parameter, unit) % count.max(1) as u64) as usize
    }

    /// Index of a choice with weights.
    pub fn weighted_choice(experiment: &str, parameter: &str, unit: &str, weights: &[f64]) -> usize {
        let stop = float(experiment, parameter, unit, 0.0, weights.iter().sum());
        let mut cumulated = weights.iter().scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        cumulated.position(|sum| stop <= sum).unwrap_or(weights.len().saturating_sub(1))
    }
}
