//! `semrank evaluate`: a run in, its metrics beside those of the baselines out, strict and filtered, by segment.
//!
//! ```text
//! semrank evaluate beauty-run                                 tables
//! semrank evaluate beauty-run --json                          one JSON object
//! semrank evaluate beauty-run --predictions top.tsv --filtered
//! ```
//!
//! | file | does |
//! |---|---|
//! | `compare` | [`Evaluation`]: the model and every baseline, ranked on the same cases |
//! | `table` | an evaluation for people |

mod compare;
mod table;

pub(crate) use compare::{Evaluation, compare};
pub(crate) use table::{policy, tables};

use crate::config::Task;
use crate::error::Error;
use crate::output;
use crate::run::{Data, Finished, OpenArgs, PointwiseArgs, evaluate_pointwise};
use clap::{Args, ValueEnum};
use semrank_data::{Case, ColumnType, Split, TableFile, Value};
use semrank_model::evaluate::{EvaluateError, Protocol, RankOptions, Ranked, rank, write_predictions};
use semrank_store::write_atomically;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Items in a line of a predictions file.
const PREDICTED: usize = 50;
/// Columns of a predictions file that is a table.
const COLUMNS: [(&str, ColumnType); 3] =
    [("user", ColumnType::Text), ("item", ColumnType::Text), ("rank", ColumnType::Integer)];
/// Cases whose lists are in memory at a time: 26 MB.
const LISTED: usize = 1 << 16;

/// `semrank evaluate`.
#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// Which cases.
    #[arg(long, value_enum, default_value = "test")]
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
    #[command(flatten)]
    pointwise: PointwiseArgs,
    #[command(flatten)]
    from: OpenArgs,
}

/// Which held-out cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Used once, to report.
    Test,
    /// Used to choose the epoch and the blend: its figures flatter the model.
    Validation,
}

impl Part {
    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::Test => "test",
            Part::Validation => "validation",
        }
    }

    /// Its cases.
    pub(crate) fn cases(self, data: &Data) -> &[Case] {
        self.of(&data.split)
    }

    /// Its cases in a split.
    pub(crate) fn of(self, split: &Split) -> &[Case] {
        match self {
            Part::Test => &split.test,
            Part::Validation => &split.validation,
        }
    }
}

/// An evaluation as `--json` prints it: with the times that no artefact holds.
#[derive(Serialize)]
struct Timed<'a> {
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    train_seconds: f64,
}

/// Evaluates what the arguments say.
pub(crate) fn evaluate(args: &EvaluateArgs) -> Result<(), Error> {
    if args.pointwise.task.is_some() || args.from.task()? != Task::Retrieval {
        let (test, predictions) = (args.split == Part::Test, args.predictions.as_ref());
        return evaluate_pointwise(&args.from, &args.pointwise, test, args.json, predictions);
    }
    let run = args.from.finished()?;
    if let Some(path) = &args.predictions {
        let protocol = if args.filtered { Protocol::Filtered } else { Protocol::Strict };
        write_lists(&run, args.split, protocol, path)?;
    }
    let evaluation = compare(&run.data, &run.config, &run.model, &run.content, args.split)?;
    if args.json {
        return output::json(&Timed { evaluation: &evaluation, train_seconds: run.train_seconds });
    }
    output::text(&tables(&evaluation))
}

fn write_lists(run: &Finished, part: Part, protocol: Protocol, path: &Path) -> Result<(), Error> {
    let (dataset, cases) = (&run.data.dataset, part.cases(&run.data));
    let encoded = run.encoded();
    let similar = run.similar();
    let ranker = run.ranker(&encoded, &similar);
    let options = RankOptions { list: PREDICTED };
    let mut refused = None;
    let ranked = |cases: &[Case]| {
        let ranking = rank(&ranker, &dataset.events, dataset.catalog.len(), cases, options)?;
        Ok::<_, EvaluateError>(ranking.of(protocol).clone())
    };
    let mut or_refused = |error: EvaluateError| match error {
        EvaluateError::Write(error) => error,
        other => std::io::Error::other(refused.insert(other).to_string()),
    };
    let written = if TableFile::holds_any_id(path) {
        let table = TableFile { path, columns: &COLUMNS, header: true };
        table.write(|push| {
            cases.chunks(LISTED).try_for_each(|cases| {
                let ranked = ranked(cases).map_err(&mut or_refused)?;
                push_lists(run, cases, &ranked, push)
            })
        })
    } else {
        write_atomically(path, |out| {
            let mut lists = |cases: &[Case]| {
                write_predictions(out, cases, &ranked(cases)?, &dataset.users, &dataset.catalog.ids)
            };
            cases.chunks(LISTED).try_for_each(|cases| lists(cases).map_err(&mut or_refused))
        })
    };
    match refused {
        Some(error) => Err(error.into()),
        None => Ok(written?),
    }
}

/// A row for each item of each case.
fn push_lists(
    run: &Finished,
    cases: &[Case],
    ranked: &Ranked,
    push: &mut dyn FnMut(&[Value<'_>]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let dataset = &run.data.dataset;
    for (at, case) in cases.iter().enumerate() {
        let user = Value::Text(dataset.users.name(case.user.0));
        for (rank, &item) in (1..).zip(ranked.list(at)) {
            push(&[user, Value::Text(dataset.catalog.name(item)), Value::Integer(rank)])?;
        }
    }
    Ok(())
}
