//! The stage `report`: `evaluation.json` and `report.html` of the test cases.

use super::Finished;
use super::folder::{read_json, write_json};
use super::page::{self, Extra};
use super::stage::{Done, Key, stage};
use crate::error::Error;
use crate::evaluate::{Evaluation, Part, compare};
use crate::report;
use semrank_data::write_atomically;
use serde_json::json;

/// The stage's folder.
pub(super) const STAGE: &str = "report";
/// The report's file.
pub(super) const PAGE: &str = "report.html";
const EVALUATION: &str = "evaluation.json";

/// Evaluates the test cases, or reads what was found.
pub(super) fn run(finished: &Finished, extra: &[Extra]) -> Result<(Evaluation, Done), Error> {
    let inputs: Vec<(&str, &str)> =
        finished.stages.iter().map(|done| (done.stage.as_str(), done.hash.as_str())).collect();
    let mut inputs = inputs;
    inputs.push(("dataset", &finished.data.hash));
    let config = json!({ "split": finished.data.split.kind, "extra": extra });
    let key = Key::new(STAGE, finished.seed, config, &inputs);
    stage(
        &finished.folder,
        &key,
        |dir| read_json(&dir.join(EVALUATION)),
        |dir, _| {
            let evaluation =
                compare(&finished.data, &finished.config, &finished.model, &finished.features, Part::Test)?;
            write_json(&dir.join(EVALUATION), &evaluation)?;
            let html = report::render(&page::content(finished, &evaluation, extra)?);
            write_atomically(&dir.join(PAGE), |out| out.write_all(html.as_bytes()))?;
            Ok(evaluation)
        },
    )
}
