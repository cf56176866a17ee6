//! The examples as a stream of training samples in time order: a click label when it is known, and samples of conversions when
//! their labels are known. One row gives several samples; which ones depends on [`Delay`].
//!
//! | `train.delay` | samples of a click |
//! |---|---|
//! | `window` | its label, when the attribution window is over |
//! | `naive` | what is known after `wait_hours`; with several epochs, what is known at the end of the log |
//! | `fake-negative-weighted` | a negative at the click; a positive when the conversion arrives |
//! | `elapsed` | what is known after `wait_hours`; a positive when a later conversion arrives; whether it was late, when the window is over |
//! | `delay-model` | the outcome of each stretch of its age, at the end of the stretch; with a family of delays, that nothing happened up to some ages, and the conversion when it arrives |
//!
//! Each of these is given when the log has it: the logging delay later. A click waits for its dwell as long as an impression waits
//! for its click; a dwell that is known later is a sample of its own, so that clicks with a long one are not missed at the end.
//! Labels without a click may be subsampled (`pointwise.keep_negatives`) by independent draws, so that other samples stay the same:
//! a click that arrives late counts as no click until then.

use super::hazard::STRETCHES;
use super::settings::{Hazard, PointwiseSettings};
use semrank_core::{Rng, narrow};
use semrank_data::{DAY_MS, Labels, Part};
use semrank_tower::Delay;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Ages at which the delay model looks at a click, as shares of the attribution window: 3, 6 and 12 hours, 1, 2, 4 and 7 days
/// of a week.
const LOOKS: [f64; 7] = [1.0 / 56.0, 1.0 / 28.0, 1.0 / 14.0, 1.0 / 7.0, 2.0 / 7.0, 4.0 / 7.0, 1.0];

/// A training sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sample {
    /// Whether there is a click, as far as is known then, and its dwell.
    Click(bool),
    /// A click whose dwell is not known yet.
    EarlyClick,
    /// The dwell of such a click.
    Dwell,
    /// A conversion label that is taken as it is.
    Conversion(bool),
    /// A sample of the fake-negative stream.
    Fake(bool),
    /// A sample of the elapsed-time stream.
    Elapsed(bool),
    /// The outcome of a click: whether it converted after the wait; of one without conversion at the wait, whether it stayed so.
    Late { delayed: bool, real_negative: Option<bool> },
    /// Nothing happened between two ages (days).
    Nothing { from: f64, to: f64 },
    /// A conversion at an age, of a click that had none at another (days).
    Arrived { from: f64, at: f64 },
    /// Whether a click that had not converted before did so in a stretch of its age.
    Stretch { stretch: u8, converted: bool },
}

/// A sample of a row, at a time (ms UTC).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timed {
    pub(crate) time: i64,
    pub(crate) row: u32,
    /// Order among the samples of one row at one time.
    order: u8,
    pub(crate) sample: Sample,
    /// Whether no later sample is about the row.
    pub(crate) last: bool,
}

impl Timed {
    /// Whether it is the row's first one, which is about its click.
    pub(crate) fn is_first(&self) -> bool {
        self.order == 0
    }
}

impl Eq for Timed {}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timed {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, self.row, self.order).cmp(&(other.time, other.row, other.order))
    }
}

/// Which samples are given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) labels: Labels<'a>,
    pub(crate) delay: Delay,
    /// After a click.
    pub(crate) wait_ms: i64,
    /// Whether conversions are learned.
    pub(crate) conversions: bool,
    /// Samples before this time (ms UTC) are given.
    pub(crate) until: i64,
    /// Whether the log is read once, in time order.
    pub(crate) once: bool,
    /// Whether each stretch of a click's age has a hazard of its own.
    pub(crate) pieces: bool,
    /// Share of the labels without a click that are learned, and the seed of their draws.
    keep_negatives: f64,
    seed: u64,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        (labels, delay): (Labels<'a>, Delay),
        labels_before: Option<i64>,
        settings: &PointwiseSettings,
        conversions: bool,
        once: bool,
        seed: u64,
    ) -> Self {
        let wait_ms = (settings.wait_hours * 3_600_000.0) as i64;
        let pieces = delay == Delay::DelayModel && settings.hazard == Hazard::Piecewise;
        // Without an attribution window there is no delay to learn.
        let late = labels.windows.conversion > 0;
        let delay = if late { delay } else { Delay::Window };
        let logged = labels.end.saturating_add(1);
        Self {
            labels,
            delay,
            wait_ms,
            conversions,
            until: labels_before.map_or(logged, |before| before.min(logged)),
            once,
            pieces: pieces && late,
            keep_negatives: settings.keep_negatives,
            seed,
        }
    }

    /// Whether the label 0 of a row without a click is left out (`pointwise.keep_negatives`).
    fn thins(&self, row: usize) -> bool {
        let dropped = || Rng::new(self.seed, "negatives").fork(row as u64).unit() >= self.keep_negatives;
        self.keep_negatives < 1.0 && !self.labels.click_known(row).1 && dropped()
    }

    /// Whether a row gives no samples.
    pub(crate) fn passes_over(&self, row: usize) -> bool {
        self.thins(row) && self.labels.late_click(row).is_none()
    }

    /// The samples of a row, as far as they are given.
    fn push(&self, row: usize, out: &mut Vec<Timed>) {
        let (from, thins) = (out.len(), self.thins(row));
        // A label that is thinned keeps its place, so that no later sample is the row's first.
        let mut order = u8::from(thins);
        let mut add = |time: i64, sample: Sample| {
            out.push(Timed { time, row: narrow::index(row), order, sample, last: false });
            order += 1;
        };
        let labels = self.labels;
        match labels.click_known(row) {
            (time, true) => self.push_click(row, time, &mut add),
            (time, false) if !thins => add(time, Sample::Click(false)),
            _ => {}
        }
        labels.late_click(row).into_iter().for_each(|time| self.push_click(row, time, &mut add));
        if self.conversions && self.labels.may_convert(row) {
            let known = labels.click_arrived(row).unwrap_or(i64::MIN);
            self.push_conversion(row, &mut |time, sample| add(labels.logged(time).max(known), sample));
        }
        out.retain(|sample| sample.time < self.until);
        if let Some(last) = out[from..].iter_mut().max() {
            last.last = true;
        }
    }

    /// A click that is known at a time, and its dwell.
    fn push_click(&self, row: usize, known: i64, add: &mut impl FnMut(i64, Sample)) {
        let dwelled = self.labels.dwell_known(row).max(known);
        let waited = self.labels.waited(row).max(known);
        if dwelled <= waited {
            return add(dwelled, Sample::Click(true));
        }
        add(waited, Sample::EarlyClick);
        add(dwelled, Sample::Dwell);
    }

    /// Samples of a click's conversion, by the times at which the log has it.
    fn push_conversion(&self, row: usize, add: &mut impl FnMut(i64, Sample)) {
        let (labels, click) = (self.labels, self.labels.click_time(row));
        let (converted, over) = (labels.conversion_received(row), labels.matured(row));
        let waited = click.saturating_add(self.wait_ms).min(over);
        let known_at = |time: i64| converted.is_some_and(|converted| converted <= time);
        match self.delay {
            Delay::Window => add(over, Sample::Conversion(known_at(over))),
            Delay::Naive if self.once => add(waited, Sample::Conversion(known_at(waited))),
            Delay::Naive => add(click, Sample::Conversion(known_at(self.seen_until()))),
            Delay::FakeNegativeWeighted => {
                add(click, Sample::Fake(false));
                converted.into_iter().for_each(|time| add(time, Sample::Fake(true)));
            }
            Delay::Elapsed => {
                let soon = known_at(waited);
                add(waited, Sample::Elapsed(soon));
                let late = converted.filter(|_| !soon);
                late.into_iter().for_each(|time| add(time, Sample::Elapsed(true)));
                let delayed = !soon && known_at(over);
                add(over, Sample::Late { delayed, real_negative: (!soon).then_some(!delayed) });
            }
            Delay::DelayModel if self.pieces => self.push_stretches(click, converted, add),
            Delay::DelayModel => self.push_looks(click, converted, add),
        }
    }

    fn push_looks(&self, click: i64, converted: Option<i64>, add: &mut impl FnMut(i64, Sample)) {
        let days = |ms: i64| ms as f64 / DAY_MS as f64;
        let window = self.labels.windows.conversion;
        let seen_for = if self.once { i64::MAX } else { (self.seen_until() - click).max(0) };
        let mut from = 0;
        for share in LOOKS {
            let age = (share * window as f64) as i64;
            let next = age.min(seen_for);
            if let Some(at) = converted.filter(|at| at - click <= next) {
                return add(at, Sample::Arrived { from: days(from), at: days(at - click) });
            }
            if next > from {
                add(click + next, Sample::Nothing { from: days(from), to: days(next) });
            }
            from = next;
        }
        // After the last look there are only labels without a time, or that the log received late.
        converted
            .into_iter()
            .for_each(|at| add(at, Sample::Arrived { from: days(from), at: days(at - click) }));
    }

    fn push_stretches(&self, click: i64, converted: Option<i64>, add: &mut impl FnMut(i64, Sample)) {
        for (stretch, share) in STRETCHES.into_iter().enumerate() {
            let end = click + (share * self.labels.windows.conversion as f64) as i64;
            let converted = converted.is_some_and(|at| at <= end);
            add(end, Sample::Stretch { stretch: stretch as u8, converted });
            if converted {
                return;
            }
        }
    }

    /// The newest time that the log covers.
    fn seen_until(&self) -> i64 {
        self.until.saturating_sub(1).saturating_sub(self.labels.windows.logging)
    }

    /// The attribution window in days, at least an hour.
    pub(crate) fn window_days(&self) -> f64 {
        (self.labels.windows.conversion as f64 / DAY_MS as f64).max(1.0 / 24.0)
    }
}

/// The samples of the training rows in time order.
#[derive(Debug)]
pub(crate) struct Samples<'a> {
    plan: Plan<'a>,
    next_row: usize,
    waiting: BinaryHeap<Reverse<Timed>>,
    made: Vec<Timed>,
}

impl<'a> Samples<'a> {
    pub(crate) fn new(plan: Plan<'a>) -> Self {
        Self { plan, next_row: 0, waiting: BinaryHeap::new(), made: Vec::new() }
    }

    /// The next samples before `end`, at most `most`, in place of those in `out`.
    pub(crate) fn fill(&mut self, end: i64, most: usize, out: &mut Vec<Timed>) {
        out.clear();
        out.extend(std::iter::from_fn(|| self.next_before(end)).take(most));
    }

    /// The next sample before `end`, if there is one.
    pub(crate) fn next_before(&mut self, end: i64) -> Option<Timed> {
        let examples = self.plan.labels.examples;
        // A row's samples are never earlier than the row.
        while self.next_row < examples.len() {
            let soonest = self.waiting.peek().map_or(i64::MAX, |soonest| soonest.0.time);
            if examples.times[self.next_row] > soonest.min(end) {
                break;
            }
            if examples.parts[self.next_row] == Part::Train && !self.plan.passes_over(self.next_row) {
                self.plan.push(self.next_row, &mut self.made);
                self.waiting.extend(self.made.drain(..).map(Reverse));
            }
            self.next_row += 1;
        }
        match self.waiting.peek() {
            Some(Reverse(soonest)) if soonest.time < end => self.waiting.pop().map(|sample| sample.0),
            _ => None,
        }
    }
}
