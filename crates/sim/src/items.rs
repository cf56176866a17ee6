//! The items of a market: settings in, ads and organic items with traits, popularity, birth and text out.

use crate::config::MarketConfig;
use crate::texts;
use crate::words::{COLOURS, STYLES, Words};
use semrank_core::{Kind, Rng};

/// The properties of an item that its text describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traits {
    /// The need it belongs to: an index over all parts of all topics, five per topic.
    pub part: usize,
    /// A second need of the same topic that it also serves, less well.
    pub second_part: usize,
    /// Brand within the topic.
    pub brand: usize,
    /// How it is made; one of the styles of the word list.
    pub style: usize,
    /// Its colour.
    pub colour: usize,
}

/// An ad or an organic item.
#[derive(Debug, Clone, PartialEq)]
pub struct MarketItem {
    /// `ad-000123` or `post-000045`; the number is the item's row.
    pub id: String,
    /// Ad or organic.
    pub kind: Kind,
    /// The advertiser, e.g. `adv-larkspur`; organic items have none.
    pub advertiser: Option<String>,
    /// One line, e.g. "Larkspur recycled dome tent, moss green".
    pub title: String,
    /// Two sentences.
    pub description: String,
    /// When it first may be shown (ms UTC).
    pub active_from_ms: i64,
    /// Its properties.
    pub traits: Traits,
    /// Quality, standard normal; not in the text.
    pub quality: f64,
    /// Weight by rank of popularity, `rank^-zipf`.
    pub popularity: f64,
}

/// Share of an item's weight within its second part.
pub(crate) const SECOND_SHARE: f64 = 0.2;

/// All items of a market.
pub(crate) fn generate(config: &MarketConfig) -> Vec<MarketItem> {
    let mut rng = Rng::new(config.seed, "market.items");
    let mut ranks: Vec<usize> = (1..=config.items).collect();
    rng.shuffle(&mut ranks);
    let parts = parts(config);
    let mut items: Vec<MarketItem> = (0..config.items)
        .map(|row| {
            // The first items fill every part once and are there from the start: no part is ever empty.
            let first = row < parts;
            let part = if first { row } else { rng.below(parts) };
            item(config, row, part, first, ranks[row], &mut rng)
        })
        .collect();
    texts::write(config, &mut items);
    items
}

/// Number of parts of all topics of a market.
pub(crate) fn parts(config: &MarketConfig) -> usize {
    Words::get().topics[..config.topics].iter().map(|topic| topic.parts.len()).sum()
}

/// Parts of each topic; [`Words`] holds the same number for all.
pub(crate) const PARTS_PER_TOPIC: usize = 5;

fn item(
    config: &MarketConfig,
    row: usize,
    part: usize,
    first: bool,
    rank: usize,
    rng: &mut Rng,
) -> MarketItem {
    let kind = if rng.unit() < config.ads_share { Kind::Ad } else { Kind::Organic };
    let topic = part / PARTS_PER_TOPIC;
    let step = 1 + rng.below(PARTS_PER_TOPIC - 1);
    let traits = Traits {
        part,
        second_part: topic * PARTS_PER_TOPIC + (part + step) % PARTS_PER_TOPIC,
        brand: rng.below(config.advertisers_per_topic),
        style: rng.below(STYLES.len()),
        colour: rng.below(COLOURS.len()),
    };
    // Late items appear between 30 % and 95 % of the log, so that both held-out parts of a time split have some.
    let late = rng.unit() < config.late_share && !first;
    let age = if late { 0.3 + 0.65 * rng.unit() } else { 0.0 };
    let prefix = if kind == Kind::Ad { "ad" } else { "post" };
    MarketItem {
        id: format!("{prefix}-{row:06}"),
        kind,
        advertiser: (kind == Kind::Ad).then(|| advertiser(topic, traits.brand)),
        title: String::new(),
        description: String::new(),
        active_from_ms: config.start_ms + (age * config.span_ms()) as i64,
        traits,
        quality: rng.normal(),
        popularity: (rank as f64).powf(-config.zipf),
    }
}

fn advertiser(topic: usize, brand: usize) -> String {
    format!("adv-{}", Words::get().topics[topic].brands[brand].to_lowercase().replace(' ', "-"))
}
