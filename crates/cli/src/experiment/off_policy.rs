//! `semrank experiment off-policy`: what other policies would have earned, from the log of a server that explored.

use crate::error::Error;
use crate::log_url::log_url;
use crate::output;
use crate::progress::Console;
use clap::Args;
use semrank_pipeline::Run;
use semrank_serve::{OffPolicySettings, ServiceSettings, off_policy as estimate};
use std::path::PathBuf;

/// `semrank experiment off-policy`.
#[derive(Debug, Args)]
pub(super) struct OffPolicyArgs {
    /// The state of a server that has stopped and was started with --explore.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The log of that server, where it is not in its state.
    #[arg(long, value_name = "URL")]
    log: Option<String>,
    /// A run of the same data set: what it makes of the items from which lists were drawn.
    #[arg(long, value_name = "RUN")]
    run: Option<PathBuf>,
    /// A run of clicks or conversions behind that run.
    #[arg(long, value_name = "RUN", requires = "run")]
    clicks: Option<PathBuf>,
    /// The action that is a reward.
    #[arg(long, value_name = "ACTION", default_value = "click")]
    reward: String,
    /// Hours after a list within which a reward counts; younger lists are left out.
    #[arg(long, value_name = "H")]
    within_hours: Option<u32>,
    /// A further policy: a softmax of the log's scores at this temperature; may be repeated.
    #[arg(long, value_name = "T")]
    temperature: Vec<f64>,
    /// Only lists that were drawn, with their probabilities given that.
    #[arg(long)]
    only_drawn: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints what policies would have earned.
pub(super) fn off_policy(args: &OffPolicyArgs, console: &Console) -> Result<(), Error> {
    let mut settings = ServiceSettings::new(&args.state).with_log(log_url(args.log.as_ref())?);
    settings.clicks.clone_from(&args.clicks);
    let asked = OffPolicySettings {
        reward: args.reward.clone(),
        only_drawn: args.only_drawn,
        within_ms: args.within_hours.map(|hours| i64::from(hours) * 3_600_000),
        temperatures: args.temperature.clone(),
    };
    let run = args.run.as_deref().map(Run::open).transpose()?;
    let found = estimate(run, &settings, &asked, &console.context()).map_err(Error::OffPolicy)?;
    if args.json { output::json(&found) } else { output::text(&found.to_string()) }
}
