//! What a play logged, and its way to the statistics: reactions in; exposures, events and counts by unit out.
//!
//! | design | unit | index |
//! |---|---|---|
//! | user, budget split | user | first request in the entry period |
//! | campaign | campaign | first impression in the entry period |
//! | switchback | block | first request after the burn-in |
//!
//! Actions: `impression`, `click`, `conversion`, and the amounts `spend` (of clicks, cents) and `revenue` (of conversions).
//! A reaction belongs to the block of its request.

use super::config::Design;
use super::serve::Reaction;
use super::world::TrialWorld;
use crate::impressions::AdAction;
use crate::impressions::config::DAY_MS;
use semrank_core::Rng;
use semrank_experiment::Result;
use semrank_experiment::counts::{Counter, Counts, Definition, Event, Exposure};

/// Names of the arms.
const ARMS: [&str; 2] = ["control", "treatment"];
/// Actions that are counted.
const ACTIONS: [&str; 5] = ["click", "conversion", "impression", "revenue", "spend"];
/// Time in which rows still arrive.
const SETTLE_MS: i64 = 3_600_000;
/// How much later the second of two equal rows arrives.
const AGAIN_MS: i64 = 60_000;

/// A request that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exposed {
    pub(crate) request: u64,
    pub(crate) user: u32,
    pub(crate) bot: bool,
    pub(crate) time_ms: i64,
    pub(crate) arm: Option<usize>,
    pub(crate) would_differ: bool,
}

/// All that happened in a play.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrialLog {
    /// Answered requests.
    pub(crate) exposures: Vec<Exposed>,
    /// In order of time.
    pub(crate) reactions: Vec<Reaction>,
    /// Ads that were not shown because they may not be, or occurred twice in a slate.
    pub(crate) refused: u64,
}

/// What the rows of a log belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    User,
    Campaign,
    Block,
}

impl TrialLog {
    /// Impressions, clicks, conversions and views, in order of time.
    pub fn reactions(&self) -> &[Reaction] {
        &self.reactions
    }

    /// Ads of slates that were not shown: they are unknown, not active, paused, or twice in their slate.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Sums of an action in control and treatment, for every campaign that has ads: the pairs of a budget split.
    /// Bots do not count.
    pub fn by_campaign(&self, world: &TrialWorld, action: &str) -> Vec<[f64; 2]> {
        let mut sums = vec![[0.0; 2]; world.campaign_ids().len()];
        for reaction in self.reactions.iter().filter(|row| !world.is_bot(row.event.user)) {
            if let Some(arm) = reaction.arm.filter(|&arm| arm < ARMS.len()) {
                let own = amounts(reaction).into_iter().flatten().filter(|(name, _)| *name == action);
                own.for_each(|(_, value)| sums[world.campaign(reaction.event.item)][arm] += value);
            }
        }
        let campaigns = sums.into_iter().zip(&world.campaigns.ads);
        campaigns.filter(|(_, ads)| !ads.is_empty()).map(|(sums, _)| sums).collect()
    }

    /// Share of the spend that limited campaigns pay.
    pub fn limited_share(&self, world: &TrialWorld) -> f64 {
        let clicks = self.reactions.iter().filter(|row| row.price_cents > 0);
        let (mut limited, mut all) = (0, 0);
        for reaction in clicks {
            all += reaction.price_cents;
            if world.budgets()[world.campaign(reaction.event.item)].is_some() {
                limited += reaction.price_cents;
            }
        }
        limited as f64 / f64::max(all as f64, 1.0)
    }
}

/// What a reaction adds to the actions.
fn amounts(reaction: &Reaction) -> [Option<(&'static str, f64)>; 2] {
    let one = |action| Some((action, 1.0));
    match reaction.event.action {
        AdAction::Impression => [one("impression"), None],
        AdAction::Click => [one("click"), Some(("spend", reaction.price_cents as f64))],
        AdAction::Conversion => [one("conversion"), reaction.event.value.map(|value| ("revenue", value))],
        AdAction::View => [None, None],
    }
}

impl TrialWorld {
    /// What is counted, as known at the end of a play.
    pub fn definition(&self) -> Definition {
        let window_ms = self.config().window_days as i64 * DAY_MS;
        Definition {
            arms: ARMS.map(String::from).to_vec(),
            start_ms: self.start_ms(),
            end_ms: self.end_ms() - window_ms,
            as_of_ms: self.end_ms() + SETTLE_MS,
            settle_ms: SETTLE_MS,
            windows_ms: ACTIONS.map(|action| (action.to_owned(), window_ms)).into(),
        }
    }

    /// The exposures of a log, by the unit of the design.
    pub fn exposures(&self, log: &TrialLog) -> Vec<Exposure> {
        self.exposures_of(log, self.unit())
    }

    /// The events of a log, by the unit of the design.
    pub fn events(&self, log: &TrialLog) -> Vec<Event> {
        self.events_of(log, self.unit()).collect()
    }

    /// Counts a log by the unit of the design.
    ///
    /// # Errors
    /// When sums are not finite.
    pub fn count(&self, log: &TrialLog) -> Result<Counts> {
        self.count_by(log, self.unit())
    }

    pub(crate) fn count_by(&self, log: &TrialLog, unit: Unit) -> Result<Counts> {
        let mut counter = Counter::new(self.definition())?;
        self.exposures_of(log, unit).iter().try_for_each(|row| counter.exposure(row))?;
        self.events_of(log, unit).try_for_each(|row| counter.event(&row))?;
        counter.finish()
    }

    pub(crate) fn unit(&self) -> Unit {
        match self.config().design {
            Design::User | Design::BudgetSplit => Unit::User,
            Design::Campaign => Unit::Campaign,
            Design::Switchback => Unit::Block,
        }
    }

    fn exposures_of(&self, log: &TrialLog, unit: Unit) -> Vec<Exposure> {
        let rows: Vec<Exposure> = match unit {
            Unit::Campaign => self.campaign_exposures(log).collect(),
            _ => log.exposures.iter().filter_map(|row| self.exposure(row, unit)).collect(),
        };
        let again = rows.iter().filter(|row| self.is_twice(&row.event_id));
        let again = again.map(|row| Exposure { received_ms: row.received_ms + AGAIN_MS, ..row.clone() });
        let again: Vec<Exposure> = again.collect();
        rows.into_iter().chain(again).collect()
    }

    fn exposure(&self, row: &Exposed, unit: Unit) -> Option<Exposure> {
        let name = match unit {
            Unit::User => self.user_id(row.user),
            // A block is not left out for the requests of bots; they do not count for it.
            _ => self.block_id(row.time_ms).filter(|_| !row.bot)?,
        };
        Some(Exposure {
            event_id: format!("x{}", row.request),
            unit: name,
            arm: (*ARMS.get(row.arm?)?).into(),
            time_ms: row.time_ms,
            received_ms: row.time_ms,
            would_differ: row.would_differ,
            bot: row.bot,
        })
    }

    fn campaign_exposures(&self, log: &TrialLog) -> impl Iterator<Item = Exposure> {
        let arms = self.campaign_arms();
        let shown = log.reactions.iter().filter(|row| row.event.action == AdAction::Impression);
        shown.filter(|row| !self.is_bot(row.event.user)).filter_map(move |row| {
            let campaign = self.campaign(row.event.item);
            Some(Exposure {
                event_id: format!("x{}", row.event.event),
                unit: self.campaign_ids()[campaign].clone(),
                arm: ARMS[arms[campaign]?].into(),
                time_ms: row.event.time_ms,
                received_ms: row.event.received_ms,
                would_differ: true,
                bot: false,
            })
        })
    }

    fn events_of(&self, log: &TrialLog, unit: Unit) -> impl Iterator<Item = Event> {
        // The rows of a bot leave with its unit; no other unit may count them.
        let rows = log.reactions.iter().filter(move |row| unit == Unit::User || !self.is_bot(row.event.user));
        rows.flat_map(move |row| {
            let name = match unit {
                Unit::User => Some(self.user_id(row.event.user)),
                Unit::Campaign => {
                    let ad = (row.event.action != AdAction::View).then_some(row.event.item);
                    ad.map(|ad| self.campaign_ids()[self.campaign(ad)].clone())
                }
                Unit::Block => self.block_id(row.served_ms),
            };
            let rows = name.into_iter().flat_map(move |name| {
                let amounts = amounts(row).into_iter().flatten();
                amounts.map(move |(action, value)| event(row, action, value, name.clone()))
            });
            rows.flat_map(|row| {
                let again = self.is_twice(&row.event_id);
                let again = again.then(|| Event { received_ms: row.received_ms + AGAIN_MS, ..row.clone() });
                std::iter::once(row).chain(again)
            })
        })
    }

    /// Whether a row is logged twice.
    fn is_twice(&self, event_id: &str) -> bool {
        let share = self.config().duplicates;
        share > 0.0 && Rng::new(self.config().seed, event_id).unit() < share
    }
}

fn event(row: &Reaction, action: &str, value: f64, unit: String) -> Event {
    let letter = match action {
        "spend" => 's',
        "revenue" => 'v',
        _ => 'e',
    };
    Event {
        event_id: format!("{letter}{}", row.event.event),
        unit,
        action: action.into(),
        time_ms: row.event.time_ms,
        received_ms: row.event.received_ms,
        value,
    }
}
