//! Makes the content that a model trains with its ranker, if the settings say so.

use crate::config::{Config, ContentTraining};
use crate::data::Data;
use crate::tokens::Content;
use crate::{Context, Error};
use semrank_embed::{Kept, TextLayers, Trainable};
use semrank_sequence::{Live, artefact::Trained};
use std::path::Path;

/// Opens the encoder whose layers are trained and runs its frozen layers; `None` where content stays frozen.
pub(crate) fn make(
    data: &Data,
    config: &Config,
    seed: u64,
    content: &Content,
    context: &Context,
) -> Result<Option<Live>, Error> {
    let settings = &config.content;
    let Some((layers, rank)) = trained_layers(config) else { return Ok(None) };
    let Some(name) = settings.encoder.names().first().filter(|_| content.features.dim > 0) else {
        context.note("model: no content to train, because items have no text, or the model reads none");
        return Ok(None);
    };
    let encoder = Trainable::open(name, layers, settings.max_tokens)?;
    context.note(&format!("model: frozen layers of {name}, texts of at most {} tokens", settings.max_tokens));
    let kept = Kept::make(&encoder, &data.dataset.catalog, settings.kept_bytes, &settings.cache_dir())?;
    context.note(&format!("model: {} MiB of their output are kept", kept.bytes() >> 20));
    let live = settings.live(rank, config.train.clip);
    // The encoder that is trained stands first, so its columns do.
    let columns = 0..encoder.width();
    let start = (content.features.values.clone(), content.features.dim, columns);
    Ok(Some(Live::new(Box::new(TextLayers { encoder, kept }), start, live, seed)))
}

/// How many of the last layers are trained (`None` = all) and the rank of their corrections (0 = none); `None` where none is.
fn trained_layers(config: &Config) -> Option<(Option<usize>, usize)> {
    match config.content.train {
        ContentTraining::Frozen | ContentTraining::Adapter => None,
        ContentTraining::Top(layers) => Some((Some(layers), 0)),
        ContentTraining::Lora(rank) => Some((Some(config.content.lora_layers), rank)),
        ContentTraining::Full => Some((None, 0)),
    }
}

/// The encoder that a run trained, as it was in the epoch that was kept; `None` where none was trained.
///
/// # Errors
/// What opening the encoder that training began with refuses; an encoder with other layers than then.
pub(crate) fn trained_encoder(
    run: &Path,
    config: &Config,
    model: &Trained,
) -> Result<Option<Trainable>, Error> {
    let settings = &config.content;
    let (Some((layers, _)), Some(content)) = (trained_layers(config), &model.content) else {
        return Ok(None);
    };
    let Some(name) = settings.encoder.names().first() else { return Ok(None) };
    let mut encoder = Trainable::open(name, layers, settings.max_tokens)?;
    let (got, expected) = (encoder.params().len(), content.params.len());
    if got != expected {
        return Err(Error::Mismatch {
            path: run.to_owned(),
            what: format!("the number of trained parameters of {name}"),
            got: got.to_string(),
            expected: expected.to_string(),
            help: "the encoder has changed since the run, or the model is damaged: repeat `semrank run`",
        });
    }
    encoder.params_mut().copy_from_slice(&content.params);
    Ok(Some(encoder))
}
