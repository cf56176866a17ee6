//! The market: settings in, items, users, events and the truth about every choice out.

use crate::choice::{self, Choice, Moment};
use crate::config::{Error, MarketConfig};
use crate::items::{self, MarketItem};
use crate::users::{self, MarketUser};
use semrank_core::{Kind, Rng};
use semrank_measure::{RankMetrics, RankSummary};

/// What a user did with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarketAction {
    /// Viewed it.
    View,
    /// Clicked it.
    Click,
}

impl MarketAction {
    /// The action's name in a data set.
    pub fn name(self) -> &'static str {
        match self {
            MarketAction::View => "view",
            MarketAction::Click => "click",
        }
    }
}

/// One event; users and items are rows of [`Market::users`] and [`Market::items`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketEvent {
    /// The user.
    pub user: usize,
    /// The item.
    pub item: usize,
    /// What the user did with it.
    pub action: MarketAction,
    /// When (ms UTC); strictly increasing within a user.
    pub time_ms: i64,
    /// How long the user stayed with it, in ms.
    pub dwell_ms: i64,
}

/// A simulated market.
pub struct Market {
    config: MarketConfig,
    items: Vec<MarketItem>,
    users: Vec<MarketUser>,
    events: Vec<MarketEvent>,
    offsets: Vec<usize>,
    choice: Choice,
}

/// Pause between two sessions that would overlap.
const PAUSE_MS: i64 = 30 * 60 * 1000;

impl Market {
    /// Simulates a market. The same settings give the same market.
    ///
    /// # Errors
    /// When a setting is outside its limits.
    pub fn new(config: MarketConfig) -> Result<Self, Error> {
        config.check()?;
        let items = items::generate(&config);
        let choice = Choice::new(&config, &items);
        let users = users::generate(&config);
        let mut market = Self { config, items, users, events: Vec::new(), offsets: vec![0], choice };
        market.play();
        Ok(market)
    }

    /// The settings.
    pub fn config(&self) -> &MarketConfig {
        &self.config
    }

    /// All items, ads and organic.
    pub fn items(&self) -> &[MarketItem] {
        &self.items
    }

    /// All users.
    pub fn users(&self) -> &[MarketUser] {
        &self.users
    }

    /// All events, by user and time.
    pub fn events(&self) -> &[MarketEvent] {
        &self.events
    }

    /// The events of a user, oldest first.
    pub fn events_of(&self, user: usize) -> &[MarketEvent] {
        &self.events[self.offsets[user]..self.offsets[user + 1]]
    }

    /// The chance of every item to be the user's event at `position` (from 0), given everything before it,
    /// the user's interests in that session and taste. Sums to 1.
    ///
    /// # Panics
    /// When the user has no such event.
    pub fn truth(&self, user: usize, position: usize) -> Vec<f64> {
        let events = self.events_of(user);
        let mut seen = vec![false; self.items.len()];
        events[..position].iter().for_each(|event| seen[event.item] = true);
        let before = &events[..position];
        self.choice.truth(&self.items, &self.moment(user, events[position].time_ms, before, &seen))
    }

    /// The metrics of a ranker that knows the truth, on every user's last event (leave-one-out, all items
    /// ranked, nothing removed): an upper bound for any model.
    pub fn oracle(&self) -> RankSummary {
        let ranks = (0..self.users.len()).map(|user| {
            let events = self.events_of(user);
            let truth = self.truth(user, events.len() - 1);
            let target = events[events.len() - 1].item;
            // Ties rank pessimistically.
            1 + (0..truth.len()).filter(|&item| item != target && truth[item] >= truth[target]).count()
        });
        RankMetrics::from_ranks(ranks).summary()
    }

    fn play(&mut self) {
        let root = Rng::new(self.config.seed, "market.events");
        let mut seen = vec![false; self.items.len()];
        for user in 0..self.users.len() {
            let events = self.play_user(user, &mut seen, &mut root.fork(user as u64));
            events.iter().for_each(|event| seen[event.item] = false);
            self.events.extend(events);
            self.offsets.push(self.events.len());
        }
    }

    /// One user's events; leaves the user's items marked in `seen`.
    fn play_user(&self, user: usize, seen: &mut [bool], rng: &mut Rng) -> Vec<MarketEvent> {
        let person = &self.users[user];
        let mut events: Vec<MarketEvent> = Vec::with_capacity(person.events);
        for position in 0..person.events {
            let time_ms = next_time(person, position, events.last(), rng);
            let moment = self.moment(user, time_ms, &events, seen);
            let part = draw(self.choice.parts(&self.items, &moment).into_iter().enumerate(), rng);
            let item = draw(self.choice.candidates(&self.items, part, &moment), rng);
            let (action, dwell_ms) = self.react(user, item, rng);
            events.push(MarketEvent { user, item, action, time_ms, dwell_ms });
            seen[item] = true;
        }
        events
    }

    fn moment<'a>(
        &'a self,
        user: usize,
        time_ms: i64,
        before: &[MarketEvent],
        seen: &'a [bool],
    ) -> Moment<'a> {
        let person = &self.users[user];
        let session = person.sessions.partition_point(|session| session.first <= before.len()) - 1;
        let session = &person.sessions[session];
        Moment {
            time_ms,
            interests: &session.interests,
            taste: &person.taste,
            last: before.last().map(|event| (event.item, event.action)),
            opening: session.first == before.len(),
            seen,
        }
    }

    /// Action and dwell time: what matches the taste is opened and kept longer; texts are read longer than
    /// ads.
    fn react(&self, user: usize, item: usize, rng: &mut Rng) -> (MarketAction, i64) {
        let item = &self.items[item];
        let liking = 0.7 * choice::affinity(item, &self.users[user].taste) + 0.4 * item.quality - 0.8;
        let click = rng.unit() < 1.0 / (1.0 + (-liking).exp());
        let action = if click { MarketAction::Click } else { MarketAction::View };
        let base_ms =
            if click { 30_000.0 } else { 4_000.0 } * if item.kind == Kind::Organic { 2.0 } else { 1.0 };
        (action, (base_ms * (0.7 * rng.normal()).exp()) as i64)
    }
}

/// When the event at `position` happens: a little after the last one, or at the start of its session.
fn next_time(person: &MarketUser, position: usize, last: Option<&MarketEvent>, rng: &mut Rng) -> i64 {
    let gap_ms = 1_000 + (-(1.0 - rng.unit()).ln() * 20_000.0) as i64;
    let done_ms = last.map(|event| event.time_ms + event.dwell_ms);
    let opening = person.sessions.iter().find(|session| session.first == position);
    match (opening, done_ms) {
        (Some(session), Some(done)) => session.start_ms.max(done + PAUSE_MS) + gap_ms,
        (Some(session), None) => session.start_ms + gap_ms,
        (None, done) => done.unwrap_or(0) + gap_ms,
    }
}

/// Draws one by weight; the last when rounding leaves a remainder.
fn draw(weighted: impl IntoIterator<Item = (usize, f64)>, rng: &mut Rng) -> usize {
    let weighted: Vec<(usize, f64)> = weighted.into_iter().filter(|(_, weight)| *weight > 0.0).collect();
    let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
    let mut left = rng.unit() * total;
    for &(value, weight) in &weighted {
        if left < weight {
            return value;
        }
        left -= weight;
    }
    weighted.last().expect("something can be chosen").0
}
