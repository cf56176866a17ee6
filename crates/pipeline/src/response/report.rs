//! The stage `report` of a ranking task: `evaluation.json`, and the score of each test row. Pages for people are the caller's.

use super::evaluation::{Found, find};
use super::inputs::Inputs;
use super::model::Trained;
use super::scores::TestScores;
use crate::config::Config;
use crate::stage::{Done, Key, Stage, Timing};
use crate::{Context, EVALUATION, Error, REPORT};
use semrank_data::Part;
use semrank_response::Position;
use semrank_store::{read_json, write_json};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The stage.
pub struct ResponseReport<'a, 'm> {
    /// What is measured.
    pub inputs: &'a Inputs<'a>,
    /// Scoring changes its counts.
    pub model: Mutex<&'m mut Trained<'a>>,
    /// Those before.
    pub stages: &'m [Done],
}

impl Stage for ResponseReport<'_, '_> {
    /// The scores are those of when it was made, and empty where it is read.
    type Output = Found;
    const ID: &'static str = REPORT;
    const VERSION: u32 = 6;

    fn settings(config: &Config) -> Value {
        json!({ "task": config.task })
    }

    fn key(&self) -> Key {
        let mut inputs: Vec<(&str, &str)> =
            self.stages.iter().map(|done| (done.stage, done.hash.as_str())).collect();
        inputs.push(("dataset", &self.inputs.data.hash));
        let run = self.inputs.run;
        Key::new::<Self>((run.config(), run.seed()), json!({}), &inputs)
    }

    fn make(&self, dir: &Path, _: &Context, timing: &mut Timing) -> Result<Found, Error> {
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        let task = self.inputs.config().task;
        let mut found = find(self.inputs, &mut model, (Part::Test, task), Position::Logged)?;
        let started = Instant::now();
        found.add_baselines(self.inputs);
        timing.parts.insert("baselines".into(), started.elapsed().as_secs_f64());
        write_json(&dir.join(EVALUATION), &found.evaluation)?;
        found.scores.save(dir)?;
        Ok(found)
    }

    fn read(&self, dir: &Path) -> Result<Found, Error> {
        Ok(Found { evaluation: read_json(&dir.join(EVALUATION))?, scores: TestScores::default() })
    }
}
