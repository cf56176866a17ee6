//! The ids that a run has published: a generation beside its stages, made at first use from the frozen codebook and the
//! catalogue, and only appended to from then on.

use crate::folder::RUN;
use crate::{Context, Error, Run};
use semrank_tokens::{Codebook, Generation, Rows};
use std::path::Path;

/// File of a folder that is a generation.
const GENERATION: &str = "generation.json";

/// The run's published ids; those of its catalogue are published if need be. The caller holds the run's lock.
///
/// # Errors
/// [`Error::NoTokens`]; [`Error::Mismatch`] where ids were published with another codebook.
pub fn published(run: &Run, context: &Context) -> Result<Generation, Error> {
    run.ids()?;
    let (codebook, expected) = Codebook::open(&run.codebook())?;
    let path = run.published();
    if !path.exists() {
        context.note(&format!("tokens: publishing the ids of the catalogue in {}", path.display()));
        return publish(run, codebook, &path);
    }
    let generation = Generation::open(&path)?;
    if generation.is_empty() {
        return publish(run, codebook, &path);
    }
    let (_, got) = Codebook::open(&path)?;
    if got != expected {
        let help = "the run's codebook was fitted again after ids were published: `semrank tokens align RUN --last RUN/ids \
                    --out DIR` makes the next generation, and the published one stays as it is";
        let what = "the codebook of the published ids".into();
        return Err(Error::Mismatch { path, what, got, expected, help });
    }
    Ok(generation)
}

/// Makes a generation in the new folder `dir` with the ids of the run's catalogue.
///
/// # Errors
/// A folder that exists and holds ids; I/O errors.
pub fn publish(run: &Run, codebook: Codebook, dir: &Path) -> Result<Generation, Error> {
    // A program that was killed before the first ids has published nothing.
    if Generation::open(dir).is_ok_and(|generation| generation.is_empty()) {
        std::fs::remove_dir_all(dir).map_err(Error::io("replace", dir))?;
    }
    let fingerprint = codebook.features().to_owned();
    let (values, dim) = run.content()?.quantised();
    let mut generation = Generation::create(dir, codebook, run.config().tokens.collisions)?;
    generation.append(
        &run.data()?.dataset.catalog.ids.names().collect::<Vec<_>>(),
        &Rows::new(&values, dim),
        &fingerprint,
    )?;
    Ok(generation)
}

/// The generation in a folder.
///
/// # Errors
/// [`Error::NoIds`] where it is none; a damaged file.
pub(super) fn open(dir: &Path) -> Result<Generation, Error> {
    if !dir.join(GENERATION).is_file() {
        return Err(Error::NoIds { path: dir.to_owned() });
    }
    Ok(Generation::open(dir)?)
}

/// The generation in a folder, or that of a run.
///
/// # Errors
/// [`Error::NoIds`] where it is neither.
pub fn open_last(path: &Path, context: &Context) -> Result<Generation, Error> {
    if !path.join(RUN).is_file() {
        return open(path);
    }
    let run = Run::open(path)?;
    run.content()?;
    let _lock = run.lock()?;
    published(&run, context)
}
