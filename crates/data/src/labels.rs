//! When each label is known. A click is known when the log has it, its absence when the click window is over; a conversion when the
//! log has it, its absence when the attribution window is over; all of that the logging delay later. Every use of a label, in a
//! feature or in a loss, takes the time from here. An impression is known when it is shown, as the ranker shows it.
//!
//! A click that the log receives after its window counted as no click before: such a row has two labels, one after the other. A
//! conversion that the log receives after its window is unknown to samples at the window's end.

use crate::{Dataset, Examples, Meta, Part};

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// The windows of a data set, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Windows {
    /// From an impression to its click.
    pub click: i64,
    /// From a click to its conversion.
    pub conversion: i64,
    /// From an event to the moment at which the log has it.
    pub logging: i64,
}

impl Windows {
    /// `[windows]` of `dataset.toml`; what is absent is 0.
    pub fn of(meta: &Meta) -> Self {
        let milliseconds = |key: &str, unit: f64| (meta.window(key).unwrap_or(0.0) * unit) as i64;
        Self {
            click: milliseconds("click_minutes", 60_000.0),
            conversion: milliseconds("conversion_days", DAY_MS as f64),
            logging: milliseconds("logging_delay_seconds", 1000.0),
        }
    }
}

/// Labels of examples with the times at which they are known.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    /// The rows.
    pub examples: &'a Examples,
    /// When their labels can no longer change.
    pub windows: Windows,
    /// End of the log.
    pub end: i64,
}

impl<'a> Labels<'a> {
    /// Of a data set's examples; the log ends with them where nothing says when.
    pub fn new(dataset: &Dataset, examples: &'a Examples) -> Self {
        let newest = |times: &[i64]| times.iter().copied().max().unwrap_or(i64::MIN);
        let found = [&examples.times, &examples.click_times, &examples.conversion_times].map(|t| newest(t));
        let end = examples.log_end.unwrap_or_else(|| newest(&found));
        Self { examples, windows: Windows::of(&dataset.meta), end }
    }

    /// Whether training rows have conversions.
    pub fn has_conversions(&self) -> bool {
        let conversions = &self.examples.conversions;
        self.examples.rows(Part::Train).any(|row| conversions.get(row).is_some_and(Option::is_some))
    }

    /// Time of the click, or of the impression where the log has none.
    pub fn click_time(&self, row: usize) -> i64 {
        known(&self.examples.click_times, row).unwrap_or(self.examples.times[row])
    }

    /// When a row without a click by then gets the label 0.
    pub fn waited(&self, row: usize) -> i64 {
        let waited = self.examples.times[row].saturating_add(self.windows.click);
        self.logged(if self.examples.clicks[row] { waited.max(self.click_time(row)) } else { waited })
    }

    /// When the click of a row is known, if it has one.
    pub fn click_arrived(&self, row: usize) -> Option<i64> {
        self.examples.clicks[row].then(|| self.logged(self.click_received(row)))
    }

    /// When the log has the click of a row.
    fn click_received(&self, row: usize) -> i64 {
        received(&self.examples.click_received, row, self.click_time(row))
    }

    /// When a row first has a click label, and which.
    pub fn click_known(&self, row: usize) -> (i64, bool) {
        let waited = self.waited(row);
        match self.click_arrived(row).filter(|&arrived| arrived <= waited) {
            Some(arrived) => (arrived, true),
            None => (waited, false),
        }
    }

    /// When a late click is known, which had the label 0 before.
    pub fn late_click(&self, row: usize) -> Option<i64> {
        self.click_arrived(row).filter(|&arrived| arrived > self.waited(row))
    }

    /// When the dwell after a click is known: not before the click.
    pub fn dwell_known(&self, row: usize) -> i64 {
        let dwell = self.examples.dwell_ms.get(row).map_or(0, |&ms| i64::from(ms.max(0)));
        self.logged(self.click_time(row).saturating_add(dwell).max(self.click_received(row)))
    }

    /// When the log has what happened at a time.
    pub fn logged(&self, time: i64) -> i64 {
        time.saturating_add(self.windows.logging)
    }

    /// When both labels of a row shown then are known, whatever they are.
    pub fn closed(&self, row: usize) -> i64 {
        let Windows { click, conversion, .. } = self.windows;
        self.logged(self.examples.times[row].saturating_add(click).saturating_add(conversion))
    }

    /// Whether a conversion of the click can be attributed at all.
    pub fn may_convert(&self, row: usize) -> bool {
        self.examples.clicks[row] && self.examples.conversions.get(row).is_some_and(Option::is_some)
    }

    /// Time of the conversion of a click, if it has one.
    pub fn conversion_time(&self, row: usize) -> Option<i64> {
        let converts = self.examples.conversions.get(row).copied().flatten().unwrap_or(false);
        let time = known(&self.examples.conversion_times, row);
        // A label without a time is known with the window's end.
        converts.then(|| time.unwrap_or(self.matured(row)).max(self.click_time(row)))
    }

    /// When the log has the conversion of a click, if it has one, and the click.
    pub fn conversion_received(&self, row: usize) -> Option<i64> {
        let time = self.conversion_time(row)?;
        Some(received(&self.examples.conversion_received, row, time).max(self.click_received(row)))
    }

    /// When the conversion of a click is known, if it has one.
    pub fn conversion_known(&self, row: usize) -> Option<i64> {
        self.conversion_received(row).map(|time| self.logged(time))
    }

    /// Whether the row is a click whose conversion label can no longer change.
    pub fn is_mature(&self, row: usize) -> bool {
        self.may_convert(row) && self.matured_known(row) <= self.end
    }

    /// When the attribution window of a click is over.
    pub fn matured(&self, row: usize) -> i64 {
        self.click_time(row).saturating_add(self.windows.conversion)
    }

    /// When it is known that the attribution window of a click is over.
    pub fn matured_known(&self, row: usize) -> i64 {
        self.logged(self.matured(row).max(self.click_received(row)))
    }

    /// The click label of a row as it is known before a moment, if it is.
    pub fn click_before(&self, row: usize, moment: i64) -> Option<bool> {
        let known = self.click_known(row).0 < moment;
        known.then(|| self.click_arrived(row).is_some_and(|arrived| arrived < moment))
    }

    /// The conversion label of a click that is known before a moment by which no label of such a row can change.
    pub fn conversion_before(&self, row: usize, moment: i64) -> Option<bool> {
        let clicked = self.click_arrived(row).is_some_and(|arrived| arrived < moment);
        let known = clicked && self.may_convert(row) && self.closed(row) < moment;
        known.then(|| self.conversion_known(row).is_some_and(|arrived| arrived < moment))
    }

    /// Whether a row was clicked and converted, known before a moment by which neither label of such a row can change.
    pub fn click_and_conversion_before(&self, row: usize, moment: i64) -> Option<bool> {
        let closed = self.closed(row) < moment;
        match self.click_before(row, moment).filter(|_| closed)? {
            true => self.conversion_before(row, moment),
            false => Some(false),
        }
    }
}

/// A time of a row, where there is one.
fn known(times: &[i64], row: usize) -> Option<i64> {
    times.get(row).copied().filter(|&time| time != i64::MIN)
}

/// When the log has what happened at `time`: not before.
fn received(times: &[i64], row: usize, time: i64) -> i64 {
    known(times, row).unwrap_or(time).max(time)
}
