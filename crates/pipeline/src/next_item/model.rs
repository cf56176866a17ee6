//! The stage `model`: histories and content vectors in, a trained model and its blend out.
//!
//! While it trains, the whole state is in `model.partial/` beside the stage: after each epoch, on Ctrl-C, and every
//! minute of a long epoch. A resumed training goes on from there with the same result to the last bit.

use crate::config::{Config, ContentSettings};
use crate::data::Data;
use crate::live;
use crate::partial::Partial;
use crate::stage::{Key, Stage, Timing};
use crate::tokens::Content;
use crate::{Context, Error, Event};
use semrank_data::Case;
use semrank_embed::hash::TfIdf;
use semrank_sequence::{
    Blend, BlendTask, Chosen, Ended, EpochReport, Fit, FitError, Fitting, ItemItem, NewItems, SeenInTraining,
    Servable, StepReport, Task, Texts, TrainingData, Watch, Words,
    artefact::{Trained, TrainedFacts, load_trained, save_trained},
    choose,
};
use semrank_tower::TrainSettings;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// The stage.
pub struct NextItem<'a> {
    /// What is divided.
    pub data: &'a Data,
    /// All settings.
    pub config: &'a Config,
    /// Of every random choice.
    pub seed: u64,
    /// What the items' texts say.
    pub content: &'a Content,
    /// Hashes of the stages `features` and `tokens`.
    pub hashes: [&'a str; 2],
    /// Where the state of a training under way is kept.
    pub partial: PathBuf,
    /// Whether to go on from there.
    pub resume: bool,
}

/// The settings of training that a sequence model reads; the others stay at their defaults.
fn train_settings(config: &Config) -> TrainSettings {
    let TrainSettings { delay, stream, .. } = TrainSettings::default();
    TrainSettings { delay, stream, ..config.train.clone() }
}

/// What steers the training of content; nothing where it stays frozen. The place of the cache steers nothing.
fn content_settings(settings: &ContentSettings) -> Option<ContentSettings> {
    let settings = ContentSettings { cache: String::new(), ..settings.clone() };
    settings.train.trains_encoder().then_some(settings)
}

impl Stage for NextItem<'_> {
    type Output = Trained;
    const ID: &'static str = "model";
    const VERSION: u32 = 2;

    fn settings(config: &Config) -> Value {
        json!({
            "model": config.model,
            "train": train_settings(config),
            "blend": config.blend,
            "content": content_settings(&config.content),
        })
    }

    fn key(&self) -> Key {
        let [features, tokens] = self.hashes;
        let inputs = [("dataset", self.data.hash.as_str()), ("features", features), ("tokens", tokens)];
        Key::new::<Self>((self.config, self.seed), json!({ "scope": self.data.scope_key() }), &inputs)
    }

    fn make(&self, dir: &Path, context: &Context, timing: &mut Timing) -> Result<Trained, Error> {
        let (fit, masks) = self.fit(context)?;
        timing.epochs =
            fit.curve.iter().map(|epoch| [epoch.train_seconds, epoch.validation_seconds]).collect();
        timing.parts.insert("train".into(), timing.epochs.iter().flatten().sum());
        if let Some(content) = &fit.content {
            timing.counts.insert("encoder_passes".into(), content.report.encoder_passes);
            timing.counts.insert("bytes_cached".into(), content.report.bytes_cached as f64);
        }
        let started = Instant::now();
        let trained = self.blend(fit, masks, context)?;
        timing.parts.insert("blend".into(), started.elapsed().as_secs_f64());
        context.check()?;
        save_trained(dir, &trained)?;
        Ok(trained)
    }

    fn read(&self, dir: &Path) -> Result<Trained, Error> {
        let shape = self.data.shape(self.content.features.dim);
        Ok(load_trained(dir, shape, self.content.tokens.as_ref())?)
    }
}

impl NextItem<'_> {
    fn training(&self) -> TrainingData<'_> {
        self.data.training(&self.content.features.values, self.content.tokens.as_ref())
    }

    fn fit(&self, context: &Context) -> Result<(Fit, bool), Error> {
        let task = Task {
            model: &self.config.model,
            train: &self.config.train,
            data: self.training(),
            validation: &self.data.split.validation,
            seed: self.seed,
        };
        let key = self.key().fingerprint();
        let partial = Partial::new(&self.partial, &key);
        let begin = (self.resume, context);
        let mut fitting = partial.begin(begin, || self.fitting(&task, context), Fitting::restore)?;
        context.note(&format!(
            "model: {} training histories, epochs chosen on {}, from step {}",
            self.data.dataset.events.users(),
            some_of(fitting.validation_cases(), task.validation.len()),
            fitting.step()
        ));
        let masks = fitting.seen() == SeenInTraining::Masked;
        let mut watch = Keeper { partial, context, epochs: fitting.most_epochs() };
        let ended = fitting.run(&mut watch);
        context.progress.event(Event::Trained);
        match ended? {
            Ended::Finished => Ok((fitting.finish()?, masks)),
            Ended::Interrupted => Err(Error::Interrupted),
        }
    }

    fn fitting<'t>(&self, task: &Task<'t>, context: &Context) -> Result<Fitting<'t>, Error> {
        let mut fitting = Fitting::new(task);
        if let Some(live) = live::make(self.data, self.config, self.seed, self.content, context)? {
            fitting.set_live(live);
        }
        Ok(fitting)
    }

    /// Item-item term, prior, their weights and the seen policy, by validation.
    fn blend(&self, fit: Fit, masks_seen_in_training: bool, context: &Context) -> Result<Trained, Error> {
        let training = self.training();
        context.note("model: counting co-engaged items and shared words");
        let item_item = ItemItem::fit(&training, &self.config.blend);
        let (with_words, new_items) = self.with_words(&item_item, &training, context);
        let facts = TrainedFacts {
            model: self.config.model.clone(),
            shape: self.data.shape(self.content.features.dim),
            blend: Blend::network_alone(),
            validation_ndcg_10: 0.0,
            masks_seen_in_training,
            best_epoch: fit.best_epoch,
            live: fit.content.as_ref().map(|content| content.report),
            curve: fit.curve,
        };
        let trained = Trained {
            network: fit.network,
            item_item,
            prior: vec![0.0; self.data.dataset.catalog.len()],
            new_items,
            content: fit.content,
            facts,
        };
        let similar = self.content.similar(&self.config.blend);
        let mut servable = Servable::new(Arc::new(trained), &self.content.features.values, similar);
        let cases = &self.data.split.validation;
        let task =
            BlendTask { settings: &self.config.blend, learned_seen: !masks_seen_in_training, work: fit.work };
        let choose = |servable: &Servable| -> Result<Chosen, Error> {
            let mut progress = |at| context.progress.event(Event::Blend(at));
            let chosen = choose(servable, &training, cases, &task, &mut progress)?;
            context.note(&format!("model: blend chosen on {}", some_of(chosen.cases, cases.len())));
            Ok(chosen)
        };
        let mut chosen = choose(&servable)?;
        if let Some(with_words) = with_words {
            let without = servable.replace_item_item(with_words);
            let found = choose(&servable)?;
            if words_pay(found.ndcg_10, chosen.ndcg_10) {
                chosen = found;
            } else {
                servable.replace_item_item(without);
            }
        }
        let mut trained = servable.into_model();
        trained.choose(chosen);
        Ok(trained)
    }

    /// What is made of words: the item-item term with them, and the order of items without events, where places are kept for them.
    fn with_words(
        &self,
        item_item: &ItemItem,
        training: &TrainingData,
        context: &Context,
    ) -> (Option<ItemItem>, Option<NewItems>) {
        let (settings, dataset, scope) = (&self.config.blend, &self.data.dataset, &self.data.scope);
        // Places are kept only where a validation target is new.
        let is_new = |case: &Case| training.counts[case.target.index()] == 0;
        let orders_new = dataset.events.timed()
            && settings.place_price > 0.0
            && self.data.split.validation.iter().any(is_new);
        let reads_text = self.config.model.reads_text() && self.data.has_text();
        if !reads_text || !(orders_new || settings.text > 0.0) {
            return (None, None);
        }
        let vocabulary = TfIdf::fit(&dataset.catalog, scope.known(), &self.config.features);
        let rows = &vocabulary.transform(&dataset.catalog);
        let texts = Texts { rows, known: scope.known() };
        let joined = (settings.text > 0.0).then(|| item_item.with_texts(texts, training, settings));
        if !orders_new {
            return (joined, None);
        }
        context.note("model: predicting the popularity of items without events from their words");
        let words = Words { rows, buckets: vocabulary.buckets() };
        (joined, NewItems::fit(training, words, (settings.newcomers, settings.newcomer_days), self.seed))
    }
}

/// Whether words count in the item-item term, by the validation NDCG@10 with and without them. A small loss is noise: backtests of three
/// public sets gain 1.4 to 2.1 %, and where words do harm they lost more than this share.
fn words_pay(with: f64, without: f64) -> bool {
    const NOISE: f64 = 0.01;
    with > without || with < without && with > (1.0 - NOISE) * without
}

/// How many cases are looked at, and why not all.
fn some_of(used: usize, all: usize) -> String {
    if used == all {
        return format!("{all} validation cases");
    }
    format!("{used} of {all} validation cases, as all would take longer than the training")
}

/// Tells the progress and keeps the state.
struct Keeper<'a> {
    partial: Partial<'a>,
    context: &'a Context<'a>,
    epochs: u64,
}

impl Watch for Keeper<'_> {
    fn step(&mut self, report: &StepReport) {
        self.context.progress.event(Event::Step(report));
    }

    fn epoch(&mut self, report: &EpochReport, best: bool) {
        self.context.progress.event(Event::Epoch { report, best, epochs: self.epochs });
    }

    fn interrupted(&self) -> bool {
        (self.context.cancel)()
    }

    fn save(&mut self, fitting: &Fitting) -> Result<(), FitError> {
        let kept = self.partial.keep(fitting.step(), |dir| fitting.save(dir));
        kept.map_err(|error| FitError::Watch(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_unless_they_do_harm_or_nothing() {
        assert!(words_pay(0.0712, 0.0710) && words_pay(0.0707, 0.0710));
        assert!(!words_pay(0.0702, 0.0710) && !words_pay(0.0710, 0.0710) && !words_pay(0.0, 0.0));
    }
}
