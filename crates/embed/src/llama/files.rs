//! The forms of PATH, and what is read of it before the weights: sizes, tokenizer, tables of tensors.
//!
//! PATH is a GGUF file, a Hugging Face folder (`config.json`, `tokenizer.json`, `model.safetensors` or the shards that
//! `model.safetensors.index.json` names), a folder with one GGUF file, or a wheel or zip file with one of these.

use super::gguf::{self, Gguf};
use super::tensors::{GGUF, HUGGING_FACE, HUGGING_FACE_BASE, Naming};
use super::weights::Shard;
use super::{LlamaConfig, tokenizer};
use crate::folder::{INDEX, WEIGHTS};
use crate::place::{Place, open_archive};
use crate::{Error, ModelFolder, Tokenizer};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A model's files, found and understood, without the weights.
pub(super) struct Files {
    /// The file or folder, for messages.
    pub(super) path: PathBuf,
    pub(super) config: LlamaConfig,
    pub(super) tokenizer: Tokenizer,
    pub(super) naming: Naming,
    pub(super) shards: Vec<Shard>,
    /// Hash of the small files; the weights have their own.
    pub(super) hash: blake3::Hasher,
}

impl Files {
    /// Finds and reads them; texts are cut after `max_tokens`.
    pub(super) fn open(path: &Path, max_tokens: usize) -> Result<Files, Error> {
        match gguf_place(path)? {
            Some(place) => Self::of_gguf(place, max_tokens),
            None => Self::of_folder(&ModelFolder::open(path)?, max_tokens),
        }
    }

    fn of_gguf(place: Place, max_tokens: usize) -> Result<Files, Error> {
        let mut header = place.read(gguf::EXPECTED, Gguf::read)?;
        let config = LlamaConfig::of_gguf(&header)?;
        let tensors = std::mem::take(&mut header.tensors);
        Ok(Files {
            path: place.path(),
            config,
            tokenizer: tokenizer::of_gguf(&header, max_tokens)?,
            naming: GGUF,
            shards: vec![Shard::new(place, gguf::EXPECTED, tensors)?],
            hash: blake3::Hasher::new(),
        })
    }

    fn of_folder(folder: &ModelFolder, max_tokens: usize) -> Result<Files, Error> {
        let config = LlamaConfig::of_folder(folder)?;
        let tokenizer = Tokenizer::open(folder, max_tokens)?;
        let mut hash = blake3::Hasher::new();
        for content in [folder.read("config.json")?, folder.read_tokenizer()?] {
            hash.update(blake3::hash(&content).as_bytes());
        }
        let names = folder.weight_files()?;
        let shards = names.iter().map(|file| Shard::of_safetensors(Place::of(folder, file)));
        let shards = shards.collect::<Result<Vec<_>, _>>()?;
        let has = |naming: Naming| {
            let tokens = naming.tokens();
            shards.iter().flat_map(|shard| &shard.tensors).any(|tensor| tensor.name == tokens)
        };
        let naming = if has(HUGGING_FACE) { HUGGING_FACE } else { HUGGING_FACE_BASE };
        Ok(Files { path: folder.path().to_owned(), config, tokenizer, naming, shards, hash })
    }

    /// Rows of the token table.
    pub(super) fn vocabulary(&self) -> Result<usize, Error> {
        let name = self.naming.tokens();
        let mut tensors = self.shards.iter().flat_map(|shard| &shard.tensors);
        let table = tensors.find(|tensor| tensor.name == name).map(|tensor| tensor.place.rows);
        table.ok_or_else(|| Error::Damaged {
            path: self.path.clone(),
            expected: "the weights of a Llama model",
            reason: format!("it has no tensor `{name}`"),
        })
    }
}

/// The GGUF file that is meant; `None` where a Hugging Face folder is.
fn gguf_place(path: &Path) -> Result<Option<Place>, Error> {
    if !path.exists() {
        return Err(Error::MissingModel { path: path.to_owned() });
    }
    if path.is_dir() {
        if path.join(WEIGHTS).is_file() || path.join(INDEX).is_file() {
            return Ok(None);
        }
        return Ok(only_one(path, gguf_files(path)?)?.map(|name| Place::File(path.join(name))));
    }
    if is_gguf(path)? {
        return Ok(Some(Place::File(path.to_owned())));
    }
    let archive = open_archive(path)?;
    let names = archive.file_names().filter(|name| name.ends_with(".gguf")).map(String::from).collect();
    let name = only_one(path, names)?;
    Ok(name.map(|name| Place::Entry { archive: path.to_owned(), name }))
}

fn is_gguf(path: &Path) -> Result<bool, Error> {
    let mut start = Vec::new();
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    file.take(4).read_to_end(&mut start).map_err(Error::io("read", path))?;
    Ok(start == b"GGUF" || path.extension().is_some_and(|extension| extension == "gguf"))
}

fn gguf_files(folder: &Path) -> Result<BTreeSet<String>, Error> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        names.extend(entry.file_name().into_string().ok().filter(|name| name.ends_with(".gguf")));
    }
    Ok(names)
}

fn only_one(path: &Path, names: BTreeSet<String>) -> Result<Option<String>, Error> {
    if names.len() <= 1 {
        return Ok(names.into_iter().next());
    }
    Err(Error::Mismatch {
        path: path.to_owned(),
        what: "the GGUF file".into(),
        got: names.into_iter().collect::<Vec<_>>().join(" or "),
        expected: "one; name the file itself".into(),
    })
}
