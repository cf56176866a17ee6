//! The report of a preparation for people.

use semrank_core::counted;
use semrank_prep::PrepReport;
use std::fmt::Write;

/// A few lines.
pub(crate) fn summary(report: &PrepReport, peak_rss_mb: Option<f64>) -> String {
    let (clicks, conversions) = (&report.clicks, &report.conversions);
    let parts: Vec<String> = report.examples.iter().map(|(part, rows)| format!("{part} {rows}")).collect();
    let memory = peak_rss_mb.map_or(String::new(), |mb| format!(", {mb:.0} MiB at most"));
    let mut out = format!(
        "{}: {}, {} of {} in {:.2} s, {:.0} rows per second{memory}\n",
        report.dataset.display(),
        counted(report.impressions, "impression", "impressions"),
        counted(report.history_events, "other event", "other events"),
        counted(report.log_rows, "row", "rows"),
        report.seconds,
        report.rows_per_second,
    );
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "  log          {}, {} skewed, {} late, {} out of its span",
        counted(report.duplicates, "duplicate", "duplicates"),
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
