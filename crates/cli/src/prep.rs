//! `semrank prep`: a raw log in, a data set of labelled examples out.
//!
//! ```text
//! semrank simulate --impressions 1000000 --out raw
//! semrank prep --data raw --out ads                        windows as the log's dataset.toml says
//! semrank prep --data raw --out ads-2 --conversion-days 3 --attribution first-touch
//! semrank run --data ads --out ads-run --set task=ctr
//! ```

use crate::error::Error;
use crate::simulate::set;
use crate::{interrupt, output, resources};
use clap::{Args, ValueEnum};
use semrank_prep::{Attribution, PrepReport, PrepSettings};
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// `semrank prep`.
#[derive(Debug, Args)]
pub(crate) struct PrepArgs {
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
    /// Memory for sorting, in MiB; what needs more goes to disk beside --out. Repeated rows, clicks and conversions are held
    /// beside it [default: 1024].
    #[arg(long, value_name = "N")]
    memory_mb: Option<usize>,
    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Windows and clocks; the first four stand in `[windows]` of `dataset.toml` too.
#[derive(Debug, Args)]
#[command(next_help_heading = "Windows")]
struct WindowArgs {
    /// Longest time from an impression to its click [default: that of dataset.toml, or 30].
    #[arg(long, value_name = "N")]
    click_minutes: Option<i64>,
    /// Longest time from a click to its conversion [default: that of dataset.toml, or 7].
    #[arg(long, value_name = "N")]
    conversion_days: Option<i64>,
    /// Longest time from an impression without a click to its conversion; 0 = they do not count [default: 0].
    #[arg(long, value_name = "N")]
    view_through_days: Option<i64>,
    /// Time after which a ranker knows of an event that was received [default: 0].
    #[arg(long, value_name = "N")]
    logging_delay_seconds: Option<i64>,
    /// The click that a conversion without `parent_event_id` belongs to [default: last-touch].
    #[arg(long, value_enum)]
    attribution: Option<AttributionArg>,
    /// How far a timestamp may be ahead of `received_at` before it is replaced by it [default: 5].
    #[arg(long, value_name = "N")]
    clock_tolerance_seconds: Option<i64>,
    /// From when on a received event is counted as late [default: 60].
    #[arg(long, value_name = "N")]
    late_seconds: Option<i64>,
    /// Number of the top slot in the log, 0 or 1 [default: 1].
    #[arg(long, value_name = "N")]
    first_slot: Option<i64>,
}

/// What is for training, validation and test.
#[derive(Debug, Args)]
#[command(next_help_heading = "Parts")]
struct PartArgs {
    /// Share of the impressions for validation, before those for the test [default: 0.1].
    #[arg(long, value_name = "SHARE")]
    valid_share: Option<f64>,
    /// Share of the impressions, the last ones, for the test [default: 0.1].
    #[arg(long, value_name = "SHARE")]
    test_share: Option<f64>,
    /// Days for validation instead of a share.
    #[arg(long, value_name = "N", requires = "test_days")]
    valid_days: Option<i64>,
    /// Last days of the log for the test instead of a share.
    #[arg(long, value_name = "N", requires = "valid_days")]
    test_days: Option<i64>,
}

/// `--attribution`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum AttributionArg {
    /// The last click before it.
    LastTouch,
    /// The first click within the attribution window.
    FirstTouch,
}

impl From<AttributionArg> for Attribution {
    fn from(attribution: AttributionArg) -> Attribution {
        match attribution {
            AttributionArg::LastTouch => Attribution::LastTouch,
            AttributionArg::FirstTouch => Attribution::FirstTouch,
        }
    }
}

/// The report with what it cost.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    report: &'a PrepReport,
    cpu_seconds: Option<f64>,
    peak_rss_mb: Option<f64>,
}

/// Prepares what the arguments say.
pub(crate) fn prep(args: &PrepArgs, threads: usize) -> Result<(), Error> {
    let settings = PrepSettings { threads, ..settings(args)? };
    let report = semrank_prep::prepare(&args.data, &args.out, &settings, &interrupt::requested)?;
    report.warnings().iter().for_each(|warning| output::note(&format!("warning: {warning}")));
    let peak_rss_mb = resources::peak_rss_mib();
    if args.json {
        return output::json(&Printed {
            report: &report,
            cpu_seconds: resources::cpu_seconds(),
            peak_rss_mb,
        });
    }
    output::text(&summary(&report, peak_rss_mb))
}

fn settings(args: &PrepArgs) -> Result<PrepSettings, Error> {
    let mut settings = PrepSettings::of(&args.data)?;
    let (windows, parts) = (&args.windows, &args.parts);
    set(&mut settings.click_minutes, windows.click_minutes);
    set(&mut settings.conversion_days, windows.conversion_days);
    set(&mut settings.view_through_days, windows.view_through_days);
    set(&mut settings.logging_delay_seconds, windows.logging_delay_seconds);
    set(&mut settings.attribution, windows.attribution.map(Attribution::from));
    set(&mut settings.clock_tolerance_seconds, windows.clock_tolerance_seconds);
    set(&mut settings.late_seconds, windows.late_seconds);
    set(&mut settings.first_slot, windows.first_slot);
    set(&mut settings.valid_share, parts.valid_share);
    set(&mut settings.test_share, parts.test_share);
    set(&mut settings.valid_days, parts.valid_days);
    set(&mut settings.test_days, parts.test_days);
    set(&mut settings.memory_mb, args.memory_mb);
    Ok(settings)
}

/// The report for people.
fn summary(report: &PrepReport, peak_rss_mb: Option<f64>) -> String {
    let (clicks, conversions) = (&report.clicks, &report.conversions);
    let parts: Vec<String> = report.examples.iter().map(|(part, rows)| format!("{part} {rows}")).collect();
    let memory = peak_rss_mb.map_or(String::new(), |mb| format!(", {mb:.0} MiB at most"));
    let mut out = format!(
        "{}: {} impressions, {} other events of {} rows in {:.2} s, {:.0} rows a second{memory}\n",
        report.dataset.display(),
        report.impressions,
        report.history_events,
        report.log_rows,
        report.seconds,
        report.rows_per_second,
    );
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "  log          {} duplicates, {} skewed, {} late, {} out of its span",
        report.duplicates,
        report.skewed,
        report.late,
        [report.before_log, report.after_log].iter().flatten().map(|strays| strays.rows).sum::<u64>()
    );
    let _ = writeln!(
        out,
        "  clicks       {}: {} attributed, {} repeated, {} out of window, {} orphaned, {} unattributed",
        clicks.total,
        clicks.attributed,
        clicks.repeated,
        clicks.out_of_window,
        clicks.orphaned,
        clicks.unattributed
    );
    let _ = writeln!(
        out,
        "  conversions  {}: {} attributed, {} view-through, {} out of window, {} orphaned, {} unattributed",
        conversions.total,
        conversions.attributed,
        conversions.view_through,
        conversions.out_of_window,
        conversions.orphaned,
        conversions.unattributed
    );
    let _ = writeln!(
        out,
        "  examples     {}: {} clicked, {} converted, {} matured",
        parts.join(", "),
        report.clicked,
        report.converted,
        report.matured
    );
    out
}
