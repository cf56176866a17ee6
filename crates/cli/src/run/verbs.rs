//! The verbs `run` and `train`.

use super::args::MakeArgs;
use super::pages::{Pages, REPORT_PAGE, write_page};
use super::summary::{RankingSummary, Summary};
use crate::error::Error;
use crate::evaluate::tables;
use crate::progress::Console;
use crate::{output, report as pages};
use clap::Args;
use semrank_console::shell;
use semrank_pipeline::{
    Run,
    config::Task,
    overview::of_response,
    response::{Found, Inputs},
};
use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

/// `semrank run` and `semrank train`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    make: MakeArgs,
    /// Go on with a training that was interrupted; the result is the same.
    #[arg(long)]
    resume: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// All stages.
pub(crate) fn run(args: &RunArgs, console: &Console) -> Result<(), Error> {
    make(args, true, console).map_err(|error| error.resumed_by(&resume_command()))
}

/// The stages up to the model.
pub(crate) fn train(args: &RunArgs, console: &Console) -> Result<(), Error> {
    make(args, false, console).map_err(|error| error.resumed_by(&resume_command()))
}

/// The current command with `--resume`, quoted for a shell.
fn resume_command() -> String {
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if !words.iter().any(|word| word == "--resume") {
        words.push("--resume".into());
    }
    format!("semrank {}", shell::command(words))
}

fn make(args: &RunArgs, report: bool, console: &Console) -> Result<(), Error> {
    let (started, context) = (Instant::now(), console.context());
    let run = args.make.run(true, args.resume)?;
    run.make_content(&context)?;
    context.check()?;
    match run.task() {
        Task::NextItem => next_item(&run, args, report, (started, console)),
        Task::Ctr | Task::Oc => response(run, args, report, (started, console)),
    }
}

fn next_item(
    run: &Run,
    args: &RunArgs,
    report: bool,
    (started, console): (Instant, &Console),
) -> Result<(), Error> {
    let context = console.context();
    run.make_model(args.resume, &context)?;
    let pages = Pages { run, extra: &[] };
    let evaluation =
        report.then(|| run.make_report(&[], &|found, dir| pages.write(found, dir), &context)).transpose()?;
    let (model, stages) = (run.model()?, run.stages());
    let summary = Summary::new(run, model.model, (evaluation.as_ref(), &stages), started);
    if args.json {
        return output::json(&summary);
    }
    let tables = evaluation.as_ref().map_or(String::new(), |found| tables(found) + "\n");
    output::text(&(tables + &summary.text()))
}

fn response(
    mut run: Run,
    args: &RunArgs,
    report: bool,
    (started, console): (Instant, &Console),
) -> Result<(), Error> {
    let context = console.context();
    let mut stages = run.stages();
    let inputs = Inputs::new(&mut run)?;
    inputs.check_conversions()?;
    let (mut model, done) = inputs.make_model(args.resume, &context)?;
    stages.push(done);
    let facts = model.facts.clone();
    let evaluation = match report {
        true => {
            let before = stages.clone();
            let page = |found: &Found, dir: &Path| {
                let content = of_response(&inputs, &facts, found, &before);
                write_page(&dir.join(REPORT_PAGE), &pages::render_pointwise(&content))
            };
            let (evaluation, done) = inputs.make_report(&mut model, &before, &page, &context)?;
            stages.push(done);
            Some(evaluation)
        }
        false => None,
    };
    let summary = RankingSummary::new(inputs.path(), &facts, (evaluation.as_ref(), &stages), started);
    if args.json { output::json(&summary) } else { output::text(&summary.text()) }
}
