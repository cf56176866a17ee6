//! Ads, organic items and advertisers: settings in, their properties and texts out.
//!
//! What steers clicks and conversions is in the texts: need and product, brand, style, colour, price class,
//! buyers' rating and offer. Only the residual of an ad and the effect of its advertiser are not: a model can learn them
//! by id, but not for a new ad.

use super::config::{AdMarketConfig, DAY_MS};
use super::delay::DelayLaw;
use super::texts;
use crate::items::PARTS_PER_TOPIC;
use crate::texts::OFFERS;
use crate::words::{COLOURS, STYLES, Words};
use semrank_core::Rng;

/// Products of every need; [`Words`] holds the same number for all.
pub(crate) const PRODUCTS: usize = 4;
/// Campaigns of every advertiser.
pub(crate) const CAMPAIGNS: usize = 3;

/// What an ad or organic item is about; all of it is in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// The need it serves: an index over all parts of all topics, five per topic.
    pub need: usize,
    /// Which of the need's four products.
    pub product: usize,
    /// Brand within the topic.
    pub brand: usize,
    /// How it is made.
    pub style: usize,
    /// Its colour.
    pub colour: usize,
}

impl Theme {
    /// The topic of its need.
    pub fn topic(&self) -> usize {
        self.need / PARTS_PER_TOPIC
    }
}

/// Who pays for ads.
#[derive(Debug, Clone, PartialEq)]
pub struct Advertiser {
    /// E.g. `adv-larkspur` or `adv-larkspur-2`.
    pub id: String,
    /// The brand as its ads write it.
    pub name: String,
    /// The only topic it sells in.
    pub topic: usize,
    /// Brand within the topic.
    pub brand: usize,
    /// Added to the log-odds of a click.
    pub click_effect: f64,
    /// Added to the log-odds of a conversion.
    pub conversion_effect: f64,
    /// How long its conversions take.
    pub delay: DelayLaw,
    /// Usual price of a click in cents.
    pub bid_cents: i64,
}

/// An ad.
#[derive(Debug, Clone, PartialEq)]
pub struct Ad {
    /// E.g. `ad-000123`; the number is its row.
    pub id: String,
    /// Row in [`AdMarket::advertisers`](super::AdMarket::advertisers).
    pub advertiser: usize,
    /// Number within its advertiser.
    pub campaign: usize,
    /// One line.
    pub title: String,
    /// Three or four short sentences.
    pub description: String,
    /// What it is about.
    pub theme: Theme,
    /// -1 cheap, 0 middle, 1 expensive.
    pub price: i8,
    /// Buyers' rating, from 0 (mixed) to 3 (loved).
    pub quality: u8,
    /// Row of the offers, 0 to 7.
    pub offer: usize,
    /// When it first may be shown (ms UTC).
    pub active_from_ms: i64,
    /// What the advertiser pays for a click, in cents.
    pub bid_cents: i64,
    /// What it pays at most for the clicks of a day's (UTC) impressions, in cents.
    pub budget_cents: i64,
    /// Added to the log-odds of a click; not in the text.
    pub click_residual: f64,
    /// Added to the log-odds of a conversion; not in the text.
    pub conversion_residual: f64,
}

impl Ad {
    /// What a buyer pays, in the currency's unit, from standard normal noise.
    pub(crate) fn value(&self, noise: f64) -> f64 {
        let price = [20.0, 60.0, 150.0][(self.price + 1) as usize];
        (100.0 * price * (0.3 * noise).exp()).round() / 100.0
    }
}

/// An organic item.
#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    /// E.g. `post-000045`; the number is its row.
    pub id: String,
    /// One line.
    pub title: String,
    /// One or two sentences.
    pub description: String,
    /// What it is about.
    pub theme: Theme,
    /// When it first may be shown (ms UTC).
    pub active_from_ms: i64,
}

/// All that can be shown, and who pays.
#[derive(Debug, Clone)]
pub(crate) struct Supply {
    pub(crate) advertisers: Vec<Advertiser>,
    pub(crate) ads: Vec<Ad>,
    pub(crate) posts: Vec<Post>,
}

impl Supply {
    pub(crate) fn generate(config: &AdMarketConfig) -> Supply {
        let advertisers = advertisers(config);
        let ads = ads(config, &advertisers);
        Supply { ads, posts: posts(config), advertisers }
    }
}

fn advertisers(config: &AdMarketConfig) -> Vec<Advertiser> {
    let mut rng = Rng::new(config.seed, "impressions.advertisers");
    (0..config.advertisers)
        .map(|row| {
            let topic = row % config.topics;
            let brands = &Words::get().topics[topic].brands;
            let (brand, round) = (row / config.topics % brands.len(), row / config.topics / brands.len());
            let name =
                if round == 0 { brands[brand].into() } else { format!("{} {}", brands[brand], round + 1) };
            Advertiser {
                id: format!("adv-{}", name.to_lowercase().replace(' ', "-")),
                name,
                topic,
                brand,
                click_effect: 0.25 * rng.normal(),
                conversion_effect: 0.5 * rng.normal(),
                delay: DelayLaw::draw(config, &mut rng),
                bid_cents: cents(30.0 * (0.4 * rng.normal()).exp()),
            }
        })
        .collect()
}

fn ads(config: &AdMarketConfig, advertisers: &[Advertiser]) -> Vec<Ad> {
    let mut rng = Rng::new(config.seed, "impressions.ads");
    let mut of_topic = vec![Vec::new(); config.topics];
    advertisers.iter().enumerate().for_each(|(row, advertiser)| of_topic[advertiser.topic].push(row));
    (0..config.ads).map(|row| ad(config, row, advertisers, &of_topic, &mut rng)).collect()
}

fn ad(
    config: &AdMarketConfig,
    row: usize,
    advertisers: &[Advertiser],
    of_topic: &[Vec<usize>],
    rng: &mut Rng,
) -> Ad {
    let mut theme = theme(config, row, rng);
    let rivals = &of_topic[theme.topic()];
    let advertiser = rivals[rng.below(rivals.len())];
    let owner = &advertisers[advertiser];
    theme.brand = owner.brand;
    let bid_cents = cents(owner.bid_cents as f64 * (0.2 * rng.normal()).exp());
    let mut ad = Ad {
        id: format!("ad-{row:06}"),
        advertiser,
        campaign: rng.below(CAMPAIGNS),
        title: String::new(),
        description: String::new(),
        theme,
        price: rng.below(3) as i8 - 1,
        quality: rng.below(4) as u8,
        offer: rng.below(OFFERS.len()),
        active_from_ms: birth(config, row, rng),
        bid_cents,
        budget_cents: budget(config, bid_cents, rng),
        click_residual: 0.3 * rng.normal(),
        conversion_residual: 0.2 * rng.normal(),
    };
    (ad.title, ad.description) = texts::ad(&ad, &owner.name, rng);
    ad
}

fn posts(config: &AdMarketConfig) -> Vec<Post> {
    let mut rng = Rng::new(config.seed, "impressions.posts");
    (0..config.posts)
        .map(|row| {
            let theme = theme(config, row, &mut rng);
            let active_from_ms = birth(config, row, &mut rng);
            let (title, description) = texts::post(&theme, &mut rng);
            Post { id: format!("post-{row:06}"), title, description, theme, active_from_ms }
        })
        .collect()
}

/// The first rows fill every need once.
fn theme(config: &AdMarketConfig, row: usize, rng: &mut Rng) -> Theme {
    let need = if row < config.needs() { row } else { rng.below(config.needs()) };
    Theme {
        need,
        product: rng.below(PRODUCTS),
        brand: rng.below(Words::get().topics[need / PARTS_PER_TOPIC].brands.len()),
        style: rng.below(STYLES.len()),
        colour: rng.below(COLOURS.len()),
    }
}

/// Late ones are born evenly over the log's first 97 %; the first of every need is there from the start.
fn birth(config: &AdMarketConfig, row: usize, rng: &mut Rng) -> i64 {
    let (late, age) = (rng.unit() < config.late_share, 0.97 * rng.unit());
    let since = if late && row >= config.needs() { age } else { 0.0 };
    config.start_ms + (since * config.days as f64 * DAY_MS as f64) as i64
}

/// A few times what an ad of average success spends a day, with a wide spread: some pause on most days.
fn budget(config: &AdMarketConfig, bid_cents: i64, rng: &mut Rng) -> i64 {
    let ad_days = config.ads as f64 * config.days as f64 * (1.0 - config.late_share / 2.0);
    let clicks = config.impressions as f64 * config.click_rate / ad_days;
    bid_cents * (clicks * (1.0 + 0.8 * rng.normal()).exp()).round().max(2.0) as i64
}

fn cents(amount: f64) -> i64 {
    (amount.round() as i64).max(1)
}
