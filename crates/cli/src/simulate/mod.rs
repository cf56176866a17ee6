//! `semrank simulate`: a seed in, the data set of a simulated market out.
//!
//! ```text
//! semrank simulate --out market                                        a log of choices
//! semrank simulate --out ads --impressions 1000000 --delays mixture    a raw log of impressions, and its truth
//! semrank simulate --impressions 60000 --against URL --experiment test.toml    its users against a server
//! ```

mod against;

use crate::config::ConfigArgs;
use crate::error::Error;
use crate::{import, interrupt, output};
use clap::Args;
use semrank_console::options::{Named, named};
use semrank_console::replace;
use semrank_data::ImportReport;
use semrank_sim::{AdMarket, AdMarketConfig, DelayFamily, Market};
use std::path::{Path, PathBuf};

/// `semrank simulate`.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Data set folder to make; it must not exist, or be empty.
    #[arg(long, value_name = "DATASET", required_unless_present = "against", conflicts_with = "against")]
    out: Option<PathBuf>,
    /// Same seed and sizes, same market [default: {market.seed}].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Number of users [default: {market.users}; with --impressions in proportion to them].
    #[arg(long, value_name = "N")]
    users: Option<usize>,
    /// Number of items, ads and organic together [default: {market.items}].
    #[arg(long, value_name = "N", conflicts_with = "impressions")]
    items: Option<usize>,
    /// Mean number of events of a user [default: {market.events_per_user}].
    #[arg(long, value_name = "N", conflicts_with = "impressions")]
    events_per_user: Option<f64>,
    #[command(flatten)]
    ads: AdArgs,
    #[command(flatten)]
    against: against::AgainstArgs,
    #[command(flatten)]
    settings: ConfigArgs,
    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Options of a market that logs impressions; all of them need `--impressions`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Impressions")]
struct AdArgs {
    /// Log about this many impressions of ads, with clicks, late conversions and organic views, and write the true
    /// probabilities to truth.parquet.
    #[arg(long, value_name = "N")]
    impressions: Option<usize>,
    /// Length of the log [default: {ads.days}].
    #[arg(long, value_name = "N", requires = "impressions")]
    days: Option<usize>,
    /// Number of advertisers [default: in proportion].
    #[arg(long, value_name = "N", requires = "impressions")]
    advertisers: Option<usize>,
    /// Number of ads over the whole log [default: in proportion].
    #[arg(long, value_name = "N", requires = "impressions")]
    ads: Option<usize>,
    /// Organic views as a share of organic views and impressions [default: {ads.organic_share}].
    #[arg(long, value_name = "SHARE", requires = "impressions")]
    organic_share: Option<f64>,
    /// Share of the items born after the log has begun [default: {ads.late_share}].
    #[arg(long, value_name = "SHARE", requires = "impressions")]
    late_share: Option<f64>,
    /// Clicks per impression [default: {ads.click_rate}].
    #[arg(long, value_name = "RATE", requires = "impressions")]
    click_rate: Option<f64>,
    /// Conversions per click [default: {ads.conversion_rate}].
    #[arg(long, value_name = "RATE", requires = "impressions")]
    conversion_rate: Option<f64>,
    /// Family of the conversion delays [default: {ads.delays}].
    #[arg(long, value_parser = named(DELAYS), value_name = "FAMILY", requires = "impressions")]
    delays: Option<DelayFamily>,
    /// Median conversion delay in days [default: {ads.delay_days}].
    #[arg(long, value_name = "DAYS", requires = "impressions")]
    delay_days: Option<f64>,
    /// Attribution window written to dataset.toml, in days [default: {ads.conversion_days}].
    #[arg(long, value_name = "DAYS", requires = "impressions")]
    conversion_days: Option<i64>,
    /// How sharply the logging policy follows its score; 0 shows ads at random [default: {ads.policy}].
    #[arg(long, value_name = "SHARPNESS", requires = "impressions")]
    policy: Option<f64>,
    /// Share of the rows that occur twice [default: {ads.duplicates}].
    #[arg(long, value_name = "SHARE", requires = "impressions")]
    duplicates: Option<f64>,
    /// Share of the rows that arrive late and out of order [default: {ads.disordered}].
    #[arg(long, value_name = "SHARE", requires = "impressions")]
    disordered: Option<f64>,
    /// Share of the users whose clock is wrong [default: {ads.skewed}].
    #[arg(long, value_name = "SHARE", requires = "impressions")]
    skewed: Option<f64>,
}

/// Values of `--delays`.
const DELAYS: &[Named<DelayFamily>] = &[
    ("lognormal", DelayFamily::LogNormal, "Log-normal, median and spread by advertiser"),
    ("mixture", DelayFamily::Mixture, "Some within hours, the others after days"),
    ("weibull", DelayFamily::Weibull, "Weibull, with a falling hazard"),
];

/// Runs the verb.
pub(crate) fn simulate(args: &SimulateArgs) -> Result<(), Error> {
    let report = match (&args.out, args.ads.impressions) {
        (Some(out), Some(impressions)) => {
            let market = impressions_market(args, impressions)?;
            AdMarket::write(market, out, Some(interrupt::requested)).map_err(|error| match error {
                semrank_sim::Error::Data(error) => Error::from(error),
                other => other.into(),
            })?
        }
        (Some(out), None) => choices(args, out)?,
        (None, impressions) => {
            let market = impressions_market(args, impressions.unwrap_or_default())?;
            return output::json(&against::play(&args.against, market)?);
        }
    };
    if args.json { output::json(&report) } else { output::text(&import::summary(&report)) }
}

fn choices(args: &SimulateArgs, out: &Path) -> Result<ImportReport, Error> {
    let mut config = args.settings.load()?.market;
    replace!(config, args => seed, users, items, events_per_user);
    Ok(Market::new(config)?.write(out)?)
}

fn impressions_market(args: &SimulateArgs, impressions: usize) -> Result<AdMarketConfig, Error> {
    let (_, given) = args.settings.sources().load_given()?;
    let mut config = given.over("ads", AdMarketConfig::sized(impressions))?;
    config.impressions = impressions;
    replace!(config, args => seed, users);
    replace!(
        config,
        args.ads => days, advertisers, ads, organic_share, late_share, click_rate, conversion_rate, delays,
        delay_days, conversion_days, policy, duplicates, disordered, skewed
    );
    Ok(config)
}
