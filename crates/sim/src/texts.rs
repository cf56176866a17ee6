//! Titles and descriptions: traits in, plain English from the word lists out.
//!
//! An ad reads "Larkspur recycled dome tent, moss green", an organic item "How to choose your first tent".
//! Brand, style and colour are in the text because users choose by them: a model that reads texts can learn them.

use crate::config::MarketConfig;
use crate::items::{MarketItem, PARTS_PER_TOPIC};
use crate::words::{COLOURS, Part, STYLES, Topic, Words};
use semrank_core::{Kind, Rng};
use std::collections::HashSet;

pub(crate) const OFFERS: [&str; 8] = [
    "Free returns within 30 days.",
    "Ships tomorrow.",
    "Two-year warranty.",
    "Repairs included for life.",
    "Ten percent off this week.",
    "Designed and tested by people who use it.",
    "Pay after you have tried it.",
    "Only a few left in this colour.",
];

const CLOSINGS: [&str; 6] = [
    "With a short checklist at the end.",
    "Pictures and prices included.",
    "Readers' questions answered below.",
    "No sponsor, no samples.",
    "Part of our series for beginners.",
    "Updated after a year of use.",
];

/// How often a title that another item already has is rewritten before it gets a number.
const ATTEMPTS: usize = 6;

/// Fills in the texts of all items.
pub(crate) fn write(config: &MarketConfig, items: &mut [MarketItem]) {
    let mut rng = Rng::new(config.seed, "market.texts");
    let mut taken = HashSet::with_capacity(items.len());
    for (row, item) in items.iter_mut().enumerate() {
        let mut title = title(item, &mut rng);
        for _ in 1..ATTEMPTS {
            if !taken.contains(&title) {
                break;
            }
            title = self::title(item, &mut rng);
        }
        if taken.contains(&title) {
            title = format!("{title}, no. {row}");
        }
        taken.insert(title.clone());
        item.title = title;
        item.description = description(item, &mut rng);
    }
}

fn words(item: &MarketItem) -> (&'static Topic, &'static Part) {
    let topic = &Words::get().topics[item.traits.part / PARTS_PER_TOPIC];
    (topic, &topic.parts[item.traits.part % PARTS_PER_TOPIC])
}

fn title(item: &MarketItem, rng: &mut Rng) -> String {
    let (topic, part) = words(item);
    let (brand, style) = (topic.brands[item.traits.brand], STYLES[item.traits.style]);
    let (colour, product) = (COLOURS[item.traits.colour], pick(&part.products, rng));
    if item.kind == Kind::Ad {
        return match rng.below(3) {
            0 => format!("{brand} {style} {product}, {colour}"),
            1 => format!("{} {product} by {brand} in {colour}", capital(style)),
            _ => format!("{brand}: {product}, {style}, {colour}"),
        };
    }
    let read = pick(&part.reads, rng);
    match rng.below(6) {
        0 if ["your first", "a first"].iter().any(|first| read.starts_with(first)) => {
            format!("How to choose {read}")
        }
        0 => format!("{}: where to start", capital(read)),
        1 => format!("{}: what a season with {brand} taught us", capital(read)),
        2 => format!("{brand} {product} in {colour}, reviewed"),
        3 => format!("{}: {style} {product}, worth it or not?", capital(read)),
        4 => format!("An honest look at the {style} {product} from {brand}"),
        _ => format!("{}, with a {style} {product}", capital(read)),
    }
}

fn description(item: &MarketItem, rng: &mut Rng) -> String {
    let (topic, part) = words(item);
    let (brand, style) = (topic.brands[item.traits.brand], STYLES[item.traits.style]);
    let also = topic.parts[item.traits.second_part % PARTS_PER_TOPIC].name;
    let perk = pick(&part.perks, rng);
    if item.kind == Kind::Ad {
        let product = pick(&part.products, rng);
        return format!("{} {product} made to {perk}. {}", capital(style), pick(&OFFERS, rng));
    }
    match rng.below(3) {
        0 => format!("What to look for in {}, and how to {perk}. {}", part.name, pick(&CLOSINGS, rng)),
        1 => format!("From {} to {also}: {style} things made to {perk}. {}", part.name, pick(&CLOSINGS, rng)),
        _ => format!("Made to {perk}, says {brand}; we tried. More in {}.", topic.name),
    }
}

pub(crate) fn pick<'a>(words: &[&'a str], rng: &mut Rng) -> &'a str {
    words[rng.below(words.len())]
}

/// The word with its first letter in upper case.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
