//! Off-policy estimates on the Open Bandit data, two policies that ran side by side: each estimate beside what the policy itself earned.

mod common;

use semrank_experiment::estimate::{Alternative, Effect};
use semrank_experiment::offpolicy::Weighted;
use std::collections::BTreeMap;

/// One shown item.
struct Shown {
    item: u64,
    slot: u64,
    click: f64,
    propensity: f64,
}

/// The log of a policy; none where the data is absent.
fn log(policy: &str) -> Option<Vec<Shown>> {
    let text = common::unpacked(&format!("open-bandit-sample/{policy}_all_all.csv.gz"))?;
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let place = |name: &str| header.iter().position(|column| *column == name).expect("the column");
    let [item, slot, click, propensity] = ["item_id", "position", "click", "propensity_score"].map(place);
    let row = |cells: Vec<&str>| Shown {
        item: cells[item].parse().expect("a number"),
        slot: cells[slot].parse().expect("a number"),
        click: cells[click].parse().expect("a number"),
        propensity: cells[propensity].parse().expect("a number"),
    };
    Some(lines.map(row).collect())
}

fn weighted<'a>(rows: impl IntoIterator<Item = &'a Shown>, target: impl Fn(&Shown) -> f64) -> Weighted {
    Weighted::new(rows.into_iter().map(|row| (row.click, row.propensity, target(row)))).expect("valid")
}

/// Clicks per impression of a policy that ran.
fn on_policy(rows: &[Shown]) -> f64 {
    rows.iter().map(|row| row.click).sum::<f64>() / rows.len() as f64
}

/// Estimate and interval to five digits.
fn printed(effect: &Effect, value: f64, low: f64, high: f64) {
    let ci = effect.interval(0.05, Alternative::TwoSided).expect("valid");
    for (got, expected) in [(effect.value, value), (ci.low, low), (ci.high, high)] {
        assert!((got - expected).abs() < 6e-6, "got {got}, expected {expected}");
    }
}

/// The random policy shows each of 80 items with the same probability at every slot.
#[test]
fn random_from_the_bts_log_is_exact() {
    let (Some(bts), Some(random)) = (log("bts"), log("random")) else { return };
    let found = weighted(&bts, |_| 1.0 / 80.0);
    printed(&found.ips().expect("rows"), 0.00236, 0.00065, 0.00407);
    assert!((found.snips().expect("weights").value - 0.00233).abs() < 6e-6);
    assert_eq!((found.effective().round(), bts.len()), (340.0, 10_000));
    found.check().expect("enough rounds");
    assert_eq!(on_policy(&random), 0.0038);
    let ci = found.ips().expect("rows").interval(0.05, Alternative::TwoSided).expect("valid");
    assert!(ci.contains(0.0038));
}

/// A third of the log is too little for a policy that differs so much.
#[test]
fn a_slot_alone_refuses() {
    let Some(bts) = log("bts") else { return };
    let by_slot = [1, 2, 3].map(|slot| weighted(bts.iter().filter(|row| row.slot == slot), |_| 1.0 / 80.0));
    let small: Vec<&Weighted> = by_slot.iter().filter(|slot| slot.effective() < 100.0).collect();
    println!("effective sizes by slot: {:?}", by_slot.each_ref().map(Weighted::effective));
    assert!(!small.is_empty());
    for slot in by_slot.iter() {
        assert_eq!(slot.check().is_err(), slot.effective() < 100.0 || slot.largest_share() > 0.1);
    }
    let refusal = small[0].check().expect_err("too few").to_string();
    assert!(refusal.contains("effective sample size") && refusal.contains("at least 100"), "{refusal}");
}

/// Approximate: the share of an item at a slot in the bts log stands for the policy, which in truth depends on the user and the day.
#[test]
fn bts_from_the_random_log_is_approximate() {
    let (Some(bts), Some(random)) = (log("bts"), log("random")) else { return };
    let (mut items, mut slots): (BTreeMap<(u64, u64), f64>, BTreeMap<u64, f64>) = Default::default();
    for row in &bts {
        *items.entry((row.slot, row.item)).or_default() += 1.0;
        *slots.entry(row.slot).or_default() += 1.0;
    }
    let share = |row: &Shown| items.get(&(row.slot, row.item)).map_or(0.0, |count| count / slots[&row.slot]);
    let found = weighted(&random, share);
    printed(&found.ips().expect("rows"), 0.00504, 0.00252, 0.00755);
    assert_eq!(found.effective().round(), 2_639.0);
    found.check().expect("enough rounds");
    assert_eq!(on_policy(&bts), 0.0042);
}
