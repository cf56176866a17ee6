//! What the files of a finished run tell without its data set and without its model: what was asked for, the test
//! metrics, and the times and counts of every stage.
//!
//! The stages are checked against each other and against `run.json`, so that a run which is under way, or was made
//! from something else, is refused. Nothing is computed again.

use super::evaluation::EVALUATION;
use super::folder::{RunFile, RunFolder};
use super::stage::{MANIFEST, Manifest, TIMING, Timing};
use crate::config::{SECTIONS, Task};
use crate::error::Error;
use crate::evaluate::Evaluation;
use semrank_store::{hash_file, hash_text, read_json};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Names of the stages, in the order in which they are made.
const STAGES: [&str; 4] = ["features", "tokens", "model", "report"];
/// What is said of a stage that does not belong to the others.
const REPEAT: &str = "the run was changed and not finished since: repeat `semrank run`";

/// A finished run.
#[derive(Debug)]
pub(crate) struct Record<E = Evaluation> {
    /// What was asked for.
    pub(crate) run: RunFile,
    /// Of the test cases: `E` is that of the run's task.
    pub(crate) evaluation: E,
    /// Of each stage when it was made, also where it was skipped since.
    pub(crate) timings: Vec<Timing>,
}

/// The task of the run at `path`.
///
/// # Errors
/// [`Error::NotARun`].
pub(crate) fn task(path: &Path) -> Result<Task, Error> {
    Ok(RunFolder::open(path)?.1.config.task)
}

impl<E: DeserializeOwned> Record<E> {
    /// Reads the run at `path`.
    ///
    /// # Errors
    /// [`Error::NotARun`] and [`Error::MissingStage`] where there is no finished run, [`Error::Mismatch`] where its parts
    /// do not belong together.
    pub(crate) fn read(path: &Path) -> Result<Record<E>, Error> {
        let (folder, run) = RunFolder::open(path)?;
        let mut made = BTreeMap::from([("dataset", run.dataset.hash.clone())]);
        let mut timings = Vec::new();
        for stage in STAGES {
            let (hash, timing) = read_stage(&folder, stage, &run, &made)?;
            made.insert(stage, hash);
            timings.push(timing);
        }
        let evaluation = read_json(&folder.stage("report").join(EVALUATION))?;
        Ok(Record { run, evaluation, timings })
    }
}

/// Hash and timing of a stage whose inputs are what was `made` before it.
fn read_stage(
    folder: &RunFolder,
    stage: &'static str,
    run: &RunFile,
    made: &BTreeMap<&str, String>,
) -> Result<(String, Timing), Error> {
    let path = folder.stage(stage).join(MANIFEST);
    let timing = folder.stage(stage).join(TIMING);
    if !path.is_file() || !timing.is_file() {
        return Err(Error::MissingStage { run: folder.path().to_owned(), stage });
    }
    let manifest: Manifest = read_json(&path)?;
    let mismatch = |path: &Path, what: String, got: &str, expected: &str| {
        let (got, expected) = (got.to_owned(), expected.to_owned());
        Err(Error::Mismatch { path: path.to_owned(), what, got, expected, help: REPEAT })
    };
    for (name, expected) in made {
        if let Some(got) = manifest.key.inputs.get(*name).filter(|got| *got != expected) {
            return mismatch(&path, format!("the input `{name}`"), got, expected);
        }
    }
    let asked = json!(run.config);
    if manifest.key.seed != run.seed || !agrees(&manifest.key.config, &asked) {
        let hash = |seed: u64, value: &Value| hash_text(&format!("{seed} {value}"));
        let (got, expected) = (hash(manifest.key.seed, &manifest.key.config), hash(run.seed, &asked));
        return mismatch(&path, "the stage's configuration".into(), &got, &expected);
    }
    if let Some(expected) = manifest.outputs.get(EVALUATION) {
        let file = folder.stage(stage).join(EVALUATION);
        let got = hash_file(&file)?;
        if got != *expected {
            return mismatch(&file, "the file".into(), &got, expected);
        }
    }
    Ok((hash_file(&path)?, read_json(&timing)?))
}

/// Whether a stage was made with the settings of the run, as far as its manifest names them.
fn agrees(stage: &Value, run: &Value) -> bool {
    let same = |section: &str, key: &str| {
        let of_stage = &stage[section][key];
        of_stage.is_null() || *of_stage == run[section][key]
    };
    let encoder = &stage["encoder"];
    SECTIONS.iter().all(|(section, keys)| keys.iter().all(|key| same(section, key.name)))
        && (encoder.is_null() || *encoder == run["content"]["encoder"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_a_stage_does_not_name_are_no_matter() {
        let run = json!({ "model": { "dim": 16, "blocks": 2 }, "content": { "encoder": "hash:" } });
        for (stage, agree) in [
            (json!({ "model": { "dim": 16 }, "split": "time" }), true),
            (json!({ "model": { "dim": 8 } }), false),
            (json!({ "encoder": "hash:" }), true),
            (json!({ "encoder": ["hash:", "bert:x"] }), false),
        ] {
            assert_eq!(agrees(&stage, &run), agree, "{stage}");
        }
    }
}
