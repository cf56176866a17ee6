//! Arguments that verbs share: those of a run to make, and those of a run to read.

use crate::config::ConfigArgs;
use crate::error::Error;
use clap::Args;
use semrank_pipeline::{Data, Run, config::Task};
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
    /// The run, with the settings of all sources written down; whether it `trains`, which takes more data.
    pub(crate) fn run(&self, trains: bool) -> Result<Run, Error> {
        let config = self.settings.load()?;
        let data = Data::open(&self.data, &config)?;
        if trains && config.task == Task::NextItem {
            data.check_size()?;
        }
        Ok(Run::create(&self.out, data, config, self.seed)?)
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
    /// Of a run whose data set is where it was.
    pub(crate) fn of(run: PathBuf) -> Self {
        Self { run, data: None }
    }

    /// The run, with nothing but its settings read.
    pub(crate) fn open(&self) -> Result<Run, Error> {
        let run = Run::open(&self.run)?;
        Ok(match &self.data {
            Some(place) => run.with_dataset_at(place),
            None => run,
        })
    }
}
