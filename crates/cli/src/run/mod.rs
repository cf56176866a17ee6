//! `semrank run` and `semrank train`: a data set in, a run folder out, stage by stage.
//!
//! ```text
//! semrank run --data beauty --out beauty-run --set train.epochs=12 --seed 2
//! semrank train --data beauty --out beauty-run --resume           features and model only
//! ```
//!
//! | file | does |
//! |---|---|
//! | `folder` | the run folder and `run.json` |
//! | `stage` | skip or make a stage; manifests and their checks |
//! | `data` | the data set, its split and counts |
//! | `features`, `model`, `evaluation` | one stage each |
//! | `page` | the content of `report.html` |

mod data;
mod evaluation;
mod features;
mod folder;
mod model;
mod page;
mod stage;

pub(crate) use data::Data;
pub(crate) use folder::{read_json, write_json};
pub(crate) use stage::Done;

use crate::config::{Config, ConfigArgs};
use crate::error::Error;
use crate::evaluate::{Evaluation, tables};
use crate::{interrupt, output, resources};
use clap::Args;
use folder::{DatasetRef, FORMAT, RunFile, RunFolder};
use semrank_embed::ItemFeatures;
use semrank_model::artefact::{Trained, load_features, load_trained};
use semrank_model::{Encoded, Ranker};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// `semrank run` and `semrank train`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Data set folder.
    #[arg(long, value_name = "DATASET")]
    data: PathBuf,
    /// Run folder to make, or to bring up to date.
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    #[command(flatten)]
    settings: ConfigArgs,
    /// Seed of every random choice.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
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
    pub(crate) features: ItemFeatures,
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
    let (mut finished, _lock) = Finished::make(&args.job()?)?;
    let evaluation = finished.evaluate(&[])?;
    let summary = Summary::new(&finished, Some(&evaluation), started);
    if args.json {
        return output::json(&summary);
    }
    output::text(&format!("{}\n{}", tables(&evaluation), summary.text()))
}

fn up_to_model(args: &RunArgs) -> Result<(), Error> {
    let started = Instant::now();
    let (finished, _lock) = Finished::make(&args.job()?)?;
    let summary = Summary::new(&finished, None, started);
    if args.json { output::json(&summary) } else { output::text(&summary.text()) }
}

impl RunArgs {
    fn job(&self) -> Result<Job<'_>, Error> {
        let config = Config::load(&self.settings)?;
        Ok(Job { data: &self.data, out: &self.out, config, seed: self.seed, resume: self.resume })
    }
}

/// The command at hand with `--resume`, quoted for a shell.
fn resume_command() -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    let mut words: Vec<String> = std::env::args()
        .skip(1)
        .map(|word| if !word.is_empty() && word.chars().all(plain) { word } else { format!("'{word}'") })
        .collect();
    if !words.iter().any(|word| word == "--resume") {
        words.push("--resume".into());
    }
    format!("semrank {}", words.join(" "))
}

impl Finished {
    /// Makes the stages up to the model, or reads those that are unchanged.
    pub(crate) fn make(job: &Job) -> Result<(Finished, folder::Lock), Error> {
        let data = Data::open(job.data, &job.config)?;
        data.check_size()?;
        let (folder, lock) = RunFolder::create(job.out)?;
        folder.write(&run_file(job, &data))?;
        let (features, features_done) = features::run(&folder, &data, &job.config, job.seed)?;
        interrupt::check()?;
        let from = (&features, features_done.hash.as_str());
        let (model, model_done) = model::run(&folder, &data, (&job.config, job.seed), from, job.resume)?;
        let finished = Finished {
            train_seconds: train_seconds(&model_done),
            stages: vec![features_done, model_done],
            config: job.config.clone(),
            seed: job.seed,
            data,
            features,
            model,
            folder,
        };
        Ok((finished, lock))
    }

    /// Reads a finished run; its data set is looked for where it was, or at `moved_to`.
    pub(crate) fn open(run: &Path, moved_to: Option<&Path>) -> Result<Finished, Error> {
        let (folder, file) = RunFolder::open(run)?;
        let data = Data::open(moved_to.unwrap_or(&file.dataset.path), &file.config)?;
        if data.hash != file.dataset.hash {
            return Err(Error::Mismatch {
                path: data.path,
                what: format!("data set `{}`", data.dataset.meta.name),
                got: data.hash,
                expected: file.dataset.hash,
                help: "it has changed since the run, or is another one: repeat `semrank run`, or name the right one with --data",
            });
        }
        let (config, seed) = (file.config, file.seed);
        let features_done = stage::check(&folder, &features::key(&data, &config, seed))?;
        let model_done = stage::check(&folder, &model::key(&data, &config, seed, &features_done.hash))?;
        let features = load_features(&folder.stage("features"), data.dataset.catalog.len())?;
        let model = load_trained(&folder.stage("model"), data.shape(features.dim))?;
        let train_seconds = train_seconds(&model_done);
        let stages = vec![features_done, model_done];
        Ok(Finished { data, config, seed, features, model, train_seconds, stages, folder })
    }

    /// The network with all item vectors.
    pub(crate) fn encoded(&self) -> Encoded<'_> {
        let dataset = &self.data.dataset;
        Encoded::new(&self.model.network, &dataset.events, dataset.catalog.len(), &self.features.values)
    }

    /// The whole scorer.
    pub(crate) fn ranker<'a>(&'a self, encoded: &'a Encoded<'a>) -> Ranker<'a> {
        let Trained { item_item, prior, facts, .. } = &self.model;
        Ranker { encoded, item_item, prior, blend: facts.blend }
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

    /// The report's place.
    pub(crate) fn report(&self) -> PathBuf {
        self.folder.stage(evaluation::STAGE).join(evaluation::PAGE)
    }
}

pub(crate) use page::{Extra, kind};

fn run_file(job: &Job, data: &Data) -> RunFile {
    let dataset =
        DatasetRef { name: data.dataset.meta.name.clone(), path: data.path.clone(), hash: data.hash.clone() };
    let semrank = env!("CARGO_PKG_VERSION").to_owned();
    RunFile { format: FORMAT, semrank, dataset, seed: job.seed, config: job.config.clone() }
}

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
    epochs: usize,
    #[serde(rename = "validation_ndcg@10")]
    validation_ndcg_10: f64,
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
            epochs: facts.curve.len(),
            validation_ndcg_10: facts.validation_ndcg_10,
            stages: &finished.stages,
            wall_seconds: started.elapsed().as_secs_f64(),
            peak_rss_mb: resources::peak_rss_mib(),
        }
    }

    fn text(&self) -> String {
        let mut out = format!(
            "epoch {} of {} was kept; training took {:.1} s\n",
            self.best_epoch, self.epochs, self.train_seconds
        );
        for stage in self.stages {
            let skipped = if stage.skipped { " (unchanged, skipped)" } else { "" };
            out += &format!("  {:<10} {:>6.1} s{skipped}\n", stage.stage, stage.seconds);
        }
        out += &format!("  {:<10} {:>6.1} s", "all", self.wall_seconds);
        if let Some(mib) = self.peak_rss_mb {
            out += &format!(", at most {mib:.0} MiB of memory");
        }
        out + &format!("\nrun: {}\n", self.run.display())
    }
}
