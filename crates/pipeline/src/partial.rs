//! `model.partial/`: the state of a training under way, and to which training it belongs.
//!
//! A state is used only by its own training (`key.json`), and only with `--resume`; a remark says what happens to it.

use crate::{Context, Error};
use semrank_store::{StagedDir, read_json, write_json};
use serde::{Deserialize, Serialize};
use std::path::Path;

const STATE_KEY: &str = "key.json";

/// `model.partial/key.json`: to which training a state belongs.
#[derive(Serialize, Deserialize)]
struct StateKey {
    training: String,
    step: u64,
}

/// Where the state of one training is kept.
pub(crate) struct Partial<'a> {
    dir: &'a Path,
    /// Of the training.
    key: &'a str,
}

impl<'a> Partial<'a> {
    /// Of the training with this key; nothing is touched yet.
    pub(crate) fn new(dir: &'a Path, key: &'a str) -> Partial<'a> {
        Partial { dir, key }
    }

    /// Keeps a state at `step`, whole or not at all; `save` writes into the folder that it is given.
    pub(crate) fn keep(
        &self,
        step: u64,
        save: impl FnOnce(&Path) -> Result<(), semrank_tower::artefact::Error>,
    ) -> Result<(), Error> {
        let staged = StagedDir::new(self.dir)?;
        save(staged.path())?;
        let state = StateKey { training: self.key.to_owned(), step };
        write_json(&staged.path().join(STATE_KEY), &state)?;
        Ok(staged.commit()?)
    }

    /// The training to go on with: that of the kept state if it is wanted, fits and can be read by `restore`, else a fresh one.
    pub(crate) fn begin<T>(
        &self,
        (resume, context): (bool, &Context),
        fresh: impl Fn() -> Result<T, Error>,
        restore: impl Fn(&mut T, &Path) -> Result<(), semrank_tower::artefact::Error>,
    ) -> Result<T, Error> {
        let mut training = fresh()?;
        let Ok(state) = read_json::<StateKey>(&self.dir.join(STATE_KEY)) else { return Ok(training) };
        if state.training != self.key {
            context.note("model: the unfinished training here had other data or settings; starting afresh");
        } else if !resume {
            context.note(&format!(
                "model: starting afresh, though there is an unfinished training at step {}; --resume goes on with it",
                state.step
            ));
        } else if let Err(error) = restore(&mut training, self.dir) {
            context.note(&format!("model: starting afresh, because the saved state is damaged: {error}"));
            training = fresh()?;
        }
        Ok(training)
    }

    /// Removes a state that has served; one that cannot be removed does no harm.
    pub(crate) fn remove(dir: &Path) {
        let _ = std::fs::remove_dir_all(dir);
    }
}
