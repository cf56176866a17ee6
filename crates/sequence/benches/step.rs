//! Does a training step cost what its batch costs, however large the catalogue? Steps over 12,000 and over 1,000,000
//! items take turns in one run; the ratio of the medians is the answer. To compare two builds, run them in turns with one thread
//! and look at the CPU time, which other programs on the machine disturb less.
//!
//! ```text
//! cargo bench -p semrank-sequence --bench step
//! RAYON_NUM_THREADS=1 target/release/deps/step-HASH
//! ```

use semrank_core::{ActionId, Event, EventLog, EventLogBuilder, ItemId, Rng, UserId};
use semrank_sequence::{Trainer, TrainingData};
use semrank_tower::{ModelSettings, TrainSettings};
use std::time::Instant;

const USERS: usize = 20_000;
/// As in Amazon Beauty: 8.9 events per user on average, and a few long histories.
const EVENTS_PER_USER: [usize; 10] = [5, 5, 5, 6, 6, 7, 8, 9, 13, 25];
const CONTENT: usize = 256;
const ROUNDS: usize = 60;

struct World {
    events: EventLog,
    ends: Vec<usize>,
    counts: Vec<u32>,
    content: Vec<f32>,
}

/// Random histories over `items` items, every one of which counts as trained.
fn world(items: usize) -> World {
    let mut rng = Rng::new(1, "bench");
    let mut log = EventLogBuilder::default();
    for user in 0..USERS {
        for time in 0..EVENTS_PER_USER[user % EVENTS_PER_USER.len()] {
            let item = ItemId(rng.below(items) as u32);
            log.push(UserId(user as u32), Event { item, action: ActionId(0), time: time as i64 });
        }
    }
    let events = log.finish(USERS, false);
    let ends = (0..USERS).map(|user| events.range(UserId(user as u32)).end).collect();
    let content = (0..items * CONTENT).map(|at| (at % 31) as f32 / 31.0 - 0.5).collect();
    World { events, ends, counts: vec![1; items], content }
}

impl World {
    fn trainer(&self) -> Trainer<'_, f32> {
        let data = TrainingData {
            content: &self.content,
            ..TrainingData::new(&self.events, &self.ends, &self.counts)
        };
        Trainer::new(&ModelSettings::default(), &TrainSettings::default(), data, 1)
    }
}

/// Milliseconds that all threads of this process have worked.
fn cpu_ms() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    stats.filter_map(|stat| stat.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e6
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let worlds = [12_000, 1_000_000].map(world);
    let mut trainers = [worlds[0].trainer(), worlds[1].trainer()];
    let (mut times, mut work) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..ROUNDS + 5 {
        for ((trainer, times), work) in trainers.iter_mut().zip(&mut times).zip(&mut work) {
            let (started, worked) = (Instant::now(), cpu_ms());
            trainer.train_step().expect("content is frozen");
            if round >= 5 {
                times.push(started.elapsed().as_secs_f64() * 1e3);
                work.push(cpu_ms() - worked);
            }
        }
    }
    let ([small, large], [small_cpu, large_cpu]) = (times.map(median), work.map(median));
    println!(
        "step of 768 positions, 1,024 negatives, median of {ROUNDS}, {} threads",
        rayon::current_num_threads()
    );
    println!("      12,000 items  {small:7.2} ms  {small_cpu:7.2} ms of CPU");
    println!("   1,000,000 items  {large:7.2} ms  {large_cpu:7.2} ms of CPU  {:.2} x", large / small);
}
