//! A generation: a frozen codebook and the ids that were published with it. Ids are assigned once and never change.
//!
//! [`Generation::create`] makes a folder with the codebook and an empty table; [`Generation::append`] gives ids to items that
//! have none. What an append has published stays as it is, whatever is appended later, in whatever order, and wherever the
//! program is killed. A better codebook is another generation ([`align`]).
//!
//! ```
//! use semrank_tokens::{Codebook, Collisions, Generation, Rows, TokenSettings, fit};
//! let dir = tempfile::tempdir().unwrap();
//! let vectors = Rows::new(&[0.0, 1.0, 0.9], 1);
//! let settings = TokenSettings { levels: 1, codes: 2, ..TokenSettings::default() };
//! let codebook = Codebook::new(fit(&settings, &vectors, 7)?, settings, 1, "features");
//! let mut ids = Generation::create(&dir.path().join("ids"), codebook, Collisions::Share)?;
//! ids.append(&["sock", "shoe", "boot"], &vectors, "features")?;
//! assert_eq!(ids.of("shoe"), ids.of("boot"));
//! assert_eq!(Generation::open(&dir.path().join("ids"))?.of("sock"), ids.of("sock"));
//! # Ok::<(), semrank_tokens::Error>(())
//! ```

mod align;
mod collide;
mod log;
mod matching;
mod table;

use crate::vectors::{Chosen, check_width};
use crate::{Codebook, Collisions, Error, SemanticIds, Tokenizer, VectorSource, encode_all};
use collide::{Asking, Taken};
use log::{Head, Writer};
use semrank_core::Dictionary;
use semrank_store::StagedDir;
use serde::Serialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use table::Table;

pub use align::{Alignment, align};

/// A codebook with its published ids.
#[derive(Debug)]
pub struct Generation {
    dir: PathBuf,
    codebook: Codebook,
    head: Head,
    table: Table,
    /// Of the published ids, once an append has needed them.
    taken: Option<Taken>,
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Appended {
    /// Items that got an id.
    pub new: usize,
    /// Items that had one, and keep it.
    pub known: usize,
    /// New items that moved because their id was taken.
    pub moved: usize,
}

impl Generation {
    /// Makes a generation without items in the new folder `dir`.
    ///
    /// # Errors
    /// [`Error::Published`] where the folder exists; I/O errors.
    pub fn create(dir: &Path, codebook: Codebook, collisions: Collisions) -> Result<Self, Error> {
        if dir.exists() {
            return Err(Error::Published { path: dir.to_owned() });
        }
        let stage = StagedDir::new(dir)?;
        let hash = codebook.write(stage.path())?;
        let head = Head::new(codebook.generation(), collisions, hash);
        log::create(stage.path())?;
        head.write(stage.path())?;
        stage.commit()?;
        let table = Table::new(codebook.tokenizer().levels(), codebook.tokenizer().codes());
        Ok(Self { dir: dir.to_owned(), codebook, head, table, taken: None })
    }

    /// Opens the generation of a folder: all that was published, and nothing of an append that was killed.
    ///
    /// # Errors
    /// [`Error::Damaged`] where a file was cut short or altered, [`Error::Mismatch`] where the codebook is another one.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let head = Head::read(dir)?;
        let (codebook, hash) = Codebook::open(dir)?;
        if hash != head.codebook_blake3 || codebook.generation() != head.generation {
            let (path, expected) = (dir.to_owned(), head.codebook_blake3);
            return Err(Error::Mismatch { path, what: "the hash of the codebook", got: hash, expected });
        }
        let mut table = Table::new(codebook.tokenizer().levels(), codebook.tokenizer().codes());
        log::read(dir, &head, &mut table)?;
        Ok(Self { dir: dir.to_owned(), codebook, head, table, taken: None })
    }

    /// The codebook.
    pub fn codebook(&self) -> &Codebook {
        &self.codebook
    }

    /// Number of items that have an id.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no item has an id.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The codes of an item, if it has some.
    pub fn of(&self, item: &str) -> Option<&[u16]> {
        self.table.get(item)
    }

    /// Items that have an id, in the order in which they got it.
    pub fn items(&self) -> &Dictionary {
        self.table.names()
    }

    /// Their ids, in the same order.
    pub fn ids(&self) -> SemanticIds {
        self.table.ids()
    }

    /// Gives ids to those of `items` that have none, and publishes them.
    ///
    /// When this returns `Ok`, the ids have reached the disk. Wherever it is killed, either all new items have an id
    /// afterwards or none has, and ids that were published before are what they were. With [`Collisions::Share`] an item's
    /// id depends on its vector only; with [`Collisions::Reassign`] also on the items published before.
    ///
    /// # Errors
    /// [`Error::Fingerprint`] and [`Error::Width`] for foreign features, [`Error::Duplicate`], [`Error::NotFinite`],
    /// [`Error::NoFreeId`], [`Error::Busy`], and I/O errors; nothing is published then.
    ///
    /// # Panics
    /// When there are not as many vectors as items.
    pub fn append(
        &mut self,
        items: &[impl AsRef<str>],
        vectors: &dyn VectorSource,
        features: &str,
    ) -> Result<Appended, Error> {
        assert_eq!(items.len(), vectors.len(), "one vector per item");
        self.codebook.check_features(features)?;
        check_width("a vector", vectors.dim(), self.codebook.tokenizer().dim())?;
        check_distinct(items)?;
        let writer = Writer::open(&self.dir)?;
        if Head::read(&self.dir)? != self.head {
            *self = Self::open(&self.dir)?;
        }
        let rows: Vec<usize> =
            (0..items.len()).filter(|&row| self.of(items[row].as_ref()).is_none()).collect();
        let names: Vec<&str> = rows.iter().map(|&row| items[row].as_ref()).collect();
        let new = Chosen { source: vectors, rows: &rows };
        // Put back below: an append that fails must not leave its ids there.
        let taken = self.taken.take();
        let (ids, moved, taken) = self.ids_of(&names, &new, taken)?;
        let appended = Appended { new: rows.len(), known: items.len() - rows.len(), moved };
        if !names.is_empty() {
            let entries: Vec<(&str, &[u16])> =
                names.iter().enumerate().map(|(row, &name)| (name, ids.of(row))).collect();
            self.head = writer.append(&self.head, &entries)?;
            for (name, codes) in entries {
                self.table.insert(name, codes);
            }
        }
        self.taken = taken;
        Ok(appended)
    }

    /// Ids of new items, how many had to move, and all that are taken then.
    fn ids_of(
        &self,
        names: &[&str],
        vectors: &dyn VectorSource,
        taken: Option<Taken>,
    ) -> Result<(SemanticIds, usize, Option<Taken>), Error> {
        let tokenizer = self.codebook.tokenizer();
        let ids = encode_all(tokenizer, vectors)?;
        match self.head.collisions {
            Collisions::Share => Ok((ids, 0, None)),
            Collisions::Reassign => {
                let mut taken = taken.unwrap_or_else(|| Taken::of(self.table.values(), tokenizer.levels()));
                let (ids, moved) = collide::settle(tokenizer, &mut taken, Asking { names, vectors, ids })?;
                Ok((ids, moved, Some(taken)))
            }
        }
    }
}

fn check_distinct(items: &[impl AsRef<str>]) -> Result<(), Error> {
    let mut rows = HashMap::new();
    for (second, item) in items.iter().enumerate() {
        if let Some(first) = rows.insert(item.as_ref(), second) {
            return Err(Error::Duplicate { item: item.as_ref().to_owned(), first, second });
        }
    }
    Ok(())
}
