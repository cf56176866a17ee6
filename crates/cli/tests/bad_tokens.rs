//! What cannot have semantic ids, and codebooks that are damaged or do not belong: every message says what is wrong and what
//! to do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::tokens::{Fixture, tokenize_args};
use common::{bytes, call, fail, succeed};
use std::path::Path;

#[test]
fn what_cannot_be_tokenized_is_refused_with_advice() {
    let fixture = Fixture::new();
    let out = fixture.path("other");
    let refuses = |more: &[&str], expected: &[&str]| {
        let said = fail(tokenize_args(&fixture.data, &out, more));
        for text in expected {
            assert!(said.contains(text), "no {text:?} in: {said}");
        }
    };
    refuses(
        &["model.content=false", "model.prefixes=false"],
        &["has no semantic ids", "model.prefixes to be true"],
    );
    let said = fail(["tokens", "report", &out]);
    assert!(said.contains("has no semantic ids") && said.contains("help:"), "{said}");

    let dataset = semrank_data::Dataset::open(&fixture.data).unwrap();
    let vectors = |name: &str, seventh: &str| {
        let vector =
            |row: usize| if row == 7 { seventh.to_owned() } else { format!("{row} 1 0.5 {}", row % 7) };
        let names = dataset.catalog.ids.names().enumerate();
        let text: String = names.map(|(row, name)| format!("{name}\t{}\n", vector(row))).collect();
        let path = fixture.path(name);
        std::fs::write(&path, text).unwrap();
        format!("content.encoder=parquet:{path}")
    };
    refuses(&[&vectors("nan.tsv", "1 NaN 0 0")], &["nan.tsv", "finite"]);
    refuses(&[&vectors("long.tsv", "1e30 0 0 0")], &["1e15", "row 7"]);
    refuses(&[&vectors("narrow.tsv", "1 2 3")], &["narrow.tsv", "4"]);

    // Another encoder than the one that the codebook was fitted on.
    let encoder = vectors("v.tsv", "1 2 3 4");
    succeed(tokenize_args(&fixture.data, &out, &[&encoder]));
    vectors("v.tsv", "4 3 2 1");
    let items = fixture.items("new.csv", &["a"]);
    let said = fail(["tokens", "append", &out, "--items", &items, "--item-id", "sku"]);
    assert!(said.contains("cannot be compared") && said.contains("fit a new generation"), "{said}");
}

#[test]
fn damaged_and_foreign_codebooks_are_refused() {
    let fixture = Fixture::new();
    let run = Path::new(&fixture.run);
    let items = fixture.items("new.csv", &["a"]);
    let said =
        fail(["tokens", "append", &fixture.run, "--items", &items, "--item-id", "sku", "--text", "headline"]);
    assert!(said.contains("no column `headline`") && said.contains("--text"), "{said}");
    assert!(!run.join("ids").exists(), "nothing was published");
    succeed(fixture.append(&items, &[]));

    let cut = |path: &Path| {
        let whole = bytes(path);
        std::fs::write(path, &whole[..whole.len() - 10]).unwrap();
        whole
    };
    for file in ["ids/codebook.safetensors", "ids/codebook.json", "ids/ids.log", "ids/generation.json"] {
        let whole = cut(&run.join(file));
        let said = fail(fixture.append(&items, &[]));
        assert!(said.contains("is damaged") && said.contains("help:"), "{file}: {said}");
        std::fs::write(run.join(file), whole).unwrap();
    }
    let said = fail(fixture.append(&items, &["--generation", &fixture.path("nowhere")]));
    assert!(said.contains("neither a run nor a generation"), "{said}");
    let whole = cut(&run.join("tokens/codebook.safetensors"));
    let said = fail(["tokens", "report", &fixture.run]);
    assert!(said.contains("codebook.safetensors") && said.contains("cut short or altered"), "{said}");
    std::fs::write(run.join("tokens/codebook.safetensors"), whole).unwrap();

    succeed(tokenize_args(&fixture.data, &fixture.run, &["tokens.levels=2"]));
    let said = fail(fixture.append(&items, &[]));
    assert!(said.contains("the codebook of the published ids") && said.contains("tokens align"), "{said}");
    let said = fail([
        "tokens",
        "align",
        &fixture.run,
        "--last",
        &fixture.path("run/ids"),
        "--out",
        &fixture.path("g"),
    ]);
    assert!(said.contains("ids to align: got") && said.contains("2 levels"), "{said}");
    let said =
        fail(["tokens", "align", &fixture.run, "--last", &fixture.path(""), "--out", &fixture.path("g")]);
    assert!(said.contains("neither a run nor a generation"), "{said}");
    assert!(call(["tokens", "report"]).status.code() == Some(2), "wrong usage");
}
