//! `semrank embed`: texts in, a file of vectors out, without a data set or for one.
//!
//! ```text
//! semrank embed --items ads.csv --item-id sku --text title,brand --encoder bert:models/minilm --out vectors.parquet
//! semrank embed --data beauty --encoder hash: --encoder static:table --out vectors.tsv --json
//! semrank embed --items ads.csv --encoder 'hash:?output=sparse' --out tokens.tsv
//! semrank embed distill --encoder bert:models/minilm --out models/minilm-static
//! ```

use crate::config::ConfigArgs;
use crate::embed_help::examples_and_encoders;
use crate::error::Error;
use crate::export::{self, ExportArgs};
use crate::output::{self, note};
use crate::progress::Console;
use clap::{Args, Subcommand};
use semrank_console::shell;
use semrank_core::{Catalog, counted};
use semrank_data::{Dataset, import::TextColumns};
use semrank_embed::{
    Fit, ModelFolder, Source, Spec, TextFile,
    bert::TrainableBert,
    distill::{DistillOptions, distill, distill_ids},
    hash::FeatureSettings,
    open,
};
use semrank_pipeline::{VectorsOptions, write_vectors};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Turn texts into vectors.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_long_help = examples_and_encoders())]
pub(crate) struct EmbedArgs {
    #[command(subcommand)]
    verb: Option<EmbedVerb>,
    /// Items file: Parquet, CSV, TSV or NDJSON by extension; the text formats may be gzipped.
    #[arg(long, value_name = "FILE", conflicts_with = "data", required_unless_present = "data")]
    items: Option<PathBuf>,
    /// Data set whose items and text columns to take.
    #[arg(long, value_name = "DATASET")]
    data: Option<PathBuf>,
    /// Id column of the items file [default: item_id, item, itemId …].
    #[arg(long, value_name = "COLUMN", conflicts_with = "data")]
    item_id: Option<String>,
    /// Text columns, by commas [default: title, name, text, description … where they exist].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', conflicts_with = "data")]
    text: Option<Vec<String>>,
    /// `hash:`, `static:PATH`, `bert:PATH`, `llama:PATH`, `onnx:PATH`, `parquet:PATH` or `http:URL`, options after a
    /// question mark (`--help` lists them); repeat it to put vectors side by side.
    #[arg(long, value_name = "NAME", default_value = "hash:")]
    encoder: Vec<String>,
    /// File to write, .tsv or .parquet; it appears only when complete.
    #[arg(long, value_name = "FILE", required = true)]
    out: Option<PathBuf>,
    /// Parquet: one column per encoder instead of one for all.
    #[arg(long)]
    separate: bool,
    /// Folder in which vectors are kept [default: the setting content.cache].
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Encode every text, and keep nothing.
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
    /// Seed of encoders that are fitted.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    settings: ConfigArgs,
    /// Print what was done as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum EmbedVerb {
    /// Make a table with one vector per token, for `static:`, from a slower encoder.
    Distill(DistillArgs),
    /// Write the encoder that a run trained with its ranker, as a folder for `bert:` or `llama:`.
    Export(ExportArgs),
}

/// `semrank embed distill`.
#[derive(Debug, Args)]
struct DistillArgs {
    /// The encoder to learn from, a model folder with a tokenizer.json: `bert:PATH`.
    #[arg(long, value_name = "NAME")]
    encoder: String,
    /// Folder to make; it appears only when complete.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Width of the table.
    #[arg(long, default_value_t = DistillOptions::default().dim)]
    dim: usize,
    /// Probability at which a token's vector is halved.
    #[arg(long, default_value_t = DistillOptions::default().sif)]
    sif: f64,
    /// Print what was done as one JSON object.
    #[arg(long)]
    json: bool,
}

impl EmbedArgs {
    /// The output; the parser requires it.
    fn out(&self) -> &Path {
        self.out.as_deref().unwrap_or(Path::new(""))
    }
}

/// Runs the verb.
pub(crate) fn embed(args: &EmbedArgs, console: &Console) -> Result<(), Error> {
    match &args.verb {
        Some(EmbedVerb::Distill(args)) => return distill_verb(args),
        Some(EmbedVerb::Export(args)) => return export::export(args),
        None => {}
    }
    let config = args.settings.load()?;
    let cache = args.cache.clone().unwrap_or_else(|| config.content.cache_dir());
    let options = VectorsOptions {
        encoders: &args.encoder,
        out: args.out(),
        separate: args.separate,
        cache: (!args.no_cache).then_some(cache),
        seed: args.seed,
    };
    let summary = write_vectors(source(args)?.as_ref(), &options, &config, &console.context())?;
    if args.json {
        return output::json(&summary);
    }
    summary.notes.iter().for_each(|remark| note(remark));
    output::text(&format!(
        "{}: {}, {} encoded, {} from the cache, width {}\n{:.1} s, {:.0} texts per CPU-second\n",
        summary.out.display(),
        counted(summary.items, "item", "items"),
        counted(summary.encoded, "text", "texts"),
        summary.cached,
        summary.dim,
        summary.seconds,
        summary.texts_per_cpu_second
    ))
}

fn distill_verb(args: &DistillArgs) -> Result<(), Error> {
    let started = Instant::now();
    let mut spec = Spec::parse(&args.encoder)?;
    let folder = ModelFolder::open(Path::new(spec.path()))?;
    note(&format!("distill: one pass over the vocabulary of {}", args.encoder));
    let options = DistillOptions { dim: args.dim, sif: args.sif };
    let made = match spec.kind() {
        "bert" => {
            let reason =
                "it is distilled by the model's own settings, one token at a time: leave the options out";
            spec.clone().finish(&[]).map_err(|_| spec.error(reason))?;
            let bert = TrainableBert::open(&mut spec, usize::MAX)?;
            distill_ids(&folder, |tokens| Ok(bert.vectors(tokens)), &args.out, options)?
        }
        _ => {
            let (catalog, settings) = (Catalog::default(), FeatureSettings::default());
            let fit = Fit { source: &catalog, known: None, settings: &settings, seed: 1 };
            distill(open(&args.encoder, &fit)?.as_ref(), &folder, &args.out, options)?
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    if args.json {
        return output::json(&serde_json::json!({
            "out": args.out, "tokens": made.tokens, "dim": made.dim, "variance": made.variance, "seconds": seconds,
        }));
    }
    output::text(&format!(
        "{}: {}, width {}, {:.0} % of the variance, {seconds:.1} s\nuse it as {}\n",
        args.out.display(),
        counted(made.tokens, "token", "tokens"),
        made.dim,
        made.variance * 100.0,
        shell::quote(format!("static:{}", args.out.display()))
    ))
}

fn source(args: &EmbedArgs) -> Result<Box<dyn Source>, Error> {
    match (&args.data, &args.items) {
        (Some(data), _) => Ok(Box::new(Dataset::open_catalog(data)?)),
        (None, items) => Ok(Box::new(TextFile::new(TextColumns {
            path: items.clone().unwrap_or_default(),
            item_id: args.item_id.clone(),
            text: args.text.clone(),
        }))),
    }
}
