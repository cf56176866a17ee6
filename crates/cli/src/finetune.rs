//! `semrank finetune`: a data set and an encoder in, an encoder that knows what people take together out.
//!
//! ```text
//! semrank finetune --data shop --encoder bert:models/minilm --out models/shop
//! semrank run --data shop --out run --set content.encoder=bert:models/shop
//! ```
//!
//! It learns from training histories only, and one user in ten only measures: the loss before and after, and how often the
//! next item (that of validation) is near to the user's interests. The folder has Hugging Face layout: other tools load it
//! too (`docs/load_finetuned.py`); `finetune.json` in it tells what it was made from.

use crate::config::{Config, ConfigArgs, Task};
use crate::error::Error;
use crate::output::{self, note};
use crate::run::{Data, write_json};
use crate::{interrupt, resources, shell};
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use semrank_core::{ItemId, UserId, narrow};
use semrank_store::StagedDir;
use semrank_embed::{Error as EmbedError, Kept, Spec, Trainable};
use semrank_model::{
    FinetuneSettings, InterestRecall, Losses, TextLayers, TrainingData, UnitVectors, engagements, finetune,
    finetune_clicks, interest_recall, vectors_of,
};
use serde::Serialize;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// One in so many users only measures.
const HELD_OUT: usize = 10;
/// Steps between two lines of progress.
const SHOWN: u64 = 25;
/// Numbers of interests whose recall is measured.
const INTERESTS: [usize; 3] = [1, 3, 5];
/// In a folder of ours.
const FACTS: &str = "finetune.json";

/// What an encoder is trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Objective {
    /// Items that people take soon after each other come near.
    CoEngagement,
    /// The next engaged item is told from the texts of the ones before.
    Click,
}

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
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Objective::CoEngagement)]
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
    /// Pairs or engagements a step.
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

/// What `--json` prints; without cost also what `finetune.json` holds.
#[derive(Serialize)]
struct Summary<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<&'a Path>,
    encoder: &'a str,
    dataset: &'a str,
    objective: Objective,
    layers: usize,
    seed: u64,
    /// Pairs or engagements.
    learned: usize,
    held_out: usize,
    #[serde(flatten)]
    losses: Losses,
    recall_before: &'a [InterestRecall],
    recall_after: &'a [InterestRecall],
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
}

#[derive(Serialize)]
struct Cost {
    wall_seconds: f64,
    cpu_seconds: Option<f64>,
    peak_rss_mb: Option<f64>,
}

/// Fine-tunes and writes the encoder.
pub(crate) fn run(args: &FinetuneArgs) -> Result<(), Error> {
    let started = Instant::now();
    let mut config = Config::load(&args.settings)?;
    let FinetuneArgs { epochs, rate, batch, steps: max_steps, .. } = *args;
    let settings = FinetuneSettings { epochs, rate, batch, max_steps, ..FinetuneSettings::default() };
    settings.check_ranges()?;
    let spec = Spec::parse(&args.encoder)?;
    if !Trainable::is_possible(&args.encoder) {
        return Err(spec.error("only bert: and llama: can be fine-tuned").into());
    }
    if args.out.exists() && !args.out.join(FACTS).is_file() {
        return Err(Error::Occupied { path: args.out.clone(), expected: "folder of a fine-tuned encoder" });
    }
    if config.task == Task::Retrieval && semrank_data::Examples::exist(&args.data) {
        // The encoder may go into a model of clicks: it must not know more than that may.
        config.task = Task::Ctr;
        note("finetune: learns of events before the first labelled row that is not for training");
    }
    let data = Data::open(&args.data, &config)?;
    let dataset = data.dataset.meta.name.as_str();
    let nothing = |what| Error::NothingToLearn { dataset: dataset.to_owned(), what };
    if !data.has_text() {
        return Err(nothing("no item with a text"));
    }
    let examples = Examples::of(&data, args.objective, config.align.gap);
    let [learned, held_out] = examples.counts();
    if learned == 0 {
        return Err(nothing("no user with two training events of the target action on different items"));
    }
    let encoder = Trainable::open(&args.encoder, Some(args.layers), args.max_tokens)?;
    encoder.notes().iter().for_each(|remark| note(&format!("finetune: {remark}")));
    note(&format!("finetune: {learned} {} to learn from, {held_out} held out", examples.name()));
    let catalog = &data.dataset.catalog;
    let kept = Kept::make(&encoder, catalog, config.content.kept_bytes, &config.content.cache_dir())?;
    let mut layers = TextLayers { encoder, kept };
    let recall_before = recall(&layers, &data, args.seed)?;
    let losses = examples.train(&mut layers, &data, &settings, args.seed)?;
    let recall_after = recall(&layers, &data, args.seed)?;
    let mut summary = Summary {
        out: None,
        encoder: &args.encoder,
        dataset,
        objective: args.objective,
        layers: args.layers,
        seed: args.seed,
        learned,
        held_out,
        losses,
        recall_before: &recall_before,
        recall_after: &recall_after,
        cost: None,
    };
    let staged = StagedDir::new(&args.out)?;
    layers.encoder.write(staged.path())?;
    write_json(&staged.path().join(FACTS), &summary)?;
    interrupt::check()?;
    staged.commit()?;
    let wall_seconds = started.elapsed().as_secs_f64();
    let (cpu_seconds, peak_rss_mb) = (resources::cpu_seconds(), resources::peak_rss_mib());
    summary.out = Some(&args.out);
    summary.cost = Some(Cost { wall_seconds, cpu_seconds, peak_rss_mb });
    if args.json {
        return output::json(&summary);
    }
    let mut encoder = OsString::from(format!("content.encoder={}:", spec.kind()));
    encoder.push(&args.out);
    let data = args.data.as_os_str();
    let next = ["semrank", "run", "--data"].map(OsStr::new).into_iter().chain([data]);
    let next = next.chain(["--out", "RUN", "--set"].map(OsStr::new)).chain([encoder.as_os_str()]);
    output::text(&format!(
        "{}{wall_seconds:.1} s\nencoder: {}\nnext:    {}\n",
        summary.text(),
        args.out.display(),
        shell::command(next)
    ))
}

impl Summary<'_> {
    fn text(&self) -> String {
        let Losses { before, after, steps } = self.losses;
        let loss = if self.objective == Objective::Click { "logistic" } else { "contrastive" };
        let mut out = match self.held_out {
            0 => format!("{steps} steps; no user of those held out has anything to measure by\n"),
            _ => {
                format!("{loss} loss of held-out users: {before:.4} before, {after:.4} after {steps} steps\n")
            }
        };
        out += &format!(
            "recall of the next new item of {} held-out users\n  {:<12} {:>17} {:>17}\n",
            self.recall_after.first().map_or(0, |one| one.users),
            "",
            "before @10   @50",
            "after @10   @50"
        );
        for (before, after) in self.recall_before.iter().zip(self.recall_after) {
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
}

/// What is learned from, and that of held-out users.
enum Examples {
    Pairs([Vec<[u32; 2]>; 2]),
    Engagements([Vec<semrank_model::Engagement>; 2]),
}

impl Examples {
    fn of(data: &Data, objective: Objective, gap: usize) -> Self {
        let all = data.training(&[], None);
        let ends = [false, true].map(|held| {
            let end = |user: usize| match is_held_out(user) == held {
                true => all.train_ends[user],
                false => all.events.range(UserId(narrow::index(user))).start,
            };
            (0..all.train_ends.len()).map(end).collect::<Vec<usize>>()
        });
        let parts = ends.each_ref().map(|ends| TrainingData { train_ends: ends, ..all });
        match objective {
            Objective::CoEngagement => Examples::Pairs(parts.map(|part| part.pairs(gap))),
            Objective::Click => Examples::Engagements(parts.map(|part| engagements(&part))),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Examples::Pairs(_) => "pairs of items",
            Examples::Engagements(_) => "engagements",
        }
    }

    fn counts(&self) -> [usize; 2] {
        match self {
            Examples::Pairs(parts) => parts.each_ref().map(Vec::len),
            Examples::Engagements(parts) => parts.each_ref().map(Vec::len),
        }
    }

    fn train(
        &self,
        layers: &mut TextLayers,
        data: &Data,
        settings: &FinetuneSettings,
        seed: u64,
    ) -> Result<Losses, Error> {
        let say = |step: u64, loss: f64| {
            if step.is_multiple_of(SHOWN) {
                note(&format!("finetune: step {step}, loss {loss:.3}"));
            }
            if interrupt::requested() { Err(EmbedError::Stopped) } else { Ok(()) }
        };
        let trained = match self {
            Examples::Pairs([learned, held]) => {
                finetune(layers, data.dataset.catalog.len(), (learned, held), settings, seed, say)
            }
            Examples::Engagements([learned, held]) => {
                finetune_clicks(layers, &data.training(&[], None), (learned, held), settings, seed, say)
            }
        };
        trained.map_err(|error| match error {
            EmbedError::Stopped => Error::Interrupted { resume: None },
            other => other.into(),
        })
    }
}

fn is_held_out(user: usize) -> bool {
    user.is_multiple_of(HELD_OUT)
}

/// How often the validation items of held-out users are near to their interests, and to the mean of their histories.
fn recall(layers: &TextLayers, data: &Data, seed: u64) -> Result<Vec<InterestRecall>, Error> {
    interrupt::check()?;
    let all: Vec<u32> = narrow::indices(data.dataset.catalog.len()).collect();
    let width = layers.encoder.width();
    let vectors = UnitVectors::new(&vectors_of(layers, &all)?, width);
    interrupt::check()?;
    let cases = data.split.validation.iter().filter(|case| is_held_out(case.user.index()));
    let cases: Vec<(Vec<ItemId>, ItemId)> =
        cases.map(|case| (data.engaged(case.user, case.end), case.target)).collect();
    let cases: Vec<(&[ItemId], ItemId)> =
        cases.iter().map(|(history, target)| (history.as_slice(), *target)).collect();
    Ok(interest_recall(&vectors, &cases, &INTERESTS, seed))
}
