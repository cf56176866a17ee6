//! Promises of the statistics on the simulated market, by replication: intervals cover the true effect of a launch, equal
//! arms raise as few alarms as they should, budgets bias a test of users and not a budget split, and wrong
//! counterfactuals are found.
//!
//! Slow (two minutes on one core): `cargo test -p semrank-sim --test trial_calibration -- --ignored --nocapture`
//!
//! **Which truth.** Every replication draws its users, their behaviour and the assignment anew; the ads stay. Its truth
//! is the effect on exactly its users, from both worlds. Welch's interval is made for users drawn from a
//! population; for the effect on the users at hand it is conservative by the variance of the users' own effects
//! (Neyman 1923). Both worlds share their random numbers, so that this variance is small and the coverage stays near
//! its level. The expected effect over many draws would be covered as well, but is known only up to the noise of its own
//! replications.

use semrank_experiment::counts::{Counts, Exposure};
use semrank_experiment::estimate::{Alternative, Effect, Sample, difference};
use semrank_experiment::few::paired;
use semrank_experiment::moments::Moments;
use semrank_experiment::relative::relative_delta;
use semrank_experiment::srm::{ALARM, sample_ratio};
use semrank_sim::{AdAction, AdMarketConfig, Design, Policies, Serving, TrialConfig, TrialLog, TrialWorld};
use std::collections::BTreeMap;

const REPLICATIONS: u64 = 400;

fn market() -> AdMarketConfig {
    AdMarketConfig {
        impressions: 20_000,
        days: 14,
        users: 400,
        topics: 6,
        ads: 180,
        conversion_rate: 0.2,
        ..AdMarketConfig::default()
    }
}

fn play(world: &TrialWorld) -> TrialLog {
    let Ok(log) = world.play(&mut Policies::new(world, Serving::Test));
    log
}

fn column(counts: &Counts, action: &str) -> usize {
    counts.actions.iter().position(|name| name == action).expect("an action that is counted")
}

/// Effect on the mean of an action per unit.
fn per_unit(counts: &Counts, action: &str) -> Effect {
    let sample = |arm: usize| Sample::mean(&counts.all[arm].moments, column(counts, action)).expect("users");
    difference(&sample(0), &sample(1)).expect("finite sums")
}

/// Effect on clicks per impression.
fn click_rate(counts: &Counts) -> Effect {
    let (clicks, shown) = (column(counts, "click"), column(counts, "impression"));
    let sample = |arm: usize| Sample::ratio(&counts.all[arm].moments, clicks, shown).expect("impressions");
    difference(&sample(0), &sample(1)).expect("finite sums")
}

fn covers(effect: Effect, truth: f64) -> bool {
    effect.interval(0.05, Alternative::TwoSided).expect("a level").contains(truth)
}

fn alarms(effect: Effect) -> bool {
    effect.p(Alternative::TwoSided).expect("users differ") < 0.05
}

/// The effects of a replication, in the order of [`METRICS`].
fn effects(counts: &Counts) -> [Effect; 3] {
    [per_unit(counts, "conversion"), per_unit(counts, "click"), click_rate(counts)]
}

const METRICS: [&str; 3] = ["conversions per user", "clicks per user", "clicks per impression"];

#[test]
#[ignore = "slow: 1,200 plays"]
fn intervals_cover_the_true_effect_of_the_market() {
    let config = TrialConfig { strength: 1.0, lag_hours: 48.0, ..TrialConfig::default() };
    let mut world = TrialWorld::new(market(), config).expect("possible settings");
    let (mut covered, mut found, mut lifts) = ([0; 3], [0; 3], [0.0; 3]);
    for seed in 1..=REPLICATIONS {
        world = world.with_seed(seed);
        let effects = effects(&world.count(&play(&world)).expect("finite sums"));
        let truth = world.truth().expect("finite sums");
        let truths =
            [truth.difference("conversion"), truth.difference("click"), truth.ratio("click", "impression")];
        for (metric, (effect, truth)) in effects.into_iter().zip(truths).enumerate() {
            let truth = truth.expect("users");
            covered[metric] += u32::from(covers(effect, truth));
            found[metric] += u32::from(alarms(effect));
            lifts[metric] += truth / REPLICATIONS as f64;
        }
    }
    for (metric, name) in METRICS.iter().enumerate() {
        println!(
            "{name}: true effect {:.5}, covered {} and found {} of {REPLICATIONS}",
            lifts[metric], covered[metric], found[metric]
        );
    }
    assert!(covered.iter().all(|covered| *covered >= 366), "{covered:?}");
}

#[test]
#[ignore = "slow: 400 plays"]
fn equal_arms_raise_few_alarms() {
    let config = TrialConfig { strength: 0.0, ..TrialConfig::default() };
    let mut world = TrialWorld::new(market(), config).expect("possible settings");
    let mut raised = [0; 3];
    for seed in 1..=REPLICATIONS {
        world = world.with_seed(seed);
        let counts = world.count(&play(&world)).expect("finite sums");
        for (raised, effect) in raised.iter_mut().zip(effects(&counts)) {
            *raised += u32::from(alarms(effect));
        }
    }
    METRICS
        .iter()
        .zip(raised)
        .for_each(|(name, raised)| println!("{name}: {raised} alarms of {REPLICATIONS}"));
    assert!(raised.iter().all(|raised| (7..=36).contains(raised)), "{raised:?}");
}

#[test]
#[ignore = "slow: 600 plays"]
fn intervals_of_a_switchback_cover_the_true_effect_per_block() {
    let config = TrialConfig {
        design: Design::Switchback,
        burn_in_minutes: 20,
        strength: 1.0,
        lag_hours: 48.0,
        ..TrialConfig::default()
    };
    let mut world = TrialWorld::new(market(), config).expect("possible settings");
    let (mut covered, mut width) = (0, 0.0);
    for seed in 1..=200 {
        world = world.with_seed(seed);
        let effect = per_unit(&world.count(&play(&world)).expect("finite sums"), "click");
        let truth = world.truth().expect("finite sums").difference("click").expect("blocks");
        covered += u32::from(covers(effect, truth));
        width += effect.se / truth / 200.0;
    }
    println!("clicks per block: covered {covered} of 200; standard error {width:.2} of the effect");
    // As 366 of 400, 3.2 standard deviations below the level.
    assert!(covered >= 180, "{covered} of 200");
}

/// Runs of the tests of budgets and of wrong counterfactuals.
const RUNS: u64 = 20;

/// Effect on the mean of an action per user, relative to control.
fn per_unit_relative(counts: &Counts, action: &str) -> Effect {
    let sample = |arm: usize| Sample::mean(&counts.all[arm].moments, column(counts, action)).expect("users");
    relative_delta(&sample(0), &sample(1)).expect("control spends")
}

#[test]
#[ignore = "slow: 80 plays of a larger market"]
fn budgets_double_the_effect_of_a_test_of_users_but_not_of_a_budget_split() {
    // Many users with few requests each. Which users are treated moves all campaigns of an arm together, and the
    // pairs' interval does not know of it: with 2,000 users instead of 16,000 it covered 16 of 20.
    let market = AdMarketConfig {
        impressions: 160_000,
        users: 16_000,
        days: 4,
        topics: 12,
        ads: 120,
        advertisers: 30,
        ..market()
    };
    let config = |design| TrialConfig {
        design,
        limited: 0.6,
        budget: 0.9,
        strength: 1.0,
        lag_hours: 120.0,
        entry_days: 2,
        window_days: 2,
        ..TrialConfig::default()
    };
    let new = |design| TrialWorld::new(market.clone(), config(design)).expect("possible settings");
    let (mut users, mut split) = (new(Design::User), new(Design::BudgetSplit));
    let (mut covered, mut user_covered) = (0, 0);
    let (mut truths, mut by_user, mut by_campaign, mut limited) = (0.0, 0.0, 0.0, 0.0);
    for seed in 1..=RUNS {
        (users, split) = (users.with_seed(seed), split.with_seed(seed));
        let log = play(&users);
        let of_users = per_unit_relative(&users.count(&log).expect("finite sums"), "spend");
        let of_pairs = paired(&play(&split).by_campaign(&split, "spend")).expect("campaigns spend").lift;
        let truth = users.truth().expect("finite sums");
        let (whole, per_user) =
            (truth.relative_of_campaigns(&users, "spend"), truth.relative("spend").expect("users"));
        println!(
            "seed {seed}: truth {per_user:.3} per user, {whole:.3} in all; users {:.3} +- {:.3}; pairs {:.3} +- {:.3}",
            of_users.value, of_users.se, of_pairs.value, of_pairs.se
        );
        covered += u32::from(covers(of_pairs, whole));
        user_covered += u32::from(covers(of_users, per_user));
        let share = 1.0 / RUNS as f64;
        truths += share * whole;
        by_user += share * of_users.value;
        by_campaign += share * of_pairs.value;
        limited += share * log.limited_share(&users);
    }
    println!(
        "true lift of spend {truths:.4}, by users {by_user:.4}, by campaigns {by_campaign:.4}; limited campaigns pay {limited:.2}; \
         covered {covered} by campaigns and {user_covered} by users of {RUNS}"
    );
    assert!((1.5..=2.5).contains(&(by_user / truths)), "{}", by_user / truths);
    assert!(covered >= 17, "{covered} of {RUNS}");
}

/// The requests of a user, in order of time, that a trigger selects.
type Trigger = fn(&[Exposure]) -> Vec<bool>;

/// From the first request that would differ: until then both arms saw the same.
fn from_the_first(rows: &[Exposure]) -> Vec<bool> {
    let first = rows.iter().position(|row| row.would_differ).unwrap_or(rows.len());
    (0..rows.len()).map(|at| at >= first).collect()
}

/// Every request that would differ, also when the arms' histories have long parted.
fn each_that_differs(rows: &[Exposure]) -> Vec<bool> {
    rows.iter().map(|row| row.would_differ).collect()
}

/// As the first, but control does not log what would have been.
fn logged_in_treatment_only(rows: &[Exposure]) -> Vec<bool> {
    from_the_first(rows).into_iter().zip(rows).map(|(inside, row)| inside && row.arm == "treatment").collect()
}

/// Whether the sample ratio of the triggered users, that of the requests (by the delta method, as requests of a user
/// belong together) or the clicks on the other requests show that a trigger depends on the arm.
fn caught(world: &TrialWorld, log: &TrialLog, trigger: Trigger) -> bool {
    let mut users: BTreeMap<String, Vec<Exposure>> = BTreeMap::new();
    world.exposures(log).into_iter().for_each(|row| users.entry(row.unit.clone()).or_default().push(row));
    let mut clicks: BTreeMap<String, f64> = BTreeMap::new();
    for row in log.reactions().iter().filter(|row| row.event.action == AdAction::Click) {
        let request = row.event.request.expect("a click has a request");
        *clicks.entry(format!("x{request}")).or_default() += 1.0;
    }
    let (mut units, mut arms) = ([0.0; 2], [Moments::new(3), Moments::new(3)]);
    for rows in users.values() {
        let (arm, inside) = (usize::from(rows[0].arm == "treatment"), trigger(rows));
        units[arm] += f64::from(u8::from(inside.contains(&true)));
        let rest = || rows.iter().zip(&inside).filter(|(_, inside)| !**inside).map(|(row, _)| row);
        let clicked: f64 = rest().filter_map(|row| clicks.get(&row.event_id)).sum();
        arms[arm].push(&[rows.len() as f64, rest().count() as f64, clicked]).expect("finite sums");
    }
    let differs = |samples: [Sample; 2]| {
        let effect = difference(&samples[0], &samples[1]).expect("finite sums");
        effect.p(Alternative::TwoSided).is_ok_and(|p| p < ALARM)
    };
    let of = |sample: &dyn Fn(&Moments) -> Sample| [sample(&arms[0]), sample(&arms[1])];
    sample_ratio(&units, &[0.5, 0.5]).expect("two arms").alarm
        || differs(of(&|arm| Sample::ratio(arm, 1, 0).expect("requests")))
        || differs(of(&|arm| Sample::mean(arm, 2).expect("users")))
}

#[test]
#[ignore = "slow: 20 plays of a larger market"]
fn wrong_counterfactuals_are_caught() {
    // Needs are met within the hour, so that the histories of the arms part.
    let market = AdMarketConfig {
        impressions: 300_000,
        users: 1_500,
        click_rate: 0.15,
        conversion_rate: 0.6,
        delay_days: 0.02,
        ..market()
    };
    let config = TrialConfig { strength: 1.0, lag_hours: 48.0, ..TrialConfig::default() };
    let mut world = TrialWorld::new(market, config).expect("possible settings");
    let triggers: [Trigger; 3] = [from_the_first, logged_in_treatment_only, each_that_differs];
    let mut found = [0; 3];
    for seed in 1..=RUNS {
        world = world.with_seed(seed);
        let log = play(&world);
        for (found, trigger) in found.iter_mut().zip(triggers) {
            *found += u32::from(caught(&world, &log, trigger));
        }
    }
    println!(
        "alarms of {RUNS}: right {}, logged in treatment only {}, each that differs {}",
        found[0], found[1], found[2]
    );
    assert!(found[0] <= 1 && found[1] >= 19 && found[2] >= 19, "{found:?}");
}
