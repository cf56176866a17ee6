//! Two rankings of the same cases in, a confidence interval of their difference in NDCG@10 out.
//!
//! The paired bootstrap: cases are drawn with replacement and both rankings are averaged over the same draw, so what the
//! cases have in common cancels (Efron & Tibshirani 1993, percentile method; Sakai 2006 for retrieval metrics).
//!
//! ```
//! use semrank_measure::ranking::ndcg_difference;
//! let better = ndcg_difference(&[1; 50], &[3; 50], 0).unwrap();
//! assert_eq!((better.difference, better.low, better.high), (0.5, 0.5, 0.5)); // 1 - 1 / log2(4), in every case
//! ```

use crate::RankMetrics;
use rayon::prelude::*;
use semrank_core::Rng;

/// Draws of all cases.
const RESAMPLES: usize = 1000;
/// Probability outside the interval, half on each side.
const OUTSIDE: f64 = 0.05;

/// A difference with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// Over the cases as they are.
    pub difference: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Mean NDCG@10 of ranks `a` less that of ranks `b`, case by case the same; none for a single case, every draw of which is that
/// case.
///
/// # Panics
/// When the numbers of ranks differ.
pub fn ndcg_difference(a: &[u32], b: &[u32], seed: u64) -> Option<Interval> {
    assert_eq!(a.len(), b.len(), "both rankings are of the same cases");
    let gain = |rank: u32| RankMetrics::from_ranks([rank as usize]).summary().ndcg_10;
    let gains: Vec<f64> = a.iter().zip(b).map(|(&a, &b)| gain(a) - gain(b)).collect();
    if gains.len() < 2 {
        return None;
    }
    let mean = |sum: f64| sum / gains.len() as f64;
    let streams = Rng::new(seed, "paired bootstrap");
    let mut means: Vec<f64> = (0..RESAMPLES as u64)
        .into_par_iter()
        .map(|resample| {
            let mut rng = streams.fork(resample);
            mean((0..gains.len()).map(|_| gains[rng.below(gains.len())]).sum())
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[(share * (RESAMPLES - 1) as f64).round() as usize];
    let difference = mean(gains.iter().sum());
    Some(Interval { difference, low: at(OUTSIDE / 2.0), high: at(1.0 - OUTSIDE / 2.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The standard error of a mean is known, and the interval must be about 1.96 of it to each side.
    #[test]
    fn the_interval_has_the_width_of_the_normal_approximation() {
        let n = 4000;
        let a: Vec<u32> = (0..n).map(|case| if case % 4 == 0 { 1 } else { 11 }).collect();
        let interval = ndcg_difference(&a, &vec![11; n], 7).unwrap();
        let half = 1.96 * (0.25f64 * 0.75 / n as f64).sqrt();
        assert_eq!(interval.difference, 0.25);
        assert!((interval.low - (0.25 - half)).abs() < 0.2 * half, "{interval:?}");
        assert!((interval.high - (0.25 + half)).abs() < 0.2 * half, "{interval:?}");
        assert_eq!(Some(interval), ndcg_difference(&a, &vec![11; n], 7), "the same seed, the same interval");
    }

    #[test]
    fn pairing_cancels_what_the_rankings_share() {
        let a: Vec<u32> = (0..500).map(|case| 1 + case % 30).collect();
        let interval = ndcg_difference(&a, &a, 1);
        assert_eq!(interval, Some(Interval { difference: 0.0, low: 0.0, high: 0.0 }));
    }

    #[test]
    fn one_case_has_no_interval() {
        assert_eq!((ndcg_difference(&[], &[], 1), ndcg_difference(&[1], &[3], 1)), (None, None));
    }
}
