//! `semrank experiment analyze` and `report`: what the log of a test says.

use super::rows::{RowsArgs, definition};
use crate::error::Error;
use crate::output;
use crate::progress::Console;
use clap::Args;
use semrank_experiment::analysis::{Analysis, MetricResult, State, Word};
use semrank_experiment::page::page;
use semrank_store::{StagedDir, write_json};
use std::path::{Path, PathBuf};

/// What is analysed.
#[derive(Debug, Args)]
struct Source {
    /// The definition of the test, in TOML.
    #[arg(value_name = "DEFINITION")]
    definition: PathBuf,
    #[command(flatten)]
    rows: RowsArgs,
    /// Rows received later are not known (ms UTC) [default: the newest row].
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    as_of: Option<i64>,
}

/// `semrank experiment analyze`.
#[derive(Debug, Args)]
pub(super) struct AnalyzeArgs {
    #[command(flatten)]
    source: Source,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// `semrank experiment report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    source: Source,
    /// Folder to make, with report.html and analysis.json.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Source {
    fn analysis(&self, console: &Console) -> Result<Analysis, Error> {
        let definition = definition(&self.definition)?;
        let analysis = self.rows.collect(definition, self.as_of)?.analyze().map_err(Error::Statistics)?;
        console.context().check()?;
        Ok(analysis)
    }
}

/// Prints what the log says.
pub(super) fn analyze(args: &AnalyzeArgs, console: &Console) -> Result<(), Error> {
    let analysis = args.source.analysis(console)?;
    if args.json { output::json(&analysis) } else { output::text(&lines(&analysis)) }
}

/// Writes the page and its numbers.
pub(super) fn report(args: &ReportArgs, console: &Console) -> Result<(), Error> {
    let analysis = args.source.analysis(console)?;
    let command = format!(
        "semrank experiment report {}{} --as-of {} --out {}",
        args.source.definition.display(),
        args.source.rows.command(),
        analysis.as_of,
        args.out.display()
    );
    let staged = StagedDir::new(&args.out)?;
    write_json(&staged.path().join("analysis.json"), &analysis)?;
    let html = staged.path().join("report.html");
    std::fs::write(&html, page(&analysis, &command)).map_err(semrank_pipeline::Error::io("write", &html))?;
    staged.commit()?;
    output::text(&format!("{}{}\n", headline(&analysis), place(&args.out)))
}

fn place(out: &Path) -> String {
    format!("{}", out.join("report.html").display())
}

fn word(word: Word) -> &'static str {
    match word {
        Word::Invalid => "INVALID",
        Word::Harm => "HARM",
        Word::Ship => "SHIP",
        Word::NotYet => "NOT YET",
        Word::NoEffect => "NO EFFECT",
    }
}

fn headline(analysis: &Analysis) -> String {
    format!("{}: {}\n", word(analysis.verdict.word), analysis.verdict.sentence)
}

fn lines(analysis: &Analysis) -> String {
    let mut out = headline(analysis);
    out += &format!("{}\n", analysis.verdict.estimand);
    for reason in &analysis.verdict.reasons {
        out += &format!("  {reason}\n");
    }
    out += "\nunits\n";
    for (at, arm) in analysis.definition.arms.iter().enumerate() {
        let counts = &analysis.counts;
        out += &format!(
            "  {:<16} {:>9} exposed, {:>9} triggered\n",
            arm.name, counts.exposed[at], counts.triggered[at]
        );
    }
    out += "\nmetrics\n";
    analysis.metrics.iter().for_each(|metric| out += &of_metric(metric));
    out += "\ntrust checks\n";
    for check in &analysis.checks {
        let state = match check.state {
            State::Passed => "passed",
            State::Warning => "WARNING",
            State::Failed => "FAILED",
            State::Skipped => "skipped",
        };
        let p = check.p.map_or(String::new(), |p| format!(", p {p:.4}"));
        out += &format!("  {state:<8} {}{p}: {}\n", check.name, check.detail);
    }
    out
}

fn of_metric(metric: &MetricResult) -> String {
    let mut out = String::new();
    for found in &metric.comparisons {
        let role = format!("{:?}", metric.role).to_lowercase();
        let effect = match (&found.absolute, &found.relative) {
            (Some(absolute), relative) => {
                let relative =
                    relative.as_ref().map_or("-".into(), |one| format!("{:+.2} %", 100.0 * one.value));
                let p = found.corrected_p.unwrap_or(absolute.p);
                format!(
                    "{relative}, {:+.5} [{:+.5}, {:+.5}], p {p:.4}",
                    absolute.value, absolute.interval.low, absolute.interval.high
                )
            }
            (None, _) => found.missing.clone().unwrap_or_default(),
        };
        let control = &metric.arms[0];
        out += &format!(
            "  {role:<9} {:<28} {:<12} {:.5} in control ({} units); {effect}\n",
            metric.name, found.arm, control.value, control.matured
        );
    }
    out
}
