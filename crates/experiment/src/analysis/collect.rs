//! Rows of the log -> what is kept of them. Rows may come in any order and in any shards.

use crate::counts::{self, Counter};
use crate::definition::{Definition, Design, Selector, Value};
use crate::error::{Error, Result};
use crate::hash::wide;
use crate::log::{LoggedEvent, LoggedExposure, Used};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How far a time may lie ahead of its receipt before a clock is called wrong.
const SKEW_MS: i64 = 60_000;

/// Events that metrics count in the same way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stream {
    action: String,
    filter: BTreeMap<String, Vec<String>>,
    /// The column that is summed; none for counts.
    column: Option<String>,
}

impl Stream {
    pub(super) fn of(selector: &Selector) -> Self {
        let column = (selector.value == Value::Sum).then(|| selector.column.clone());
        Self { action: selector.action.clone(), filter: selector.filter.clone(), column }
    }

    /// What an event adds.
    pub(super) fn value(&self, event: &LoggedEvent) -> Option<f64> {
        let has = |(column, values): (&String, &Vec<String>)| {
            event.text(column).is_some_and(|found| values.iter().any(|value| *value == found))
        };
        if event.action != self.action || !self.filter.iter().all(has) {
            return None;
        }
        match &self.column {
            None => Some(1.0),
            Some(column) => event.number(column).filter(|number| number.is_finite()),
        }
    }
}

/// What is known of a unit at its first exposure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct First {
    /// Time, id hash and receipt: the smallest is the first.
    order: (i64, u64, i64),
    pub(super) events_before: f64,
    pub(super) predicted: Option<f64>,
    pub(super) segments: Vec<Option<String>>,
    /// Whether it is known for every exposure whether it would differ.
    pub(super) is_shadowed: bool,
}

/// A click and its first conversion.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct ClickTimes {
    /// Hash of the unit, and when; none while only the conversion is known.
    pub(super) click: Option<(u64, i64)>,
    pub(super) converted: Option<i64>,
}

/// An item of a list that was shown.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(super) struct ShownItem {
    pub(super) arm: usize,
    /// Place among the names.
    pub(super) source: Option<u32>,
    pub(super) probability: f64,
}

/// An amount of a campaign on an event; of rows with one id the first received counts.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(super) struct Amount {
    received: i64,
    pub(super) unit: u64,
    /// Place among the names.
    pub(super) campaign: u32,
    pub(super) time: i64,
    pub(super) amount: f64,
}

/// Texts, each once.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    places: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Names {
    fn place(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.texts.len() as u32;
        self.places.insert(text.to_owned(), place);
        self.texts.push(text.to_owned());
        place
    }

    pub(super) fn text(&self, place: u32) -> &str {
        &self.texts[place as usize]
    }
}

/// Keeps the least of the values of a key, so that rows may come in any order.
fn keep_least<V: PartialOrd>(map: &mut HashMap<u64, V>, key: u64, value: V) {
    match map.entry(key) {
        Entry::Vacant(place) => drop(place.insert(value)),
        Entry::Occupied(mut known) if value < *known.get() => drop(known.insert(value)),
        Entry::Occupied(_) => {}
    }
}

/// Collects the rows of one test.
#[derive(Debug, Clone)]
pub struct Collector {
    pub(super) definition: Definition,
    pub(super) as_of: i64,
    pub(super) streams: Vec<Stream>,
    pub(super) counter: Counter,
    pub(super) first: HashMap<u64, First>,
    /// Clicks by the hash of their id, for the metric with late conversions.
    pub(super) clicks: HashMap<u64, ClickTimes>,
    /// By the hash of request and item.
    pub(super) shown: HashMap<u64, ShownItem>,
    /// Unit and arm that contributed an item to a mixed list, by the hash of request and item.
    pub(super) teams: HashMap<u64, (u64, usize)>,
    /// The arm that contributed the first item, by the hash of the exposure's id.
    pub(super) first_teams: HashMap<u64, usize>,
    /// Hashes of requests and items with an event of the primary metric.
    pub(super) credited: HashSet<u64>,
    /// Hashes of clicked requests and items.
    pub(super) clicked: HashSet<u64>,
    /// Names of sources and campaigns.
    pub(super) names: Names,
    /// What campaigns spent, by the hash of the event's id.
    pub(super) spent: HashMap<u64, Amount>,
    /// What they brought of the primary metric.
    pub(super) earned: HashMap<u64, Amount>,
    /// Campaigns that ran out.
    pub(super) exhausted: BTreeSet<String>,
    /// With blocks of time: the block of a request by its hash, and events that wait for theirs.
    /// None for a request that does not count.
    blocks: HashMap<u64, Option<String>>,
    waiting: Vec<LoggedEvent>,
    /// The late metric's conversions and clicks.
    late: Option<[Stream; 2]>,
    spend: Option<Stream>,
    primary: Stream,
    /// Events that name no unit.
    pub(super) without_unit: u64,
    /// Microseconds by arm, and whether other arms were found as well; by the hash of the exposure's id.
    pub(super) micros: HashMap<u64, (usize, bool, u64)>,
    pub(super) received_after_as_of: u64,
    pub(super) rows: u64,
    /// Rows that happened after they were received.
    pub(super) skewed: u64,
    pub(super) used: Vec<Used>,
}

impl Collector {
    /// Without rows; those received after `as_of` (ms UTC) are not known.
    ///
    /// # Errors
    /// [`Error::TooMany`] for more different sorts of events than can be counted at once.
    pub fn new(definition: Definition, as_of: i64) -> Result<Self> {
        let mut streams: Vec<Stream> = Vec::new();
        for metric in &definition.metrics {
            for selector in std::iter::once(&metric.numerator).chain(&metric.denominator) {
                let stream = Stream::of(selector);
                if !streams.contains(&stream) {
                    streams.push(stream);
                }
            }
        }
        let longest = definition.metrics.iter().map(|metric| metric.window_ms()).max().unwrap_or(1);
        let counter = Counter::new(counts::Definition {
            arms: definition.arms.iter().map(|arm| arm.name.clone()).collect(),
            start_ms: definition.start,
            end_ms: definition.end_ms(),
            as_of_ms: as_of,
            settle_ms: definition.settle_ms(),
            windows_ms: (0..streams.len()).map(|stream| (name(stream), longest.max(1))).collect(),
        })?;
        let late = super::delays::metric(&definition).and_then(|metric| {
            Some([Stream::of(&metric.numerator), Stream::of(metric.denominator.as_ref()?)])
        });
        let spend = definition.budget.as_ref().map(|budget| Stream::of(&budget.spend));
        let primary = Stream::of(&definition.primary().numerator);
        Ok(Self {
            definition,
            as_of,
            streams,
            counter,
            first: HashMap::new(),
            clicks: HashMap::new(),
            shown: HashMap::new(),
            teams: HashMap::new(),
            first_teams: HashMap::new(),
            credited: HashSet::new(),
            clicked: HashSet::new(),
            names: Names::default(),
            spent: HashMap::new(),
            earned: HashMap::new(),
            exhausted: BTreeSet::new(),
            blocks: HashMap::new(),
            waiting: Vec::new(),
            late,
            spend,
            primary,
            without_unit: 0,
            micros: HashMap::new(),
            received_after_as_of: 0,
            rows: 0,
            skewed: 0,
            used: Vec::new(),
        })
    }

    /// Place of a selector among the streams.
    pub(super) fn stream(&self, selector: &Selector) -> usize {
        let stream = Stream::of(selector);
        self.streams.iter().position(|other| *other == stream).unwrap_or_default()
    }

    /// The counted rows; what stays counts none.
    pub(super) fn take_counter(&mut self) -> Result<Counter> {
        let empty = Counter::new(self.counter.definition().clone())?;
        Ok(std::mem::replace(&mut self.counter, empty))
    }

    /// Adds definitions that a server used.
    pub fn used(&mut self, used: impl IntoIterator<Item = Used>) {
        self.used.extend(used);
    }

    /// Whether a row is known at `as_of`.
    fn is_known(&mut self, time: i64, received: i64) -> bool {
        if received > self.as_of {
            self.received_after_as_of += 1;
            return false;
        }
        self.rows += 1;
        self.skewed += u64::from(time.saturating_sub(received) > SKEW_MS);
        true
    }

    /// Adds an exposure; one of another test or phase changes nothing.
    ///
    /// # Errors
    /// [`Error::Case`] for an arm that the definition does not have.
    pub fn exposure(&mut self, row: &LoggedExposure) -> Result<()> {
        let definition = &self.definition;
        if row.experiment != definition.name || row.phase != definition.phase {
            return Ok(());
        }
        let is_block = definition.design == Design::Switchback;
        let is_burnt = definition.block(row.time).is_some_and(|(_, counts)| !counts);
        if !self.is_known(row.time, row.received_ms()) {
            return Ok(());
        }
        // One request of a bot does not make a block of time one, and what follows from it does not count.
        let counts = !(is_burnt || is_block && row.bot);
        if is_block {
            let block = counts.then(|| row.unit.clone());
            self.blocks.insert(wide("request", &row.request_id), block);
        }
        if !counts {
            return Ok(());
        }
        let unknown =
            || Error::Case(format!("exposure {}: arm {} is not in the definition", row.event_id, row.arm));
        let arm = self.arm(&row.arm).ok_or_else(unknown)?;
        let (unit, id) = (wide("unit", &row.unit), wide("id", &row.event_id));
        self.counter.exposure(&counts::Exposure {
            event_id: row.event_id.clone(),
            unit: row.unit.clone(),
            arm: row.arm.clone(),
            time_ms: row.time,
            received_ms: row.received_ms(),
            would_differ: row.would_differ == Some(true),
            bot: row.bot,
        })?;
        if row.bot || !(self.definition.start..self.definition.end_ms()).contains(&row.time) {
            return Ok(());
        }
        self.keep_first(unit, id, row);
        if let Some(micros) = row.micros {
            keep_least(&mut self.micros, id, (arm, row.would_differ.is_some(), micros));
        }
        for (place, item) in row.slate.iter().enumerate() {
            let team = item.team.as_ref().and_then(|team| self.arm(team));
            if let Some(team) = team {
                keep_least(&mut self.teams, pair(&row.request_id, &item.item), (unit, team));
                if place == 0 {
                    keep_least(&mut self.first_teams, id, team);
                }
            }
            if let Some(probability) = item.probability {
                let source = item.sources.first().map(|source| self.names.place(source));
                keep_least(
                    &mut self.shown,
                    pair(&row.request_id, &item.item),
                    ShownItem { arm, source, probability },
                );
            }
        }
        Ok(())
    }

    /// Place of an arm in the definition.
    fn arm(&self, name: &str) -> Option<usize> {
        self.definition.arms.iter().position(|arm| arm.name == name)
    }

    fn keep_first(&mut self, unit: u64, id: u64, row: &LoggedExposure) {
        let first = First {
            order: (row.time, id, row.received_ms()),
            events_before: row.events_before,
            // What is known only for some arms would make them differ.
            predicted: row.predicted.filter(|_| row.would_differ.is_some()),
            segments: self.definition.segments.iter().map(|name| row.segments.get(name).cloned()).collect(),
            is_shadowed: row.would_differ.is_some(),
        };
        match self.first.entry(unit) {
            Entry::Vacant(place) => drop(place.insert(first)),
            Entry::Occupied(mut known) => {
                let is_shadowed = known.get().is_shadowed && first.is_shadowed;
                if first.order < known.get().order {
                    known.insert(first);
                }
                known.get_mut().is_shadowed = is_shadowed;
            }
        }
    }

    /// Adds an event.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for a value.
    pub fn event(&mut self, row: &LoggedEvent) -> Result<()> {
        if !self.is_known(row.timestamp, row.received_ms()) {
            return Ok(());
        }
        self.keep_exhausted(row);
        if let (Some(request), Some(item)) = (row.text("request_id"), row.text("item_id")) {
            if row.action == "click" {
                self.clicked.insert(pair(&request, &item));
            }
            if self.definition.design == Design::Interleaving && self.primary.value(row).is_some() {
                self.credited.insert(pair(&request, &item));
            }
        }
        if self.definition.design == Design::Switchback {
            // The block is that of the request, whose row may still come.
            self.waiting.push(row.clone());
            return Ok(());
        }
        match row.text(self.definition.unit.column()).map(|unit| unit.into_owned()) {
            Some(unit) => self.of_unit(&unit, row),
            None => {
                self.without_unit += 1;
                Ok(())
            }
        }
    }

    /// Gives events that wait the blocks of their requests; those without one the block in which they happened.
    pub(super) fn settle_blocks(&mut self) -> Result<()> {
        for row in std::mem::take(&mut self.waiting) {
            let of_request =
                row.text("request_id").and_then(|id| self.blocks.get(&wide("request", &id)).cloned());
            let of_time =
                || self.definition.block(row.timestamp).filter(|(_, counts)| *counts).map(|(block, _)| block);
            if let Some(block) = of_request.unwrap_or_else(of_time) {
                self.of_unit(&block, &row)?;
            }
        }
        Ok(())
    }

    fn of_unit(&mut self, unit: &str, row: &LoggedEvent) -> Result<()> {
        for stream in 0..self.streams.len() {
            if let Some(value) = self.streams[stream].value(row) {
                self.counter.event(&counts::Event {
                    event_id: format!("{}#{stream}", row.event_id),
                    unit: unit.to_owned(),
                    action: name(stream),
                    time_ms: row.timestamp,
                    received_ms: row.received_ms(),
                    value,
                })?;
            }
        }
        let hash = wide("unit", unit);
        self.keep_click(hash, row);
        self.keep_amounts(hash, row);
        Ok(())
    }

    fn keep_click(&mut self, unit: u64, row: &LoggedEvent) {
        let Some([conversion, click]) = &self.late else { return };
        let (is_click, is_conversion) = (click.value(row).is_some(), conversion.value(row).is_some());
        if is_click {
            let known = self.clicks.entry(wide("id", &row.event_id)).or_default();
            let (time, new) = (row.timestamp, (row.timestamp, unit));
            known.click = Some(known.click.map_or((unit, time), |(unit, time)| {
                let (time, unit) = new.min((time, unit));
                (unit, time)
            }));
        } else if is_conversion && let Some(parent) = row.text("parent_event_id") {
            let known = self.clicks.entry(wide("id", &parent)).or_default();
            known.converted = Some(known.converted.map_or(row.timestamp, |time| time.min(row.timestamp)));
        }
    }

    fn keep_amounts(&mut self, unit: u64, row: &LoggedEvent) {
        let Some(budget) = &self.definition.budget else { return };
        let Some(campaign) = row.text(&budget.campaign) else { return };
        let campaign = self.names.place(&campaign);
        let (id, time, received) = (wide("id", &row.event_id), row.timestamp, row.received_ms());
        let of = |amount: f64| Amount { received, unit, campaign, time, amount };
        if let Some(amount) = self.spend.as_ref().and_then(|spend| spend.value(row))
            && row.timestamp >= self.definition.start
        {
            keep_least(&mut self.spent, id, of(amount));
        }
        if self.definition.design == Design::BudgetSplit
            && let Some(amount) = self.primary.value(row)
        {
            keep_least(&mut self.earned, id, of(amount));
        }
    }

    fn keep_exhausted(&mut self, row: &LoggedEvent) {
        let Some(budget) = &self.definition.budget else { return };
        if row.action == budget.exhausted
            && (self.definition.start..self.definition.end_ms()).contains(&row.timestamp)
            && let Some(campaign) = row.text(&budget.campaign)
        {
            self.exhausted.insert(campaign.into_owned());
        }
    }
}

/// Name of a stream; the order of names is that of the streams.
fn name(stream: usize) -> String {
    format!("{stream:03}")
}

/// Hash of a request and an item.
fn pair(request: &str, item: &str) -> u64 {
    wide(request, item)
}
