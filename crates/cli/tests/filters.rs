//! Item columns on the command line: filters over numbers, texts and lists, and items that are held back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{fail, json, run_args, succeed};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

const ITEMS: usize = 40;

/// A catalogue in which item `i` has what `more` says, and users that took some of them. `kept` are columns that an import must be told of.
fn shop(dir: &Path, kept: &[&str], more: impl Fn(usize) -> Value) -> String {
    let (mut items, mut events) = (String::new(), String::from("user,item,timestamp\n"));
    for i in 0..ITEMS {
        let mut item = json!({"item_id": format!("i{i}"), "title": format!("thing {} of kind {}", i, i % 5)});
        let further = more(i);
        item.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        writeln!(items, "{item}").unwrap();
    }
    for user in 0..60 {
        for step in 0..6 {
            let item = (user * 7 + step * 5) % ITEMS;
            writeln!(events, "u{user},i{item},{}", 1_700_000_000 + user * 100 + step).unwrap();
        }
    }
    let [from, log, out] = ["items.ndjson", "events.csv", "shop"].map(|name| dir.join(name));
    std::fs::write(&from, items).unwrap();
    std::fs::write(&log, events).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (from, log, data) = (path(&from), path(&log), path(&out));
    let further = kept.iter().flat_map(|name| ["--item-column", *name]);
    let args = ["import", "--items", &from, "--events", &log, "--out", &data, "--overwrite"];
    succeed(args.into_iter().chain(further));
    data
}

fn run(dir: &Path, data: &str) -> String {
    let out = dir.join("run");
    succeed(run_args(Path::new(data), &out, &["--set", "data.split=leave-one-out"]));
    out.to_str().unwrap().to_owned()
}

/// Whether an item is in the history of `u1`: a model may never recommend those.
fn is_known(i: usize) -> bool {
    (0..6).any(|step| (7 + step * 5) % ITEMS == i)
}

/// Numbers of the items that a filter lets through, ascending; those of the history left out.
fn passing(run: &str, filter: &[&str]) -> Vec<usize> {
    let args = ["retrieve", run, "--user", "u1", "-k", "500", "--source", "sequence", "--json"];
    numbers(&json(&succeed(args.into_iter().chain(filter.iter().copied()))))
}

fn numbers(answer: &Value) -> Vec<usize> {
    let number = |item: &Value| item["item"].as_str().unwrap()[1..].parse().unwrap();
    let mut items: Vec<usize> = answer["items"].as_array().unwrap().iter().map(number).collect();
    items.retain(|&i| !is_known(i));
    items.sort_unstable();
    items
}

fn those(is: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..ITEMS).filter(|&i| is(i) && !is_known(i)).collect()
}

#[test]
fn filters_read_numbers_texts_and_lists() {
    let dir = tempfile::tempdir().unwrap();
    let data = shop(dir.path(), &["countries", "price", "code", "launched"], |i| {
        let countries = [vec!["us"], vec!["us", "de"], vec![]][i % 3].clone();
        let price = if i % 4 == 0 { Value::Null } else { json!(i as f64 / 2.0) };
        json!({
            "countries": countries,
            "price": price,
            "bid": i % 6,
            "code": 9_007_199_254_740_990_u64 + i as u64,
            "launched": 1_600_000_000_000_u64 + i as u64,
            "advertiser_id": format!("a{}", i % 2),
        })
    });
    let run = run(dir.path(), &data);
    let filter = |text: &str| passing(&run, &["--filter", text]);
    assert_eq!(filter("bid >= 4"), those(|i| i % 6 >= 4));
    assert_eq!(filter("bid = 3 or bid = 5"), filter("bid in (5, 3.0)"));
    assert_eq!(filter("price < 3"), those(|i| i % 4 != 0 && i < 6), "no price is not below 3");
    assert_eq!(filter("not price >= 3"), those(|i| i % 4 == 0 || i < 6));
    assert_eq!(filter("countries = de"), those(|i| i % 3 == 1));
    assert_eq!(filter("countries = us and not countries = de"), those(|i| i % 3 == 0));
    assert_eq!(filter("launched > 1600000000035"), those(|i| i > 35));
    let both = filter("advertiser_id = a1 and bid <= 3");
    assert_eq!(both, those(|i| i % 2 == 1 && i % 6 <= 3));
    assert_eq!(filter("bid <= 3 and advertiser_id = a1"), both);

    let wrong = |text: &str| fail(["retrieve", &run, "--user", "u1", "--filter", text]);
    assert!(wrong("countries > 3").contains("column `countries` holds texts"));
    assert!(wrong("bid = cheap").contains("column `bid` holds numbers"));
    let error = wrong("code = 9007199254740990");
    assert!(
        error.contains("`code`") && error.contains("items.parquet") && error.contains("write it as text"),
        "{error}"
    );
}

#[test]
fn paused_deleted_and_spent_items_are_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let status = |i: usize| {
        [Value::Null, json!("Active "), json!("paused"), json!("deleted"), json!("in review")][i % 5].clone()
    };
    let left = |i: usize| [Value::Null, json!(0.5), json!(0), json!(-1)][i % 4].clone();
    let of_data = |i: usize| json!({"status": status(i), "budget_left": left(i), "budget": 10, "spent": if i < 20 { 10 } else { 9 }});
    let data = shop(dir.path(), &[], of_data);
    let run = run(dir.path(), &data);
    // Without `budget_left`, as in every fourth item, budget and spent count.
    let shown = those(|i| i % 5 < 2 && (i % 4 == 1 || (i % 4 == 0 && i >= 20)));
    assert!(shown.len() > 3);
    assert_eq!(passing(&run, &[]), shown);
    assert_eq!(passing(&run, &["--filter", "status = paused or budget_left <= 0"]), Vec::<usize>::new());
    let best = json(&succeed(["recommend", &run, "--user", "u1", "-k", "40", "--json"]));
    assert_eq!(numbers(&best), shown, "the same items are recommended");
}

#[test]
fn a_catalogue_of_which_nothing_may_be_shown_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let data = shop(dir.path(), &[], |i| json!({"status": if i % 2 == 0 { "published" } else { "draft" }}));
    let run = run(dir.path(), &data);
    let error = fail(["retrieve", &run, "--user", "u1"]);
    assert!(error.contains("none of the 40 items may be shown") && error.contains("status"), "{error}");
    succeed(["evaluate", &run, "--funnel", "--json"]); // figures are of all items
}
