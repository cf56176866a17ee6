//! Predictions against clicks, and how long answers took.

use super::collect::Collector;
use super::{Calibration, Latency};
use crate::quantile::interpolated;
use std::collections::BTreeMap;

/// By arm, and by arm and first source.
pub(super) fn calibration(collector: &Collector) -> Vec<Calibration> {
    let mut sums: BTreeMap<(usize, Option<&str>), (u64, f64, u64)> = BTreeMap::new();
    let text = |source: u32| collector.names.text(source);
    let mut shown: Vec<_> = collector.shown.iter().collect();
    shown.sort_unstable_by_key(|(key, _)| **key);
    for (key, item) in shown {
        let clicked = u64::from(collector.clicked.contains(key));
        let keys = [Some(None), item.source.map(|source| Some(text(source)))];
        for source in keys.into_iter().flatten() {
            let sum = sums.entry((item.arm, source)).or_default();
            *sum = (sum.0 + 1, sum.1 + item.probability, sum.2 + clicked);
        }
    }
    let row =
        |((arm, source), (shown, predicted, clicks)): ((usize, Option<&str>), (u64, f64, u64))| Calibration {
            arm: collector.definition.arms[arm].name.clone(),
            source: source.map(str::to_owned),
            shown,
            predicted,
            clicks,
            ratio: (clicks > 0).then(|| predicted / clicks as f64),
        };
    sums.into_iter().map(row).collect()
}

/// By arm, with and without the work for the other arms.
pub(super) fn latency(collector: &Collector) -> Vec<Latency> {
    let mut by_arm: BTreeMap<(usize, bool), Vec<f64>> = BTreeMap::new();
    for (arm, shadowed, micros) in collector.micros.values() {
        by_arm.entry((*arm, *shadowed)).or_default().push(*micros as f64 / 1_000.0);
    }
    let row = |((arm, shadowed), times): ((usize, bool), Vec<f64>)| {
        let at = |q: f64| interpolated(&times, q).unwrap_or(f64::NAN);
        let arm = collector.definition.arms[arm].name.clone();
        Latency { arm, shadowed, answers: times.len() as u64, p50_ms: at(0.5), p99_ms: at(0.99) }
    };
    by_arm.into_iter().map(row).collect()
}
