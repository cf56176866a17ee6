//! The stage `report`: `evaluation.json` and `report.html` of the test cases, `tokens.html` where items have semantic ids.

use super::Finished;
use super::page::{self, Extra};
use super::stage::{Done, Key, stage};
use crate::error::Error;
use crate::evaluate::{Evaluation, Part, compare};
use crate::report::{self, TokensLink};
use crate::tokens;
use semrank_store::{read_json, write_atomically, write_json};
use serde_json::json;
use std::path::Path;

/// The stage's folder.
pub(crate) const STAGE: &str = "report";
/// The report's file.
pub(super) const PAGE: &str = "report.html";
/// The file of the page on semantic ids.
pub(crate) const TOKENS_PAGE: &str = "tokens.html";
pub(super) const EVALUATION: &str = "evaluation.json";

/// Evaluates the test cases, or reads what was found.
pub(super) fn run(finished: &Finished, extra: &[Extra]) -> Result<(Evaluation, Done), Error> {
    let inputs: Vec<(&str, &str)> =
        finished.stages.iter().map(|done| (done.stage.as_str(), done.hash.as_str())).collect();
    let mut inputs = inputs;
    inputs.push(("dataset", &finished.data.hash));
    let config = json!({ "scope": finished.data.scope_key(), "extra": extra });
    let key = Key::new(STAGE, finished.seed, config, &inputs);
    stage(
        &finished.folder,
        &key,
        |dir| Ok(read_json(&dir.join(EVALUATION))?),
        |dir, _| {
            let evaluation =
                compare(&finished.data, &finished.config, &finished.model, &finished.content, Part::Test)?;
            write_json(&dir.join(EVALUATION), &evaluation)?;
            let mut content = page::content(finished, &evaluation, extra)?;
            content.tokens = tokens_page(finished, dir)?;
            write_page(&dir.join(PAGE), &report::render(&content))?;
            Ok(evaluation)
        },
    )
}

/// Writes the page on semantic ids, if there are any.
fn tokens_page(finished: &Finished, dir: &Path) -> Result<Option<TokensLink>, Error> {
    let Finished { data, content, folder, .. } = finished;
    let Some(ids) = &content.tokens else { return Ok(None) };
    let found = tokens::of_run(&data.dataset, content, &folder.stage(super::tokens::STAGE), ids)?;
    write_page(&dir.join(TOKENS_PAGE), &report::render_tokens(&found))?;
    Ok(Some(TokensLink { page: TOKENS_PAGE.into(), summary: tokens::sentence(&found) }))
}

fn write_page(path: &Path, html: &str) -> Result<(), Error> {
    Ok(write_atomically(path, |out| out.write_all(html.as_bytes()))?)
}
