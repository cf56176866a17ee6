//! The numeric features of a request, and the state they are read from: counts, affinities, effects of contents; beside them the
//! histogram of similarities, the history's length and age, and the likeness to items that the context names.
//!
//! [`FeatureState`] knows no data set. Training replays its log through it ([`FeatureStore`](super::store::FeatureStore)), a server
//! goes on with the saved state; both call the same functions, so features are the same to the bit.
//!
//! ```text
//! observe(label)*          labels that became known
//! refresh()                fits effects again where it is due
//! features(requests)       what the model reads; changes nothing
//! shown(request, number)   which of them was shown
//! ```

use super::affinity::{self, Neighbours};
use super::counts::{CountSizes, CountState, Expected, LabelEvent, Learned, Subject};
use super::effects::{ContentEffects, OF_TASTE, Residuals};
use super::histogram::{self, Seen};
use super::items::Items;
use super::request::{Reading, Request};
use super::settings::PointwiseSettings;
use semrank_core::UserId;
use semrank_data::DAY_MS;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Impressions after which [`FeatureState::refresh`] checks whether effects must be fitted again.
pub(crate) const LOOK_EVERY: usize = 256;
/// Length of the history, and its age.
const OF_HISTORY: usize = 2;

/// What labels and contents say at one moment.
#[derive(Debug, Clone)]
pub struct FeatureState {
    pub(super) items: Arc<Items>,
    pub(super) reading: Reading,
    pub(super) counts: Option<CountState>,
    pub(super) neighbours: Option<Neighbours>,
    pub(super) effects: Option<ContentEffects>,
    /// What users had labelled when they were shown something, since the last look.
    pub(super) views: HashMap<u32, Arc<View>>,
    /// Impressions since the last look.
    pub(super) shown: usize,
}

/// What is read of a history at a moment.
#[derive(Debug)]
pub(crate) struct HistoryParts {
    seen: Vec<Seen>,
    of_history: [f32; OF_HISTORY],
}

/// A user's taste, from its labels.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// Labels of the user by then.
    pub(super) labelled: u32,
    pub(super) residuals: Residuals,
    weights: OnceLock<Vec<f32>>,
}

impl View {
    pub(super) fn new(labelled: u32, residuals: Residuals) -> Self {
        Self { labelled, residuals, weights: OnceLock::new() }
    }
}

impl FeatureState {
    /// Nothing observed yet; `compares` is whether items are compared by the labels they share.
    pub(crate) fn new(
        items: Arc<Items>,
        reading: Reading,
        sizes: CountSizes,
        settings: &PointwiseSettings,
        compares: bool,
    ) -> Self {
        let contents = items.width() > 0;
        Self {
            counts: settings.counts.then(|| CountState::new(sizes, settings)),
            neighbours: compares.then(Neighbours::default),
            effects: (contents && settings.counts).then(|| ContentEffects::new(&items, sizes.conversions)),
            items,
            reading,
            views: HashMap::new(),
            shown: 0,
        }
    }

    /// Features of a request.
    pub fn width(&self) -> usize {
        let contents = self.items.width() > 0;
        self.counted_width()
            + if self.compares_contents() { histogram::WIDTH } else { 0 }
            + if self.effects.is_some() { OF_TASTE } else { 0 }
            + if contents { self.reading.related } else { 0 }
            + OF_HISTORY
    }

    /// Those that depend on labels of other rows.
    pub(crate) fn counted_width(&self) -> usize {
        self.counts.as_ref().map_or(0, CountState::width)
            + if self.neighbours.is_some() { affinity::OF_LABELS } else { 0 }
            + self.effects.as_ref().map_or(0, ContentEffects::width)
    }

    /// Makes room for `users` users and for the items of a longer table, whose first rows are those of before.
    ///
    /// # Panics
    /// When the table is shorter or its contents have another width.
    pub fn grow(&mut self, users: usize, items: Arc<Items>) {
        let (old, new) = (&self.items, &items);
        assert!(new.len() >= old.len() && new.width() == old.width(), "items of another catalogue");
        self.counts.iter_mut().for_each(|counts| counts.grow(users, items.len()));
        if new.len() > old.len() {
            self.effects.iter_mut().for_each(|effects| effects.grow(&items));
        }
        self.items = items;
    }

    /// A label is known. Returns whether it was waited for: one of an impression that was not shown, was forgotten, or has this label
    /// already, changes nothing.
    pub fn observe(&mut self, event: LabelEvent) -> bool {
        let neighbours = &mut self.neighbours;
        let learned = |learned: Learned| neighbours.iter_mut().for_each(|pairs| pairs.learn(learned));
        self.counts.as_mut().is_some_and(|counts| counts.observe(event, learned))
    }

    /// No label of an impression is to come any more: frees its place.
    pub fn forget(&mut self, impression: u64) {
        self.counts.iter_mut().for_each(|counts| counts.forget(impression));
    }

    /// Fits effects again if at least 256 impressions were shown since the last look and labels have grown by a tenth. To be called
    /// before features are read; costs nothing where it is not due.
    pub fn refresh(&mut self) {
        if self.is_due() {
            self.look(false);
        }
    }

    /// Whether [`FeatureState::refresh`] would look.
    pub fn is_due(&self) -> bool {
        self.shown >= LOOK_EVERY
    }

    /// Forgets what a user did; sums over many users stay.
    pub fn forget_user(&mut self, user: UserId) {
        self.counts.iter_mut().for_each(|counts| counts.forget_user(user.0));
        self.views.remove(&user.0);
    }

    /// The same, due or not; `at_once` fits even where labels have hardly grown.
    pub(crate) fn look(&mut self, at_once: bool) {
        self.shown = 0;
        self.views.clear();
        if let (Some(counts), Some(effects)) = (&self.counts, &mut self.effects) {
            effects.fit(&self.items, counts, at_once);
        }
    }

    /// A request was shown. Its labels will be observed under the number `impression`; none where they never will.
    pub fn shown(&mut self, request: &Request, impression: Option<u64>) {
        self.view(request.user.0);
        let expected = self.push_counted(request, None, &mut Vec::new());
        self.wait(request, impression.zip(expected));
    }

    /// Waits for the labels of a request that was shown, of which something was expected.
    pub(crate) fn wait(&mut self, request: &Request, impression: Option<(u64, Expected)>) {
        self.shown += 1;
        if let (Some(counts), Some((impression, expected))) = (&mut self.counts, impression) {
            counts.shown(impression, Subject::of(request, &self.items), expected);
        }
    }

    /// What a user has labelled so far, kept for all that the user is shown until the next look or label.
    pub(crate) fn view(&mut self, user: u32) -> Option<Arc<View>> {
        let view = self.view_of(user)?;
        self.views.insert(user, view.clone());
        Some(view)
    }

    /// The same, not kept.
    fn view_of(&self, user: u32) -> Option<Arc<View>> {
        let (counts, effects) = (self.counts.as_ref()?, self.effects.as_ref()?);
        let labelled = counts.pasts().remembered(user);
        let kept = self.views.get(&user).filter(|view| view.labelled == labelled).cloned();
        let residuals = || effects.residuals(&self.items, counts, counts.pasts().of(user));
        Some(kept.unwrap_or_else(|| Arc::new(View::new(labelled, residuals()))))
    }

    /// Appends the features of requests, `[requests x width]`. Requests of one user and moment are best given one after another.
    pub fn features(&self, requests: &[Request], out: &mut Vec<f32>) {
        for group in same_pasts(requests) {
            let (view, parts) = (self.view_of(group[0].user.0), self.history_parts(&group[0]));
            let histograms = self.histograms(&parts, group);
            let of_labels = self.of_labels(group);
            for (at, request) in group.iter().enumerate() {
                self.push_counted(request, of_labels.get(at), out);
                let from = out.len();
                out.resize(from + self.width() - self.counted_width(), 0.0);
                let histogram = histograms.get(at * histogram::WIDTH..).unwrap_or(&[]);
                self.fill_compared(request, view.as_deref(), (&parts, histogram), &mut out[from..]);
            }
        }
    }

    /// Histograms of requests that have one history, `[requests x histogram::WIDTH]`; empty where none is read.
    pub(crate) fn histograms(&self, parts: &HistoryParts, requests: &[Request]) -> Vec<f32> {
        if !self.compares_contents() {
            return Vec::new();
        }
        let items: Vec<u32> = requests.iter().map(|request| request.item.0).collect();
        histogram::histograms(&self.items, &parts.seen, &items)
    }

    fn compares_contents(&self) -> bool {
        self.reading.histories && self.items.width() > 0
    }

    /// What is read of a request's history, whatever the candidate.
    pub(crate) fn history_parts(&self, request: &Request) -> HistoryParts {
        let (items, reading) = (&self.items, &self.reading);
        let request = &Request { events: reading.window(items, request.events), ..*request };
        let events = &request.events;
        let seen = |at: usize| {
            let days = reading.ages.then(|| days(request, at));
            let place = reading.places.then(|| (events.len() - 1 - at) as f32);
            Seen::new(items, events.item(at), [days, place], reading.dwell(events, at))
        };
        let read = (0..events.len()).filter(|&at| reading.reads(items, events.item(at)));
        HistoryParts {
            seen: if self.compares_contents() { read.map(seen).collect() } else { Vec::new() },
            of_history: self.of_history(request),
        }
    }

    /// [`Neighbours::of_labels`] of requests of one user; empty where items are not compared by labels.
    fn of_labels(&self, requests: &[Request]) -> Vec<[f32; affinity::OF_LABELS]> {
        let (Some(counts), Some(neighbours)) = (&self.counts, &self.neighbours) else { return Vec::new() };
        let items: Vec<u32> = requests.iter().map(|request| request.item.0).collect();
        neighbours.of_labels_of(counts.pasts().of(requests[0].user.0), &items)
    }

    /// Appends the features that depend on labels of other rows; returns what is expected of the request, where labels are counted.
    /// `of_labels` are those of the neighbours, where they are known already.
    pub(crate) fn push_counted(
        &self,
        request: &Request,
        of_labels: Option<&[f32; affinity::OF_LABELS]>,
        out: &mut Vec<f32>,
    ) -> Option<Expected> {
        let counts = self.counts.as_ref()?;
        let item = request.item.0;
        let expected = counts.read(&Subject::of(request, &self.items), out);
        if let Some(neighbours) = &self.neighbours {
            let of_past = || neighbours.of_labels(counts.pasts().of(request.user.0), item);
            out.extend(of_labels.copied().unwrap_or_else(of_past));
        }
        if let Some(effects) = &self.effects {
            effects.push(counts, item, out);
        }
        Some(expected)
    }

    /// Fills in the rest: taste, and what is a function of one request and its history.
    pub(crate) fn fill_compared(
        &self,
        request: &Request,
        view: Option<&View>,
        (parts, histogram): (&HistoryParts, &[f32]),
        out: &mut [f32],
    ) {
        let mut out = Fill { out };
        if let (Some(effects), Some(view)) = (&self.effects, view) {
            let weights = view.weights.get_or_init(|| effects.weights(&view.residuals));
            out.take(OF_TASTE)[0] = effects.taste(weights, request.item.0);
        }
        if self.items.width() > 0 {
            self.fill_likeness(request, histogram, &mut out);
        }
        out.take(OF_HISTORY).copy_from_slice(&parts.of_history);
    }

    fn fill_likeness(&self, request: &Request, histogram: &[f32], out: &mut Fill) {
        let (items, reading, item) = (&self.items, &self.reading, request.item.0);
        if reading.histories {
            out.take(histogram::WIDTH).copy_from_slice(&histogram[..histogram::WIDTH]);
        }
        for other in reading.related(request) {
            let likeness = |other| semrank_nn::kernel::dot(items.content(other), items.content(item));
            out.take(1)[0] = other.map_or(0.0, likeness);
        }
    }

    /// Length and age of the history.
    fn of_history(&self, request: &Request) -> [f32; OF_HISTORY] {
        let (reading, events) = (&self.reading, &request.events);
        let mut newest = (0..events.len()).rev().filter(|&at| reading.reads(&self.items, events.item(at)));
        let last = newest.next();
        let length = newest.count() + usize::from(last.is_some());
        let age = last.filter(|_| reading.ages).map_or(0.0, |last| 1.0 / (1.0 + days(request, last)));
        [(length as f32).ln_1p() / 4.0, age]
    }
}

/// Candidates that follow each other and are shown to one user at one moment: what is read of the history is the same for all.
pub(crate) fn same_pasts<'s, 'r>(requests: &'s [Request<'r>]) -> impl Iterator<Item = &'s [Request<'r>]> {
    requests.chunk_by(|a, b| a.user == b.user && a.has_past_of(b))
}

/// Age of an event in days.
fn days(request: &Request, at: usize) -> f32 {
    request.time.saturating_sub(request.events.history.times[at]).max(0) as f32 / DAY_MS as f32
}

/// Hands out parts of a row, one after another.
struct Fill<'a> {
    out: &'a mut [f32],
}

impl<'a> Fill<'a> {
    fn take(&mut self, len: usize) -> &'a mut [f32] {
        let (part, rest) = std::mem::take(&mut self.out).split_at_mut(len);
        self.out = rest;
        part
    }
}
