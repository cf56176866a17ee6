//! The verb `index`: the first stage of a run made ready, and what searches cost on this machine.

use crate::error::Error;
use crate::output;
use crate::progress::Console;
use crate::run::OpenArgs;
use clap::{Args, Subcommand};
use semrank_core::counted;
use semrank_pipeline::Run;
use semrank_pipeline::ranking::EarlyReport;
use semrank_pipeline::response::ClickModel;
use semrank_pipeline::retrieval::Quotas;
use semrank_retrieve::bench::{self, Row, Setup};
use serde::Serialize;
use std::path::PathBuf;

/// `semrank index`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct IndexArgs {
    #[command(subcommand)]
    verb: Option<IndexVerb>,
    #[command(flatten)]
    from: Option<OpenArgs>,
    /// Also distil an early-stage model from this run of task=ctr or task=oc over the same data set.
    #[arg(long, value_name = "RUN")]
    clicks: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum IndexVerb {
    /// Time exact searches of random vectors, on one thread.
    Bench(BenchArgs),
}

#[derive(Debug, Args)]
struct BenchArgs {
    /// Vectors.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    rows: u32,
    /// Their width.
    #[arg(long, value_name = "D", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    dim: u16,
    /// Shares of eligible vectors, in percent.
    #[arg(long, value_name = "P,P,…", value_delimiter = ',', default_value = "1,10,50,100", value_parser = percent)]
    eligible: Vec<f64>,
    /// Vectors that a search returns.
    #[arg(short, value_name = "K", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    k: u32,
    /// Searches that are timed for each share.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    searches: u32,
    /// Seed of vectors and queries.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.parse().ok().filter(|percent| (f64::MIN_POSITIVE..=100.0).contains(percent));
    percent.ok_or_else(|| "a share in percent: above 0, at most 100".to_owned())
}

/// What `bench --json` prints.
#[derive(Serialize)]
struct Timings {
    rows: Vec<Row>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Indexed<'a> {
    #[serde(flatten)]
    quotas: &'a Quotas,
    skipped: bool,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    early: Option<EarlyReport>,
}

/// Runs the verb.
pub(crate) fn index(args: &IndexArgs, console: &Console) -> Result<(), Error> {
    if let Some(IndexVerb::Bench(args)) = &args.verb {
        return bench(args);
    }
    let Some(from) = &args.from else { return Ok(()) };
    let run = from.open()?;
    let retrieval = run.retrieval()?;
    let (quotas, done) = run.make_index(&retrieval, &console.context())?;
    let early = |clicks: &PathBuf| -> Result<EarlyReport, Error> {
        let clicks = ClickModel::open(Run::open(clicks)?)?;
        Ok(run.make_early(&retrieval, &clicks, &console.context())?.0.report)
    };
    let early = args.clicks.as_ref().map(early).transpose()?;
    if args.json {
        let (skipped, seconds) = (done.skipped, done.seconds);
        return output::json(&Indexed { quotas: &quotas, skipped, seconds, early });
    }
    let mut out = format!(
        "candidates per request, chosen on {}\n",
        counted(quotas.cases, "validation case", "validation cases")
    );
    for name in retrieval.names() {
        out += &format!("  {name:<14} {:>5}\n", quotas.of(name));
    }
    out += &early.map_or(String::new(), |report| lines_of(&report));
    output::text(&out)
}

/// What an early-stage model is good for.
fn lines_of(report: &EarlyReport) -> String {
    let mut out = format!("early-stage model: {:.3} of the variance explained\n", report.explained);
    let which = |is: bool, yes, no| if is { yes } else { no };
    let source = which(report.is_source, "all items; it is a source", "all items; it is no source");
    let cuts =
        which(report.cuts, "merged candidates; it cuts them", "merged candidates; the fusion cuts them");
    for (orders, over) in [(&report.all_items, source), (&report.merged, cuts)] {
        out += &format!("  {over}: best 10, 50 within 100; 10, 50 within 500\n");
        for order in &orders.orders {
            let figures = [&order.top_10_100, &order.top_50_100, &order.top_10_500, &order.top_50_500];
            let figures = figures.map(|figure| format!(" {:>6.3}", figure.value)).concat();
            out += &format!("    {:<14}{figures}\n", order.name);
        }
    }
    out
}

fn bench(args: &BenchArgs) -> Result<(), Error> {
    let setup = Setup {
        rows: args.rows as usize,
        dim: args.dim.into(),
        eligible: args.eligible.clone(),
        k: args.k as usize,
        searches: args.searches as usize,
        seed: args.seed,
    };
    let line = |row: &Row| {
        let exact = if row.exact { "exact" } else { "NOT EXACT" };
        format!(
            "  {:<5} {:>6}% {:>9.3} {:>9.3} {:>9.2} {:>8.0}  {exact}",
            row.precision, row.eligible, row.p50_ms, row.p99_ms, row.build_seconds, row.mib
        )
    };
    output::note(&format!(
        "  {:<5} {:>7} {:>9} {:>9} {:>9} {:>8}",
        "", "eligible", "p50 ms", "p99 ms", "build s", "MiB"
    ));
    let rows = bench::run(&setup, |row| output::note(&line(row))).map_err(semrank_pipeline::Error::from)?;
    if args.json {
        return output::json(&Timings { rows });
    }
    output::text(&rows.iter().map(|row| line(row) + "\n").collect::<String>())
}
