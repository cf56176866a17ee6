//! `semrank run` and `semrank train`: a data set in, a run folder out, stage by stage.
//!
//! ```text
//! semrank run --data beauty --out beauty-run --set train.epochs=12 --seed 2
//! semrank train --data beauty --out beauty-run --resume           features and model only
//! ```
//!
//! | file | does |
//! |---|---|
//! | `args` | the arguments of a run to make and of one to read |
//! | `folder` | the run folder and `run.json` |
//! | `stage` | skip or make a stage; manifests and their checks |
//! | `data` | the data set, its split and counts |
//! | `features`, `tokens`, `model`, `evaluation` | one stage each |
//! | `pointwise` | the stages `model` and `report` of `task=ctr` and `task=oc` |
//! | `partial` | the state of a training under way |
//! | `ids` | the file of semantic ids |
//! | `tokenized` | a run up to its semantic ids |
//! | `kept` | which epoch was kept, in a sentence |
//! | `record` | what the files of a finished run tell without its data set: test metrics and cost |
//! | `page` | the content of `report.html` |

mod args;
mod data;
mod evaluation;
mod features;
mod folder;
mod ids;
mod kept;
mod live;
mod model;
mod page;
mod partial;
mod pointwise;
mod record;
mod stage;
mod tokenized;
mod tokens;

pub(crate) use args::{MakeArgs, OpenArgs};
pub(crate) use data::Data;
pub(crate) use evaluation::{STAGE as REPORT, TOKENS_PAGE};
pub(crate) use features::{CACHED, ENCODED};
pub(crate) use folder::{Lock, RunFile};
pub(crate) use live::trained_encoder;
pub(crate) use pointwise::evaluate as evaluate_pointwise;
pub(crate) use pointwise::{
    Example, Measured, PointwiseArgs, PointwiseEvaluation, PointwiseReport, ScoredRows, TestScores,
};
pub(crate) use record::{Record, task};
pub(crate) use stage::{Done, Timing};
pub(crate) use tokenized::Tokenized;
pub(crate) use tokens::Content;

use crate::config::{Config, Task};
use crate::error::Error;
use crate::evaluate::{Evaluation, tables};
use crate::{interrupt, output, resources, shell};
use clap::Args;
use folder::RunFolder;
use kept::Kept;
use semrank_core::{EventLog, ItemId};
use semrank_model::artefact::{Trained, load_trained};
use semrank_model::evaluate::Query;
use semrank_model::{Encoded, Ranker, SimilarContent, TrainedContent};
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// `semrank run` and `semrank train`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    make: MakeArgs,
    /// Go on with a training that was interrupted; the result is the same.
    #[arg(long)]
    resume: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// A run to make.
pub(crate) struct Job<'a> {
    pub(crate) data: &'a Path,
    pub(crate) out: &'a Path,
    pub(crate) config: Config,
    pub(crate) seed: u64,
    /// Go on from the state of a training under way, if there is one.
    pub(crate) resume: bool,
}

/// A run up to its model, in memory.
pub(crate) struct Finished {
    pub(crate) data: Data,
    pub(crate) config: Config,
    pub(crate) seed: u64,
    pub(crate) content: Content,
    pub(crate) model: Trained,
    /// Seconds of training and validation.
    pub(crate) train_seconds: f64,
    /// Finished stages.
    pub(crate) stages: Vec<Done>,
    folder: RunFolder,
}

/// All stages.
pub(crate) fn run(args: &RunArgs) -> Result<(), Error> {
    all_stages(args).map_err(|error| error.resumed_by(&resume_command()))
}

/// The stages up to the model.
pub(crate) fn train(args: &RunArgs) -> Result<(), Error> {
    up_to_model(args).map_err(|error| error.resumed_by(&resume_command()))
}

fn all_stages(args: &RunArgs) -> Result<(), Error> {
    let started = Instant::now();
    let job = args.make.job(args.resume)?;
    if job.config.task != Task::Retrieval {
        return pointwise::run(&job, args.json, true);
    }
    let (mut finished, _lock) = Finished::make(&job)?;
    let evaluation = finished.evaluate(&[])?;
    let summary = Summary::new(&finished, Some(&evaluation), started);
    if args.json {
        return output::json(&summary);
    }
    output::text(&format!("{}\n{}", tables(&evaluation), summary.text()))
}

fn up_to_model(args: &RunArgs) -> Result<(), Error> {
    let started = Instant::now();
    let job = args.make.job(args.resume)?;
    if job.config.task != Task::Retrieval {
        return pointwise::run(&job, args.json, false);
    }
    let (finished, _lock) = Finished::make(&job)?;
    let summary = Summary::new(&finished, None, started);
    if args.json { output::json(&summary) } else { output::text(&summary.text()) }
}

/// The command at hand with `--resume`, quoted for a shell.
fn resume_command() -> String {
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if !words.iter().any(|word| word == "--resume") {
        words.push("--resume".into());
    }
    format!("semrank {}", shell::command(words))
}

impl Finished {
    /// Makes the stages up to the model, or reads those that are unchanged.
    pub(crate) fn make(job: &Job) -> Result<(Finished, Lock), Error> {
        let data = Data::open(job.data, &job.config)?;
        data.check_size()?;
        let (tokenized, lock) = Tokenized::make(job, data)?;
        interrupt::check()?;
        let Tokenized { data, config, seed, content, mut stages, folder } = tokenized;
        let from = (&content, [stages[0].hash.as_str(), stages[1].hash.as_str()]);
        let (model, model_done) = model::run(&folder, &data, (&config, seed), from, job.resume)?;
        let train_seconds = train_seconds(&model_done);
        stages.push(model_done);
        Ok((Finished { data, config, seed, content, model, train_seconds, stages, folder }, lock))
    }

    /// Reads a finished run; its data set is looked for where it was, or at `moved_to`.
    pub(crate) fn open(run: &Path, moved_to: Option<&Path>) -> Result<Finished, Error> {
        let tokenized = Tokenized::open(run, moved_to)?;
        let Tokenized { data, config, seed, content, mut stages, folder } = tokenized;
        if config.task != Task::Retrieval {
            let (got, expected) = (config.task.name(), Task::Retrieval.name());
            return Err(Error::OtherTask { run: run.to_owned(), got, expected });
        }
        let from = [stages[0].hash.as_str(), stages[1].hash.as_str()];
        let model_done = stage::check(&folder, &model::key(&data, &config, seed, from))?;
        let shape = data.shape(content.features.dim);
        let model = load_trained(&folder.stage("model"), shape, content.tokens.as_ref())?;
        let train_seconds = train_seconds(&model_done);
        stages.push(model_done);
        Ok(Finished { data, config, seed, content, model, train_seconds, stages, folder })
    }

    /// The network with all item vectors.
    pub(crate) fn encoded(&self) -> Encoded<'_> {
        self.encoded_over(&self.data.dataset.events)
    }

    /// The same, for queries into another log of the same items.
    pub(crate) fn encoded_over<'a>(&'a self, events: &'a EventLog) -> Encoded<'a> {
        let items = self.data.dataset.catalog.len();
        Encoded::new(&self.model.network, events, items, self.item_contents())
    }

    /// The network with the vectors that it takes to score some items for each query.
    pub(crate) fn encoded_for(&self, wanted: &[(Query, Vec<ItemId>)]) -> Encoded<'_> {
        if self.model.facts.blend.new_places > 0 {
            // A place that is kept for a new item lies between two of all the others.
            return self.encoded();
        }
        let dataset = &self.data.dataset;
        let queries: Vec<Query> = wanted.iter().map(|one| one.0).collect();
        let items = wanted.iter().flat_map(|one| &one.1).copied();
        let needed = (&queries[..], items);
        let (network, all) = (&self.model.network, dataset.catalog.len());
        Encoded::some(network, &dataset.events, all, needed, self.item_contents())
    }

    fn item_contents(&self) -> &[f32] {
        TrainedContent::vectors_or(self.model.content.as_ref(), &self.content.features.values)
    }

    /// The content neighbours.
    pub(crate) fn similar(&self) -> SimilarContent {
        self.content.similar(&self.config.blend)
    }

    /// The whole scorer.
    pub(crate) fn ranker<'a>(&'a self, encoded: &'a Encoded<'a>, similar: &'a SimilarContent) -> Ranker<'a> {
        self.model.ranker(encoded, similar)
    }

    /// The last stage: test metrics and the report, with `extra` rows in the report.
    pub(crate) fn evaluate(&mut self, extra: &[page::Extra]) -> Result<Evaluation, Error> {
        let (evaluation, done) = evaluation::run(self, extra)?;
        self.stages.push(done);
        Ok(evaluation)
    }

    /// The run folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The pages of the report: file name and place.
    pub(crate) fn pages(&self) -> Vec<(&'static str, PathBuf)> {
        let dir = self.folder.stage(evaluation::STAGE);
        let tokens = self.content.tokens.is_some().then_some(evaluation::TOKENS_PAGE);
        [evaluation::PAGE].into_iter().chain(tokens).map(|page| (page, dir.join(page))).collect()
    }
}

pub(crate) use page::{Extra, kind};

fn train_seconds(model: &Done) -> f64 {
    model.timing.parts.get("train").copied().unwrap_or(0.0)
}

/// What a run did, as `--json` prints it.
#[derive(Serialize)]
struct Summary<'a> {
    run: &'a Path,
    #[serde(flatten)]
    evaluation: Option<&'a Evaluation>,
    train_seconds: f64,
    best_epoch: u64,
    epochs: u64,
    #[serde(rename = "validation_ndcg@10")]
    validation_ndcg_10: f64,
    #[serde(skip)]
    perfect: bool,
    stages: &'a [Done],
    wall_seconds: f64,
    peak_rss_mb: Option<f64>,
}

impl<'a> Summary<'a> {
    fn new(finished: &'a Finished, evaluation: Option<&'a Evaluation>, started: Instant) -> Self {
        let facts = &finished.model.facts;
        Self {
            run: finished.folder(),
            evaluation,
            train_seconds: finished.train_seconds,
            best_epoch: facts.best_epoch,
            epochs: facts.curve.last().map_or(0, |epoch| epoch.epoch),
            validation_ndcg_10: facts.validation_ndcg_10,
            perfect: facts.curve.last().is_some_and(|epoch| epoch.ndcg_10 >= 1.0),
            stages: &finished.stages,
            wall_seconds: started.elapsed().as_secs_f64(),
            peak_rss_mb: resources::peak_rss_mib(),
        }
    }

    fn text(&self) -> String {
        let kept = Kept {
            best: self.best_epoch as usize,
            done: self.epochs as usize,
            validated: true,
            perfect: self.perfect,
        };
        let mut out =
            format!("{}\ntraining took {:.1} s\n", kept.sentence("train.epochs"), self.train_seconds);
        out += &stages_text(self.stages, self.wall_seconds, self.peak_rss_mb);
        out + &ending(
            self.run,
            self.stages,
            &["evaluate {run} --json", "recommend {run} --user USER --explain"],
        )
    }
}

/// What each stage took.
fn stages_text(stages: &[Done], wall_seconds: f64, peak_rss_mb: Option<f64>) -> String {
    let mut out = String::new();
    for stage in stages {
        let skipped = if stage.skipped { " (unchanged, skipped)" } else { "" };
        out += &format!("  {:<10} {:>6.1} s{skipped}\n", stage.stage, stage.seconds);
    }
    let memory = peak_rss_mb.map_or(String::new(), |mib| format!(", at most {mib:.0} MiB of memory"));
    out + &format!("  {:<10} {wall_seconds:>6.1} s{memory}\n", "all")
}

/// Where the run and its page are, and commands to go on with.
fn ending(run: &Path, stages: &[Done], next: &[&str]) -> String {
    let mut out = format!("run:    {}\n", run.display());
    if stages.iter().any(|stage| stage.stage == evaluation::STAGE) {
        let page = run.join(evaluation::STAGE).join(evaluation::PAGE);
        out += &format!("report: {}\n", page.display());
    }
    let commands =
        next.iter().map(|command| format!("semrank {}", command.replace("{run}", &shell::quote(run))));
    out + &format!("next:   {}\n", commands.collect::<Vec<_>>().join("\n        "))
}
