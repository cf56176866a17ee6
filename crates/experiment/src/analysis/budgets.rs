//! Spend by campaign -> how much of it is limited, and pairs of campaigns.
//!
//! Where both arms draw from one budget, what one arm wins the other loses: a user split then counts the gain about twice. With the budget
//! split every campaign has its own budget in each arm, and is a pair (Liu, Mao & Kang, arXiv 2012.08724).

use super::collect::{Amount, Collector};
use super::table::Table;
use super::{Budgets, Estimate};
use crate::definition::Design;
use crate::estimate::Effect;
use crate::few::paired;
use std::collections::{BTreeMap, HashMap};

/// The budget panel; none where the definition has no budgets.
pub(super) fn budgets(collector: &Collector, table: &Table) -> Option<Budgets> {
    let definition = &collector.definition;
    definition.budget.as_ref()?;
    let arms = definition.arms.len();
    let mut by_campaign: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for one in ordered(&collector.spent) {
        if let Some((arm, _)) = table.units.get(&one.unit) {
            let campaign = collector.names.text(one.campaign);
            by_campaign.entry(campaign).or_insert_with(|| vec![0.0; arms])[*arm] += one.amount;
        }
    }
    let spend: Vec<f64> = (0..arms).map(|arm| by_campaign.values().map(|spent| spent[arm]).sum()).collect();
    let total: f64 = spend.iter().sum();
    let is_limited = |campaign: &str| collector.exhausted.contains(campaign);
    let limited: f64 =
        by_campaign.iter().filter(|(campaign, _)| is_limited(campaign)).flat_map(|(_, spent)| spent).sum();
    let ran_out = by_campaign.keys().filter(|campaign| is_limited(campaign)).count();
    let found = (1..arms).map(|treatment| pairs(collector, table, treatment));
    let (pairs, pair_lifts) = found.unzip();
    Some(Budgets {
        spend,
        limited_share: if total > 0.0 { limited / total } else { 0.0 },
        limited: (ran_out, by_campaign.len()),
        pairs,
        pair_lifts,
    })
}

/// Amounts in the order of their ids.
fn ordered(amounts: &HashMap<u64, Amount>) -> Vec<Amount> {
    let mut out: Vec<(u64, Amount)> = amounts.iter().map(|(id, amount)| (*id, *amount)).collect();
    out.sort_unstable_by_key(|(id, _)| *id);
    out.into_iter().map(|(_, amount)| amount).collect()
}

/// The primary metric by pairs of campaigns: its difference for each campaign per unit of an arm, summed, and relative.
fn pairs(collector: &Collector, table: &Table, treatment: usize) -> (Option<Estimate>, Option<Estimate>) {
    let definition = &collector.definition;
    if definition.design != Design::BudgetSplit {
        return (None, None);
    }
    let window = definition.primary().window_ms();
    let until = collector.as_of.saturating_sub(definition.settle_ms());
    let mut units = [0.0; 2];
    let side = |arm: usize| [0, treatment].iter().position(|of| *of == arm);
    for (arm, index) in table.units.values() {
        if let Some(side) = side(*arm).filter(|_| index.saturating_add(window) <= until) {
            units[side] += 1.0;
        }
    }
    let mut sums: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
    for one in ordered(&collector.earned) {
        let Some(&(arm, index)) = table.units.get(&one.unit) else { continue };
        let end = index.saturating_add(window);
        let counts = end <= until && (index..end).contains(&one.time);
        if let Some(side) = side(arm).filter(|_| counts) {
            sums.entry(collector.names.text(one.campaign)).or_default()[side] += one.amount / units[side];
        }
    }
    let campaigns = sums.len() as f64;
    let Ok(found) = paired(&sums.into_values().collect::<Vec<_>>()) else { return (None, None) };
    let whole = Effect {
        value: found.difference.value * campaigns,
        se: found.difference.se * campaigns,
        df: found.difference.df,
    };
    let estimate = |effect: &Effect| Estimate::at_the_end(effect, definition.alpha).ok();
    (estimate(&whole), estimate(&found.lift))
}
