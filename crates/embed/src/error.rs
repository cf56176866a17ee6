//! Errors of encoding; each message says what was found, what was expected and what to do.

use crate::fetch;
use crate::folder::WEIGHTS;
use crate::static_table::TOKENIZER;
use semrank_nn::weights;
use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name of an unknown encoder, or an unknown option.
    #[error("encoder `{given}`: {reason}")]
    Spec {
        /// The name as written.
        given: String,
        /// The mistake and the correct form.
        reason: String,
    },
    /// A model that is not there.
    #[error("there is no model at {}", path.display())]
    MissingModel {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A model folder without a file that the encoder needs.
    #[error("{} has no file {file}: {expected}", path.display())]
    MissingFile {
        /// The folder, wheel or zip.
        path: PathBuf,
        /// The file.
        file: String,
        /// The expected kind of folder.
        expected: &'static str,
    },
    /// A file that ends early or is not what its name says.
    #[error("{} is damaged or not {expected}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The expected kind of file.
        expected: &'static str,
        /// The defect found.
        reason: String,
    },
    /// More than a reader takes in, such as a small archive that unpacks to gigabytes.
    #[error("{}: {what} has {got} bytes, at most {most} are read; it is damaged or malicious", path.display())]
    TooLarge {
        /// The file or archive.
        path: PathBuf,
        /// What of it.
        what: String,
        /// Its bytes.
        got: u64,
        /// The limit.
        most: u64,
    },
    /// Parts that do not belong together: a tensor of another shape, a tokenizer larger than the table.
    #[error("{}: {what} is {got}, expected {expected}", path.display())]
    Mismatch {
        /// The file or folder.
        path: PathBuf,
        /// The quantity.
        what: String,
        /// Value found.
        got: String,
        /// Valid values.
        expected: String,
    },
    /// A model of a kind that is not built in.
    #[error("{}: {what} is {got}; supported: {supported}", path.display())]
    Unsupported {
        /// The file or folder.
        path: PathBuf,
        /// The unsupported feature.
        what: String,
        /// Value found.
        got: String,
        /// Supported values.
        supported: String,
    },
    /// A file with another content than the one asked for.
    #[error("{} has the SHA-256 {got}, expected {expected}: it is another or a damaged file; delete it and fetch again", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// Of the file.
        got: String,
        /// The valid forms.
        expected: String,
    },
    /// A vector with NaN or infinity.
    #[error("{encoder} gave item `{item}` a vector that is not finite")]
    NotFinite {
        /// The encoder.
        encoder: String,
        /// The item's id.
        item: String,
    },
    /// A text that cannot be tokenized.
    #[error("cannot tokenize the text of item `{item}`: {reason}")]
    Tokenize {
        /// The item's id.
        item: String,
        /// The tokenizer's error.
        reason: String,
    },
    /// An endpoint that stays down or answers nonsense.
    #[error(
        "{url}: {reason} (after {attempts} attempts); what was encoded so far is kept, run the same command again to go on"
    )]
    Endpoint {
        /// The endpoint.
        url: String,
        /// The last error.
        reason: String,
        /// Attempts made.
        attempts: usize,
    },
    /// A helper program that failed.
    #[error("`{command}` failed: {reason}")]
    Command {
        /// The command line.
        command: String,
        /// Its output.
        reason: String,
    },
    /// An id that cannot be written in the wanted format.
    #[error("item id {id:?} cannot be written to {format}: write .parquet instead")]
    UnwritableId {
        /// The id.
        id: String,
        /// The format.
        format: &'static str,
    },
    /// An encoder whose training went wrong.
    #[error("the {what} of the encoder under training is {got} in step {step}: training has diverged")]
    Diverged {
        /// `loss`, or a vector's value.
        what: &'static str,
        /// Description in a line.
        got: f64,
        /// Steps done.
        step: u64,
    },
    /// The caller did not want to go on; what was encoded is in the cache.
    #[error("stopped")]
    Stopped,
    /// Invalid settings of the hashed features.
    #[error(transparent)]
    Features(#[from] crate::hash::FeatureError),
    /// A data file.
    #[error(transparent)]
    Data(#[from] semrank_data::Error),
    /// A file or folder that could not be read, written or hashed.
    #[error(transparent)]
    Store(#[from] semrank_store::Error),
}

impl From<weights::Error> for Error {
    fn from(error: weights::Error) -> Self {
        match error {
            weights::Error::Damaged { path, expected, reason } => Error::Damaged { path, expected, reason },
            weights::Error::Unsupported { path, what, got, supported } => {
                Error::Unsupported { path, what, got, supported }
            }
        }
    }
}

impl Error {
    /// Help for the command line.
    pub fn help(&self) -> Option<String> {
        match self {
            Error::Spec { .. } => Some(
                "encoders are hash:, static:PATH, bert:PATH, llama:PATH, onnx:PATH, parquet:PATH and http:URL, options \
                 after a ?; `semrank embed --help` lists them all"
                    .into(),
            ),
            Error::MissingModel { path } => Some(fetch::advice(path)),
            Error::MissingFile { file, .. } => Some(
                match file.as_str() {
                    TOKENIZER => "write it with Python: transformers.AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)",
                    WEIGHTS => "pickled weights (pytorch_model.bin) are not read; write safetensors with Python: transformers.AutoModel.from_pretrained(FOLDER).save_pretrained(FOLDER)",
                    _ => "`semrank model fetch minilm` gets a sentence encoder and says where it is",
                }
                .into(),
            ),
            Error::Diverged { .. } => {
                Some("try a lower rate: content.rate of a run, --rate of `semrank finetune`".into())
            }
            Error::Data(error) => error.help(),
            Error::Store(error) => error.help(),
            _ => None,
        }
    }

    /// Wraps an error of the system.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let store = semrank_store::Error::io(action, &path.into());
        move |source| store(source).into()
    }
}
