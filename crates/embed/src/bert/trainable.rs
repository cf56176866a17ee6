//! A sentence encoder to train: parameters in one flat vector, texts as token ids, and the model folder that is written.

use super::config::{Family, Settings};
use super::{BertModel, Engine, Pool, weights};
use crate::folder::WEIGHTS;
use crate::prompt::Prompt;
use crate::{Document, Error, ModelFolder, Spec, Tokenizer};
use semrank_nn::Precision;
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::OnceLock;

const CONFIG: &str = "config.json";

/// An encoder with its parameters.
#[derive(Debug)]
pub struct TrainableBert {
    /// The network.
    pub model: BertModel,
    /// All parameters, as the model lays them out.
    pub params: Vec<f32>,
    /// How token vectors become one.
    pub pool: Pool,
    /// Whether vectors are brought to length 1.
    pub is_normalised: bool,
    tokenizer: Tokenizer,
    prompt: Prompt,
    is_lowered: bool,
    family: Family,
    folder: ModelFolder,
    /// All layers, packed when they are first run.
    packed: OnceLock<Engine>,
}

/// Files of a model folder, besides those of its modules, that say how it is used; the existing ones are copied.
const COMPANIONS: [&str; 11] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "modules.json",
    "sentence_bert_config.json",
];

impl TrainableBert {
    /// Reads a model folder; texts are cut after `max_tokens`, or the model's own length if that is less. `spec` may say which
    /// prompt they get.
    ///
    /// # Errors
    /// As `bert:PATH`.
    pub fn open(spec: &mut Spec, max_tokens: usize) -> Result<Self, Error> {
        let folder = ModelFolder::open(Path::new(spec.path()))?;
        let settings = Settings::read(&folder)?;
        let tokenizer = Tokenizer::open(&folder, max_tokens.min(settings.max_tokens))?;
        tokenizer.check_rows(settings.model.vocabulary)?;
        let prompt = Prompt::take(spec, Some(&folder))?;
        let model = settings.network();
        let (params, _) = weights::read(&weights::Files::open(&folder)?, settings.family, &model)?;
        let Settings { pool, is_normalised, is_lowered, family, .. } = settings;
        let packed = OnceLock::new();
        Ok(Self { model, params, pool, is_normalised, tokenizer, prompt, is_lowered, family, folder, packed })
    }

    /// Remarks for the user: which prompt stands before every text.
    pub fn notes(&self) -> Vec<String> {
        self.prompt.notes()
    }

    /// Writes a model folder in Hugging Face layout with these parameters into an existing folder: the files of the one
    /// that was opened, its tensors, by their names, in f32, and the prompt as its default.
    ///
    /// # Errors
    /// A source file that cannot be read any more, or a file that cannot be written.
    pub fn write(&self, params: &[f32], dir: &Path) -> Result<(), Error> {
        let modules = super::config::module_files(&self.folder)?;
        let config = dir.join(CONFIG);
        std::fs::write(&config, self.config_json()?).map_err(Error::io("write", config))?;
        let companions = COMPANIONS.map(str::to_owned).into_iter().chain(modules);
        for file in companions.filter(|file| self.folder.has(file)) {
            let path = dir.join(&file);
            let parent = path.parent().unwrap_or(dir);
            std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
            std::fs::write(&path, self.folder.read(&file)?).map_err(Error::io("write", &path))?;
        }
        self.prompt.write(Some(&self.folder), dir)?;
        let bytes = weights::replace(&self.folder, self.family, &self.model, params)?;
        let path = dir.join(WEIGHTS);
        std::fs::write(&path, bytes).map_err(Error::io("write", path))
    }

    /// The model's configuration with the number type that is written: by another one, tools would round the weights.
    fn config_json(&self) -> Result<String, Error> {
        let mut config: Map<String, Value> = self.folder.read_json(CONFIG)?;
        for key in ["dtype", "torch_dtype"] {
            config.entry(key).and_modify(|kind| *kind = "float32".into());
        }
        Ok(format!("{:#}\n", Value::Object(config)))
    }

    /// Token ids of a document, special tokens included.
    ///
    /// # Errors
    /// A text that cannot be tokenized.
    pub fn tokens(&self, document: &Document) -> Result<Vec<u32>, Error> {
        super::encoder::tokens(&self.tokenizer, &self.prompt, self.is_lowered, document)
    }

    /// Vectors of texts given as token ids, `[texts x D]`, by the parameters that were read.
    pub fn vectors(&self, texts: &[Vec<u32>]) -> Vec<f32> {
        let (model, layers) = (&self.model, self.model.stack.layers());
        let packed = || Engine::new(model.clone(), self.params.clone(), layers, Precision::F32);
        let engine = self.packed.get_or_init(packed);
        super::encoder::vectors(engine, (self.pool, self.is_normalised), model.config().dim, texts)
    }
}
