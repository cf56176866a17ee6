//! The part of a data set that a fit may see: made once, by the task, and used by everything that is fitted.
//!
//! In: a data set with its [`Split`] or its [`Examples`]. Out: the events that may be read of each user, a prefix of the
//! history; the items whose texts may be read; how often each item was taken; and the moment before which a label must be
//! known to be learned. IDF, SVD, alignment, codebooks, popularity, item-item counts and baselines take a [`FitScope`] and
//! nothing else, so that no statistic depends on what is to be predicted.
//!
//! *Split*: the events before a user's first held-out target ([`Split`]); texts of all items (leave-one-out) or of those known
//! before the first cut (time).
//!
//! *Examples that follow each other in time* (no training row after a row of validation or test, and one before them): every event
//! of any user that was known before the first held-out row, so no event caused by a held-out row. The same limit holds for
//! labels and texts.
//!
//! *Other examples* (parts drawn at random, logs without times, rows that share one time): of a user with held-out rows the events before the first of
//! them, as far as a training row reads them; of any other user all. Times carry no information there, so labels have no limit.
//!
//! ```text
//! user     events (known at)          training rows     held-out rows (first of all: 40)     in scope
//! ann      a 10 · b 30 (45) · c 35    20, 38            50                                   a: b was received too late, c stands behind it
//! bob      d 39 · e 41                12                –                                    d
//! ```

use crate::{Dataset, Examples, Part, Split};
use semrank_core::{History, ItemId, UserId};
use serde::Serialize;

/// The events, items and labels that may be fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct FitScope {
    kind: ScopeKind,
    ends: Vec<usize>,
    known: Vec<bool>,
    counts: Vec<u32>,
    texts_before: Option<i64>,
    labels_before: Option<i64>,
    chosen_before: Option<i64>,
}

/// How a [`FitScope`] was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeKind {
    /// By the last events of each user.
    LeaveOneOut,
    /// By two cuts in time.
    Time,
    /// By the first example that is not for training.
    ExamplesInTime,
    /// By each user's first example that is not for training.
    ExamplesByUser,
}

impl FitScope {
    /// Of the next-item task.
    pub fn of_split(dataset: &Dataset, split: &Split) -> FitScope {
        let (kind, known) = match split.cuts {
            None => (ScopeKind::LeaveOneOut, vec![true; dataset.catalog.len()]),
            Some([cut, _]) => (ScopeKind::Time, known_before(dataset, cut, &[])),
        };
        let mut ends = split.train_ends.clone();
        if let Some([cut, _]) = split.cuts {
            let known = users(dataset).map(|user| known_end(dataset, user, cut));
            ends.iter_mut().zip(known).for_each(|(end, known)| *end = known.min(*end));
        }
        let counts = counts(dataset, &ends);
        let texts_before = split.cuts.map(|[cut, _]| cut.ceil() as i64);
        FitScope { kind, ends, known, counts, texts_before, labels_before: None, chosen_before: None }
    }

    /// Of the tasks that learn from labelled rows.
    ///
    /// # Panics
    /// When `examples` are those of another data set.
    pub fn of_examples(dataset: &Dataset, examples: &Examples) -> FitScope {
        match cut(examples, Part::Train) {
            Some(cut) if dataset.events.timed() => Self::before(dataset, examples, cut),
            _ => Self::by_user(dataset, examples),
        }
    }

    fn before(dataset: &Dataset, examples: &Examples, cut: i64) -> FitScope {
        let ends: Vec<usize> = users(dataset).map(|user| known_end(dataset, user, cut as f64)).collect();
        let shown: Vec<ItemId> = examples.rows(Part::Train).map(|row| examples.items[row]).collect();
        let known = known_before(dataset, cut as f64, &shown);
        let (kind, counts) = (ScopeKind::ExamplesInTime, counts(dataset, &ends));
        let chosen_before = self::cut(examples, Part::Valid);
        let (texts_before, labels_before) = (Some(cut), Some(cut));
        FitScope { kind, ends, known, counts, texts_before, labels_before, chosen_before }
    }

    fn by_user(dataset: &Dataset, examples: &Examples) -> FitScope {
        // Of each user the end of what training rows read, and the beginning of what is held out.
        let mut read = vec![0; examples.user_names.len()];
        let mut held_out = vec![None; examples.user_names.len()];
        for row in 0..examples.len() {
            let (user, end) = (examples.users[row].index(), examples.history_ends[row]);
            match examples.parts[row] {
                Part::Train => read[user] = end.max(read[user]),
                _ => held_out[user] = Some(held_out[user].map_or(end, |first: u32| first.min(end))),
            }
        }
        let end = |user: UserId| {
            let range = dataset.events.range(user);
            match held_out[user.index()] {
                Some(first) => range.start + first.min(read[user.index()]) as usize,
                None => range.end,
            }
        };
        let ends: Vec<usize> = users(dataset).map(end).collect();
        let counts = counts(dataset, &ends);
        let known = vec![true; dataset.catalog.len()];
        let kind = ScopeKind::ExamplesByUser;
        let texts_before = None;
        FitScope { kind, ends, known, counts, texts_before, labels_before: None, chosen_before: None }
    }

    /// The same without the texts of some items, one flag per item.
    pub fn with_texts_of(mut self, written: &[bool]) -> FitScope {
        self.known.iter_mut().zip(written).for_each(|(known, &written)| *known &= written);
        self
    }

    /// How it was drawn.
    pub fn kind(&self) -> ScopeKind {
        self.kind
    }

    /// One global index per user: its events before it may be read.
    pub fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// The events of a user that may be read.
    pub fn history<'a>(&self, dataset: &'a Dataset, user: UserId) -> History<'a> {
        dataset.events.before(user, self.ends[user.index()])
    }

    /// The items whose texts may be read, one flag per item.
    pub fn known(&self) -> &[bool] {
        &self.known
    }

    /// Number of items whose texts may be read.
    pub fn known_items(&self) -> usize {
        self.known.iter().filter(|known| **known).count()
    }

    /// Events of the target action that may be read, one count per item.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// Only texts that were valid before this moment (ms UTC) may be read
    /// ([`Dataset::take_items_as_of`]); none where time is no limit.
    pub fn texts_before(&self) -> Option<i64> {
        self.texts_before
    }

    /// Only labels that are known before this moment (ms UTC) may be learned; none where time is no limit.
    pub fn labels_before(&self) -> Option<i64> {
        self.labels_before
    }

    /// Only validation labels that are known before this moment (ms UTC), the first test row's, may choose or calibrate; none where
    /// time is no limit.
    pub fn chosen_before(&self) -> Option<i64> {
        self.chosen_before
    }
}

/// Time of the first row of a later part; none where there is none, where a row of `part` or of an earlier one comes after it, or
/// where nothing comes before it: rows that share one time have no order.
fn cut(examples: &Examples, part: Part) -> Option<i64> {
    let first = examples.parts.iter().position(|&of| of > part)?;
    let last = examples.parts.iter().rposition(|&of| of <= part);
    let cut = examples.times[first];
    let follows = last.is_none_or(|last| examples.times[last] <= cut);
    (follows && examples.times[0] < cut).then_some(cut)
}

/// End of the events of a user that were known before a moment (ms UTC), with none before them that was not.
fn known_end(dataset: &Dataset, user: UserId, cut: f64) -> usize {
    let events = &dataset.events;
    let range = events.range(user);
    range.clone().find(|&event| events.known_at(event) as f64 >= cut).unwrap_or(range.end)
}

/// Items that were active, or else first seen in an event or among `shown`, before a moment (ms UTC).
fn known_before(dataset: &Dataset, cut: f64, shown: &[ItemId]) -> Vec<bool> {
    let (active_from, events) = (&dataset.catalog.active_from, &dataset.events);
    let born = |item: usize| active_from[item] != i64::MIN;
    let mut known: Vec<bool> =
        (0..active_from.len()).map(|item| born(item) && (active_from[item] as f64) < cut).collect();
    let seen = (0..events.len()).filter(|&event| (events.known_at(event) as f64) < cut);
    for item in seen.map(|event| events.items()[event]).chain(shown.iter().copied()) {
        known[item.index()] |= !born(item.index());
    }
    known
}

fn counts(dataset: &Dataset, ends: &[usize]) -> Vec<u32> {
    let mut counts = vec![0; dataset.catalog.len()];
    for (user, &end) in users(dataset).zip(ends) {
        for event in dataset.events.range(user).start..end {
            let event = dataset.events.event(event);
            counts[event.item.index()] += u32::from(dataset.is_target(event.action));
        }
    }
    counts
}

fn users(dataset: &Dataset) -> impl Iterator<Item = UserId> {
    (0..dataset.events.users() as u32).map(UserId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Meta, SplitKind};
    use semrank_core::{ActionId, Catalog, Dictionary, Event, EventDetails, EventLogBuilder};

    /// User, item, time, when it is known.
    type Line = (u32, u32, i64, i64);

    /// Part, user, item, time, end of the history.
    type Row = (Part, u32, u32, i64, u32);

    fn dataset(lines: &[Line], timed: bool) -> Dataset {
        let mut log = EventLogBuilder::default();
        for &(user, item, time, known) in lines {
            let details = EventDetails { known_at: Some(known), ..EventDetails::default() };
            log.push_with(UserId(user), Event { item: ItemId(item), action: ActionId(0), time }, details);
        }
        let names = |prefix: &str, count: usize| (0..count).map(|at| format!("{prefix}{at}")).collect();
        let (users, ids): (Dictionary, Dictionary) = (names("u", 2), names("i", 6));
        let mut active_from = vec![i64::MIN; 6];
        (active_from[4], active_from[5]) = (39, 40);
        let catalog = Catalog { ids, active_from, ..Catalog::default() };
        let actions = ["view"].into_iter().collect();
        Dataset { meta: Meta::default(), users, actions, catalog, events: log.finish(2, timed) }
    }

    fn examples(rows: &[Row]) -> Examples {
        Examples {
            parts: rows.iter().map(|row| row.0).collect(),
            users: rows.iter().map(|row| UserId(row.1)).collect(),
            items: rows.iter().map(|row| ItemId(row.2)).collect(),
            times: rows.iter().map(|row| row.3).collect(),
            history_ends: rows.iter().map(|row| row.4).collect(),
            user_names: ["u0", "u1"].into_iter().collect(),
            ..Examples::default()
        }
    }

    /// Events of two users: see the table above.
    const LINES: [Line; 5] = [(0, 0, 10, 10), (0, 1, 30, 45), (0, 2, 35, 35), (1, 3, 39, 39), (1, 0, 41, 41)];

    #[test]
    fn examples_in_time_end_before_the_first_that_is_held_out() {
        let rows = [
            (Part::Train, 1, 2, 12, 0),
            (Part::Train, 0, 0, 20, 1),
            (Part::Train, 0, 3, 40, 1),
            (Part::Valid, 1, 1, 40, 1),
            (Part::Test, 0, 1, 50, 3),
        ];
        let scope = FitScope::of_examples(&dataset(&LINES, true), &examples(&rows));
        assert_eq!((scope.kind(), scope.labels_before()), (ScopeKind::ExamplesInTime, Some(40)));
        assert_eq!(scope.chosen_before(), Some(50));
        // The second event of u0 is known at 45 only, and the third stands behind it.
        assert_eq!(scope.ends(), [1, 4]);
        assert_eq!(scope.counts(), [1, 0, 0, 1, 0, 0]);
        // Item 2 was shown, item 1 is first seen too late, item 4 is born in time.
        assert_eq!(scope.known(), [true, false, true, true, true, false]);
    }

    #[test]
    fn examples_at_random_end_at_each_users_first_that_is_held_out() {
        let rows = [
            (Part::Train, 0, 0, 10, 0),
            (Part::Test, 1, 3, 12, 0),
            (Part::Train, 0, 1, 30, 2),
            (Part::Valid, 0, 2, 36, 3),
            (Part::Train, 1, 0, 41, 1),
        ];
        for timed in [true, false] {
            let scope = FitScope::of_examples(&dataset(&LINES, timed), &examples(&rows));
            assert_eq!((scope.kind(), scope.labels_before()), (ScopeKind::ExamplesByUser, None));
            // u0 reads two events in training and is held out at the third; u1 is held out from the start.
            assert_eq!(scope.ends(), [2, 3]);
            assert_eq!(scope.known(), [true; 6]);
        }
        let one_time = rows.map(|(part, user, item, _, end)| (part, user, item, 50, end));
        let ordered = [Part::Train, Part::Train, Part::Train, Part::Valid, Part::Test];
        let ordered: Vec<Row> =
            one_time.iter().zip(ordered).map(|(row, part)| (part, row.1, row.2, row.3, row.4)).collect();
        let scope = FitScope::of_examples(&dataset(&LINES, true), &examples(&ordered));
        assert_eq!(scope.kind(), ScopeKind::ExamplesByUser, "rows of one time have no order");
        let all = FitScope::of_examples(&dataset(&LINES, false), &examples(&rows[..1]));
        assert_eq!(all.ends(), [3, 5], "nothing is held out");
    }

    #[test]
    fn a_split_in_time_leaves_out_what_was_not_known_at_its_cut() {
        let dataset = dataset(&LINES, true);
        let mut split = Split::new(&dataset, SplitKind::Time).unwrap();
        split.cuts = Some([36.0, 40.0]);
        split.train_ends = vec![3, 3];
        assert_eq!(FitScope::of_split(&dataset, &split).ends(), [1, 3]);
        let last = Split::new(&dataset, SplitKind::LeaveOneOut).unwrap();
        assert_eq!(FitScope::of_split(&dataset, &last).ends(), [1, 3]);
    }
}
