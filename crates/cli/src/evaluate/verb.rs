//! The verb `evaluate`.

use super::{probability_table, tables};
use crate::error::Error;
use crate::output;
use crate::progress::Console;
use crate::run::OpenArgs;
use clap::{Args, ValueEnum};
use semrank_data::Part as ExamplePart;
use semrank_measure::ranking::Protocol;
use semrank_pipeline::{
    Part, Run,
    config::Task,
    next_item::{self, Evaluation},
    response::{Inputs, find},
    write_lists, write_rows,
};
use semrank_response::Position;
use serde::Serialize;
use std::path::PathBuf;

/// `semrank evaluate`.
#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// Which cases.
    #[arg(long, value_enum, default_value = "test")]
    split: PartArg,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Write the model's best 50 items of every case: `user<TAB>item item …`; of a ranking task its rows:
    /// `user<TAB>item<TAB>label<TAB>score`. A .csv or .parquet file has a row for each item, with its rank.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Leave items of the history out of the predictions.
    #[arg(long, requires = "predictions")]
    filtered: bool,
    /// Of a run with `task=ctr` or `task=oc`: the probabilities to measure [default: the run's task].
    #[arg(long, value_enum)]
    task: Option<TaskArg>,
    /// Whether a row's slot counts: as it was logged, or its mean effect, as at serving.
    #[arg(long, value_enum, default_value = "logged")]
    position: PositionArg,
    #[command(flatten)]
    from: OpenArgs,
}

/// `--split`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PartArg {
    /// Used once, to report.
    Test,
    /// Used to choose the epoch and the blend: its figures flatter the model.
    Validation,
}

/// `--task`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TaskArg {
    /// Clicks.
    Ctr,
    /// Conversions.
    Oc,
}

/// `--position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PositionArg {
    Logged,
    Neutral,
}

/// An evaluation as `--json` prints it: with the times that no artefact holds.
#[derive(Serialize)]
struct Timed<'a> {
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    train_seconds: f64,
}

/// Evaluates what the arguments say.
pub(crate) fn evaluate(args: &EvaluateArgs, console: &Console) -> Result<(), Error> {
    let run = args.from.open()?;
    if args.task.is_some() || run.task() != Task::NextItem {
        return probabilities(args, run);
    }
    let (view, context) = (run.model()?, console.context());
    let part = match args.split {
        PartArg::Test => Part::Test,
        PartArg::Validation => Part::Validation,
    };
    let servable = view.servable();
    if let Some(path) = &args.predictions {
        let protocol = if args.filtered { Protocol::Filtered } else { Protocol::Strict };
        write_lists((view, &servable), part, protocol, path)?;
    }
    let evaluation = next_item::evaluate(view, &servable, part, &context)?;
    if args.json {
        return output::json(&Timed { evaluation: &evaluation, train_seconds: run.train_seconds() });
    }
    output::text(&tables(&evaluation))
}

/// Of a run whose model gives probabilities.
fn probabilities(args: &EvaluateArgs, mut run: Run) -> Result<(), Error> {
    let inputs = Inputs::new(&mut run)?;
    let own = inputs.config().task;
    let task = match args.task {
        Some(TaskArg::Ctr) => Task::Ctr,
        Some(TaskArg::Oc) => Task::Oc,
        None => own,
    };
    if task == Task::Oc && own != Task::Oc {
        let (run, got, expected) = (args.from.run.clone(), Task::Ctr.name(), Task::Oc.name());
        return Err(semrank_pipeline::Error::OtherTask { run, got, expected }.into());
    }
    let mut model = inputs.model()?;
    let part = match args.split {
        PartArg::Test => ExamplePart::Test,
        PartArg::Validation => ExamplePart::Valid,
    };
    let position = match args.position {
        PositionArg::Logged => Position::Logged,
        PositionArg::Neutral => Position::Neutral,
    };
    let mut found = find(&inputs, &mut model, (part, task), position)?;
    found.take_baselines(&inputs)?;
    if let Some(path) = &args.predictions {
        write_rows(&inputs, &found.scores.all, path)?;
    }
    let evaluation = &found.evaluation;
    if args.json { output::json(evaluation) } else { output::text(&probability_table(evaluation)) }
}
