//! The promise of delayed feedback: on conversions whose delays belong to no family that a model assumes, elapsed-time weighting
//! or the delay model close most of the gap between `naive` and an oracle that knows all labels.
//!
//! A market of 30 days and 24 advertisers with conversion rates and delays of their own (log-normal, medians from half a day to
//! four days, every third a mixture), a window of 7 days. Each day from the 8th on, a snapshot trained on what is known by then
//! scores the next day's clicks against labels that later matured.

use semrank_core::pointwise::Scores;
use semrank_core::{ActionId, Catalog, Dictionary, Event, EventLogBuilder, ItemId, Kind, Rng, UserId};
use semrank_data::{Dataset, Examples, Meta, Part};
use semrank_model::pointwise::{
    Contexts, Delay, Goal, ItemTables, PointwiseSettings, PointwiseTask, PointwiseTrainer, Position, Stream,
};
use semrank_model::{ModelSettings, TrainSettings};

const DAY_MS: i64 = 86_400_000;
const DAYS: i64 = 30;
const WINDOW: i64 = 7 * DAY_MS;
const ADVERTISERS: usize = 24;
const ITEMS: usize = 96;
const USERS: usize = 500;

struct World {
    dataset: Dataset,
    examples: Examples,
    advertisers: Vec<u32>,
}

fn delay_ms(advertiser: usize, rng: &mut Rng) -> i64 {
    let median = 0.5 * 8f64.powf((advertiser % 8) as f64 / 7.0);
    let days = match advertiser.is_multiple_of(3) && rng.unit() < 0.4 {
        true => 0.02 + 0.1 * rng.unit(),
        false => median * (0.8 * rng.normal()).exp(),
    };
    (days * DAY_MS as f64) as i64
}

fn world(clicks_a_day: usize, seed: u64) -> World {
    let mut rng = Rng::new(seed, "delays");
    let names =
        |prefix: &str, count: usize| -> Dictionary { (0..count).map(|at| format!("{prefix}{at}")).collect() };
    let catalog = Catalog {
        ids: names("i", ITEMS),
        kinds: vec![Kind::Ad; ITEMS],
        active_from: vec![i64::MIN; ITEMS],
        active_to: vec![i64::MAX; ITEMS],
        ..Catalog::default()
    };
    let mut log = EventLogBuilder::default();
    log.push(UserId(0), Event { item: ItemId(0), action: ActionId(0), time: 0 });
    let mut meta = Meta { name: "delays".into(), ..Meta::default() };
    meta.windows.insert("click_minutes".into(), 1.into());
    meta.windows.insert("conversion_days".into(), 7.into());
    let rates: Vec<f64> = (0..ADVERTISERS).map(|_| 0.05 + 0.4 * rng.unit()).collect();
    let mut examples = Examples { user_names: names("u", USERS), ..Examples::default() };
    let rows = clicks_a_day * DAYS as usize;
    for row in 0..rows {
        let time = row as i64 * DAYS * DAY_MS / rows as i64;
        let item = rng.below(ITEMS);
        let user = rng.below(USERS);
        let advertiser = item % ADVERTISERS;
        let rate = rates[advertiser] * if user.is_multiple_of(2) { 1.5 } else { 0.5 };
        let delay = delay_ms(advertiser, &mut rng);
        // What arrives behind the window is no conversion.
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
    let dataset = Dataset { meta, users: names("u", 1), actions, catalog, events: log.finish(1, true) };
    World { dataset, examples, advertisers: (0..ITEMS).map(|item| (item % ADVERTISERS) as u32).collect() }
}

/// NE and calibration of the snapshots of days 8 to 29 on the clicks of the days after, all days together.
fn snapshots(world: &World, delay: Delay, clicks_a_day: usize) -> (f64, f64) {
    let settings = PointwiseSettings {
        known: semrank_model::pointwise::Known::Past,
        rate: 2e-3,
        table_rate: 4e-3,
        batch: 64,
        ..PointwiseSettings::default()
    };
    let train = TrainSettings { delay, stream: Stream::Fixed(true), ..TrainSettings::default() };
    let (model, contexts) =
        (ModelSettings::default(), Contexts::new(&world.examples, &world.dataset.catalog, &settings));
    let tables = ItemTables {
        content: &[],
        advertisers: &world.advertisers,
        prefixes: None,
        kinds: &world.dataset.catalog.kinds,
    };
    let mut trainer = PointwiseTrainer::new(&PointwiseTask {
        dataset: &world.dataset,
        examples: &world.examples,
        tables,
        contexts: &contexts,
        model: &model,
        train: &train,
        settings: &settings,
        goal: Goal::Oc,
        seed: 1,
    });
    let (mut scores, mut labels) = (Vec::new(), Vec::new());
    for day in 8..DAYS {
        trainer.train_to(day * DAY_MS);
        let rows: Vec<usize> = (day as usize * clicks_a_day..(day as usize + 1) * clicks_a_day).collect();
        scores.extend(trainer.score(&rows, Position::Logged).iter().map(|score| score.conversion));
        labels.extend(rows.iter().map(|&row| world.examples.conversions[row] == Some(true)));
    }
    let found = Scores::of(&scores, &labels);
    (found.ne.unwrap_or(f64::NAN), found.calibration.unwrap_or(f64::NAN))
}

#[test]
#[ignore = "trains six models on 60,000 clicks each; about a minute"]
fn late_conversions_are_made_up_for() {
    let clicks_a_day = 2000;
    let world = world(clicks_a_day, 1);
    let of = |delay| snapshots(&world, delay, clicks_a_day);
    let (naive, oracle) = (of(Delay::Naive), of(Delay::Oracle));
    println!("{:<24} NE {:.4}  calibration {:.3}", "naive", naive.0, naive.1);
    println!("{:<24} NE {:.4}  calibration {:.3}", "oracle", oracle.0, oracle.1);
    let methods = [Delay::Window, Delay::FakeNegativeWeighted, Delay::Elapsed, Delay::DelayModel];
    let closed: Vec<f64> = methods
        .iter()
        .map(|&delay| {
            let found = of(delay);
            let closed = (naive.0 - found.0) / (naive.0 - oracle.0);
            let name = format!("{delay:?}");
            println!("{name:<24} NE {:.4}  calibration {:.3}  closes {closed:.3}", found.0, found.1);
            closed
        })
        .collect();
    assert!(closed[2].max(closed[3]) > 0.7, "{closed:?}");
}
