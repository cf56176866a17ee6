//! The stage `model`: histories and content vectors in, a trained model and its blend out.
//!
//! While it trains, the whole state stands in `model.partial/` beside the stage: after each epoch, on Ctrl-C, and every
//! minute of a long epoch. `--resume` goes on from there with the same result to the last bit.

use super::data::Data;
use super::folder::RunFolder;
use super::live;
use super::partial::Partial;
use super::stage::{Done, Key, Timing, stage};
use super::tokens::Content;
use crate::config::{Config, ContentSettings};
use crate::error::Error;
use crate::interrupt;
use crate::output::note;
use crate::progress::{BlendLines, Progress};
use semrank_data::Case;
use semrank_embed::hash::TfIdf;
use semrank_model::artefact::{Trained, TrainedFacts, load_trained, save_trained};
use semrank_model::{
    BlendTask, Encoded, Ended, EpochReport, Fit, FitError, Fitting, ItemItem, NewItems, SeenInTraining,
    StepReport, Task, Terms, TrainedContent, TrainingData, Watch, choose,
};
use serde_json::json;
use std::time::Instant;

/// What decides the model; `features` and `tokens` are the hashes of those stages.
pub(crate) fn key(data: &Data, config: &Config, seed: u64, [features, tokens]: [&str; 2]) -> Key {
    let config = json!({
        "scope": data.scope_key(),
        "model": config.model,
        "train": settings(config),
        "blend": config.blend,
        "content": training(&config.content),
    });
    Key::new("model", seed, config, &[("dataset", &data.hash), ("features", features), ("tokens", tokens)])
}

/// The settings of training that a sequence model reads.
fn settings(config: &Config) -> serde_json::Value {
    let mut value = json!(config.train);
    if let Some(settings) = value.as_object_mut() {
        ["delay", "stream"].iter().for_each(|of_ranking| drop(settings.remove(*of_ranking)));
    }
    value
}

/// What steers the training of content; nothing where it stays frozen.
fn training(settings: &ContentSettings) -> Option<serde_json::Value> {
    let mut value = json!(settings);
    value.as_object_mut()?.remove("cache");
    settings.train.trains_encoder().then_some(value)
}

/// Trains the model, or reads it.
pub(crate) fn run(
    folder: &RunFolder,
    data: &Data,
    (config, seed): (&Config, u64),
    (content, hashes): (&Content, [&str; 2]),
    resume: bool,
) -> Result<(Trained, Done), Error> {
    let key = key(data, config, seed, hashes);
    let training = Training { folder, data, config, seed, content, key: key.fingerprint(), resume };
    let out = stage(
        folder,
        &key,
        |dir| Ok(load_trained(dir, data.shape(content.features.dim), content.tokens.as_ref())?),
        |dir, timing| {
            let trained = training.run(timing)?;
            save_trained(dir, &trained)?;
            Ok(trained)
        },
    )?;
    Partial::remove(folder);
    Ok(out)
}

struct Training<'a> {
    folder: &'a RunFolder,
    data: &'a Data,
    config: &'a Config,
    seed: u64,
    content: &'a Content,
    key: String,
    resume: bool,
}

impl Training<'_> {
    fn run(&self, timing: &mut Timing) -> Result<Trained, Error> {
        let (fit, masks) = self.fit()?;
        timing.epochs =
            fit.curve.iter().map(|epoch| [epoch.train_seconds, epoch.validation_seconds]).collect();
        timing.parts.insert("train".into(), timing.epochs.iter().flatten().sum());
        if let Some(content) = &fit.content {
            timing.counts.insert("encoder_passes".into(), content.report.encoder_passes);
            timing.counts.insert("bytes_cached".into(), content.report.bytes_cached as f64);
        }
        let started = Instant::now();
        let trained = self.blend(fit, masks)?;
        timing.parts.insert("blend".into(), started.elapsed().as_secs_f64());
        interrupt::check()?;
        Ok(trained)
    }

    fn training(&self) -> TrainingData<'_> {
        self.data.training(&self.content.features.values, self.content.tokens.as_ref())
    }

    fn fit(&self) -> Result<(Fit, bool), Error> {
        let task = Task {
            model: &self.config.model,
            train: &self.config.train,
            data: self.training(),
            validation: &self.data.split.validation,
            seed: self.seed,
        };
        let partial = Partial::new(self.folder, &self.key);
        let mut fitting = partial.begin(self.resume, || self.fitting(&task), Fitting::restore)?;
        note(&format!(
            "model: {} training histories, epochs chosen on {}, from step {}",
            self.data.dataset.events.users(),
            some_of(fitting.validation_cases(), task.validation.len()),
            fitting.step()
        ));
        let masks = fitting.seen() == SeenInTraining::Masked;
        let progress = Progress::new(fitting.most_epochs());
        let mut watch = Keeper { partial, progress };
        match fitting.run(&mut watch)? {
            Ended::Finished => Ok((fitting.finish()?, masks)),
            Ended::Interrupted => Err(Error::Interrupted { resume: None }),
        }
    }

    fn fitting<'t>(&self, task: &Task<'t>) -> Result<Fitting<'t>, Error> {
        let mut fitting = Fitting::new(task);
        if let Some(live) = live::make(self.data, self.config, self.seed, self.content)? {
            fitting.set_live(live);
        }
        Ok(fitting)
    }

    /// Item-item term, prior, their weights and the seen policy, by validation.
    fn blend(&self, fit: Fit, masks_seen_in_training: bool) -> Result<Trained, Error> {
        note("model: counting which items are taken together");
        let training = self.training();
        let (items, events) = (self.data.dataset.catalog.len(), &self.data.dataset.events);
        let item_item = ItemItem::fit(&training, &self.config.blend);
        let contents = TrainedContent::vectors_or(fit.content.as_ref(), &self.content.features.values);
        let encoded = Encoded::new(&fit.network, events, items, contents);
        let similar = self.content.similar(&self.config.blend);
        let new_items = self.new_items(&training);
        let terms = Terms {
            encoded: &encoded,
            item_item: &item_item,
            similar: &similar,
            new_items: new_items.as_ref(),
        };
        let cases = &self.data.split.validation;
        let task =
            BlendTask { settings: &self.config.blend, learned_seen: !masks_seen_in_training, work: fit.work };
        let mut progress = BlendLines::new();
        let chosen = choose(&terms, &training, cases, &task, &mut |at| progress.show(at))?;
        note(&format!("model: blend chosen on {}", some_of(chosen.cases, cases.len())));
        drop(encoded);
        let facts = TrainedFacts {
            model: self.config.model.clone(),
            shape: self.data.shape(self.content.features.dim),
            blend: chosen.blend,
            validation_ndcg_10: chosen.ndcg_10,
            masks_seen_in_training,
            best_epoch: fit.best_epoch,
            live: fit.content.as_ref().map(|content| content.report),
            curve: fit.curve,
        };
        let new_items = new_items.filter(|_| chosen.blend.new_places > 0);
        let Fit { network, content, .. } = fit;
        Ok(Trained { network, item_item, prior: chosen.prior, new_items, content, facts })
    }

    /// The order of items without events, learned from words; `None` where no place is kept for them anyway.
    fn new_items(&self, training: &TrainingData) -> Option<NewItems> {
        let (dataset, settings) = (&self.data.dataset, &self.config.blend);
        let reads_text = self.config.model.reads_text() && self.data.has_text();
        // Places are kept only where a validation target is new.
        let wanted = |case: &Case| training.counts[case.target.index()] == 0;
        let any = self.data.split.validation.iter().any(wanted);
        if !reads_text || !dataset.events.timed() || settings.place_price == 0.0 || !any {
            return None;
        }
        note("model: learning from words what items without events can expect");
        let words = TfIdf::fit(&dataset.catalog, self.data.scope.known(), &self.config.features)
            .transform(&dataset.catalog);
        NewItems::fit(training, &words, (settings.newcomers, settings.newcomer_days), self.seed)
    }
}

/// How many cases are looked at, and why not all.
fn some_of(used: usize, all: usize) -> String {
    if used == all {
        return format!("{all} validation cases");
    }
    format!("{used} of {all} validation cases, as all would take longer than the training")
}

/// Shows the progress and keeps the state.
struct Keeper<'a> {
    partial: Partial<'a>,
    progress: Progress,
}

impl Watch for Keeper<'_> {
    fn step(&mut self, report: &StepReport) {
        self.progress.step(report);
    }

    fn epoch(&mut self, report: &EpochReport, best: bool) {
        self.progress.epoch(report, best);
    }

    fn interrupted(&self) -> bool {
        interrupt::requested()
    }

    fn save(&mut self, fitting: &Fitting) -> Result<(), FitError> {
        let kept = self.partial.keep(fitting.step(), |dir| fitting.save(dir));
        kept.map_err(|error| FitError::Watch(error.into()))
    }
}
