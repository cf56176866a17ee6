//! The program behind `semrank prep`: a raw log in, a data set of labelled examples out.
//!
//! ```text
//! semrank simulate --impressions 1000000 --out raw
//! semrank prep --data raw --out ads                        windows as the log's dataset.toml says
//! semrank prep --data raw --out ads-2 --conversion-days 3 --attribution first-touch
//! semrank run --data ads --out ads-run --set task=ctr
//! ```

mod summary;

use clap::{Args, CommandFactory, FromArgMatches, Parser};
use semrank_console::options::{Named, named};
use semrank_console::{defaults, interrupt, output, replace};
use semrank_prep::{Attribution, PrepReport, PrepSettings, settings_of};
use semrank_store::resources;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// What stands below the options in `--help`.
const COLUMNS: &str = "\
Columns of the log (events.parquet of --data; `semrank import` makes it):
  user_id, item_id   who, and which ad or post
  action             impression, click, conversion; anything else is history
  timestamp          when it happened
  event_id           names the event: repeated rows count once; others refer to it
  parent_event_id    a click's impression, a conversion's click; where it is missing,
                     the user's last impression (click) of the item
  received_at        when the log had the event: nothing is known before
  slot, surface, request_id, propensity, dwell_ms, value
                     place on the page, placement, page request, probability of
                     showing it there, time spent, amount; all optional
  any other column   a context feature of the impression

Example, from a CSV file to examples and models:
  semrank import --items items.csv --item-id ad --text title \\
      --events log.csv --user user --event-item ad --timestamp time --action what \\
      --event-column event_id --event-column parent_event_id --out raw
  semrank prep --data raw --out ads --conversion-days 7
  semrank run --data ads --out clicks --set task=ctr
docs/clicks.md explains each step.";

/// Turn a raw log of impressions, clicks and conversions into labelled examples with their histories.
#[derive(Debug, Parser)]
#[command(name = "semrank prep", bin_name = "semrank prep", version, after_help = COLUMNS)]
struct PrepArgs {
    /// Data set folder with the raw log: impressions, clicks, conversions and whatever else users did.
    #[arg(long, value_name = "RAW")]
    data: PathBuf,
    /// Data set folder to make; it appears only when complete.
    #[arg(long, value_name = "DATASET")]
    out: PathBuf,
    #[command(flatten)]
    windows: WindowArgs,
    #[command(flatten)]
    parts: PartArgs,
    /// One setting, e.g. prep.click_minutes=60: it wins over dataset.toml, the other options win over it. `semrank prep` also takes
    /// --config FILE with a section [prep]; `semrank config` prints all settings.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Memory for sorting, in MiB; what needs more goes to disk beside --out. Repeated rows, clicks and conversions are held
    /// beside it [default: {prep.memory_mb}].
    #[arg(long, value_name = "N")]
    memory_mb: Option<usize>,
    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
    /// Threads to work with [default: all cores]; results do not depend on it.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Windows and clocks; the first four are in `[windows]` of `dataset.toml` too.
#[derive(Debug, Args)]
#[command(next_help_heading = "Windows")]
struct WindowArgs {
    /// Longest time from an impression to its click [default: that of dataset.toml, or {prep.click_minutes}].
    #[arg(long, value_name = "N")]
    click_minutes: Option<i64>,
    /// Longest time from a click to its conversion [default: that of dataset.toml, or {prep.conversion_days}].
    #[arg(long, value_name = "N")]
    conversion_days: Option<i64>,
    /// Longest time from an impression without a click to its conversion; 0 = they do not count [default: {prep.view_through_days}].
    #[arg(long, value_name = "N")]
    view_through_days: Option<i64>,
    /// Time after which a ranker knows of an event that was received [default: {prep.logging_delay_seconds}].
    #[arg(long, value_name = "N")]
    logging_delay_seconds: Option<i64>,
    /// The click that a conversion without `parent_event_id` belongs to [default: {prep.attribution}].
    #[arg(long, value_parser = named(ATTRIBUTIONS), value_name = "CLICK")]
    attribution: Option<Attribution>,
    /// Attribute clicks and conversions by user, item and time alone, whatever event `parent_event_id` names.
    #[arg(long)]
    ignore_parents: bool,
    /// How far a timestamp may be ahead of `received_at` before it is replaced by it [default: {prep.clock_tolerance_seconds}].
    #[arg(long, value_name = "N")]
    clock_tolerance_seconds: Option<i64>,
    /// From when on a received event is counted as late [default: {prep.late_seconds}].
    #[arg(long, value_name = "N")]
    late_seconds: Option<i64>,
    /// Number of the top slot in the log, 0 or 1 [default: {prep.first_slot}].
    #[arg(long, value_name = "N")]
    first_slot: Option<i64>,
}

/// What is for training, validation and test.
#[derive(Debug, Args)]
#[command(next_help_heading = "Parts")]
struct PartArgs {
    /// Share of the impressions for validation, before those for the test [default: {prep.valid_share}].
    #[arg(long, value_name = "SHARE")]
    valid_share: Option<f64>,
    /// Share of the impressions, the last ones, for the test [default: {prep.test_share}].
    #[arg(long, value_name = "SHARE")]
    test_share: Option<f64>,
    /// Days for validation instead of a share.
    #[arg(long, value_name = "N", requires = "test_days")]
    valid_days: Option<i64>,
    /// Last days of the log for the test instead of a share.
    #[arg(long, value_name = "N", requires = "valid_days")]
    test_days: Option<i64>,
}

/// Values of `--attribution`.
const ATTRIBUTIONS: &[Named<Attribution>] = &[
    ("last-touch", Attribution::LastTouch, "The last click before it"),
    ("first-touch", Attribution::FirstTouch, "The first click within the attribution window"),
];

/// The report with what it cost.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    report: &'a PrepReport,
    cpu_seconds: Option<f64>,
    peak_rss_mb: Option<f64>,
}

/// Errors of the program.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Prep(#[from] semrank_prep::Error),
    #[error("interrupted")]
    Interrupted,
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

fn main() -> ExitCode {
    let args = parse();
    interrupt::install();
    let Err(failure) = prep(&args) else { return ExitCode::SUCCESS };
    let code = if matches!(failure, Failure::Interrupted) { interrupt::EXIT_CODE } else { 1 };
    let help = if let Failure::Prep(error) = &failure { error.help() } else { None };
    semrank_console::errors::show(&failure, help);
    ExitCode::from(code)
}

/// The arguments; the defaults in their help are those of the settings.
fn parse() -> PrepArgs {
    let defaults = serde_json::json!({ "prep": PrepSettings::default() });
    let matches = defaults::with_defaults(PrepArgs::command(), &defaults).get_matches();
    PrepArgs::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Runs the program.
fn prep(args: &PrepArgs) -> Result<(), Failure> {
    let settings = settings(args)?;
    let report = match semrank_prep::prepare(&args.data, &args.out, &settings, &interrupt::requested) {
        Err(semrank_prep::Error::Stopped) => return Err(Failure::Interrupted),
        done => done?,
    };
    report.warnings().iter().for_each(|warning| output::note(&format!("warning: {warning}")));
    let (cpu_seconds, peak_rss_mb) = (resources::cpu_seconds(), resources::peak_rss_mib());
    if args.json {
        output::json(&Printed { report: &report, cpu_seconds, peak_rss_mb })?;
    } else {
        output::text(&summary::summary(&report, peak_rss_mb))?;
    }
    Ok(())
}

fn settings(args: &PrepArgs) -> Result<PrepSettings, semrank_prep::Error> {
    let mut settings = settings_of(&args.data, &args.set)?;
    replace!(settings, args => memory_mb, threads);
    replace!(
        settings,
        args.windows => click_minutes, conversion_days, view_through_days, logging_delay_seconds, attribution,
        clock_tolerance_seconds, late_seconds, first_slot
    );
    replace!(settings, args.parts => valid_share, test_share, valid_days, test_days);
    settings.ignore_parents |= args.windows.ignore_parents;
    Ok(settings)
}
