//! `semrank tokenize`: a data set in, a run folder with features and semantic ids out.

use super::{TokenReport, of_run, sentence};
use crate::error::Error;
use crate::run::{Data, Done, MakeArgs, Tokenized};
use crate::{output, resources};
use clap::Args;
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
pub(crate) fn tokenize(args: &TokenizeArgs) -> Result<(), Error> {
    let started = Instant::now();
    let job = args.make.job(false)?;
    let data = Data::open(job.data, &job.config)?;
    let (run, _lock) = Tokenized::make(&job, data)?;
    let report = of_run(&run.data.dataset, &run.content, &run.codebook(), run.ids()?)?;
    let wall_seconds = started.elapsed().as_secs_f64();
    if args.json {
        let (run, stages) = (run.folder(), run.stages.as_slice());
        let peak_rss_mb = resources::peak_rss_mib();
        return output::json(&Summary { run, report: &report, stages, wall_seconds, peak_rss_mb });
    }
    output::text(&format!(
        "{}\n{wall_seconds:.1} s\nrun:  {run}\nnext: semrank tokens report {run}\n",
        sentence(&report),
        run = run.folder().display()
    ))
}
