//! Figures measured on public data (strict, leave-one-out, all items) and what it costs; each skips where the data set
//! is absent. Run the slow ones with `cargo test --release -p semrank-measure -- --ignored --nocapture published`.

use super::*;
use crate::ranking::{Protocol, RankOptions, ResultRow, Scorer, rank};
use semrank_core::{narrow, segments};
use semrank_data::{
    FitScope, Split, SplitKind,
    import::{Format, Mapping, Options, import},
};
use semrank_embed::hash::{FeatureSettings, build};
use std::path::PathBuf;
use std::time::Instant;

/// Imports `items` (with the text columns `text`) and `events` of a folder; none, and a message, where it is absent.
fn load(folder: &str, events: &str, items: &str, text: &[&str]) -> Option<Dataset> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = std::env::var_os("SEMRANK_DATA").map_or_else(|| beside.into(), PathBuf::from);
    let folder = root.join(folder);
    if !folder.is_dir() {
        println!("skipped: no data ({})", folder.display());
        return None;
    }
    let out = tempfile::tempdir().unwrap();
    let text = text.iter().map(ToString::to_string).collect();
    import(&Options {
        format: Format::S3rec,
        events: folder.join(events),
        items: (!items.is_empty()).then(|| folder.join(items)),
        out: out.path().join("set"),
        mapping: Mapping { item_id: Some("item".into()), text: Some(text), ..Mapping::default() },
        ..Options::default()
    })
    .unwrap();
    Some(Dataset::open(&out.path().join("set")).unwrap())
}

fn leave_one_out(dataset: &Dataset) -> Split {
    Split::new(dataset, SplitKind::LeaveOneOut).unwrap()
}

fn strict(dataset: &Dataset, split: &Split, scorer: &dyn Scorer) -> ResultRow {
    let items = dataset.catalog.len();
    let ranking = rank(scorer, &dataset.events, items, &split.test, RankOptions::default()).unwrap();
    let segments = segments(FitScope::of_split(dataset, split).counts(), |item| {
        dataset.catalog.name(ItemId(narrow::index(item)))
    });
    ResultRow::new(scorer.name(), Protocol::Strict, &ranking.strict.ranks, &split.test, &segments)
}

/// The published chain leaves transitions of one count in arbitrary order; popularity orders them here, which brings
/// up to .003 of Recall@10 (Beauty: .0623 in order of first appearance, .0656 by popularity).
#[track_caller]
fn check(row: &ResultRow, recall_10: f64, ndcg_10: Option<f64>) {
    let (recall, ndcg) = (row.all.recall_10, row.all.ndcg_10);
    println!("{}: R@10 {recall:.4} N@10 {ndcg:.4}, published {recall_10} {ndcg_10:?}", row.name);
    assert!((-0.002..0.004).contains(&(recall - recall_10)), "{row:?}");
    assert!(ndcg_10.is_none_or(|published| (ndcg - published).abs() <= 0.002), "{row:?}");
}

/// Recall@10 and, where it is published, NDCG@10.
type Published = (f64, Option<f64>);

fn check_popularity_and_markov(folder: &str, sequences: &str, popularity: Published, markov: Published) {
    let Some(dataset) = load(folder, sequences, "", &[]) else { return };
    let split = leave_one_out(&dataset);
    let scope = FitScope::of_split(&dataset, &split);
    check(&strict(&dataset, &split, &Popularity::fit(&scope)), popularity.0, popularity.1);
    check(&strict(&dataset, &split, &Markov::fit(&dataset, &scope)), markov.0, markov.1);
}

#[test]
fn lastfm() {
    check_popularity_and_markov("lastfm-s3rec", "LastFM.txt", (0.0385, None), (0.0404, None));
}

#[test]
fn scientific() {
    check_popularity_and_markov(
        "amazon2018-scientific",
        "sequences.txt",
        (0.0245, None),
        (0.0871, Some(0.0667)),
    );
}

#[test]
#[ignore = "seconds"]
fn beauty() {
    check_popularity_and_markov(
        "amazon2014/beauty",
        "sequences.txt",
        (0.0115, Some(0.0055)),
        (0.0628, Some(0.0422)),
    );
}

#[test]
#[ignore = "seconds"]
fn sports() {
    check_popularity_and_markov(
        "amazon2014/sports",
        "sequences.txt",
        (0.0091, Some(0.0052)),
        (0.0341, Some(0.0223)),
    );
}

#[test]
#[ignore = "seconds"]
fn texts_of_the_last_items() {
    let pieces = ["text", "keyword_pieces"].as_slice();
    for (folder, items, text, recall, ndcg) in [
        ("amazon2014/beauty", "items.tsv", pieces, 0.0675, 0.0380),
        ("amazon2014/sports", "items.tsv", pieces, 0.0337, 0.0179),
        ("amazon2018-scientific", "items.parquet", &["title"], 0.1033, 0.0656),
    ] {
        let Some(dataset) = load(folder, "sequences.txt", items, text) else { continue };
        let split = leave_one_out(&dataset);
        let scope = FitScope::of_split(&dataset, &split);
        let words = FeatureSettings::default();
        check(
            &strict(&dataset, &split, &SimilarText::fit(&dataset, &scope, &words, true)),
            recall,
            Some(ndcg),
        );
    }
}

/// Beauty, 12,101 items and 22,363 users: features in under 2 s, an evaluation in about 1 s on 2 threads.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let Some(dataset) = load("amazon2014/beauty", "sequences.txt", "items.tsv", &["text"]) else { return };
    let split = leave_one_out(&dataset);
    let scope = FitScope::of_split(&dataset, &split);
    let start = Instant::now();
    let features = build(&dataset.catalog, scope.known(), &FeatureSettings::default(), 1).unwrap();
    println!("features: {:?}, {}", start.elapsed(), features.fingerprint);
    let popularity = Popularity::fit(&scope);
    for list in [0, 50] {
        let start = Instant::now();
        rank(&popularity, &dataset.events, dataset.catalog.len(), &split.test, RankOptions { list }).unwrap();
        println!("evaluation with lists of {list}: {:?}", start.elapsed());
    }
}
