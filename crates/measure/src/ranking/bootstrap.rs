//! Rankings in, confidence intervals over their cases out: of one ranking's metrics, and of the difference of two rankings
//! in NDCG@10.
//!
//! The bootstrap draws as many cases as there are, with replacement, and averages over them. For a difference it is paired:
//! both rankings are averaged over the same draw, so what the cases have in common cancels (Efron & Tibshirani 1993,
//! percentile method; Sakai 2006 for retrieval metrics).
//!
//! ```
//! use semrank_measure::ranking::ndcg_difference;
//! let better = ndcg_difference(&[1; 50], &[3; 50], 0).unwrap();
//! assert_eq!((better.difference, better.low, better.high), (0.5, 0.5, 0.5)); // 1 - 1 / log2(4), in every case
//! ```
//!
//! A single case has no interval: every draw of it is that case.

use crate::RankMetrics;
use rayon::prelude::*;
use semrank_core::Rng;
use std::collections::BTreeMap;

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

/// Lower and upper ends of the 95 % intervals of a ranking's main figures.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SummaryIntervals {
    /// Of the share of cases whose target ranks within 10.
    #[serde(rename = "recall@10")]
    pub recall_10: [f64; 2],
    /// Of the normalised discounted cumulative gain at 10.
    #[serde(rename = "ndcg@10")]
    pub ndcg_10: [f64; 2],
}

/// Intervals of the mean figures of `ranks`, one per case; none for a single case.
///
/// ```
/// let found = semrank_measure::ranking::summary_intervals(&[1; 50], 0).unwrap();
/// assert_eq!((found.recall_10, found.ndcg_10), ([1.0, 1.0], [1.0, 1.0]));
/// ```
pub fn summary_intervals(ranks: &[u32], seed: u64) -> Option<SummaryIntervals> {
    let figures = |&rank: &u32| {
        let summary = RankMetrics::from_ranks([rank as usize]).summary();
        [summary.recall_10, summary.ndcg_10]
    };
    let [recall_10, ndcg_10] = intervals(&ranks.iter().map(figures).collect::<Vec<_>>(), seed)?;
    Some(SummaryIntervals { recall_10, ndcg_10 })
}

/// Mean NDCG@10 of ranks `a` less that of ranks `b`, case by case the same; none for a single case.
///
/// # Panics
/// When the numbers of ranks differ.
pub fn ndcg_difference(a: &[u32], b: &[u32], seed: u64) -> Option<Interval> {
    assert_eq!(a.len(), b.len(), "both rankings are of the same cases");
    let gain = |rank: u32| RankMetrics::from_ranks([rank as usize]).summary().ndcg_10;
    let gains: Vec<[f64; 1]> = a.iter().zip(b).map(|(&a, &b)| [gain(a) - gain(b)]).collect();
    let [[low, high]] = intervals(&gains, seed)?;
    let difference = gains.iter().map(|[gain]| gain).sum::<f64>() / gains.len() as f64;
    Some(Interval { difference, low, high })
}

/// Mean of `values`, one per case, with an interval that draws users with all their cases: `users` has each case's user. None where
/// there is a single user.
///
/// # Panics
/// When the numbers of cases differ.
pub fn mean_over_users(values: &[f64], users: &[u32], seed: u64) -> Option<Interval> {
    assert_eq!(values.len(), users.len(), "a user for each case");
    let mut of_users: BTreeMap<u32, [f64; 2]> = BTreeMap::new();
    for (value, user) in values.iter().zip(users) {
        let [sum, cases] = of_users.entry(*user).or_default();
        (*sum, *cases) = (*sum + value, *cases + 1.0);
    }
    let of_users: Vec<[f64; 2]> = of_users.into_values().collect();
    let mut means: Vec<f64> = draws(&of_users, seed)?.iter().map(|[sum, cases]| sum / cases).collect();
    let [low, high] = ends(&mut means);
    Some(Interval { difference: values.iter().sum::<f64>() / values.len() as f64, low, high })
}

/// Lower and upper end of the 95 % interval of a mean over cases; none for a single case.
pub fn mean_interval(values: &[f64], seed: u64) -> Option<[f64; 2]> {
    let cases: Vec<[f64; 1]> = values.iter().map(|&value| [value]).collect();
    intervals(&cases, seed).map(|[interval]| interval)
}

/// Percentile intervals of the means of several figures of cases, all from the same draws.
fn intervals<const N: usize>(cases: &[[f64; N]], seed: u64) -> Option<[[f64; 2]; N]> {
    let draws = draws(cases, seed)?;
    Some(std::array::from_fn(|figure| ends(&mut draws.iter().map(|means| means[figure]).collect::<Vec<_>>())))
}

/// Means of several figures over each draw of the cases; none for a single case.
fn draws<const N: usize>(cases: &[[f64; N]], seed: u64) -> Option<Vec<[f64; N]>> {
    if cases.len() < 2 {
        return None;
    }
    let streams = Rng::new(seed, "paired bootstrap");
    let draw = |resample: u64| {
        let (mut rng, mut sums) = (streams.fork(resample), [0.0; N]);
        for _ in 0..cases.len() {
            let case = &cases[rng.below(cases.len())];
            sums.iter_mut().zip(case).for_each(|(sum, figure)| *sum += figure);
        }
        sums.map(|sum| sum / cases.len() as f64)
    };
    Some((0..RESAMPLES as u64).into_par_iter().map(draw).collect())
}

/// The ends of the interval that holds all but a small share of some means.
fn ends(means: &mut [f64]) -> [f64; 2] {
    means.sort_by(f64::total_cmp);
    [OUTSIDE / 2.0, 1.0 - OUTSIDE / 2.0].map(|share| means[(share * (RESAMPLES - 1) as f64).round() as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_of_a_user_are_drawn_together() {
        let values: Vec<f64> = (0..4000).map(|case| f64::from(u8::from(case % 4 == 0))).collect();
        let alone: Vec<u32> = (0..4000).collect();
        let interval = mean_over_users(&values, &alone, 3).unwrap();
        assert_eq!(Some([interval.low, interval.high]), mean_interval(&values, 3));
        // Ten cases that are alike are one: the interval is wider by the root of ten.
        let alike: Vec<f64> = (0..4000).map(|case| f64::from(u8::from(case / 10 % 4 == 0))).collect();
        let of_tens: Vec<u32> = (0..4000).map(|case| case / 10).collect();
        let wide = mean_over_users(&alike, &of_tens, 3).unwrap();
        let ratio = (wide.high - wide.low) / (interval.high - interval.low);
        assert!((ratio / 10f64.sqrt() - 1.0).abs() < 0.1, "{ratio}");
        assert_eq!(mean_over_users(&[1.0, 2.0], &[5, 5], 3), None);
    }

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
        assert_eq!((summary_intervals(&[], 1), summary_intervals(&[1], 1)), (None, None));
    }

    #[test]
    fn the_interval_of_a_share_has_the_width_of_the_normal_approximation() {
        let n = 4000;
        let ranks: Vec<u32> = (0..n).map(|case| if case % 4 == 0 { 1 } else { 11 }).collect();
        let found = summary_intervals(&ranks, 7).unwrap();
        assert_eq!(found.recall_10, found.ndcg_10, "a hit at rank 1 counts as one in both");
        let half = 1.96 * (0.25f64 * 0.75 / n as f64).sqrt();
        let [low, high] = found.recall_10;
        assert!(
            (low - (0.25 - half)).abs() < 0.2 * half && (high - (0.25 + half)).abs() < 0.2 * half,
            "{found:?}"
        );
        assert_eq!(Some(found), summary_intervals(&ranks, 7), "the same seed, the same interval");
    }
}
