//! Rows per second of one pass over a made-up log: 2 threads, D = 16, histories of 50 events, no content; and one request of 300
//! candidates on one thread, with contents of width 128.
//!
//! `cargo bench -p semrank-response --bench pointwise [-- ROWS]`

use semrank_core::{ActionId, Event, EventDetails, EventLogBuilder, ItemId, Kind, Rng, UserId};
use semrank_data::{Dataset, Examples, Meta, Part};
use semrank_response::{Events, Items, NO_SLOT, PointwiseSettings, PointwiseTrainer, Request, testing};
use semrank_tower::{Delay, Stream, TrainSettings};
use std::sync::Arc;
use std::time::Instant;

const USERS: usize = 20_000;
const ITEMS: usize = 5_000;
const EVENTS: usize = 60;
const DAY_MS: i64 = 86_400_000;

/// Candidates of a request, and rows that the model which scores them has learned.
const CANDIDATES: usize = 300;
const LEARNED: usize = 40_000;
const WIDTH: usize = 128;

fn main() {
    let asked = std::env::args().filter_map(|arg| arg.parse().ok()).next();
    let rows = asked.unwrap_or(400_000);
    let (dataset, examples) = world(rows);
    let items = Arc::new(items(&dataset, 0));
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            trained((&dataset, &examples), &items, |seconds, _| {
                let speed = rows as f64 / seconds;
                println!("{threads} threads: {rows} rows in {seconds:.2} s, {speed:.0} rows/s");
            });
        });
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    pool.install(request);
}

/// Prints how long one request takes.
fn request() {
    let (dataset, examples) = world(LEARNED);
    let items = Arc::new(items(&dataset, WIDTH));
    trained((&dataset, &examples), &items, |_, trainer| {
        let (model, state) = (trainer.model(), trainer.snapshot());
        let mut times: Vec<f64> = (0..300u32)
            .map(|user| {
                let user = UserId(user);
                let events = Events::of(&dataset.events, user, 50);
                let candidate = |at: usize| {
                    let item = ItemId(((at * 7 + user.index()) % ITEMS) as u32);
                    let time = 8 * DAY_MS;
                    Request { user, item, time, slot: NO_SLOT, events, contexts: &[], related: &[] }
                };
                let requests: Vec<Request> = (0..CANDIDATES).map(candidate).collect();
                let started = Instant::now();
                let scores = model.predict(state, &requests);
                assert_eq!(scores.len(), CANDIDATES);
                started.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let [middle, slow] = [50, 99].map(|percent| times[times.len() * percent / 100]);
        println!("1 thread: {CANDIDATES} candidates in {middle:.2} ms (p50), {slow:.2} ms (p99)");
    });
}

/// Learns all rows in one pass; `then` gets the seconds and what was learned.
fn trained(
    (dataset, examples): (&Dataset, &Examples),
    items: &Arc<Items>,
    then: impl FnOnce(f64, &mut PointwiseTrainer),
) {
    let settings = PointwiseSettings { batch: 1024, ..PointwiseSettings::default() };
    let train =
        TrainSettings { stream: Stream::Fixed(true), delay: Delay::Elapsed, ..TrainSettings::default() };
    testing::with_task((dataset, examples, items), (&settings, &train), 1, |task| {
        let mut trainer = PointwiseTrainer::new(task);
        let started = Instant::now();
        trainer.train_to(i64::MAX).expect("the rates are low");
        then(started.elapsed().as_secs_f64(), &mut trainer);
    });
}

fn items(dataset: &Dataset, width: usize) -> Items {
    let content = testing::contents(ITEMS, width, &mut Rng::new(1, "contents"));
    let advertisers = (0..ITEMS as u32).map(|item| item % 200).collect();
    let kinds = dataset.catalog.kinds.clone();
    Items { content, advertisers, prefixes: None, kinds, known: vec![true; ITEMS] }
}

fn world(rows: usize) -> (Dataset, Examples) {
    let mut rng = Rng::new(1, "bench");
    let catalog = testing::catalog(vec![Kind::Ad; ITEMS]);
    let mut log = EventLogBuilder::default();
    for user in 0..USERS as u32 {
        for at in 0..EVENTS as i64 {
            let item = ItemId(rng.below(ITEMS) as u32);
            let event = Event { item, action: ActionId(0), time: at * DAY_MS / 60 };
            let details =
                EventDetails { dwell_ms: Some(rng.below(60_000) as i32), ..EventDetails::default() };
            log.push_with(UserId(user), event, details);
        }
    }
    let mut meta = Meta { name: "bench".into(), ..Meta::default() };
    meta.windows.insert("click_minutes".into(), 30.into());
    meta.windows.insert("conversion_days".into(), 2.into());
    let mut examples = Examples { user_names: testing::names("u", USERS), ..Examples::default() };
    for row in 0..rows {
        let time = DAY_MS + row as i64 * 6 * DAY_MS / rows as i64;
        let click = rng.unit() < 0.05;
        let converts = click && rng.unit() < 0.2;
        examples.parts.push(Part::Train);
        examples.users.push(UserId(rng.below(USERS) as u32));
        examples.items.push(ItemId(rng.below(ITEMS) as u32));
        examples.times.push(time);
        examples.history_ends.push(EVENTS as u32);
        examples.clicks.push(click);
        examples.conversions.push(Some(converts));
        examples.click_times.push(if click { time + 60_000 } else { i64::MIN });
        let late = time + 60_000 + (rng.unit() * DAY_MS as f64) as i64;
        examples.conversion_times.push(if converts { late } else { i64::MIN });
        examples.slots.push(rng.below(4) as u16);
    }
    let actions = ["view"].into_iter().collect();
    let dataset = Dataset {
        meta,
        users: testing::names("u", USERS),
        actions,
        catalog,
        events: log.finish(USERS, true),
    };
    (dataset, examples)
}
