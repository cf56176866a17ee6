//! Offline is online: on Amazon Beauty and on a simulated ad market, the state of each of 1,000 users, built event by event, has the scores
//! that the evaluation gives, to the bit. Takes minutes, and Beauty reads `../shared/data`:
//! `cargo test --release --workspace --test served -- --ignored`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use semrank_core::{ItemId, UserId, narrow};
use semrank_measure::ranking::Scorer;
use semrank_pipeline::config::Config;
use semrank_pipeline::{Context, Data, Run};
use semrank_sim::{Market, MarketConfig};
use std::path::Path;
use std::process::Command;

const USERS: u32 = 1_000;

#[test]
#[ignore = "imports and trains Amazon Beauty"]
fn a_state_built_event_by_event_scores_as_the_evaluation_does() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/amazon2014/beauty");
    if !source.is_dir() {
        println!("skipped: {} is absent", source.display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/semrank");
    let done = Command::new(program)
        .args(["import", "--format", "s3rec", "--item-id", "item", "--text", "text", "--items"])
        .arg(source.join("items.tsv"))
        .arg("--events")
        .arg(source.join("sequences.txt"))
        .arg("--out")
        .arg(&data)
        .status()
        .unwrap();
    assert!(done.success(), "build the program first: cargo build --release");
    check(dir.path(), &data);
}

/// Ads and organic items, views, clicks and conversions, with times.
#[test]
#[ignore = "trains a market of 1,500 items"]
fn so_does_one_of_an_ad_market() {
    let dir = tempfile::tempdir().unwrap();
    let config = MarketConfig { users: USERS as usize + 200, items: 1_500, ..MarketConfig::default() };
    let data = dir.path().join("data");
    Market::new(config).unwrap().write(&data).unwrap();
    check(dir.path(), &data);
}

fn check(dir: &Path, data: &Path) {
    let mut config = Config::default();
    config.train.epochs = 2;
    let data = Data::open(data, &config).unwrap();
    let run = Run::create(&dir.join("run"), data, config, 1).unwrap();
    let context = Context::default();
    run.make_content(&context).unwrap();
    let view = run.make_model(false, &context).unwrap();
    let (servable, events) = (view.servable(), &view.data.dataset.events);
    let items: Vec<ItemId> = narrow::indices(servable.items()).map(ItemId).collect();
    let (mut whole, mut online) = (vec![0.0; items.len()], vec![0.0; items.len()]);
    for user in (0..USERS).map(UserId) {
        let mut state = Default::default();
        events.range(user).for_each(|at| servable.push(&mut state, events.event(at)));
        servable.score_items(&state, &items, &mut online);
        servable.score(&[events.of(user)], &mut whole);
        let same = whole.iter().zip(&online).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same, "user row {}", user.0);
    }
}
