//! The passes of a training: one in time order, each row predicted before it is learned; or shuffled epochs, the best one kept.

use super::delay::cross_entropy;
use super::diverged::Diverged;
use super::network::Position;
use super::progress::{DayReport, PassReport, add, head_reports};
use super::samples::Timed;
use super::start::base_rates;
use super::trainer::Stepped;
use super::training::{Choosing, PointwiseTrainer, Progress, Watch};
use semrank_core::Rng;
use semrank_data::{DAY_MS, Part};
use semrank_tower::Rounds;

impl PointwiseTrainer<'_> {
    pub(super) fn fit_once(&mut self, watch: Watch) -> Result<bool, Diverged> {
        let first = self.task.examples.times.first().copied().unwrap_or(0);
        while self.until < self.end() {
            self.until = self.until.max(first).saturating_add(DAY_MS).min(self.end());
            let before = self.days.last().cloned();
            self.train_to(self.until)?;
            let progress = match self.days.last() {
                Some(day) if before.as_ref() != Some(day) => Progress::Day(day.clone()),
                _ => Progress::LateDay,
            };
            if !watch(self, &progress) {
                return Ok(false);
            }
        }
        self.features.release_training();
        let validation_loss = self.validation_loss()?;
        self.curve.push(PassReport { epoch: 1, heads: head_reports(&self.heads), validation_loss });
        Ok(true)
    }

    /// Leaves out every sample before a time, as learned in a training that goes on here.
    pub(crate) fn pass_over(&mut self, until: i64) {
        self.until = until;
        if !self.plan.once {
            return;
        }
        while let Some(timed) = self.samples.next_before(until) {
            self.features.make_up_to(timed.row as usize);
            self.forget(timed);
        }
    }

    pub(super) fn fit_epochs(&mut self, watch: Watch) -> Result<bool, Diverged> {
        let mut samples: Vec<Timed> = std::iter::from_fn(|| self.samples.next_before(i64::MAX)).collect();
        let rounds = self.rounds(samples.len());
        self.stepper.schedule.total_steps = self.steps_per_pass(samples.len()) * rounds.passes;
        if self.stepper.optimiser.step == 0 {
            self.stepper.start_at(&base_rates(&samples, |row| self.data.weight(row)));
        }
        if let Some(last) = self.task.examples.len().checked_sub(1) {
            self.features.make_up_to(last);
        }
        let rng = Rng::new(self.task.seed, "ranking epochs");
        // Each pass shuffles the order of the last one.
        (1..=self.passes_done()).for_each(|pass| rng.fork(pass).shuffle(&mut samples));
        while !self.ended(rounds) {
            self.heads = Default::default();
            let (first, last) = (self.passes_done() + 1, rounds.next(self.passes_done()));
            for pass in first..=last {
                rng.fork(pass).shuffle(&mut samples);
                self.pass(&samples)?;
            }
            let report = self.validate(last as usize)?;
            if !watch(self, &Progress::Epoch(report)) {
                return Ok(false);
            }
        }
        if let Some((_, best)) = self.best.take() {
            self.stepper.restore(best);
        }
        Ok(true)
    }

    fn steps_per_pass(&self, samples: usize) -> u64 {
        samples.div_ceil(self.task.settings.batch) as u64
    }

    /// The passes over so many samples, and after how many of them each validation follows.
    fn rounds(&self, samples: usize) -> Rounds {
        let settings = self.task.settings;
        Rounds::new(settings.epochs, settings.min_steps, self.steps_per_pass(samples))
    }

    /// Passes done, as far as they were validated.
    fn passes_done(&self) -> u64 {
        self.curve.last().map_or(0, |report| report.epoch as u64)
    }

    /// Whether no pass follows.
    fn ended(&self, rounds: Rounds) -> bool {
        let (settings, done) = (self.task.settings, self.passes_done());
        let patience = rounds.patience(settings.patience, settings.epochs);
        done >= rounds.passes || (patience > 0 && done >= self.best_epoch as u64 + patience)
    }

    /// One pass over shuffled samples.
    fn pass(&mut self, samples: &[Timed]) -> Result<(), Diverged> {
        for batch in samples.chunks(self.task.settings.batch) {
            self.stepper.take(&self.data, &self.features, &mut batch.to_vec());
            let stepped = self.stepper.step(&self.data)?;
            add(&mut self.heads, &stepped.heads);
        }
        Ok(())
    }

    /// Reports the pass `epoch`; keeps the parameters if they are the best so far.
    fn validate(&mut self, epoch: usize) -> Result<PassReport, Diverged> {
        let validation_loss = self.validation_loss()?;
        let report = PassReport { epoch, heads: head_reports(&self.heads), validation_loss };
        self.curve.push(report.clone());
        let loss = validation_loss.unwrap_or(0.0);
        if self.best.as_ref().is_none_or(|(least, _)| validation_loss.is_none() || loss < *least) {
            self.best = Some((loss, self.stepper.scoring().weights.snapshot()));
            self.best_epoch = epoch;
        }
        Ok(report)
    }

    /// Learns a batch in time order, whose features are made, and notes what was predicted before. Features are no function of
    /// parameters: those of the batch that follows are made meanwhile.
    pub(super) fn learn(&mut self, batch: &mut [Timed], next: &[Timed]) -> Result<(), Diverged> {
        self.stepper.take(&self.data, &self.features, batch);
        batch.iter().for_each(|&timed| self.forget(timed));
        let (data, stepper, features) = (&self.data, &mut self.stepper, &mut self.features);
        let (stepped, ()) = rayon::join(|| stepper.step(data), || features.make_of(next));
        let stepped = stepped?;
        add(&mut self.heads, &stepped.heads);
        self.note(&stepped);
        Ok(())
    }

    /// Forgets the features of a row that no later sample is about.
    fn forget(&mut self, timed: Timed) {
        if timed.last {
            self.features.release(timed.row as usize);
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
            if self.plan.conversions && self.labels.is_mature(row) {
                let converts = self.labels.conversion_time(row).is_some();
                self.days[at].conversions.push(prediction.conversion, converts);
            }
        }
    }

    /// Weighted mean loss over validation rows: of clicks, and of conversions of clicks whose window is over, before the first test
    /// row. None where no label that counts is known by then: nothing can be chosen by a loss of nothing.
    fn validation_loss(&mut self) -> Result<Option<f64>, Diverged> {
        let rows: Vec<usize> = self.task.examples.rows(Part::Valid).collect();
        let scores = self.score(&rows, Position::Logged)?;
        // Weighted sums of losses, and of weights.
        let (mut clicks, mut conversions) = ([0.0; 2], [0.0; 2]);
        for (&row, score) in rows.iter().zip(&scores) {
            let weight = self.data.weight(row);
            let add = |sums: &mut [f64; 2], log_odds: f64, label: bool| {
                *sums = [sums[0] + weight * cross_entropy(log_odds, label, 1.0).0, sums[1] + weight];
            };
            let Choosing { click, conversion } = self.choosing(row);
            click.into_iter().for_each(|label| add(&mut clicks, score.click_log_odds, label));
            if let (Some(log_odds), Some(label)) = (score.conversion_log_odds, conversion) {
                add(&mut conversions, log_odds, label);
            }
        }
        let settings = self.task.settings;
        let heads = [(settings.click_weight, clicks), (settings.conversion_weight, conversions)];
        let known = heads.into_iter().filter(|&(counts, [_, weight])| counts > 0.0 && weight > 0.0);
        let losses: Vec<f64> = known.map(|(counts, [loss, weight])| counts * (loss / weight)).collect();
        Ok((!losses.is_empty()).then(|| losses.iter().sum()))
    }
}
