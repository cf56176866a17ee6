//! Texts of ads and organic items: their properties in, plain English from the word lists out.
//!
//! "Larkspur recycled dome tent, moss green. Recycled dome tent made to pitch in four minutes. Top of the range.
//! Loved by repeat buyers. Free returns within 30 days."

use super::catalog::{Ad, Theme};
use crate::items::PARTS_PER_TOPIC;
use crate::texts::{OFFERS, capital, pick};
use crate::words::{COLOURS, Part, STYLES, Words};
use semrank_core::Rng;

/// Words of the price classes: cheap, middle, expensive.
const PRICES: [[&str; 2]; 3] = [
    ["The low price stays.", "Costs less than you think."],
    ["Fairly priced.", "Solid value in the middle of the range."],
    ["Top of the range.", "The luxury choice."],
];

/// Words of the ratings, worst first.
const RATINGS: [[&str; 2]; 4] = [
    ["Rated 3.1 by buyers.", "Mixed reviews so far."],
    ["Rated 3.9 by buyers.", "Most buyers keep it."],
    ["Rated 4.4 by buyers.", "Well reviewed."],
    ["Rated 4.9 by buyers.", "Loved by repeat buyers."],
];

/// Title and description of an ad.
pub(crate) fn ad(ad: &Ad, brand: &str, rng: &mut Rng) -> (String, String) {
    let part = part(&ad.theme);
    let (style, colour) = (STYLES[ad.theme.style], COLOURS[ad.theme.colour]);
    let product = part.products[ad.theme.product];
    let title = match rng.below(3) {
        0 => format!("{brand} {style} {product}, {colour}"),
        1 => format!("{} {product} by {brand} in {colour}", capital(style)),
        _ => format!("{brand}: {product}, {style}, {colour}"),
    };
    let price = pick(&PRICES[(ad.price + 1) as usize], rng);
    let rating = pick(&RATINGS[usize::from(ad.quality)], rng);
    let perk = pick(&part.perks, rng);
    let offer = OFFERS[ad.offer];
    (title, format!("{} {product} made to {perk}. {price} {rating} {offer}", capital(style)))
}

/// Title and description of an organic item.
pub(crate) fn post(theme: &Theme, rng: &mut Rng) -> (String, String) {
    let part = part(theme);
    let brand = Words::get().topics[theme.topic()].brands[theme.brand];
    let (style, colour, product) = (STYLES[theme.style], COLOURS[theme.colour], part.products[theme.product]);
    let (read, perk) = (capital(pick(&part.reads, rng)), pick(&part.perks, rng));
    let title = match rng.below(4) {
        0 => format!("{read}: where to start"),
        1 => format!("{brand} {product} in {colour}, reviewed"),
        2 => format!("An honest look at the {style} {product} from {brand}"),
        _ => format!("{read}, and the {style} {product}"),
    };
    let description = match rng.below(2) {
        0 => format!("What to look for in {}: {style} {product}, {colour}, made to {perk}.", part.name),
        _ => format!("Made to {perk}, says {brand}; we tried the {style} {product}. More on {}.", part.name),
    };
    (title, description)
}

fn part(theme: &Theme) -> &'static Part {
    &Words::get().topics[theme.topic()].parts[theme.need % PARTS_PER_TOPIC]
}

#[cfg(test)]
mod tests {
    use super::super::catalog::Supply;
    use super::super::config::AdMarketConfig;
    use super::*;

    #[test]
    fn texts_tell_what_an_item_is() {
        let supply = Supply::generate(&AdMarketConfig::default());
        for ad in &supply.ads {
            let text = format!("{} {}", ad.title, ad.description);
            let product = part(&ad.theme).products[ad.theme.product];
            let brand = &supply.advertisers[ad.advertiser].name;
            let words = [product, brand, COLOURS[ad.theme.colour], OFFERS[ad.offer]];
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
            assert!(RATINGS[usize::from(ad.quality)].iter().any(|word| text.contains(word)), "{text}");
            assert!(PRICES[(ad.price + 1) as usize].iter().any(|word| text.contains(word)), "{text}");
        }
        for post in &supply.posts {
            let text = format!("{} {}", post.title, post.description);
            assert!(text.contains(part(&post.theme).products[post.theme.product]), "{text}");
        }
    }
}
