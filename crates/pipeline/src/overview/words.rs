//! Settings, times and what was chosen on validation, in words.

use crate::config::Config;
use semrank_core::counted;
use semrank_sequence::{Blend, Prior, SeenPolicy};
use std::fmt::Write;

/// The seed and some settings, given by section and key, as a page shows them.
pub(crate) fn shown_settings(config: &Config, seed: u64, keys: &[(&str, &str)]) -> Vec<(String, String)> {
    let config = serde_json::json!(config);
    let value = |&(section, key): &(&str, &str)| {
        let value = config[section][key].to_string();
        (format!("{section}.{key}"), value.trim_matches('"').to_owned())
    };
    let seed = ("seed".to_owned(), seed.to_string());
    std::iter::once(seed).chain(keys.iter().map(value)).collect()
}

/// What was chosen on validation, in a sentence.
pub fn policy(blend: &Blend) -> String {
    let seen = match blend.seen {
        SeenPolicy::Mask => "mask (items of the history are never recommended)",
        SeenPolicy::Learned => "learned (items of the history get the bias that training found)",
        SeenPolicy::None => "none (items of the history compete like all others)",
    };
    let mut out = format!("seen policy: {seen}; blend: network + {} x item-item", blend.alpha);
    if blend.content != 0.0 {
        let _ = write!(out, " + {} x content neighbours", blend.content);
    }
    if blend.beta != 0.0 {
        let _ = match blend.prior {
            Prior::Popularity => write!(out, " + {} x popularity", blend.beta),
            Prior::Recent { half_life_days } => {
                let days = counted(half_life_days, "day", "days");
                write!(out, " + {} x recent popularity (half-life {days})", blend.beta)
            }
        };
    }
    if blend.new_places > 0 {
        let _ = write!(
            out,
            "; the last {} of every ten places are for items without training events",
            blend.new_places
        );
    }
    out + "; chosen on validation"
}

/// A time (ms UTC) as people write it.
pub fn when(time_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(time_ms) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => time_ms.to_string(),
    }
}
