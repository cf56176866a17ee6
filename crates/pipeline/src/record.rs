//! A finished run as its files describe it, without data set and model: settings, test metrics, times and counts of every stage.
//!
//! The stages are checked against each other and against `run.json`, so that a run which is under way, or was made
//! from something else, is refused. Nothing is computed again.

use crate::config::{Config, Task};
use crate::features::Features;
use crate::folder::{RunFile, RunFolder};
use crate::next_item::{Evaluation, NextItem, Report};
use crate::response::{Response, ResponseReport};
use crate::stage::{MANIFEST, Manifest, Stage, TIMING, Timing};
use crate::tokens::Tokens;
use crate::{EVALUATION, Error, REPORT};
use semrank_store::{hash_file, hash_text, read_json};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// What is said of a stage that does not belong to the others.
const REPEAT: &str = "the run was changed and not finished since: repeat `semrank run`";

/// What is known of a stage without its inputs.
struct Declared {
    id: &'static str,
    version: u32,
    settings: fn(&Config) -> Value,
}

impl Declared {
    fn of<S: Stage>() -> Declared {
        Declared { id: S::ID, version: S::VERSION, settings: S::settings }
    }

    /// The stages of a task, in the order in which they are made.
    fn all(task: Task) -> [Declared; 4] {
        let (features, tokens) = (Declared::of::<Features>(), Declared::of::<Tokens>());
        match task {
            Task::NextItem => [features, tokens, Declared::of::<NextItem>(), Declared::of::<Report>()],
            Task::Ctr | Task::Oc => {
                [features, tokens, Declared::of::<Response>(), Declared::of::<ResponseReport>()]
            }
        }
    }
}

/// A finished run.
#[derive(Debug)]
pub struct Record<E = Evaluation> {
    /// What was asked for.
    pub run: RunFile,
    /// Of the test cases: `E` is that of the run's task.
    pub evaluation: E,
    /// Of each stage when it was made, also where it was skipped since.
    pub timings: Vec<Timing>,
}

/// The task of the run at `path`.
///
/// # Errors
/// [`Error::NotARun`].
pub fn task(path: &Path) -> Result<Task, Error> {
    Ok(RunFolder::open(path)?.1.config.task)
}

impl<E: DeserializeOwned> Record<E> {
    /// Reads the run at `path`.
    ///
    /// # Errors
    /// [`Error::NotARun`] and [`Error::MissingStage`] where there is no finished run, [`Error::Mismatch`] where its parts
    /// do not belong together.
    pub fn read(path: &Path) -> Result<Record<E>, Error> {
        let (folder, run) = RunFolder::open(path)?;
        let mut made = BTreeMap::from([("dataset", run.dataset.hash.clone())]);
        let mut timings = Vec::new();
        for stage in Declared::all(run.config.task) {
            let (hash, timing) = read_stage(&folder, &stage, &run, &made)?;
            made.insert(stage.id, hash);
            timings.push(timing);
        }
        let evaluation = read_json(&folder.stage(REPORT).join(EVALUATION))?;
        Ok(Record { run, evaluation, timings })
    }
}

/// Hash and timing of a stage whose inputs are what was `made` before it.
fn read_stage(
    folder: &RunFolder,
    stage: &Declared,
    run: &RunFile,
    made: &BTreeMap<&str, String>,
) -> Result<(String, Timing), Error> {
    let path = folder.stage(stage.id).join(MANIFEST);
    let timing = folder.stage(stage.id).join(TIMING);
    if !path.is_file() || !timing.is_file() {
        return Err(Error::MissingStage { run: folder.path().to_owned(), stage: stage.id });
    }
    let manifest: Manifest = read_json(&path)?;
    if manifest.key.version != stage.version {
        let (got, expected) = (manifest.key.version, stage.version);
        return Err(Error::Version { path, got, expected });
    }
    let mismatch = |path: &Path, what: String, got: &str, expected: &str| {
        let (got, expected) = (got.to_owned(), expected.to_owned());
        Err(Error::Mismatch { path: path.to_owned(), what, got, expected, help: REPEAT })
    };
    for (name, expected) in made {
        if let Some(got) = manifest.key.inputs.get(*name).filter(|got| *got != expected) {
            return mismatch(&path, format!("the input `{name}`"), got, expected);
        }
    }
    let asked = (stage.settings)(&run.config);
    if manifest.key.seed != run.seed || !agrees(&manifest.key.config, &asked) {
        let hash = |seed: u64, value: &Value| hash_text(&format!("{seed} {value}"));
        let (got, expected) = (hash(manifest.key.seed, &manifest.key.config), hash(run.seed, &asked));
        return mismatch(&path, "the stage's configuration".into(), &got, &expected);
    }
    if let Some(expected) = manifest.outputs.get(EVALUATION) {
        let file = folder.stage(stage.id).join(EVALUATION);
        let got = hash_file(&file)?;
        if got != *expected {
            return mismatch(&file, "the file".into(), &got, expected);
        }
    }
    Ok((hash_file(&path)?, read_json(&timing)?))
}

/// Whether a stage was made with these settings; what else steered it stands beside them.
fn agrees(made: &Value, asked: &Value) -> bool {
    let Value::Object(asked) = asked else { return true };
    asked.iter().all(|(key, value)| made.get(key).unwrap_or(&Value::Null) == value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_settings_that_a_stage_reads_count() {
        let asked = json!({ "model": { "dim": 16 }, "encoder": "hash:", "content": null });
        for (made, agree) in [
            (json!({ "model": { "dim": 16 }, "encoder": "hash:", "scope": "time" }), true),
            (json!({ "model": { "dim": 8 }, "encoder": "hash:" }), false),
            (json!({ "model": { "dim": 16 }, "encoder": ["hash:", "bert:x"] }), false),
            (json!({ "model": { "dim": 16 } }), false),
        ] {
            assert_eq!(agrees(&made, &asked), agree, "{made}");
        }
    }

    #[test]
    fn settings_of_other_tasks_change_no_key() {
        let sources = |set: &[&str]| crate::config::Sources {
            file: None,
            set: set.iter().map(|set| (*set).to_owned()).collect(),
        };
        let settings = |set: &[&str], of: fn(&Config) -> Value| of(&sources(set).load().unwrap());
        let other = ["train.delay=window", "train.stream=true", "prep.click_minutes=5", "market.users=3"];
        assert_eq!(settings(&other, NextItem::settings), settings(&[], NextItem::settings));
        assert_ne!(settings(&other, Response::settings), settings(&[], Response::settings));
        let epochs = ["train.epochs=3"];
        assert_ne!(settings(&epochs, NextItem::settings), settings(&[], NextItem::settings));
        assert_eq!(settings(&epochs, Response::settings), settings(&[], Response::settings));
        let cache = ["content.cache=/elsewhere"];
        for of in [Features::settings, Tokens::settings, NextItem::settings, Response::settings] {
            assert_eq!(settings(&cache, of), settings(&[], of), "where vectors are kept steers nothing");
        }
    }
}
