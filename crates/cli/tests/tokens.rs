//! The promises of `semrank tokenize` and `semrank tokens`: keys of the JSON, ids that never move, generations that agree.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::tokens::{Fixture, ids, tokenize_args};
use common::{bytes, fail, json, succeed};
use semrank_tokens::{Codebook, Collisions, Generation};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

#[test]
fn tokenize_stops_at_the_ids_and_a_run_goes_on_from_there() {
    let fixture = Fixture::new();
    let run = Path::new(&fixture.run);
    assert!(run.join("tokens/manifest.json").is_file() && !run.join("model").exists());
    let mut args = tokenize_args(&fixture.data, &fixture.run, &[]);
    args.push("--json".into());
    let again = json(&succeed(&args));
    assert_eq!((again["items"].as_u64(), again["levels"][0]["codes"].as_u64()), (Some(120), Some(16)));
    let skipped = |found: &Value| -> Vec<bool> {
        found["stages"].as_array().unwrap().iter().map(|stage| stage["skipped"] == true).collect()
    };
    assert_eq!(skipped(&again), [true, true]);
    args[0] = "run".into();
    assert_eq!(skipped(&json(&succeed(&args))), [true, true, false, false]);
    let report = String::from_utf8(bytes(&run.join("report/report.html"))).unwrap();
    assert!(report.contains("href=\"tokens.html\"") && run.join("report/tokens.html").is_file());
}

#[test]
fn the_report_has_the_agreed_keys_and_says_what_codes_mean() {
    let fixture = Fixture::new();
    let found = json(&succeed(["tokens", "report", &fixture.run, "--json"]));
    let levels = found["levels"].as_array().unwrap();
    assert_eq!(levels.len(), 3);
    for level in levels {
        assert_eq!(
            (level["codes"].as_u64(), level["used"].is_u64(), level["dead"].is_u64()),
            (Some(16), true, true)
        );
        assert!((0.0..=4.0).contains(&level["entropy_bits"].as_f64().unwrap()), "{level}");
    }
    let (unique, shared) =
        (found["unique_share"].as_f64().unwrap(), found["collision_share"].as_f64().unwrap());
    assert!((unique + shared - 1.0).abs() < 1e-12);
    assert!(found["reconstruction_error"].as_f64().unwrap() < 1.0);
    for near in ["content", "aligned"] {
        let found = &found["neighbours"][near];
        let share = |key: &str| found[key].as_f64().unwrap();
        assert!(share("prefix_of_nearest") > share("prefix_of_random"), "{near}: {found}");
    }
    let example = &found["examples"][0];
    assert!(example["items"].as_u64() > Some(1) && example["prefix"].as_array().unwrap().len() == 1);
    let text = example["texts"][0].as_str().unwrap();
    let said = succeed(["tokens", "report", &fixture.run]);
    let run = Path::new(&fixture.run);
    assert!(!run.join("report").exists(), "a stage's folder without a manifest");
    let page = String::from_utf8(bytes(&run.join("tokens.html"))).unwrap();
    assert!(said.contains("entropy, bits") && said.contains("what codes mean"), "{said}");
    assert!(page.ends_with("</html>\n") && page.contains("<svg"));
    for loaded in ["http:", "https:", "src=", "url(", "<script"] {
        assert!(!page.contains(loaded), "{loaded} loads something");
    }
    assert!(!text.is_empty());
}

#[test]
fn published_ids_stay_whatever_is_appended_later() {
    let fixture = Fixture::new();
    let (first, all) = (fixture.path("first.tsv"), fixture.path("all.tsv"));
    let items = fixture.items("first.csv", &["a", "b", "c"]);
    let found = json(&succeed(fixture.append(&items, &["--out", &first])));
    assert_eq!(
        (found["new"].as_u64(), found["known"].as_u64(), found["published"].as_u64()),
        (Some(3), Some(0), Some(123))
    );
    let before = bytes(&Path::new(&fixture.run).join("tokens/manifest.json"));

    let more = fixture.items("more.csv", &["d", "c", "b", "a", "e"]);
    let found = json(&succeed(fixture.append(&more, &["--out", &all])));
    assert_eq!(
        (found["new"].as_u64(), found["known"].as_u64(), found["moved"].as_u64()),
        (Some(2), Some(3), Some(0))
    );
    let (first, all) = (ids(&first), ids(&all));
    assert_eq!(all.len(), 5);
    assert!(first.iter().all(|item| all.contains(item)), "{first:?} {all:?}");
    assert!(first.iter().all(|(_, codes)| codes.split(' ').count() == 3));
    assert_eq!(
        before,
        bytes(&Path::new(&fixture.run).join("tokens/manifest.json")),
        "the stage is as it was"
    );

    // The texts of the catalogue give the ids of the catalogue.
    let dataset = semrank_data::Dataset::open(&fixture.data).unwrap();
    let mut rows = String::from("sku,title,description\n");
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    for item in 0..20 {
        let texts: Vec<String> =
            dataset.catalog.texts.iter().map(|column| quoted(&column.values[item])).collect();
        let _ = writeln!(rows, "twin-{item},{}", texts.join(","));
    }
    let twins = fixture.path("twins.csv");
    std::fs::write(&twins, rows).unwrap();
    let out = fixture.path("twins.tsv");
    succeed(fixture.append(&twins, &["--out", &out]));
    let known = fixture.path("known.csv");
    let names: Vec<&str> = dataset.catalog.ids.names().take(20).collect();
    let known_items: Vec<String> = names.iter().map(|name| format!("{name},new text,\n")).collect();
    std::fs::write(&known, format!("sku,title,description\n{}", known_items.concat())).unwrap();
    let known_out = fixture.path("known.tsv");
    succeed(fixture.append(&known, &["--out", &known_out]));
    let codes = |path: &str| ids(path).into_iter().map(|(_, codes)| codes).collect::<Vec<_>>();
    assert_eq!(codes(&out), codes(&known_out));
}

#[test]
fn a_first_use_that_was_killed_before_it_published_is_done_again() {
    let fixture = Fixture::new();
    let run = Path::new(&fixture.run);
    let (codebook, _) = Codebook::open(&run.join("tokens")).unwrap();
    Generation::create(&run.join("ids"), codebook, Collisions::Share).unwrap();
    let items = fixture.items("new.csv", &["a"]);
    assert_eq!(json(&succeed(fixture.append(&items, &[])))["published"], 121);
}

#[test]
fn an_item_gets_the_same_id_alone_and_among_others() {
    let (together, apart) = (Fixture::new(), Fixture::new());
    let names: Vec<String> = (0..40).map(|at| format!("new{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let out = together.path("together.tsv");
    succeed(together.append(&together.items("together.csv", &names), &["--out", &out]));
    let expected = ids(&out);
    assert_eq!(expected.len(), names.len());
    for (name, expected) in names.iter().zip(&expected).step_by(7) {
        let out = apart.path(&format!("{name}.tsv"));
        succeed(apart.append(&apart.items("apart.csv", &[name]), &["--out", &out]));
        assert_eq!(ids(&out), std::slice::from_ref(expected));
    }
}

#[test]
fn every_reassigned_id_has_one_item() {
    let fixture = Fixture::new();
    succeed(tokenize_args(&fixture.data, &fixture.run, &["tokens.collisions=reassign"]));
    let items = fixture.items("twins.csv", &["x", "y"]);
    let text = String::from_utf8(bytes(items.as_ref())).unwrap().replace("for y", "for x");
    std::fs::write(&items, text).unwrap();
    let out = fixture.path("twins.tsv");
    let found = json(&succeed(fixture.append(&items, &["--out", &out])));
    assert_eq!((found["new"].as_u64(), found["moved"].as_u64() > Some(0)), (Some(2), true));
    assert_ne!(ids(&out)[0].1, ids(&out)[1].1);
}

#[test]
fn the_next_generation_changes_less_when_aligned() {
    let fixture = Fixture::new();
    let (next, out) = (fixture.path("next"), fixture.path("generation"));
    let mut args = tokenize_args(&fixture.data, &next, &[]);
    args.extend(["--seed".into(), "2".into()]);
    succeed(args);
    let align = |run: &str, last: &str, out: &str| {
        json(&succeed(["tokens", "align", run, "--last", last, "--out", out, "--json"]))
    };
    let found = align(&next, &fixture.run, &out);
    let share = |key: &str, level: usize| found[key][level].as_f64().unwrap();
    assert_eq!((found["items"].as_u64(), found["generation"].as_u64()), (Some(120), Some(2)));
    assert_eq!(found["changed"].as_array().unwrap().len(), 3);
    assert!(share("changed", 0) < share("changed_before", 0), "{found}");
    let said = fail(["tokens", "align", &next, "--last", &fixture.run, "--out", &out]);
    assert!(said.contains("already exists") && said.contains("published ids never move"), "{said}");
    let same = align(&fixture.run, &fixture.path("run/ids"), &fixture.path("same"));
    assert_eq!(same["changed"], serde_json::json!([0.0, 0.0, 0.0]));

    // New items can join it.
    let items = fixture.items("new.csv", &["a"]);
    let append =
        ["tokens", "append", &next, "--generation", &out, "--items", &items, "--item-id", "sku", "--json"];
    assert_eq!(json(&succeed(append))["published"], 121);
}

#[test]
fn ids_of_others_are_measured_against_the_same_contents() {
    let fixture = Fixture::new();
    let dataset = semrank_data::Dataset::open(&fixture.data).unwrap();
    let mut rows = String::from("item0,codes,short\n");
    for (row, name) in dataset.catalog.ids.names().enumerate() {
        let _ = writeln!(rows, "{name},{} {},{}", row % 2, row % 3, if row == 7 { "1" } else { "1 2" });
    }
    let file = fixture.path("theirs.csv");
    std::fs::write(&file, rows).unwrap();
    let args =
        |column| ["tokens", "report", &fixture.run, "--ids", &file, "--item-id", "item0", "--column", column];
    let found = json(&succeed(args("codes").into_iter().chain(["--json"])));
    assert_eq!((found["levels"][0]["used"].as_u64(), found["prefixes"][1].as_u64()), (Some(2), Some(6)));
    assert!(found["neighbours"]["content"]["prefix_of_nearest"].is_number());
    assert!(found["neighbours"]["aligned"].is_null() && found["reconstruction_error"].is_null());
    let said = fail(args("short"));
    assert!(said.contains("is `1`, expected 2 codes from 0 to 65535"), "{said}");
    std::fs::write(&file, "item0,codes\nnobody,1 2\n").unwrap();
    let said = fail(args("codes"));
    assert!(said.contains("absent, as those of 120 of 120 items"), "{said}");
}
