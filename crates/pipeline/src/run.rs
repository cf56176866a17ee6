//! A run up to its semantic ids: the stages `features` and `tokens`, made or read.
//!
//! `semrank run` and `semrank train` go on from here; the verbs of `semrank tokens` need no more.

use super::data::Data;
use super::folder::{DatasetRef, FORMAT, Lock, RunFile, RunFolder};
use super::stage::{self, Done};
use super::tokens::{self, Content};
use super::{Job, features};
use crate::config::Config;
use crate::error::Error;
use crate::interrupt;
use semrank_embed::{ItemFeatures, Source};
use semrank_model::artefact::load_features;
use semrank_tokens::SemanticIds;
use std::path::{Path, PathBuf};

/// The published ids of a run, beside its stages.
const PUBLISHED: &str = "ids";

/// A run up to its semantic ids, in memory.
pub(crate) struct Tokenized {
    pub(crate) data: Data,
    pub(crate) config: Config,
    pub(crate) seed: u64,
    pub(crate) content: Content,
    /// `features`, then `tokens`.
    pub(crate) stages: Vec<Done>,
    pub(super) folder: RunFolder,
}

impl Tokenized {
    /// Makes the two stages, or reads those that are unchanged.
    pub(crate) fn make(job: &Job, data: Data) -> Result<(Tokenized, Lock), Error> {
        let (folder, lock) = RunFolder::create(job.out)?;
        folder.write(&run_file(job, &data))?;
        let (features, features_done) = features::run(&folder, &data, &job.config, job.seed)?;
        interrupt::check()?;
        let from = (features, features_done.hash.as_str());
        let (content, tokens_done) = tokens::run(&folder, &data, (&job.config, job.seed), from)?;
        let (config, seed, stages) = (job.config.clone(), job.seed, vec![features_done, tokens_done]);
        Ok((Tokenized { data, config, seed, content, stages, folder }, lock))
    }

    /// Reads the two stages of a run; its data set is looked for where it was, or at `moved_to`.
    pub(crate) fn open(run: &Path, moved_to: Option<&Path>) -> Result<Tokenized, Error> {
        let (folder, file) = RunFolder::open(run)?;
        let data = Data::open(moved_to.unwrap_or(&file.dataset.path), &file.config)?;
        if data.hash != file.dataset.hash {
            return Err(Error::Mismatch {
                path: data.path,
                what: format!("data set `{}`", data.dataset.meta.name),
                got: data.hash,
                expected: file.dataset.hash,
                help: "it has changed since the run, or is another one: repeat `semrank run`, or name the right one with --data",
            });
        }
        let (config, seed) = (file.config, file.seed);
        let features_done = stage::check(&folder, &features::key(&data, &config, seed))?;
        let tokens_done = stage::check(&folder, &tokens::key(&data, &config, seed, &features_done.hash))?;
        let features = load_features(&folder.stage("features"), data.dataset.catalog.len())?;
        let content = tokens::open(&folder, &data, features)?;
        let stages = vec![features_done, tokens_done];
        Ok(Tokenized { data, config, seed, content, stages, folder })
    }

    /// The ids of the catalogue.
    ///
    /// # Errors
    /// [`Error::NoTokens`] where items have no content, or are too few.
    pub(crate) fn ids(&self) -> Result<&SemanticIds, Error> {
        self.content.tokens.as_ref().ok_or_else(|| Error::NoTokens { run: self.folder().to_owned() })
    }

    /// The vectors to quantise of items that are not in the catalogue.
    pub(crate) fn vectors_of(&self, items: &dyn Source) -> Result<ItemFeatures, Error> {
        let features = features::of_others(&self.data, &self.config, self.seed, items)?;
        tokens::quantised(&self.codebook(), &self.content, features)
    }

    /// Ids of the catalogue's items, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.data.dataset.catalog.ids.names().collect()
    }

    /// The run folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder with the frozen codebook.
    pub(crate) fn codebook(&self) -> PathBuf {
        self.folder.stage(tokens::STAGE)
    }

    /// The folder of the published ids; absent until they are asked for.
    pub(crate) fn published(&self) -> PathBuf {
        self.folder.stage(PUBLISHED)
    }

    /// Keeps other processes from working on the run until the lock is dropped.
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        self.folder.lock()
    }
}

fn run_file(job: &Job, data: &Data) -> RunFile {
    let dataset =
        DatasetRef { name: data.dataset.meta.name.clone(), path: data.path.clone(), hash: data.hash.clone() };
    let semrank = env!("CARGO_PKG_VERSION").to_owned();
    RunFile { format: FORMAT, semrank, dataset, seed: job.seed, config: job.config.clone() }
}
