//! What one row of the examples refers to: its history as a range of the log, its context values, the items its context names.
//!
//! A context column is read by its type: texts and integers with few different values become rows of a small table; a text
//! column whose values are item ids (such as the page a reader wants to reach) names items; anything else is left out.

use super::histogram::Seen;
use super::items::ItemTables;
use super::propensity::Propensity;
use super::settings::{Kinds, PointwiseSettings};
use semrank_core::{Catalog, EventLog, UserId};
use semrank_data::{ContextValues, DAY_MS, Dataset, Examples, FitScope, Part};
use semrank_tower::gap_bucket;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Most different values of a small context column.
const SMALL: usize = 256;
/// A text column names items when at least this share of its different values are items.
const NAMES_ITEMS: f64 = 0.9;
const HOUR_MS: i64 = 3_600_000;

/// A context column as numbers: 0 = none or never seen in training.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ContextCodes {
    pub(crate) name: String,
    pub(crate) values: usize,
    codes: Vec<u16>,
}

/// An example's context: small columns, and columns that name items.
#[derive(Debug, Clone, Default)]
pub struct Contexts {
    pub(crate) small: Vec<ContextCodes>,
    /// One item an example, `u32::MAX` = none.
    pub(crate) related: Vec<Vec<u32>>,
    /// Names of the related columns.
    pub(crate) related_names: Vec<String>,
}

impl Contexts {
    /// Reads the columns of `examples`.
    pub fn new(examples: &Examples, catalog: &Catalog, settings: &PointwiseSettings) -> Self {
        let mut out = Self::default();
        let known = |surface: u8| (surface != u8::MAX).then_some(i64::from(surface));
        out.push("surface", examples, examples.surfaces.iter().map(|&surface| known(surface)));
        if settings.reads_hour {
            let hour = |&time: &i64| (1 + time.rem_euclid(24 * HOUR_MS) / HOUR_MS) as u16;
            let codes = examples.times.iter().map(hour).collect();
            out.small.push(ContextCodes { name: "hour".into(), values: 25, codes });
        }
        for column in &examples.context {
            match &column.values {
                ContextValues::Text { codes, names } => {
                    let items: Vec<u32> =
                        names.names().map(|name| catalog.ids.get(name).unwrap_or(u32::MAX)).collect();
                    let trained = trained_values(examples, codes);
                    let named = trained.iter().filter(|&&code| items[code as usize] != u32::MAX).count();
                    if !trained.is_empty() && named as f64 >= NAMES_ITEMS * trained.len() as f64 {
                        let of = |&code: &u32| items.get(code as usize).copied().unwrap_or(u32::MAX);
                        out.related.push(codes.iter().map(of).collect());
                        out.related_names.push(column.name.clone());
                    } else {
                        let known = |code: u32| (code != u32::MAX).then_some(i64::from(code));
                        out.push(&column.name, examples, codes.iter().map(|&code| known(code)));
                    }
                }
                ContextValues::Integer(values) => {
                    let known = |value: i64| (value != i64::MIN).then_some(value);
                    out.push(&column.name, examples, values.iter().map(|&value| known(value)));
                }
                ContextValues::Number(_) => {}
            }
        }
        out
    }

    /// Adds a column if its training rows have at least two and few different values; others are unknown.
    fn push(&mut self, name: &str, examples: &Examples, values: impl Iterator<Item = Option<i64>> + Clone) {
        let mut numbers: BTreeMap<i64, u16> = BTreeMap::new();
        for (value, _) in values.clone().zip(&examples.parts).filter(|(_, part)| **part == Part::Train) {
            let next = numbers.len() as u16 + 1;
            value.map(|value| *numbers.entry(value).or_insert(next));
            if numbers.len() > SMALL {
                return;
            }
        }
        if numbers.len() >= 2 {
            let codes =
                values.map(|value| value.and_then(|v| numbers.get(&v).copied()).unwrap_or(0)).collect();
            self.small.push(ContextCodes { name: name.to_owned(), values: numbers.len() + 1, codes });
        }
    }
}

/// The different codes of the training rows.
fn trained_values(examples: &Examples, codes: &[u32]) -> BTreeSet<u32> {
    examples.rows(Part::Train).map(|row| codes[row]).filter(|&code| code != u32::MAX).collect()
}

/// Everything a row refers to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowData<'a> {
    pub(crate) log: &'a EventLog,
    pub(crate) examples: &'a Examples,
    pub(crate) tables: ItemTables<'a>,
    pub(crate) contexts: &'a [ContextCodes],
    pub(crate) related: &'a [Vec<u32>],
    pub(crate) settings: &'a PointwiseSettings,
    /// Most events of a history.
    pub(crate) history: usize,
    /// What training rows may see.
    scope: &'a FitScope,
    /// Slots of the training rows; a later one is unknown.
    pub(crate) slots: u16,
    /// How rows are weighed; none where they count alike.
    propensity: Option<Propensity>,
}

impl<'a> RowData<'a> {
    /// Of a data set.
    pub(crate) fn new(
        dataset: &'a Dataset,
        examples: &'a Examples,
        scope: &'a FitScope,
        tables: ItemTables<'a>,
        contexts: &'a Contexts,
        (settings, history): (&'a PointwiseSettings, usize),
    ) -> Self {
        let log = &dataset.events;
        let (contexts, related) = (&contexts.small, &contexts.related);
        let propensity = Propensity::new(examples, settings);
        let slots = examples.rows(Part::Train).filter_map(|row| examples.slots.get(row).copied());
        let slots = slots.filter(|&slot| slot != u16::MAX).max().map_or(0, |most| most + 1);
        Self { log, examples, tables, contexts, related, settings, history, scope, slots, propensity }
    }

    /// Global index of the end of what a row may see of its user, who has events; a training row no more than its scope.
    fn history_end(&self, row: usize) -> usize {
        let user = self.examples.users[row];
        let end = self.log.range(UserId(user.0)).start + self.examples.history_ends[row] as usize;
        match self.examples.parts[row] {
            Part::Train => end.min(self.scope.ends()[user.index()]),
            _ => end,
        }
    }

    /// What rows of a batch are ordered by, so that a history begins and ends no earlier than those before it of the same user.
    pub(crate) fn order_key(&self, row: usize) -> (u32, usize, usize) {
        let user = self.examples.users[row];
        let end = if user.index() < self.log.users() { self.history_end(row) } else { 0 };
        (user.0, end, row)
    }

    /// Global indices from the oldest to the newest event of the row's history: as many as are read of it, and between them
    /// those of kinds that are not ([`Self::reads`]).
    pub(crate) fn history(&self, row: usize) -> Range<usize> {
        let user = self.examples.users[row];
        if !self.settings.reads_history || user.index() >= self.log.users() {
            return 0..0;
        }
        let first = self.log.range(UserId(user.0)).start;
        let end = self.history_end(row);
        let start = match self.settings.kinds {
            Kinds::All => end.saturating_sub(self.history).max(first),
            _ => {
                (first..end).rev().filter(|&event| self.reads(event)).take(self.history).last().unwrap_or(end)
            }
        };
        start..end
    }

    /// What the histogram is told of an event.
    pub(crate) fn seen(&self, row: usize, event: usize, newest: usize) -> Seen {
        let age = |event: usize| (self.examples.times[row] - self.log.times()[event]).max(0) as f32;
        Seen {
            item: self.log.items()[event].0,
            days: self.reads_ages().then(|| age(event) / DAY_MS as f32),
            place: self.settings.reads_places.then(|| (newest - 1 - event) as f32),
            dwell_ms: self.dwell(event),
        }
    }

    /// Whether ages and gaps of events are read.
    pub(crate) fn reads_ages(&self) -> bool {
        self.settings.reads_time && self.log.timed()
    }

    /// -1 = unknown.
    fn dwell(&self, event: usize) -> i32 {
        self.log.dwells().get(event).copied().filter(|_| self.settings.reads_dwell).unwrap_or(-1)
    }

    /// Whether an event is of a kind that is read.
    pub(crate) fn reads(&self, event: usize) -> bool {
        let ad = || self.tables.is_ad(self.log.items()[event].0);
        match self.settings.kinds {
            Kinds::All => true,
            Kinds::Ads => ad(),
            Kinds::Organic => !ad(),
        }
    }

    /// Buckets of an event's age at the row's time and of its place from the end; 0 where it is not read.
    pub(crate) fn ages(&self, row: usize, event: usize, newest: usize) -> [u8; 2] {
        let age = || gap_bucket(self.examples.times[row] - self.log.times()[event]);
        let place = || gap_bucket((newest - event) as i64 * 1000);
        [if self.reads_ages() { age() } else { 0 }, if self.settings.reads_places { place() } else { 0 }]
    }

    /// Action, dwell bucket, gap bucket and kind of an event of a user whose events begin at `first`.
    pub(crate) fn parts(&self, event: usize, first: usize) -> [u8; 4] {
        let gap = match event > first && self.reads_ages() {
            true => gap_bucket(self.log.times()[event] - self.log.times()[event - 1]),
            false => 0,
        };
        let kind = u8::from(self.tables.is_ad(self.log.items()[event].0));
        [self.log.actions()[event].0, dwell_bucket(self.dwell(event)), gap, kind]
    }

    /// The item that a context column names.
    pub(crate) fn related_item(&self, column: usize, row: usize) -> Option<u32> {
        Some(self.related[column][row]).filter(|&item| item != u32::MAX)
    }

    /// Codes of the small context columns.
    pub(crate) fn codes(&self, row: usize) -> impl Iterator<Item = u16> {
        self.contexts.iter().map(move |column| column.codes[row])
    }

    /// How much the lessons of a row count.
    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.propensity.map_or(1.0, |propensity| propensity.weight(self.examples, row))
    }

    /// The row's slot, from 1; 0 = none.
    pub(crate) fn slot(&self, row: usize) -> u16 {
        match self.examples.slots.get(row) {
            Some(&slot) if self.settings.position && slot < self.slots => slot + 1,
            _ => 0,
        }
    }
}

/// 0 = unknown, then powers of two in seconds.
pub(crate) fn dwell_bucket(dwell_ms: i32) -> u8 {
    if dwell_ms < 0 {
        return 0;
    }
    (1 + (dwell_ms as u32 / 1000 + 1).ilog2()).min(super::network::DWELL_BUCKETS as u32 - 1) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_data::ContextColumn;

    #[test]
    fn a_column_of_256_values_is_small_and_one_of_257_is_not() {
        let settings = PointwiseSettings { reads_hour: false, ..PointwiseSettings::default() };
        for (values, small) in [(256, 1), (257, 0)] {
            let numbers = ContextValues::Integer((0..values).collect());
            let examples = Examples {
                parts: vec![Part::Train; values as usize],
                context: vec![ContextColumn { name: "place".into(), values: numbers }],
                ..Examples::default()
            };
            let contexts = Contexts::new(&examples, &Catalog::default(), &settings);
            assert_eq!(contexts.small.len(), small, "{values} values");
        }
    }
}
