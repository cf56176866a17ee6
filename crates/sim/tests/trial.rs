//! Promises of a simulated test: a seed gives the same log, both worlds share their random numbers, faults of the log
//! and bots change no counts, and budgets are kept.

use semrank_sim::{
    AdAction, AdMarketConfig, AdRequest, Design, Policies, Reaction, Serve, Serving, Slate, TrialConfig,
    TrialLog, TrialWorld,
};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

fn market() -> AdMarketConfig {
    AdMarketConfig {
        impressions: 20_000,
        days: 14,
        users: 300,
        topics: 6,
        ads: 180,
        ..AdMarketConfig::default()
    }
}

fn world(config: TrialConfig) -> TrialWorld {
    TrialWorld::new(market(), config).expect("the settings are possible")
}

fn play(world: &TrialWorld) -> TrialLog {
    let Ok(log) = world.play(&mut Policies::new(world, Serving::Test));
    log
}

fn play_all(world: &TrialWorld, arm: usize) -> TrialLog {
    let Ok(log) = world.play(&mut Policies::new(world, Serving::All(arm)));
    log
}

const DESIGNS: [Design; 4] = [Design::User, Design::BudgetSplit, Design::Campaign, Design::Switchback];

#[test]
fn the_same_seed_gives_the_same_rows_and_another_seed_others() {
    for design in DESIGNS {
        let config = TrialConfig { design, limited: 0.5, organic: true, ..TrialConfig::default() };
        let (one, two) = (world(config.clone()), world(config));
        let (a, b) = (play(&one), play(&two));
        assert_eq!(format!("{:?}", one.events(&a)), format!("{:?}", two.events(&b)));
        assert_eq!(one.exposures(&a), two.exposures(&b));
        let other = two.with_seed(2);
        assert_ne!(one.exposures(&a), other.exposures(&play(&other)));
        let back = other.with_seed(1);
        assert_eq!(one.events(&a), back.events(&play(&back)));
    }
}

#[test]
fn without_a_difference_both_worlds_are_the_same() {
    let world = world(TrialConfig { strength: 0.0, limited: 0.5, ..TrialConfig::default() });
    let (control, treatment) = (play_all(&world, 0), play_all(&world, 1));
    assert_eq!(world.events(&control), world.events(&treatment));
    assert_eq!(world.truth().unwrap().difference("click").unwrap(), 0.0);
    let exposures = world.exposures(&play(&world));
    assert!(exposures.iter().all(|row| !row.would_differ));
    assert_eq!(exposures.iter().map(|row| &row.arm).collect::<BTreeSet<_>>().len(), 2);
}

#[test]
fn requests_do_not_depend_on_what_is_served() {
    let world = world(TrialConfig::default());
    let requests = |log| world.exposures(log).into_iter().map(|row| (row.event_id, row.unit, row.time_ms));
    let (control, treatment) = (play_all(&world, 0), play_all(&world, 1));
    assert!(requests(&control).eq(requests(&treatment)));
    assert_ne!(world.events(&control), world.events(&treatment));
    // Without budgets a user of the test lives in the world of the user's arm.
    let log = play(&world);
    let arms: BTreeMap<String, String> =
        world.exposures(&log).into_iter().map(|row| (row.unit, row.arm)).collect();
    let of = |log, arm: &str| {
        let mine = world.events(log).into_iter().filter(|row| arms[&row.unit] == arm);
        mine.collect::<Vec<_>>()
    };
    assert_eq!(of(&log, "control"), of(&control, "control"));
    assert_eq!(of(&log, "treatment"), of(&treatment, "treatment"));
}

#[test]
fn bots_and_duplicates_do_not_change_the_counts() {
    let clean = world(TrialConfig::default());
    let expected = clean.count(&play(&clean)).unwrap();
    let dirty = world(TrialConfig { bots: 0.1, duplicates: 0.2, ..TrialConfig::default() });
    let log = play(&dirty);
    let counts = dirty.count(&log).unwrap();
    assert!(counts.left_out.bots > 20, "{} bots", counts.left_out.bots);
    let rows = dirty.exposures(&log).len() + dirty.events(&log).len();
    assert!(
        (counts.left_out.duplicates as f64 / rows as f64 - 0.2 / 1.2).abs() < 0.02,
        "{}",
        counts.left_out.duplicates
    );
    assert_eq!((counts.all, counts.triggered), (expected.all, expected.triggered));
    assert_eq!(counts.units_by_day, expected.units_by_day);
}

#[test]
fn bots_do_not_change_the_counts_of_campaigns_and_blocks() {
    for design in [Design::Campaign, Design::Switchback] {
        let clean = world(TrialConfig { design, ..TrialConfig::default() });
        let dirty = world(TrialConfig { design, bots: 0.1, ..TrialConfig::default() });
        let counts = |world: &TrialWorld| world.count(&play(world)).unwrap();
        assert_eq!(counts(&clean), counts(&dirty), "{design:?}");
    }
}

#[test]
fn part_of_the_users_takes_part_after_the_days_before() {
    let config =
        TrialConfig { before_days: 2, entry_days: 5, share: 0.5, treated: 0.2, ..TrialConfig::default() };
    let world = world(config);
    let log = play(&world);
    let exposures = world.exposures(&log);
    assert!(exposures.iter().all(|row| row.time_ms >= world.start_ms()));
    assert!(log.reactions().iter().any(|row| row.event.time_ms < world.start_ms()));
    let counts = world.count(&log).unwrap();
    let units: Vec<u64> = counts.all.iter().map(|arm| arm.units).collect();
    assert!((90..150).contains(&units[0]) && (15..50).contains(&units[1]), "{units:?}");
    assert_eq!(counts.all.iter().map(|arm| arm.left_out).sum::<u64>(), 0);
}

#[test]
fn reactions_come_in_order_with_their_parents() {
    let world = world(TrialConfig { organic: true, ..TrialConfig::default() });
    let log = play(&world);
    let mut seen = BTreeSet::new();
    let mut kinds = BTreeMap::new();
    for Reaction { event, served_ms, price_cents, .. } in log.reactions() {
        *kinds.entry(event.action).or_insert(0) += 1;
        assert!(event.parent.is_none_or(|parent| seen.contains(&parent)));
        assert!(seen.insert(event.event), "{} occurs twice", event.event);
        assert!(*served_ms <= event.time_ms && event.time_ms < event.received_ms);
        assert_eq!(*price_cents > 0, event.action == AdAction::Click); // nothing is limited
        assert_eq!(event.value.is_some(), event.action == AdAction::Conversion);
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    let view = log.reactions().iter().find(|row| row.event.action == AdAction::View).unwrap();
    assert!(world.item_id(view.event.item).starts_with("post-") && world.item_id(0) == "ad-000000");
    assert!(log.reactions().is_sorted_by_key(|row| row.event.time_ms));
}

#[test]
fn no_budget_is_overspent_in_any_arm() {
    for (design, ledgers) in [(Design::User, 1), (Design::BudgetSplit, 2)] {
        let world = world(TrialConfig { design, limited: 0.6, ..TrialConfig::default() });
        let mut spent: BTreeMap<(i64, usize, usize), i64> = BTreeMap::new();
        for row in play(&world).reactions() {
            let arm = row.arm.unwrap_or(0).min(ledgers - 1);
            let day = (row.served_ms - world.start_ms()).div_euclid(86_400_000);
            let campaign = if row.price_cents > 0 { world.campaign(row.event.item) } else { continue };
            *spent.entry((day, campaign, arm)).or_default() += row.price_cents;
        }
        let full = |((_, campaign, _), cents): (&(i64, usize, usize), &i64)| {
            world.budgets()[*campaign].map(|budget| *cents as f64 / (budget / ledgers as i64) as f64)
        };
        let used: Vec<f64> = spent.iter().filter_map(full).collect();
        assert!(used.iter().all(|share| *share <= 1.0), "{used:?}");
        assert!(used.iter().any(|share| *share > 0.9), "{used:?}");
    }
}

#[test]
fn campaigns_and_blocks_are_units_too() {
    let campaigns = world(TrialConfig { design: Design::Campaign, ..TrialConfig::default() });
    let counts = campaigns.count(&play(&campaigns)).unwrap();
    assert_eq!(counts.left_out.crossovers, 0);
    assert!(counts.all.iter().all(|arm| arm.units > 20 && arm.sums.iter().all(|sum| *sum > 0.0)));
    let config = TrialConfig { design: Design::Switchback, burn_in_minutes: 30, ..TrialConfig::default() };
    let blocks = world(config);
    let log = play(&blocks);
    let counts = blocks.count(&log).unwrap();
    assert_eq!(counts.left_out.crossovers, 0);
    let units: u64 = counts.all.iter().map(|arm| arm.units).sum();
    assert!((70..=84).contains(&units), "{units} blocks of two hours in seven days");
    let within = |time_ms: i64| (time_ms - blocks.start_ms()).rem_euclid(7_200_000);
    assert!(blocks.exposures(&log).iter().all(|row| within(row.time_ms) >= 1_800_000));
}

/// Answers with ads that may not be shown.
struct Wrong;

impl Serve for Wrong {
    type Error = Infallible;

    fn slate(&mut self, request: &AdRequest<'_>) -> Result<Slate, Infallible> {
        let first = request.eligible(None).next().unwrap_or(0);
        Ok(Slate { arm: Some(1), ads: vec![u32::MAX, first, first], would_differ: false })
    }
}

#[test]
fn ads_that_may_not_be_shown_are_refused() {
    let world = world(TrialConfig::default());
    let Ok(log) = world.play(&mut Wrong);
    let requests = world.exposures(&log).len() as u64;
    // Three slots in the feed and in search, two in reels.
    assert!(log.refused() > requests && log.refused() <= 2 * requests);
    assert!(log.reactions().iter().all(|row| row.event.item == 0));
}
