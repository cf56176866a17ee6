//! A small market with semantic ids, and files of items to append.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{QUICK, bytes, succeed};
use std::path::{Path, PathBuf};

/// Settings that tokenize 120 items in a second.
const SMALL: [&str; 4] = ["tokens.codes=16", "tokens.levels=3", "align.epochs=2", "align.width=16"];

/// A market and a run of it up to its ids.
pub(crate) struct Fixture {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) data: PathBuf,
    pub(crate) run: String,
}

impl Fixture {
    pub(crate) fn new() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let data = super::market(dir.path(), 5);
        let run = dir.path().join("run").to_str().unwrap().to_owned();
        succeed(tokenize_args(&data, &run, &[]));
        Fixture { dir, data, run }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// A file of items with texts.
    pub(crate) fn items(&self, name: &str, ids: &[&str]) -> String {
        let rows: Vec<String> =
            ids.iter().map(|id| format!("{id},A mat for {id},Made to be light\n")).collect();
        let path = self.path(name);
        std::fs::write(&path, format!("sku,title,description\n{}", rows.concat())).unwrap();
        path
    }

    pub(crate) fn append(&self, items: &str, more: &[&str]) -> Vec<String> {
        let args = ["tokens", "append", &self.run, "--items", items, "--item-id", "sku", "--json"];
        args.iter().chain(more).map(|&arg| arg.to_owned()).collect()
    }
}

pub(crate) fn tokenize_args(data: &Path, out: &str, more: &[&str]) -> Vec<String> {
    let mut args: Vec<String> =
        ["tokenize", "--data", data.to_str().unwrap(), "--out", out].map(Into::into).into();
    for setting in QUICK.iter().chain(&SMALL).chain(more) {
        args.extend(["--set".into(), (*setting).into()]);
    }
    args
}

/// Lines `item<TAB>codes`.
pub(crate) fn ids(path: &str) -> Vec<(String, String)> {
    let text = String::from_utf8(bytes(path.as_ref())).unwrap();
    text.lines().map(|line| line.split_once('\t').unwrap()).map(|(a, b)| (a.into(), b.into())).collect()
}
