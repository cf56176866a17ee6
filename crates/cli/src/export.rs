//! `semrank embed export`: a run that trained layers of its encoder in, that encoder as a folder out.
//!
//! ```text
//! semrank run --data shop --out joint --set content.encoder=bert:models/minilm --set content.train=top:1
//! semrank embed export joint --out models/joint
//! semrank run --data shop --out next --set content.encoder=bert:models/joint      its ids are a new generation …
//! semrank tokens align next --last joint --out ids/2                              … named after the last one
//! ```

use crate::error::Error;
use crate::output;
use crate::run::OpenArgs;
use clap::Args;
use semrank_pipeline::Error as RunError;
use semrank_store::StagedDir;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// `semrank embed export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    from: OpenArgs,
    /// Folder to write the encoder to; it must not exist.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary<'a> {
    run: &'a Path,
    encoder: &'a str,
    out: &'a Path,
}

/// Writes the encoder that a run trained.
pub(crate) fn export(args: &ExportArgs) -> Result<(), Error> {
    if args.out.exists() {
        return Err(semrank_data::Error::Exists { path: args.out.clone(), replaceable: false }.into());
    }
    let run = args.from.open()?;
    let nothing = || RunError::NothingTrained { run: args.from.run.clone() };
    let encoder = run.trained_encoder()?.ok_or_else(nothing)?;
    let staged = StagedDir::new(&args.out)?;
    encoder.write(staged.path())?;
    staged.commit()?;
    let names = run.config().content.encoder.names();
    let name = names.first().map_or("", |name| name.as_ref());
    let summary = Summary { run: &args.from.run, encoder: name, out: &args.out };
    if args.json {
        return output::json(&summary);
    }
    let kind = name.split(':').next().unwrap_or(name);
    output::text(&format!("encoder: {kind}:{}\n", args.out.display()))
}
