//! The time span of a log: rows per day in, the first and the last moment that count out ([`semrank_core::span`]).
//!
//! Events outside are left out and counted: one impression in the year 2100 would make every label final, and one event of 1970
//! tells nothing but that a clock was not set. A log whose parts lie more than a year apart is refused, since it is unknown which
//! of them is wrong.

use crate::batch::Columns;
use crate::engine::Engine;
use crate::input::number;
use crate::report::{Pause, Strays};
use crate::settings::DAY_MS;
use crate::sql::{DAYS, EVENTS, Parameters, Query, STRAYS};
use crate::{Error, PrepReport};
use arrow::array::Int64Array;
use semrank_core::span::{DayCounts, span};
use semrank_data::TIMES_MS;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

/// A longer pause inside a log is none: clocks are wrong on one side of it.
const MOST_PAUSE_DAYS: i64 = 366;

/// The span of a log.
#[derive(Debug)]
pub(crate) struct LogSpan {
    pub(crate) first_ms: i64,
    /// The first moment after it.
    pub(crate) over_ms: i64,
    pauses: Vec<Pause>,
    has_strays: bool,
}

/// Rows per action and day, once by when they happened and once by when the log knew of them.
#[derive(Default)]
struct Days {
    rows: BTreeMap<String, [DayCounts; 2]>,
    happened: BTreeMap<i64, u64>,
    known: BTreeMap<i64, u64>,
}

impl LogSpan {
    /// Finds the span of the table `raw`.
    pub(crate) fn find(engine: &Engine<'_>, parameters: &Parameters, log: &Path) -> Result<LogSpan, Error> {
        let days = Days::read(engine, parameters)?;
        let (started, from) = Days::span(log, days.of(0), &days.happened)?;
        let (ended, until) = Days::span(log, days.of(1), &days.known)?;
        let mut pauses = [from, until].concat();
        pauses.sort_by_key(|pause| pause.until_ms);
        pauses.dedup();
        let (first, last) = (*started.start(), *ended.end());
        let early = days.happened.keys().next().is_some_and(|&day| day < first);
        let late = days.known.keys().next_back().is_some_and(|&day| day > last);
        Ok(LogSpan {
            first_ms: first * DAY_MS,
            over_ms: (last + 1) * DAY_MS,
            pauses,
            has_strays: early || late,
        })
    }

    /// Counts in `report` what lies outside, after the table `duplicates` was made.
    pub(crate) fn describe(
        self,
        engine: &Engine<'_>,
        parameters: &Parameters,
        report: &mut PrepReport,
    ) -> Result<(), Error> {
        report.pauses = self.pauses;
        if !self.has_strays {
            return Ok(());
        }
        let everything = parameters.within(*TIMES_MS.start(), *TIMES_MS.end() + 1);
        engine.view(&Query { name: "all_events", ..EVENTS.with(&everything) })?;
        let found = engine.row(&STRAYS.with(&parameters.within(self.first_ms, self.over_ms)))?;
        let strays = |rows, seq, moment| {
            let rows = u64::try_from(number(&found, rows)).unwrap_or(0);
            (rows > 0).then(|| Strays { rows, seq: number(&found, seq), moment_ms: number(&found, moment) })
        };
        report.before_log = strays("before", "before_seq", "before_ms");
        report.after_log = strays("after", "after_seq", "after_ms");
        Ok(())
    }
}

impl Days {
    fn read(engine: &Engine<'_>, parameters: &Parameters) -> Result<Days, Error> {
        let mut days = Days::default();
        engine.rows(&DAYS.with(parameters), |batch| {
            let columns = Columns { step: DAYS.name, batch };
            let actions = columns.texts("action")?;
            let [happened, known, rows] =
                ["happened_ms", "known_ms", "log_rows"].map(|name| columns.integers(name));
            let (happened, known, rows) = (happened?, known?, rows?);
            for row in 0..batch.num_rows() {
                let day = |moments: &Int64Array| moments.value(row).div_euclid(DAY_MS);
                let rows = u64::try_from(rows.value(row)).unwrap_or(0);
                days.add(actions.value(row), [day(&happened), day(&known)], rows);
            }
            Ok(())
        })?;
        Ok(days)
    }

    fn add(&mut self, action: &str, [happened, known]: [i64; 2], rows: u64) {
        let of_action = self.rows.entry(action.to_owned()).or_default();
        of_action[0].add(happened, rows);
        of_action[1].add(known, rows);
        *self.happened.entry(happened).or_default() += rows;
        *self.known.entry(known).or_default() += rows;
    }

    fn of(&self, which: usize) -> Vec<DayCounts> {
        self.rows.values().map(|counts| counts[which].clone()).collect()
    }

    /// The days of some counts, and the pauses among them; `rows` are those of all actions together.
    fn span(
        log: &Path,
        counts: Vec<DayCounts>,
        rows: &BTreeMap<i64, u64>,
    ) -> Result<(RangeInclusive<i64>, Vec<Pause>), Error> {
        let found = span(&counts).ok_or_else(|| Error::NoImpressions { path: log.to_owned() })?;
        if let Some(&(last, next)) = found.pauses.iter().find(|(last, next)| next - last > MOST_PAUSE_DAYS) {
            return Err(Error::Apart {
                path: log.to_owned(),
                before: rows.range(..=last).map(|(_, rows)| rows).sum(),
                until_ms: (last + 1) * DAY_MS,
                after: rows.range(next..).map(|(_, rows)| rows).sum(),
                from_ms: next * DAY_MS,
            });
        }
        let pause =
            |&(last, next): &(i64, i64)| Pause { from_ms: (last + 1) * DAY_MS, until_ms: next * DAY_MS };
        Ok((found.days, found.pauses.iter().map(pause).collect()))
    }
}
