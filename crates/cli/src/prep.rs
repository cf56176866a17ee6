//! `semrank prep`: runs the program `semrank-prep` beside this one, as git and cargo do. It holds a SQL engine, which would
//! take longer to compile than everything else here, and most verbs never need it.

use crate::error::Error;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// `semrank prep`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct PrepArgs {
    /// Arguments of `semrank-prep`: `semrank prep --help` prints them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    args: Vec<OsString>,
}

/// Hands over to `semrank-prep`; returns only when it cannot.
pub(crate) fn prep(args: &PrepArgs, threads: usize) -> Result<(), Error> {
    let mut command = Command::new(sibling());
    command.args(&args.args);
    if threads > 0 {
        command.args(["--threads", &threads.to_string()]);
    }
    hand_over(command).map_err(|source| Error::NoPrep { source })
}

/// The program of that name in the folder of this one, else the first on the search path.
fn sibling() -> PathBuf {
    let name = format!("semrank-prep{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe().ok().map(|program| program.with_file_name(&name));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| name.into())
}

/// Becomes the other program: signals and exit codes are its own.
#[cfg(unix)]
fn hand_over(mut command: Command) -> std::io::Result<()> {
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

#[cfg(not(unix))]
fn hand_over(mut command: Command) -> std::io::Result<()> {
    let status = command.status()?;
    std::process::exit(status.code().unwrap_or(1))
}
