//! Texts of new items in, their ids out, published beside those of the run's catalogue.
//!
//! Texts become vectors by the run's own encoders and tower, and ids by its frozen codebook. Wherever it is killed, all new
//! items have an id afterwards or none has.

use super::published::{open, published};
use crate::{Context, Error, Run};
use semrank_embed::{Source, check_id};
use semrank_store::write_atomically;
use semrank_tokens::{Appended, Generation, Rows};
use std::path::Path;

/// Appends items to the generation in a folder, or to the published ids of the run; returns it, the items, and what happened to them.
///
/// # Errors
/// What an encoder refuses; a generation of another codebook; [`Error::Locked`].
pub fn append_items(
    run: &Run,
    items: &dyn Source,
    generation: Option<&Path>,
    context: &Context,
) -> Result<(Generation, Vec<String>, Appended), Error> {
    let names = names(items)?;
    let vectors = run.vectors_of(items, context)?;
    let _lock = run.lock()?;
    let mut generation = match generation {
        Some(dir) => open(dir)?,
        None => published(run, context)?,
    };
    let rows = Rows::new(&vectors.values, vectors.dim);
    let appended = generation.append(&names, &rows, &vectors.fingerprint)?;
    Ok((generation, names, appended))
}

fn names(source: &dyn Source) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    source.each_chunk(&mut |documents| {
        names.extend(documents.iter().map(|document| document.id.to_owned()));
        Ok(())
    })?;
    Ok(names)
}

/// Writes lines `item<TAB>c1 c2 … cL`.
///
/// # Errors
/// An id that a line cannot hold, a file that cannot be written.
pub fn write_ids(out: &Path, generation: &Generation, names: &[String]) -> Result<(), Error> {
    let mut lines = String::new();
    for name in names {
        check_id(name)?;
        let codes: Vec<String> = generation.of(name).into_iter().flatten().map(u16::to_string).collect();
        lines += &format!("{name}\t{}\n", codes.join(" "));
    }
    Ok(write_atomically(out, |file| file.write_all(lines.as_bytes()))?)
}
