//! A small market, and settings of a quick training.
#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use semrank_pipeline::config::{Config, Sources};
use semrank_pipeline::{Context, Data, Run};
use semrank_sim::{Market, MarketConfig};
use std::path::{Path, PathBuf};

/// A small market's data set.
pub(crate) fn market(dir: &Path) -> PathBuf {
    market_of(dir, 120)
}

/// The same of so many users.
pub(crate) fn market_of(dir: &Path, users: usize) -> PathBuf {
    let config = MarketConfig { users, items: 100, events_per_user: 10.0, ..MarketConfig::default() };
    let out = dir.join("market");
    Market::new(config).unwrap().write(&out).unwrap();
    out
}

/// Settings of a quick training.
pub(crate) fn quick() -> Config {
    let set = ["train.epochs=2", "train.min_steps=0", "train.negatives=16", "train.batch=64", "model.dim=8"];
    let more = ["features.dim=8", "features.buckets=16384", "blend.alphas=[0, 8]", "tokens.codes=8"];
    Sources { file: None, set: set.iter().chain(&more).map(|set| (*set).to_owned()).collect() }
        .load()
        .unwrap()
}

/// A run on a data set, with nothing made yet.
pub(crate) fn create(data: &Path, out: &Path) -> Run {
    let config = quick();
    Run::create(out, Data::open(data, &config).unwrap(), config, 1).unwrap()
}

/// A trained run at `dir/run`.
pub(crate) fn trained(dir: &Path) -> Run {
    let run = create(&market(dir), &dir.join("run"));
    run.make_content(&Context::default()).unwrap();
    run.make_model(false, &Context::default()).unwrap();
    run
}
