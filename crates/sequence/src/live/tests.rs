//! Content that learns with the ranker: gradients, the budget of passes, and a restored training.

use super::*;
use crate::{Trainer, TrainingData};
use semrank_core::{ActionId, Event, EventLog, EventLogBuilder, ItemId, UserId};
use semrank_embed::testing::{ITEMS, Tiny, WIDTH};
use semrank_tower::{ModelSettings, TrainSettings};

/// Width of a content vector: the encoder's columns and one that stays.
const CONTENT: usize = WIDTH + 1;

/// The catalogue's contents: what it makes of the items, and a column of its own.
fn content(tiny: &Tiny) -> Vec<f32> {
    let all: Vec<u32> = (0..ITEMS as u32).collect();
    let rows = tiny.vectors(&all);
    rows.chunks(WIDTH).enumerate().flat_map(|(i, row)| row.iter().copied().chain([i as f32 / 9.0])).collect()
}

fn log() -> (EventLog, Vec<usize>, Vec<u32>) {
    let mut builder = EventLogBuilder::default();
    let mut counts = vec![0; ITEMS];
    let mut rng = Rng::new(8, "live log");
    for (user, time) in (0..9).flat_map(|user| (0..6).map(move |time| (user, time))) {
        let item = rng.below(ITEMS);
        counts[item] += 1;
        builder.push(UserId(user), Event { item: ItemId(item as u32), action: ActionId(0), time });
    }
    let log = builder.finish(9, false);
    let ends = (0..9).map(|user| log.range(UserId(user)).end).collect();
    (log, ends, counts)
}

fn settings(visits: Visits, passes: f64) -> LiveSettings {
    LiveSettings { passes, block: 4, visits, rank: 0, rate: 0.01, weight_decay: 0.0, warmup: 0.0, clip: 0.0 }
}

fn model() -> (ModelSettings, TrainSettings) {
    let model = ModelSettings { dim: 8, dropout: 0.0, id_dropout: 0.0, ..ModelSettings::default() };
    let train = TrainSettings {
        epochs: 3,
        min_steps: 0,
        batch: 20,
        negatives: 6,
        clip: 0.0,
        ..TrainSettings::default()
    };
    (model, train)
}

/// Runs a training; calls `each` with the trainer after every step.
fn train(tiny: &Tiny, live: Option<LiveSettings>, steps: usize, each: impl FnMut(&Trainer<f64>, f64)) {
    let mut each = each;
    let (log, ends, counts) = log();
    let content = content(tiny);
    let data = TrainingData { content: &content, ..TrainingData::new(&log, &ends, &counts) };
    let (model, train) = model();
    let mut trainer: Trainer<f64> = Trainer::new(&model, &train, data, 3);
    if let Some(settings) = live {
        let start = (content.clone(), CONTENT, 0..WIDTH);
        trainer.set_live(Live::new(Box::new(tiny.clone()), start, settings, 1));
    }
    for _ in 0..steps {
        let (loss, _) = trainer.train_step().unwrap();
        each(&trainer, loss);
    }
}

/// Adam's first moment after one step is a tenth of the gradient.
fn first_gradient(tiny: &Tiny, visits: Visits) -> Vec<f64> {
    let mut out = Vec::new();
    train(tiny, Some(settings(visits, 100.0)), 1, |trainer, _| {
        out = trainer.live.as_ref().unwrap().moments.first.iter().map(|m| f64::from(*m) / 0.1).collect();
    });
    out
}

#[test]
fn the_joint_gradient_is_that_of_finite_differences() {
    let tiny = Tiny::new();
    let loss_of = |tiny: &Tiny| {
        let mut out = 0.0;
        train(tiny, None, 1, |_, loss| out = loss);
        out
    };
    for (at, got) in first_gradient(&tiny, Visits::Batch).into_iter().enumerate() {
        let moved = |by: f32| {
            let mut tiny = tiny.clone();
            tiny.params[at] += by;
            loss_of(&tiny)
        };
        let slope = (moved(0.01) - moved(-0.01)) / 0.02;
        assert!((got - slope).abs() < 2e-4 + 0.02 * slope.abs(), "{at}: {got} and {slope}");
    }
}

#[test]
fn visiting_everything_at_every_step_is_the_same_as_no_cache() {
    let tiny = Tiny::new();
    let losses = |visits, block| {
        let mut out = Vec::new();
        let settings = LiveSettings { block, ..settings(visits, 1e6) };
        train(&tiny, Some(settings), 6, |_, loss| out.push(loss));
        out
    };
    let (all, batch) = (losses(Visits::Turn, ITEMS), losses(Visits::Batch, 4));
    for (step, (a, b)) in all.iter().zip(&batch).enumerate() {
        assert!((a - b).abs() < 1e-6, "step {step}: {all:?} {batch:?}");
    }
    assert!(all.windows(2).any(|pair| pair[0] != pair[1]));
}

#[test]
fn turns_keep_to_the_budget_and_rows_to_their_age() {
    let tiny = Tiny::new();
    let mut report = LiveReport::default();
    let mut rows = Vec::new();
    train(&tiny, Some(settings(Visits::Turn, 2.0)), 9, |trainer, _| {
        let live = trainer.live.as_ref().unwrap();
        report = live.report().unwrap();
        rows = live.content().chunks(CONTENT).map(|row| row[WIDTH]).collect();
    });
    assert!((report.encoder_passes - 2.0).abs() < 1e-9 && report.most_steps_old <= 6, "{report:?}");
    assert!(report.staleness > 0.0 && report.staleness < 0.5, "{report:?}");
    assert!(rows.iter().enumerate().all(|(i, &x)| x == i as f32 / 9.0), "another column is left alone");
}

#[test]
fn a_restored_state_goes_on_as_before() {
    let tiny = Tiny::new();
    let start = || (content(&tiny), CONTENT, 0..WIDTH);
    for rank in [0, 2] {
        let settings = LiveSettings { rank, ..settings(Visits::Turn, 2.0) };
        let fresh = || {
            let mut live = Live::new(Box::new(tiny.clone()), start(), settings.clone(), 1);
            live.set_total_steps(9);
            live
        };
        let step = |live: &mut Live, step: u64| {
            live.visit(step, &[]).unwrap();
            let all: Vec<u32> = (0..ITEMS as u32).collect();
            let grads: Vec<f32> =
                live.content().chunks(CONTENT).flat_map(|row| row[..WIDTH].to_vec()).collect();
            live.add(&all, &grads);
            live.learn(step);
        };
        let mut whole = fresh();
        (0..4).for_each(|at| step(&mut whole, at));
        let mut again = fresh();
        let tensors: Vec<(String, Vec<f32>)> =
            whole.tensors().iter().map(|(name, values)| ((*name).to_owned(), values.to_vec())).collect();
        again
            .restore(|name, into| {
                into.copy_from_slice(&tensors.iter().find(|tensor| tensor.0 == name).unwrap().1);
                Ok(())
            })
            .unwrap();
        again.updates = whole.updates;
        (4..9).for_each(|at| {
            step(&mut whole, at);
            step(&mut again, at);
        });
        assert_eq!((whole.content(), whole.params()), (again.content(), again.params()));
        assert_ne!(whole.params(), &tiny.params[..]);
    }
}

#[test]
fn an_encoder_that_diverges_ends_the_training_at_its_next_visit() {
    let mut tiny = Tiny::new();
    let start = (content(&tiny), CONTENT, 0..WIDTH);
    tiny.params[0] = f32::NAN;
    let mut live = Live::new(Box::new(tiny), start, settings(Visits::Batch, 1.0), 1);
    live.set_total_steps(9);
    let said = live.visit(0, &[3]).unwrap_err();
    let expected = "the vector of the encoder under training is NaN in step 0: training has diverged";
    assert_eq!(said.to_string(), expected);
    assert!(said.help().unwrap().contains("content.rate"));
}
