//! A tower in a folder: `tower.json` (sealed facts) and `tower.safetensors` (its parameters).

use super::{AlignSettings, Tower};
use crate::{Error, check};
use semrank_nn::checkpoint::{self, Checkpoint, Tensor, Values};
use semrank_store::{hash_file, sealed};
use serde::{Deserialize, Serialize};
use std::path::Path;

pub(super) const FACTS: &str = "tower.json";
const TENSORS: &str = "tower.safetensors";

/// `tower.json`.
#[derive(Serialize, Deserialize)]
pub(super) struct Facts {
    inputs: usize,
    features: String,
    settings: AlignSettings,
    tensors_blake3: String,
}

impl Facts {
    /// Refuses numbers that no tower has; `path` is where they were read.
    fn check(&self, path: &Path) -> Result<(), Error> {
        self.settings.check().map_err(|error| Error::damaged(path, error.to_string()))?;
        check::widths(path, [self.inputs, self.settings.hidden, self.settings.width])
    }
}

impl Tower<f32> {
    /// Writes the tower, trained on features of this fingerprint, into an existing folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, dir: &Path, settings: &AlignSettings, features: &str) -> Result<(), Error> {
        let path = dir.join(TENSORS);
        let entries = self.layout.entries().iter();
        let tensors: Vec<Tensor> = entries
            .map(|entry| Tensor {
                name: &entry.name,
                shape: [entry.slot.rows, entry.slot.cols],
                values: Values::F32(entry.slot.of(&self.params)),
            })
            .collect();
        checkpoint::save(&path, &tensors)?;
        let tensors_blake3 = hash_file(&path)?;
        let (inputs, features, settings) = (self.inputs(), features.to_owned(), settings.clone());
        sealed::write(&dir.join(FACTS), &Facts { inputs, features, settings, tensors_blake3 })?;
        Ok(())
    }

    /// Reads a tower for features of this fingerprint.
    ///
    /// # Errors
    /// [`Error::Damaged`] where a file was cut short or altered, [`Error::Fingerprint`] for other features.
    pub fn open(dir: &Path, features: &str) -> Result<Self, Error> {
        let (facts, _): (Facts, String) = sealed::read(&dir.join(FACTS))?;
        facts.check(&dir.join(FACTS))?;
        if facts.features != features {
            return Err(Error::Fingerprint { got: features.to_owned(), expected: facts.features });
        }
        let path = dir.join(TENSORS);
        let got = hash_file(&path)?;
        if got != facts.tensors_blake3 {
            return Err(Error::damaged(
                &path,
                format!("it has the hash {got}, not {}", facts.tensors_blake3),
            ));
        }
        let mut tower = Self::without_params(facts.inputs, &facts.settings);
        let file = Checkpoint::open(&path)?;
        for entry in tower.layout.entries() {
            tower.params.extend(file.f32s(&entry.name, [entry.slot.rows, entry.slot.cols])?);
        }
        Ok(tower)
    }
}
