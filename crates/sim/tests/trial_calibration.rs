//! Promises of the statistics on the simulated market, by replication: intervals cover the true effect of a launch, equal
//! arms raise as few alarms as they should, budgets bias a test of users and not a budget split, and wrong
//! counterfactuals are found.
//!
//! Slow: `cargo test -p semrank-sim --test trial_calibration -- --ignored --nocapture`
//!
//! **Which truth.** Every replication draws its users, their behaviour and the assignment anew; the ads stay. Its truth
//! is the effect on exactly its users, from both worlds. Welch's interval is made for users drawn from a
//! population; for the effect on the users at hand it is conservative by the variance of the users' own effects
//! (Neyman 1923). Both worlds share their random numbers, so that this variance is small and the coverage stays near
//! its level. The expected effect over many draws would be covered as well, but is known only up to the noise of its own
//! replications.

use semrank_experiment::counts::{Counter, Counts, Exposure};
use semrank_experiment::estimate::{Alternative, Effect, Sample, difference};
use semrank_experiment::few::paired;
use semrank_experiment::relative::relative_delta;
use semrank_experiment::srm::{ALARM, sample_ratio};
use semrank_sim::{AdMarketConfig, Design, Policies, Serving, TrialConfig, TrialLog, TrialWorld};
use std::collections::BTreeSet;

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
fn per_user(counts: &Counts, action: &str) -> Effect {
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
    [per_user(counts, "conversion"), per_user(counts, "click"), click_rate(counts)]
}

const METRICS: [&str; 3] = ["conversions per user", "clicks per user", "clicks per impression"];

#[test]
#[ignore = "slow: 1,200 plays"]
fn intervals_cover_the_true_effect_of_the_market() {
    let mut world = TrialWorld::new(market(), TrialConfig::default()).expect("possible settings");
    let (mut covered, mut found, mut lifts) = ([0; 3], [0; 3], [0.0; 3]);
    for seed in 1..=REPLICATIONS {
        world = world.with_seed(seed);
        let effects = effects(&world.count(&play(&world)).expect("finite sums"));
        let truth = world.truth().expect("finite sums");
        let truths =
            [truth.per_user("conversion"), truth.per_user("click"), truth.ratio("click", "impression")];
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

/// Runs of the tests of budgets and of wrong counterfactuals.
const RUNS: u64 = 20;

/// Effect on the mean of an action per user, relative to control.
fn per_user_relative(counts: &Counts, action: &str) -> Effect {
    let sample = |arm: usize| Sample::mean(&counts.all[arm].moments, column(counts, action)).expect("users");
    relative_delta(&sample(0), &sample(1)).expect("control spends")
}

#[test]
#[ignore = "slow: 80 plays of a larger market"]
fn budgets_double_the_effect_of_a_test_of_users_but_not_of_a_budget_split() {
    let market = AdMarketConfig { impressions: 160_000, users: 2_000, advertisers: 30, ..market() };
    let config = |design| TrialConfig { design, limited: 0.6, ..TrialConfig::default() };
    let new = |design| TrialWorld::new(market.clone(), config(design)).expect("possible settings");
    let (mut users, mut split) = (new(Design::User), new(Design::BudgetSplit));
    let (mut covered, mut user_covered) = (0, 0);
    let (mut truths, mut by_user, mut by_campaign, mut limited) = (0.0, 0.0, 0.0, 0.0);
    for seed in 1..=RUNS {
        (users, split) = (users.with_seed(seed), split.with_seed(seed));
        let log = play(&users);
        let of_users = per_user_relative(&users.count(&log).expect("finite sums"), "spend");
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

/// Counts of the units with an exposure for which the rule holds, and of the others.
fn split_by(world: &TrialWorld, log: &TrialLog, rule: impl Fn(&Exposure) -> bool) -> [Counts; 2] {
    let exposures = world.exposures(log);
    let triggered: BTreeSet<&str> =
        exposures.iter().filter(|row| rule(row)).map(|row| row.unit.as_str()).collect();
    let events = world.events(log);
    [true, false].map(|inside| {
        let mut counter = Counter::new(world.definition()).expect("a definition");
        let of = |unit: &str| triggered.contains(unit) == inside;
        exposures.iter().filter(|row| of(&row.unit)).for_each(|row| counter.exposure(row).expect("an arm"));
        events.iter().filter(|row| of(&row.unit)).for_each(|row| counter.event(row).expect("finite values"));
        counter.finish().expect("finite sums")
    })
}

/// Whether the sample ratio of the triggered units or the effect on the others shows a wrong trigger.
fn caught(world: &TrialWorld, log: &TrialLog, rule: impl Fn(&Exposure) -> bool) -> bool {
    let [triggered, rest] = split_by(world, log, rule);
    let units: Vec<f64> = triggered.all.iter().map(|arm| arm.units as f64).collect();
    let complement = per_user(&rest, "click").p(Alternative::TwoSided).is_ok_and(|p| p < ALARM);
    sample_ratio(&units, &[0.5, 0.5]).expect("two arms").alarm || complement
}

#[test]
#[ignore = "slow: 20 plays of a larger market"]
fn wrong_counterfactuals_are_caught() {
    // Needs are met within the hour, so that the histories of the arms part.
    let market = AdMarketConfig {
        impressions: 100_000,
        users: 2_000,
        click_rate: 0.15,
        conversion_rate: 0.6,
        delay_days: 0.02,
        ..market()
    };
    let config = TrialConfig { strength: 1.0, ..TrialConfig::default() };
    let mut world = TrialWorld::new(market, config).expect("possible settings");
    let (mut right, mut one_arm, mut late) = (0, 0, 0);
    for seed in 1..=RUNS {
        world = world.with_seed(seed);
        let log = play(&world);
        let last_day_ms = world.start_ms() + 6 * 86_400_000;
        right += u32::from(caught(&world, &log, |row| row.would_differ));
        one_arm += u32::from(caught(&world, &log, |row| row.would_differ && row.arm == "treatment"));
        late += u32::from(caught(&world, &log, |row| row.would_differ && row.time_ms >= last_day_ms));
    }
    println!(
        "caught of {RUNS}: right trigger {right}, logged in treatment only {one_arm}, late requests {late}"
    );
    assert!(right <= 1 && one_arm >= 19 && late >= 19);
}
