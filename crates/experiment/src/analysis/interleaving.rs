//! Mixed lists -> which arm's list users prefer.
//!
//! Every unit counts once, for the arm that contributed more of what it clicked (the primary metric's numerator), so that heavy users
//! decide nothing alone: exact sign test, and the exact interval of the share of units that prefer treatment (Chapelle et al., TOIS 2012).

use super::collect::Collector;
use super::table::Table;
use super::{ArmValue, Comparison, Estimate, MetricResult};
use crate::error::Result;
use crate::interleave::preference;
use std::collections::BTreeMap;

/// The preference as the result of the primary metric: the share of units that prefer treatment, less one half.
pub(super) fn result(collector: &Collector, table: &Table) -> Result<MetricResult> {
    let (definition, metric) = (&collector.definition, collector.definition.primary());
    let mut balance: BTreeMap<u64, i64> = table.units.keys().map(|unit| (*unit, 0)).collect();
    for (pair, (unit, team)) in &collector.teams {
        if collector.credited.contains(pair)
            && let Some(balance) = balance.get_mut(unit)
        {
            *balance += if *team == 1 { 1 } else { -1 };
        }
    }
    let count = |of: fn(&i64) -> bool| balance.values().filter(|value| of(value)).count() as f64;
    let [wins, losses, ties] = [count(|b| *b > 0), count(|b| *b < 0), count(|b| *b == 0)];
    let arm = |(at, won): (usize, f64)| ArmValue {
        arm: definition.arms[at].name.clone(),
        matured: table.units.len() as u64,
        left_out: 0,
        value: f64::NAN,
        se: None,
        numerator: won,
        denominator: wins + losses,
    };
    let mut found = Comparison::empty(&definition.arms[1].name);
    match preference([wins, losses, ties], definition.alpha) {
        Ok(preferred) => {
            let value = preferred.win_share - 0.5;
            let se = (preferred.win_share * (1.0 - preferred.win_share) / (wins + losses)).sqrt();
            let interval = preferred.interval.map(|end| end - 0.5);
            found.absolute = Some(Estimate { value, se, interval, p: preferred.p });
        }
        Err(error) => found.missing = Some(error.to_string()),
    }
    Ok(MetricResult {
        name: format!("preference by {}", metric.name),
        role: metric.role,
        direction: metric.direction,
        method: "share of units that prefer treatment less one half, exact sign test over units".into(),
        cap: None,
        arms: [losses, wins].into_iter().enumerate().map(arm).collect(),
        comparisons: vec![found],
    })
}
