//! `semrank tokenize`: a data set in, a run folder with features and semantic ids out.

use super::show::sentence;
use crate::error::Error;
use crate::output;
use crate::progress::Console;
use crate::run::MakeArgs;
use clap::Args;
use semrank_pipeline::{
    Done,
    ids::{TokenReport, of_run},
};
use semrank_store::resources;
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// `semrank tokenize`.
#[derive(Debug, Args)]
pub(crate) struct TokenizeArgs {
    #[command(flatten)]
    make: MakeArgs,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Summary<'a> {
    run: &'a Path,
    #[serde(flatten)]
    report: &'a TokenReport,
    stages: &'a [Done],
    wall_seconds: f64,
    peak_rss_mb: Option<f64>,
}

/// Makes the stages up to the ids.
pub(crate) fn tokenize(args: &TokenizeArgs, console: &Console) -> Result<(), Error> {
    let started = Instant::now();
    let run = args.make.run(false, false)?;
    let content = run.make_content(&console.context())?;
    let report = of_run(&run.data()?.dataset, content, &run.codebook(), run.ids()?)?;
    let wall_seconds = started.elapsed().as_secs_f64();
    if args.json {
        let (run, stages) = (run.path(), &run.stages());
        let peak_rss_mb = resources::peak_rss_mib();
        return output::json(&Summary { run, report: &report, stages, wall_seconds, peak_rss_mb });
    }
    output::text(&format!(
        "{}\n{wall_seconds:.1} s\nrun:  {run}\nnext: semrank tokens report {run}\n",
        sentence(&report),
        run = run.path().display()
    ))
}
