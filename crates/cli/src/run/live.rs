//! Makes the content that a model trains with its ranker, if the settings say so.

use super::data::Data;
use super::tokens::Content;
use crate::config::{Config, ContentTraining};
use crate::error::Error;
use crate::output::note;
use semrank_embed::{Kept, Trainable};
use semrank_model::{Live, TextLayers};

/// Opens the encoder whose layers are trained and runs its frozen layers; `None` where content stays frozen.
pub(super) fn make(
    data: &Data,
    config: &Config,
    seed: u64,
    content: &Content,
) -> Result<Option<Live>, Error> {
    let settings = &config.content;
    let (layers, rank) = match settings.train {
        ContentTraining::Frozen | ContentTraining::Adapter => return Ok(None),
        ContentTraining::Top(layers) => (Some(layers), 0),
        ContentTraining::Lora(rank) => (Some(settings.lora_layers), rank),
        ContentTraining::Full => (None, 0),
    };
    let Some(name) = settings.encoder.names().first().filter(|_| content.features.dim > 0) else {
        note("model: no content to train, because items have no text, or the model reads none");
        return Ok(None);
    };
    let encoder = Trainable::open(name, layers, settings.max_tokens)?;
    note(&format!("model: frozen layers of {name}, texts of at most {} tokens", settings.max_tokens));
    let kept = Kept::make(&encoder, &data.dataset.catalog, settings.kept_bytes, &settings.cache_dir())?;
    note(&format!("model: {} MiB of their output are kept", kept.bytes() >> 20));
    let live = settings.live(rank, config.train.clip);
    // The encoder that is trained stands first, so its columns do.
    let columns = 0..encoder.width();
    let start = (content.features.values.clone(), content.features.dim, columns);
    Ok(Some(Live::new(Box::new(TextLayers { encoder, kept }), start, live, seed)))
}
