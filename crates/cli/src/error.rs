//! What can end a command, with the exit code and the advice that goes with it.
//!
//! Exit codes: 0 done, 1 an error of this list, 2 wrong usage (by clap), 130 interrupted.

use std::process::ExitCode;

/// Errors of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An error of a library.
    #[error(transparent)]
    Run(semrank_pipeline::Error),
    /// The program `semrank-prep` cannot be started.
    #[error("cannot start the program semrank-prep: {source}")]
    NoPrep { source: std::io::Error },
    /// A server that cannot be opened, or not listen.
    #[error(transparent)]
    Open(semrank_serve::OpenError),
    /// A log that cannot become a data set.
    #[error(transparent)]
    Export(semrank_serve::ExportError),
    /// A server that cannot listen.
    #[error(transparent)]
    Serve(semrank_serve::ServerError),
    /// An address of state that this program does not know.
    #[error("`{scheme}://` is not known: state is a folder, `file://…`, `redb://…` or a path")]
    Scheme { scheme: String },
    /// A server that does not answer as it should.
    #[error("the server at {address} is not ready: {reason}")]
    NotReady { address: std::net::SocketAddr, reason: String },
    /// A file that holds no cases.
    #[error("{}: {error}", file.display())]
    Cases { file: std::path::PathBuf, error: semrank_experiment::Error },
    /// A server that does not answer, or refuses.
    #[error("{url}: {why}")]
    Server { url: String, why: String },
    /// A definition of a test, or a file of its rows, that cannot be read.
    #[error("{}: {why}", file.display())]
    Definition { file: std::path::PathBuf, why: String },
    /// Rows of a test that give no numbers.
    #[error(transparent)]
    Statistics(semrank_experiment::Error),
    /// Policies whose value the log does not say.
    #[error(transparent)]
    OffPolicy(semrank_serve::OffPolicyError),
    /// No random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted { resume: Option<String> },
}

impl<E> From<E> for Error
where
    semrank_pipeline::Error: From<E>,
{
    fn from(error: E) -> Error {
        match error.into() {
            semrank_pipeline::Error::Interrupted => Error::Interrupted { resume: None },
            other => Error::Run(other),
        }
    }
}

impl Error {
    /// An interrupt that names the command to go on with; other errors stay as they are.
    pub(crate) fn resumed_by(self, command: &str) -> Error {
        match self {
            Error::Interrupted { .. } => Error::Interrupted { resume: Some(command.to_owned()) },
            other => other,
        }
    }

    /// The code to exit with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Error::Interrupted { .. } => ExitCode::from(semrank_console::interrupt::EXIT_CODE),
            _ => ExitCode::from(1),
        }
    }

    /// Advice.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Error::Run(error) | Error::Open(semrank_serve::OpenError::Run(error)) => error.help(),
            Error::Serve(semrank_serve::ServerError::NoKeys(_)) => Some(
                "make keys with `semrank key` and name the file with --keys, or say --without-keys".into(),
            ),
            Error::Open(semrank_serve::OpenError::Log(semrank_serve::LogError::Store(error))) => error.help(),
            Error::Open(_)
            | Error::Export(_)
            | Error::Serve(_)
            | Error::Scheme { .. }
            | Error::NotReady { .. }
            | Error::Cases { .. }
            | Error::Definition { .. }
            | Error::Server { .. }
            | Error::Statistics(_)
            | Error::OffPolicy(_)
            | Error::NoRandom => None,
            Error::NoPrep { .. } => Some(
                "put it beside semrank, or build it there: cargo build --release --package semrank-prep"
                    .into(),
            ),
            Error::Interrupted { resume } => {
                resume.as_ref().map(|command| format!("go on with the same result: {command}"))
            }
        }
    }
}
