//! What `finetune` promises: a folder that `bert:` opens again with other vectors than the one it began with, nothing half
//! written, and nobody else's folder replaced; and that a run trains layers of such an encoder with its ranker.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{QUICK, bytes, fail, json, succeed, tiny_bert};
use serde_json::Value;
use std::path::{Path, PathBuf};

struct World {
    dir: tempfile::TempDir,
    data: PathBuf,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let data = common::market(dir.path(), 5);
        tiny_bert::write(&dir.path().join("bert"));
        World { dir, data }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn finetune(&self, out: &str, more: &[&str]) -> Vec<String> {
        let (data, encoder, out) =
            (self.data.to_str().unwrap(), format!("bert:{}", self.path("bert")), self.path(out));
        let cache = format!("content.cache={}", self.path("cache"));
        let args =
            ["finetune", "--data", data, "--encoder", &encoder, "--out", &out, "--set", &cache, "--json"];
        args.iter().chain(more).map(|&arg| arg.to_owned()).collect()
    }

    /// The vectors of all items.
    fn vectors(&self, model: &str) -> Vec<f64> {
        let out = self.path("vectors.tsv");
        let encoder = format!("bert:{}", self.path(model));
        let (data, cache) = (self.data.to_str().unwrap(), self.path("cache"));
        succeed(["embed", "--data", data, "--encoder", &encoder, "--out", &out, "--cache", &cache]);
        let text = std::fs::read_to_string(out).unwrap();
        let rows = text.lines().flat_map(|line| line.split('\t').nth(1).unwrap().split(' '));
        rows.map(|number| number.parse().unwrap()).collect()
    }
}

const FEW: [&str; 6] = ["--steps", "6", "--batch", "16", "--rate", "0.01"];

#[test]
fn both_objectives_lower_the_loss_of_held_out_users_and_the_folder_opens_again() {
    let world = World::new();
    for objective in ["co-engagement", "click"] {
        let more =
            ["--steps", "120", "--epochs", "8", "--batch", "32", "--rate", "0.002", "--objective", objective];
        let found: Value = json(&succeed(world.finetune(objective, &more)));
        let loss = |name: &str| found[name].as_f64().unwrap();
        assert!(loss("after") < loss("before"), "{objective}: {found}");
        assert_eq!(found["recall_after"].as_array().unwrap().len(), 4);
        assert!(Path::new(&world.path(objective)).join("finetune.json").is_file());
        assert_ne!(world.vectors(objective), world.vectors("bert"), "{objective} has learned");
    }
}

#[test]
fn the_same_seed_gives_the_same_folder_and_only_our_own_is_replaced() {
    let world = World::new();
    succeed(world.finetune("once", &FEW));
    succeed(world.finetune("again", &FEW));
    succeed(world.finetune("again", &FEW));
    let weights = |name: &str| bytes(Path::new(&world.path(name)).join("model.safetensors").as_ref());
    assert_eq!(weights("once"), weights("again"));
    let before = weights("bert");
    let said = fail(world.finetune("bert", &FEW));
    assert!(said.contains("bert") && weights("bert") == before, "{said}");
}

#[test]
fn a_run_trains_layers_of_the_encoder_and_is_read_again() {
    let world = World::new();
    let encoder = format!("content.encoder=bert:{}", world.path("bert"));
    let cache = format!("content.cache={}", world.path("cache"));
    let data = world.data.to_str().unwrap();
    for mode in ["top:1", "lora:2", "full"] {
        let out = world.path(&mode.replace(':', ""));
        let train = format!("content.train={mode}");
        let mut args = vec!["run", "--data", data, "--out", &out, "--json"];
        for setting in QUICK.iter().chain(&[encoder.as_str(), &cache, &train, "content.block=32"]) {
            args.extend(["--set", setting]);
        }
        let first = json(&succeed(&args));
        assert_eq!(json(&succeed(["evaluate", &out, "--json"]))["rows"][0], first["rows"][0], "{mode}");
        let facts: Value =
            serde_json::from_slice(&bytes(Path::new(&out).join("model/model.json").as_ref())).unwrap();
        let live = |name: &str| facts["live"][name].as_f64().unwrap();
        assert!((2.2..=3.3).contains(&live("encoder_passes")), "{mode}: the budget: {facts}");
        assert!(live("staleness") > 0.0 && live("backward_passes") > 0.5, "{mode}: {facts}");
        let exported = format!("exported-{}", mode.replace(':', ""));
        succeed(["embed", "export", &out, "--out", &world.path(&exported)]);
        assert_ne!(world.vectors(&exported), world.vectors("bert"), "{mode}");
    }
    let frozen = world.path("frozen");
    succeed(common::run_args(&world.data, frozen.as_ref(), &[]));
    let said = fail(["embed", "export", &frozen, "--out", &world.path("none")]);
    assert!(said.contains("content.train"), "{said}");
}
