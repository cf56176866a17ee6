//! The first stage on the command line: the contract's JSON, filters, sources, and that a funnel with the ranker in it loses nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{call, fail, json, run_args, succeed};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

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

    // Where they would have come from, without another result.
    let told = json(&succeed(["recommend", run, "--user", user, "-k", "20", "--json", "--explain"]));
    assert_eq!(items(&told), items(&best));
    for item in told["items"].as_array().unwrap() {
        assert_eq!(item["sources"][0]["name"], "sequence", "its quota is larger than the list");
        assert_eq!(item["sources"][0]["rank"], item["rank"]);
    }
    assert!(best["items"][0].get("sources").is_none());

    // A search needs no user, and finds the words of the catalogue.
    let title = dataset.catalog.texts_of(semrank_core::ItemId(7)).next().unwrap().to_owned();
    let search = |more: &[&str]| {
        let args = ["retrieve", run, "--search", &title, "--json"].into_iter().chain(more.iter().copied());
        json(&succeed(args))
    };
    let by_words = search(&["--source", "text", "-k", "5"]);
    assert!(items(&by_words).contains(&dataset.catalog.name(semrank_core::ItemId(7))), "{title}: {by_words}");
    let found = search(&["-k", "50"]);
    assert!(
        found["items"].as_array().unwrap().iter().any(|item| {
            item["sources"].as_array().unwrap().iter().any(|source| source["name"] == "text")
        })
    );
    assert!(succeed(["retrieve", run, "--search", "-\"(AND *"]).contains("text "));

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
fn pages_follow_each_other_and_cursors_are_of_one_request() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (common::market(dir.path(), 5), dir.path().join("run"));
    succeed(run_args(&data, &out, &[]));
    let run = out.to_str().unwrap();
    let dataset = semrank_data::Dataset::open(&data).unwrap();
    let [user, other] = [0, 1].map(|user| dataset.users.name(user));
    let ask = |more: &[&str]| {
        let args = ["retrieve", run, "--user", user, "--filter", "kind = ad", "--json"];
        json(&succeed(args.into_iter().chain(more.iter().copied())))
    };
    let whole = ask(&["-k", "500"]);
    assert!(whole.get("cursor").is_none());
    let (mut seen, mut cursor, mut pages): (Vec<String>, Option<String>, usize) = (Vec::new(), None, 0);
    loop {
        let mut more = vec!["--page", if pages == 0 { "3" } else { "25" }];
        more.extend(cursor.iter().flat_map(|cursor| ["--cursor", cursor]));
        let page = ask(&more);
        seen.extend(items(&page).into_iter().map(str::to_owned));
        pages += 1;
        cursor = page["cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            assert!(page["cursor"].is_null() && page.get("cursor").is_some());
            break;
        }
    }
    assert!(pages > 2);
    let distinct: BTreeSet<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(distinct.len(), seen.len(), "nothing is repeated");
    assert_eq!(distinct, items(&whole).into_iter().collect(), "and nothing is missed");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(out.join("cursor.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    let first = ask(&["--page", "3"]);
    let cursor = first["cursor"].as_str().unwrap();
    let wrong = |args: &[&str]| fail(["retrieve", run].into_iter().chain(args.iter().copied()));
    let page = ["--page", "3", "--cursor"];
    let filter = ["--filter", "kind = ad"];
    for args in [vec!["--user", other], vec!["--user", user, "--source", "popular"]] {
        let message = wrong(&[&args[..], &filter, &page, &[cursor]].concat());
        assert!(message.contains("another request"), "{message}");
    }
    assert!(wrong(&[&["--user", user], &page[..], &[cursor]].concat()).contains("another request"));
    let short = &cursor[..cursor.len() - 4];
    let message = wrong(&[&["--user", user], &filter[..], &page, &[short]].concat());
    assert!(message.contains("altered") || message.contains("cut short"), "{message}");
    assert!(wrong(&[&["--user", user], &filter[..], &page, &["x y"]].concat()).contains("not a cursor"));
    assert_eq!(
        call(["retrieve", run, "--user", user, "--cursor", cursor]).status.code(),
        Some(2),
        "--page is needed"
    );
    let text = succeed(["retrieve", run, "--user", user, "--page", "3"]);
    assert!(text.contains("next page: --cursor "), "{text}");
}

/// A service that always names the same two items.
fn serve(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/candidates", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                let mut length = 0;
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    if let Some(bytes) = line.to_lowercase().strip_prefix("content-length: ") {
                        length = bytes.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                let _ = reader.read_exact(&mut body);
                let size = answer.len();
                let _ = write!(
                    &stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n{answer}"
                );
            });
        }
    });
    url
}

#[test]
fn a_source_of_the_users_own_is_a_source_like_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (common::market(dir.path(), 5), dir.path().join("run"));
    let dataset = semrank_data::Dataset::open(&data).unwrap();
    let [a, b] = [3, 4].map(|item| dataset.catalog.name(semrank_core::ItemId(item)).to_owned());
    let list = format!(
        r#"{{"items": [{{"item": "{a}", "score": 1}}, {{"item": "{b}", "score": 2}}, {{"item": "?", "score": 3}}]}}"#
    );
    let setting = format!("retrieve.http=[\"graph={}\"]", serve(list));
    succeed(run_args(&data, &out, &["--set", &setting]));
    let (run, user) = (out.to_str().unwrap(), dataset.users.name(0));
    let indexed = json(&succeed(["index", run, "--json"]));
    assert!(indexed["sources"]["graph"].is_u64(), "{indexed}");
    let found = json(&succeed([
        "retrieve",
        run,
        "--history",
        dataset.catalog.name(semrank_core::ItemId(9)),
        "--source",
        "graph",
        "--json",
    ]));
    assert_eq!(items(&found), [b.as_str(), a.as_str()]);
    assert_eq!(found["sources"][0]["left_out"], 1);
    assert!(
        json(&succeed(["evaluate", run, "--funnel", "--json"]))["sources"]
            .as_array()
            .unwrap()
            .iter()
            .any(|source| source["name"] == "graph")
    );

    // Repeating the run with another address changes no stage but the quotas', which must be chosen anew.
    let nobody = "retrieve.http=[\"graph=http://127.0.0.1:1/\"]";
    succeed(run_args(&data, &out, &["--set", nobody]));
    assert!(fail(["retrieve", run, "--user", user]).contains("semrank index"));
    assert!(fail(["index", run]).contains("source graph"), "an endpoint that is down is named");
    let down = json(&succeed(["retrieve", run, "--user", user, "--source", "graph", "--json"]));
    assert!(down["sources"][0]["error"].as_str().unwrap().contains("127.0.0.1:1"));
    for wrong in ["retrieve.http=[\"popular=http://host/\"]", "retrieve.http=[\"graph=ftp://host/\"]"] {
        assert!(fail(run_args(&data, &out, &["--set", wrong])).contains("retrieve.http"));
    }
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
