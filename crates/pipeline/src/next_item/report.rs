//! The stage `report`: `evaluation.json` of the test cases. Pages for people are the caller's.

use super::evaluation::{Evaluation, evaluate};
use super::view::ModelView;
use crate::config::Config;
use crate::data::Part;
use crate::stage::{Key, Stage, Timing};
use crate::{Context, EVALUATION, Error};
use semrank_measure::RankSummary;
use semrank_store::{read_json, write_json};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// A row of the results that comes from outside, such as an oracle's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Extra {
    /// Its name.
    pub name: String,
    /// Over all test cases, strict.
    pub metrics: RankSummary,
}

/// The stage.
pub struct Report<'a> {
    /// What is evaluated.
    pub view: ModelView<'a>,
    /// Of every random choice.
    pub seed: u64,
    /// Rows from outside.
    pub extra: &'a [Extra],
    /// Names and hashes of the stages before.
    pub stages: Vec<(&'static str, &'a str)>,
}

impl Stage for Report<'_> {
    type Output = Evaluation;
    const ID: &'static str = crate::REPORT;
    const VERSION: u32 = 1;

    fn settings(_: &Config) -> Value {
        json!({})
    }

    fn key(&self) -> Key {
        let mut inputs = self.stages.clone();
        inputs.push(("dataset", &self.view.data.hash));
        let also = json!({ "scope": self.view.data.scope_key(), "extra": self.extra });
        Key::new::<Self>((self.view.config, self.seed), also, &inputs)
    }

    fn make(&self, dir: &Path, context: &Context, _: &mut Timing) -> Result<Evaluation, Error> {
        let evaluation = evaluate(self.view, &self.view.servable(), Part::Test, context)?;
        write_json(&dir.join(EVALUATION), &evaluation)?;
        Ok(evaluation)
    }

    fn read(&self, dir: &Path) -> Result<Evaluation, Error> {
        Ok(read_json(&dir.join(EVALUATION))?)
    }
}
