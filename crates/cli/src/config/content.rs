//! The section `content`: what turns an item's texts into vectors.

// The macro makes public items; this program exports none.
#![allow(unreachable_pub)]

use serde::{Deserialize, Serialize};

/// One encoder's name or a list of them, whose vectors are put side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Encoders {
    /// `"hash:"`.
    One(String),
    /// `["hash:", "bert:models/minilm"]`.
    Several(Vec<String>),
}

impl Encoders {
    /// The names.
    pub fn names(&self) -> &[String] {
        match self {
            Encoders::One(name) => std::slice::from_ref(name),
            Encoders::Several(names) => names,
        }
    }
}

semrank_core::settings! {
    /// What turns an item's texts into vectors.
    pub struct ContentSettings {
        /// `hash:`, `static:PATH`, `bert:PATH`, `llama:PATH`, `onnx:PATH`, `parquet:PATH` or `http:URL`; or a list of
        /// such names, e.g. `["hash:", "bert:models/minilm"]`, whose vectors are put side by side.
        encoder: Encoders = Encoders::One("hash:".into()),
        /// Folder in which vectors are kept, so that a text is encoded once; empty = `semrank` in the user's cache folder.
        cache: String = String::new(),
    }
}

impl ContentSettings {
    /// The folder of the cache.
    pub fn cache_dir(&self) -> std::path::PathBuf {
        if !self.cache.is_empty() {
            return self.cache.clone().into();
        }
        let var =
            |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(std::path::PathBuf::from);
        let home = || var("HOME").map(|home| home.join(".cache"));
        var("XDG_CACHE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir).join("semrank")
    }
}
