//! The true distribution of the next item: a user's state in, the chance of every item out.
//!
//! First a part is chosen: *stay* with the last one (mostly after reading about a product), *follow* to the next need
//! (mostly after a click on an ad), or by *interest*. Then an item of the part, by popularity, taste
//! and quality:
//!
//! `P(item | part) ~ membership * popularity * exp(taste + quality / 2) * repeat`

use crate::config::MarketConfig;
use crate::items::{self, MarketItem, PARTS_PER_TOPIC, SECOND_SHARE};
use crate::market::MarketAction;
use crate::users::Taste;
use semrank_core::{Kind, Rng};

/// What a choice depends on.
pub(crate) struct Moment<'a> {
    pub(crate) time_ms: i64,
    /// Chance of each topic.
    pub(crate) interests: &'a [f64],
    pub(crate) taste: &'a Taste,
    /// The event before, if any: item and action.
    pub(crate) last: Option<(usize, MarketAction)>,
    /// Whether this is the first choice of a session.
    pub(crate) opening: bool,
    /// For each item whether the user has had it.
    pub(crate) seen: &'a [bool],
}

/// Weight of an item that the user has already had.
const REPEAT: f64 = 0.05;
/// Proportions of the parts of a topic when a part is chosen by interest.
const PART_INTEREST: [f64; PARTS_PER_TOPIC] = [0.3, 0.25, 0.2, 0.15, 0.1];
/// Of the choices that follow, the share that goes to the next part of the topic; the others go to a fixed part of
/// another topic.
const FOLLOW_WITHIN: f64 = 0.75;

/// Added to the log-weight of an item for each matching trait.
const BRAND: f64 = 1.6;
const STYLE: f64 = 1.4;
const COLOUR: f64 = 1.0;
const SAME_BRAND_AGAIN: f64 = 0.8;
/// Preference for ads after reading about a product.
const AD_AFTER_READING: f64 = 1.0;

/// The rules of a market's choices.
pub(crate) struct Choice {
    /// Items of each part, as first or second part, in row order.
    members: Vec<Vec<usize>>,
    /// For each part the part of another topic that some go to next.
    abroad: Vec<usize>,
    taste: f64,
}

impl Choice {
    pub(crate) fn new(config: &MarketConfig, items: &[MarketItem]) -> Self {
        let parts = items::parts(config);
        let mut members = vec![Vec::new(); parts];
        for (row, item) in items.iter().enumerate() {
            members[item.traits.part].push(row);
            members[item.traits.second_part].push(row);
        }
        let mut rng = Rng::new(config.seed, "market.choice");
        let abroad = (0..parts).map(|_| rng.below(parts)).collect();
        Self { members, abroad, taste: config.taste }
    }

    /// Chance of every part; sums to 1.
    pub(crate) fn parts(&self, items: &[MarketItem], moment: &Moment) -> Vec<f64> {
        let (stay, follow) = habits(items, moment);
        let mut chances: Vec<f64> = (0..self.members.len())
            .map(|part| moment.interests[part / PARTS_PER_TOPIC] * PART_INTEREST[part % PARTS_PER_TOPIC])
            .map(|interest| interest * (1.0 - stay - follow))
            .collect();
        if let Some((last, _)) = moment.last {
            let part = items[last].traits.part;
            chances[part] += stay;
            chances[next_in_topic(part)] += follow * FOLLOW_WITHIN;
            chances[self.abroad[part]] += follow * (1.0 - FOLLOW_WITHIN);
        }
        for (part, chance) in chances.iter_mut().enumerate() {
            if !self.members[part].iter().any(|&item| items[item].active_from_ms <= moment.time_ms) {
                *chance = 0.0;
            }
        }
        normalise(&mut chances);
        chances
    }

    /// The items of a part that are active, with their weights.
    pub(crate) fn candidates(&self, items: &[MarketItem], part: usize, moment: &Moment) -> Vec<(usize, f64)> {
        let active = self.members[part].iter().filter(|&&row| items[row].active_from_ms <= moment.time_ms);
        active.map(|&row| (row, self.weight(items, row, part, moment))).collect()
    }

    /// Chance of every item; sums to 1.
    pub(crate) fn truth(&self, items: &[MarketItem], moment: &Moment) -> Vec<f64> {
        let mut truth = vec![0.0; items.len()];
        for (part, chance) in self.parts(items, moment).into_iter().enumerate() {
            let candidates = self.candidates(items, part, moment);
            let total: f64 = candidates.iter().map(|(_, weight)| weight).sum();
            candidates.into_iter().for_each(|(item, weight)| truth[item] += chance * weight / total);
        }
        truth
    }

    fn weight(&self, items: &[MarketItem], row: usize, part: usize, moment: &Moment) -> f64 {
        let item = &items[row];
        let mut log_weight = self.taste * affinity(item, moment.taste) + item.quality / 2.0;
        if let Some((last, _)) = moment.last {
            let last = &items[last];
            let same_topic = last.traits.part / PARTS_PER_TOPIC == item.traits.part / PARTS_PER_TOPIC;
            if same_topic && last.traits.brand == item.traits.brand {
                log_weight += self.taste * SAME_BRAND_AGAIN;
            }
            if last.kind == Kind::Organic && item.kind == Kind::Ad {
                log_weight += AD_AFTER_READING;
            }
        }
        let membership = if item.traits.part == part { 1.0 - SECOND_SHARE } else { SECOND_SHARE };
        let repeat = if moment.seen[row] { REPEAT } else { 1.0 };
        membership * repeat * item.popularity * log_weight.exp()
    }
}

/// How well an item's traits match a taste.
pub(crate) fn affinity(item: &MarketItem, taste: &Taste) -> f64 {
    let traits = &item.traits;
    let matches = [
        (traits.brand == taste.brands[traits.part / PARTS_PER_TOPIC], BRAND),
        (traits.style == taste.style, STYLE),
        (traits.colour == taste.colour, COLOUR),
    ];
    matches.iter().filter(|(same, _)| *same).map(|(_, bonus)| bonus).sum()
}

/// The chances to stay with the last part and to follow to the next.
fn habits(items: &[MarketItem], moment: &Moment) -> (f64, f64) {
    match moment.last {
        None => (0.0, 0.0),
        Some(_) if moment.opening => (0.1, 0.25),
        Some((last, _)) if items[last].kind == Kind::Organic => (0.6, 0.1),
        Some((_, MarketAction::Click)) => (0.1, 0.65),
        Some((_, MarketAction::View)) => (0.4, 0.2),
    }
}

fn next_in_topic(part: usize) -> usize {
    part / PARTS_PER_TOPIC * PARTS_PER_TOPIC + (part + 1) % PARTS_PER_TOPIC
}

fn normalise(chances: &mut [f64]) {
    let total: f64 = chances.iter().sum();
    assert!(total > 0.0, "no item is active");
    chances.iter_mut().for_each(|chance| *chance /= total);
}
