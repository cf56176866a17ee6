//! The ids that a run has published: a generation beside its stages, made at first use from the frozen codebook and the
//! catalogue, and only appended to from then on.

use crate::error::Error;
use crate::output::note;
use crate::run::Tokenized;
use semrank_tokens::{Codebook, Generation, Rows};
use std::path::Path;

/// File of a folder that is a generation.
const GENERATION: &str = "generation.json";
/// File of a folder that is a run.
const RUN: &str = "run.json";

/// The run's published ids; those of its catalogue are published if need be. The caller holds the run's lock.
///
/// # Errors
/// [`Error::NoTokens`]; [`Error::Mismatch`] where ids were published with another codebook.
pub(super) fn published(run: &Tokenized) -> Result<Generation, Error> {
    run.ids()?;
    let (codebook, expected) = Codebook::open(&run.codebook())?;
    let path = run.published();
    if !path.exists() {
        note(&format!("tokens: publishing the ids of the catalogue in {}", path.display()));
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
pub(super) fn publish(run: &Tokenized, codebook: Codebook, dir: &Path) -> Result<Generation, Error> {
    // A program that was killed before the first ids has published nothing.
    if Generation::open(dir).is_ok_and(|generation| generation.is_empty()) {
        std::fs::remove_dir_all(dir).map_err(Error::io("replace", dir))?;
    }
    let fingerprint = codebook.features().to_owned();
    let (values, dim) = run.content.quantised();
    let mut generation = Generation::create(dir, codebook, run.config.tokens.collisions)?;
    generation.append(&run.names(), &Rows::new(&values, dim), &fingerprint)?;
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
pub(super) fn open_last(path: &Path) -> Result<Generation, Error> {
    if !path.join(RUN).is_file() {
        return open(path);
    }
    let run = Tokenized::open(path, None)?;
    let _lock = run.lock()?;
    published(&run)
}
