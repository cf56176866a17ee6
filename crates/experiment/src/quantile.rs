//! Quantiles with intervals of order statistics, adjusted for clusters; percentile caps.
//!
//! Deng, Knoblich & Lu, KDD 2018, section 4; Yao, Li & Lu 2024 (arXiv 2401.14549). The interval of order statistics `L, U = n (q -+ z
//! sqrt(q (1 - q) / n))` gives the variance `((y_U - y_L) / 2z)^2`; rows that come in clusters multiply it by the ratio of the cluster
//! variance of the indicator `y <= quantile` to `q (1 - q) / n`.

use crate::distribution::normal_upper_quantile;
use crate::error::{Error, Result, all_finite, fraction};
use crate::estimate::{Interval, Sample};
use crate::moments::Moments;
use std::collections::BTreeMap;

/// A quantile of one arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile {
    /// Rows.
    pub n: f64,
    /// The quantile.
    pub value: f64,
    /// The order statistics around it.
    pub outer: Interval,
}

impl Quantile {
    /// From the values of an arm; the `k`-th order statistic is the `ceil(k)`-th smallest.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a `q` or alpha outside 0..1, [`Error::NotFinite`], [`Error::TooFew`] when the interval reaches beyond the sample.
    pub fn of(values: &[f64], q: f64, alpha: f64) -> Result<Self> {
        fraction("q", q)?;
        let z = normal_upper_quantile(fraction("alpha", alpha)? / 2.0);
        all_finite("a value", values)?;
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len() as f64;
        let half = z * (q * (1.0 - q) / n).sqrt();
        let at = |share: f64| {
            // A product such as 100 * 0.07 lies a hair above 7.
            let rank = (n * share - 1e-9).ceil();
            let found = if rank >= 1.0 { sorted.get(rank as usize - 1) } else { None };
            let needed = (z * z * q.max(1.0 - q) / q.min(1.0 - q)).ceil() as usize + 1;
            found.copied().ok_or(Error::TooFew { what: "the arm of a quantile", got: sorted.len(), needed })
        };
        Ok(Self { n, value: at(q)?, outer: Interval { low: at(q - half)?, high: at(q + half)? } })
    }

    /// Variance of the quantile for independent rows, from an outer interval of level `1 - alpha`.
    ///
    /// # Errors
    /// [`Error::Tie`] when the interval has no width.
    pub fn variance(&self, alpha: f64) -> Result<f64> {
        let width = self.outer.high - self.outer.low;
        if !(width > 0.0) {
            return Err(Error::Tie);
        }
        let z = normal_upper_quantile(fraction("alpha", alpha)? / 2.0);
        Ok((width / (2.0 * z)).powi(2))
    }

    /// As a sample whose squared standard error is the variance times `(n - 1) / n` (gbstats).
    ///
    /// # Errors
    /// [`Error::Tie`].
    pub fn sample(&self, alpha: f64) -> Result<Sample> {
        Ok(Sample { n: self.n, value: self.value, variance: self.variance(alpha)? * (self.n - 1.0) })
    }
}

/// Factor by which clusters change the variance of a quantile: rows are `(cluster, value)`.
///
/// # Errors
/// [`Error::TooFew`] below two clusters.
pub fn cluster_factor(rows: &[(u64, f64)], quantile: f64, q: f64) -> Result<f64> {
    let mut clusters: BTreeMap<u64, [f64; 2]> = BTreeMap::new();
    for &(cluster, value) in rows {
        let counts = clusters.entry(cluster).or_default();
        counts[0] += f64::from(u8::from(value <= quantile));
        counts[1] += 1.0;
    }
    let moments = Moments::of_rows(2, clusters.values())?;
    let share = Sample::ratio(&moments, 0, 1)?;
    Ok(share.variance / share.n / (q * (1.0 - q) / rows.len() as f64))
}

/// The `q`-quantile with linear interpolation (Hyndman & Fan's type 7, numpy's default).
///
/// # Errors
/// [`Error::TooFew`] without values, [`Error::OutOfRange`] for a `q` outside 0..=1, [`Error::NotFinite`].
pub fn interpolated(values: &[f64], q: f64) -> Result<f64> {
    all_finite("a value", values)?;
    if !(0.0..=1.0).contains(&q) {
        return Err(Error::OutOfRange { what: "q", got: q, expected: "a number from 0 to 1" });
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last =
        sorted.len().checked_sub(1).ok_or(Error::TooFew { what: "the list of values", got: 0, needed: 1 })?;
    let place = q * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    Ok(sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64))
}

/// One cap for all arms: the `q`-quantile of their values together, with zeros or without.
///
/// # Errors
/// As [`interpolated`].
pub fn cap(arms: &[&[f64]], q: f64, ignore_zeros: bool) -> Result<f64> {
    let values: Vec<f64> = arms.iter().flat_map(|arm| arm.iter().copied()).collect();
    let kept: Vec<f64> = values.into_iter().filter(|&value| !ignore_zeros || value != 0.0).collect();
    interpolated(&kept, q)
}

/// Values above the cap set to it, and how many there were.
pub fn capped(values: &[f64], cap: f64) -> (Vec<f64>, usize) {
    (values.iter().map(|value| value.min(cap)).collect(), values.iter().filter(|&&value| value > cap).count())
}
