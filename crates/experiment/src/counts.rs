//! From a log of exposures and events to counts per arm: duplicates, bots, crossovers, windows, maturity.
//!
//! A function of definition, log and `as_of`: rows may come in any order and in any shards, the result has the same bytes.
//!
//! 1. A row with a known event id counts once, the first received.
//! 2. Exposures outside `[start, end)` do not count.
//! 3. A unit that is flagged as a bot in an exposure is left out of every arm.
//! 4. A unit that is exposed to two arms is left out and counted.
//! 5. Index = first exposure; in the triggered view the first that would differ. Until then both arms saw the same, so that the trigger
//!    cannot depend on the arm; later ones can.
//! 6. An event counts when `index <= time < index + window of its action` and it was received by `as_of`.
//! 7. A unit counts when `index + longest window <= as_of - settle`, for numerator and denominator alike.
//! 8. Sums run over all matured units, zeros too.
//!
//! Only rows of one unit meet: [`count_in_parts`] reads a log beyond memory once for each part of the units, and any number of threads
//! gives the same bytes.

mod rows;
mod slices;

use crate::error::{Error, Result, finite};
use crate::hash::wide;
use crate::linalg::Matrix;
use crate::moments::Moments;
use rows::{EventRow, ExposureRow, Slice};
use serde::{Deserialize, Serialize};
use slices::{SLICES, on_threads, slice_of};
use std::collections::BTreeMap;

pub use slices::Part;

/// What is counted; times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Names of the arms; control first.
    pub arms: Vec<String>,
    /// First exposure time.
    pub start_ms: i64,
    /// End of the phase, excluded.
    pub end_ms: i64,
    /// Rows received later are not known yet.
    pub as_of_ms: i64,
    /// Time in which rows still arrive.
    pub settle_ms: i64,
    /// Attribution window by action; other actions do not count.
    pub windows_ms: BTreeMap<String, i64>,
}

impl Definition {
    fn check(&self) -> Result<()> {
        if self.arms.is_empty() || self.windows_ms.is_empty() {
            return Err(Error::TooFew { what: "the list of arms or windows", got: 0, needed: 1 });
        }
        if self.arms.len() > usize::from(u8::MAX) || self.windows_ms.len() > usize::from(u8::MAX) {
            return Err(Error::TooMany {
                what: "the definition",
                got: self.windows_ms.len() as f64,
                limit: 255.0,
            });
        }
        match self.windows_ms.values().find(|&&window| window <= 0) {
            Some(&window) => {
                Err(Error::OutOfRange { what: "a window", got: window as f64, expected: "more than 0 ms" })
            }
            None => Ok(()),
        }
    }
}

/// A row of the exposure log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// Id of the row; equal for duplicates.
    pub event_id: String,
    /// Unit of randomisation.
    pub unit: String,
    /// Name of the arm.
    pub arm: String,
    /// When it happened.
    pub time_ms: i64,
    /// When the log received it.
    pub received_ms: i64,
    /// Whether the other arm's slate would have differed.
    pub would_differ: bool,
    /// Whether a rule that uses nothing after exposure calls the unit a bot.
    pub bot: bool,
}

/// A row of the event log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Id of the row; equal for duplicates.
    pub event_id: String,
    /// Unit of randomisation.
    pub unit: String,
    /// Action.
    pub action: String,
    /// When it happened.
    pub time_ms: i64,
    /// When the log received it.
    pub received_ms: i64,
    /// What is summed: 1 for counts, an amount for revenue.
    pub value: f64,
}

/// The partition of a unit among `parts`; every row of a unit lies in one.
pub fn partition(unit: &str, parts: u64) -> u64 {
    wide("partition", unit) % parts.max(1)
}

fn unit_hash(unit: &str) -> u64 {
    wide("unit", unit)
}

/// Collects rows; shards merge. An exposure takes 40 bytes, an event 48.
#[derive(Debug, Clone, PartialEq)]
pub struct Counter {
    definition: Definition,
    part: Part,
    slices: Vec<Slice>,
}

/// Counts a log that memory cannot hold. `read` is called for each of `parts` parts (1 to 256) and puts the log, as one or several shards,
/// into counters of that part ([`Counter::of_part`]), which pass over the units of the others. Neither `parts` nor `threads` changes a bit of
/// the result.
///
/// # Errors
/// Those of `read`, of [`Counter::new`], and [`Error::Case`] for a counter of another definition or part.
pub fn count_in_parts<E: From<Error>>(
    definition: &Definition,
    parts: usize,
    threads: usize,
    mut read: impl FnMut(Part) -> std::result::Result<Counter, E>,
) -> std::result::Result<Counts, E> {
    definition.check()?;
    let mut counts = Counts::empty(definition);
    for part in Part::all(parts) {
        let counter = read(part)?;
        counter.check_same(definition, part)?;
        counter.finish_into(&mut counts, threads)?;
    }
    Ok(counts)
}

/// Units and sums of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmCounts {
    /// Units with an index time.
    pub units: u64,
    /// Units whose longest window is complete.
    pub matured: u64,
    /// The others.
    pub left_out: u64,
    /// Sums over matured units, by action in alphabetical order.
    pub sums: Vec<f64>,
    /// Sums of products over matured units.
    pub products: Matrix,
    /// Moments over matured units, for the statistics.
    pub moments: Moments,
}

/// Rows and units that do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Rows with a known id.
    pub duplicates: u64,
    /// Exposures outside the phase.
    pub outside: u64,
    /// Units left out as bots.
    pub bots: u64,
    /// Units left out for exposures to two arms; over 0.5 % of the units is an alarm.
    pub crossovers: u64,
    /// Events not known yet at `as_of`.
    pub received_after_as_of: u64,
    /// Events of units without an exposure that counts.
    pub without_exposure: u64,
}

/// Everything that was counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows and units that do not count.
    #[serde(flatten)]
    pub left_out: LeftOut,
    /// Actions in the order of the sums.
    pub actions: Vec<String>,
    /// All exposed units, by arm.
    pub all: Vec<ArmCounts>,
    /// Units whose slate would have differed, by arm.
    pub triggered: Vec<ArmCounts>,
    /// Units by day since the start (of their first exposure) and arm, for the sample ratio.
    pub units_by_day: BTreeMap<i64, Vec<u64>>,
}

impl Counter {
    /// No rows yet.
    ///
    /// # Errors
    /// [`Error::TooFew`] without arms or windows, [`Error::OutOfRange`] for a window that is not positive.
    pub fn new(definition: Definition) -> Result<Self> {
        Self::of_part(definition, Part::WHOLE)
    }

    /// No rows yet; those of units outside the part will be passed over.
    ///
    /// # Errors
    /// As [`Counter::new`].
    pub fn of_part(definition: Definition, part: Part) -> Result<Self> {
        definition.check()?;
        Ok(Self { definition, part, slices: vec![Slice::default(); SLICES] })
    }

    /// What is counted.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The slice of a unit, when it belongs to the part.
    fn slice(&mut self, unit: u64) -> Option<&mut Slice> {
        let at = slice_of(unit);
        if self.part.slices().contains(&at) { self.slices.get_mut(at) } else { None }
    }

    /// Adds an exposure; one received after `as_of` changes nothing.
    ///
    /// # Errors
    /// [`Error::Case`] for an arm that the definition does not have.
    pub fn exposure(&mut self, row: &Exposure) -> Result<()> {
        let unknown =
            || Error::Case(format!("exposure {}: arm {} is not in the definition", row.event_id, row.arm));
        let arm = self.definition.arms.iter().position(|arm| *arm == row.arm).ok_or_else(unknown)?;
        let (unit, known) = (unit_hash(&row.unit), row.received_ms <= self.definition.as_of_ms);
        if let Some(slice) = self.slice(unit).filter(|_| known) {
            slice.exposures.push(ExposureRow {
                unit,
                id: wide("id", &row.event_id),
                received_ms: row.received_ms,
                time_ms: row.time_ms,
                arm: arm as u8,
                would_differ: row.would_differ,
                bot: row.bot,
            });
        }
        Ok(())
    }

    /// Adds an event; actions without a window are passed over.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for the value.
    pub fn event(&mut self, row: &Event) -> Result<()> {
        let value = finite("the value of an event", row.value)?;
        let unit = unit_hash(&row.unit);
        let action = self.definition.windows_ms.keys().position(|action| *action == row.action);
        if let Some((action, slice)) = action.zip(self.slice(unit)) {
            slice.events.push(EventRow {
                unit,
                id: wide("id", &row.event_id),
                received_ms: row.received_ms,
                time_ms: row.time_ms,
                value: (value + 0.0).to_bits(),
                action: action as u8,
            });
        }
        Ok(())
    }

    /// Adds the rows of another shard.
    ///
    /// # Errors
    /// [`Error::Case`] for another definition or part.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        other.check_same(&self.definition, self.part)?;
        for (slice, more) in self.slices.iter_mut().zip(other.slices) {
            slice.exposures.append(more.exposures);
            slice.events.append(more.events);
        }
        Ok(())
    }

    fn check_same(&self, definition: &Definition, part: Part) -> Result<()> {
        if self.definition != *definition || self.part != part {
            return Err(Error::Case("two shards were counted with different definitions or parts".into()));
        }
        Ok(())
    }

    /// Counts the rows.
    ///
    /// # Errors
    /// [`Error::NotFinite`] when sums overflow.
    pub fn finish(self) -> Result<Counts> {
        self.finish_on(1)
    }

    /// As [`Counter::finish`], by several threads.
    ///
    /// # Errors
    /// As [`Counter::finish`].
    pub fn finish_on(self, threads: usize) -> Result<Counts> {
        let mut counts = Counts::empty(&self.definition);
        self.finish_into(&mut counts, threads)?;
        Ok(counts)
    }

    /// Visits every unit that counts, in the order of their hashes; returns what was left out.
    ///
    /// # Errors
    /// Those of the visitor.
    pub fn units(self, mut visit: impl FnMut(&Unit) -> Result<()>) -> Result<LeftOut> {
        let mut left_out = LeftOut::default();
        for slice in self.slices {
            left_out.add(&slice.visit(&self.definition, &mut visit)?);
        }
        Ok(left_out)
    }

    fn finish_into(self, counts: &mut Counts, threads: usize) -> Result<()> {
        let Self { definition, slices, .. } = self;
        let found = on_threads(slices, threads, |slice| slice.count(&definition))?;
        found.iter().try_for_each(|slice| counts.add(slice))
    }
}

impl Counts {
    fn empty(definition: &Definition) -> Self {
        let k = definition.windows_ms.len();
        let arm = ArmCounts {
            units: 0,
            matured: 0,
            left_out: 0,
            sums: vec![0.0; k],
            products: vec![vec![0.0; k]; k],
            moments: Moments::new(k),
        };
        let arms = vec![arm; definition.arms.len()];
        Self {
            left_out: LeftOut::default(),
            actions: definition.windows_ms.keys().cloned().collect(),
            all: arms.clone(),
            triggered: arms,
            units_by_day: BTreeMap::new(),
        }
    }

    fn unit(&mut self, definition: &Definition, unit: &Unit) -> Result<()> {
        let index = unit.index_ms();
        self.all[unit.arm].add(definition, index, unit.events)?;
        let day = (index - definition.start_ms).div_euclid(86_400_000);
        self.units_by_day.entry(day).or_insert_with(|| vec![0; definition.arms.len()])[unit.arm] += 1;
        match unit.triggered_ms() {
            Some(index) => self.triggered[unit.arm].add(definition, index, unit.events),
            None => Ok(()),
        }
    }
}

/// A unit that counts.
#[derive(Debug, Clone, Copy)]
pub struct Unit<'a> {
    /// Hash of its id.
    pub hash: u64,
    /// Its arm.
    pub arm: usize,
    exposures: &'a [ExposureRow],
    events: &'a [EventRow],
}

/// An event of a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Place of the action among those of the definition, in alphabetical order.
    pub action: usize,
    /// When it happened.
    pub time_ms: i64,
    /// What is summed.
    pub value: f64,
}

impl<'a> Unit<'a> {
    /// Time of the first exposure.
    pub fn index_ms(&self) -> i64 {
        first_time(self.exposures.iter()).unwrap_or_default()
    }

    /// Time of the first exposure that would differ.
    pub fn triggered_ms(&self) -> Option<i64> {
        first_time(self.exposures.iter().filter(|row| row.would_differ))
    }

    /// Its events, those before the index too.
    pub fn events(&self) -> impl Iterator<Item = Seen> + use<'a> {
        let seen = |row: &EventRow| Seen {
            action: usize::from(row.action),
            time_ms: row.time_ms,
            value: f64::from_bits(row.value),
        };
        self.events.iter().map(seen)
    }
}

fn first_time<'a>(rows: impl Iterator<Item = &'a ExposureRow>) -> Option<i64> {
    rows.map(|row| row.time_ms).min()
}

impl ArmCounts {
    fn add(&mut self, definition: &Definition, index: i64, events: &[EventRow]) -> Result<()> {
        self.units += 1;
        let longest = definition.windows_ms.values().copied().max().unwrap_or(0);
        if index.saturating_add(longest) > definition.as_of_ms.saturating_sub(definition.settle_ms) {
            self.left_out += 1;
            return Ok(());
        }
        self.matured += 1;
        let windows: Vec<i64> = definition.windows_ms.values().copied().collect();
        let mut row = vec![0.0; windows.len()];
        for event in events {
            let action = usize::from(event.action);
            if (index..index.saturating_add(windows[action])).contains(&event.time_ms) {
                row[action] += f64::from_bits(event.value);
            }
        }
        for (i, value) in row.iter().enumerate() {
            self.sums[i] += value;
            row.iter().enumerate().for_each(|(j, other)| self.products[i][j] += value * other);
        }
        self.moments.push(&row)
    }
}
