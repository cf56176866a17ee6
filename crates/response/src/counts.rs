//! Smoothed counts of labels, point-in-time: what a user, an item and an advertiser have been worth so far.
//!
//! Rows are visited in time order. A label enters when it is known ([`Labels`]) and is seen only by rows that are strictly later;
//! a row never sees its own label. Changing later labels changes no earlier feature (a test).
//!
//! Of a scope (user, item, advertiser, user with advertiser), with `n` rows, `c` clicks and `e` clicks expected from the slots
//! they were shown in, `a` pseudo-rows and base rate `b`:
//!
//! ```text
//! log-odds((c + a b) / (n + a)) - log-odds((e + a b) / (n + a))           and  n / (n + a)
//! ```
//!
//! so that an item that was always shown on top is not the better for it. `a` is `smoothing` clicks at the base rate.
//! Conversions per click are counted twice: among clicks whose window is over (unbiased, late), and as known so far (early, low).
//!
//! No feature of conversions tells a row's time, as their base rates and the number of clicks known so far would, which grow
//! with the log: late positives are old rows and fresh negatives new ones, so that what tells a row's time would be taken for a
//! reason not to convert. In `tests/delays.rs` elapsed-time weighting predicted .80 of the conversions with those features and
//! .93 without, at no loss for the oracle. Clicks are known at once, and their share saturates.

use super::effects::Observed;
use super::settings::{Known, PointwiseSettings};
use semrank_core::narrow;
use semrank_data::{Labels, Part};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Scopes that are counted.
const SCOPES: usize = 4;
/// Most rows of the hashed scope (user with advertiser).
const PAIR_ROWS: usize = 1 << 20;
/// Numbers of a scope.
const OF_CLICKS: usize = 2;
const OF_CONVERSIONS: usize = 2;

/// Sums of one member of a scope, or of all rows. No sum is an f32: from 2^24 on adding 1 to one changes nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    rows: u32,
    clicks: u32,
    /// Clicks that may convert, conversions so far, and the same of clicks whose window is over.
    convertible: u32,
    conversions: u32,
    mature: u32,
    mature_conversions: u32,
    expected: f64,
    /// Clicks minus what the other side of the pair made likely, in standard deviations.
    residual: f64,
}

/// What a label adds.
struct Counted {
    kind: ArrivalKind,
    clicked: bool,
    /// Clicks expected from the slot.
    slot: f32,
    convertible: bool,
    converts: bool,
}

impl Sums {
    /// Adds a label; `other` is what the other side of the pair made likely.
    fn add(&mut self, label: &Counted, other: f32) {
        match label.kind {
            ArrivalKind::Click => {
                self.rows += 1;
                self.clicks += u32::from(label.clicked);
                self.convertible += u32::from(label.convertible);
                self.expected += f64::from(label.slot);
                self.residual += f64::from(one(label.clicked) - other);
            }
            ArrivalKind::LateClick => {
                self.clicks += 1;
                self.convertible += u32::from(label.convertible);
                self.residual += 1.0;
            }
            ArrivalKind::Conversion => self.conversions += 1,
            ArrivalKind::Matured => {
                self.mature += 1;
                self.mature_conversions += u32::from(label.converts);
            }
        }
    }
}

fn one(yes: bool) -> f32 {
    f32::from(u8::from(yes))
}

/// A label on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    known: i64,
    row: u32,
    kind: ArrivalKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ArrivalKind {
    Click,
    /// Of a row that was counted without one.
    LateClick,
    Conversion,
    Matured,
}

/// What a row's features said, kept until its label is known.
#[derive(Debug, Clone, Copy, Default)]
struct Expected {
    /// From its slot.
    slot: f32,
    /// From the user, from the item, from both.
    user: f32,
    item: f32,
    both: f32,
}

/// A labelled row of a user.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Past {
    pub(crate) row: u32,
    pub(crate) item: u32,
    /// The label minus what user and item made likely, in standard deviations.
    pub(crate) residual: f32,
    /// The label minus what the slot, and what the user made likely.
    pub(crate) over_slot: f32,
    pub(crate) over_user: f32,
}

/// A click label that is counted, with what its user had labelled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Learned<'p> {
    /// Labelled rows of the user that `row` makes pairs with.
    pub(crate) others: [&'p [Past]; 2],
    pub(crate) row: Past,
    /// The residual that the row was counted with before; none of a first label.
    pub(crate) before: Option<f32>,
}

/// The state of all counts at one moment.
#[derive(Debug)]
pub(crate) struct Counts<'a> {
    labels: Labels<'a>,
    advertisers: &'a [u32],
    settings: &'a PointwiseSettings,
    conversions: bool,
    scopes: [Vec<Sums>; SCOPES],
    /// Rows and clicks.
    slots: Vec<[u32; 2]>,
    total: Sums,
    arriving: BinaryHeap<Reverse<Arrival>>,
    expected: std::collections::HashMap<u32, Expected>,
    /// Labels of validation rows wait here until no row of training or validation follows.
    deferred: Vec<Arrival>,
    release_at: usize,
    past: Vec<Vec<Past>>,
    /// Labels of each user that have been remembered.
    remembered: Vec<u32>,
}

impl<'a> Counts<'a> {
    /// Nothing counted yet.
    pub(crate) fn new(
        labels: Labels<'a>,
        advertisers: &'a [u32],
        items: usize,
        settings: &'a PointwiseSettings,
    ) -> Self {
        let examples = labels.examples;
        let users = examples.user_names.len();
        let groups = advertisers.iter().filter(|&&a| a != super::items::NO_ADVERTISER).max();
        let groups = groups.map_or(0, |&most| most as usize + 1);
        let pairs = if groups > 0 { (2 * examples.len()).next_power_of_two().min(PAIR_ROWS) } else { 0 };
        let slots = examples.slots.iter().filter(|&&slot| slot != u16::MAX).max();
        let sums = |rows: usize| vec![Sums::default(); rows];
        Self {
            labels,
            advertisers,
            settings,
            conversions: labels.has_conversions(),
            // The last advertiser is "none".
            scopes: [sums(users), sums(items), sums(if groups > 0 { groups + 1 } else { 0 }), sums(pairs)],
            slots: vec![[0; 2]; slots.map_or(0, |&most| most as usize + 1)],
            total: Sums::default(),
            arriving: BinaryHeap::new(),
            expected: std::collections::HashMap::new(),
            deferred: Vec::new(),
            release_at: examples.parts.iter().rposition(|&part| part != Part::Test).map_or(0, |at| at + 1),
            past: vec![Vec::new(); if settings.affinity > 0 { users } else { 0 }],
            remembered: vec![0; users],
        }
    }

    /// Number of features.
    pub(crate) fn width(&self) -> usize {
        let of_scope = OF_CLICKS + if self.conversions { OF_CONVERSIONS } else { 0 };
        let scopes = self.scopes.iter().filter(|scope| !scope.is_empty()).count();
        // The base rate of clicks, and the two residuals.
        1 + 2 + scopes * of_scope
    }

    /// The first row of which validation labels are known, where they are counted for test rows.
    pub(crate) fn release_at(&self) -> usize {
        self.release_at
    }

    /// Labels counted so far.
    pub(crate) fn labels(&self) -> f64 {
        f64::from(self.total.rows)
    }

    /// Variance of a click label at the base rate.
    pub(crate) fn base_variance(&self) -> f64 {
        let base = f64::from(self.base());
        base * (1.0 - base)
    }

    /// Conversions per click whose window is over, and the variance of such a label.
    fn conversion_base(&self) -> f64 {
        (f64::from(self.total.mature_conversions) + 0.5) / (f64::from(self.total.mature) + 10.0)
    }

    pub(crate) fn base_variance_of_conversions(&self) -> f64 {
        let base = self.conversion_base();
        base * (1.0 - base)
    }

    /// Click labels of an item, above what its users made likely.
    pub(crate) fn clicks_of(&self, item: u32) -> Observed {
        let sums = &self.scopes[1][item as usize];
        Observed { rows: sums.rows as f32, sum: sums.residual as f32 }
    }

    /// Conversion labels of an item's clicks whose window is over, above the base rate.
    pub(crate) fn conversions_of(&self, item: u32) -> Observed {
        let sums = &self.scopes[1][item as usize];
        let expected = f64::from(sums.mature) * self.conversion_base();
        Observed { rows: sums.mature as f32, sum: (f64::from(sums.mature_conversions) - expected) as f32 }
    }

    /// Of every item.
    pub(crate) fn observed(
        &self,
        of: impl Fn(&Self, u32) -> Observed,
    ) -> impl Iterator<Item = (u32, Observed)> {
        narrow::indices(self.scopes[1].len()).map(move |item| (item, of(self, item)))
    }

    /// The labelled rows of at most `most` users, spread over all that have two or more.
    pub(crate) fn pasts(&self, most: usize) -> impl Iterator<Item = &[Past]> {
        let several = || self.past.iter().filter(|past| past.len() >= 2);
        let step = several().count().div_ceil(most).max(1);
        several().step_by(step).map(|past| self.newest(past))
    }

    /// Changes with every label of a row's user that is remembered.
    pub(crate) fn remembered(&self, row: usize) -> u32 {
        self.remembered[self.labels.examples.users[row].index()]
    }

    fn newest<'p>(&self, past: &'p [Past]) -> &'p [Past] {
        &past[past.len().saturating_sub(self.settings.affinity)..]
    }

    /// Appends the features of the next row, which is `row`; `learned` is told of every click label that is counted.
    pub(crate) fn push(&mut self, row: usize, out: &mut Vec<f32>, learned: impl FnMut(Learned)) {
        self.arrive(row, learned);
        let base = self.base();
        let alpha = self.settings.smoothing as f32 / base.min(1.0 - base);
        let members = self.members(row);
        out.push(log_odds(base));
        let mut gains = [0.0; SCOPES];
        for (scope, member) in members.into_iter().enumerate() {
            let Some(member) = member else { continue };
            let sums = self.scopes[scope][member];
            let rows = sums.rows as f32 + alpha;
            let got = (sums.clicks as f32 + alpha * base) / rows;
            let expected = (sums.expected as f32 + alpha * base) / rows;
            gains[scope] = log_odds(got) - log_odds(expected);
            out.extend([gains[scope], sums.rows as f32 / rows]);
        }
        let deviation = (base * (1.0 - base)).sqrt();
        for (scope, member) in members.into_iter().enumerate().take(2) {
            let sums = member.map(|member| self.scopes[scope][member]).unwrap_or_default();
            out.push(sums.residual as f32 / (sums.rows as f32 + alpha) / deviation);
        }
        if self.conversions {
            self.push_conversions(members, out);
        }
        let slot = self.slot_rate(row);
        let of = |gain: f32| sigmoid(log_odds(slot) + gain);
        let expected =
            Expected { slot, user: of(gains[0]), item: of(gains[1]), both: of(gains[0] + gains[1]) };
        self.schedule(row, expected);
    }

    fn push_conversions(&self, members: [Option<usize>; SCOPES], out: &mut Vec<f32>) {
        let rate = |conversions: u32, clicks: u32| {
            ((f64::from(conversions) + 0.5) / (f64::from(clicks) + 10.0)) as f32
        };
        let bases = [
            rate(self.total.mature_conversions, self.total.mature),
            rate(self.total.conversions, self.total.convertible),
        ];
        for (scope, member) in members.into_iter().enumerate() {
            let Some(member) = member else { continue };
            let sums = self.scopes[scope][member];
            for ((conversions, clicks), base) in
                [(sums.mature_conversions, sums.mature), (sums.conversions, sums.convertible)]
                    .into_iter()
                    .zip(bases)
            {
                let alpha = self.settings.smoothing as f32 / base;
                let rate = (conversions as f32 + alpha * base) / (clicks as f32 + alpha);
                out.push(log_odds(rate) - log_odds(base));
            }
        }
    }

    /// The labelled rows of the row's user, oldest first.
    pub(crate) fn past(&self, row: usize) -> &[Past] {
        self.newest(self.past.get(self.labels.examples.users[row].index()).map_or(&[], Vec::as_slice))
    }

    fn base(&self) -> f32 {
        ((f64::from(self.total.clicks) + 1.0) / (f64::from(self.total.rows) + 10.0)) as f32
    }

    /// The click rate of the row's slot.
    fn slot_rate(&self, row: usize) -> f32 {
        let (base, slot) = (self.base(), self.labels.examples.slots.get(row));
        match slot.and_then(|&slot| self.slots.get(slot as usize)) {
            Some(&[rows, clicks]) => {
                ((f64::from(clicks) + 50.0 * f64::from(base)) / (f64::from(rows) + 50.0)) as f32
            }
            None => base,
        }
    }

    /// The row's member of each scope; none of a scope that is not counted.
    fn members(&self, row: usize) -> [Option<usize>; SCOPES] {
        let examples = self.labels.examples;
        let (user, item) = (examples.users[row].index(), examples.items[row].index());
        let none = self.scopes[2].len().checked_sub(1);
        let advertiser = none.map(|none| (self.advertisers[item] as usize).min(none));
        let pair = advertiser.map(|advertiser| {
            let key = (user as u64) << 32 | advertiser as u64;
            (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as usize % self.scopes[3].len()
        });
        [Some(user), Some(item), advertiser, pair]
    }

    fn schedule(&mut self, row: usize, expected: Expected) {
        let (labels, part) = (self.labels, self.labels.examples.parts[row]);
        let never = match self.settings.known {
            Known::Train => part != Part::Train,
            Known::Earlier => part == Part::Test,
            Known::Past => false,
        };
        if never {
            return;
        }
        self.expected.insert(narrow::index(row), expected);
        let arrival = |known: i64, kind| Arrival { known, row: narrow::index(row), kind };
        let mut arrivals = vec![arrival(labels.click_known(row).0, ArrivalKind::Click)];
        arrivals.extend(labels.late_click(row).map(|time| arrival(time, ArrivalKind::LateClick)));
        if labels.may_convert(row) {
            arrivals.push(arrival(labels.matured_known(row), ArrivalKind::Matured));
            arrivals.extend(labels.conversion_known(row).map(|time| arrival(time, ArrivalKind::Conversion)));
        }
        if self.settings.known == Known::Earlier && part == Part::Valid {
            self.deferred.extend(arrivals);
        } else {
            self.arriving.extend(arrivals.into_iter().map(Reverse));
        }
    }

    /// Counts every label that is known before the time of `row`.
    pub(crate) fn arrive(&mut self, row: usize, mut learned: impl FnMut(Learned)) {
        if row >= self.release_at {
            self.arriving.extend(self.deferred.drain(..).map(Reverse));
        }
        let now = self.labels.examples.times[row];
        while let Some(Reverse(next)) = self.arriving.peek().copied().filter(|next| next.0.known < now) {
            self.arriving.pop();
            self.count(next, &mut learned);
        }
    }

    fn count(&mut self, arrival: Arrival, learned: &mut impl FnMut(Learned)) {
        let (row, examples) = (arrival.row as usize, self.labels.examples);
        let members = self.members(row);
        let expected = self.expected.get(&arrival.row).copied().unwrap_or_default();
        let clicked = arrival.kind == ArrivalKind::LateClick || self.labels.click_known(row).1;
        let label = Counted {
            kind: arrival.kind,
            clicked,
            slot: expected.slot,
            convertible: clicked && self.labels.may_convert(row),
            converts: self.labels.converts_in_time(row),
        };
        let others = [expected.item, expected.user, expected.both, expected.both];
        for ((scope, member), other) in self.scopes.iter_mut().zip(members).zip(others) {
            if let Some(member) = member {
                scope[member].add(&label, other);
            }
        }
        self.total.add(&label, expected.both);
        let first = arrival.kind == ArrivalKind::Click;
        if !first && arrival.kind != ArrivalKind::LateClick {
            return;
        }
        if let Some(slot) = examples.slots.get(row).and_then(|&slot| self.slots.get_mut(slot as usize)) {
            *slot = [slot[0] + u32::from(first), slot[1] + u32::from(label.clicked)];
        }
        self.remember(row, (one(label.clicked), first), expected, learned);
        if !first || self.labels.late_click(row).is_none() {
            self.expected.remove(&arrival.row);
        }
    }

    /// Adds a labelled row to its user's past; corrects it there where it is not the row's first label.
    fn remember(
        &mut self,
        row: usize,
        (label, first): (f32, bool),
        expected: Expected,
        learned: &mut impl FnMut(Learned),
    ) {
        let examples = self.labels.examples;
        let most = self.settings.affinity;
        let user = examples.users[row].index();
        let Some(past) = self.past.get_mut(user) else { return };
        let deviation = (expected.both * (1.0 - expected.both)).max(1e-4).sqrt();
        let new = Past {
            row: narrow::index(row),
            item: examples.items[row].0,
            residual: ((label - expected.both) / deviation).clamp(-5.0, 5.0),
            over_slot: label - expected.slot,
            over_user: label - expected.user,
        };
        self.remembered[user] += 1;
        if !first {
            if let Some(at) = past.iter().rposition(|old| old.row == new.row) {
                let before = std::mem::replace(&mut past[at], new).residual;
                // Each row was paired with as many before it as are read.
                let end = past.len().min(at + 1 + most);
                let others = [&past[at.saturating_sub(most)..at], &past[at + 1..end]];
                learned(Learned { others, row: new, before: Some(before) });
            }
            return;
        }
        learned(Learned { others: [&past[past.len().saturating_sub(most)..], &[]], row: new, before: None });
        if past.len() >= 2 * most {
            past.drain(..most);
        }
        past.push(new);
    }
}

/// `ln(p / (1 - p))` of a probability held off 0 and 1.
pub(crate) fn log_odds(p: f32) -> f32 {
    let p = p.clamp(1e-5, 1.0 - 1e-5);
    (p / (1.0 - p)).ln()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_totals_count_on_behind_what_an_f32_can() {
        let full = 1 << 24;
        let counted = Sums { rows: full, clicks: full, mature: full, ..Sums::default() };
        let before = Sums { expected: f64::from(full), residual: f64::from(full), ..counted };
        let mut after = before;
        let label = |kind| Counted { kind, clicked: true, slot: 0.5, convertible: true, converts: false };
        after.add(&label(ArrivalKind::Click), 0.25);
        after.add(&label(ArrivalKind::Matured), 0.25);
        assert_eq!([after.rows, after.clicks, after.mature], [full + 1; 3]);
        let added = (after.expected - before.expected, after.residual - before.residual);
        assert_eq!(added, (0.5, 0.75));
    }
}
