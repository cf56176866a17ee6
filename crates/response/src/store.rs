//! The features of every row of the examples, made in time order by a replay of the log through [`FeatureState`].
//!
//! Counts need the rows in order and run on one thread; what compares contents is a function of one row and runs on all. Rows are
//! made a chunk at a time, and those that no one asks for again are forgotten: in one pass a row after its last sample
//! ([`FeatureStore::release`]), a row that was scored for good with all before it ([`FeatureStore::release_up_to`]). So a long log
//! needs the memory of its attribution window only.
//!
//! What a run keeps is the state just before the first row that follows training and validation ([`FeatureStore::snapshot`]):
//! a replay of later rows and labels through it reads what the evaluation read.

use super::counts::CountSizes;
use super::features::{FeatureState, LOOK_EVERY, same_pasts};
use super::histogram;
use super::items::Items;
use super::replay::Replay;
use super::request::Request;
use super::rows::RowData;
use super::samples::{Plan, Timed};
use super::settings::PointwiseSettings;
use rayon::prelude::*;
use semrank_core::narrow;
use semrank_data::Part;
use std::sync::Arc;

const GONE: u32 = u32::MAX;
/// Requests of several candidates that a thread takes at least.
const MIN_GROUPS: usize = 16;

/// Features of rows, made when they are asked for.
#[derive(Debug)]
pub(crate) struct FeatureStore<'a> {
    data: RowData<'a>,
    plan: Plan<'a>,
    state: FeatureState,
    /// None where no labels are counted.
    replay: Option<Replay<'a>>,
    /// The state before the first row that follows training and validation, if the replay went on from there.
    snapshot: Option<Box<FeatureState>>,
    /// Whether there are no neighbours because of the number of rows.
    lacks_neighbours: bool,
    width: usize,
    /// Rows made so far, and the row up to whose time labels were observed.
    made: usize,
    begun: Option<usize>,
    /// Rows before this one are forgotten.
    released: usize,
    /// Place of each row's features.
    places: Vec<u32>,
    values: Vec<f32>,
    free: Vec<u32>,
    /// Whether training rows are made only for what they teach later rows.
    scores_only: bool,
}

impl<'a> FeatureStore<'a> {
    /// Nothing made yet.
    pub(crate) fn new(
        data: RowData<'a>,
        plan: Plan<'a>,
        items: &Arc<Items>,
        settings: &PointwiseSettings,
    ) -> Self {
        let (examples, rows) = (data.examples, data.examples.len());
        let slots = examples.slots.iter().filter(|&&slot| slot != u16::MAX).max();
        let sizes = CountSizes {
            users: examples.user_names.len(),
            items: items.len(),
            advertisers: items.advertiser_count(),
            slots: slots.map_or(0, |&most| most as usize + 1),
            impressions: rows,
            conversions: plan.labels.has_conversions(),
        };
        let compares = settings.neighbours && settings.counts && settings.affinity > 0;
        let neighbours = compares && rows < settings.neighbour_rows;
        let state = FeatureState::new(items.clone(), data.reading, sizes, settings, neighbours);
        Self {
            data,
            plan,
            width: state.width(),
            state,
            replay: settings.counts.then(|| Replay::new(plan.labels, settings.known)),
            snapshot: None,
            lacks_neighbours: compares && !neighbours,
            made: 0,
            begun: None,
            released: 0,
            places: vec![GONE; rows],
            values: Vec::new(),
            free: Vec::new(),
            scores_only: false,
        }
    }

    /// The state before the first row that follows training and validation.
    ///
    /// # Panics
    /// When the replay is behind that row and kept nothing, as that of a finished model.
    pub(crate) fn snapshot(&mut self) -> &FeatureState {
        let release_at = self.replay.as_ref().map_or(0, Replay::release_at);
        if let Some(last) = release_at.checked_sub(1) {
            self.make_up_to(last);
        }
        if self.made == release_at && release_at < self.places.len() {
            self.begin(release_at);
        }
        if self.snapshot.is_none() && self.replay.is_some() {
            assert!(self.made <= release_at, "a finished model keeps no state of before its test rows");
            self.keep_snapshot();
        }
        self.snapshot.as_deref().unwrap_or(&self.state)
    }

    /// Keeps the state as it is, without what only the rest of the log knows.
    fn keep_snapshot(&mut self) {
        let mut state = Box::new(self.state.clone());
        if let (Some(counts), Some(replay)) = (&mut state.counts, &self.replay) {
            counts.settle(|impression| replay.waits(impression));
        }
        self.snapshot = Some(state);
    }

    /// Keeps no training row from now on: a finished model scores others, and a long log's would fill the memory.
    pub(crate) fn score_only(&mut self) {
        self.scores_only = true;
    }

    /// Rows that the store has room for: the most that were kept at a time.
    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.values.len() / self.width
    }

    /// Rows that are kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.room() - self.free.len()
    }

    /// The state as the replay has left it.
    #[cfg(test)]
    pub(crate) fn state(&self) -> &FeatureState {
        &self.state
    }

    /// Whether the rows are too many for items to be compared by the labels they share.
    pub(crate) fn lacks_neighbours(&self) -> bool {
        self.lacks_neighbours
    }

    /// Features of a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Makes all rows up to `row`.
    pub(crate) fn make_up_to(&mut self, row: usize) {
        while self.made <= row {
            self.make_chunk();
        }
    }

    /// Makes some rows, and all before them.
    pub(crate) fn make_rows(&mut self, rows: &[usize]) {
        rows.iter().max().into_iter().for_each(|&last| self.make_up_to(last));
    }

    /// Makes the rows of samples, and all before them.
    pub(crate) fn make_of(&mut self, samples: &[Timed]) {
        let rows = samples.iter().map(|timed| timed.row as usize);
        rows.max().into_iter().for_each(|last| self.make_up_to(last));
    }

    /// The features of rows that were made and not released, `[rows x width]`.
    pub(crate) fn of_all(&self, rows: &[usize]) -> Vec<f32> {
        rows.iter().flat_map(|&row| self.of(row)).copied().collect()
    }

    /// The features of a row that was made and not released.
    pub(crate) fn of(&self, row: usize) -> &[f32] {
        let place = self.places[row];
        assert!(place != GONE, "the features of row {row} are not kept");
        &self.values[place as usize * self.width..][..self.width]
    }

    /// Forgets a row.
    pub(crate) fn release(&mut self, row: usize) {
        let place = std::mem::replace(&mut self.places[row], GONE);
        if place != GONE {
            self.free.push(place);
        }
    }

    /// Forgets a row and all before it.
    pub(crate) fn release_up_to(&mut self, row: usize) {
        (self.released..=row).for_each(|row| self.release(row));
        self.released = self.released.max(row + 1);
    }

    /// Forgets the training rows: those are left of which no sample is given, as their labels are known too late.
    pub(crate) fn release_training(&mut self) {
        let examples = self.data.examples;
        examples.rows(Part::Train).for_each(|row| self.release(row));
    }

    fn make_chunk(&mut self) {
        let rows = self.made..self.chunk_end();
        self.begin(rows.start);
        if self.replay.as_ref().is_some_and(|replay| replay.release_at() == rows.start) && !self.scores_only {
            self.keep_snapshot();
        }
        let requests: Vec<Request> = rows.clone().map(|row| self.data.request(row)).collect();
        let wide = self.state.counted_width();
        let mut counted = Vec::with_capacity(rows.len() * wide);
        let mut views = Vec::with_capacity(rows.len());
        for (row, request) in rows.clone().zip(&requests) {
            self.observe_before(row);
            let expected = self.state.push_counted(request, None, &mut counted);
            views.push(self.state.view(request.user.0));
            let impression = self.replay.as_mut().and_then(|replay| replay.show(row));
            self.state.wait(request, impression.zip(expected));
        }
        let (width, state) = (self.width, &self.state);
        let mut made = vec![0.0f32; rows.len() * width];
        let mut groups = Vec::new();
        let (mut first, mut left) = (0, made.as_mut_slice());
        for group in same_pasts(&requests) {
            let (out, rest) = left.split_at_mut(group.len() * width);
            groups.push((first, group, out));
            (first, left) = (first + group.len(), rest);
        }
        groups.into_par_iter().with_min_len(MIN_GROUPS).for_each(|(first, group, out)| {
            let parts = state.history_parts(&group[0]);
            let histograms = state.histograms(&parts, group);
            for (at, (request, out)) in group.iter().zip(out.chunks_exact_mut(width)).enumerate() {
                let (before, rest) = out.split_at_mut(wide);
                before.copy_from_slice(&counted[(first + at) * wide..][..wide]);
                let histogram = histograms.get(at * histogram::WIDTH..).unwrap_or(&[]);
                state.fill_compared(request, views[first + at].as_deref(), (&parts, histogram), rest);
            }
        });
        for (row, features) in rows.clone().zip(made.chunks_exact(width)) {
            let train = self.data.examples.parts[row] == Part::Train;
            if !(train && (self.scores_only || self.plan.passes_over(row))) {
                self.keep(row, features);
            }
        }
        self.made = rows.end;
    }

    /// Ends before the first row that sees validation labels, so that effects are fitted to them in time.
    fn chunk_end(&self) -> usize {
        let end = (self.made + LOOK_EVERY).min(self.places.len());
        match self.replay.as_ref().map(Replay::release_at) {
            Some(at) if self.made < at => end.min(at),
            _ => end,
        }
    }

    /// Observes what is known before a chunk's first row, and fits effects to it where that is due.
    fn begin(&mut self, row: usize) {
        if self.begun.replace(row) == Some(row) {
            return;
        }
        self.observe_before(row);
        match &self.replay {
            Some(replay) if replay.release_at() == row => self.state.look(true),
            _ => self.state.refresh(),
        }
    }

    fn observe_before(&mut self, row: usize) {
        let Some(replay) = &mut self.replay else { return };
        while let Some(arrived) = replay.next_before(row) {
            let waited = self.state.observe(arrived.event);
            debug_assert!(waited, "{arrived:?}");
            if arrived.last && !replay.waits(arrived.event.impression) {
                self.state.forget(arrived.event.impression);
            }
        }
    }

    fn keep(&mut self, row: usize, features: &[f32]) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.values.resize(self.values.len() + self.width, 0.0);
            narrow::index(self.values.len() / self.width - 1)
        });
        self.values[place as usize * self.width..][..self.width].copy_from_slice(features);
        self.places[row] = place;
    }
}
