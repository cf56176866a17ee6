//! The labels of examples as a server would observe them: each at the time it is known, in time order.
//!
//! Whose labels are observed is a setting ([`Known`]): a test label is never, unless all are. Those of validation rows wait until no
//! row of training or validation follows, where they are for test rows only. The impression of a row has the row's number.
//!
//! A replay forgets an impression after its last label, which only the end of the log knows. A state that is kept must not know
//! it, so it waits for every impression whose labels could still come by what is known at its moment ([`Replay::waits`]).

use super::counts::{Label, LabelEvent};
use super::settings::Known;
use semrank_core::narrow;
use semrank_data::{DAY_MS, Labels, Part, Windows};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A kept state waits for the labels of an impression so long after its windows: a log may have them late.
const LATE_MS: i64 = 7 * DAY_MS;

/// A label on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    known: i64,
    row: u32,
    kind: ArrivalKind,
    /// Whether no later label is about the row.
    last: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ArrivalKind {
    Click,
    /// Of a row that was counted without one.
    LateClick,
    Conversion,
    Matured,
}

/// A label that is known now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) event: LabelEvent,
    /// Whether no later label is about the impression.
    pub(crate) last: bool,
}

/// Labels of the rows that were shown so far, as far as they are not known yet.
#[derive(Debug)]
pub(crate) struct Replay<'a> {
    labels: Labels<'a>,
    known: Known,
    arriving: BinaryHeap<Reverse<Arrival>>,
    /// Labels of validation rows wait here until no row of training or validation follows.
    deferred: Vec<Arrival>,
    release_at: usize,
    /// Impressions from this time on are waited for by the state that is kept at `release_at`.
    waits_from: i64,
}

impl<'a> Replay<'a> {
    /// Nothing shown yet.
    pub(crate) fn new(labels: Labels<'a>, known: Known) -> Self {
        let fitted = labels.examples.parts.iter().rposition(|&part| part != Part::Test);
        let release_at = fitted.map_or(0, |at| at + 1);
        let times = &labels.examples.times;
        let moment = times.get(release_at).or(times.last()).copied().unwrap_or(i64::MIN);
        let Windows { click, conversion, logging } = labels.windows;
        let waits_from = [click, conversion, logging, LATE_MS].into_iter().fold(moment, i64::saturating_sub);
        let (arriving, deferred) = (BinaryHeap::new(), Vec::new());
        Self { labels, known, arriving, deferred, release_at, waits_from }
    }

    /// The first row after those of training and validation, of which the labels of validation rows are known.
    pub(crate) fn release_at(&self) -> usize {
        self.release_at
    }

    /// Whether the state that is kept at [`Replay::release_at`] waits for labels of an impression, unless it has them all.
    pub(crate) fn waits(&self, impression: u64) -> bool {
        self.labels.examples.times[impression as usize] >= self.waits_from
    }

    /// A row is shown; returns its impression if its labels will be observed.
    pub(crate) fn show(&mut self, row: usize) -> Option<u64> {
        let (labels, part) = (self.labels, self.labels.examples.parts[row]);
        let never = match self.known {
            Known::Train => part != Part::Train,
            Known::Earlier => part == Part::Test,
            Known::Past => false,
        };
        if never {
            return None;
        }
        let row_number = narrow::index(row);
        let arrival = |known: i64, kind| Arrival { known, row: row_number, kind, last: false };
        let mut arrivals = vec![arrival(labels.click_known(row).0, ArrivalKind::Click)];
        arrivals.extend(labels.late_click(row).map(|time| arrival(time, ArrivalKind::LateClick)));
        if labels.may_convert(row) {
            arrivals.push(arrival(labels.matured_known(row), ArrivalKind::Matured));
            arrivals.extend(labels.conversion_known(row).map(|time| arrival(time, ArrivalKind::Conversion)));
        }
        if let Some(last) = arrivals.iter_mut().max() {
            last.last = true;
        }
        if self.known == Known::Earlier && part == Part::Valid {
            self.deferred.extend(arrivals);
        } else {
            self.arriving.extend(arrivals.into_iter().map(Reverse));
        }
        Some(row as u64)
    }

    /// The next label that is known before the time of `row`.
    pub(crate) fn next_before(&mut self, row: usize) -> Option<Arrived> {
        if row >= self.release_at {
            self.arriving.extend(self.deferred.drain(..).map(Reverse));
        }
        let now = self.labels.examples.times[row];
        self.arriving.peek().filter(|next| next.0.known < now)?;
        let Reverse(next) = self.arriving.pop()?;
        Some(Arrived { event: self.event(next), last: next.last })
    }

    fn event(&self, arrival: Arrival) -> LabelEvent {
        let row = arrival.row as usize;
        let clicked = Label::Clicked { convertible: self.labels.may_convert(row) };
        let label = match arrival.kind {
            ArrivalKind::Click if self.labels.click_known(row).1 => clicked,
            ArrivalKind::Click => Label::NotClicked,
            ArrivalKind::LateClick => clicked,
            ArrivalKind::Conversion => Label::Converted,
            ArrivalKind::Matured => Label::Matured,
        };
        LabelEvent { impression: u64::from(arrival.row), label }
    }
}
