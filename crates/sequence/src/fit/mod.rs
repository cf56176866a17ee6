//! The training loop: epochs, validation after each, early stopping, the best epoch's parameters.
//!
//! [`Fitting`] is a training under way. [`Fitting::run`] goes on until it has finished or its [`Watch`] interrupts it;
//! at any step its whole state can be saved ([`Fitting::save`]) and restored ([`Fitting::restore`]), and what follows
//! is the same to the last bit, because every random choice is a function of (seed, step).
//!
//! ```
//! # use semrank_core::{ActionId, Event, EventLogBuilder, ItemId, UserId};
//! use semrank_sequence::{Ended, Fitting, Task, TrainingData, Watch};
//! use semrank_tower::{ModelSettings, TrainSettings};
//! # let mut log = EventLogBuilder::default();
//! # for (user, item, time) in (0..20).flat_map(|user| (0..5).map(move |time| (user, (user + time) % 6, time))) {
//! #     log.push(UserId(user), Event { item: ItemId(item), action: ActionId(0), time: i64::from(time) });
//! # }
//! # let log = log.finish(20, false);
//! # let ends: Vec<usize> = (0..20).map(|user| log.range(UserId(user)).end).collect();
//! struct Silent; // shows nothing, interrupts nothing, saves nothing
//! impl Watch for Silent {}
//! let data = TrainingData::new(&log, &ends, &[17, 17, 17, 17, 16, 16]);
//! let model = ModelSettings { dim: 8, ..ModelSettings::default() };
//! let train = TrainSettings { epochs: 2, min_steps: 0, ..TrainSettings::default() };
//! let mut fitting = Fitting::new(&Task { model: &model, train: &train, data, validation: &[], seed: 1 });
//! assert_eq!(fitting.run(&mut Silent)?, Ended::Finished);
//! assert_eq!(fitting.finish()?.curve.len(), 2);
//! # Ok::<(), semrank_sequence::FitError>(())
//! ```

mod report;
mod validation;

pub use report::{Ended, EpochReport, FitError, SAVE_EVERY, StepReport, Watch};

use crate::work::spread;
use crate::{Live, LiveReport, Network, SeenInTraining, Trainer, TrainingData};
use semrank_data::Case;
use semrank_tower::{ModelSettings, Rounds, Snapshot, TrainSettings};
use std::time::Instant;
use validation::{affordable_validation, metrics};

/// What is to be trained.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The network.
    pub model: &'a ModelSettings,
    /// How.
    pub train: &'a TrainSettings,
    /// From what.
    pub data: TrainingData<'a>,
    /// Cases that choose the epoch.
    pub validation: &'a [Case],
    /// Of every random choice.
    pub seed: u64,
}

/// The best epoch so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Best {
    pub(crate) weights: Snapshot<f32>,
    /// Content vectors and encoder, where they are trained.
    pub(crate) content: Option<[Vec<f32>; 2]>,
}

/// A training under way.
#[derive(Debug)]
pub struct Fitting<'a> {
    pub(crate) trainer: Trainer<'a, f32>,
    pub(crate) curve: Vec<EpochReport>,
    pub(crate) best: Best,
    /// Sums of the epoch under way: loss over positions, positions, seconds.
    pub(crate) loss_sum: f64,
    pub(crate) positions: u64,
    pub(crate) seconds: f64,
    task: Task<'a>,
    rounds: Rounds,
    /// The validation cases that are used.
    cases: Vec<Case>,
    saved: Instant,
}

/// The result.
#[derive(Debug)]
pub struct Fit {
    /// Parameters of the best epoch.
    pub network: Network<f32>,
    /// One entry for each epoch that was validated.
    pub curve: Vec<EpochReport>,
    /// The epoch that was kept, from 1; 0 where nothing could be trained.
    pub best_epoch: u64,
    /// The content of that epoch, where it was trained.
    pub content: Option<TrainedContent>,
    /// Multiply-adds of the training, about.
    pub work: f64,
}

/// Content that was trained with the ranker.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedContent {
    /// `[items x width]`.
    pub vectors: Vec<f32>,
    /// The trained parameters of the encoder.
    pub params: Vec<f32>,
    /// What it cost.
    pub report: LiveReport,
}

impl TrainedContent {
    /// The content vectors that a network was trained with: its own, or the `frozen` ones.
    pub fn vectors_or<'c>(trained: Option<&'c Self>, frozen: &'c [f32]) -> &'c [f32] {
        trained.map_or(frozen, |content| &content.vectors)
    }
}

impl<'a> Fitting<'a> {
    /// At step 0.
    pub fn new(task: &Task<'a>) -> Self {
        let trainer = Trainer::new(task.model, task.train, task.data, task.seed);
        let (rounds, cases) = affordable_validation(&trainer, task);
        Self {
            trainer,
            rounds,
            cases: spread(task.validation, cases),
            curve: Vec::new(),
            best: Best::default(),
            loss_sum: 0.0,
            positions: 0,
            seconds: 0.0,
            task: *task,
            saved: Instant::now(),
        }
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.trainer.step()
    }

    /// Epochs done, as far as they were validated.
    pub fn epochs(&self) -> u64 {
        self.curve.last().map_or(0, |report| report.epoch)
    }

    /// Epochs at most.
    pub fn most_epochs(&self) -> u64 {
        self.trainer.epochs()
    }

    /// Validation cases that choose the epoch: all, or as many as take no longer than the training.
    pub fn validation_cases(&self) -> usize {
        self.cases.len()
    }

    /// Whether training let items of the history compete.
    pub fn seen(&self) -> SeenInTraining {
        self.trainer.seen()
    }

    /// Trains on from where it stands.
    ///
    /// # Errors
    /// A loss or score that is not a number, and whatever [`Watch::save`] returns.
    pub fn run(&mut self, watch: &mut dyn Watch) -> Result<Ended, FitError> {
        while !self.finished() {
            if !self.epoch(watch)? {
                watch.save(self)?;
                return Ok(Ended::Interrupted);
            }
            self.validate(watch)?;
            watch.save(self)?;
            self.saved = Instant::now();
        }
        Ok(Ended::Finished)
    }

    /// Trains content too; call it before the first step.
    pub fn set_live(&mut self, live: Live) {
        self.trainer.set_live(live);
    }

    /// The best epoch's network; its moments are gone.
    ///
    /// # Errors
    /// What keeps an item from being encoded, where content is trained.
    pub fn finish(self) -> Result<Fit, FitError> {
        let best_epoch = self.best_epoch();
        let work = self.epochs() as f64 * self.trainer.epoch_work();
        let report = self.trainer.live.as_ref().map(Live::report).transpose()?;
        let content = match (report, self.best.content) {
            (Some(report), Some([vectors, params])) => Some(TrainedContent { vectors, params, report }),
            _ => None,
        };
        let mut network = self.trainer.network;
        network.weights.forget_moments();
        network.weights.restore(self.best.weights);
        Ok(Fit { network, curve: self.curve, best_epoch, content, work })
    }

    fn finished(&self) -> bool {
        let (epochs, rounds, train) = (self.epochs(), self.rounds, self.task.train);
        let patience = rounds.patience(train.patience, train.epochs);
        // No later epoch can be better than one that ranks every target first.
        let perfect = self.curve.last().is_some_and(|report| report.ndcg_10 >= 1.0);
        self.trainer.steps_per_epoch() == 0
            || epochs >= rounds.passes
            || (train.patience > 0 && perfect)
            || (patience > 0 && epochs - self.best_epoch() >= patience)
    }

    /// The first epoch with the highest NDCG@10, from 1; 0 before the first.
    fn best_epoch(&self) -> u64 {
        let better = |best: Option<EpochReport>, next: &EpochReport| match best {
            Some(best) if next.ndcg_10 <= best.ndcg_10 => Some(best),
            _ => Some(*next),
        };
        self.curve.iter().fold(None, better).map_or(0, |best| best.epoch)
    }

    /// Steps to the end of the next epoch that is validated; false when interrupted before.
    fn epoch(&mut self, watch: &mut dyn Watch) -> Result<bool, FitError> {
        let steps_per_epoch = self.trainer.steps_per_epoch();
        let (epochs, end) = (self.most_epochs(), self.rounds.next(self.epochs()) * steps_per_epoch);
        while self.trainer.step() < end {
            if watch.interrupted() {
                return Ok(false);
            }
            let started = Instant::now();
            let (loss, positions) = self.trainer.train_step()?;
            self.seconds += started.elapsed().as_secs_f64();
            if !loss.is_finite() {
                let rate = self.task.train.rate;
                return Err(FitError::Diverged { loss, step: self.trainer.step(), rate });
            }
            self.loss_sum += loss * positions as f64;
            self.positions += positions as u64;
            watch.step(&StepReport {
                epoch: self.trainer.step().div_ceil(steps_per_epoch),
                epochs,
                step: self.trainer.step(),
                steps_per_epoch,
                loss: self.mean_loss(),
            });
            if self.saved.elapsed() >= SAVE_EVERY {
                watch.save(self)?;
                self.saved = Instant::now();
            }
        }
        Ok(true)
    }

    fn mean_loss(&self) -> f64 {
        self.loss_sum / self.positions.max(1) as f64
    }

    fn validate(&mut self, watch: &mut dyn Watch) -> Result<(), FitError> {
        let started = Instant::now();
        let metrics = metrics(&self.trainer, &self.task, &self.cases)?;
        let report = EpochReport {
            epoch: self.rounds.next(self.epochs()),
            loss: self.mean_loss(),
            ndcg_10: metrics.ndcg_10,
            recall_10: metrics.recall_10,
            train_seconds: self.seconds,
            validation_seconds: started.elapsed().as_secs_f64(),
        };
        (self.loss_sum, self.positions, self.seconds) = (0.0, 0, 0.0);
        self.curve.push(report);
        let best = self.best_epoch() == report.epoch;
        if best {
            self.best.weights = self.trainer.network.weights.snapshot();
            let content = self.trainer.live.as_ref();
            self.best.content = content.map(|live| [live.content().to_vec(), live.params().to_vec()]);
        }
        watch.epoch(&report, best);
        Ok(())
    }
}
