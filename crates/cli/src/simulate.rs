//! `semrank simulate`: a seed in, the data set of a simulated market out.

use crate::error::Error;
use crate::{import, output};
use clap::Args;
use semrank_sim::{Market, MarketConfig};
use std::path::PathBuf;

/// `semrank simulate`.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Data set folder to make; it must not exist, or be empty.
    #[arg(long, value_name = "DATASET")]
    out: PathBuf,
    /// Same seed and sizes, same market.
    #[arg(long, value_name = "N", default_value_t = MarketConfig::default().seed)]
    seed: u64,
    /// Number of users.
    #[arg(long, value_name = "N", default_value_t = MarketConfig::default().users)]
    users: usize,
    /// Number of items, ads and organic together.
    #[arg(long, value_name = "N", default_value_t = MarketConfig::default().items)]
    items: usize,
    /// Mean number of events of a user.
    #[arg(long, value_name = "N", default_value_t = MarketConfig::default().events_per_user)]
    events_per_user: f64,
    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Simulates what the arguments say.
pub(crate) fn simulate(args: &SimulateArgs) -> Result<(), Error> {
    let SimulateArgs { seed, users, items, events_per_user, .. } = *args;
    let market =
        Market::new(MarketConfig { seed, users, items, events_per_user, ..MarketConfig::default() })?;
    let report = market.write(&args.out)?;
    if args.json { output::json(&report) } else { output::text(&import::summary(&report)) }
}
