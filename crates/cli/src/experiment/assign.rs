//! `semrank experiment assign`: the arms of units.

use super::rows::definition;
use crate::error::Error;
use crate::output;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// `semrank experiment assign`.
#[derive(Debug, Args)]
pub(super) struct AssignArgs {
    /// The definition of the test, in TOML.
    #[arg(value_name = "DEFINITION")]
    definition: PathBuf,
    /// A unit's id; may be repeated.
    #[arg(long, value_name = "ID", required_unless_present = "units")]
    unit: Vec<String>,
    /// A file with an id in each line.
    #[arg(long, value_name = "FILE")]
    units: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub(super) fn assign(args: &AssignArgs) -> Result<(), Error> {
    let definition = definition(&args.definition)?;
    let mut units = args.unit.clone();
    if let Some(file) = &args.units {
        let wrong = |why: String| Error::Definition { file: file.clone(), why };
        let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        units.extend(text.lines().filter(|line| !line.is_empty()).map(str::to_owned));
    }
    let assignment = definition.assignment();
    let arm = |unit: &str| definition.arm_by(&assignment, unit).map(|arm| definition.arms[arm].name.as_str());
    if args.json {
        let row = |unit: &String| {
            let bucket = definition.hash.bucket(&assignment.salt, unit);
            json!({ "unit": unit, "arm": arm(unit), "bucket": bucket })
        };
        return output::json(&json!({ "units": units.iter().map(row).collect::<Vec<_>>() }));
    }
    let line = |unit: &String| format!("{unit}\t{}\n", arm(unit).unwrap_or("-"));
    output::lines(&units.iter().map(line).collect::<String>())
}
