//! A play: users ask when the plan says so, react by the market's law of clicks and conversions, and spend budgets.
//!
//! Every draw of a user in a slot comes from (seed, user, request, slot): the same slate meets the same reaction,
//! whatever else was served. Clicks and conversions wait until they are due; then they change the user's state and the
//! ranker learns of them. A click is charged when its impression is drawn, so that no budget is overspent.

use super::budgets::Ledger;
use super::config::Design;
use super::log::{Exposed, TrialLog};
use super::plan::Visit;
use super::policies::{Policies, Serving};
use super::serve::{AdRequest, Reaction, Serve, Slate};
use super::world::TrialWorld;
use crate::impressions::engine::SLOT_MS;
use crate::impressions::organic::{Browsing, Shelf, dwell};
use crate::impressions::people::Person;
use crate::impressions::response::{Logits, Meeting, sigmoid};
use crate::impressions::{AdAction, AdEvent, AdMarketConfig, config::DAY_MS};
use semrank_core::Rng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Chance that a bot clicks what it is shown.
const BOT_CLICKS: f64 = 0.5;

impl TrialWorld {
    /// Plays the test against a ranker. The same ranker gives the same log.
    ///
    /// # Errors
    /// The first error of the ranker.
    pub fn play<S: Serve>(&self, server: &mut S) -> Result<TrialLog, S::Error> {
        let ledgers = if self.config().design == Design::BudgetSplit { 2 } else { 1 };
        Play::new(self, server, ledgers).run()
    }

    /// Plays with all users in one arm and whole budgets, as after a launch.
    pub(crate) fn play_everybody(&self, arm: usize) -> TrialLog {
        let Ok(log) = Play::new(self, &mut Policies::new(self, Serving::All(arm)), 1).run();
        log
    }
}

struct Play<'a, S> {
    world: &'a TrialWorld,
    server: &'a mut S,
    people: Vec<Person>,
    ledgers: Vec<Ledger>,
    /// Ads and posts that are not active yet, the next one last.
    unborn_ads: Vec<u32>,
    unborn_posts: Vec<u32>,
    shelf: Shelf,
    /// Clicks and conversions to come, by time, number of the event and place in `pending`.
    due: BinaryHeap<Reverse<(i64, u64, usize)>>,
    pending: Vec<Reaction>,
    responses: Rng,
    log: TrialLog,
}

/// What a user does, by its place in the number of an event.
#[derive(Clone, Copy)]
enum Deed {
    Impression,
    Click,
    Conversion,
    View,
}

/// The number of an event: the visit, the slot (0 for views) and the deed.
fn number(visit: &Visit, slot: usize, deed: Deed) -> u64 {
    visit.id() << 8 | (slot as u64) << 2 | deed as u64
}

impl<'a, S: Serve> Play<'a, S> {
    fn new(world: &'a TrialWorld, server: &'a mut S, ledgers: usize) -> Self {
        let supply = world.supply();
        let by_birth = |births: Vec<i64>| {
            let mut rows: Vec<u32> = (0..births.len() as u32).collect();
            rows.sort_by_key(|&row| Reverse((births[row as usize], row)));
            rows
        };
        Play {
            world,
            server,
            people: world.people.clone(),
            ledgers: vec![Ledger::new(&world.budgets, ledgers, supply.ads.len()); ledgers],
            unborn_ads: by_birth(supply.ads.iter().map(|ad| ad.active_from_ms).collect()),
            unborn_posts: by_birth(supply.posts.iter().map(|post| post.active_from_ms).collect()),
            shelf: Shelf::new(world.market().needs()),
            due: BinaryHeap::new(),
            pending: Vec::new(),
            responses: Rng::new(world.config().seed, "trial.responses"),
            log: TrialLog::default(),
        }
    }

    fn run(mut self) -> Result<TrialLog, S::Error> {
        let world = self.world;
        let mut day = -1;
        for visit in &world.visits {
            while (visit.time_ms - world.market().start_ms).div_euclid(DAY_MS) > day {
                day += 1;
                let day_ms = world.market().start_ms + day * DAY_MS;
                self.happen_until(day_ms)?;
                self.begin_day(day_ms);
            }
            self.happen_until(visit.time_ms)?;
            self.give_birth(visit.time_ms);
            if visit.request {
                self.request(visit)?;
            } else if world.config().organic {
                self.view(visit)?;
            }
        }
        self.happen_until(world.end_ms())?;
        Ok(self.log)
    }

    fn begin_day(&mut self, day_ms: i64) {
        let (supply, market) = (self.world.supply(), self.world.market());
        for ledger in &mut self.ledgers {
            ledger.begin_day(&supply.ads, &self.world.campaigns);
        }
        let days = Rng::new(self.world.config().seed, "trial.days").fork(day_ms as u64);
        for (user, person) in (0..).zip(&mut self.people) {
            person.wake(market, day_ms, &mut days.fork(user));
        }
    }

    fn give_birth(&mut self, time_ms: i64) {
        let supply = self.world.supply();
        while let Some(&ad) =
            self.unborn_ads.last().filter(|&&ad| supply.ads[ad as usize].active_from_ms <= time_ms)
        {
            self.unborn_ads.pop();
            for ledger in &mut self.ledgers {
                ledger.activate(ad, &supply.ads, &self.world.campaigns);
            }
        }
        let posts = &supply.posts;
        while let Some(&post) =
            self.unborn_posts.last().filter(|&&post| posts[post as usize].active_from_ms <= time_ms)
        {
            self.unborn_posts.pop();
            self.shelf.add(post, posts[post as usize].theme.need);
        }
    }

    /// Lets clicks and conversions happen that are due before `time_ms`.
    fn happen_until(&mut self, time_ms: i64) -> Result<(), S::Error> {
        while let Some(&Reverse((_, _, at))) = self.due.peek().filter(|next| next.0.0 < time_ms) {
            self.due.pop();
            let reaction = self.pending[at];
            let event = &reaction.event;
            let person = &mut self.people[event.user as usize];
            match event.action {
                AdAction::Click => person.remember_click(event.item),
                AdAction::Conversion => {
                    let theme = &self.world.ads()[event.item as usize].theme;
                    person.satisfy(theme, event.time_ms, &mut self.responses.fork(event.event));
                }
                AdAction::Impression | AdAction::View => {}
            }
            self.happened(reaction)?;
        }
        Ok(())
    }

    fn happened(&mut self, reaction: Reaction) -> Result<(), S::Error> {
        self.server.observe(&reaction)?;
        self.log.reactions.push(reaction);
        Ok(())
    }

    fn request(&mut self, visit: &Visit) -> Result<(), S::Error> {
        let bot = self.world.is_bot(visit.user);
        let running: [&[bool]; 2] = [&self.ledgers[0].running, &self.ledgers[self.ledgers.len() - 1].running];
        let request = AdRequest {
            request: visit.id(),
            user: visit.user,
            bot,
            time_ms: visit.time_ms,
            surface: visit.surface,
            slots: visit.surface.examined().len(),
            person: &self.people[visit.user as usize],
            running: &running,
        };
        let mut slate = self.server.slate(&request)?;
        slate.ads.truncate(request.slots);
        let wanted = slate.ads.len();
        // In the order of the slots, each ad once.
        let mut ads: Vec<u32> = Vec::with_capacity(wanted);
        for &ad in &slate.ads {
            if request.is_eligible(ad, slate.arm) && !ads.contains(&ad) {
                ads.push(ad);
            }
        }
        self.log.refused += (wanted - ads.len()) as u64;
        self.log.exposures.push(Exposed {
            request: visit.id(),
            user: visit.user,
            bot,
            time_ms: visit.time_ms,
            arm: slate.arm,
            would_differ: slate.would_differ,
        });
        let slate = Slate { ads, ..slate };
        (1..).zip(&slate.ads).try_for_each(|(slot, &ad)| self.impression(visit, &slate, slot, ad))
    }

    fn impression(&mut self, visit: &Visit, slate: &Slate, slot: usize, ad: u32) -> Result<(), S::Error> {
        let mut rng = self.responses.fork(visit.id()).fork(slot as u64);
        let event = AdEvent {
            request: Some(visit.id()),
            slot: Some(slot as u8),
            ..event(visit, ad, number(visit, slot, Deed::Impression), &mut rng)
        };
        let shown = Reaction { event, arm: slate.arm, served_ms: visit.time_ms, price_cents: 0 };
        self.happened(shown)?;
        let meeting = self.meeting(visit, ad);
        let (logits, need) = (meeting.logits(self.world.world.intercepts), meeting.need);
        let examined = visit.surface.examined()[slot - 1];
        let bot = self.world.is_bot(visit.user);
        let p_click = if bot { BOT_CLICKS } else { examined * sigmoid(logits.click) };
        if rng.unit() < p_click {
            self.click(&shown, logits, need, &mut rng);
        }
        Ok(())
    }

    fn meeting(&self, visit: &Visit, row: u32) -> Meeting<'_> {
        let supply = self.world.supply();
        let (person, ad) = (&self.people[visit.user as usize], &supply.ads[row as usize]);
        let need = person.need_for(&ad.theme, visit.time_ms, self.world.market().need_half_life_ms());
        let advertiser = &supply.advertisers[ad.advertiser];
        Meeting { person, row, ad, advertiser, surface: visit.surface, time_ms: visit.time_ms, need }
    }

    /// Charges a click, and plans it and its conversion.
    fn click(&mut self, shown: &Reaction, logits: Logits, need: (f64, f64), rng: &mut Rng) {
        let (world, row) = (self.world, shown.event.item);
        let ad = &world.ads()[row as usize];
        let bot = world.is_bot(shown.event.user);
        let think_ms = SLOT_MS * i64::from(shown.event.slot.unwrap_or(1))
            + (3_000.0 * (0.8 * rng.normal()).exp()) as i64;
        let dwell_ms = Some(dwell(2.2 + 0.8 * need.0 + 0.6 * need.1, rng));
        // Bots' clicks are not paid.
        let ledger = shown.arm.unwrap_or(0).min(self.ledgers.len() - 1);
        let price_cents =
            if bot { 0 } else { self.ledgers[ledger].charge(row, world.ads(), &world.campaigns) };
        let click = follow(&shown.event, Deed::Click, shown.event.time_ms + think_ms, rng);
        self.plan(Reaction { event: AdEvent { dwell_ms, ..click }, price_cents, ..*shown });
        let (converts, noise) = (rng.unit() < sigmoid(logits.conversion), rng.normal());
        if converts && !bot {
            let value = Some(ad.value(noise));
            let time_ms = click.time_ms + world.supply().advertisers[ad.advertiser].delay.sample(rng);
            let conversion = follow(&click, Deed::Conversion, time_ms, rng);
            self.plan(Reaction { event: AdEvent { value, ..conversion }, ..*shown });
        }
    }

    /// Events after the end would only fill the heap.
    fn plan(&mut self, reaction: Reaction) {
        if reaction.event.time_ms < self.world.end_ms() {
            self.due.push(Reverse((reaction.event.time_ms, reaction.event.event, self.pending.len())));
            self.pending.push(reaction);
        }
    }

    fn view(&mut self, visit: &Visit) -> Result<(), S::Error> {
        let mut rng = self.responses.fork(visit.id()).fork(0);
        let market: &AdMarketConfig = self.world.market();
        let browsing = Browsing {
            person: &self.people[visit.user as usize],
            time_ms: visit.time_ms,
            half_life_ms: market.need_half_life_ms(),
        };
        let post = self.shelf.choose(&browsing, &mut rng);
        let interest = browsing.interest(&self.world.supply().posts[post as usize].theme);
        let dwell_ms = Some(dwell(1.6 + 0.9 * interest, &mut rng));
        let item = self.world.ads().len() as u32 + post;
        let seen = event(visit, item, number(visit, 0, Deed::View), &mut rng);
        let event = AdEvent { action: AdAction::View, dwell_ms, ..seen };
        self.happened(Reaction { event, arm: None, served_ms: visit.time_ms, price_cents: 0 })
    }
}

/// An impression of a visit without slot.
fn event(visit: &Visit, item: u32, number: u64, rng: &mut Rng) -> AdEvent {
    AdEvent {
        event: number,
        parent: None,
        user: visit.user,
        item,
        action: AdAction::Impression,
        time_ms: visit.time_ms,
        received_ms: visit.time_ms + travel_ms(rng),
        dwell_ms: None,
        request: None,
        slot: None,
        surface: visit.surface,
        propensity: None,
        value: None,
    }
}

/// The click of an impression, or the conversion of a click.
fn follow(parent: &AdEvent, deed: Deed, time_ms: i64, rng: &mut Rng) -> AdEvent {
    let action = if let Deed::Click = deed { AdAction::Click } else { AdAction::Conversion };
    let received_ms = time_ms + travel_ms(rng);
    let event = parent.event & !3 | deed as u64;
    AdEvent { event, parent: Some(parent.event), action, time_ms, received_ms, dwell_ms: None, ..*parent }
}

/// From the user to the log.
fn travel_ms(rng: &mut Rng) -> i64 {
    100 + (-(1.0 - rng.unit()).ln() * 1_500.0) as i64
}
