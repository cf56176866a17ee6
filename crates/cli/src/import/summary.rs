//! What an import found, for people, and what to do next.

use semrank_console::shell;
use semrank_core::counted;
use semrank_data::ImportReport;
use std::path::Path;

/// The report for people.
pub(crate) fn summary(report: &ImportReport) -> String {
    let mut out = format!(
        "{}: {}, {}, {} in {:.2} s\n",
        report.dataset.display(),
        counted(report.users, "user", "users"),
        counted(report.items, "item", "items"),
        counted(report.events, "event", "events"),
        report.seconds
    );
    let actions: Vec<String> = report.actions.iter().map(|(action, n)| format!("{action} {n}")).collect();
    out += &format!("  actions   {}\n", actions.join(", "));
    if !report.examples.is_empty() {
        let parts: Vec<String> = report.examples.iter().map(|(part, n)| format!("{part} {n}")).collect();
        out += &format!("  examples  {}\n", parts.join(", "));
    }
    if let Some([first, last]) = report.time_range_ms {
        out += &format!("  times     {} to {} UTC\n", when(first), when(last));
    }
    if let Some(unit) = &report.time_unit {
        out += &format!("  unit      {unit}\n");
    }
    for (column, share) in &report.text_fill {
        out += &format!("  text      {column}: {:.1} % of the items\n", share * 100.0);
    }
    if report.items_from_events > 0 {
        out += &format!("  items     {} known from events only, without text\n", report.items_from_events);
    }
    report.notes.iter().for_each(|note| out += &format!("  note      {note}\n"));
    if report.rejected > 0 {
        out += &format!("  rejected  {}, the first:\n", counted(report.rejected, "row", "rows"));
        report.rejected_rows.iter().for_each(|row| out += &format!("    {row}\n"));
    }
    report.warnings.iter().for_each(|warning| out += &format!("  warning   {warning}\n"));
    out + &next_steps(report)
}

/// Where the data set is, and the next commands.
fn next_steps(report: &ImportReport) -> String {
    let data = shell::quote(&report.dataset);
    let task = if report.examples.is_empty() { "" } else { " --set task=ctr" };
    let mut out = format!(
        "\ndata set: {}\nnext:     semrank run --data {data} --out {}{task}\n",
        report.dataset.display(),
        beside(&report.dataset, "-run")
    );
    if report.actions.contains_key("impression") && report.actions.len() > 1 && report.examples.is_empty() {
        let examples = beside(&report.dataset, "-examples");
        out += &format!("          semrank prep --data {data} --out {examples}\n");
    }
    out
}

/// A folder beside another, quoted for a shell.
fn beside(folder: &Path, ending: &str) -> String {
    let mut folder = folder.as_os_str().to_owned();
    folder.push(ending);
    shell::quote(folder)
}

/// A time as a date, to the second.
fn when(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string());
    at.unwrap_or_else(|_| format!("{ms} ms"))
}
