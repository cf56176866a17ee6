//! How the content side is trained: `frozen`, `adapter`, `top:N`, `lora:R` or `full`.

use serde::{Deserialize, Serialize};

/// Most layers, and the largest rank.
const MOST: usize = 1000;

/// The value of `content.train`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ContentTraining {
    /// Cached vectors with a trained linear projection.
    Frozen,
    /// Cached vectors with a small trained net.
    Adapter,
    /// The last layers of the encoder.
    Top(usize),
    /// Low-rank adapters of this rank in the last layers.
    Lora(usize),
    /// All layers of the encoder.
    Full,
}

impl ContentTraining {
    /// Whether layers of the encoder are trained.
    pub fn trains_encoder(self) -> bool {
        !matches!(self, Self::Frozen | Self::Adapter)
    }
}

impl TryFrom<String> for ContentTraining {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = |word: &str| word.parse().ok().filter(|number| (1..=MOST).contains(number));
        let found = match (text.as_str(), text.split_once(':')) {
            ("frozen", _) => Some(Self::Frozen),
            ("adapter", _) => Some(Self::Adapter),
            ("full", _) => Some(Self::Full),
            (_, Some(("top", count))) => number(count).map(Self::Top),
            (_, Some(("lora", rank))) => number(rank).map(Self::Lora),
            _ => None,
        };
        found.ok_or_else(|| {
            format!("`{text}`: expected frozen, adapter, top:N, lora:R or full, N and R from 1 to {MOST}")
        })
    }
}

impl From<ContentTraining> for String {
    fn from(value: ContentTraining) -> String {
        match value {
            ContentTraining::Frozen => "frozen".into(),
            ContentTraining::Adapter => "adapter".into(),
            ContentTraining::Top(count) => format!("top:{count}"),
            ContentTraining::Lora(rank) => format!("lora:{rank}"),
            ContentTraining::Full => "full".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_read_as_it_is_written_and_others_are_refused() {
        for text in ["frozen", "adapter", "top:2", "lora:8", "full"] {
            assert_eq!(String::from(ContentTraining::try_from(text.to_owned()).unwrap()), text);
        }
        for text in ["", "top", "top:0", "lora:x", "lora:1001", "all"] {
            assert!(ContentTraining::try_from(text.to_owned()).unwrap_err().contains("expected frozen"));
        }
    }
}
