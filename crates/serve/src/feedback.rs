//! Late feedback: impressions, clicks and conversions of the log in, labels out, each when it is known and not before, as in training
//! (the rules of `semrank-prep`, the times of `semrank_data::Labels`).
//!
//! An impression is shown to the click model's features when its event comes. Its label 0 is due when the click window is over, a click
//! when the log has it; of a click, its conversion, and the end of its attribution window. What is due is taken in before the next
//! impression or request, so that a score depends on the log, whose answers say when they were made, and on the moment.

use crate::Event;
use crate::event::{IMPRESSION, key, key_of_id};
use semrank_core::ItemId;
use semrank_pipeline::ranking::ClickRanking;
use semrank_pipeline::response::{Coming, Windows};
use semrank_response::{ContextValue, Label, LabelEvent};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const CLICK: &str = "click";
const CONVERSION: &str = "conversion";
/// Places of labels that are known at the same moment, as `semrank_response::labels_of` orders them; the last forgets the impression.
const FIRST: u8 = 0;
const LATE_CLICK: u8 = 1;
const CONVERTED: u8 = 2;
const MATURED: u8 = 3;
const CLOSED: u8 = 4;
/// A time further ahead of the moment of receipt is a wrong clock's (the default of `prep.clock_tolerance_seconds`).
const CLOCK_TOLERANCE_MS: i64 = 5_000;

/// What tells how features were at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Labels known before this moment (ms UTC) were taken in.
    pub known_before: i64,
    /// Changes of the features so far, in this process.
    pub version: u64,
    /// Whether the features are of nothing but the log and the data set.
    pub is_of_log: bool,
}

/// Impressions that wait for labels, and the features that learn of them.
pub(crate) struct Feedback {
    ranking: Arc<ClickRanking>,
    /// Whether sums have what somebody did who is in the log no more: a replay cannot have it.
    has_forgotten: AtomicBool,
    waiting: Mutex<Waiting>,
}

struct Waiting {
    windows: Windows,
    convertible: bool,
    /// How long after its windows a click or conversion of an impression may still be received.
    late_ms: i64,
    /// By number.
    impressions: HashMap<u64, Impression>,
    /// Numbers of impressions, by the keys of their own events and of those of their clicks.
    shown: HashMap<u128, u64>,
    clicked: HashMap<u128, u64>,
    /// Impressions of a user and an item, by their times.
    of_pair: HashMap<u128, Vec<u64>>,
    /// What is due, by the moment before which it is not known, impression and place.
    due: BTreeMap<(i64, u64, u8), Option<Label>>,
    next: u64,
    /// Impressions before this one are of the run's data set, whose events have no names here.
    named_from: u64,
    known_before: i64,
}

struct Impression {
    pair: u128,
    user: u128,
    time: i64,
    /// When the click that counts happened, and when the log had it.
    click: Option<[i64; 2]>,
    names: Vec<u128>,
}

impl Feedback {
    /// Goes on from what the click model has seen.
    pub(crate) fn new(
        ranking: Arc<ClickRanking>,
        (coming, late_ms): (Coming, i64),
        name: impl Fn(ItemId) -> String,
    ) -> Self {
        let mut waiting = Waiting {
            windows: coming.windows,
            convertible: coming.convertible,
            late_ms,
            impressions: HashMap::new(),
            shown: HashMap::new(),
            clicked: HashMap::new(),
            of_pair: HashMap::new(),
            due: BTreeMap::new(),
            next: coming.next_impression,
            named_from: coming.next_impression,
            known_before: coming.begins,
        };
        for one in coming.impressions {
            waiting.open(one.impression, &one.user, &name(one.item), one.time);
            if let (Some(click), Some(opened)) = (one.click, waiting.impressions.get_mut(&one.impression)) {
                opened.click = Some(click);
            }
        }
        for (known, LabelEvent { impression, label }) in coming.labels {
            waiting.due.insert((known, impression, place_of(label)), Some(label));
        }
        Self { ranking, has_forgotten: AtomicBool::new(false), waiting: Mutex::new(waiting) }
    }

    /// Takes in what is known before a moment (ms UTC).
    pub(crate) fn advance(&self, moment: i64) -> Mark {
        let mut waiting = self.waiting();
        self.take_in(&mut waiting, moment);
        Mark {
            known_before: waiting.known_before,
            version: self.ranking.clicks().version(),
            is_of_log: !self.has_forgotten.load(Ordering::Relaxed),
        }
    }

    /// Takes in an event; `row` is the item's, where it is known. Returns whether it was read.
    pub(crate) fn event(&self, event: &Event, row: impl FnOnce() -> Option<u32>) -> bool {
        let time = match event.timestamp > event.received_at.saturating_add(CLOCK_TOLERANCE_MS) {
            true => event.received_at,
            false => event.timestamp,
        };
        let mut waiting = self.waiting();
        match event.action.as_str() {
            IMPRESSION => {
                self.take_in(&mut waiting, time.min(event.received_at));
                let clicks = self.ranking.clicks();
                let Some(row) = row().filter(|&row| (row as usize) < clicks.items()) else { return false };
                let number = waiting.next;
                waiting.next += 1;
                let slot = event.integer("slot").and_then(|slot| u16::try_from(slot.checked_sub(1)?).ok());
                clicks.shown(&event.user_id, (ItemId(row), slot), Some(number));
                waiting.open(number, &event.user_id, &event.item_id, time);
                if let (Some(id), Some(one)) = (&event.event_id, waiting.impressions.get_mut(&number)) {
                    one.names.push(key_of_id(id));
                    waiting.shown.insert(key_of_id(id), number);
                }
                true
            }
            CLICK => waiting.click(event, time),
            CONVERSION => waiting.conversion(event, time),
            _ => false,
        }
    }

    /// Forgets a user.
    pub(crate) fn forget(&self, user: &str) {
        self.has_forgotten.store(true, Ordering::Relaxed);
        let mut waiting = self.waiting();
        let key = key(&[user.as_bytes()]);
        let of_user = waiting.impressions.iter().filter(|(_, one)| one.user == key);
        let numbers: Vec<u64> = of_user.map(|(&number, _)| number).collect();
        numbers.into_iter().for_each(|number| waiting.close(number));
        self.ranking.clicks().forget_users(|name| name == user);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_in(&self, waiting: &mut Waiting, moment: i64) {
        let (clicks, mut labels, mut closed) = (self.ranking.clicks(), Vec::new(), Vec::new());
        while let Some(entry) = waiting.due.first_entry()
            && entry.key().0 < moment
        {
            let ((_, impression, _), label) = entry.remove_entry();
            match label {
                Some(label) => labels.push(LabelEvent { impression, label }),
                None => {
                    waiting.close(impression);
                    closed.push(impression);
                }
            }
        }
        clicks.settle(&labels, &closed);
        waiting.known_before = waiting.known_before.max(moment);
        clicks.refresh();
    }
}

impl Waiting {
    fn logged(&self, time: i64) -> i64 {
        time.saturating_add(self.windows.logging)
    }

    /// Waits for the labels of an impression.
    fn open(&mut self, number: u64, user: &str, item: &str, time: i64) {
        let pair = pair(user, item);
        let one = Impression { pair, user: key(&[user.as_bytes()]), time, click: None, names: Vec::new() };
        let waited = time.saturating_add(self.windows.click);
        if number >= self.named_from {
            self.due.insert((self.logged(waited), number, FIRST), Some(Label::NotClicked));
        }
        let closed = waited.saturating_add(self.windows.conversion).saturating_add(self.late_ms);
        self.due.insert((self.logged(closed), number, CLOSED), None);
        self.impressions.insert(number, one);
        let before = |other: &u64| self.impressions.get(other).is_none_or(|other| other.time <= time);
        let of_pair = self.of_pair.entry(pair).or_default();
        of_pair.insert(of_pair.partition_point(before), number);
    }

    fn close(&mut self, number: u64) {
        let Some(one) = self.impressions.remove(&number) else { return };
        for name in &one.names {
            self.shown.remove(name);
            self.clicked.remove(name);
        }
        if let Some(of_pair) = self.of_pair.get_mut(&one.pair) {
            of_pair.retain(|&other| other != number);
            if of_pair.is_empty() {
                self.of_pair.remove(&one.pair);
            }
        }
    }

    /// The impression that an event belongs to: that of the event which it names among `named`, else the last of its user and item that
    /// `fits`. An event of the run's data set has no name here: whoever names one belongs to the last impression that is of the data set.
    fn parent(
        &self,
        event: &Event,
        named: &HashMap<u128, u64>,
        fits: impl Fn(&Impression) -> bool,
    ) -> Option<u64> {
        let pair = pair(&event.user_id, &event.item_id);
        let parent = event.text("parent_event_id");
        if let Some(number) = parent.and_then(|parent| named.get(&key_of_id(parent))) {
            return Some(*number)
                .filter(|number| self.impressions.get(number).is_some_and(|one| one.pair == pair));
        }
        let mut of_pair = self.of_pair.get(&pair)?.iter().rev().copied();
        of_pair.find(|number| {
            (parent.is_none() || *number < self.named_from) && self.impressions.get(number).is_some_and(&fits)
        })
    }

    fn click(&mut self, event: &Event, time: i64) -> bool {
        let Some(number) = self.parent(event, &self.shown, |one| one.time <= time) else { return false };
        let Some(impression) = self.impressions.get_mut(&number) else { return false };
        let (shown, is_first) = (impression.time, impression.click.is_none());
        // Whatever the clocks say, a click is not before the impression that it names.
        let time = if event.text("parent_event_id").is_some() { time.max(shown) } else { time };
        if time.saturating_sub(shown) > self.windows.click {
            return false;
        }
        if let Some(id) = &event.event_id {
            impression.names.push(key_of_id(id));
            self.clicked.insert(key_of_id(id), number);
        }
        if is_first {
            let received = event.received_at.max(time);
            impression.click = Some([time, received]);
            let (known, waited) =
                (self.logged(received), self.logged(shown.saturating_add(self.windows.click)));
            let place = if known <= waited { FIRST } else { LATE_CLICK };
            let convertible = self.convertible;
            self.due.insert((known, number, place), Some(Label::Clicked { convertible }));
            if convertible {
                let over = time.saturating_add(self.windows.conversion).max(received);
                self.due.insert((self.logged(over), number, MATURED), Some(Label::Matured));
            }
        }
        is_first
    }

    fn conversion(&mut self, event: &Event, time: i64) -> bool {
        let is_clicked = |one: &Impression| one.click.is_some_and(|[click, _]| click <= time);
        let Some(number) = self.parent(event, &self.clicked, is_clicked) else { return false };
        let Some([click, received]) = self.impressions.get(&number).and_then(|one| one.click) else {
            return false;
        };
        let time = if event.text("parent_event_id").is_some() { time.max(click) } else { time };
        if !self.convertible || time.saturating_sub(click) > self.windows.conversion {
            return false;
        }
        let known = self.logged(event.received_at.max(time).max(received));
        self.due.entry((known, number, CONVERTED)).or_insert(Some(Label::Converted));
        true
    }
}

fn pair(user: &str, item: &str) -> u128 {
    key(&[user.as_bytes(), item.as_bytes()])
}

fn place_of(label: Label) -> u8 {
    match label {
        Label::Clicked { .. } | Label::NotClicked => FIRST,
        Label::Converted => CONVERTED,
        Label::Matured => MATURED,
    }
}

/// A value of a context column.
pub(crate) fn value(value: &Value) -> Option<ContextValue<'_>> {
    match value {
        Value::String(text) => Some(ContextValue::Text(text)),
        other => other.as_i64().map(ContextValue::Integer),
    }
}
