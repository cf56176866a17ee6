//! The stage `early`: an early-stage model, distilled from a click run over the index of a next-item run, and where it wins.
//!
//! It learns from users before the tests of both runs: of every five, three to fit, one to choose the penalty, one to decide. It becomes a
//! source, and the order by which merged candidates are cut, only where it holds more of the click model's list there than the fusion of
//! the sources and the next-item ranker do, by more than chance.
//!
//! | file | holds |
//! |---|---|
//! | `early.safetensors` | `matrix` `[W x W]`, `offset` and `prior` ([`Early`]) |
//! | `early.json` | [`EarlyReport`] |

use super::measure::{Orders, orders};
use super::moments::{At, Teacher, moments};
use crate::config::Config;
use crate::response::ClickModel;
use crate::retrieval::{Quotas, Retrieval};
use crate::stage::{Done, Key, Stage, Timing};
use crate::{Context, Data, Error, Run};
use rayon::prelude::*;
use semrank_core::ItemId;
use semrank_nn::checkpoint::Checkpoint;
use semrank_retrieve::Early;
use semrank_retrieve::early::Sample;
use semrank_store::{read_json, write_json};
use semrank_tower::artefact::{self, Tensors};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

const TENSORS: &str = "early.safetensors";
const REPORT: &str = "early.json";
/// Moments that are looked at.
const MOMENTS: usize = 5_000;
const AGAIN: &str = "the early-stage model is of other runs, or of another semrank: repeat `semrank index RUN --clicks CLICKS`";

/// What the stage found beside the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EarlyReport {
    /// Moments that it was fitted on.
    pub fitted: usize,
    /// Share of the variance of the click model's log odds, within a user's items, that it explains for other users.
    pub explained: f64,
    /// Over all items, of users that nothing was fitted to.
    pub all_items: Orders,
    /// Over their merged candidates.
    pub merged: Orders,
    /// Whether it is a source.
    pub is_source: bool,
    /// Whether it cuts merged candidates.
    pub cuts: bool,
}

/// An early-stage model and its figures.
#[derive(Debug, Clone)]
pub struct EarlyModel {
    /// The model.
    pub model: Arc<Early>,
    /// Its figures.
    pub report: EarlyReport,
}

/// The stage.
struct EarlyStage<'a> {
    retrieval: &'a Retrieval,
    quotas: &'a Quotas,
    clicks: &'a ClickModel,
    data: &'a Data,
    asked: (&'a Config, u64),
    /// Hash of the stage `model` of the next-item run.
    model: &'a str,
}

impl Stage for EarlyStage<'_> {
    type Output = EarlyModel;
    const ID: &'static str = "early";
    const VERSION: u32 = 1;

    fn settings(_: &Config) -> Value {
        json!({})
    }

    fn key(&self) -> Key {
        let inputs =
            [("dataset", self.data.hash.as_str()), ("model", self.model), ("clicks", self.clicks.hash())];
        Key::new::<Self>(self.asked, json!({ "quotas": self.quotas }), &inputs)
    }

    fn make(&self, dir: &Path, context: &Context, _: &mut Timing) -> Result<EarlyModel, Error> {
        let Self { retrieval, quotas, clicks, data, .. } = *self;
        let teacher = Teacher::new(retrieval, quotas, clicks, data);
        let all = moments(data, clicks, MOMENTS);
        context.note(&format!("early: what the click model says at {} moments", all.len()));
        let samples = |groups: &[u32]| -> Result<Vec<Sample>, Error> {
            let of_groups = all.par_iter().enumerate().filter(|(_, at)| groups.contains(&(at.user.0 % 5)));
            of_groups
                .map(|(number, &at)| {
                    context.check()?;
                    teacher.sample(at, number, self.asked.1)
                })
                .collect()
        };
        let (fit, held_out) = (samples(&[2, 3, 4])?, samples(&[1])?);
        context.note("early: fitting");
        let live = retrieval.live();
        let rows = |item: u32, row: &mut [f32]| live.servable.fused_row(ItemId(item), row);
        let (model, explained) = Early::fit(&fit, &held_out, &rows, live.servable.fused_width());
        drop(live);
        let model = Arc::new(model);
        let decide: Vec<At> = all.iter().copied().filter(|at| at.user.0.is_multiple_of(5)).collect();
        let [all_items, merged] = orders(&teacher, &model, &decide, context)?;
        let (is_source, cuts) = (all_items.wins(), merged.wins());
        let report = EarlyReport { fitted: fit.len(), explained, all_items, merged, is_source, cuts };
        let mut tensors = Tensors::default();
        tensors.matrix("matrix", [model.width(), model.width()], &model.matrix);
        tensors.row("offset", &model.offset);
        tensors.f32s("prior", [model.prior]);
        tensors.save(&dir.join(TENSORS))?;
        write_json(&dir.join(REPORT), &report)?;
        Ok(EarlyModel { model, report })
    }

    fn read(&self, dir: &Path) -> Result<EarlyModel, Error> {
        let (path, width) = (dir.join(TENSORS), self.retrieval.live().servable.fused_width());
        let file = Checkpoint::open(&path).map_err(artefact::Error::from)?;
        let read = |name: &str, shape: [usize; 2]| file.f32s(name, shape).map_err(artefact::Error::from);
        let (matrix, offset) = (read("matrix", [width, width])?, read("offset", [1, width])?);
        let model = Early { matrix, offset, prior: read("prior", [1, 1])?[0] };
        artefact::same(&path, "whether all numbers are finite", model.is_valid(), true)?;
        Ok(EarlyModel { model: Arc::new(model), report: read_json(&dir.join(REPORT))? })
    }
}

impl Run {
    fn early_stage<'a>(
        &'a self,
        (retrieval, quotas): (&'a Retrieval, &'a Quotas),
        clicks: &'a ClickModel,
    ) -> Result<EarlyStage<'a>, Error> {
        let (model, asked, data) = (self.model_hash()?, self.asked(), self.data()?);
        Ok(EarlyStage { retrieval, quotas, clicks, data, asked, model })
    }

    /// Makes the stage `early` for a click run over the same data set, or reads it.
    ///
    /// # Errors
    /// [`Error::OtherCatalogue`]; a source that fails; [`Error::Interrupted`].
    pub fn make_early(
        &self,
        retrieval: &Retrieval,
        clicks: &ClickModel,
        context: &Context,
    ) -> Result<(EarlyModel, Done), Error> {
        clicks.check_catalogue(self.data()?)?;
        let quotas = self.quotas(retrieval)?;
        self.make(&self.early_stage((retrieval, &quotas), clicks)?, context)
    }

    /// The early-stage model for a click run; none where it was never made.
    ///
    /// # Errors
    /// A stage that is damaged or of something else.
    pub fn early(&self, retrieval: &Retrieval, clicks: &ClickModel) -> Result<Option<EarlyModel>, Error> {
        let quotas = self.quotas(retrieval)?;
        match self.read(&self.early_stage((retrieval, &quotas), clicks)?) {
            Ok((made, _)) => Ok(Some(made)),
            Err(Error::MissingStage { .. }) => Ok(None),
            Err(error) => Err(error.with_help(AGAIN)),
        }
    }
}
