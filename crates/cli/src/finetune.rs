//! `semrank finetune`: a data set and an encoder in, an encoder that knows what people take together out.
//!
//! ```text
//! semrank finetune --data shop --encoder bert:models/minilm --out models/shop
//! semrank run --data shop --out run --set content.encoder=bert:models/shop
//! ```
//!
//! Pairs come from training histories only. The folder has Hugging Face layout: other tools load it too
//! (`docs/load_finetuned.py`).

use crate::config::{Config, ConfigArgs};
use crate::error::Error;
use crate::output::{self, note};
use crate::resources;
use crate::run::Data;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use semrank_core::UserId;
use semrank_data::StagedDir;
use semrank_embed::{Kept, Spec, Trainable};
use semrank_model::{FinetuneSettings, Losses, TextLayers, TrainingData, finetune};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// One in so many users only measures.
const HELD_OUT: usize = 10;
/// Steps between two lines of progress.
const SHOWN: u64 = 25;

/// `semrank finetune`.
#[derive(Debug, Args)]
pub(crate) struct FinetuneArgs {
    /// Data set folder.
    #[arg(long, value_name = "DATASET")]
    data: PathBuf,
    /// The encoder to begin with: `bert:PATH`.
    #[arg(long, value_name = "NAME")]
    encoder: String,
    /// Folder to write the encoder to.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Last layers that are trained.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = at_least(1))]
    layers: usize,
    /// Passes over the pairs.
    #[arg(long, value_name = "N", default_value_t = FinetuneSettings::default().epochs, value_parser = at_least(1))]
    epochs: usize,
    /// Most steps.
    #[arg(long, value_name = "N", default_value_t = FinetuneSettings::default().max_steps, value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
    /// Peak learning rate.
    #[arg(long, value_name = "RATE", default_value_t = FinetuneSettings::default().rate, value_parser = rate)]
    rate: f64,
    /// Pairs a step.
    #[arg(long, value_name = "N", default_value_t = FinetuneSettings::default().batch, value_parser = at_least(2))]
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

fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|&rate: &f64| rate > 0.0 && rate.is_finite());
    number.ok_or_else(|| "a number above 0 is needed".into())
}

/// What `--json` prints.
#[derive(Serialize)]
struct Summary<'a> {
    out: &'a Path,
    pairs: usize,
    held_out_pairs: usize,
    #[serde(flatten)]
    losses: Losses,
    wall_seconds: f64,
    cpu_seconds: Option<f64>,
    peak_rss_mb: Option<f64>,
}

/// Fine-tunes and writes the encoder.
pub(crate) fn run(args: &FinetuneArgs) -> Result<(), Error> {
    let started = Instant::now();
    let config = Config::load(&args.settings)?;
    let spec = Spec::parse(&args.encoder)?;
    if spec.kind() != "bert" {
        return Err(spec.error("only bert: can be fine-tuned and written as a folder").into());
    }
    if args.out.exists() && !args.out.join("config.json").is_file() {
        return Err(Error::Occupied { path: args.out.clone(), expected: "model folder" });
    }
    let data = Data::open(&args.data, &config)?;
    let [pairs, held] = pairs(&data, config.align.gap);
    if pairs.is_empty() || !data.has_text() {
        let what = "no two items with texts that a user took one soon after the other";
        return Err(Error::TooSmall { dataset: data.dataset.meta.name.clone(), what });
    }
    let encoder = Trainable::open(&args.encoder, Some(args.layers), args.max_tokens)?;
    note(&format!("finetune: {} pairs of items, {} held out", pairs.len(), held.len()));
    let catalog = &data.dataset.catalog;
    let kept = Kept::make(&encoder, catalog, config.content.kept_bytes, &config.content.cache_dir())?;
    let mut layers = TextLayers { encoder, kept };
    let FinetuneArgs { epochs, rate, batch, steps: max_steps, .. } = *args;
    let settings = FinetuneSettings { epochs, rate, batch, max_steps, ..FinetuneSettings::default() };
    let say = |step: u64, loss: f64| {
        if step.is_multiple_of(SHOWN) {
            note(&format!("finetune: step {step}, loss {loss:.3}"));
        }
    };
    let losses = finetune(&mut layers, catalog.len(), (&pairs, &held), &settings, args.seed, say)?;
    let staged = StagedDir::new(&args.out)?;
    layers.encoder.write(staged.path())?;
    staged.commit()?;
    let (out, wall_seconds) = (args.out.as_path(), started.elapsed().as_secs_f64());
    if args.json {
        let (cpu_seconds, peak_rss_mb) = (resources::cpu_seconds(), resources::peak_rss_mib());
        let (pairs, held_out_pairs) = (pairs.len(), held.len());
        return output::json(&Summary {
            out,
            pairs,
            held_out_pairs,
            losses,
            wall_seconds,
            cpu_seconds,
            peak_rss_mb,
        });
    }
    let Losses { before, after, steps } = losses;
    output::text(&format!(
        "contrastive loss of held-out users: {before:.4} before, {after:.4} after {steps} steps\n{wall_seconds:.1} s\n\
         encoder: {out}\nnext:    semrank run --data {data} --out RUN --set content.encoder=bert:{out}\n",
        out = out.display(),
        data = args.data.display()
    ))
}

/// Pairs of items to learn from, and those of users that only measure.
fn pairs(data: &Data, gap: usize) -> [Vec<[u32; 2]>; 2] {
    let all = data.training(&[], None);
    [false, true].map(|held| {
        let ends: Vec<usize> = (0..all.train_ends.len())
            .map(|user| match (user % HELD_OUT == 0) == held {
                true => all.train_ends[user],
                false => all.events.range(UserId(user as u32)).start,
            })
            .collect();
        TrainingData { train_ends: &ends, ..all }.pairs(gap)
    })
}
