//! Smoothed counts of labels, point-in-time: how often a user, an item and an advertiser had clicks and conversions so far.
//!
//! A label enters when it is observed and is seen by what is read afterwards; a replay brings each label when it is
//! known ([`Replay`](super::replay::Replay)), so that a row never sees its own. Changing later labels changes no earlier feature (a
//! test).
//!
//! | file | does |
//! |---|---|
//! | `sums` | sums of one member of a scope |
//! | `pending` | labels, and impressions that wait for them |
//! | `past` | what each user has labelled |
//! | `tensors` | all of that to and from a file |
//!
//! Of a scope (user, item, advertiser, user with advertiser), with `n` rows, `c` clicks and `e` clicks expected from the slots
//! they were shown in, `a` pseudo-rows and base rate `b`:
//!
//! ```text
//! log-odds((c + a b) / (n + a)) - log-odds((e + a b) / (n + a))           and  n / (n + a)
//! ```
//!
//! so that an item that was always shown on top has no advantage. `a` is `smoothing` clicks at the base rate.
//! Conversions per click are counted twice: among clicks whose window is over (unbiased, late), and as known so far (early, low).
//!
//! No feature of conversions tells a row's time, as their base rates and the number of clicks known so far would, which grow
//! with the log: late positives are old rows and fresh negatives new ones, so that what tells a row's time would be taken for a
//! reason not to convert. In `tests/delays.rs` elapsed-time weighting predicted .80 of the conversions with those features and
//! .93 without, and without delays they cost nothing. Clicks are known at once, and their share saturates.

mod past;
mod pending;
mod sums;
mod tensors;

pub(crate) use past::{Learned, Past};
pub(crate) use pending::Expected;
pub use pending::{Label, LabelEvent, labels_of};

use super::effects::Observed;
use super::items::{Items, NO_ADVERTISER};
use super::request::Request;
use super::settings::PointwiseSettings;
use past::Pasts;
use pending::{Pending, Stage};
use semrank_core::narrow;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use sums::{Change, Sums};

/// Scopes that are counted: user, item, advertiser, user with advertiser.
const SCOPES: usize = 4;
/// Most rows of the hashed scope (user with advertiser).
const PAIR_ROWS: usize = 1 << 20;
/// Numbers of a scope.
const OF_CLICKS: usize = 2;
const OF_CONVERSIONS: usize = 2;

/// Who and what a label is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) user: u32,
    pub(crate) item: u32,
    /// [`NO_ADVERTISER`] = none.
    pub(crate) advertiser: u32,
    pub(crate) slot: u16,
}

impl Subject {
    pub(crate) fn of(request: &Request, items: &Items) -> Self {
        let (user, item) = (request.user.0, request.item.0);
        let advertiser = items.advertiser(item).unwrap_or(NO_ADVERTISER);
        Self { user, item, advertiser, slot: request.slot }
    }
}

/// How many members are counted separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CountSizes {
    pub(crate) users: usize,
    pub(crate) items: usize,
    /// 0 = unknown.
    pub(crate) advertisers: usize,
    pub(crate) slots: usize,
    /// Impressions that are to be expected: the hashed scope has twice as many rows.
    pub(crate) impressions: usize,
    pub(crate) conversions: bool,
}

/// How counts are smoothed, and how much of a user's past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counting {
    smoothing: f64,
    affinity: usize,
    conversions: bool,
}

impl Counting {
    /// Whether conversions are counted.
    pub(crate) fn conversions(self) -> bool {
        self.conversions
    }
}

/// The state of all counts at one moment.
#[derive(Debug, Clone)]
pub(crate) struct CountState {
    counting: Counting,
    /// A scope without members is not counted.
    scopes: [Vec<Sums>; SCOPES],
    /// Impressions and clicks.
    slots: Vec<[u32; 2]>,
    total: Sums,
    pending: HashMap<u64, Pending>,
    pasts: Pasts,
}

impl CountState {
    /// Nothing counted yet.
    pub(crate) fn new(sizes: CountSizes, settings: &PointwiseSettings) -> Self {
        let CountSizes { users, items, advertisers, slots, impressions, conversions } = sizes;
        let pairs = if advertisers > 0 { (2 * impressions).next_power_of_two().min(PAIR_ROWS) } else { 0 };
        let (smoothing, affinity) = (settings.smoothing, settings.affinity);
        // The last advertiser is "none".
        let groups = if advertisers > 0 { advertisers + 1 } else { 0 };
        Self {
            counting: Counting { smoothing, affinity, conversions },
            scopes: [users, items, groups, pairs].map(|members| vec![Sums::default(); members]),
            slots: vec![[0; 2]; slots],
            total: Sums::default(),
            pending: HashMap::new(),
            pasts: Pasts::new(users, affinity),
        }
    }

    /// Makes room for users and items that are new.
    pub(crate) fn grow(&mut self, users: usize, items: usize) {
        for (scope, members) in self.scopes.iter_mut().zip([users, items]) {
            scope.resize(scope.len().max(members), Sums::default());
        }
        self.pasts.grow(users);
    }

    /// Number of features.
    pub(crate) fn width(&self) -> usize {
        let of_scope = OF_CLICKS + if self.counting.conversions { OF_CONVERSIONS } else { 0 };
        let scopes = self.scopes.iter().filter(|scope| !scope.is_empty()).count();
        // The base rate of clicks, and the two residuals.
        1 + 2 + scopes * of_scope
    }

    /// What users have labelled.
    pub(crate) fn pasts(&self) -> &Pasts {
        &self.pasts
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
        let sums = self.sums(1, item as usize);
        Observed { rows: sums.rows as f32, sum: sums.residual as f32 }
    }

    /// Conversion labels of an item's clicks whose window is over, above the base rate.
    pub(crate) fn conversions_of(&self, item: u32) -> Observed {
        let sums = self.sums(1, item as usize);
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

    /// The sums of a member; of one that is not known, none.
    fn sums(&self, scope: usize, member: usize) -> Sums {
        self.scopes[scope].get(member).copied().unwrap_or_default()
    }

    /// Appends the features of an impression; returns what is expected of it.
    pub(crate) fn read(&self, subject: &Subject, out: &mut Vec<f32>) -> Expected {
        let base = self.base();
        let alpha = self.counting.smoothing as f32 / base.min(1.0 - base);
        let members = self.members(subject);
        out.push(log_odds(base));
        let mut gains = [0.0; SCOPES];
        for (scope, member) in members.into_iter().enumerate() {
            let Some(member) = member else { continue };
            let sums = self.sums(scope, member);
            let rows = sums.rows as f32 + alpha;
            let got = (sums.clicks as f32 + alpha * base) / rows;
            let expected = (sums.expected as f32 + alpha * base) / rows;
            gains[scope] = log_odds(got) - log_odds(expected);
            out.extend([gains[scope], sums.rows as f32 / rows]);
        }
        let deviation = (base * (1.0 - base)).sqrt();
        for (scope, member) in members.into_iter().enumerate().take(2) {
            let sums = member.map(|member| self.sums(scope, member)).unwrap_or_default();
            out.push(sums.residual as f32 / (sums.rows as f32 + alpha) / deviation);
        }
        if self.counting.conversions {
            self.push_conversions(members, out);
        }
        let slot = self.slot_rate(subject.slot);
        let of = |gain: f32| 1.0 / (1.0 + (-log_odds(slot) - gain).exp());
        Expected { slot, user: of(gains[0]), item: of(gains[1]), both: of(gains[0] + gains[1]) }
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
            let sums = self.sums(scope, member);
            for ((conversions, clicks), base) in
                [(sums.mature_conversions, sums.mature), (sums.conversions, sums.convertible)]
                    .into_iter()
                    .zip(bases)
            {
                let alpha = self.counting.smoothing as f32 / base;
                let rate = (conversions as f32 + alpha * base) / (clicks as f32 + alpha);
                out.push(log_odds(rate) - log_odds(base));
            }
        }
    }

    fn base(&self) -> f32 {
        ((f64::from(self.total.clicks) + 1.0) / (f64::from(self.total.rows) + 10.0)) as f32
    }

    /// The click rate of a slot.
    fn slot_rate(&self, slot: u16) -> f32 {
        let base = self.base();
        match self.slots.get(slot as usize) {
            Some(&[rows, clicks]) => {
                ((f64::from(clicks) + 50.0 * f64::from(base)) / (f64::from(rows) + 50.0)) as f32
            }
            None => base,
        }
    }

    /// The member of each scope, in or beyond it; none of a scope that is not counted.
    fn members(&self, subject: &Subject) -> [Option<usize>; SCOPES] {
        let (user, item) = (subject.user as usize, subject.item as usize);
        let none = self.scopes[2].len().checked_sub(1);
        let advertiser = none.map(|none| (subject.advertiser as usize).min(none));
        let pair = advertiser.map(|advertiser| {
            let key = (user as u64) << 32 | advertiser as u64;
            let hashed = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as usize % self.scopes[3].len();
            if user < self.scopes[0].len() { hashed } else { usize::MAX }
        });
        [Some(user), Some(item), advertiser, pair]
    }

    /// Waits for the labels of an impression.
    pub(crate) fn shown(&mut self, impression: u64, subject: Subject, expected: Expected) {
        self.pending.insert(impression, Pending { subject, expected, stage: Stage::default() });
    }

    /// No label of an impression is to come any more.
    pub(crate) fn forget(&mut self, impression: u64) {
        self.pending.remove(&impression);
    }

    /// Forgets what a user did: counts of theirs alone, their past, labels that are waited for. Sums over many users stay.
    pub(crate) fn forget_user(&mut self, user: u32) {
        self.scopes[0].get_mut(user as usize).into_iter().for_each(|sums| *sums = Sums::default());
        self.pasts.forget(user);
        self.pending.retain(|_, pending| pending.subject.user != user);
    }

    /// Forgets impressions that have all their labels, or none to come as `waits` says.
    pub(crate) fn settle(&mut self, waits: impl Fn(u64) -> bool) {
        self.pending.retain(|&impression, pending| waits(impression) && !pending.stage.is_settled());
    }

    /// Counts a label; returns whether it was waited for. `learned` is called for every click label.
    pub(crate) fn observe(&mut self, event: LabelEvent, learned: impl FnMut(Learned)) -> bool {
        let Some(pending) = self.pending.get_mut(&event.impression) else { return false };
        let Some(change) = pending.stage.advance(event.label) else { return false };
        let pending = *pending;
        self.count(event.impression, &pending, change, learned);
        true
    }

    fn count(&mut self, impression: u64, pending: &Pending, change: Change, learned: impl FnMut(Learned)) {
        let Pending { subject, expected, .. } = pending;
        let members = self.members(subject);
        let others = [expected.item, expected.user, expected.both, expected.both];
        for ((scope, member), other) in self.scopes.iter_mut().zip(members).zip(others) {
            if let Some(sums) = member.and_then(|member| scope.get_mut(member)) {
                sums.add(change, expected.slot, other);
            }
        }
        self.total.add(change, expected.slot, expected.both);
        let Some(clicked) = change.click_label() else { return };
        let first = matches!(change, Change::First { .. });
        if let Some(slot) = self.slots.get_mut(subject.slot as usize) {
            *slot = [slot[0] + u32::from(first), slot[1] + u32::from(clicked)];
        }
        let row = Past::new(impression, subject.item, sums::one(clicked), expected);
        self.pasts.remember(subject.user, row, first, learned);
    }
}

/// `ln(p / (1 - p))` of a probability held off 0 and 1.
fn log_odds(p: f32) -> f32 {
    let p = p.clamp(1e-5, 1.0 - 1e-5);
    (p / (1.0 - p)).ln()
}
