//! The promise of delayed feedback: on conversions whose delays belong to no family that a model assumes, the delay model closes
//! most of the gap between `naive` and the same log without delays, and predicts as many conversions as come.
//!
//! A market of 30 days and 24 advertisers with conversion rates and delays of their own ([`Law`]), a window of 7 days. Each day
//! from the 8th on, a snapshot trained on what is known by then scores the next day's clicks against labels that later matured.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use semrank_core::{ActionId, Event, EventLogBuilder, ItemId, Kind, Rng, UserId};
use semrank_data::{Dataset, Examples, Meta, Part};
use semrank_measure::probabilities::{Bootstrap, BootstrapSettings, Interval, Measure, Scores};
use semrank_response::{Hazard, Items, PointwiseSettings, PointwiseTrainer, Position, Score, testing};
use semrank_tower::{Delay, Stream, TrainSettings};
use std::sync::Arc;

const DAY_MS: i64 = 86_400_000;
const DAYS: i64 = 30;
const WINDOW: i64 = 7 * DAY_MS;
const ADVERTISERS: usize = 24;
const ITEMS: usize = 96;
const USERS: usize = 500;
const CLICKS_A_DAY: usize = 2000;

struct World {
    dataset: Dataset,
    examples: Examples,
    advertisers: Vec<u32>,
}

/// How delays are distributed.
#[derive(Debug, Clone, Copy)]
enum Law {
    /// Medians from half a day to four days; every third advertiser a mixture with conversions within hours.
    LogNormal,
    /// At once or about three and a half days later, each advertiser with a share of its own.
    TwoHumps,
}

fn delay_ms(law: Law, advertiser: usize, rng: &mut Rng) -> i64 {
    let place = (advertiser % 8) as f64 / 7.0;
    let days = match law {
        Law::LogNormal if advertiser.is_multiple_of(3) && rng.unit() < 0.4 => 0.02 + 0.1 * rng.unit(),
        Law::LogNormal => 0.5 * 8f64.powf(place) * (0.8 * rng.normal()).exp(),
        Law::TwoHumps if rng.unit() < 0.2 + 0.6 * place => -0.1 * (1.0 - rng.unit()).ln(),
        Law::TwoHumps => (3.5 + 1.5 * rng.normal()).abs(),
    };
    (days * DAY_MS as f64) as i64
}

fn world(law: Law, seed: u64) -> World {
    let mut rng = Rng::new(seed, "delays");
    let catalog = testing::catalog(vec![Kind::Ad; ITEMS]);
    let mut log = EventLogBuilder::default();
    log.push(UserId(0), Event { item: ItemId(0), action: ActionId(0), time: 0 });
    let mut meta = Meta { name: "delays".into(), ..Meta::default() };
    meta.windows.insert("click_minutes".into(), 1.into());
    meta.windows.insert("conversion_days".into(), 7.into());
    let rates: Vec<f64> = (0..ADVERTISERS).map(|_| 0.05 + 0.4 * rng.unit()).collect();
    let mut examples = Examples { user_names: testing::names("u", USERS), ..Examples::default() };
    let rows = CLICKS_A_DAY * DAYS as usize;
    for row in 0..rows {
        let time = row as i64 * DAYS * DAY_MS / rows as i64;
        let item = rng.below(ITEMS);
        let user = rng.below(USERS);
        let advertiser = item % ADVERTISERS;
        let rate = rates[advertiser] * if user.is_multiple_of(2) { 1.5 } else { 0.5 };
        let delay = delay_ms(law, advertiser, &mut rng);
        // What arrives after the window is not a conversion.
        let converts = rng.unit() < rate && delay < WINDOW;
        examples.parts.push(Part::Train);
        examples.users.push(UserId(user as u32));
        examples.items.push(ItemId(item as u32));
        examples.times.push(time);
        examples.history_ends.push(0);
        examples.clicks.push(true);
        examples.click_times.push(time);
        examples.conversions.push(Some(converts));
        examples.conversion_times.push(if converts { time + delay } else { i64::MIN });
    }
    examples.log_end = Some((DAYS + 8) * DAY_MS);
    let actions = ["view"].into_iter().collect();
    let dataset =
        Dataset { meta, users: testing::names("u", 1), actions, catalog, events: log.finish(1, true) };
    World { dataset, examples, advertisers: (0..ITEMS).map(|item| (item % ADVERTISERS) as u32).collect() }
}

/// The same market with conversions that arrive at the click: how well it can be learned when nothing is late.
fn world_without_delays(law: Law, seed: u64) -> World {
    let mut world = world(law, seed);
    let Examples { conversion_times, click_times, .. } = &mut world.examples;
    for (conversion, &click) in conversion_times.iter_mut().zip(&*click_times) {
        *conversion = (*conversion).min(click);
    }
    world
}

/// Scores by the snapshots of days 8 to 29 of the clicks of the days after.
fn snapshots(world: &World, (delay, hazard): (Delay, Hazard)) -> Vec<f64> {
    let settings = PointwiseSettings {
        known: semrank_response::Known::Past,
        rate: 2e-3,
        table_rate: 4e-3,
        batch: 64,
        hazard,
        ..PointwiseSettings::default()
    };
    let train = TrainSettings { delay, stream: Stream::Fixed(true), ..TrainSettings::default() };
    let known = vec![true; world.dataset.catalog.len()];
    let (advertisers, kinds) = (world.advertisers.clone(), world.dataset.catalog.kinds.clone());
    let items = Arc::new(Items { advertisers, kinds, known, ..Items::default() });
    testing::with_task((&world.dataset, &world.examples, &items), (&settings, &train), 1, |task| {
        let (mut trainer, mut scores) = (PointwiseTrainer::new(task), Vec::new());
        for day in 8..DAYS {
            trainer.train_to(day * DAY_MS).unwrap();
            let rows: Vec<usize> = (day as usize * CLICKS_A_DAY..(day as usize + 1) * CLICKS_A_DAY).collect();
            let of_day = trainer.score(&rows, Position::Logged).unwrap();
            scores.extend(of_day.iter().map(Score::conversion));
        }
        scores
    })
}

/// The last is the default.
const METHODS: [(&str, Delay, Hazard); 6] = [
    ("naive", Delay::Naive, Hazard::Piecewise),
    ("window", Delay::Window, Hazard::Piecewise),
    ("fake negative weighted", Delay::FakeNegativeWeighted, Hazard::Piecewise),
    ("elapsed", Delay::Elapsed, Hazard::Piecewise),
    ("delay model, Weibull", Delay::DelayModel, Hazard::Weibull),
    ("delay model, piecewise", Delay::DelayModel, Hazard::Piecewise),
];
const WAITING: usize = 1;
const ELAPSED: usize = 3;
const DEFAULT: usize = METHODS.len() - 1;

/// Quality of a method's scores.
struct Found {
    calibration: f64,
    /// Share of the gap in NE between `naive` with and without delays.
    closed: f64,
    /// NE less that of waiting for the window.
    over_window: Interval,
}

/// Trains and prints all methods.
fn compare(law: Law, seed: u64) -> Vec<Found> {
    let world = world(law, seed);
    let rows = 8 * CLICKS_A_DAY..DAYS as usize * CLICKS_A_DAY;
    let labels: Vec<bool> = rows.clone().map(|row| world.examples.conversions[row] == Some(true)).collect();
    let users: Vec<u32> = rows.map(|row| world.examples.users[row].0).collect();
    let scores = METHODS.map(|(_, delay, hazard)| snapshots(&world, (delay, hazard)));
    let without_delays = snapshots(&world_without_delays(law, seed), (Delay::Naive, Hazard::Piecewise));
    let bound = Scores::of(&without_delays, &labels).ne.unwrap();
    let columns: Vec<&[f64]> = scores.iter().map(Vec::as_slice).collect();
    let draws = BootstrapSettings { resamples: 200, seed };
    let bootstrap = Bootstrap::new(&columns, &labels, &users, draws);
    let of = scores.each_ref().map(|scores| Scores::of(scores, &labels));
    let ne = of.map(|of| of.ne.unwrap());
    println!("{law:?}, seed {seed}: NE without delays {bound:.4}");
    let found = |at: usize| {
        let found = Found {
            calibration: of[at].calibration.unwrap(),
            closed: (ne[0] - ne[at]) / (ne[0] - bound),
            over_window: bootstrap.difference(Measure::Ne, at, WAITING).unwrap(),
        };
        let Interval { value, low, high } = found.over_window;
        println!(
            "  {:<24} NE {:.4}  calibration {:.3}  closes {:.3}  less window {value:+.4} [{low:+.4}, {high:+.4}]",
            METHODS[at].0, ne[at], found.calibration, found.closed
        );
        found
    };
    (0..METHODS.len()).map(found).collect()
}

#[test]
fn late_conversions_are_made_up_for() {
    assert_eq!(TrainSettings::default().delay, Delay::DelayModel);
    assert_eq!(PointwiseSettings::default().hazard, Hazard::Piecewise);
    for law in [Law::LogNormal, Law::TwoHumps] {
        let found = compare(law, 1);
        assert!(found[0].calibration < 0.3, "naive misses nearly all");
        let default = &found[DEFAULT];
        assert!(default.closed > 0.9, "{law:?}: closes {}", default.closed);
        assert!((0.95..1.05).contains(&default.calibration), "{law:?}: predicts {}", default.calibration);
        assert!(default.over_window.high < 0.0, "{law:?}: no better than waiting, {:?}", default.over_window);
        assert!((0.9..1.1).contains(&found[ELAPSED].calibration), "{law:?}: {}", found[ELAPSED].calibration);
    }
}

#[test]
#[ignore = "the table over more seeds; asserts on the median"]
fn the_default_is_calibrated_over_seeds() {
    for law in [Law::LogNormal, Law::TwoHumps] {
        let mut calibrations = [2, 3, 4].map(|seed| compare(law, seed)[DEFAULT].calibration);
        calibrations.sort_by(f64::total_cmp);
        assert!((0.95..1.05).contains(&calibrations[1]), "{law:?}: {calibrations:?}");
    }
}
