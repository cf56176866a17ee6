//! The market's clock: users open sessions, look at organic items, are shown ads, click and buy, in order of time.
//!
//! A day begins with drift, new needs, fresh budgets and the plan of its sessions: a Poisson number for each user,
//! at hours of a daily rhythm. A session has one surface and a geometric number of steps. A step is either a
//! request, which fills the surface's slots, or an organic view. Later events (clicks after seconds, conversions
//! after days) wait in a heap until their time; nothing is logged after the end. A user's state changes at the
//! times of clicks and conversions.
//!
//! A click is charged to the budget when its impression is drawn, so that no budget is ever overspent.

use super::catalog::Ad;
use super::config::AdMarketConfig;
use super::events::{AdAction, AdEvent, Impression};
use super::organic::{self, Browsing, dwell};
use super::people::{self, Person};
use super::policy::Pool;
use super::queue::{Due, Step, Waiting};
use super::response::{Intercepts, Meeting, Surface, sigmoid};
use super::world::World;
use crate::users;
use semrank_core::Rng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Mean number of steps of a session.
const STEPS: f64 = 8.0;
/// Pause between two sessions that would overlap.
const PAUSE_MS: i64 = 30 * 60 * 1000;
/// How long a user looks at a slot.
pub(crate) const SLOT_MS: i64 = 1_500;
pub(crate) const HOUR_MS: i64 = 3_600_000;

/// Log rows and true probabilities of a period, in order.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) events: Vec<AdEvent>,
    pub(crate) impressions: Vec<Impression>,
}

/// A market that is being simulated.
pub(crate) struct Engine<'a> {
    world: &'a World,
    intercepts: Intercepts,
    people: Vec<Person>,
    pool: Pool,
    /// Ads and organic items that are not active yet, the next one last.
    unborn: Vec<Birth>,
    shelf: organic::Shelf,
    spent_cents: Vec<i64>,
    paused: Vec<u32>,
    steps: BinaryHeap<Reverse<Step>>,
    waiting: BinaryHeap<Reverse<Waiting>>,
    rng: Rng,
    hour: usize,
    events: u64,
    requests: u64,
}

#[derive(Debug, Clone, Copy)]
enum Birth {
    Ad(i64, u32),
    Post(i64, u32),
}

impl Birth {
    fn key(self) -> (i64, u32) {
        match self {
            Birth::Ad(time, row) | Birth::Post(time, row) => (time, row),
        }
    }
}

/// Expected sessions of a market, so that it has the impressions of its settings.
pub(crate) fn sessions(config: &AdMarketConfig) -> f64 {
    config.impressions as f64 / (STEPS * request_share(config) * slots())
}

/// Mean number of slots of a request.
fn slots() -> f64 {
    Surface::ALL.iter().zip(Surface::SHARES).map(|(s, share)| share * s.examined().len() as f64).sum()
}

/// Share of the steps that are requests, so that `organic_share` of views and impressions are views.
pub(crate) fn request_share(config: &AdMarketConfig) -> f64 {
    let organic = config.organic_share;
    (1.0 - organic) / (1.0 - organic + organic * slots())
}

impl<'a> Engine<'a> {
    /// A market whose log has not begun, with the given users of the world.
    pub(crate) fn new(world: &'a World, people: Vec<Person>, intercepts: Intercepts, stream: &str) -> Self {
        let supply = &world.supply;
        let effect = |ad: &Ad| supply.advertisers[ad.advertiser].click_effect + ad.click_residual;
        let ads = supply.ads.iter().enumerate().map(|(row, ad)| Birth::Ad(ad.active_from_ms, row as u32));
        let posts = supply.posts.iter().enumerate().map(|(row, p)| Birth::Post(p.active_from_ms, row as u32));
        let mut unborn: Vec<Birth> = ads.chain(posts).collect();
        unborn.sort_by_key(|birth| Reverse(birth.key()));
        Self {
            intercepts,
            people,
            pool: Pool::new(&world.config, &supply.ads, effect),
            unborn,
            shelf: organic::Shelf::new(world.config.needs()),
            spent_cents: vec![0; supply.ads.len()],
            paused: Vec::new(),
            steps: BinaryHeap::new(),
            waiting: BinaryHeap::new(),
            rng: Rng::new(world.config.seed, stream),
            hour: 0,
            events: 0,
            requests: 0,
            world,
        }
    }

    /// Users as they are now.
    pub(crate) fn into_people(self) -> Vec<Person> {
        self.people
    }

    /// Fills `batch` with the next hour of the log; false after the last one.
    pub(crate) fn next_hour(&mut self, batch: &mut Batch) -> bool {
        batch.events.clear();
        batch.impressions.clear();
        if self.hour == self.world.config.days * 24 {
            return false;
        }
        let from = self.world.config.start_ms + self.hour as i64 * HOUR_MS;
        if self.hour.is_multiple_of(24) {
            self.begin_day(self.hour / 24, from);
        }
        self.hour += 1;
        let until = from + HOUR_MS;
        while let Some(Reverse(step)) = self.steps.pop_if_before(until) {
            self.log_until(step.time_ms, batch);
            self.step(step, batch);
        }
        self.log_until(until, batch);
        true
    }

    fn begin_day(&mut self, day: usize, day_ms: i64) {
        self.spent_cents.fill(0);
        for ad in std::mem::take(&mut self.paused) {
            self.pool.set_running(ad, true);
        }
        for user in 0..self.people.len() {
            let person = &mut self.people[user];
            person.wake(&self.world.config, day_ms, &mut self.rng);
            if person.joined_day > day {
                continue;
            }
            for _ in 0..people::poisson(person.sessions_per_day, &mut self.rng) {
                let hours = users::hour(&mut self.rng) as f64 + self.rng.unit();
                let time_ms = day_ms + (hours * HOUR_MS as f64) as i64;
                let start = Step { time_ms, user: user as u32, left: 0, surface: Surface::Feed };
                self.steps.push(Reverse(start));
            }
        }
    }

    /// Logs the waiting events that are due before `time_ms`.
    fn log_until(&mut self, time_ms: i64, batch: &mut Batch) {
        while let Some(Reverse(Waiting(event))) = self.waiting.pop_if_before(time_ms) {
            let person = &mut self.people[event.user as usize];
            match event.action {
                AdAction::Click => person.remember_click(event.item),
                AdAction::Conversion => {
                    let theme = &self.world.supply.ads[event.item as usize].theme;
                    person.satisfy(theme, event.time_ms, &mut self.rng);
                }
                AdAction::Impression | AdAction::View => {}
            }
            batch.events.push(event);
        }
    }

    fn step(&mut self, mut step: Step, batch: &mut Batch) {
        if step.left == 0 {
            let busy_until = self.people[step.user as usize].busy_until_ms;
            if step.time_ms < busy_until {
                step.time_ms = busy_until + PAUSE_MS;
                return self.steps.push(Reverse(step));
            }
            step.surface = Surface::ALL[people::draw(&Surface::SHARES, &mut self.rng)];
            step.left = session_length(&mut self.rng);
        }
        self.give_birth(step.time_ms);
        let request = self.rng.unit() < request_share(&self.world.config);
        let busy_ms = if request { self.request(&step, batch) } else { self.view(&step) };
        let gap_ms = 1_000 + (-(1.0 - self.rng.unit()).ln() * 10_000.0) as i64;
        step.time_ms += busy_ms + gap_ms;
        self.people[step.user as usize].busy_until_ms = step.time_ms;
        step.left -= 1;
        if step.left > 0 {
            self.steps.push(Reverse(step));
        }
    }

    fn give_birth(&mut self, time_ms: i64) {
        while self.unborn.last().is_some_and(|birth| birth.key().0 <= time_ms) {
            match self.unborn.pop() {
                Some(Birth::Ad(_, row)) => {
                    self.pool.add(row, self.world.supply.ads[row as usize].theme.need);
                }
                Some(Birth::Post(_, row)) => {
                    self.shelf.add(row, self.world.supply.posts[row as usize].theme.need);
                }
                None => {}
            }
        }
    }

    /// Fills the slots of a request; returns how long the user is busy with them, in ms.
    fn request(&mut self, step: &Step, batch: &mut Batch) -> i64 {
        let person = &self.people[step.user as usize];
        let mut slate =
            self.pool.slate(&self.world.config, person, step.surface, step.time_ms, &mut self.rng);
        let request = self.requests;
        self.requests += 1;
        let mut busy_ms = 0;
        for (slot, &examined) in step.surface.examined().iter().enumerate() {
            let Some((ad, propensity)) = self.pool.draw(&mut slate, &mut self.rng) else { break };
            busy_ms += SLOT_MS;
            let shown = AdEvent {
                propensity: Some(propensity),
                request: Some(request),
                slot: Some(slot as u8 + 1),
                ..self.event(step, ad, AdAction::Impression, step.time_ms)
            };
            self.waiting.push(Reverse(Waiting(shown)));
            let truth = self.respond(step, &shown, examined, &mut busy_ms);
            batch.impressions.push(truth);
        }
        busy_ms
    }

    /// Draws the outcome of an impression; a click adds its dwell to `busy_ms`.
    fn respond(&mut self, step: &Step, shown: &AdEvent, examined: f64, busy_ms: &mut i64) -> Impression {
        let supply = &self.world.supply;
        let ad = &supply.ads[shown.item as usize];
        let advertiser = &supply.advertisers[ad.advertiser];
        let person = &self.people[step.user as usize];
        let need = person.need_for(&ad.theme, step.time_ms, self.world.config.need_half_life_ms());
        let (row, surface, time_ms) = (shown.item, step.surface, step.time_ms);
        let meeting = Meeting { person, row, ad, advertiser, surface, time_ms, need };
        let logits = meeting.logits(self.intercepts);
        let p_click_slot1 = sigmoid(logits.click);
        let mut truth = Impression {
            event: shown.event,
            user: step.user,
            item: shown.item,
            time_ms: step.time_ms,
            p_click: examined * p_click_slot1,
            p_click_slot1,
            p_conversion: sigmoid(logits.conversion),
            delay_mean_ms: advertiser.delay.mean_ms(),
            delay_median_ms: advertiser.delay.median_ms(),
            click_ms: None,
            conversion_ms: None,
        };
        if self.rng.unit() >= truth.p_click {
            return truth;
        }
        self.charge(shown.item, ad);
        let think_ms = (3_000.0 * (0.8 * self.rng.normal()).exp()) as i64;
        let click_ms = step.time_ms + *busy_ms + think_ms;
        let dwell_ms = dwell(2.2 + 0.8 * need.0 + 0.6 * need.1, &mut self.rng);
        *busy_ms += think_ms + dwell_ms;
        let click = self.event(step, shown.item, AdAction::Click, click_ms);
        let parent = Some(shown.event);
        self.waiting.push(Reverse(Waiting(AdEvent { parent, dwell_ms: Some(dwell_ms), ..click })));
        truth.click_ms = Some(click_ms);
        if self.rng.unit() < truth.p_conversion {
            let conversion_ms = click_ms + advertiser.delay.sample(&mut self.rng);
            truth.conversion_ms = Some(conversion_ms);
            self.convert(step, ad, &click, conversion_ms);
        }
        truth
    }

    fn convert(&mut self, step: &Step, ad: &Ad, click: &AdEvent, time_ms: i64) {
        let value = ad.value(self.rng.normal());
        let bought = self.event(step, click.item, AdAction::Conversion, time_ms);
        // Events after the end would only fill the heap.
        if time_ms < self.world.config.end_ms() {
            let parent = Some(click.event);
            self.waiting.push(Reverse(Waiting(AdEvent { parent, value: Some(value), ..bought })));
        }
    }

    /// Charges a click; an ad whose budget is too small for another one pauses.
    fn charge(&mut self, row: u32, ad: &Ad) {
        let spent = &mut self.spent_cents[row as usize];
        *spent += ad.bid_cents;
        if self.world.config.budgets && *spent + ad.bid_cents > ad.budget_cents {
            self.pool.set_running(row, false);
            self.paused.push(row);
        }
    }

    /// An organic view; returns how long it takes, in ms.
    fn view(&mut self, step: &Step) -> i64 {
        let browsing = Browsing {
            person: &self.people[step.user as usize],
            time_ms: step.time_ms,
            half_life_ms: self.world.config.need_half_life_ms(),
        };
        let post = self.shelf.choose(&browsing, &mut self.rng);
        let theme = &self.world.supply.posts[post as usize].theme;
        let dwell_ms = dwell(1.6 + 0.9 * browsing.interest(theme), &mut self.rng);
        let item = self.world.supply.ads.len() as u32 + post;
        let view = self.event(step, item, AdAction::View, step.time_ms);
        self.waiting.push(Reverse(Waiting(AdEvent { dwell_ms: Some(dwell_ms), ..view })));
        dwell_ms
    }

    /// A new event with nothing but the common columns.
    fn event(&mut self, step: &Step, item: u32, action: AdAction, time_ms: i64) -> AdEvent {
        let event = self.events;
        self.events += 1;
        let travel_ms = 100 + (-(1.0 - self.rng.unit()).ln() * 1_500.0) as i64;
        AdEvent {
            event,
            parent: None,
            user: step.user,
            item,
            action,
            time_ms,
            received_ms: time_ms + travel_ms,
            dwell_ms: None,
            request: None,
            slot: None,
            surface: step.surface,
            propensity: None,
            value: None,
        }
    }
}

pub(crate) fn session_length(rng: &mut Rng) -> u32 {
    let mut steps = 1;
    while rng.unit() >= 1.0 / STEPS {
        steps += 1;
    }
    steps
}
