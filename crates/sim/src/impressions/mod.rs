//! An ad market with known truth: settings in; a raw log of impressions, clicks, organic views and late
//! conversions, and the true probabilities of every impression out.
//!
//! A click and conversion model is trained on the log and evaluated against the truth. The market has a mechanism for
//! each input in which such models differ:
//!
//! | a model gains from | because |
//! |---|---|
//! | history | users have tastes of their own |
//! | organic history | needs appear in organic views before they appear in clicks |
//! | dwell | half of the views without a need are of random items, and short |
//! | time gaps | a need halves every day and a half and ends after a week |
//! | texts | they state need, product, brand, style, price class, rating and offer, also of new ads |
//! | ids | ads and advertisers have effects that no text states |
//! | slots | later slots are seen less often |
//! | propensities | the logging policy prefers ads that it estimates as relevant |
//! | delayed feedback | conversions take hours to weeks, each advertiser with its own distribution |
//!
//! | file | does |
//! |---|---|
//! | `config` | [`AdMarketConfig`], its defaults and limits |
//! | `catalog`, `texts` | [`Ad`], [`Post`], [`Advertiser`] and their texts |
//! | `people` | users: tastes, drift, needs |
//! | `response` | the chances of click and conversion |
//! | `delay` | [`DelayLaw`]: from the click to the conversion |
//! | `policy` | which ad is shown where, with what propensity |
//! | `organic` | organic views and their dwell |
//! | `engine`, `queue` | the clock: sessions, requests, budgets, and events due later |
//! | `world` | the initial state, and the pilot run that fits the rates |
//! | `events` | [`AdEvent`], a row of the log, and [`Impression`], its truth |
//! | `dirt` | duplicates, disorder, wrong clocks |
//! | `write` | a market as a data set on disk, hour by hour |
//!
//! ```
//! use semrank_sim::{AdMarket, AdMarketConfig};
//! let market = AdMarket::new(AdMarketConfig::sized(2_000))?;
//! let shown = &market.impressions()[0];
//! assert!(shown.p_click <= shown.p_click_slot1);
//! # Ok::<(), semrank_sim::Error>(())
//! ```

pub(crate) mod catalog;
pub(crate) mod config;
mod delay;
mod dirt;
pub(crate) mod engine;
mod events;
pub(crate) mod organic;
pub(crate) mod people;
mod policy;
mod queue;
pub(crate) mod response;
mod texts;
pub(crate) mod world;
mod write;

pub use catalog::{Ad, Advertiser, Post, Theme};
pub use config::{AdMarketConfig, DelayFamily};
pub use delay::DelayLaw;
pub use events::{AdAction, AdEvent, Impression};
pub use response::Surface;

use crate::config::Error;
use dirt::Dirt;
use engine::Batch;
use people::Person;
use response::{Meeting, sigmoid};
use world::World;

/// A simulated ad market in memory, for small sizes; [`AdMarket::write`] streams large ones to disk.
pub struct AdMarket {
    world: World,
    /// Users as they are at the end of the log.
    people: Vec<Person>,
    events: Vec<AdEvent>,
    impressions: Vec<Impression>,
}

impl AdMarket {
    /// Simulates a market. The same settings give the same market.
    ///
    /// # Errors
    /// When a setting is outside its limits.
    pub fn new(config: AdMarketConfig) -> Result<AdMarket, Error> {
        let world = World::new(config)?;
        let (mut events, mut impressions) = (Vec::new(), Vec::new());
        let mut dirt = Dirt::new(&world.config);
        let (mut engine, mut batch) = (world.start(), Batch::default());
        while engine.next_hour(&mut batch) {
            batch.events.drain(..).for_each(|event| dirt.push(event, &mut events));
            impressions.append(&mut batch.impressions);
        }
        dirt.arrive_before(world.config.end_ms(), &mut events);
        let people = engine.into_people();
        Ok(AdMarket { world, people, events, impressions })
    }

    /// The settings.
    pub fn config(&self) -> &AdMarketConfig {
        &self.world.config
    }

    /// The advertisers.
    pub fn advertisers(&self) -> &[Advertiser] {
        &self.world.supply.advertisers
    }

    /// All ads; their rows are the first item rows of events.
    pub fn ads(&self) -> &[Ad] {
        &self.world.supply.ads
    }

    /// All organic items; their rows follow those of the ads.
    pub fn posts(&self) -> &[Post] {
        &self.world.supply.posts
    }

    /// Theme of an event's item.
    ///
    /// # Panics
    /// When there is no such item.
    pub fn theme(&self, item: u32) -> &Theme {
        let (item, ads) = (item as usize, self.ads());
        if item < ads.len() { &ads[item].theme } else { &self.posts()[item - ads.len()].theme }
    }

    /// The log in its order: by time, except for faults.
    pub fn events(&self) -> &[AdEvent] {
        &self.events
    }

    /// The chance, at the end of the log, that a user clicks each ad in the first slot of the feed.
    ///
    /// # Panics
    /// When there is no such user.
    pub fn chances_at_end(&self, user: usize) -> Vec<f64> {
        let World { config, supply, intercepts, .. } = &self.world;
        let (person, time_ms, surface) = (&self.people[user], config.end_ms(), Surface::Feed);
        let ads = (0..).zip(&supply.ads).map(|(row, ad)| {
            let need = person.need_for(&ad.theme, time_ms, config.need_half_life_ms());
            let advertiser = &supply.advertisers[ad.advertiser];
            let meeting = Meeting { person, row, ad, advertiser, surface, time_ms, need };
            sigmoid(meeting.logits(*intercepts).click)
        });
        ads.collect()
    }

    /// The truth about every impression, in order of time and event.
    pub fn impressions(&self) -> &[Impression] {
        &self.impressions
    }
}
