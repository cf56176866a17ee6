//! The prompt before every text, such as `query: `: options and the model's own prompts in, texts with it out.
//!
//! Models of the sentence-transformers library name their prompts in `config_sentence_transformers.json`, and one of them may be
//! the default. They were trained with it, so vectors without it differ.
//!
//! | option | what stands before a text |
//! |---|---|
//! | none | the model's default prompt; nothing where it names none |
//! | `prompt=query` | the model's prompt of this name, where it has one |
//! | `prompt=query: ` | this text, where no prompt has that name; `&`, `?` and `%` are written `%26`, `%3F` and `%25` |
//! | `prompt=` | nothing |

use crate::spec::EncoderOption;
use crate::{Document, Error, ModelFolder, Spec};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The file of a model's prompts.
const FILE: &str = "config_sentence_transformers.json";
/// The name of a given text among a model's prompts.
const GIVEN: &str = "semrank";

/// The option of every encoder that reads prompts.
pub(crate) const OPTION: EncoderOption = EncoderOption::new(
    "prompt",
    "NAME or TEXT",
    "what stands before every text: the model's prompt of this name, or else this text (& ? % as %26 %3F %25); nothing for no \
     prompt [the model's default prompt]",
);

/// The text before every text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Prompt {
    text: String,
    note: Option<String>,
}

#[derive(Deserialize, Default)]
struct Config {
    #[serde(default)]
    prompts: Option<BTreeMap<String, String>>,
    #[serde(default)]
    default_prompt_name: Option<String>,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Pooling {
    #[serde(default = "yes")]
    include_prompt: bool,
}

fn yes() -> bool {
    true
}

impl Prompt {
    /// Takes the option out of `spec`; `folder` is the model's, where it has one.
    ///
    /// # Errors
    /// A default that the model does not name; a model that leaves prompts out of its vectors.
    pub(crate) fn take(spec: &mut Spec, folder: Option<&ModelFolder>) -> Result<Prompt, Error> {
        let config = folder.map_or_else(|| Ok(Config::default()), Config::read)?;
        let prompt = match spec.take_text("prompt")? {
            Some(given) => config.given(given),
            None => config.default_prompt(folder)?,
        };
        if let (Some(folder), false) = (folder, prompt.text.is_empty()) {
            check_pooling(folder)?;
        }
        Ok(prompt)
    }

    /// A document's text with the prompt before it.
    pub(crate) fn before(&self, document: &Document) -> String {
        format!("{}{}", self.text, document.text())
    }

    /// Its part of the fingerprint; empty without a prompt.
    pub(crate) fn mark(&self) -> String {
        if self.text.is_empty() { String::new() } else { format!("&prompt={:?}", self.text) }
    }

    /// A remark for the user: which prompt it is, or which there would be.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.note.iter().cloned().collect()
    }

    /// Makes it the default of a model that is written to `dir`; `folder` is the model's source.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub(crate) fn write(&self, folder: Option<&ModelFolder>, dir: &Path) -> Result<(), Error> {
        let source = folder.filter(|folder| folder.has(FILE));
        if source.is_none() && self.text.is_empty() {
            return Ok(());
        }
        let mut file: Map<String, Value> =
            source.map_or_else(|| Ok(Map::new()), |folder| folder.read_json(FILE))?;
        let mut prompts = source.map_or_else(|| Ok(Config::default()), Config::read)?.named();
        let known = prompts.iter().find(|(_, text)| **text == self.text).map(|(name, _)| name.clone());
        let name = (!self.text.is_empty()).then(|| known.unwrap_or_else(|| GIVEN.to_owned()));
        if let Some(name) = &name {
            prompts.insert(name.clone(), self.text.clone());
        }
        file.insert("prompts".into(), json!(prompts));
        file.insert("default_prompt_name".into(), json!(name));
        let path = dir.join(FILE);
        std::fs::write(&path, format!("{:#}\n", Value::Object(file))).map_err(Error::io("write", path))
    }
}

impl Config {
    fn read(folder: &ModelFolder) -> Result<Config, Error> {
        if folder.has(FILE) { folder.read_json(FILE) } else { Ok(Config::default()) }
    }

    fn named(self) -> BTreeMap<String, String> {
        self.prompts.unwrap_or_default()
    }

    fn given(self, given: String) -> Prompt {
        let prompts = self.named();
        if given.is_empty() {
            return Prompt::default();
        }
        if let Some(text) = prompts.get(&given) {
            let note = format!("every text begins with the model's prompt `{given}`: {text:?}");
            return Prompt { text: text.clone(), note: Some(note) };
        }
        let mut note = format!("every text begins with {given:?}");
        if !prompts.is_empty() {
            note += &format!(", not the name of a prompt of the model, which has {}", names(&prompts));
        }
        Prompt { text: given, note: Some(note) }
    }

    fn default_prompt(self, folder: Option<&ModelFolder>) -> Result<Prompt, Error> {
        let default = self.default_prompt_name.clone();
        let prompts = self.named();
        let Some(name) = default else {
            let is_told = prompts.values().any(|text| !text.is_empty());
            let note = is_told.then(|| {
                format!(
                    "texts are encoded without a prompt; the model has {}: ?prompt=NAME takes one",
                    names(&prompts)
                )
            });
            return Ok(Prompt { text: String::new(), note });
        };
        let Some(text) = prompts.get(&name) else {
            return Err(Error::Mismatch {
                path: folder.map(|folder| folder.place(FILE)).unwrap_or_default(),
                what: "default_prompt_name".into(),
                got: format!("`{name}`"),
                expected: format!("one of its prompts: {}", names(&prompts)),
            });
        };
        let note = format!(
            "every text begins with the model's default prompt `{name}`: {text:?}; ?prompt= leaves it out"
        );
        Ok(Prompt { text: text.clone(), note: (!text.is_empty()).then_some(note) })
    }
}

fn names(prompts: &BTreeMap<String, String>) -> String {
    let names: Vec<&str> = prompts.keys().map(String::as_str).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// Returns an error for a model whose pooling skips the prompt's tokens.
fn check_pooling(folder: &ModelFolder) -> Result<(), Error> {
    const MODULES: &str = "modules.json";
    if !folder.has(MODULES) {
        return Ok(());
    }
    for module in folder.read_json::<Vec<Module>>(MODULES)? {
        let file = format!("{}/config.json", module.path);
        if module.kind.ends_with(".Pooling") && !folder.read_json::<Pooling>(&file)?.include_prompt {
            return Err(Error::Unsupported {
                path: folder.place(&file),
                what: "include_prompt".into(),
                got: "false".into(),
                supported: "true with a prompt; false without one (?prompt=)".into(),
            });
        }
    }
    Ok(())
}
