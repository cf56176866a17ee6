//! `semrank prep`: runs the program `semrank-prep` beside this one, as git and cargo do. It holds a SQL engine, which would
//! take longer to compile than everything else here, and most verbs never need it.

use crate::error::Error;
use clap::Args;
use semrank_pipeline::config::Sources;
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

/// Hands over to `semrank-prep`, with the section `prep` of the settings; returns only when it cannot.
pub(crate) fn prep(args: &PrepArgs, threads: usize) -> Result<(), Error> {
    let (sources, rest) = split(&args.args);
    let (_, given) = sources.load_given()?;
    let mut command = Command::new(sibling());
    command.args(rest);
    for set in given.of("prep") {
        command.args(["--set", &set]);
    }
    if threads > 0 {
        command.args(["--threads", &threads.to_string()]);
    }
    hand_over(command).map_err(|source| Error::NoPrep { source })
}

/// The sources of settings among arguments, and the other arguments.
fn split(args: &[OsString]) -> (Sources, Vec<&OsString>) {
    let (mut sources, mut rest) = (Sources::default(), Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (name, value) = match arg.to_str().map(|arg| arg.split_once('=').unwrap_or((arg, ""))) {
            Some((name @ ("--config" | "--set"), "")) => (name, args.next().cloned()),
            Some((name @ ("--config" | "--set"), value)) => (name, Some(value.into())),
            _ => {
                rest.push(arg);
                continue;
            }
        };
        match (name, value) {
            ("--config", value) => sources.file = value.map(PathBuf::from),
            (_, value) => sources.set.extend(value.map(|value| value.to_string_lossy().into_owned())),
        }
    }
    (sources, rest)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_taken_out_of_the_arguments() {
        let words = [
            "--data",
            "raw",
            "--set",
            "prep.first_slot=0",
            "--config=a.toml",
            "--out",
            "ads",
            "--set=prep.valid_days=1",
        ];
        let args = words.map(OsString::from);
        let (sources, rest) = split(&args);
        assert_eq!(rest, ["--data", "raw", "--out", "ads"]);
        assert_eq!(sources.file, Some("a.toml".into()));
        assert_eq!(sources.set, ["prep.first_slot=0", "prep.valid_days=1"]);
    }
}
