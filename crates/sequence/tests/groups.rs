//! Promise: id rows learn at their own rate and for their own number of epochs, and what they stop learning the rest goes
//! on to learn.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use semrank_core::{ActionId, Event, EventLog, EventLogBuilder, ItemId, Rng, UserId};
use semrank_sequence::{Trainer, TrainingData};
use semrank_tower::{ModelSettings, TrainSettings};

const USERS: u32 = 12;
const ITEMS: usize = 10;

fn log() -> EventLog {
    let (mut log, mut rng) = (EventLogBuilder::default(), Rng::new(3, "log"));
    for user in 0..USERS {
        for time in 0..8 {
            let item = ItemId(rng.below(ITEMS) as u32);
            log.push(UserId(user), Event { item, action: ActionId(0), time });
        }
    }
    log.finish(USERS as usize, false)
}

/// Id rows and dense parameters after so many epochs.
fn trained(train: TrainSettings, epochs: u64) -> [Vec<f32>; 2] {
    let events = log();
    let train_ends: Vec<usize> = (0..USERS).map(|user| events.range(UserId(user)).end).collect();
    let content: Vec<f32> = (0..ITEMS * 2).map(|at| (at as f32).sin()).collect();
    let data = TrainingData { content: &content, ..TrainingData::new(&events, &train_ends, &[1; ITEMS]) };
    let model = ModelSettings { dim: 8, history: 8, ..ModelSettings::default() };
    let mut trainer = Trainer::<f32>::new(&model, &train, data, 1);
    for _ in 0..epochs * trainer.steps_per_epoch() {
        trainer.train_step().unwrap();
    }
    let weights = &trainer.network.weights;
    let (_, ids) = weights.tower.tables().next().unwrap();
    [ids.values.clone(), weights.params.clone()]
}

fn settings() -> TrainSettings {
    TrainSettings {
        batch: 24,
        negatives: 4,
        warmup_steps: 0,
        epochs: 4,
        min_steps: 0,
        ..TrainSettings::default()
    }
}

#[test]
fn ids_stop_where_they_are_told_to_and_the_rest_goes_on() {
    let stopping = || TrainSettings { id_epochs: 2, ..settings() };
    let [after_two, _] = trained(stopping(), 2);
    let [after_three, dense_after_three] = trained(stopping(), 3);
    let [after_four, dense_after_four] = trained(stopping(), 4);
    assert_eq!(after_two, after_three);
    assert_eq!(after_three, after_four);
    assert_ne!(dense_after_three, dense_after_four);
    assert_eq!(trained(settings(), 2)[0], after_two, "before that nothing is different");
    assert_ne!(trained(settings(), 3)[0], after_three);
}

#[test]
fn ids_have_their_own_rate_and_decay() {
    let far = |settings: TrainSettings| {
        let [ids, _] = trained(settings.clone(), 1);
        let [start, _] = trained(settings, 0);
        ids.iter().zip(start).map(|(a, b)| f64::from(a - b).abs()).fold(0.0, f64::max)
    };
    let plain = far(settings());
    let slow = far(TrainSettings { id_rate: 0.1, ..settings() });
    assert!(slow < 0.2 * plain && slow > 0.05 * plain, "{slow} {plain}");
    let length = |settings| trained(settings, 4)[0].iter().map(|x| x * x).sum::<f32>();
    assert!(length(TrainSettings { id_weight_decay: 5.0, ..settings() }) < 0.99 * length(settings()));
}
