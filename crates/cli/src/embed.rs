//! `semrank embed`: texts in, a file of vectors out, without a data set or for one.
//!
//! ```text
//! semrank embed --items ads.csv --item-id sku --text title,brand --encoder bert:models/minilm --out vectors.parquet
//! semrank embed --data beauty --encoder hash: --encoder static:table --out vectors.tsv --json
//! semrank embed --items ads.csv --encoder 'hash:?output=sparse' --out tokens.tsv
//! semrank embed distill --encoder bert:models/minilm --out models/minilm-static
//! ```

use crate::config::{Config, ConfigArgs};
use crate::embed_help::examples_and_encoders;
use crate::error::Error;
use crate::export::{self, ExportArgs};
use crate::output::{self, note};
use crate::{interrupt, resources, shell};
use clap::{Args, Subcommand};
use semrank_core::Catalog;
use semrank_data::import::TextColumns;
use semrank_data::{Dataset, write_atomically};
use semrank_embed::bert::TrainableBert;
use semrank_embed::distill::{DistillOptions, distill, distill_ids};
use semrank_embed::hash::{FeatureSettings, fit_tfidf};
use semrank_embed::{
    Document, EmbedStats, Embedder, Fit, ModelFolder, Source, Spec, TextFile, VectorColumns, VectorWriter,
    check_id, hash_settings, open, side_by_side,
};
use semrank_nn::linalg::SparseMatrix;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LINE_EVERY: Duration = Duration::from_secs(2);

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
    /// Parquet: one column an encoder instead of one for all.
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
    /// Make a table with one vector a token, for `static:`, from a slower encoder.
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

/// What was done.
#[derive(Debug, Serialize)]
struct Summary {
    out: PathBuf,
    encoders: Vec<String>,
    items: usize,
    encoded: usize,
    cached: usize,
    dim: usize,
    open_seconds: f64,
    seconds: f64,
    cpu_seconds: f64,
    texts_per_cpu_second: f64,
    peak_rss_mb: Option<f64>,
    notes: Vec<String>,
}

impl EmbedArgs {
    /// The output; the parser requires it.
    fn out(&self) -> &Path {
        self.out.as_deref().unwrap_or(Path::new(""))
    }
}

/// Runs the verb.
pub(crate) fn embed(args: &EmbedArgs) -> Result<(), Error> {
    match &args.verb {
        Some(EmbedVerb::Distill(args)) => return distill_verb(args),
        Some(EmbedVerb::Export(args)) => return export::export(args),
        None => {}
    }
    let config = Config::load(&args.settings)?;
    let source = source(args)?;
    let summary = match args.encoder.as_slice() {
        [name] if is_sparse(name) => sparse(args, &config, source.as_ref(), name)?,
        _ => dense(args, &config, source.as_ref())?,
    };
    if args.json {
        return output::json(&summary);
    }
    summary.notes.iter().for_each(|remark| note(remark));
    output::text(&format!(
        "{}: {} items, {} texts encoded, {} from the cache, width {}\n{:.1} s, {:.0} texts per CPU second\n",
        summary.out.display(),
        summary.items,
        summary.encoded,
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
        "{}: {} tokens, width {}, {:.0} % of the variance, {seconds:.1} s\nuse it as {}\n",
        args.out.display(),
        made.tokens,
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

fn dense(args: &EmbedArgs, config: &Config, source: &dyn Source) -> Result<Summary, Error> {
    let mut clock = Clock::start();
    let fit = Fit { source, known: None, settings: &config.features, seed: args.seed };
    let cache = args.cache.clone().unwrap_or_else(|| config.content.cache_dir());
    let mut embedders = Vec::new();
    for name in &args.encoder {
        let encoder = open(name, &fit)?;
        embedders.push(if args.no_cache {
            Embedder::new(encoder)
        } else {
            Embedder::cached(encoder, &cache)?
        });
    }
    clock.opened();
    let widths: Vec<usize> = embedders.iter().map(|embedder| embedder.encoder().width()).collect();
    let columns: VectorColumns = match args.separate {
        true => widths.iter().enumerate().map(|(at, &width)| (format!("vector_{at}"), width)).collect(),
        false => vec![("vector".into(), widths.iter().sum())],
    };
    written(args.out(), &mut |out| {
        let mut writer = VectorWriter::new(args.out(), columns.clone(), out)?;
        each_chunk(source, &mut clock, &mut |documents| {
            let mut parts = Vec::new();
            for (embedder, width) in embedders.iter_mut().zip(&widths) {
                let mut vectors = vec![0.0; documents.len() * width];
                embedder.encode(documents, &mut vectors)?;
                parts.push(vectors);
            }
            let parts: Vec<&[f32]> = parts.iter().map(Vec::as_slice).collect();
            match args.separate || parts.len() == 1 {
                true => Ok(writer.write(documents, &parts)?),
                false => Ok(writer.write(documents, &[&side_by_side(&parts, &widths)])?),
            }
        })?;
        Ok(writer.finish()?)
    })?;
    let stats = embedders.iter().map(Embedder::stats).fold(EmbedStats::default(), |sum, one| EmbedStats {
        items: one.items,
        encoded: sum.encoded + one.encoded,
        cached: sum.cached + one.cached,
    });
    let notes = embedders.iter().flat_map(|embedder| embedder.encoder().notes()).collect();
    let encoders = embedders.iter().map(|embedder| embedder.encoder().fingerprint().to_owned()).collect();
    Ok(clock.summary(args, encoders, stats, widths.iter().sum(), notes))
}

/// `hash:?output=sparse`.
fn is_sparse(name: &str) -> bool {
    name.starts_with("hash:")
        && Spec::parse(name)
            .and_then(|mut spec| spec.take("output", String::new()))
            .is_ok_and(|output| output == "sparse")
}

/// Lines `item<TAB>column:weight column:weight …`: TF-IDF without a projection.
fn sparse(args: &EmbedArgs, config: &Config, source: &dyn Source, name: &str) -> Result<Summary, Error> {
    let mut clock = Clock::start();
    let mut spec = Spec::parse(name)?;
    spec.take("output", String::new())?;
    if args.out().extension().is_none_or(|extension| extension != "tsv") {
        return Err(spec.error("sparse vectors are written to a .tsv file").into());
    }
    let tfidf = fit_tfidf(source, None, &hash_settings(spec, &config.features)?)?;
    clock.opened();
    let mut stats = EmbedStats::default();
    written(args.out(), &mut |out| {
        each_chunk(source, &mut clock, &mut |documents| {
            let rows = tfidf.transform(&documents);
            stats.items += documents.len();
            stats.encoded += documents.len();
            let lines = sparse_lines(documents, &rows)?;
            out.write_all(lines.as_bytes()).map_err(Error::io("write", args.out()))
        })
    })?;
    Ok(clock.summary(args, vec![name.to_owned()], stats, tfidf.cols(), Vec::new()))
}

fn sparse_lines(documents: &[Document], rows: &SparseMatrix) -> Result<String, Error> {
    use std::fmt::Write;
    let mut lines = String::new();
    for (row, document) in documents.iter().enumerate() {
        check_id(document.id)?;
        let _ = write!(lines, "{}\t", document.id);
        let (columns, weights) = rows.row(row);
        for (at, (column, weight)) in columns.iter().zip(weights).enumerate() {
            let _ = write!(lines, "{}{column}:{weight:.5}", if at == 0 { "" } else { " " });
        }
        lines.push('\n');
    }
    Ok(lines)
}

/// Writes a file that appears whole or not at all, with this program's errors.
fn written(
    path: &Path,
    write: &mut dyn FnMut(&mut (dyn Write + Send)) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut failure = None;
    let result = write_atomically(path, |out| {
        write(out).map_err(|error| {
            failure = Some(error);
            std::io::Error::other("stopped")
        })
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(result?),
    }
}

/// Goes over all chunks, shows how far it is, and stops on Ctrl-C.
fn each_chunk(
    source: &dyn Source,
    clock: &mut Clock,
    visit: &mut dyn FnMut(&[Document]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut failure = None;
    let result = source.each_chunk(&mut |documents| {
        let visited = interrupt::check().and_then(|()| visit(documents));
        clock.items(documents.len());
        visited.map_err(|error| {
            failure = Some(error);
            semrank_embed::Error::Stopped
        })
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(result?),
    }
}

/// Wall and CPU time of opening and of encoding.
struct Clock {
    started: Instant,
    open_seconds: f64,
    cpu_at_open: f64,
    items: usize,
    last_line: Instant,
}

impl Clock {
    fn start() -> Self {
        let now = Instant::now();
        Self { started: now, open_seconds: 0.0, cpu_at_open: 0.0, items: 0, last_line: now }
    }

    fn opened(&mut self) {
        self.open_seconds = self.started.elapsed().as_secs_f64();
        self.cpu_at_open = resources::cpu_seconds().unwrap_or(0.0);
        self.started = Instant::now();
    }

    fn items(&mut self, items: usize) {
        self.items += items;
        if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let rate = self.items as f64 / self.started.elapsed().as_secs_f64();
            note(&format!("  {} items, {rate:.0} a second", self.items));
        }
    }

    fn summary(
        &self,
        args: &EmbedArgs,
        encoders: Vec<String>,
        stats: EmbedStats,
        dim: usize,
        notes: Vec<String>,
    ) -> Summary {
        let cpu_seconds = resources::cpu_seconds().unwrap_or(0.0) - self.cpu_at_open;
        Summary {
            out: args.out().to_owned(),
            encoders,
            items: stats.items,
            encoded: stats.encoded,
            cached: stats.cached,
            dim,
            open_seconds: self.open_seconds,
            seconds: self.started.elapsed().as_secs_f64(),
            cpu_seconds,
            texts_per_cpu_second: stats.encoded as f64 / cpu_seconds.max(0.01),
            peak_rss_mb: resources::peak_rss_mib(),
            notes,
        }
    }
}
