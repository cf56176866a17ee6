//! The promise that no test target reaches training: with every target replaced by a random item of the catalogue, the
//! tensors of a run and its predictions are the same bytes. So they are with other texts from the first held-out moment on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{bytes, json, run_args, succeed};
use semrank_core::{ItemId, Rng, UserId};
use semrank_data::{Dataset, DatasetWriter, EventRow, ItemRow, Split, SplitKind, When, WriterOptions};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const SEED: u64 = 11;

/// Writes a data set again, with other items at some places of the event log, and other texts from a time on.
fn rewrite(dataset: &Dataset, replaced: &BTreeMap<usize, ItemId>, texts_from: Option<i64>, out: &Path) {
    let options = WriterOptions { meta: dataset.meta.clone(), ..WriterOptions::default() };
    let mut writer = DatasetWriter::create(out, options).unwrap();
    let catalog = &dataset.catalog;
    for item in (0..catalog.len() as u32).map(ItemId) {
        let texts: Vec<&str> =
            catalog.texts.iter().map(|column| column.values[item.index()].as_str()).collect();
        let known = |time: i64| (time != i64::MIN).then_some(time);
        let row = ItemRow {
            id: catalog.name(item),
            kind: catalog.kinds[item.index()],
            texts: &texts,
            active_from: known(catalog.active_from[item.index()]),
            ..ItemRow::default()
        };
        writer.item(&row).unwrap();
        if let Some(valid_from) = texts_from {
            let later = format!("what nobody knew of kind {}", item.0 % 7);
            let texts = vec![later.as_str(); texts.len()];
            writer.item(&ItemRow { valid_from: Some(valid_from), texts: &texts, ..row }).unwrap();
        }
    }
    for user in (0..dataset.users.len() as u32).map(UserId) {
        for at in dataset.events.range(user) {
            let event = dataset.events.event(at);
            writer
                .event(&EventRow {
                    user: dataset.users.name(user.0),
                    item: catalog.name(*replaced.get(&at).unwrap_or(&event.item)),
                    action: dataset.actions.name(u32::from(event.action.0)),
                    time: When::Time(event.time),
                    ..EventRow::default()
                })
                .unwrap();
        }
    }
    writer.finish().unwrap();
}

/// Every test target, cases without a history included, with a random other item.
fn random_targets(dataset: &Dataset, kind: SplitKind) -> BTreeMap<usize, ItemId> {
    let split = Split::new(dataset, kind).unwrap();
    let mut rng = Rng::new(SEED, "leak");
    let mut other = |item: ItemId| loop {
        let random = ItemId(rng.below(dataset.catalog.len()) as u32);
        if random != item {
            return random;
        }
    };
    split.test.iter().map(|case| (case.end, other(case.target))).collect()
}

struct Run {
    out: PathBuf,
    predictions: PathBuf,
    ndcg: f64,
}

fn run(dir: &Path, name: &str, data: &Path, split: &str) -> Run {
    let (out, predictions) = (dir.join(format!("{name}-run")), dir.join(format!("{name}.tsv")));
    let split = format!("data.split={split}");
    let done = json(&succeed(run_args(data, &out, &["--set", &split, "--json"])));
    let paths = [out.as_os_str(), "--predictions".as_ref(), predictions.as_os_str()];
    succeed(["evaluate".as_ref(), "--json".as_ref()].into_iter().chain(paths));
    Run { out, predictions, ndcg: done["rows"][0]["ndcg@10"].as_f64().unwrap() }
}

fn check(kind: SplitKind, name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let dataset = Dataset::open(&common::market(dir.path(), SEED)).unwrap();
    let targets = random_targets(&dataset, kind);
    assert!(targets.len() > 20, "{} test targets", targets.len());
    let (plain, changed) = (dir.path().join("plain"), dir.path().join("changed"));
    rewrite(&dataset, &BTreeMap::new(), None, &plain);
    rewrite(&dataset, &targets, None, &changed);
    let (a, b) = (run(dir.path(), "a", &plain, name), run(dir.path(), "b", &changed, name));
    for file in ["features/vectors.safetensors", "model/model.safetensors", "model/model.json"] {
        assert!(
            bytes(&a.out.join(file)) == bytes(&b.out.join(file)),
            "{file} depends on test targets (seed {SEED})"
        );
    }
    assert!(
        bytes(&a.predictions) == bytes(&b.predictions),
        "predictions depend on test targets (seed {SEED})"
    );
    assert!(a.ndcg != b.ndcg, "the targets were not replaced: both runs score {}", a.ndcg);
}

#[test]
fn leave_one_out_targets_do_not_reach_training() {
    check(SplitKind::LeaveOneOut, "leave-one-out");
}

#[test]
fn targets_after_the_cut_do_not_reach_training() {
    check(SplitKind::Time, "time");
}

#[test]
fn texts_after_the_cut_do_not_reach_training() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = Dataset::open(&common::market(dir.path(), SEED)).unwrap();
    let [cut, _] = Split::new(&dataset, SplitKind::Time).unwrap().cuts.unwrap();
    let vectors = |name: &str, texts_from: Option<i64>| {
        let data = dir.path().join(name);
        rewrite(&dataset, &BTreeMap::new(), texts_from, &data);
        let out = dir.path().join(format!("{name}-run"));
        let args =
            ["tokenize".as_ref(), "--data".as_ref(), data.as_os_str(), "--out".as_ref(), out.as_os_str()];
        let set = ["--set", "data.split=time", "--set", "features.dim=8", "--set", "tokens.codes=16"];
        succeed(args.into_iter().chain(set.map(AsRef::as_ref)));
        bytes(&out.join("features/vectors.safetensors"))
    };
    let plain = vectors("plain", None);
    assert!(plain == vectors("later", Some(cut.ceil() as i64)), "features depend on texts after the cut");
    assert!(plain != vectors("earlier", Some(cut.ceil() as i64 - 1)), "texts up to the cut count");
}
