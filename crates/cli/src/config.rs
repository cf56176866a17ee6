//! Where settings come from, as arguments, and `semrank config`.

use crate::error::Error;
use crate::output;
use clap::Args;
use semrank_pipeline::config::{Config, Sources, to_toml};
use std::path::PathBuf;

/// Where settings come from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigArgs {
    /// TOML file with settings; `semrank config` prints all of them.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, e.g. train.epochs=8; wins over file and environment.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

impl ConfigArgs {
    /// The same without clap.
    pub(crate) fn sources(&self) -> Sources {
        Sources { file: self.config.clone(), set: self.set.clone() }
    }

    /// The settings of all sources, checked.
    pub(crate) fn load(&self) -> Result<Config, Error> {
        Ok(self.sources().load()?)
    }
}

/// `semrank config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigVerb {
    #[command(flatten)]
    sources: ConfigArgs,
    /// Print the settings as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints the settings.
pub(crate) fn config(args: &ConfigVerb) -> Result<(), Error> {
    let config = args.sources.load()?;
    if args.json { output::json(&config) } else { output::text(&to_toml(&config)) }
}
