//! Arguments that verbs share: those of a run to make, and those of a run to read.

use super::{Finished, Job, Tokenized};
use crate::config::{Config, ConfigArgs};
use crate::error::Error;
use clap::Args;
use std::path::PathBuf;

/// A run to make, or to bring up to date.
#[derive(Debug, Args)]
pub(crate) struct MakeArgs {
    /// Data set folder.
    #[arg(long, value_name = "DATASET")]
    data: PathBuf,
    /// Run folder to make, or to bring up to date.
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    #[command(flatten)]
    settings: ConfigArgs,
    /// Seed of every random choice.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl MakeArgs {
    /// The run to make, with the settings of all sources; `resume` goes on with a training under way.
    pub(crate) fn job(&self, resume: bool) -> Result<Job<'_>, Error> {
        let config = Config::load(&self.settings)?;
        Ok(Job { data: &self.data, out: &self.out, config, seed: self.seed, resume })
    }
}

/// A run to read.
#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// Run folder.
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// Where the data set is now, if it was moved.
    #[arg(long, value_name = "DATASET")]
    data: Option<PathBuf>,
}

impl OpenArgs {
    /// Where the data set is now, if it was moved.
    pub(crate) fn data(&self) -> Option<&std::path::Path> {
        self.data.as_deref()
    }

    /// The task of the run.
    pub(crate) fn task(&self) -> Result<crate::config::Task, Error> {
        Ok(super::RunFolder::open(&self.run)?.1.config.task)
    }

    /// Reads it up to its semantic ids.
    pub(crate) fn tokenized(&self) -> Result<Tokenized, Error> {
        Tokenized::open(&self.run, self.data.as_deref())
    }

    /// Reads it up to its model.
    pub(crate) fn finished(&self) -> Result<Finished, Error> {
        Finished::open(&self.run, self.data.as_deref())
    }
}
