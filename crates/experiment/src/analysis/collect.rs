//! Rows of the log -> what is kept of them. Rows may come in any order and in any shards.

use crate::counts::{self, Counter};
use crate::definition::{Definition, Design, Selector, Value};
use crate::error::{Error, Result};
use crate::hash::wide;
use crate::log::{LoggedEvent, LoggedExposure, Used};
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
    fn of(selector: &Selector) -> Self {
        let column = (selector.value == Value::Sum).then(|| selector.column.clone());
        Self { action: selector.action.clone(), filter: selector.filter.clone(), column }
    }

    /// What an event adds.
    fn value(&self, event: &LoggedEvent) -> Option<f64> {
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
    /// Time and id hash: the smallest is the first.
    order: (i64, u64),
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
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ShownItem {
    pub(super) arm: usize,
    pub(super) source: Option<String>,
    pub(super) probability: f64,
}

/// Spend of a campaign on an event: unit, campaign, amount.
type Spent = (u64, String, f64);

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
    /// Hashes of clicked requests and items.
    pub(super) clicked: HashSet<u64>,
    /// By the hash of the event's id.
    pub(super) spent: HashMap<u64, Spent>,
    /// Campaigns that ran out.
    pub(super) exhausted: BTreeSet<String>,
    /// Value of the primary metric by event: unit, campaign, amount.
    pub(super) earned: HashMap<u64, (u64, String, i64, f64)>,
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
        Ok(Self {
            definition,
            as_of,
            streams,
            counter,
            first: HashMap::new(),
            clicks: HashMap::new(),
            shown: HashMap::new(),
            clicked: HashSet::new(),
            spent: HashMap::new(),
            exhausted: BTreeSet::new(),
            earned: HashMap::new(),
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
        let unknown =
            || Error::Case(format!("exposure {}: arm {} is not in the definition", row.event_id, row.arm));
        let arm = definition.arms.iter().position(|arm| arm.name == row.arm).ok_or_else(unknown)?;
        let is_burnt = definition.block(row.time).is_some_and(|(_, counts)| !counts);
        if is_burnt || !self.is_known(row.time, row.received_ms()) {
            return Ok(());
        }
        let bots = &self.definition.bots;
        let bot = row.bot || bots.most_events_before.is_some_and(|most| row.events_before > most);
        let (unit, id) = (wide("unit", &row.unit), wide("id", &row.event_id));
        self.counter.exposure(&counts::Exposure {
            event_id: row.event_id.clone(),
            unit: row.unit.clone(),
            arm: row.arm.clone(),
            time_ms: row.time,
            received_ms: row.received_ms(),
            would_differ: row.would_differ == Some(true),
            bot,
        })?;
        self.keep_first(unit, id, row);
        if let Some(micros) = row.micros {
            self.micros.insert(id, (arm, row.would_differ.is_some(), micros));
        }
        for item in &row.slate {
            if let Some(probability) = item.probability {
                let source = item.sources.first().cloned();
                self.shown.insert(pair(&row.request_id, &item.item), ShownItem { arm, source, probability });
            }
        }
        Ok(())
    }

    fn keep_first(&mut self, unit: u64, id: u64, row: &LoggedExposure) {
        if !(self.definition.start..self.definition.end_ms()).contains(&row.time) {
            return;
        }
        let first = First {
            order: (row.time, id),
            events_before: row.events_before,
            predicted: row.predicted,
            segments: self.definition.segments.iter().map(|name| row.segments.get(name).cloned()).collect(),
            is_shadowed: row.would_differ.is_some(),
        };
        match self.first.get_mut(&unit) {
            None => drop(self.first.insert(unit, first)),
            Some(known) => {
                let is_shadowed = known.is_shadowed && first.is_shadowed;
                if first.order < known.order {
                    *known = first;
                }
                known.is_shadowed = is_shadowed;
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
        let unit = match self.definition.block(row.timestamp) {
            Some((_, false)) => return Ok(()),
            Some((block, true)) => block,
            None => match row.text(self.definition.unit.column()) {
                Some(unit) => unit.into_owned(),
                None => return self.of_no_unit(row),
            },
        };
        let hash = wide("unit", &unit);
        for stream in 0..self.streams.len() {
            if let Some(value) = self.streams[stream].value(row) {
                self.counter.event(&counts::Event {
                    event_id: format!("{}#{stream}", row.event_id),
                    unit: unit.clone(),
                    action: name(stream),
                    time_ms: row.timestamp,
                    received_ms: row.received_ms(),
                    value,
                })?;
            }
        }
        self.keep_click(hash, row);
        self.keep_budget(hash, row);
        if row.action == "click"
            && let (Some(request), Some(item)) = (row.text("request_id"), row.text("item_id"))
        {
            self.clicked.insert(pair(&request, &item));
        }
        Ok(())
    }

    /// An event that names no unit, such as that of a campaign that ran out.
    fn of_no_unit(&mut self, row: &LoggedEvent) -> Result<()> {
        self.keep_exhausted(row);
        Ok(())
    }

    fn keep_click(&mut self, unit: u64, row: &LoggedEvent) {
        let Some((conversion, click)) = super::delays::pair(&self.definition) else { return };
        if row.action == click {
            let known = self.clicks.entry(wide("id", &row.event_id)).or_default();
            known.click =
                Some(known.click.map_or((unit, row.timestamp), |(_, time)| (unit, time.min(row.timestamp))));
        } else if row.action == conversion
            && let Some(parent) = row.text("parent_event_id")
        {
            let known = self.clicks.entry(wide("id", &parent)).or_default();
            known.converted = Some(known.converted.map_or(row.timestamp, |time| time.min(row.timestamp)));
        }
    }

    fn keep_budget(&mut self, unit: u64, row: &LoggedEvent) {
        self.keep_exhausted(row);
        let Some(budget) = self.definition.budget.clone() else { return };
        let Some(campaign) = row.text(&budget.campaign).map(|campaign| campaign.into_owned()) else { return };
        let id = wide("id", &row.event_id);
        let in_phase = row.timestamp >= self.definition.start;
        if let Some(amount) = Stream::of(&budget.spend).value(row).filter(|_| in_phase) {
            self.spent.insert(id, (unit, campaign.clone(), amount));
        }
        let primary = self.definition.primary();
        if self.definition.design == Design::BudgetSplit
            && let Some(amount) = Stream::of(&primary.numerator).value(row)
        {
            self.earned.insert(id, (unit, campaign, row.timestamp, amount));
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
