//! The promise of `semrank embed`: a file of vectors with an agreed format, the same bytes twice, errors that help.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{bytes, fail, json, semrank, succeed, tiny_bert};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

fn items(dir: &Path) -> PathBuf {
    let path = dir.join("ads.csv");
    let texts = ["red nail polish", "nail polish remover", "camping stove", "gas camping stove", "nail file"];
    let rows: Vec<String> =
        texts.iter().enumerate().map(|(row, text)| format!("0{row},{text},brand {}\n", row % 2)).collect();
    std::fs::write(&path, format!("sku,title,brand\n{}", rows.concat())).unwrap();
    path
}

fn args<'a>(items: &'a Path, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut args =
        vec!["embed", "--items", items.to_str().unwrap(), "--item-id", "sku", "--text", "title,brand"];
    args.extend(["--out", out.to_str().unwrap()]);
    args.extend(more);
    args
}

#[test]
fn a_tsv_has_a_line_an_item_and_the_json_the_agreed_keys() {
    let dir = tempfile::tempdir().unwrap();
    let (items, out) = (items(dir.path()), dir.path().join("v.tsv"));
    let more = ["--encoder", "hash:?dim=3&min_df=1", "--json"];
    let found = json(&succeed(args(&items, &out, &more)));
    for key in ["items", "encoded", "cached", "seconds", "cpu_seconds", "texts_per_cpu_second", "dim"] {
        assert!(found[key].is_number(), "no number `{key}` in {found}");
    }
    assert_eq!((found["items"].as_u64(), found["dim"].as_u64()), (Some(5), Some(3)));
    let text = String::from_utf8(bytes(&out)).unwrap();
    let rows: Vec<(&str, Vec<f32>)> = text
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(id, vector)| (id, vector.split(' ').map(|value| value.parse().unwrap()).collect()))
        .collect();
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), ["00", "01", "02", "03", "04"]);
    for (id, vector) in rows {
        let length: f32 = vector.iter().map(|x| x * x).sum();
        assert!(vector.len() == 3 && (length - 1.0).abs() < 1e-5, "{id}: {vector:?}");
    }
    let again = dir.path().join("again.tsv");
    succeed(args(&items, &again, &more).into_iter().chain(["--threads", "1"]));
    assert_eq!(bytes(&out), bytes(&again));
}

#[test]
fn several_encoders_stand_side_by_side_and_sparse_rows_have_columns() {
    let dir = tempfile::tempdir().unwrap();
    let (items, out) = (items(dir.path()), dir.path().join("v.tsv"));
    let two = ["--encoder", "hash:?dim=2&min_df=1", "--encoder", "hash:?dim=3&min_df=1", "--json"];
    assert_eq!(json(&succeed(args(&items, &out, &two)))["dim"], 5);
    let parquet = dir.path().join("v.parquet");
    succeed(args(&items, &parquet, &two).into_iter().chain(["--separate"]));
    assert!(bytes(&parquet).ends_with(b"PAR1"));
    succeed(args(&items, &out, &["--encoder", "hash:?output=sparse&min_df=1"]));
    let text = String::from_utf8(bytes(&out)).unwrap();
    // Five words of two fields and three pairs inside a field.
    assert_eq!(text.lines().next().unwrap().split_once('\t').unwrap().1.split(' ').count(), 8);
}

#[test]
fn bad_input_is_refused_and_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let (items, out) = (items(dir.path()), dir.path().join("v.tsv"));
    for (more, part) in [
        (vec!["--encoder", "word2vec:x"], "unknown kind"),
        (vec!["--encoder", "hash:?depth=1"], "no option `depth`"),
        (vec!["--text", "headline"], "headline"),
    ] {
        let mut args = args(&items, &out, &[]);
        args.truncate(if more[0] == "--text" { 5 } else { 7 });
        args.extend(["--out", out.to_str().unwrap()]);
        args.extend(more);
        let message = fail(args);
        assert!(message.contains(part), "{message}");
    }
    let other = dir.path().join("v.npy");
    assert!(fail(args(&items, &other, &[])).contains(".parquet"));
    let mut text = bytes(&items);
    text.extend(b"00,again,brand 1\n");
    std::fs::write(&items, text).unwrap();
    assert!(fail(args(&items, &out, &[])).contains("ads.csv:7"));
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["ads.csv"]);
}

#[test]
fn a_data_set_is_read_without_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (common::market(dir.path(), 4), dir.path().join("v.tsv"));
    let args = ["embed", "--data", data.to_str().unwrap(), "--out", out.to_str().unwrap()];
    succeed(args);
    let whole = bytes(&out);
    std::fs::write(data.join("events.parquet"), "no log").unwrap();
    succeed(args);
    assert!(bytes(&out) == whole && !whole.is_empty(), "the vectors are those of the catalogue");
}

/// Names of files in the making.
fn partial(dir: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.display().to_string().contains(".partial-")).collect()
}

#[test]
fn what_a_killed_call_left_goes_with_the_next_call_and_what_a_living_one_writes_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (items, out) = (items(dir.path()), dir.path().join("v.tsv"));
    // An endpoint that never answers: the call waits with its file begun.
    let endpoint = TcpListener::bind("127.0.0.1:0").unwrap();
    let encoder = format!("http://{}/embed?width=2", endpoint.local_addr().unwrap());
    let mut child = semrank()
        .args(args(&items, &out, &["--no-cache", "--encoder", &encoder]))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while partial(dir.path()).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "the call ended before it began its file");
        assert!(started.elapsed() < Duration::from_secs(120), "no file was begun");
        std::thread::sleep(Duration::from_millis(2));
    }
    let left = partial(dir.path());
    let other = dir.path().join("other.tsv");
    succeed(args(&items, &other, &[]));
    assert_eq!(partial(dir.path()), left, "its writer lives");
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    assert_eq!((partial(dir.path()), out.exists()), (left, false));
    succeed(args(&items, &other, &[]));
    assert_eq!(partial(dir.path()), [""; 0].map(PathBuf::from));
}

#[test]
fn the_prompt_of_a_model_is_told_and_shapes_the_vectors() {
    let dir = tempfile::tempdir().unwrap();
    let (items, model) = (items(dir.path()), dir.path().join("model"));
    tiny_bert::write(&model);
    let prompts = r#"{"prompts": {"passage": "p: "}, "default_prompt_name": "passage"}"#;
    std::fs::write(model.join("config_sentence_transformers.json"), prompts).unwrap();
    let cache = dir.path().join("cache");
    let run = |options: &str| {
        let out = dir.path().join("v.tsv");
        let encoder = format!("bert:{}{options}", model.display());
        let more = ["--encoder", &encoder, "--cache", cache.to_str().unwrap(), "--json"];
        let found = json(&succeed(args(&items, &out, &more)));
        (bytes(&out), found["notes"].to_string(), found["encoded"].as_u64())
    };
    let (default, note, encoded) = run("");
    assert!(note.contains("default prompt `passage`") && encoded == Some(5), "{note}");
    let (without, note, encoded) = run("?prompt=");
    assert!(without != default && note == "[]" && encoded == Some(5), "the cache keeps them apart: {note}");
    let (named, note, encoded) = run("?prompt=passage");
    assert!(named == default && note.contains("`passage`") && encoded == Some(0), "{note}");
    let (text, note, _) = run("?prompt=q: ");
    assert!(text != default && text != without && note.contains("q: "), "{note}");
}

#[test]
fn a_name_instead_of_a_path_is_answered_with_the_command_that_fetches_it() {
    let dir = tempfile::tempdir().unwrap();
    let (items, out) = (items(dir.path()), dir.path().join("v.tsv"));
    let more = ["--encoder", "bert:minilm"];
    let output =
        semrank().args(args(&items, &out, &more)).env("SEMRANK_MODELS", dir.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!output.status.success() && said.contains("there is no model at minilm"), "{said}");
    assert!(said.contains("`semrank model fetch minilm`"), "{said}");
}

#[test]
fn help_lists_the_options_of_every_encoder_and_has_examples() {
    let output = semrank().args(["embed", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for part in ["Examples:", "bert:PATH", "prompt=", "precision=", "http:URL", "backoff_ms=", "output="] {
        assert!(help.contains(part), "{part}: {help}");
    }
}
