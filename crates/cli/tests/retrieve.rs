//! The first stage on the command line: the contract's JSON, filters, sources, and that a funnel with the ranker in it loses nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{call, fail, json, run_args, succeed};
use serde_json::Value;
use std::collections::BTreeSet;

fn items(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().unwrap().iter().map(|item| item["item"].as_str().unwrap()).collect()
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|source| source["name"].as_str().unwrap()).collect()
}

#[test]
fn candidates_come_with_their_sources_and_keep_to_the_filter() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (common::market(dir.path(), 5), dir.path().join("run"));
    succeed(run_args(&data, &out, &["--set", "data.split=time"]));
    let run = out.to_str().unwrap();

    let indexed = json(&succeed(["index", run, "--json"]));
    assert!(
        indexed["cases"].as_u64().unwrap() > 0 && indexed["sources"]["sequence"].as_u64().unwrap() >= 100
    );
    assert_eq!(json(&succeed(["index", run, "--json"]))["skipped"], true);

    let dataset = semrank_data::Dataset::open(&data).unwrap();
    let user = dataset.users.name(0);
    let retrieve = |more: &[&str]| {
        let args = ["retrieve", run, "--user", user, "--json"].into_iter().chain(more.iter().copied());
        json(&succeed(args))
    };
    let all = retrieve(&["-k", "500"]);
    let found = items(&all);
    assert_eq!(found.len(), found.iter().collect::<BTreeSet<_>>().len(), "each item once");
    for item in all["items"].as_array().unwrap() {
        let sources = item["sources"].as_array().unwrap();
        assert!(!sources.is_empty() && sources.iter().all(|source| source["rank"].as_u64() > Some(0)));
    }
    assert!(names(&all["sources"]).contains(&"sequence"));
    for source in all["sources"].as_array().unwrap() {
        assert!(source["micros"].is_u64() && source["error"].is_null(), "{source}");
    }

    // As many as asked for, or all that pass.
    let ads = dataset.catalog.kinds.iter().filter(|kind| **kind == semrank_core::Kind::Ad).count();
    let some = retrieve(&["-k", "7", "--filter", "kind = ad"]);
    assert_eq!(items(&some).len(), 7);
    let whole = retrieve(&["-k", "500", "--filter", "kind = ad", "--source", "sequence"]);
    assert!(items(&whole).len() <= ads && items(&whole).iter().all(|item| item.starts_with("ad-")));
    let none = retrieve(&["--filter", "kind = ad and kind = organic"]);
    assert!(items(&none).is_empty());

    // The ranker as a source is the ranker.
    let best = json(&succeed(["recommend", run, "--user", user, "-k", "20", "--json"]));
    assert_eq!(items(&retrieve(&["-k", "20", "--source", "sequence"])), items(&best));

    let measured = json(&succeed(["evaluate", run, "--funnel", "--json"]));
    assert_eq!(measured["ranker"], measured["funnel_ranked"]);
    let whole = json(&succeed(["evaluate", run, "--json"]));
    assert_eq!(measured["ranker"]["ndcg@10"], whole["rows"][0]["ndcg@10"]);
    assert_eq!(measured["ranker"]["recall@10"], whole["rows"][0]["recall@10"]);
    let keys = ["name", "recall@100", "recall@500", "recall@1000", "unique@500", "survivors@10"];
    for key in keys.into_iter().chain(["unique_survivors@10", "marginal@500", "new_share", "micros"]) {
        assert!(measured["sources"][0].get(key).is_some(), "no `{key}`");
    }
    assert!(succeed(["evaluate", run, "--funnel"]).contains("ranker over the funnel"));

    let wrong =
        |more: &[&str]| fail(["retrieve", run, "--user", user].into_iter().chain(more.iter().copied()));
    assert!(wrong(&["--filter", "kind = "]).contains("character 8"));
    assert!(wrong(&["--filter", "knd = ad"]).contains("did you mean `kind`?"));
    assert!(wrong(&["--source", "contents"]).contains("did you mean `content`?"));
    assert!(fail(["retrieve", run, "--user", "nobody"]).contains("nobody"));
    assert_eq!(call(["retrieve", run]).status.code(), Some(2), "for whom is asked");
}

#[test]
fn the_bench_is_exact_and_says_what_it_timed() {
    let sizes = ["--rows", "5000", "--dim", "12", "--eligible", "1,50,100", "-k", "20", "--searches", "10"];
    let found = json(&succeed(["index", "bench", "--json"].into_iter().chain(sizes)));
    let rows = found["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    assert!(rows.iter().all(|row| row["exact"] == true && row["p99_ms"].as_f64() >= row["p50_ms"].as_f64()));
    assert_eq!((rows[0]["precision"].as_str(), rows[0]["eligible"].as_f64()), (Some("f32"), Some(1.0)));
    assert_eq!(call(["index", "bench", "--eligible", "0"]).status.code(), Some(2));
}
