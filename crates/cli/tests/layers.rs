//! Promises of the layering: a crate depends only on crates above it in `[workspace] members`; `nn` knows
//! only `core`; `store` knows none; `pipeline` knows neither a command line nor a terminal; only `serve` may hold an HTTP server;
//! there is one generation of Arrow; the program stays small.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const SERVERS: [&str; 5] = ["axum", "hyper", "actix-web", "warp", "tiny_http"];

/// A workspace crate: package name and direct dependencies of every kind (normal, dev, build).
type Crates = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(file: &str) -> String {
    let path = root().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All workspace crates with their direct dependencies, by `cargo metadata`.
fn crates() -> Crates {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let name = |value: &Value| value["name"].as_str().expect("everything has a name").to_owned();
    let list = |value: &Value| value.as_array().expect("a list").clone();
    list(&metadata["packages"])
        .iter()
        .map(|package| (name(package), list(&package["dependencies"]).iter().map(name).collect()))
        .collect()
}

/// Package names in the order of `[workspace] members`.
fn layers() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let (_, members) = manifest.split_once("\nmembers = [").expect("the workspace lists its members");
    let (members, _) = members.split_once(']').expect("the list ends");
    let folders = members.split('"').skip(1).step_by(2);
    folders.map(|folder| format!("semrank-{}", folder.rsplit('/').next().unwrap_or(folder))).collect()
}

/// Dependencies that point down or sideways: `crate -> dependency`.
fn upside_down(crates: &Crates, layers: &[String]) -> Vec<String> {
    let level = |name: &str| layers.iter().position(|layer| layer == name);
    let wrong = |name: &str, other: &str| level(other).is_some_and(|other| Some(other) >= level(name));
    let edges = crates.iter().flat_map(|(name, others)| others.iter().map(move |other| (name, other)));
    edges
        .filter(|(name, other)| wrong(name, other))
        .map(|(name, other)| format!("{name} -> {other}"))
        .collect()
}

#[test]
fn a_crate_depends_only_on_crates_above_it() {
    let (crates, layers) = (crates(), layers());
    let listed: BTreeSet<&String> = layers.iter().collect();
    assert_eq!(crates.keys().collect::<BTreeSet<_>>(), listed, "crates and members are the same");
    let wrong = upside_down(&crates, &layers);
    assert!(wrong.is_empty(), "dependencies against the order of [workspace] members: {wrong:?}");
}

#[test]
fn a_dependency_downwards_is_found() {
    let layers = ["semrank-core", "semrank-nn"].map(String::from);
    let edge = |from: &str, to: &str| Crates::from([(from.into(), BTreeSet::from([to.to_owned()]))]);
    assert!(upside_down(&edge("semrank-nn", "semrank-core"), &layers).is_empty());
    assert_eq!(upside_down(&edge("semrank-core", "semrank-nn"), &layers), ["semrank-core -> semrank-nn"]);
}

#[test]
fn nn_knows_only_core() {
    let crates = crates();
    let ours: Vec<&String> = crates["semrank-nn"].iter().filter(|name| crates.contains_key(*name)).collect();
    assert_eq!(ours, ["semrank-core"]);
}

#[test]
fn store_knows_no_other_crate() {
    let crates = crates();
    let ours: Vec<&String> =
        crates["semrank-store"].iter().filter(|name| crates.contains_key(*name)).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

/// What reads arguments, talks to a terminal, or speaks HTTP.
const OUTSIDE: [&str; 9] = [
    "semrank-console",
    "clap",
    "indicatif",
    "miette",
    "ctrlc",
    "ureq",
    "http",
    "semrank-serve",
    "semrank-prep",
];

#[test]
fn pipeline_knows_neither_command_line_nor_terminal_nor_http() {
    let crates = crates();
    let pipeline = crates["semrank-pipeline"].iter().map(String::as_str);
    let outside: Vec<&str> =
        pipeline.filter(|name| OUTSIDE.contains(name) || SERVERS.contains(name)).collect();
    assert!(outside.is_empty(), "semrank-pipeline depends on {outside:?}");
    for (path, text) in sources("pipeline") {
        for word in ["<html", "</", "html", "println!"] {
            assert!(!text.contains(word), "{} has `{word}`", path.display());
        }
    }
}

/// Most lines of a source file; the program's of all its files together.
const FILE_LINES: usize = 400;
const PROGRAM_LINES: usize = 7_200;

#[test]
fn the_program_is_arguments_tables_and_pages() {
    let lines: usize = sources("cli").iter().map(|(_, text)| text.lines().count()).sum();
    assert!(lines <= PROGRAM_LINES, "crates/cli/src has {lines} lines, more than {PROGRAM_LINES}");
}

#[test]
fn files_of_the_pipeline_are_short() {
    for (path, text) in ["cli", "pipeline", "store"].into_iter().flat_map(sources) {
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES, "{} has {lines} lines, more than {FILE_LINES}", path.display());
    }
}

/// The source files of a crate.
fn sources(name: &str) -> Vec<(PathBuf, String)> {
    fn visit(dir: &Path, out: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(dir).expect("a folder of sources").flatten() {
            let path = entry.path();
            if path.is_dir() {
                visit(&path, out);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                out.push((path, text));
            }
        }
    }
    let mut out = Vec::new();
    visit(&root().join("crates").join(name).join("src"), &mut out);
    out
}

#[test]
fn only_serve_may_hold_an_http_server() {
    for (name, dependencies) in crates().iter().filter(|(name, _)| *name != "semrank-serve") {
        let servers: Vec<&&str> = SERVERS.iter().filter(|server| dependencies.contains(**server)).collect();
        assert!(servers.is_empty(), "{name} depends on {servers:?}");
    }
}

#[test]
fn there_is_one_generation_of_arrow() {
    let lock = read("Cargo.lock");
    let field = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
        Some(line.trim_matches('"').to_owned())
    };
    let arrow = |name: &str| name == "arrow" || name.starts_with("arrow-") || name == "parquet";
    let packages: Vec<(String, String)> = lock
        .split("[[package]]")
        .filter_map(|block| Some((field(block, "name")?, field(block, "version")?)))
        .filter(|(name, _)| arrow(name))
        .collect();
    let versions: BTreeSet<&String> = packages.iter().map(|(_, version)| version).collect();
    assert!(versions.len() <= 1, "several generations of Arrow: {packages:?}");
}
