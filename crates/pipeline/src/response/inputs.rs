//! `task=ctr` and `task=oc`: a prepared data set (with `examples.parquet`) in, a run whose model gives probabilities out.
//!
//! ```text
//! semrank run --data ml1m --out ml1m-run --set task=ctr
//! semrank evaluate ml1m-run --task ctr --json --predictions scores.tsv
//! ```
//!
//! The stages `features` and `tokens` are those of every run; `model` and `report` are made here.
//!
//! | file | does |
//! |---|---|
//! | `model` | the stage `model`: training, calibration |
//! | `measure` | what probabilities are worth, by segment |
//! | `evaluation`, `text` | the stage `report`, and `semrank evaluate --task` |
//! | `page` | what the page says beside the figures |
//! | `scores` | what was predicted of each test row, for `semrank compare` |

mod evaluation;
mod measure;
mod model;
mod page;
mod scores;
mod text;

pub(crate) use evaluation::{PointwiseArgs, PointwiseEvaluation, PointwiseReport, evaluate};
pub(crate) use measure::Measured;
pub(crate) use page::Example;
pub(crate) use scores::{ScoredRows, TestScores};

use super::data::Data;
use super::folder::{Lock, RunFolder};
use super::kept::Kept;
use super::stage::Done;
use super::{Job, Tokenized};
use crate::config::{Config, Task};
use crate::error::Error;
use crate::{interrupt, output, resources};
use semrank_core::{Segment, UserId, narrow};
use semrank_data::{Examples, ItemColumn, Part};
use semrank_model::PrefixRows;
use semrank_model::pointwise::{Contexts, Goal, ItemTables, PointwiseTask};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// The item column of advertisers.
const ADVERTISER: &str = "advertiser_id";

/// Everything that training and scoring read.
pub(super) struct Prepared {
    pub(super) data: Data,
    pub(super) config: Config,
    pub(super) seed: u64,
    pub(super) examples: Examples,
    pub(super) contexts: Contexts,
    pub(super) advertisers: ItemColumn,
    /// Content vectors of unit length.
    content: Vec<f32>,
    prefixes: Option<PrefixRows>,
    pub(super) stages: Vec<Done>,
    pub(super) folder: RunFolder,
}

impl Prepared {
    fn new(from: Tokenized) -> Result<Prepared, Error> {
        let Tokenized { mut data, config, seed, content, stages, folder } = from;
        let examples = data
            .examples
            .take()
            .ok_or_else(|| Error::NoExamples { dataset: data.dataset.meta.name.clone() })?;
        for part in [Part::Train, Part::Test] {
            if examples.rows(part).next().is_none() {
                return Err(Error::NoRows { dataset: data.dataset.meta.name.clone(), part: part.name() });
            }
        }
        let contexts = Contexts::new(&examples, &data.dataset.catalog, &config.pointwise);
        let advertisers = data.item_column(ADVERTISER)?;
        let trained = trained_items(&examples, &data);
        let tokens = content.tokens.as_ref().filter(|_| config.model.prefixes);
        let prefixes = tokens.map(|ids| PrefixRows::new(ids, &trained, config.model.prefix_rows));
        let content = unit_rows(content.features.values, content.features.dim);
        Ok(Prepared {
            data,
            config,
            seed,
            examples,
            contexts,
            advertisers,
            content,
            prefixes,
            stages,
            folder,
        })
    }

    /// Makes the stages up to the semantic ids, or reads those that are unchanged.
    fn make(job: &Job) -> Result<(Prepared, Lock), Error> {
        let data = Data::open(job.data, &job.config)?;
        let (tokenized, lock) = Tokenized::make(job, data)?;
        interrupt::check()?;
        let prepared = Prepared::new(tokenized)?;
        prepared.check_conversions()?;
        Ok((prepared, lock))
    }

    /// Reads a finished run.
    fn open(run: &Path, moved_to: Option<&Path>) -> Result<Prepared, Error> {
        Prepared::new(Tokenized::open(run, moved_to)?)
    }

    pub(super) fn task(&self) -> PointwiseTask<'_> {
        PointwiseTask {
            dataset: &self.data.dataset,
            examples: &self.examples,
            scope: &self.data.scope,
            tables: ItemTables {
                content: &self.content,
                advertisers: &self.advertisers.codes,
                prefixes: self.prefixes.as_ref(),
                kinds: &self.data.dataset.catalog.kinds,
                known: self.data.scope.known(),
            },
            contexts: &self.contexts,
            model: &self.config.model,
            train: &self.config.train,
            settings: &self.config.pointwise,
            goal: self.goal(),
            seed: self.seed,
        }
    }

    /// Refuses to learn of conversions where none is labelled.
    fn check_conversions(&self) -> Result<(), Error> {
        let examples = &self.examples;
        let labelled =
            |row: usize| examples.clicks[row] && examples.conversions.get(row).is_some_and(Option::is_some);
        if self.goal() == Goal::Oc && !examples.rows(Part::Train).any(labelled) {
            return Err(Error::NoConversions { dataset: self.data.dataset.meta.name.clone() });
        }
        Ok(())
    }

    fn goal(&self) -> Goal {
        if self.config.task == Task::Oc { Goal::Oc } else { Goal::Ctr }
    }

    /// Head, torso, tail or new, one per item, by the training rows.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let catalog = &self.data.dataset.catalog;
        let counts = training_counts(&self.examples, catalog.len());
        semrank_core::segments(&counts, |item| catalog.name(semrank_core::ItemId(narrow::index(item))))
    }
}

/// `semrank run` and `semrank train` of such a task; `report` is the stage after the model.
pub(super) fn run(job: &Job, json: bool, report: bool) -> Result<(), Error> {
    let started = Instant::now();
    let (prepared, _lock) = Prepared::make(job)?;
    let (mut trained, done) = model::run(&prepared, job.resume)?;
    let mut stages = prepared.stages.clone();
    stages.push(done);
    let evaluation = match report {
        true => {
            let (evaluation, done) = evaluation::run(&prepared, &mut trained, &stages)?;
            stages.push(done);
            Some(evaluation)
        }
        false => None,
    };
    let summary = Summary {
        run: prepared.folder.path(),
        best_epoch: trained.facts.best_epoch,
        epochs: trained.facts.curve.last().map_or(0, |pass| pass.epoch),
        validated: trained.facts.curve.iter().any(|pass| pass.validation_loss.is_some()),
        evaluation: evaluation.as_ref(),
        stages: &stages,
        wall_seconds: started.elapsed().as_secs_f64(),
        peak_rss_mb: resources::peak_rss_mib(),
    };
    if json { output::json(&summary) } else { output::text(&summary.text()) }
}

/// What a run did, as `--json` prints it.
#[derive(Serialize)]
struct Summary<'a> {
    run: &'a Path,
    #[serde(flatten)]
    evaluation: Option<&'a evaluation::PointwiseEvaluation>,
    best_epoch: usize,
    epochs: usize,
    #[serde(skip)]
    validated: bool,
    stages: &'a [Done],
    wall_seconds: f64,
    peak_rss_mb: Option<f64>,
}

impl Summary<'_> {
    fn text(&self) -> String {
        let mut out = self.evaluation.map_or(String::new(), |evaluation| evaluation.text());
        if self.best_epoch > 0 {
            let (best, done, validated) = (self.best_epoch, self.epochs, self.validated);
            let kept = Kept { best, done, validated, perfect: false };
            out += &format!("{}\n", kept.sentence("pointwise.epochs"));
        }
        out += &super::stages_text(self.stages, self.wall_seconds, self.peak_rss_mb);
        out + &super::ending(self.run, self.stages, &["evaluate {run} --json", "compare {run} OTHER-RUN"])
    }
}

/// Training rows of each item.
fn training_counts(examples: &Examples, items: usize) -> Vec<u32> {
    let mut counts = vec![0; items];
    examples.rows(Part::Train).for_each(|row| counts[examples.items[row].index()] += 1);
    counts
}

/// Items that training reads: as candidates, or in a history of one.
fn trained_items(examples: &Examples, data: &Data) -> Vec<bool> {
    let dataset = &data.dataset;
    let mut trained = vec![false; dataset.catalog.len()];
    let mut ends = vec![0; dataset.events.users()];
    for row in examples.rows(Part::Train) {
        trained[examples.items[row].index()] = true;
        if let Some(end) = ends.get_mut(examples.users[row].index()) {
            *end = examples.history_ends[row].max(*end);
        }
    }
    for (user, (&end, &scope)) in ends.iter().zip(data.scope.ends()).enumerate() {
        let first = dataset.events.range(UserId(narrow::index(user))).start;
        let read = first..scope.min(first + end as usize);
        read.for_each(|event| trained[dataset.events.items()[event].index()] = true);
    }
    trained
}

/// Rows scaled to length 1; a zero row stays zero.
fn unit_rows(mut values: Vec<f32>, dim: usize) -> Vec<f32> {
    for row in values.chunks_exact_mut(dim.max(1)) {
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|x| *x /= length);
        }
    }
    values
}
