//! Opens an encoder by its name.

use crate::hash::{FeatureSettings, HashEncoder};
use crate::spec::EncoderOption;
use crate::{Error, Source, Spec, TextEncoder};

/// The texts that an encoder is fitted on.
#[derive(Clone, Copy)]
pub struct Fit<'a> {
    /// The items.
    pub source: &'a dyn Source,
    /// Which of them may be learned from, one entry per item; `None` = all.
    pub known: Option<&'a [bool]>,
    /// Settings of `hash:`; options of the name win.
    pub settings: &'a FeatureSettings,
    /// Of every random choice.
    pub seed: u64,
}

/// Opens the encoder called `name`; see the table in the [crate's documentation](crate).
///
/// # Errors
/// An unknown kind or option, and whatever keeps this encoder from being opened.
pub fn open(name: &str, fit: &Fit) -> Result<Box<dyn TextEncoder>, Error> {
    let spec = Spec::parse(name)?;
    match spec.kind() {
        "hash" => {
            let settings = hash_settings(spec, fit.settings)?;
            Ok(Box::new(HashEncoder::fit(fit.source, fit.known, &settings, fit.seed)?))
        }
        "static" => crate::static_table::open(spec),
        "bert" => crate::bert::open(spec),
        "llama" => crate::llama::open(spec),
        "parquet" => crate::precomputed::open(spec),
        #[cfg(feature = "onnx")]
        "onnx" => crate::onnx::open(spec),
        #[cfg(feature = "http")]
        "http" | "https" => crate::http::open(spec),
        _ => Err(spec.error("unknown kind")),
    }
}

/// A kind of encoder, for help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderKind {
    /// How its name begins, with what follows.
    pub name: &'static str,
    /// Description in a line.
    pub what: &'static str,
    /// Its options.
    pub options: &'static [EncoderOption],
}

/// The kinds of encoders that this program has.
pub fn kinds() -> Vec<EncoderKind> {
    let kind = |name, what, options| EncoderKind { name, what, options };
    let mut kinds = vec![
        kind(
            "hash:",
            "hashed words, weighted by TF-IDF and projected; fitted on the texts",
            &crate::hash::OPTIONS[..],
        ),
        kind("static:PATH", "a table with one vector per token", &crate::static_table::OPTIONS),
        kind("bert:PATH", "a sentence encoder of the BERT family", &crate::bert::OPTIONS),
        kind("llama:PATH", "a decoder of the Llama family: a GGUF file or a folder", &crate::llama::OPTIONS),
    ];
    #[cfg(feature = "onnx")]
    kinds.push(kind("onnx:PATH", "any encoder that was exported to ONNX", &crate::onnx::OPTIONS));
    kinds.push(kind(
        "parquet:PATH",
        "vectors of a .parquet or .tsv file, by item id",
        &crate::precomputed::OPTIONS,
    ));
    #[cfg(feature = "http")]
    kinds.push(kind("http:URL", "a model behind an endpoint, https too", &crate::http::OPTIONS));
    kinds
}

/// Whether an encoder of this name is fitted on the texts of the data set.
pub fn is_fitted(name: &str) -> bool {
    name.starts_with("hash:")
}

/// The settings of `hash:?word_grams=1&dim=128`, options over `settings`.
///
/// # Errors
/// A path, or an option that is none.
pub fn hash_settings(mut spec: Spec, settings: &FeatureSettings) -> Result<FeatureSettings, Error> {
    if !spec.path().is_empty() {
        return Err(spec.error("hash: takes no path, only options such as hash:?dim=128"));
    }
    let mut settings = settings.clone();
    settings.word_grams = spec.take("word_grams", settings.word_grams)?;
    settings.char_min = spec.take("char_min", settings.char_min)?;
    settings.char_max = spec.take("char_max", settings.char_max)?;
    settings.min_df = spec.take("min_df", settings.min_df)?;
    settings.buckets = spec.take("buckets", settings.buckets)?;
    settings.dim = spec.take("dim", settings.dim)?;
    spec.finish_with(&crate::hash::OPTIONS)?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::Catalog;

    #[test]
    fn names_that_are_no_encoder_are_refused() {
        let (catalog, settings) = (Catalog::default(), FeatureSettings::default());
        let fit = Fit { source: &catalog, known: None, settings: &settings, seed: 1 };
        for (name, part) in [
            ("word2vec:x", "unknown kind"),
            ("hash", "KIND:PATH"),
            ("hash:folder", "no path"),
            ("hash:?depth=3", "no option `depth`"),
            ("hash:?word_grams=0", "no token is left"),
            ("hash:?buckets=2147483648", "expected 1 to 268435456"),
        ] {
            let message = open(name, &fit).err().expect(name).to_string();
            assert!(message.contains(part), "{message}");
        }
        let encoder = open("hash:?dim=16", &fit).expect("an encoder");
        assert_eq!((encoder.width(), encoder.is_cached()), (16, false));
    }
}
