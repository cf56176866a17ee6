//! A definition and the rows of its log: of a server's state, or of files with a JSON object in each line.

use crate::error::Error;
use crate::log_url::log_url;
use clap::Args;
use semrank_core::UserId;
use semrank_data::Dataset;
use semrank_experiment::analysis::Collector;
use semrank_experiment::definition::Definition;
use semrank_experiment::log::{LoggedEvent, LoggedExposure};
use semrank_serve::{Log, ServiceSettings, TrialRow, trial_rows, used_definitions};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Where the rows are.
#[derive(Debug, Clone, Args)]
#[group(id = "rows", required = true, multiple = true)]
pub(super) struct RowsArgs {
    /// The state of a server that has stopped: `semrank serve --state`.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["exposures", "events"])]
    pub(super) state: Option<PathBuf>,
    /// The log of that server, where it is not in its state.
    #[arg(long, value_name = "URL", requires = "state")]
    log: Option<String>,
    /// Exposures, a JSON object in each line: event_id, experiment, phase, unit, arm, time, would_differ, ….
    #[arg(long, value_name = "FILE")]
    exposures: Option<PathBuf>,
    /// Events, a JSON object in each line: event_id, user_id, action, timestamp, received_at, ….
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Events of a data set, by user; they have no values.
    #[arg(long, value_name = "DATASET", conflicts_with = "state")]
    data: Option<PathBuf>,
}

/// Reads a definition.
pub(crate) fn definition(file: &Path) -> Result<Definition, Error> {
    let wrong = |why: String| Error::Definition { file: file.to_owned(), why };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    Definition::from_toml(&text).map_err(|error| wrong(error.to_string()))
}

impl RowsArgs {
    /// Gives every row.
    pub(super) fn each(&self, mut visit: impl FnMut(TrialRow) -> Result<(), Error>) -> Result<(), Error> {
        if let Some(state) = &self.state {
            let settings = ServiceSettings::new(state).with_log(log_url(self.log.as_ref())?);
            let log = Log::existing(&settings.log, settings.journal).map_err(of_log)?;
            return trial_rows(&log, |row| visit(row).map_err(Ended::Visit)).map_err(Ended::error);
        }
        if let Some(file) = &self.exposures {
            each_line(file, |row: LoggedExposure| visit(TrialRow::Exposure(Box::new(row))))?;
        }
        if let Some(data) = &self.data {
            let Dataset { users, actions, catalog, events, .. } = Dataset::open(data)?;
            for (user, at) in (0..)
                .map(UserId)
                .take(users.len())
                .flat_map(|user| events.range(user).map(move |at| (user, at)))
            {
                let event = events.event(at);
                let columns =
                    json!({ "user_id": users.name(user.0), "item_id": catalog.ids.name(event.item.0) });
                visit(TrialRow::Event(Box::new(LoggedEvent {
                    event_id: at.to_string(),
                    action: actions.name(event.action.0.into()).to_owned(),
                    timestamp: event.time,
                    received_at: None,
                    columns: columns.as_object().cloned().unwrap_or_default(),
                })))?;
            }
        }
        if let Some(file) = &self.events {
            each_line(file, |row: LoggedEvent| visit(TrialRow::Event(Box::new(row))))?;
        }
        Ok(())
    }

    /// The newest receipt of any row (ms UTC); none without rows.
    pub(super) fn newest(&self) -> Result<Option<i64>, Error> {
        let mut newest = None;
        self.each(|row| {
            let received = match row {
                TrialRow::Exposure(row) => row.received_ms(),
                TrialRow::Event(row) => row.received_ms(),
            };
            newest = newest.max(Some(received));
            Ok(())
        })?;
        Ok(newest)
    }

    /// The rows of a test, collected; by default as of the newest row.
    pub(super) fn collect(&self, definition: Definition, as_of: Option<i64>) -> Result<Collector, Error> {
        let as_of = match as_of {
            Some(as_of) => as_of,
            None => self.newest()?.unwrap_or_default(),
        };
        let of = (definition.name.clone(), definition.phase);
        let mut collector = Collector::new(definition, as_of).map_err(Error::Statistics)?;
        if let Some(state) = &self.state {
            let used = used_definitions(state)?;
            collector.used(
                used.into_iter()
                    .filter(|one| (&one.definition.name, one.definition.phase) == (&of.0, of.1))
                    .map(|one| one.used),
            );
        }
        self.each(|row| {
            match row {
                TrialRow::Exposure(row) => collector.exposure(&row),
                TrialRow::Event(row) => collector.event(&row),
            }
            .map_err(Error::Statistics)
        })?;
        Ok(collector)
    }

    /// The options again, for a command that repeats this one.
    pub(super) fn command(&self) -> String {
        let one = |(name, value): (&str, &Option<PathBuf>)| {
            value.as_ref().map(|value| format!(" --{name} {}", value.display()))
        };
        let all = [
            ("state", &self.state),
            ("exposures", &self.exposures),
            ("events", &self.events),
            ("data", &self.data),
        ];
        all.into_iter().filter_map(one).collect()
    }
}

fn of_log(error: semrank_serve::LogError) -> Error {
    Error::Open(error.into())
}

/// Why reading a log ended.
enum Ended {
    Log(semrank_serve::LogError),
    Visit(Error),
}

impl From<semrank_serve::LogError> for Ended {
    fn from(error: semrank_serve::LogError) -> Self {
        Self::Log(error)
    }
}

impl From<semrank_store::Error> for Ended {
    fn from(error: semrank_store::Error) -> Self {
        Self::Log(error.into())
    }
}

impl Ended {
    fn error(self) -> Error {
        match self {
            Self::Log(error) => of_log(error),
            Self::Visit(error) => error,
        }
    }
}

fn each_line<T: DeserializeOwned>(
    path: &Path,
    mut visit: impl FnMut(T) -> Result<(), Error>,
) -> Result<(), Error> {
    let wrong = |why: String| Error::Definition { file: path.to_owned(), why };
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.map_err(|error| wrong(format!("line {number}: {error}")))?;
        if !line.trim().is_empty() {
            visit(serde_json::from_str(&line).map_err(|error| wrong(format!("line {number}: {error}")))?)?;
        }
    }
    Ok(())
}
