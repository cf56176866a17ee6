//! The program as a reader: for what only it parses.

use crate::harness::BROKEN;
use std::ffi::OsStr;

/// Runs the program to its end. It may refuse with exit code 1 or 2; a panic, an abort or a signal breaks a promise.
pub(crate) fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Result<(), String> {
    let output =
        crate::common::semrank().arg("--threads=1").args(args).output().expect("the program can be started");
    let stderr = crate::common::stderr(&output).replace(['\n', '\r'], " ");
    match output.status.code() {
        Some(0) => Ok(()),
        Some(1 | 2) => Err(stderr),
        _ => Err(format!("{BROKEN}{}: {stderr}", output.status)),
    }
}
