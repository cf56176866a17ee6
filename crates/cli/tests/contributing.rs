//! The promise of `CONTRIBUTING.md`: an encoder, a metric and a stage are added by the files and lines that it shows. The files are
//! compiled as doc tests of `semrank-pipeline`; here the diffs must apply, and together they must compile.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The fenced blocks of a language, each with the text before it.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<(&'a str, &'a str)> {
    let fence = format!("```{language}\n");
    let starts = text.match_indices(&fence);
    starts.map(|(at, _)| (&text[..at], text[at + fence.len()..].split_once("```").unwrap().0)).collect()
}

/// Every file that a diff changes, as it is afterwards.
fn changed(guide: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for (_, diff) in blocks(guide, "diff") {
        for part in diff.split("--- a/").skip(1) {
            let (path, lines) = part.split_once("\n+++ b/").unwrap();
            let lines: Vec<&str> = lines.lines().skip(1).collect();
            let side = |leaves_out: char| -> String {
                let kept = lines.iter().filter(|line| !line.starts_with(leaves_out));
                kept.map(|line| format!("{}\n", &line[1..])).collect()
            };
            let text =
                out.entry(path.to_owned()).or_insert_with(|| fs::read_to_string(root().join(path)).unwrap());
            assert_eq!(text.matches(&side('+')).count(), 1, "{path} has once:\n{}", side('+'));
            *text = text.replacen(&side('+'), &side('-'), 1);
        }
    }
    out
}

/// The new files: the one that is named last before each block.
fn added(guide: &str) -> BTreeMap<String, String> {
    let of = |(before, code): (&str, &str)| {
        let path = before.rsplit('`').find(|word| word.starts_with("crates/")).unwrap();
        let name = path.split('/').nth(1).unwrap();
        (
            path.to_owned(),
            format!("//! An example.\n\n{}", code.replace(&format!("semrank_{name}::"), "crate::")),
        )
    };
    blocks(guide, "rust").into_iter().map(of).collect()
}

fn guide() -> String {
    fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap()
}

#[test]
fn an_encoder_a_metric_and_a_stage_are_shown_as_diffs_that_apply() {
    let (changed, added) = (changed(&guide()), added(&guide()));
    for kind in ["embed/src/registry.rs", "measure/src/metrics.rs", "pipeline/src/run.rs"] {
        assert!(changed.contains_key(&format!("crates/{kind}")), "{kind}");
    }
    assert_eq!(added.len(), 2, "the encoder's file and the stage's");
    assert!(added.keys().all(|path| !root().join(path).exists()));
}

#[test]
#[ignore = "compiles the workspace's own crates again: five minutes"]
fn the_diffs_compile() {
    let copy = tempfile::tempdir().unwrap();
    for name in ["Cargo.toml", "Cargo.lock", "CONTRIBUTING.md", "crates"] {
        let copied = Command::new("cp").arg("-r").arg(root().join(name)).arg(copy.path()).status();
        assert!(copied.unwrap().success());
    }
    for (path, text) in changed(&guide()).into_iter().chain(added(&guide())) {
        fs::write(copy.path().join(path), text).unwrap();
    }
    let arguments = ["check", "--release", "--workspace", "--locked", "--offline"];
    let target = root().join("target");
    let done = Command::new("cargo")
        .args(arguments)
        .current_dir(copy.path())
        .env("CARGO_TARGET_DIR", target)
        .status();
    assert!(done.unwrap().success());
}
