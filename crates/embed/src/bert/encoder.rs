//! `bert:PATH` behind the trait: options, fingerprint, and batches cut into tasks.

use super::config::Settings;
use super::engine::{Buffers, Engine};
use super::{Pool, weights};
use crate::document::check_finite;
use crate::forward::FORWARD;
use crate::prompt::{self, Prompt};
use crate::spec::EncoderOption;
use crate::{Document, Error, ModelFolder, Spec, TextEncoder, Tokenizer};
use rayon::prelude::*;
use semrank_nn::{Precision, unit_rows};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Tokens after which a task is full: its rows stay in the second-level cache while the weights pass by. Of 64 to 1024, 256
/// was the fastest in int8 by 3 to 10 % (Zen 4, 1 MiB of second-level cache); f32 does not care.
const TASK_TOKENS: usize = 256;

/// Its options.
pub(crate) const OPTIONS: [EncoderOption; 4] = [
    EncoderOption::new(
        "precision",
        "f32, bf16, int8",
        "bf16 is up to 2 times, int8 3 times as fast; both change vectors slightly [f32]",
    ),
    EncoderOption::new(
        "max_tokens",
        "N",
        "longest text, special tokens included; the rest is cut off [the model's]",
    ),
    EncoderOption::new("pool", "mean, cls, max, mean_sqrt_len", "pooling of the token vectors [the model's]"),
    prompt::OPTION,
];

struct Bert {
    fingerprint: String,
    tokenizer: Tokenizer,
    prompt: Prompt,
    engine: Engine,
    settings: Settings,
    /// Buffers that no thread is using, and hidden states.
    buffers: Mutex<Vec<(Buffers, Vec<f32>)>>,
}

/// Texts of one task, packed, and where their vectors go.
struct Task<'a> {
    tokens: Vec<u32>,
    offsets: Vec<usize>,
    out: &'a mut [f32],
}

/// Opens `bert:PATH`.
///
/// # Errors
/// An unknown option, a missing or damaged file, a model of another kind, parts that do not belong together.
pub fn open(mut spec: Spec) -> Result<Box<dyn TextEncoder>, Error> {
    let folder = ModelFolder::open(Path::new(spec.path()))?;
    let mut settings = Settings::read(&folder)?;
    let precision = spec.choice("precision", &Precision::NAMES)?;
    read_options(&mut spec, &mut settings)?;
    let prompt = Prompt::take(&mut spec, Some(&folder))?;
    spec.finish_with(&OPTIONS)?;

    let tokenizer = Tokenizer::open(&folder, settings.max_tokens)?;
    tokenizer.check_rows(settings.model.vocabulary)?;
    let model = settings.network();
    let (params, hash) = weights::read(&weights::Files::open(&folder)?, settings.family, &model)?;
    let fingerprint = fingerprint(&folder, hash, &settings, precision)? + &prompt.mark();
    let precision = Precision::named(precision).unwrap_or(Precision::F32);
    let layers = model.stack.layers();
    let engine = Engine::new(model, params, layers, precision);
    Ok(Box::new(Bert { fingerprint, tokenizer, prompt, engine, settings, buffers: Mutex::default() }))
}

fn read_options(spec: &mut Spec, settings: &mut Settings) -> Result<(), Error> {
    let word = spec.take("pool", settings.pool.name().to_owned())?;
    settings.pool = Pool::named(&word)
        .ok_or_else(|| spec.error(format!("pool={word}: one of {} is needed", Pool::NAMES.join(", "))))?;
    let most = settings.model.positions - settings.model.first_position;
    settings.max_tokens = spec.take("max_tokens", settings.max_tokens)?;
    if settings.max_tokens > most {
        return Err(spec.error(format!("max_tokens={}: the model has {most} positions", settings.max_tokens)));
    }
    Ok(())
}

/// Hash of weights, tokenizer and settings, and the options in words.
fn fingerprint(
    folder: &ModelFolder,
    weights: blake3::Hash,
    settings: &Settings,
    precision: &str,
) -> Result<String, Error> {
    let mut hash = blake3::Hasher::new();
    hash.update(weights.as_bytes());
    hash.update(blake3::hash(&folder.read_tokenizer()?).as_bytes());
    hash.update(format!("{settings:?}").as_bytes());
    let hash = hash.finalize().to_hex();
    Ok(format!(
        "bert:{}?precision={precision}&max_tokens={}&pool={}&{FORWARD}",
        &hash[..32],
        settings.max_tokens,
        settings.pool.name()
    ))
}

/// Token ids of a document's text after its prompt, lowered where the folder says so. Blanks at the ends stay, as in
/// `transformers` and since its version 6 in `sentence-transformers`: byte-level tokenizers read them.
pub(super) fn tokens(
    tokenizer: &Tokenizer,
    prompt: &Prompt,
    is_lowered: bool,
    document: &Document,
) -> Result<Vec<u32>, Error> {
    let text = prompt.before(document);
    tokenizer.encode(document.id, &if is_lowered { text.to_lowercase() } else { text })
}

impl Bert {
    fn run(&self, task: Task) {
        let mut buffers = self.free_buffers().pop().unwrap_or_default();
        task.run(&self.engine, self.settings.pool, self.settings.is_normalised, &mut buffers);
        self.free_buffers().push(buffers);
    }

    fn free_buffers(&self) -> std::sync::MutexGuard<'_, Vec<(Buffers, Vec<f32>)>> {
        // A list of buffers is whole even after a panic elsewhere.
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TextEncoder for Bert {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn width(&self) -> usize {
        self.settings.model.dim
    }

    fn notes(&self) -> Vec<String> {
        self.prompt.notes()
    }

    fn encode(&self, batch: &[Document], out: &mut [f32]) -> Result<(), Error> {
        let tokens: Result<Vec<_>, Error> = batch
            .par_iter()
            .map(|document| tokens(&self.tokenizer, &self.prompt, self.settings.is_lowered, document))
            .collect();
        let tasks = cut(&tokens?, self.width(), out);
        tasks.into_par_iter().for_each(|task| self.run(task));
        check_finite(self, batch, out)
    }
}

impl Task<'_> {
    fn run(self, engine: &Engine, pool: Pool, is_normalised: bool, buffers: &mut (Buffers, Vec<f32>)) {
        let Task { tokens, offsets, out } = self;
        let (buffers, hidden) = buffers;
        let width = out.len() / (offsets.len() - 1);
        engine.hidden(&tokens, &offsets, buffers, hidden);
        pool.forward(width, &offsets, hidden, out);
        if is_normalised {
            let raw = out.to_vec();
            unit_rows(width, &raw, &mut vec![0.0; offsets.len() - 1], out);
        }
    }
}

/// Vectors of texts given as token ids, `[texts x width]`.
pub(super) fn vectors(
    engine: &Engine,
    (pool, is_normalised): (Pool, bool),
    width: usize,
    texts: &[Vec<u32>],
) -> Vec<f32> {
    let mut out = vec![0.0; texts.len() * width];
    cut(texts, width, &mut out)
        .into_par_iter()
        .for_each_init(Default::default, |buffers, task| task.run(engine, pool, is_normalised, buffers));
    out
}

/// Cuts texts, in their order, into tasks of about [`TASK_TOKENS`].
fn cut<'a>(texts: &[Vec<u32>], width: usize, mut out: &'a mut [f32]) -> Vec<Task<'a>> {
    let (mut tasks, mut at) = (Vec::new(), 0);
    while at < texts.len() {
        let (mut tokens, mut offsets) = (Vec::new(), vec![0]);
        while at < texts.len() && (tokens.is_empty() || tokens.len() + texts[at].len() <= TASK_TOKENS) {
            tokens.extend_from_slice(&texts[at]);
            offsets.push(tokens.len());
            at += 1;
        }
        let (rows, rest) = std::mem::take(&mut out).split_at_mut((offsets.len() - 1) * width);
        out = rest;
        tasks.push(Task { tokens, offsets, out: rows });
    }
    tasks
}
