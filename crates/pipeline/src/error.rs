//! Errors of a run, its data set or its settings, with advice.

use crate::config::{ALL_SETTINGS, ConfigError};
use semrank_core::counted;
use std::path::{Path, PathBuf};

/// Errors of a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages beside them say what the fields are")]
pub enum Error {
    /// A data set.
    #[error(transparent)]
    Data(semrank_data::Error),
    /// A value that a column of items cannot hold.
    #[error("item `{item}`: `{column}` must be {expected}")]
    Field {
        /// The item.
        item: String,
        /// The column.
        column: String,
        /// What it holds.
        expected: &'static str,
    },
    /// An item that is to be changed or deleted and is not there.
    #[error("there is no item `{item}`: put it in first")]
    NoItem {
        /// The item.
        item: String,
    },
    /// A record of a journal of items that cannot be read or written.
    #[error("record {sequence} of the journal of items: {reason}")]
    Change {
        /// Its number.
        sequence: u64,
        /// What is wrong.
        reason: String,
    },
    /// A file or folder.
    #[error(transparent)]
    Store(#[from] semrank_store::Error),
    /// Settings that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A setting outside its range.
    #[error(transparent)]
    Setting(#[from] semrank_tower::SettingError),
    /// Settings of hashed features.
    #[error(transparent)]
    Features(#[from] semrank_embed::hash::FeatureError),
    /// An encoder.
    #[error(transparent)]
    Embed(#[from] semrank_embed::Error),
    /// Semantic ids.
    #[error(transparent)]
    Tokens(#[from] semrank_tokens::Error),
    /// An evaluation.
    #[error(transparent)]
    Evaluate(#[from] semrank_measure::ranking::EvaluateError),
    /// A training of a next-item model.
    #[error(transparent)]
    Fit(#[from] semrank_sequence::FitError),
    /// A training of a ranking task.
    #[error(transparent)]
    Diverged(#[from] semrank_response::Diverged),
    /// A file of a model or of features.
    #[error(transparent)]
    Artefact(#[from] semrank_tower::artefact::Error),
    /// A market that cannot be simulated.
    #[error(transparent)]
    Simulate(#[from] semrank_sim::Error),
    /// A search, a filter or a source of candidates.
    #[error(transparent)]
    Retrieve(#[from] semrank_retrieve::Error),
    /// An item column that a filter could not read.
    #[error(transparent)]
    Filter(#[from] semrank_retrieve::FilterError),
    /// A catalogue of which every item is held back.
    #[error("none of the {items} items may be shown: each is paused, deleted or without budget")]
    NothingToShow { items: usize },
    /// A folder that is not a run.
    #[error("{} is not a run folder: it has no {missing}", path.display())]
    NotARun { path: PathBuf, missing: &'static str },
    /// An output folder that holds something else.
    #[error("{} exists and is not a {expected}", path.display())]
    Occupied { path: PathBuf, expected: &'static str },
    /// Another process works on the run.
    #[error("another semrank is working on {}", path.display())]
    Locked { path: PathBuf },
    /// A stage that was never finished.
    #[error("run {} has no finished {stage} stage", run.display())]
    MissingStage { run: PathBuf, stage: &'static str },
    /// Artefacts that do not belong together.
    #[error("{}: {what} has the hash {got}, expected {expected}", path.display())]
    Mismatch { path: PathBuf, what: String, got: String, expected: String, help: &'static str },
    /// A run of another version of the format.
    #[error("{}: format version {got}, this semrank reads {expected}", path.display())]
    Version { path: PathBuf, got: u32, expected: u32 },
    /// A user that the data set does not have.
    #[error("the data set has no user `{user}`")]
    UnknownUser { user: String, nearest: Option<String> },
    /// An item that is not in the catalogue.
    #[error("the data set has no item `{item}`")]
    UnknownItem { item: String, nearest: Option<String> },
    /// A line that is not a pair of a known user and a known item.
    #[error("{}: line {line} {what}", path.display())]
    BadPair { path: PathBuf, line: u64, what: String },
    /// No user has a target after a cut and a history before it.
    #[error(
        "divided by time, data set `{dataset}` has no validation or no test case: no user has events before and after the cut"
    )]
    NoCasesInTime { dataset: String, others: usize },
    /// Nothing to train from, or nothing to test on.
    #[error("data set `{dataset}` has {what}")]
    TooSmall { dataset: String, what: &'static str },
    /// Nothing to fine-tune an encoder on.
    #[error("data set `{dataset}` has {what}")]
    NothingToLearn { dataset: String, what: &'static str },
    /// A run whose items have no semantic ids.
    #[error("run {} has no semantic ids", run.display())]
    NoTokens { run: PathBuf },
    /// A folder that should hold ids.
    #[error("{} holds no published ids: it is neither a run nor a generation", path.display())]
    NoIds { path: PathBuf },
    /// Generations without common items.
    #[error("no item of run {} has an id in {}", run.display(), last.display())]
    NothingCommon { run: PathBuf, last: PathBuf },
    /// A run that did not train its encoder.
    #[error("run {} trained no layers of its encoder", run.display())]
    NothingTrained { run: PathBuf },
    /// Ids from other programs that cannot be read.
    #[error("{}: {what} is {got}, expected {expected}", path.display())]
    ForeignIds { path: PathBuf, what: String, got: String, expected: String },
    /// Events that cannot be divided by time.
    #[error("data set `{dataset}` cannot be divided by time: all events have the same time")]
    OneMoment { dataset: String },
    /// Runs with metrics of different cases.
    #[error("runs {first} and {other} cannot be compared: {first} {first_is}, {other} {other_is}")]
    NotComparable { first: String, first_is: String, other: String, other_is: String },
    /// A data set without labelled rows.
    #[error("data set `{dataset}` has no examples.parquet, which task=ctr and task=oc learn from")]
    NoExamples { dataset: String },
    /// A part of the examples that is missing.
    #[error("the examples of data set `{dataset}` have no {part} row")]
    NoRows { dataset: String, part: &'static str },
    /// Clicks whose conversions are not known.
    #[error(
        "no clicked training row of data set `{dataset}` has a conversion label, which task=oc learns from"
    )]
    NoConversions { dataset: String },
    /// Labels that become known too late for training.
    #[error(
        "no label of a training row of data set `{dataset}` is known before the first row that is not for training"
    )]
    NoKnownLabels { dataset: String },
    /// A setting of a backtest that has other test cases than the first.
    #[error(
        "`{name}` divides the events in another way than the first settings: its cases cannot be compared with theirs"
    )]
    OtherCases { name: String },
    /// A backtest of another task.
    #[error("a backtest compares next-item models, and the settings have task={task}")]
    NoBacktest { task: &'static str },
    /// A run of another task.
    #[error("run {} has the task {got}, this needs {expected}", run.display())]
    OtherTask { run: PathBuf, got: &'static str, expected: &'static str },
    /// A click run of other items or actions than the next-item run that it is to rank for.
    #[error("run {} has another {what} in row {row} than the next-item run: {got}, expected {expected}", run.display())]
    OtherCatalogue { run: PathBuf, what: &'static str, row: usize, got: String, expected: String },
    /// The caller cancelled.
    #[error("interrupted")]
    Interrupted,
}

impl From<semrank_data::Error> for Error {
    fn from(error: semrank_data::Error) -> Error {
        match error {
            semrank_data::Error::Stopped => Error::Interrupted,
            other => Error::Data(other),
        }
    }
}

impl Error {
    /// For `map_err`: a system error about a path.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
        let error = semrank_store::Error::io(action, path);
        move |source| error(source).into()
    }

    /// The same, where a stage is of something else or of another version, with other advice.
    pub(crate) fn with_help(self, help: &'static str) -> Error {
        match self {
            Error::Mismatch { path, what, got, expected, .. } => {
                Error::Mismatch { path, what, got, expected, help }
            }
            Error::Version { path, got, expected } => {
                let (what, [got, expected]) =
                    ("the stage's version".to_owned(), [got, expected].map(|v| v.to_string()));
                Error::Mismatch { path, what, got, expected, help }
            }
            other => other,
        }
    }

    /// Advice.
    pub fn help(&self) -> Option<String> {
        match self {
            Error::Data(error) => error.help(),
            Error::Config(error) => error.help(),
            Error::Setting(error) if error.key.starts_with("finetune.") => {
                Some("`semrank finetune --help` lists the options with their defaults".into())
            }
            Error::Setting(_) | Error::Features(_) => Some(ALL_SETTINGS.into()),
            Error::Evaluate(semrank_measure::ranking::EvaluateError::NotANumber { .. })
            | Error::Fit(semrank_sequence::FitError::Diverged { .. }) => {
                Some("try a lower train.rate (or content.rate, where content is trained), or train.clip=1".into())
            }
            Error::Diverged(_) => {
                Some("try a lower pointwise.rate and pointwise.table_rate, 1e-3 by default, or pointwise.clip=5".into())
            }
            Error::Retrieve(_) | Error::Filter(_) | Error::Field { .. } | Error::NoItem { .. } | Error::Change { .. } => {
                None
            }
            Error::NothingToShow { .. } => Some(
                "an item is shown where its `status` is empty, `active` or `enabled` and its `budget_left` empty or above 0; a column that \
                 says something else needs another name: `semrank import --item-column shelf=status`"
                    .into(),
            ),
            Error::Artefact(_) => Some("repeat `semrank run`: it makes damaged stages again".into()),
            Error::Store(semrank_store::Error::Json { .. }) | Error::Version { .. } | Error::MissingStage { .. } => {
                Some("`semrank run --data DATASET --out RUN` finishes or repeats the run".into())
            }
            Error::NotARun { .. } => Some("`semrank run --data DATASET --out RUN` makes one".into()),
            Error::Occupied { .. } => {
                Some("it will not be touched: choose another --out, or remove it yourself".into())
            }
            Error::Locked { .. } => Some("wait until it has ended, or choose another --out".into()),
            Error::Mismatch { help, .. } => Some((*help).to_owned()),
            Error::UnknownUser { nearest, .. } => {
                let meant = nearest.as_ref().map(|nearest| format!("did you mean `{nearest}`? "));
                Some(meant.unwrap_or_default() + "for an unknown user: --new-user, or --history with their items")
            }
            Error::UnknownItem { nearest, .. } => {
                nearest.as_ref().map(|nearest| format!("did you mean `{nearest}`?"))
            }
            Error::BadPair { .. } => Some(
                "a pair is a user and an item by the ids of the data set; --skip-unknown leaves out unknown pairs".into(),
            ),
            Error::NoCasesInTime { others, .. } => {
                Some(format!("--set data.split=leave-one-out has {}", counted(*others, "test case", "test cases")))
            }
            Error::TooSmall { .. } => {
                Some("a user needs at least three events for leave-one-out: history, validation, test".into())
            }
            Error::OneMoment { .. } => {
                Some("all events have the same time: --set data.split=leave-one-out".into())
            }
            Error::NothingToLearn { .. } => {
                Some("an encoder learns from texts and training histories: `semrank import --text COLUMNS` keeps \
                      texts, and a user needs four events for two to be left for training".into())
            }
            Error::NoExamples { .. } => Some(
                "`semrank import --format pointwise` makes them of labelled rows, `semrank prep` of an impression log".into(),
            ),
            Error::NoRows { part, .. } => {
                Some(format!("at least one row of examples.parquet must have the split `{part}`"))
            }
            Error::NoConversions { .. } => Some(
                "give the rows a column `label_conversion` (1 or 0 of a click, empty of other rows) before `semrank import \
                 --format pointwise`, or conversions to `semrank prep`; task=ctr needs clicks only"
                    .into(),
            ),
            Error::NoKnownLabels { .. } => Some(
                "a label is known when the log has it, a missing click when [windows] of dataset.toml is over: training rows must \
                 be older than that when validation begins"
                    .into(),
            ),
            Error::NoBacktest { .. } => {
                Some("`semrank compare` puts runs of task=ctr and task=oc beside each other, on their validation and test rows".into())
            }
            Error::OtherCases { .. } => Some("give all of them the same data.split".into()),
            Error::OtherTask { expected, .. } => Some(format!("`semrank run --set task={expected}` makes such a run")),
            Error::OtherCatalogue { .. } => {
                Some("make both runs of one data set: `semrank run --data DATASET`".into())
            }
            Error::NoTokens { .. } => {
                Some("ids come from texts: the data set needs text columns, the settings model.content or \
                      model.prefixes to be true, and the catalogue at least 8 items".into())
            }
            Error::NoIds { .. } => {
                Some("give a run folder, RUN/ids, or a folder that `semrank tokens align` made".into())
            }
            Error::NothingCommon { .. } => {
                Some("generations are aligned by the items of both: give one of the same catalogue".into())
            }
            Error::NothingTrained { .. } => Some(
                "make it with content.train=top:N, lora:R or full; otherwise its encoder is the one it was given".into(),
            ),
            Error::ForeignIds { .. } => {
                Some("--column names the column with the codes of an item, --item-id that of its id in the catalogue".into())
            }
            Error::NotComparable { .. } => {
                Some("compare runs of one data set with one task and one way of splitting it: `semrank run --data DATASET` makes them".into())
            }
            Error::Evaluate(semrank_measure::ranking::EvaluateError::UnwritableId { .. }) => {
                Some("write the predictions to a .csv or a .parquet file, which hold every id".into())
            }
            Error::Embed(error) => error.help(),
            Error::Tokens(semrank_tokens::Error::Setting(_)) => Some(ALL_SETTINGS.into()),
            Error::Tokens(error) => error.help(),
            Error::Store(error) => error.help(),
            Error::Fit(_) | Error::Evaluate(_) | Error::Simulate(_) | Error::Interrupted => None,
        }
    }
}
