//! Texts in, a file of vectors out, without a run.

use crate::config::Config;
use crate::{Context, Error};
use semrank_core::counted;
use semrank_embed::{
    Document, EmbedStats, Embedder, Fit, Source, Spec, VectorColumns, VectorWriter, check_id,
    hash::fit_tfidf, hash_settings, open, side_by_side,
};
use semrank_nn::linalg::SparseMatrix;
use semrank_store::{resources, write_atomically};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LINE_EVERY: Duration = Duration::from_secs(2);

/// What to write, and how.
#[derive(Debug, Clone)]
pub struct VectorsOptions<'a> {
    /// Names of encoders, whose vectors stand side by side.
    pub encoders: &'a [String],
    /// File to write.
    pub out: &'a Path,
    /// One column per encoder instead of one for all.
    pub separate: bool,
    /// Folder in which vectors are kept; without one every text is encoded.
    pub cache: Option<PathBuf>,
    /// Of encoders that are fitted.
    pub seed: u64,
}

/// What was done.
#[derive(Debug, Serialize)]
pub struct Embedded {
    /// The file.
    pub out: PathBuf,
    /// Fingerprints; of sparse vectors the name.
    pub encoders: Vec<String>,
    /// Items of the source.
    pub items: usize,
    /// Texts that went through an encoder.
    pub encoded: usize,
    /// Texts whose vectors came from the cache.
    pub cached: usize,
    /// Width.
    pub dim: usize,
    /// Opening and fitting encoders.
    pub open_seconds: f64,
    /// Wall time of encoding.
    pub seconds: f64,
    /// CPU time of encoding.
    pub cpu_seconds: f64,
    /// Of the encoded ones.
    pub texts_per_cpu_second: f64,
    /// Of the process.
    pub peak_rss_mb: Option<f64>,
    /// Remarks of the encoders.
    pub notes: Vec<String>,
}

/// Writes the vectors of all documents of a source; the file appears whole or not at all.
///
/// # Errors
/// An encoder that cannot be opened, a text that it refuses, a file that cannot be written; [`Error::Interrupted`].
pub fn write_vectors(
    source: &dyn Source,
    options: &VectorsOptions,
    config: &Config,
    context: &Context,
) -> Result<Embedded, Error> {
    match options.encoders {
        [name] if is_sparse(name) => sparse(source, name, options, config, context),
        _ => dense(source, options, config, context),
    }
}

fn dense(
    source: &dyn Source,
    options: &VectorsOptions,
    config: &Config,
    context: &Context,
) -> Result<Embedded, Error> {
    let mut clock = Clock::start();
    let fit = Fit { source, known: None, settings: &config.features, seed: options.seed };
    let mut embedders = Vec::new();
    for name in options.encoders {
        let encoder = open(name, &fit)?;
        embedders.push(match &options.cache {
            Some(cache) => Embedder::cached(encoder, cache)?,
            None => Embedder::new(encoder),
        });
    }
    clock.opened();
    let widths: Vec<usize> = embedders.iter().map(|embedder| embedder.encoder().width()).collect();
    let columns: VectorColumns = match options.separate {
        true => widths.iter().enumerate().map(|(at, &width)| (format!("vector_{at}"), width)).collect(),
        false => vec![("vector".into(), widths.iter().sum())],
    };
    written(options.out, &mut |out| {
        let mut writer = VectorWriter::new(options.out, columns.clone(), out)?;
        each_chunk(source, (&mut clock, context), &mut |documents| {
            let mut parts = Vec::new();
            for (embedder, width) in embedders.iter_mut().zip(&widths) {
                let mut vectors = vec![0.0; documents.len() * width];
                embedder.encode(documents, &mut vectors)?;
                parts.push(vectors);
            }
            let parts: Vec<&[f32]> = parts.iter().map(Vec::as_slice).collect();
            match options.separate || parts.len() == 1 {
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
    Ok(clock.summary(options.out, encoders, stats, widths.iter().sum(), notes))
}

/// `hash:?output=sparse`.
fn is_sparse(name: &str) -> bool {
    name.starts_with("hash:")
        && Spec::parse(name)
            .and_then(|mut spec| spec.take("output", String::new()))
            .is_ok_and(|output| output == "sparse")
}

/// Lines `item<TAB>column:weight column:weight …`: TF-IDF without a projection.
fn sparse(
    source: &dyn Source,
    name: &str,
    options: &VectorsOptions,
    config: &Config,
    context: &Context,
) -> Result<Embedded, Error> {
    let mut clock = Clock::start();
    let mut spec = Spec::parse(name)?;
    spec.take("output", String::new())?;
    if options.out.extension().is_none_or(|extension| extension != "tsv") {
        return Err(spec.error("sparse vectors are written to a .tsv file").into());
    }
    let tfidf = fit_tfidf(source, None, &hash_settings(spec, &config.features)?)?;
    clock.opened();
    let mut stats = EmbedStats::default();
    written(options.out, &mut |out| {
        each_chunk(source, (&mut clock, context), &mut |documents| {
            let rows = tfidf.transform(&documents);
            stats.items += documents.len();
            stats.encoded += documents.len();
            let lines = sparse_lines(documents, &rows)?;
            out.write_all(lines.as_bytes()).map_err(Error::io("write", options.out))
        })
    })?;
    Ok(clock.summary(options.out, vec![name.to_owned()], stats, tfidf.cols(), Vec::new()))
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
    (clock, context): (&mut Clock, &Context),
    visit: &mut dyn FnMut(&[Document]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut failure = None;
    let result = source.each_chunk(&mut |documents| {
        let visited = context.check().and_then(|()| visit(documents));
        clock.items(documents.len(), context);
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

    fn items(&mut self, items: usize, context: &Context) {
        self.items += items;
        if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let rate = self.items as f64 / self.started.elapsed().as_secs_f64();
            context.note(&format!("  {}, {rate:.0} per second", counted(self.items, "item", "items")));
        }
    }

    fn summary(
        &self,
        out: &Path,
        encoders: Vec<String>,
        stats: EmbedStats,
        dim: usize,
        notes: Vec<String>,
    ) -> Embedded {
        let cpu_seconds = resources::cpu_seconds().unwrap_or(0.0) - self.cpu_at_open;
        Embedded {
            out: out.to_owned(),
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
