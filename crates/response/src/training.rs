//! A training of the ranking model: several shuffled epochs with early stopping, or one pass in time order.
//!
//! In one pass every row is predicted before it is learned from, which gives the progressive report; and the model can be stopped
//! at any time and asked ([`PointwiseTrainer::train_to`], [`PointwiseTrainer::score`]), as a daily snapshot is. A small set is
//! read several times; after each epoch the validation loss decides whether to go on and which epoch to keep.

use super::diverged::Diverged;
use super::features::FeatureState;
use super::hazard::STRETCHES;
use super::loss::{HEADS, HeadSum};
use super::model::{ResponseModel, Serving};
use super::network::{PointwiseNetwork, Position};
use super::progress::{DayReport, PassReport};
use super::rows::RowData;
use super::samples::{Plan, Samples};
use super::score::{Score, score};
use super::store::FeatureStore;
use super::task::{Goal, PointwiseTask, network, shape, slot_shares};
use super::trainer::Stepper;
use semrank_data::{Labels, Part};
use semrank_measure::calibrate::Calibration;
use semrank_tower::Snapshot;

/// Labels of a validation row, as far as they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choosing {
    /// Whether it was clicked.
    pub click: Option<bool>,
    /// Of a click, whether it converted.
    pub conversion: Option<bool>,
}

/// A training, and the model it has made so far.
#[derive(Debug)]
pub struct PointwiseTrainer<'a> {
    pub(super) task: PointwiseTask<'a>,
    pub(super) data: RowData<'a>,
    pub(super) labels: Labels<'a>,
    pub(super) plan: Plan<'a>,
    pub(super) features: FeatureStore<'a>,
    pub(super) stepper: Stepper<f32>,
    pub(super) samples: Samples<'a>,
    slot_shares: Vec<f64>,
    /// Sums of the current epoch or pass.
    pub(super) heads: [HeadSum; HEADS],
    pub(super) days: Vec<DayReport>,
    pub(super) curve: Vec<PassReport>,
    pub(super) best_epoch: usize,
    /// The least validation loss and its parameters, until the last epoch is over.
    pub(super) best: Option<(f64, Snapshot<f32>)>,
    /// Of one pass: every sample before this time (ms UTC) was learned.
    pub(super) until: i64,
}

/// Told of each epoch or day, when the state may be saved; returns whether to go on.
pub type Watch<'w> = &'w mut dyn FnMut(&PointwiseTrainer, &Progress) -> bool;

/// Rows that are scored while the features of as many are made.
const PIECE: usize = 1 << 12;
/// Rows whose features are kept at a time while they are scored for good.
const SCORED: usize = 1 << 16;

impl<'a> PointwiseTrainer<'a> {
    /// Nothing trained yet.
    pub fn new(task: &PointwiseTask<'a>) -> Self {
        let PointwiseTask { dataset, examples, scope, settings, .. } = *task;
        let labels = Labels::new(dataset, examples);
        let data =
            RowData::new(dataset, examples, scope, task.items, task.contexts, (settings, task.model.history));
        let conversions = task.goal == Goal::Oc && labels.has_conversions();
        let once = task.train.stream.once(examples.rows(Part::Train).count());
        let delay = (labels, task.train.delay);
        let plan = Plan::new(delay, scope.labels_before(), settings, conversions, once, task.seed);
        let features = FeatureStore::new(data, plan, task.items, settings);
        let hazards = if conversions && plan.pieces { STRETCHES.len() } else { 0 };
        let shape = shape(task, &data, features.width(), (conversions, hazards));
        let slot_shares = slot_shares(&data, shape.slots);
        let network = network(task, shape);
        let drop = |rate: f64, rest: bool| if rest && !once { rate } else { 0.0 };
        let rest = task.items.prefixes.is_some() || task.items.width() > 0;
        let dropout = [drop(settings.id_dropout, rest), drop(task.model.prefix_dropout, true)];
        Self {
            stepper: Stepper::new(network, settings, &plan, dropout, task.seed),
            samples: Samples::new(plan),
            task: *task,
            data,
            labels,
            plan,
            features,
            slot_shares,
            heads: Default::default(),
            days: Vec::new(),
            curve: Vec::new(),
            best_epoch: 0,
            best: None,
            until: i64::MIN,
        }
    }

    /// Of a finished model: scores rows of validation and test only, where the log is read once.
    pub(crate) fn score_only(&mut self) {
        if self.plan.once {
            self.features.score_only();
        }
    }

    /// Whether the log is read once.
    pub fn reads_once(&self) -> bool {
        self.plan.once
    }

    /// Whether `pointwise.neighbour_rows` left out the features of items that share labels.
    pub fn lacks_neighbours(&self) -> bool {
        self.features.lacks_neighbours()
    }

    /// Trains to the end, from its current state: one pass in time order, or epochs until validation is no longer better. Returns
    /// whether it came to the end.
    ///
    /// # Errors
    /// A loss or a score that is not finite.
    pub fn fit(&mut self, watch: Watch) -> Result<bool, Diverged> {
        if self.plan.once { self.fit_once(watch) } else { self.fit_epochs(watch) }
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.stepper.optimiser.step
    }

    /// Learns every sample before a time (ms UTC), in time order.
    ///
    /// # Errors
    /// A loss that is not finite.
    pub fn train_to(&mut self, end: i64) -> Result<(), Diverged> {
        let (mut batch, size) = (Vec::new(), self.task.settings.batch);
        self.samples.fill(end, size, &mut batch);
        self.features.make_of(&batch);
        let mut next = Vec::new();
        while !batch.is_empty() {
            self.samples.fill(end, size, &mut next);
            self.learn(&mut batch, &next)?;
            std::mem::swap(&mut batch, &mut next);
        }
        Ok(())
    }

    /// Whether neither a click of the row nor a conversion of it could still come. Only the row's time counts: were a row without
    /// a click known sooner than one with a click, then the newest rows to be measured would all be negative.
    pub fn conversion_is_known(&self, row: usize) -> bool {
        self.labels.closed(row) <= self.labels.end
    }

    /// The labels of a validation row that may choose or calibrate: those that are known before the first test row.
    pub fn choosing(&self, row: usize) -> Choosing {
        let logged = self.labels.end.saturating_add(1);
        let moment = self.task.scope.chosen_before().map_or(logged, |before| before.min(logged));
        Choosing {
            click: self.labels.click_before(row, moment),
            conversion: self.labels.conversion_before(row, moment),
        }
    }

    /// How much a row counts: 1, or as its propensity says.
    pub fn weight(&self, row: usize) -> f64 {
        self.data.weight(row)
    }

    /// The first time at which nothing is left to learn.
    pub fn end(&self) -> i64 {
        self.plan.until
    }

    /// Scores of rows, in their order.
    ///
    /// # Errors
    /// A score that is not finite.
    ///
    /// # Panics
    /// When the features of a row are not kept any more: of a row before one that was scored by [`Self::score_last`]; and where
    /// the log is read once, of a training row whose samples were all learned, or any of a finished model. And of a training row
    /// without a click that was passed over.
    pub fn score(&mut self, rows: &[usize], position: Position) -> Result<Vec<Score>, Diverged> {
        let effect = (position == Position::Neutral).then_some(self.neutral_effect() as f32);
        let mut scores = Vec::with_capacity(rows.len());
        let mut pieces = rows.chunks(PIECE).peekable();
        self.features.make_rows(pieces.peek().copied().unwrap_or(&[]));
        while let Some(rows) = pieces.next() {
            // Features are copied, so that those of the next rows can be made while these are scored.
            let (kept, next) = (self.features.of_all(rows), pieces.peek().copied().unwrap_or(&[]));
            let (network, data, features) = (self.stepper.scoring(), &self.data, &mut self.features);
            let scored = || score(network, data, (rows, &kept), effect);
            scores.extend(rayon::join(scored, || features.make_rows(next)).0);
        }
        let kept = self.task.settings.keep_negatives;
        if kept < 1.0 {
            let undo = Calibration::Sampling { kept };
            scores.iter_mut().for_each(|score| score.click_log_odds = undo.apply(score.click_log_odds));
        }
        match scores.iter().find_map(Score::not_finite) {
            Some((what, got)) => Err(self.stepper.diverged(what, got)),
            None => Ok(scores),
        }
    }

    /// The same of rows in time order after which no earlier row is asked for: their features, and those of all rows before them,
    /// are forgotten chunk by chunk.
    ///
    /// # Errors
    /// As [`Self::score`].
    ///
    /// # Panics
    /// As [`Self::score`].
    pub fn score_last(&mut self, rows: &[usize], position: Position) -> Result<Vec<Score>, Diverged> {
        let mut out = Vec::with_capacity(rows.len());
        for rows in rows.chunks(SCORED) {
            out.extend(self.score(rows, position)?);
            self.features.release_up_to(rows[rows.len() - 1]);
        }
        Ok(out)
    }

    /// The mean click effect of the slots of training.
    pub(crate) fn neutral_effect(&self) -> f64 {
        let effects = self.stepper.scoring().slot_effects().iter();
        effects.zip(&self.slot_shares).map(|(&effect, share)| f64::from(effect) * share).sum()
    }

    /// What the model needs beside its parameters.
    pub(crate) fn serving(&self) -> Serving {
        Serving {
            sizes: self.network().sizes,
            reading: self.data.reading,
            kept: self.task.settings.keep_negatives,
        }
    }

    /// The model as it is now, which scores requests without the data set.
    pub fn model(&self) -> ResponseModel {
        let (network, items) = (self.network().clone(), self.task.items.clone());
        ResponseModel::new(network, items, self.serving(), self.neutral_effect() as f32)
    }

    /// The features of a row.
    ///
    /// # Panics
    /// When they were not made, or are not kept any more, as [`Self::score`] says.
    pub fn features_of(&self, row: usize) -> &[f32] {
        self.features.of(row)
    }

    /// The state of the features just before the first row that follows training and validation.
    ///
    /// # Panics
    /// Of a loaded model that has scored test rows: it kept no state of before.
    pub fn snapshot(&mut self) -> &FeatureState {
        self.features.snapshot()
    }

    /// The network as it is now.
    pub fn network(&self) -> &PointwiseNetwork<f32> {
        self.stepper.scoring()
    }

    /// The epochs so far, as far as they were validated.
    pub fn curve(&self) -> &[PassReport] {
        &self.curve
    }
}

/// How far a training is.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// After an epoch.
    Epoch(PassReport),
    /// After a day of a log that is read once.
    Day(DayReport),
    /// After a day of such a log without a new click label, in which late conversions were learned at most.
    LateDay,
}
