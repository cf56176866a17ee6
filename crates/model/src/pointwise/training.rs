//! A training of the ranking model: several shuffled epochs with early stopping, or one pass in time order.
//!
//! In one pass every row is predicted before it is learned from, which gives the progressive report; and the model can be stopped
//! at any time and asked ([`PointwiseTrainer::train_to`], [`PointwiseTrainer::score`]), as a daily snapshot is. A small set is
//! read several times; after each epoch the validation loss decides whether to go on and which epoch to keep.

use super::delay::cross_entropy;
use super::features::FeatureStore;
use super::hazard::STRETCHES;
use super::items::ItemTables;
use super::labels::{DAY_MS, Labels};
use super::lessons::{Lesson, Lessons, Plan, Timed};
use super::loss::{HEADS, HeadSum};
use super::network::{HeadColumns, PointwiseNetwork, PointwiseShape, Position, Sizes};
use super::progress::{DayReport, PassReport, add, head_reports};
use super::rows::{Contexts, RowData};
use super::score::{Score, score};
use super::settings::{Delay, Hazard, PointwiseSettings};
use super::trainer::{Stepped, Stepper};
use crate::{ModelSettings, TrainSettings};
use semrank_core::Rng;
use semrank_data::{Dataset, Examples, Part};

/// What is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Clicks.
    Ctr,
    /// Clicks, and conversions given a click.
    Oc,
}

/// What is to be trained.
#[derive(Debug, Clone, Copy)]
pub struct PointwiseTask<'a> {
    /// Histories and items.
    pub dataset: &'a Dataset,
    /// Rows with labels.
    pub examples: &'a Examples,
    /// What is known of items.
    pub tables: ItemTables<'a>,
    /// What is known of rows.
    pub contexts: &'a Contexts,
    /// Length of histories, which rows items have.
    pub model: &'a ModelSettings,
    /// `delay` and `stream`.
    pub train: &'a TrainSettings,
    /// The rest.
    pub settings: &'a PointwiseSettings,
    /// What is predicted.
    pub goal: Goal,
    /// Of every random choice.
    pub seed: u64,
}

/// A training, and the model it has made so far.
#[derive(Debug)]
pub struct PointwiseTrainer<'a> {
    task: PointwiseTask<'a>,
    data: RowData<'a>,
    labels: Labels<'a>,
    plan: Plan<'a>,
    pub(crate) features: FeatureStore<'a>,
    pub(crate) stepper: Stepper<f32>,
    lessons: Lessons<'a>,
    slot_shares: Vec<f64>,
    /// Sums of the epoch or pass at hand.
    pub(crate) heads: [HeadSum; HEADS],
    pub(crate) days: Vec<DayReport>,
    pub(crate) curve: Vec<PassReport>,
    pub(crate) best_epoch: usize,
    /// The least validation loss and its parameters, until the last epoch is over.
    pub(crate) best: Option<(f64, PointwiseNetwork<f32>)>,
    /// Of one pass: every lesson before this time (ms UTC) was learned.
    pub(crate) until: i64,
}

/// Told of each epoch or day, when the state may be saved; returns whether to go on.
pub type Watch<'w> = &'w mut dyn FnMut(&PointwiseTrainer, &Progress) -> bool;

/// Log-odds that conversion heads start at: 5 % of clicks.
const CONVERSION_START: f64 = -3.0;
/// And the two heads of late conversions: few are late, most negatives are real.
const LATE_START: [f64; 2] = [-3.0, 3.0];

impl<'a> PointwiseTrainer<'a> {
    /// Nothing trained yet.
    pub fn new(task: &PointwiseTask<'a>) -> Self {
        let PointwiseTask { dataset, examples, settings, .. } = *task;
        let labels = Labels::new(dataset, examples);
        let data =
            RowData::new(dataset, examples, task.tables, task.contexts, (settings, task.model.history));
        let conversions = task.goal == Goal::Oc && labels.has_conversions();
        let once = task.train.stream.once(examples.rows(Part::Train).count());
        let plan = Plan::new((labels, task.train.delay), settings, conversions, once);
        let features = FeatureStore::new(data, labels, settings);
        let hazards = if conversions && plan.pieces { STRETCHES.len() } else { 0 };
        let shape = shape(task, features.width(), (conversions, hazards));
        let slot_shares = slot_shares(&data, shape.slots);
        let network = network(task, shape);
        let drop = |rate: f64, rest: bool| if rest && !once { rate } else { 0.0 };
        let rest = task.tables.prefixes.is_some() || task.tables.width() > 0;
        let dropout = [drop(settings.id_dropout, rest), drop(task.model.prefix_dropout, true)];
        let total_steps = (!once).then(|| {
            let rows = examples.rows(Part::Train).count();
            (rows.div_ceil(settings.batch) * settings.epochs) as u64
        });
        Self {
            stepper: Stepper::new(network, settings, &plan, dropout, (total_steps, task.seed)),
            lessons: Lessons::new(plan),
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

    /// Trains to the end, from where it stands: one pass in time order, or epochs until validation is no longer better. Returns
    /// whether it came to the end.
    pub fn fit(&mut self, watch: Watch) -> bool {
        if self.plan.once { self.fit_once(watch) } else { self.fit_epochs(watch) }
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.stepper.step
    }

    /// Learns every lesson before a time (ms UTC), in time order.
    pub fn train_to(&mut self, end: i64) {
        let mut batch = Vec::with_capacity(self.task.settings.batch);
        loop {
            let next = self.lessons.next_before(end);
            let whole = batch.len() == self.task.settings.batch;
            if !batch.is_empty() && (next.is_none() || whole) {
                self.learn(&mut batch);
                batch.clear();
            }
            match next {
                Some(lesson) => batch.push(lesson),
                None => return,
            }
        }
    }

    /// Whether neither the row's click nor a conversion of it can still come.
    pub fn conversion_is_known(&self, row: usize) -> bool {
        let clicked = self.task.examples.clicks[row];
        let known = if clicked { self.labels.matured(row) } else { self.labels.click_known(row) };
        known <= self.labels.end
    }

    /// How much a row counts: 1, or as its propensity says.
    pub fn weight(&self, row: usize) -> f64 {
        self.data.weight(row)
    }

    /// The first time at which nothing is left to learn.
    pub fn end(&self) -> i64 {
        self.labels.end.saturating_add(1)
    }

    /// Scores of rows, in their order.
    ///
    /// # Panics
    /// When a training row is asked for of a model that was loaded, where the log is read once.
    pub fn score(&mut self, rows: &[usize], position: Position) -> Vec<Score> {
        if let Some(&last) = rows.iter().max() {
            self.features.make_up_to(last);
        }
        let neutral = self.neutral_effect() as f32;
        score(self.stepper.scoring(), (&self.data, &self.features), rows, (position, neutral))
    }

    /// The mean click effect of the slots of training.
    pub(crate) fn neutral_effect(&self) -> f64 {
        let effects = self.stepper.scoring().slot_effects().iter();
        effects.zip(&self.slot_shares).map(|(&effect, share)| f64::from(effect) * share).sum()
    }

    /// The network as it is now.
    pub fn network(&self) -> &PointwiseNetwork<f32> {
        self.stepper.scoring()
    }

    /// Puts another network in the place of this one, e.g. one that was saved.
    pub fn set_network(&mut self, network: PointwiseNetwork<f32>) {
        self.stepper.replace(network);
    }

    /// What was predicted before it was learned, day by day.
    pub fn days(&self) -> &[DayReport] {
        &self.days
    }

    /// The epochs so far.
    pub fn curve(&self) -> &[PassReport] {
        &self.curve
    }

    /// The epoch whose parameters were kept; 0 where the log was read once.
    pub fn best_epoch(&self) -> usize {
        self.best_epoch
    }

    fn fit_once(&mut self, watch: Watch) -> bool {
        let first = self.task.examples.times.first().copied().unwrap_or(0);
        while self.until < self.end() {
            self.until = self.until.max(first).saturating_add(DAY_MS).min(self.end());
            self.train_to(self.until);
            let day = self.days.last().cloned().unwrap_or_default();
            if !watch(self, &Progress::Day(day)) {
                return false;
            }
        }
        let validation_loss = self.validation_loss();
        self.curve.push(PassReport { epoch: 1, heads: head_reports(&self.heads), validation_loss });
        true
    }

    /// Leaves out every lesson before a time, as learned in a training that goes on here.
    pub(crate) fn pass_over(&mut self, until: i64) {
        self.until = until;
        if !self.plan.once {
            return;
        }
        while let Some(timed) = self.lessons.next_before(until) {
            self.features.make_up_to(timed.row as usize);
            self.forget(timed);
        }
    }

    fn fit_epochs(&mut self, watch: Watch) -> bool {
        let mut lessons: Vec<Timed> = std::iter::from_fn(|| self.lessons.next_before(i64::MAX)).collect();
        if let Some(last) = self.task.examples.len().checked_sub(1) {
            self.features.make_up_to(last);
        }
        let rng = Rng::new(self.task.seed, "ranking epochs");
        // Each epoch shuffles the order of the last one.
        (1..=self.curve.len()).for_each(|epoch| rng.fork(epoch as u64).shuffle(&mut lessons));
        while !self.ended() {
            let epoch = self.curve.len() + 1;
            rng.fork(epoch as u64).shuffle(&mut lessons);
            let report = self.epoch(epoch, &lessons);
            if !watch(self, &Progress::Epoch(report)) {
                return false;
            }
        }
        if let Some((_, network)) = self.best.take() {
            self.stepper.replace(network);
        }
        true
    }

    /// Whether no epoch follows.
    fn ended(&self) -> bool {
        let (settings, done) = (self.task.settings, self.curve.len());
        done >= settings.epochs || (settings.patience > 0 && done >= self.best_epoch + settings.patience)
    }

    /// One pass over shuffled lessons; keeps the parameters if they are the best so far.
    fn epoch(&mut self, epoch: usize, lessons: &[Timed]) -> PassReport {
        self.heads = Default::default();
        for batch in lessons.chunks(self.task.settings.batch) {
            let stepped = self.stepper.step(&self.data, &self.features, &mut batch.to_vec());
            add(&mut self.heads, &stepped.heads);
        }
        let validation_loss = self.validation_loss();
        let report = PassReport { epoch, heads: head_reports(&self.heads), validation_loss };
        self.curve.push(report.clone());
        let loss = validation_loss.unwrap_or(0.0);
        if self.best.as_ref().is_none_or(|(least, _)| validation_loss.is_none() || loss < *least) {
            self.best = Some((loss, self.stepper.scoring().clone()));
            self.best_epoch = epoch;
        }
        report
    }

    /// Learns a batch in time order, and notes what was predicted before.
    fn learn(&mut self, batch: &mut [Timed]) {
        if let Some(last) = batch.iter().map(|timed| timed.row as usize).max() {
            self.features.make_up_to(last);
        }
        let stepped = self.stepper.step(&self.data, &self.features, batch);
        add(&mut self.heads, &stepped.heads);
        self.note(&stepped);
        batch.iter().for_each(|&timed| self.forget(timed));
    }

    /// Forgets the features of a row that no later lesson is about.
    fn forget(&mut self, timed: Timed) {
        let row = timed.row as usize;
        let learned = timed.lesson == Lesson::Click;
        if learned && !(self.plan.conversions && self.labels.may_convert(row)) {
            self.features.release(row);
        }
    }

    fn note(&mut self, stepped: &Stepped) {
        let examples = self.task.examples;
        let first = examples.times.first().copied().unwrap_or(0).div_euclid(DAY_MS);
        let mut predictions: Vec<_> = stepped.predictions.iter().collect();
        predictions.sort_by_key(|prediction| prediction.row);
        for prediction in predictions {
            let row = prediction.row as usize;
            let day = examples.times[row].div_euclid(DAY_MS) - first;
            let at = match self.days.binary_search_by_key(&day, |report| report.day) {
                Ok(at) => at,
                Err(at) => {
                    self.days.insert(at, DayReport { day, ..DayReport::default() });
                    at
                }
            };
            self.days[at].clicks.push(prediction.click, examples.clicks[row]);
            if self.plan.conversions
                && self.labels.may_convert(row)
                && self.labels.matured(row) <= self.labels.end
            {
                let converts = self.labels.conversion_time(row).is_some();
                self.days[at].conversions.push(prediction.conversion, converts);
            }
        }
    }

    /// Weighted mean loss over validation rows: of clicks, and of conversions of clicks whose window is over.
    fn validation_loss(&mut self) -> Option<f64> {
        let rows: Vec<usize> = self.task.examples.rows(Part::Valid).collect();
        let scores = self.score(&rows, Position::Logged);
        let log_odds = |p: f64| (p / (1.0 - p)).ln();
        // Weighted sums of losses, and of weights.
        let (mut clicks, mut conversions) = ([0.0; 2], [0.0; 2]);
        for (&row, score) in rows.iter().zip(&scores) {
            let weight = self.data.weight(row);
            let add = |sums: &mut [f64; 2], p: f64, label: bool| {
                *sums = [sums[0] + weight * cross_entropy(log_odds(p), label, 1.0).0, sums[1] + weight];
            };
            add(&mut clicks, score.click, self.task.examples.clicks[row]);
            let mature = self.labels.may_convert(row) && self.labels.matured(row) <= self.labels.end;
            if self.plan.conversions && mature {
                add(&mut conversions, score.conversion, self.labels.conversion_time(row).is_some());
            }
        }
        let mean = |[loss, weight]: [f64; 2]| if weight > 0.0 { loss / weight } else { 0.0 };
        let settings = self.task.settings;
        let loss = settings.click_weight * mean(clicks) + settings.conversion_weight * mean(conversions);
        (!rows.is_empty()).then_some(loss)
    }
}

/// How far a training is.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// After an epoch.
    Epoch(PassReport),
    /// After a day of a log that is read once.
    Day(DayReport),
}

fn shape(task: &PointwiseTask, features: usize, (conversions, hazards): (bool, usize)) -> PointwiseShape {
    let examples = task.examples;
    let advertisers = task.tables.advertisers.iter().filter(|&&a| a != u32::MAX).max();
    let slots = examples.slots.iter().filter(|&&slot| slot != u16::MAX).max();
    PointwiseShape {
        items: task.dataset.catalog.len(),
        content: task.tables.width(),
        advertisers: advertisers.map_or(0, |&most| most as usize + 1),
        actions: task.dataset.actions.len(),
        features,
        contexts: task.contexts.small.iter().map(|column| column.values).collect(),
        related: task.contexts.related.len(),
        slots: slots.map_or(1, |&most| most as usize + 2),
        conversions,
        dwell: examples.dwell_ms.iter().any(|&ms| ms >= 0),
        hazards,
    }
}

/// A fresh network.
pub(crate) fn network(task: &PointwiseTask, shape: PointwiseShape) -> PointwiseNetwork<f32> {
    let (model, settings) = (task.model, task.settings);
    let sizes = Sizes {
        dim: settings.dim,
        heads: settings.heads,
        hidden: [settings.hidden, settings.hidden_2],
        context: settings.context,
        id_rows: model.id_rows,
        ids: model.ids,
        content: model.content,
        weibull: shape.conversions
            && task.train.delay == Delay::DelayModel
            && settings.hazard == Hazard::Weibull,
    };
    let mut network = PointwiseNetwork::new(shape, sizes, task.tables.prefixes, task.seed);
    if let Some(conversion) = network.columns.conversion {
        network.set_bias(conversion, CONVERSION_START);
        network.set_bias(conversion + 1, LATE_START[0]);
        network.set_bias(conversion + 2, LATE_START[1]);
        // Together the stretches begin at the same rate.
        for stretch in 0..network.columns.hazards {
            let column = HeadColumns::hazard(conversion, stretch as u8);
            network.set_bias(column, -(network.columns.hazards as f64).ln());
        }
    }
    network
}

/// Share of the training rows in each slot.
fn slot_shares(data: &RowData, slots: usize) -> Vec<f64> {
    let mut counts = vec![0.0; slots];
    let rows = data.examples.rows(Part::Train);
    rows.for_each(|row| counts[data.slot(row) as usize] += 1.0);
    let all: f64 = counts.iter().sum();
    counts.iter().map(|count| count / all.max(1.0)).collect()
}
