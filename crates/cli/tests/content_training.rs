//! What `content.train` promises on the command line: what cannot be trained is refused before anything is made, and an
//! adapter is a model like any other.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::tokens::{Fixture, tokenize_args};
use common::{fail, succeed};
use std::path::Path;

#[test]
fn what_cannot_be_trained_is_refused_with_advice() {
    let fixture = Fixture::new();
    let out = fixture.path("other");
    for (setting, expected) in [
        ("content.train=top:2", "top:2 of `hash:`"),
        ("content.train=lora:4", "bert: or llama: as the first content.encoder"),
        ("content.train=top:0", "expected frozen, adapter, top:N, lora:R or full"),
        ("content.passes=0", "content.passes is 0"),
    ] {
        let said = fail(tokenize_args(&fixture.data, &out, &[setting]));
        assert!(said.contains(expected), "{setting}: {said}");
    }
    assert!(!Path::new(&out).exists(), "a refused run leaves nothing behind");
    let finetune = |encoder: &str| {
        fail([
            "finetune",
            "--data",
            fixture.data.to_str().unwrap(),
            "--encoder",
            encoder,
            "--out",
            &fixture.path("model"),
        ])
    };
    assert!(finetune("hash:").contains("only bert: and llama: can be fine-tuned"));
    assert!(finetune("bert:/nowhere").contains("/nowhere"));
    assert!(!Path::new(&fixture.path("model")).exists());
}

#[test]
fn an_adapter_is_trained_and_read_again() {
    let fixture = Fixture::new();
    let out = fixture.path("adapter");
    let data = fixture.data.to_str().unwrap();
    let run = ["run", "--data", data, "--out", &out, "--json", "--set", "content.train=adapter"];
    let fast = ["--set", "train.epochs=1", "--set", "train.min_steps=0", "--set", "model.dim=16"];
    let first = succeed(run.iter().chain(&fast));
    let again = succeed(["evaluate", &out, "--json"]);
    let rows = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["rows"].clone();
    assert_eq!(rows(&first)[0], rows(&again)[0]);
    let facts = std::fs::read_to_string(Path::new(&out).join("model/model.json")).unwrap();
    assert!(facts.contains("\"adapter\": 256"), "{facts}");
}
