//! `semrank finetune`: fine-tunes an encoder on the co-engagement pairs or clicks of a data set.
//!
//! ```text
//! semrank finetune --data shop --encoder bert:models/minilm --out models/shop
//! semrank run --data shop --out run --set content.encoder=bert:models/shop
//! ```
//!
//! Only training histories are used; one user in ten is held out to measure the loss before and after, and how often the
//! next item (that of validation) is near to the user's interests. The folder has Hugging Face layout: other tools load it
//! too (`docs/load_finetuned.py`); `finetune.json` in it records its inputs.

use crate::config::ConfigArgs;
use crate::error::Error;
use crate::output;
use crate::progress::Console;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use semrank_console::options::{Named, named};
use semrank_console::shell;
use semrank_core::counted;
use semrank_embed::{FinetuneSettings, Losses};
use semrank_pipeline::{Finetune, Finetuned, Objective};
use semrank_sequence::InterestRecall;
use semrank_store::resources;
use serde::Serialize;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Values of `--objective`.
const OBJECTIVES: &[Named<Objective>] = &[
    (
        "co-engagement",
        Objective::CoEngagement,
        "Contrastive: items engaged with soon after each other get near vectors",
    ),
    ("click", Objective::Click, "Logistic: predict the next engaged item from the texts of the ones before"),
];

/// `semrank finetune`.
#[derive(Debug, Args)]
pub(crate) struct FinetuneArgs {
    /// Data set folder.
    #[arg(long, value_name = "DATASET")]
    data: PathBuf,
    /// The encoder to begin with: `bert:PATH` or `llama:PATH`.
    #[arg(long, value_name = "NAME")]
    encoder: String,
    /// Folder to write the encoder to.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// What it is trained for.
    #[arg(long, value_name = "NAME", value_parser = named(OBJECTIVES), default_value = "co-engagement")]
    objective: Objective,
    /// Last layers that are trained.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = at_least(1))]
    layers: usize,
    /// Passes over the pairs, or the engagements.
    #[arg(long, value_name = "N", default_value_t = FinetuneSettings::default().epochs)]
    epochs: usize,
    /// Most steps.
    #[arg(long, value_name = "N", default_value_t = FinetuneSettings::default().max_steps)]
    steps: u64,
    /// Peak learning rate.
    #[arg(long, value_name = "RATE", default_value_t = FinetuneSettings::default().rate)]
    rate: f64,
    /// Pairs or engagements per step.
    #[arg(long, value_name = "N", default_value_t = FinetuneSettings::default().batch)]
    batch: usize,
    /// Longest text in training, in tokens.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least(3))]
    max_tokens: usize,
    #[command(flatten)]
    settings: ConfigArgs,
    /// Seed of every random choice.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn at_least(least: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..)
}

/// What `--json` prints.
#[derive(Serialize)]
struct Summary<'a> {
    out: &'a Path,
    #[serde(flatten)]
    found: &'a Finetuned,
    cost: Cost,
}

#[derive(Serialize)]
struct Cost {
    wall_seconds: f64,
    cpu_seconds: Option<f64>,
    peak_rss_mb: Option<f64>,
}

/// Fine-tunes and writes the encoder.
pub(crate) fn run(args: &FinetuneArgs, console: &Console) -> Result<(), Error> {
    let started = Instant::now();
    let config = args.settings.load()?;
    let FinetuneArgs { epochs, rate, batch, steps: max_steps, layers, max_tokens, seed, .. } = *args;
    let settings = FinetuneSettings { epochs, rate, batch, max_steps, ..FinetuneSettings::default() };
    let (data, encoder, out) = (args.data.as_path(), args.encoder.as_str(), args.out.as_path());
    let objective = args.objective;
    let asked = Finetune { data, encoder, out, objective, layers, max_tokens, settings, seed };
    let found = asked.run(config, &console.context())?;
    let wall_seconds = started.elapsed().as_secs_f64();
    let (cpu_seconds, peak_rss_mb) = (resources::cpu_seconds(), resources::peak_rss_mib());
    if args.json {
        let cost = Cost { wall_seconds, cpu_seconds, peak_rss_mb };
        return output::json(&Summary { out, found: &found, cost });
    }
    let kind = encoder.split(':').next().unwrap_or(encoder);
    let mut encoder = OsString::from(format!("content.encoder={kind}:"));
    encoder.push(out);
    let next = ["semrank", "run", "--data"].map(OsStr::new).into_iter().chain([data.as_os_str()]);
    let next = next.chain(["--out", "RUN", "--set"].map(OsStr::new)).chain([encoder.as_os_str()]);
    output::text(&format!(
        "{}{wall_seconds:.1} s\nencoder: {}\nnext:    {}\n",
        text(&found),
        out.display(),
        shell::command(next)
    ))
}

fn text(found: &Finetuned) -> String {
    let Losses { before, after, steps } = found.losses;
    let steps = counted(steps, "step", "steps");
    let loss = if found.objective == Objective::Click { "logistic" } else { "contrastive" };
    let mut out = match found.held_out {
        0 => format!("{steps}; no held-out user has enough events to measure by\n"),
        _ => {
            format!("{loss} loss of held-out users: {before:.4} before, {after:.4} after {steps}\n")
        }
    };
    out += &format!(
        "recall of the next new item of {}\n  {:<12} {:>17} {:>17}\n",
        counted(found.recall_after.first().map_or(0, |one| one.users), "held-out user", "held-out users"),
        "",
        "before @10   @50",
        "after @10   @50"
    );
    for (before, after) in found.recall_before.iter().zip(&found.recall_after) {
        let name = match after.interests {
            None => "mean".to_owned(),
            Some(1) => "1 interest".to_owned(),
            Some(k) => format!("{k} interests"),
        };
        let pair = |one: &InterestRecall| format!("{:.4} {:.4}", one.recall_10, one.recall_50);
        out += &format!("  {name:<12} {:>17} {:>17}\n", pair(before), pair(after));
    }
    out
}
