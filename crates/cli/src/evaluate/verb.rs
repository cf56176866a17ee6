//! The verb `evaluate`.

use super::{funnel_table, probability_table, tables};
use crate::error::Error;
use crate::output;
use crate::progress::Console;
use crate::report::render_sources;
use crate::run::{OpenArgs, SOURCES_PAGE, write_page};
use clap::Args;
use semrank_console::options::{Named, named};
use semrank_data::Part as ExamplePart;
use semrank_measure::ranking::Protocol;
use semrank_pipeline::{
    Context, Part, Run,
    config::Task,
    next_item::{self, Evaluation},
    response::{Inputs, find},
    retrieval::measure,
    write_lists, write_rows,
};
use semrank_response::Position;
use serde::Serialize;
use std::path::PathBuf;

/// `semrank evaluate`.
#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// Which cases.
    #[arg(long, value_parser = named(PARTS), default_value = "test")]
    split: Part,
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
    #[arg(long, value_parser = named(TASKS))]
    task: Option<Task>,
    /// Measure the sources of candidates, the funnel, and the ranker over its candidates.
    #[arg(long, conflicts_with_all = ["predictions", "task"])]
    funnel: bool,
    /// Which effect a row's slot has.
    #[arg(long, value_parser = named(POSITIONS), default_value = "logged")]
    position: Position,
    #[command(flatten)]
    from: OpenArgs,
}

/// Values of `--split`.
const PARTS: &[Named<Part>] = &[
    ("test", Part::Test, "Used once, to report"),
    ("validation", Part::Validation, "Used to choose the epoch and the blend: its metrics are optimistic"),
];

/// Values of `--task`.
const TASKS: &[Named<Task>] = &[("ctr", Task::Ctr, "Clicks"), ("oc", Task::Oc, "Conversions")];

/// Values of `--position`.
const POSITIONS: &[Named<Position>] = &[
    ("logged", Position::Logged, "The slot's effect counts, as it was logged"),
    ("neutral", Position::Neutral, "The mean effect of all slots, as at serving"),
];

/// An evaluation as `--json` prints it: with the times that no artefact holds.
#[derive(Serialize)]
struct Timed<'a> {
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    train_seconds: f64,
}

/// Runs the verb.
pub(crate) fn evaluate(args: &EvaluateArgs, console: &Console) -> Result<(), Error> {
    let run = args.from.open()?;
    if !args.funnel && (args.task.is_some() || run.task() != Task::NextItem) {
        return probabilities(args, run);
    }
    let (view, context) = (run.model()?, console.context());
    if args.funnel {
        return funnel(args, &run, &context);
    }
    let part = args.split;
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

/// Sources of candidates, and the ranker over them.
fn funnel(args: &EvaluateArgs, run: &Run, context: &Context) -> Result<(), Error> {
    let retrieval = run.retrieval()?;
    let quotas = run.quotas(&retrieval)?;
    let found = measure((&retrieval, &quotas), run.data()?, (args.split, usize::MAX), context)?;
    let page = run.path().join(SOURCES_PAGE);
    let split = if args.split == Part::Test { "test" } else { "validation" };
    write_page(&page, &render_sources(&run.data()?.dataset.meta.name, split, &found))?;
    if args.json {
        return output::json(&found);
    }
    output::text(&format!("{}page: {}\n", funnel_table(&found), page.display()))
}

/// Of a run whose model gives probabilities.
fn probabilities(args: &EvaluateArgs, mut run: Run) -> Result<(), Error> {
    let inputs = Inputs::new(&mut run)?;
    let own = inputs.config().task;
    let task = args.task.unwrap_or(own);
    if task == Task::Oc && own != Task::Oc {
        let (run, got, expected) = (args.from.run.clone(), Task::Ctr.name(), Task::Oc.name());
        return Err(semrank_pipeline::Error::OtherTask { run, got, expected }.into());
    }
    let mut model = inputs.model()?;
    let part = match args.split {
        Part::Test => ExamplePart::Test,
        Part::Validation => ExamplePart::Valid,
    };
    let mut found = find(&inputs, &mut model, (part, task), args.position)?;
    found.take_baselines(&inputs)?;
    if let Some(path) = &args.predictions {
        write_rows(&inputs, &found.scores.all, path)?;
    }
    let evaluation = &found.evaluation;
    if args.json { output::json(evaluation) } else { output::text(&probability_table(evaluation)) }
}
