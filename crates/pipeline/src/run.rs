//! A run: a folder with its stages. Opening it reads `run.json`; a stage is checked and read when it is first asked for.

use crate::config::{Config, Task};
use crate::data::Data;
use crate::features::{Encoders, Features};
use crate::folder::{DatasetRef, FORMAT, Lock, RunFile, RunFolder};
use crate::live::trained_encoder;
use crate::next_item::{Evaluation, Extra, ItemEncoder, ModelView, NextItem, Report};
use crate::partial::Partial;
use crate::stage::{self, Done, Pages, Stage, Timing};
use crate::tokens::{Content, Tokens, quantised};
use crate::{Context, Error};
use semrank_embed::{ItemFeatures, Source, Trainable};
use semrank_sequence::artefact::Trained;
use semrank_tokens::SemanticIds;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The published ids of a run, beside its stages.
const PUBLISHED: &str = "ids";

/// A run folder, with those of its stages that were asked for in memory.
pub struct Run {
    folder: RunFolder,
    file: RunFile,
    /// Where the data set is now.
    dataset: PathBuf,
    data: OnceLock<Data>,
    content: OnceLock<Content>,
    /// `features`, then `tokens`.
    content_stages: OnceLock<[Done; 2]>,
    model: OnceLock<(Arc<Trained>, Done)>,
    report: OnceLock<Done>,
    /// Held while stages are made.
    _lock: Option<Lock>,
}

impl Run {
    /// A run folder at `out`, made if need be, with what is asked for written down; it is locked until the run is dropped.
    ///
    /// # Errors
    /// [`Error::Occupied`] where the folder holds something else, [`Error::Locked`] where another process works on it.
    pub fn create(out: &Path, data: Data, config: Config, seed: u64) -> Result<Run, Error> {
        let (folder, lock) = RunFolder::create(out)?;
        let name = data.dataset.meta.name.clone();
        let dataset = DatasetRef { name, path: data.path.clone(), hash: data.hash.clone() };
        let semrank = env!("CARGO_PKG_VERSION").to_owned();
        let file = RunFile { format: FORMAT, semrank, dataset, seed, config };
        folder.write(&file)?;
        let run = Run { _lock: Some(lock), ..Run::of(folder, file) };
        let _ = run.data.set(data);
        Ok(run)
    }

    /// An existing run; no stage is read yet.
    ///
    /// # Errors
    /// [`Error::NotARun`], [`Error::Version`], settings that cannot be.
    pub fn open(path: &Path) -> Result<Run, Error> {
        let (folder, file) = RunFolder::open(path)?;
        Ok(Run::of(folder, file))
    }

    fn of(folder: RunFolder, file: RunFile) -> Run {
        Run {
            folder,
            dataset: file.dataset.path.clone(),
            file,
            data: OnceLock::new(),
            content: OnceLock::new(),
            content_stages: OnceLock::new(),
            model: OnceLock::new(),
            report: OnceLock::new(),
            _lock: None,
        }
    }

    /// The same run, its data set looked for at `place`.
    #[must_use]
    pub fn with_dataset_at(self, place: &Path) -> Run {
        Run { dataset: place.to_owned(), ..self }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What was asked for.
    pub fn file(&self) -> &RunFile {
        &self.file
    }

    /// All settings.
    pub fn config(&self) -> &Config {
        &self.file.config
    }

    /// Of every random choice.
    pub fn seed(&self) -> u64 {
        self.file.seed
    }

    /// What is predicted.
    pub fn task(&self) -> Task {
        self.config().task
    }

    /// Where a stage, or what stands beside the stages, is.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.stage(name)
    }

    /// The finished stages that were made or read so far, in their order.
    pub fn stages(&self) -> Vec<Done> {
        let content = self.content_stages.get().into_iter().flatten();
        let model = self.model.get().map(|(_, done)| done);
        content.chain(model).chain(self.report.get()).cloned().collect()
    }

    /// Keeps other processes from working on the run until the lock is dropped.
    ///
    /// # Errors
    /// [`Error::Locked`].
    pub fn lock(&self) -> Result<Lock, Error> {
        self.folder.lock()
    }

    /// The data set.
    ///
    /// # Errors
    /// One that cannot be read, [`Error::Mismatch`] where it is another one than that of the run.
    pub fn data(&self) -> Result<&Data, Error> {
        once(&self.data, || {
            let data = Data::open(&self.dataset, self.config())?;
            if data.hash == self.file.dataset.hash {
                return Ok(data);
            }
            Err(Error::Mismatch {
                path: data.path,
                what: format!("data set `{}`", data.dataset.meta.name),
                got: data.hash,
                expected: self.file.dataset.hash.clone(),
                help: "it has changed since the run, or is another one: repeat `semrank run`, or name the right one with --data",
            })
        })
    }

    pub(crate) fn asked(&self) -> (&Config, u64) {
        (self.config(), self.seed())
    }

    fn tokens_stage<'a>(&'a self, data: &'a Data, from: (&'a ItemFeatures, &'a str)) -> Tokens<'a> {
        let ((config, seed), (features, features_hash)) = (self.asked(), from);
        Tokens { data, config, seed, features, features_hash }
    }

    /// Makes the stages `features` and `tokens`, or reads those that are unchanged.
    ///
    /// # Errors
    /// An encoder that cannot be opened, a text that it refuses, a full disk; [`Error::Interrupted`].
    pub fn make_content(&self, context: &Context) -> Result<&Content, Error> {
        let data = self.data()?;
        let stage = Features::to_make(data, self.asked())?;
        let (features, features_done) = self.make(&stage, context)?;
        context.check()?;
        let stage = self.tokens_stage(data, (&features, &features_done.hash));
        let (made, tokens_done) = self.make(&stage, context)?;
        let _ = self.content_stages.set([features_done, tokens_done]);
        once(&self.content, || Ok(made.content(features)))
    }

    /// What the items' texts say, and their ids.
    ///
    /// # Errors
    /// A stage that is missing, damaged or of something else.
    pub fn content(&self) -> Result<&Content, Error> {
        once(&self.content, || {
            let data = self.data()?;
            let (features, features_done) = self.read(&Features::to_read(data, self.asked()))?;
            let stage = self.tokens_stage(data, (&features, &features_done.hash));
            let (made, tokens_done) = self.read(&stage)?;
            let _ = self.content_stages.set([features_done, tokens_done]);
            Ok(made.content(features))
        })
    }

    /// The same, out of the run.
    pub(crate) fn take_content(&mut self) -> Result<Content, Error> {
        self.content()?;
        self.content.take().ok_or_else(|| Error::NoTokens { run: self.path().to_owned() })
    }

    /// Frees the content vectors: a process that serves has them in its servable and its sources. They are read again if asked for.
    pub fn free_content(&mut self) {
        self.content.take();
    }

    /// Hashes of the stages `features` and `tokens`; empty before they were asked for.
    pub(crate) fn content_hashes(&self) -> [&str; 2] {
        self.content_stages.get().map_or(["", ""], |stages| stages.each_ref().map(|done| &*done.hash))
    }

    /// Checks a stage and reads it.
    ///
    /// # Errors
    /// A stage that is missing, damaged or of something else.
    pub fn read<S: Stage>(&self, stage: &S) -> Result<(S::Output, Done), Error> {
        let dir = self.folder.stage(S::ID);
        // Hashing takes as long as reading; a reader bears any bytes, and what it made of damaged ones is dropped.
        let (done, output) = rayon::join(|| stage::check(&self.folder, stage), || stage.read(&dir));
        let done = done?;
        Ok((output?, done))
    }

    /// Checks a stage without reading it.
    pub(crate) fn check<S: Stage>(&self, stage: &S) -> Result<Done, Error> {
        stage::check(&self.folder, stage)
    }

    /// Makes a stage, or reads it where it is unchanged.
    ///
    /// # Errors
    /// Those of [`Stage::make`]; a full disk.
    pub fn make<S: Stage>(&self, stage: &S, context: &Context) -> Result<(S::Output, Done), Error> {
        stage::make(&self.folder, stage, context, None)
    }

    /// The same, with pages beside the outputs of a stage that is made.
    pub(crate) fn make_with<S: Stage>(
        &self,
        stage: &S,
        context: &Context,
        pages: Pages<S::Output>,
    ) -> Result<(S::Output, Done), Error> {
        stage::make(&self.folder, stage, context, Some(pages))
    }

    fn model_stage<'a>(&'a self, data: &'a Data, content: &'a Content, resume: bool) -> NextItem<'a> {
        let ((config, seed), hashes) = (self.asked(), self.content_hashes());
        NextItem { data, config, seed, content, hashes, partial: self.partial(), resume }
    }

    /// Where the state of a training under way is kept.
    pub(crate) fn partial(&self) -> PathBuf {
        self.folder.partial()
    }

    /// Makes the stage `model` of `task=next-item`, or reads it; `resume` goes on with a training that was interrupted.
    ///
    /// # Errors
    /// A training that diverges, a full disk; [`Error::Interrupted`], with the state kept.
    pub fn make_model(&self, resume: bool, context: &Context) -> Result<ModelView<'_>, Error> {
        let (data, content) = (self.data()?, self.content()?);
        let made = self.make(&self.model_stage(data, content, resume), context)?;
        Partial::remove(&self.partial());
        once(&self.model, || Ok((Arc::new(made.0), made.1)))?;
        self.model()
    }

    /// The trained model of `task=next-item`.
    ///
    /// # Errors
    /// A run of another task; a stage that is missing, damaged or of something else.
    pub fn model(&self) -> Result<ModelView<'_>, Error> {
        let (data, content, config) = (self.data()?, self.content()?, self.config());
        if self.task() != Task::NextItem {
            let (got, expected) = (self.task().name(), Task::NextItem.name());
            return Err(Error::OtherTask { run: self.path().to_owned(), got, expected });
        }
        let (model, _) = once(&self.model, || {
            let (model, done) = self.read(&self.model_stage(data, content, false))?;
            Ok((Arc::new(model), done))
        })?;
        Ok(ModelView { data, config, content, model })
    }

    /// The hash of the stage `model`, and so of all that it was made from: items have the same numbers in two runs with the same hash.
    ///
    /// # Errors
    /// As for [`Run::model`].
    pub fn model_hash(&self) -> Result<&str, Error> {
        self.model()?;
        Ok(self.model.get().map_or("", |(_, done)| &done.hash))
    }

    /// Makes the stage `report` of `task=next-item`, or reads it; `extra` rows and `pages` are put beside the figures.
    ///
    /// # Errors
    /// Scores that are not numbers; what `pages` refuses; [`Error::Interrupted`].
    pub fn make_report(
        &self,
        extra: &[Extra],
        pages: Pages<Evaluation>,
        context: &Context,
    ) -> Result<Evaluation, Error> {
        let view = self.model()?;
        let stages = self.stages();
        let stages = stages.iter().filter(|done| done.stage != Report::ID);
        let stages = stages.map(|done| (done.stage, done.hash.as_str())).collect();
        let stage = Report { view, seed: self.seed(), extra, stages };
        let (evaluation, done) = self.make_with(&stage, context, pages)?;
        let _ = self.report.set(done);
        Ok(evaluation)
    }

    /// Times and counts of the training; none before the model was asked for.
    pub fn training(&self) -> Option<&Timing> {
        self.model.get().map(|(_, done)| &done.timing)
    }

    /// Seconds of training and validation.
    pub fn train_seconds(&self) -> f64 {
        self.training().and_then(|timing| timing.parts.get("train")).copied().unwrap_or(0.0)
    }

    /// The encoder that the run trained, as it was in the epoch that was kept; `None` where none was trained.
    ///
    /// # Errors
    /// As for [`Run::model`]; an encoder that has changed since.
    pub fn trained_encoder(&self) -> Result<Option<Trainable>, Error> {
        trained_encoder(self.path(), self.config(), self.model()?.model)
    }

    /// What encodes the texts of items that come after training.
    ///
    /// # Errors
    /// As for [`Run::content`] and, of `task=next-item`, [`Run::model`]; an encoder that cannot be opened, or has changed since.
    pub fn item_encoder(&self) -> Result<ItemEncoder, Error> {
        let (data, content) = (self.data()?, self.content()?);
        let encoders = match content.features.dim {
            0 => None,
            _ => Some(Encoders::open(data, self.asked())?),
        };
        let trained = if self.task() == Task::NextItem { self.trained_encoder()? } else { None };
        ItemEncoder::open((encoders, trained), (content, &self.config().features), &self.codebook())
    }

    /// The ids of the catalogue.
    ///
    /// # Errors
    /// [`Error::NoTokens`] where items have no content, or are too few.
    pub fn ids(&self) -> Result<&SemanticIds, Error> {
        self.content()?.tokens.as_ref().ok_or_else(|| Error::NoTokens { run: self.path().to_owned() })
    }

    /// The vectors to quantise of items that are not in the catalogue.
    ///
    /// # Errors
    /// What an encoder refuses.
    pub fn vectors_of(&self, items: &dyn Source, context: &Context) -> Result<ItemFeatures, Error> {
        let features = Encoders::open(self.data()?, self.asked())?.encode(items, context)?;
        quantised(&self.codebook(), self.content()?, features)
    }

    /// The folder with the frozen codebook.
    pub fn codebook(&self) -> PathBuf {
        self.folder.stage(Tokens::ID)
    }

    /// The folder of the published ids; absent until they are asked for.
    pub fn published(&self) -> PathBuf {
        self.folder.stage(PUBLISHED)
    }
}

/// The value of a cell, made by `make` where it is empty.
fn once<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Result<T, Error>) -> Result<&T, Error> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}
