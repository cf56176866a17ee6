//! Arguments that verbs share: those of a run to make, and those of a run to read.

use crate::config::ConfigArgs;
use crate::error::Error;
use crate::log_url::log_url;
use clap::Args;
use semrank_pipeline::{Data, Run, config::Task};
use semrank_serve::{ExportSettings, ServiceSettings, export};
use std::path::PathBuf;

/// A run to make, or to bring up to date.
#[derive(Debug, Args)]
pub(crate) struct MakeArgs {
    /// Data set folder; with --from-log the one to make.
    #[arg(long, value_name = "DATASET")]
    data: PathBuf,
    /// State of a server that served --run: the data set of that run and what was received since, its settings and its seed.
    #[arg(long, value_name = "STATE", requires = "run", conflicts_with_all = ["config", "set", "seed"])]
    from_log: Option<PathBuf>,
    /// The log of that server, where it is not in its state.
    #[arg(long, value_name = "URL", requires = "from_log")]
    log: Option<String>,
    /// The run that was served.
    #[arg(long, value_name = "RUN", requires = "from_log")]
    run: Option<PathBuf>,
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
    /// The run, with the settings of all sources written down; whether it `trains`, which takes more data, and goes on with a training.
    pub(crate) fn run(&self, trains: bool, resumes: bool) -> Result<Run, Error> {
        let (config, seed) = match self.from_log.as_ref().zip(self.run.as_ref()) {
            None => (self.settings.load()?, self.seed),
            Some((state, served)) => {
                let served = Run::open(served)?;
                if !(resumes && self.data.exists()) {
                    let to = ExportSettings { out: self.data.clone(), with_run: true, overwrite: false };
                    let settings = ServiceSettings::new(state).with_log(log_url(self.log.as_ref())?);
                    export(&served, &settings, &to).map_err(Error::Export)?;
                }
                (served.config().clone(), served.seed())
            }
        };
        let data = Data::open(&self.data, &config)?;
        if trains && config.task == Task::NextItem {
            data.check_size()?;
        }
        Ok(Run::create(&self.out, data, config, seed)?)
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
