//! Users who are forgotten though the run's data set has them: hashes of their ids, in `STATE/forgotten.json`. A start leaves them out.

use crate::event::key;
use semrank_store::{Error, read_json, write_json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The hashes.
#[derive(Debug, Default)]
pub(crate) struct Forgotten(BTreeSet<String>);

impl Forgotten {
    /// Those of a folder of state.
    ///
    /// # Errors
    /// A damaged file.
    pub(crate) fn read(folder: &Path) -> Result<Self, Error> {
        let path = path(folder);
        if path.exists() { Ok(Self(read_json(&path)?)) } else { Ok(Self::default()) }
    }

    /// Adds users to a folder of state.
    ///
    /// # Errors
    /// A disk that fails.
    pub(crate) fn add<'u>(folder: &Path, users: impl IntoIterator<Item = &'u String>) -> Result<(), Error> {
        let Self(mut all) = Self::read(folder)?;
        all.extend(users.into_iter().map(|user| hash(user)));
        write_json(&path(folder), &all)
    }

    /// Whether a user is one of them.
    pub(crate) fn has(&self, user: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&hash(user))
    }
}

fn hash(user: &str) -> String {
    format!("{:032x}", key(&[b"forgotten", user.as_bytes()]))
}

fn path(folder: &Path) -> PathBuf {
    folder.join("forgotten.json")
}
