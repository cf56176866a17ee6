//! How a service is run, and why it cannot be opened.

use crate::{LogError, SnapshotEvery};
use semrank_experiment::definition::Definition;
use semrank_experiment::explore::Exploration;
use semrank_pipeline::Error;
use semrank_pipeline::response::Beginning;
use semrank_store::journal::Options;
use semrank_store::log::LogUrl;
use std::path::{Path, PathBuf};

/// What decides the moment at which time windows of items count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// That of the machine.
    #[default]
    Wall,
    /// The newest event: for logs of the past.
    Log,
}

/// How a service is run.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    /// Folder of the changes of items, and of the snapshot.
    pub state: PathBuf,
    /// The log: a folder, or a server's.
    pub log: LogUrl,
    /// Folder of a click or conversion run that ranks what the sources find; without one, the served run ranks.
    pub clicks: Option<PathBuf>,
    /// Where the click model's features and the histories begin.
    pub beginning: Beginning,
    /// Days after its windows for which a click or conversion of an impression may still be received.
    pub late_days: u32,
    /// Events that may wait to be written.
    pub most_waiting: usize,
    /// Newest events whose ids are remembered.
    pub remembered_ids: usize,
    /// Which clock.
    pub clock: Clock,
    /// Milliseconds that an answer may take, unless the request says otherwise.
    pub deadline_ms: u64,
    /// How journals are kept: of the changes of items, and of the log in a folder.
    pub journal: Options,
    /// When a snapshot is written of what is derived from the log.
    pub snapshots: SnapshotEvery,
    /// Randomised tests, in the order in which they take requests.
    pub experiments: Vec<Definition>,
    /// By what policy lists of requests outside of tests are explored, if they are.
    pub explore: Option<Exploration>,
    /// Address of an OTLP collector that gets traces of rankings, such as `http://localhost:4318`; needs the feature `otlp`.
    pub traces: Option<String>,
}

impl ServiceSettings {
    /// The defaults, with state in a folder.
    pub fn new(state: &Path) -> Self {
        Self {
            state: state.to_owned(),
            log: state.join("log").into(),
            clicks: None,
            beginning: Beginning::End,
            late_days: 1,
            most_waiting: 65_536,
            remembered_ids: 1_000_000,
            clock: Clock::Wall,
            deadline_ms: 100,
            journal: Options::default(),
            snapshots: SnapshotEvery::default(),
            experiments: Vec::new(),
            explore: None,
            traces: None,
        }
    }

    /// The same with the log elsewhere, where that is said.
    pub fn with_log(self, log: Option<LogUrl>) -> Self {
        Self { log: log.unwrap_or(self.log), ..self }
    }

    /// Folder of the journal of items.
    pub(crate) fn items(&self) -> PathBuf {
        self.state.join("items")
    }
}

/// Why a service cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The run or the changes of its items.
    #[error(transparent)]
    Run(#[from] Error),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A user who is to be forgotten, and is still on the disk.
    #[error("users who are to be forgotten cannot be taken out of the log and the snapshot: {0}")]
    Forget(String),
    /// A run that cannot take over.
    #[error(
        "{} has another data set than the run that ranks; start a server of it, with a state of its own",
        run.display()
    )]
    OtherData {
        /// The run.
        run: PathBuf,
    },
    /// A click model where there was none, or none where there was one.
    #[error("a server with a click model goes on with one, and one without goes on without (it has {})", if *had_clicks { "one" } else { "none" })]
    OtherKind {
        /// Whether there is one now.
        had_clicks: bool,
    },
    /// A randomised test that this server cannot run.
    #[error("the test {name}: {why}")]
    Experiment {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// A policy of exploration that makes no lists.
    #[error("lists cannot be explored: {0}")]
    Explore(semrank_experiment::Error),
    /// Traces that cannot be sent.
    #[error("traces cannot be sent: {why}")]
    Traces {
        /// Why.
        why: String,
    },
    /// The system.
    #[error("the system has no thread to give: {0}")]
    Thread(#[from] std::io::Error),
}

impl From<semrank_store::Error> for OpenError {
    fn from(error: semrank_store::Error) -> Self {
        Self::Log(error.into())
    }
}
