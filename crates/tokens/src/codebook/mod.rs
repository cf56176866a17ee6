//! A fitted tokenizer as an artefact: frozen, numbered by generation, hashed, and bound to the features it was fitted on.
//!
//! In a folder: `codebook.safetensors` with the tensors, and `codebook.json` with everything else and the hash of the
//! tensors. The hash of the JSON is the codebook's.
//!
//! ```
//! use semrank_tokens::{Codebook, Rows, TokenSettings, fit};
//! let settings = TokenSettings { levels: 1, codes: 2, ..TokenSettings::default() };
//! let tokenizer = fit(&settings, &Rows::new(&[0.0, 1.0], 1), 7)?;
//! let codebook = Codebook::new(tokenizer, settings, 1, "hash:v1");
//! assert!(codebook.check_features("hash:v1").is_ok());
//! assert!(codebook.check_features("bert:minilm").unwrap_err().to_string().contains("cannot be compared"));
//! # Ok::<(), semrank_tokens::Error>(())
//! ```

mod tensors;

use crate::{Error, Fitted, Kind, TokenSettings, Tokenizer, check};
use semrank_nn::checkpoint::Checkpoint;
use semrank_store::{hash_file, sealed};
use serde::{Deserialize, Serialize};
use std::path::Path;

const HEADER: &str = "codebook.json";
const TENSORS: &str = "codebook.safetensors";
/// Version of the files.
const FORMAT: u32 = 1;

/// A frozen tokenizer.
#[derive(Debug, Clone)]
pub struct Codebook {
    tokenizer: Fitted,
    settings: TokenSettings,
    generation: u32,
    features: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    format: u32,
    generation: u32,
    tokenizer: Kind,
    levels: usize,
    codes: usize,
    dim: usize,
    normalised: bool,
    features: String,
    settings: TokenSettings,
    tensors_blake3: String,
}

impl Header {
    /// Refuses numbers that no tokenizer has; `path` is where the header was read.
    fn check(&self, path: &Path) -> Result<(), Error> {
        let settings = TokenSettings { levels: self.levels, codes: self.codes, ..self.settings.clone() };
        settings.check().map_err(|error| Error::damaged(path, error.to_string()))?;
        check::widths(path, [self.dim, settings.hidden, settings.latent])?;
        if self.tokenizer == Kind::Product && self.levels > self.dim {
            let (levels, dim) = (self.levels, self.dim);
            return Err(Error::damaged(path, format!("it has {levels} parts of a vector of width {dim}")));
        }
        Ok(())
    }
}

impl Codebook {
    /// Freezes a tokenizer that was fitted with `settings` on features of this fingerprint.
    pub fn new(tokenizer: Fitted, settings: TokenSettings, generation: u32, features: &str) -> Self {
        Self { tokenizer, settings, generation, features: features.to_owned() }
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Fitted {
        &self.tokenizer
    }

    /// What it was fitted with.
    pub fn settings(&self) -> &TokenSettings {
        &self.settings
    }

    /// Number of its generation.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Fingerprint of the features it was fitted on.
    pub fn features(&self) -> &str {
        &self.features
    }

    /// Refuses the features of another encoder.
    ///
    /// # Errors
    /// [`Error::Fingerprint`].
    pub fn check_features(&self, fingerprint: &str) -> Result<(), Error> {
        if fingerprint == self.features {
            return Ok(());
        }
        Err(Error::Fingerprint { got: fingerprint.to_owned(), expected: self.features.clone() })
    }

    /// The same codes under other labels, as another generation: code `c` of level `l` is called `labels[l][c]`.
    pub(crate) fn relabelled(&self, labels: &[Vec<u16>], generation: u32) -> Self {
        Self { tokenizer: self.tokenizer.relabelled(labels), generation, ..self.clone() }
    }

    /// Writes both files into a folder, which should be staged; returns the codebook's hash.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, dir: &Path) -> Result<String, Error> {
        let path = dir.join(TENSORS);
        tensors::save(&self.tokenizer, &path)?;
        let header = Header {
            format: FORMAT,
            generation: self.generation,
            tokenizer: self.tokenizer.kind(),
            levels: self.tokenizer.levels(),
            codes: self.tokenizer.codes(),
            dim: self.tokenizer.dim(),
            normalised: matches!(&self.tokenizer, Fitted::ResidualKmeans(t) if t.lengths().is_some()),
            features: self.features.clone(),
            settings: self.settings.clone(),
            tensors_blake3: hash_file(&path)?,
        };
        Ok(sealed::write(&dir.join(HEADER), &header)?)
    }

    /// Reads a codebook and its hash from a folder.
    ///
    /// # Errors
    /// [`Error::Damaged`] where a file was cut short or altered, [`Error::Mismatch`] where another version wrote it.
    pub fn open(dir: &Path) -> Result<(Self, String), Error> {
        let (path, tensors) = (dir.join(HEADER), dir.join(TENSORS));
        let (header, hash): (Header, String) = sealed::read(&path)?;
        if header.format != FORMAT {
            let (got, expected) = (header.format.to_string(), FORMAT.to_string());
            return Err(Error::Mismatch { path, what: "the version of the format", got, expected });
        }
        header.check(&path)?;
        let got = hash_file(&tensors)?;
        if got != header.tensors_blake3 {
            let reason = format!("it has the hash {got}, {HEADER} says {}", header.tensors_blake3);
            return Err(Error::damaged(&tensors, reason));
        }
        let tokenizer = tensors::read(&header, &Checkpoint::open(&tensors)?, &tensors)?;
        let Header { settings, generation, features, .. } = header;
        Ok((Self { tokenizer, settings, generation, features }, hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rows, fit};
    use semrank_core::Rng;

    fn vectors() -> Vec<f32> {
        let mut rng = Rng::new(2, "test");
        (0..200 * 6).map(|_| rng.normal() as f32).collect()
    }

    fn codebook(tokenizer: Kind, normalise_residuals: bool) -> Codebook {
        let settings = TokenSettings {
            tokenizer,
            levels: 3,
            codes: 8,
            iterations: 5,
            epochs: 1,
            hidden: 10,
            latent: 4,
            normalise_residuals,
            ..TokenSettings::default()
        };
        let tokenizer = fit(&settings, &Rows::new(&vectors(), 6), 1).unwrap();
        Codebook::new(tokenizer, settings, 4, "features of a test")
    }

    #[test]
    fn what_was_written_is_read_back_and_gives_the_same_ids_and_vectors() {
        let dir = tempfile::tempdir().unwrap();
        for (kind, normalised) in [
            (Kind::ResidualKmeans, false),
            (Kind::ResidualKmeans, true),
            (Kind::Product, false),
            (Kind::RqVae, false),
        ] {
            let written = codebook(kind, normalised);
            let hash = written.write(dir.path()).unwrap();
            let (read, read_hash) = Codebook::open(dir.path()).unwrap();
            assert_eq!((hash, read.generation(), read.features()), (read_hash, 4, "features of a test"));
            let ids = written.tokenizer().encode(&vectors()).unwrap();
            assert_eq!(read.tokenizer().encode(&vectors()).unwrap(), ids);
            assert_eq!(read.tokenizer().decode(&ids).unwrap(), written.tokenizer().decode(&ids).unwrap());
        }
    }

    #[test]
    fn other_labels_stand_for_the_same_vectors() {
        for kind in [Kind::ResidualKmeans, Kind::Product, Kind::RqVae] {
            let codebook = codebook(kind, false);
            let labels: Vec<Vec<u16>> = (0..3).map(|l| (0..8).map(|c| (c * 3 + l) % 8).collect()).collect();
            let other = codebook.relabelled(&labels, 5);
            let [ids, new] = [&codebook, &other].map(|c| c.tokenizer().encode(&vectors()).unwrap());
            let renamed: Vec<u16> =
                ids.values().iter().enumerate().map(|(i, &code)| labels[i % 3][usize::from(code)]).collect();
            assert_eq!(new.values(), renamed);
        }
    }

    /// A hash does not stop anyone from writing another header.
    #[test]
    fn a_header_that_claims_more_than_the_tensors_is_refused_before_anything_is_allocated() {
        let dir = tempfile::tempdir().unwrap();
        type Claim = fn(&mut Header);
        let claims: [(Kind, Claim); 8] = [
            (Kind::ResidualKmeans, |header| header.dim = 1 << 62),
            (Kind::ResidualKmeans, |header| header.dim = 1 << 20),
            (Kind::ResidualKmeans, |header| (header.levels, header.codes) = (64, 65_536)),
            (Kind::ResidualKmeans, |header| header.levels = 0),
            (Kind::ResidualKmeans, |header| header.codes = usize::MAX),
            (Kind::Product, |header| header.levels = 64),
            (Kind::RqVae, |header| header.settings.hidden = 1 << 62),
            (Kind::RqVae, |header| (header.settings.hidden, header.settings.latent) = (1 << 20, 1 << 20)),
        ];
        for (kind, claim) in claims {
            codebook(kind, false).write(dir.path()).unwrap();
            let (mut header, _): (Header, String) = sealed::read(&dir.path().join(HEADER)).unwrap();
            claim(&mut header);
            sealed::write(&dir.path().join(HEADER), &header).unwrap();
            let error = Codebook::open(dir.path()).unwrap_err().to_string();
            assert!(error.contains("codebook."), "{error}");
        }
    }

    #[test]
    fn truncated_and_altered_files_are_told_from_whole_ones() {
        let dir = tempfile::tempdir().unwrap();
        codebook(Kind::ResidualKmeans, false).write(dir.path()).unwrap();
        for name in [HEADER, TENSORS] {
            let path = dir.path().join(name);
            let bytes = std::fs::read(&path).unwrap();
            let mut altered = bytes.clone();
            altered[bytes.len() / 2] ^= 4;
            for file in [&bytes[..bytes.len() - 3], &[], &altered] {
                std::fs::write(&path, file).unwrap();
                let error = Codebook::open(dir.path()).unwrap_err();
                assert!(matches!(error, Error::Damaged { .. }), "{error}");
                assert!(error.to_string().contains(name) && error.help().is_some(), "{error}");
            }
            std::fs::write(&path, bytes).unwrap();
        }
        Codebook::open(dir.path()).unwrap();
    }
}
