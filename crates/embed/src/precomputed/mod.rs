//! Vectors computed elsewhere, looked up by item id: `parquet:PATH`.
//!
//! In: a Parquet file with a column of ids and a column of lists of numbers, or a `.tsv` file with `item<TAB>v v v …`
//! on each line, as `semrank embed --out F.tsv` writes it. Out: an encoder that copies. It lets any model anywhere
//! (a GPU cluster, a multi-modal encoder, a colleague's embeddings) feed the ranker without a line of code here.
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `id_column` | ids: strings, or integers that are printed exactly | `item_id` |
//! | `vector_column` | lists of f16, f32 or f64, all of one length | `vector` |
//! | `missing` | the vector of an unknown item: `zero`, the `mean` of all, or an `error` | `zero` |
//!
//! The file is read in batches into one matrix: 10 million items of width 128 need 5.1 GB and about 25 bytes per id.
//!
//! ```
//! use semrank_embed::{Document, Spec, precomputed};
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("vectors.tsv");
//! std::fs::write(&path, "a\t1 2\nb\t3 4\n")?;
//! let encoder = precomputed::open(Spec::parse(&format!("parquet:{}?missing=mean", path.display()))?)?;
//! let mut out = [0.0; 4];
//! encoder.encode(&["b", "unknown"].map(|id| Document { id, fields: &[] }), &mut out)?;
//! assert_eq!(out, [3.0, 4.0, 2.0, 3.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod parquet;
#[cfg(test)]
mod tests;
mod tsv;
mod vectors;

use crate::spec::EncoderOption;
use crate::{Document, Error, Spec, TextEncoder};
use semrank_core::{counted, plural};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use vectors::Vectors;

/// Its options.
pub(crate) const OPTIONS: [EncoderOption; 3] = [
    EncoderOption::new("id_column", "NAME", "the column of ids [item_id]"),
    EncoderOption::new("vector_column", "NAME", "the column of lists of numbers [vector]"),
    EncoderOption::new(
        "missing",
        "zero, mean, error",
        "the vector of an item that is not in the file [zero]",
    ),
];

/// Ids that a note names.
const NAMED: usize = 5;

/// The columns of the file.
struct Columns {
    id: String,
    vector: String,
}

/// The vector of an item that the file does not have.
enum Fallback {
    Vector(Vec<f32>),
    Error,
}

struct Precomputed {
    path: PathBuf,
    fingerprint: String,
    vectors: Vectors,
    fallback: Fallback,
    /// The word of the option, for notes.
    missing: String,
    seen: Mutex<Seen>,
}

/// Counts of the requests so far.
#[derive(Default)]
struct Seen {
    documents: usize,
    missing: usize,
    first_missing: Vec<String>,
}

/// Loads the file.
///
/// # Errors
/// An unknown option; a file that cannot be read, is damaged, or lacks a column; a vector that is null, of another
/// width or not finite, or an id that is null or stands there twice, with its row.
pub fn open(mut spec: Spec) -> Result<Box<dyn TextEncoder>, Error> {
    let columns = Columns {
        id: spec.take("id_column", "item_id".to_owned())?,
        vector: spec.take("vector_column", "vector".to_owned())?,
    };
    let missing = spec.choice("missing", &["zero", "mean", "error"])?;
    let path = PathBuf::from(spec.path());
    spec.finish_with(&OPTIONS)?;
    let vectors = read(&path, &columns)?;
    let fallback = match missing {
        "mean" => Fallback::Vector(vectors.mean()),
        "error" => Fallback::Error,
        _ => Fallback::Vector(vec![0.0; vectors.width()]),
    };
    let hash = semrank_store::hash_file(&path)?;
    let fingerprint = format!(
        "parquet file={hash} id_column={} vector_column={} missing={missing}",
        columns.id, columns.vector
    );
    let missing = missing.to_owned();
    Ok(Box::new(Precomputed { path, fingerprint, vectors, fallback, missing, seen: Mutex::default() }))
}

fn read(path: &Path, columns: &Columns) -> Result<Vectors, Error> {
    let is_text = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tsv"));
    if is_text { tsv::read(path, columns) } else { parquet::read(path, columns) }
}

impl Precomputed {
    /// The vector of a document, and whether it is its own.
    fn look_up(&self, document: &Document) -> Result<(&[f32], bool), Error> {
        match (self.vectors.get(document.id), &self.fallback) {
            (Some(vector), _) => Ok((vector, true)),
            (None, Fallback::Vector(vector)) => Ok((vector, false)),
            (None, Fallback::Error) => Err(Error::Mismatch {
                path: self.path.clone(),
                what: format!("the vector of item `{}`", document.id),
                got: "absent".into(),
                expected: "one per item; missing=zero or missing=mean fills the gaps".into(),
            }),
        }
    }
}

impl TextEncoder for Precomputed {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn width(&self) -> usize {
        self.vectors.width()
    }

    fn batch(&self) -> usize {
        4096
    }

    fn is_cached(&self) -> bool {
        false
    }

    fn encode(&self, batch: &[Document], out: &mut [f32]) -> Result<(), Error> {
        assert_eq!(out.len(), batch.len() * self.width(), "out is [batch x width]");
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (document, out) in batch.iter().zip(out.chunks_exact_mut(self.width())) {
            let (vector, found) = self.look_up(document)?;
            out.copy_from_slice(vector);
            seen.count(document.id, found);
        }
        Ok(())
    }

    fn notes(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.missing == 0 {
            return Vec::new();
        }
        let more = if seen.missing > seen.first_missing.len() { ", …" } else { "" };
        vec![format!(
            "{}: {} of {} {} no vector (missing={}): {}{more}",
            self.path.display(),
            seen.missing,
            counted(seen.documents, "document", "documents"),
            plural(seen.missing, "has", "have"),
            self.missing,
            seen.first_missing.join(", "),
        )]
    }
}

impl Seen {
    fn count(&mut self, id: &str, found: bool) {
        self.documents += 1;
        if found {
            return;
        }
        self.missing += 1;
        if self.first_missing.len() < NAMED {
            self.first_missing.push(id.to_owned());
        }
    }
}
