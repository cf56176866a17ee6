//! `semrank experiment verify`: numerical cases, answered by this program's statistics.

use crate::error::Error;
use crate::output;
use clap::Args;
use flate2::read::MultiGzDecoder;
use semrank_core::counted;
use semrank_experiment::verify::verify_with;
use semrank_store::read_json;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// `semrank experiment verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Groups of cases: JSON, each with its inputs and the keys that are asked for under `expect`.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Folder of the data files that cases name [default: SEMRANK_DATA, ../shared/data, or data beside the folder of FILE].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub(super) fn verify(args: &VerifyArgs) -> Result<(), Error> {
    let cases: Value = read_json(&args.file)?;
    let folders = folders(args);
    let found = verify_with(&cases, &|name| folders.iter().find_map(|folder| text(&folder.join(name))));
    let found = found.map_err(|error| Error::Cases { file: args.file.clone(), error })?;
    if args.json {
        return output::json(&found);
    }
    let cases = found["cases"].as_array().map_or(&[][..], Vec::as_slice);
    let mut lines =
        format!("{} answered; --json prints the answers\n", counted(cases.len(), "case", "cases"));
    for case in cases {
        for what in [&case["error"], &case["unknown"]].into_iter().filter(|what| !what.is_null()) {
            let [group, name] = ["group", "name"].map(|key| case[key].as_str().unwrap_or_default());
            lines += &format!("  {group} {name}: {what}\n");
        }
    }
    output::text(&lines)
}

fn folders(args: &VerifyArgs) -> Vec<PathBuf> {
    let beside = args.file.parent().and_then(Path::parent).map(|parent| parent.join("data"));
    let named = std::env::var_os("SEMRANK_DATA").map(PathBuf::from);
    match &args.data {
        Some(folder) => vec![folder.clone()],
        None => named.into_iter().chain([PathBuf::from("../shared/data")]).chain(beside).collect(),
    }
}

/// The text of a file, unpacked; none where there is no such file.
fn text(path: &Path) -> Option<String> {
    let (file, mut text) = (File::open(path).ok()?, String::new());
    match path.extension().is_some_and(|extension| extension == "gz") {
        true => MultiGzDecoder::new(file).read_to_string(&mut text),
        false => { file }.read_to_string(&mut text),
    }
    .ok()?;
    Some(text)
}
