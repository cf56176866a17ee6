//! `semrank experiment plan`: what a test can detect and how long it takes.

use super::rows::{RowsArgs, definition};
use crate::error::Error;
use crate::output;
use clap::Args;
use semrank_experiment::analysis::{Plan, plan as planned};
use semrank_serve::TrialRow;
use std::path::PathBuf;

/// `semrank experiment plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The definition of the test, in TOML.
    #[arg(value_name = "DEFINITION")]
    definition: PathBuf,
    #[command(flatten)]
    rows: RowsArgs,
    /// Share of the units whose list will differ.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    trigger_share: f64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub(super) fn plan(args: &PlanArgs) -> Result<(), Error> {
    let definition = definition(&args.definition)?;
    let mut events = Vec::new();
    args.rows.each(|row| {
        if let TrialRow::Event(event) = row {
            events.push(*event);
        }
        Ok(())
    })?;
    let plan = planned(&definition, &events, args.trigger_share).map_err(Error::Statistics)?;
    if args.json { output::json(&plan) } else { output::text(&lines(&plan)) }
}

fn lines(plan: &Plan) -> String {
    let mut out = format!(
        "{}: {} units in {:.1} days of the log, {:.0} a day\n",
        plan.name, plan.units, plan.days, plan.units_per_day
    );
    for metric in &plan.metrics {
        if let Some(why) = &metric.missing {
            out += &format!("\n{}: {why}\n", metric.name);
            continue;
        }
        out += &format!(
            "\n{} ({}): {:.5} a unit, standard deviation {:.4}",
            metric.name,
            format!("{:?}", metric.role).to_lowercase(),
            metric.value,
            metric.deviation
        );
        if metric.variance_kept < 1.0 {
            out += &format!("; covariates leave {:.0} % of the variance", 100.0 * metric.variance_kept);
        }
        out += "\n";
        for (days, units, effect) in &metric.detectable {
            out += &format!(
                "  {days:>3.0} days of exposure and {:.1} to mature: {units:.0} units, detects {:.1} %\n",
                metric.days_to_mature,
                100.0 * effect
            );
        }
        if let Some((units, days)) = metric.needed {
            out += &format!("  the wanted effect needs {units:.0} units: {days:.1} days with maturing\n");
        }
    }
    out
}
