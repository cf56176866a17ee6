//! The rows of one slice of the units, as they are kept and counted, and the sums over slices.

use super::slices::Blocks;
use super::{ArmCounts, Counts, Definition, LeftOut, Unit};
use crate::error::Result;

/// Sorted by unit and id, then by time of receipt: the first of equal ids is the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ExposureRow {
    pub(super) unit: u64,
    pub(super) id: u64,
    pub(super) received_ms: i64,
    pub(super) time_ms: i64,
    pub(super) arm: u8,
    pub(super) would_differ: bool,
    pub(super) bot: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EventRow {
    pub(super) unit: u64,
    pub(super) id: u64,
    pub(super) received_ms: i64,
    pub(super) time_ms: i64,
    /// Bits of the value; equal values have equal bits.
    pub(super) value: u64,
    pub(super) action: u8,
}

/// All rows of the units of a slice.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Slice {
    pub(super) exposures: Blocks<ExposureRow>,
    pub(super) events: Blocks<EventRow>,
}

impl Slice {
    /// Visits every unit that counts, in the order of the hash.
    pub(super) fn visit(
        self,
        definition: &Definition,
        mut visit: impl FnMut(&Unit) -> Result<()>,
    ) -> Result<LeftOut> {
        let (mut exposures, mut events) = (self.exposures.sorted(), self.events.sorted());
        let rows = exposures.len() + events.len();
        exposures.dedup_by_key(|row| (row.unit, row.id));
        events.dedup_by_key(|row| (row.unit, row.id));
        let mut left_out =
            LeftOut { duplicates: (rows - exposures.len() - events.len()) as u64, ..LeftOut::default() };
        let before = exposures.len();
        exposures.retain(|row| (definition.start_ms..definition.end_ms).contains(&row.time_ms));
        left_out.outside = (before - exposures.len()) as u64;
        let before = events.len();
        events.retain(|row| row.received_ms <= definition.as_of_ms);
        left_out.received_after_as_of = (before - events.len()) as u64;
        let mut rest = events.as_slice();
        let mut used = 0;
        for exposures in exposures.chunk_by(|a, b| a.unit == b.unit) {
            let (hash, arm) = (exposures[0].unit, exposures[0].arm);
            rest = &rest[rest.iter().take_while(|row| row.unit < hash).count()..];
            let events = &rest[..rest.iter().take_while(|row| row.unit == hash).count()];
            used += events.len();
            if exposures.iter().any(|row| row.bot) {
                left_out.bots += 1;
            } else if exposures.iter().any(|row| row.arm != arm) {
                left_out.crossovers += 1;
            } else {
                visit(&Unit { hash, arm: usize::from(arm), exposures, events })?;
            }
        }
        left_out.without_exposure = (events.len() - used) as u64;
        Ok(left_out)
    }

    /// Counts the units.
    pub(super) fn count(self, definition: &Definition) -> Result<Counts> {
        let mut counts = Counts::empty(definition);
        counts.left_out = self.visit(definition, |unit| counts.unit(definition, unit))?;
        Ok(counts)
    }
}

impl LeftOut {
    /// Adds those of another slice.
    pub(super) fn add(&mut self, other: &Self) {
        self.duplicates += other.duplicates;
        self.outside += other.outside;
        self.bots += other.bots;
        self.crossovers += other.crossovers;
        self.received_after_as_of += other.received_after_as_of;
        self.without_exposure += other.without_exposure;
    }
}

impl Counts {
    /// Adds the units of another slice.
    pub(super) fn add(&mut self, other: &Self) -> Result<()> {
        self.left_out.add(&other.left_out);
        let arms = self.all.iter_mut().chain(&mut self.triggered);
        arms.zip(other.all.iter().chain(&other.triggered)).try_for_each(|(arm, more)| arm.merge(more))?;
        for (day, units) in &other.units_by_day {
            let sums = self.units_by_day.entry(*day).or_insert_with(|| vec![0; units.len()]);
            sums.iter_mut().zip(units).for_each(|(sum, more)| *sum += more);
        }
        Ok(())
    }
}

impl ArmCounts {
    fn merge(&mut self, other: &Self) -> Result<()> {
        self.units += other.units;
        self.matured += other.matured;
        self.left_out += other.left_out;
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, more)| *sum += more);
        let cells = self.products.iter_mut().flatten().zip(other.products.iter().flatten());
        cells.for_each(|(sum, more)| *sum += more);
        self.moments.merge(&other.moments)
    }
}
