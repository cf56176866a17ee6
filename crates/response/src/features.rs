//! The numeric features of every row, made in time order: counts, affinities, effects of contents, the histogram of similarities,
//! the history's length and age, and the likeness to items that the context names.
//!
//! Counts need the rows in order and run on one thread; what compares contents is a function of one row and runs on all. Rows are
//! made a chunk at a time, and those that no one asks for again are forgotten: in one pass a row after its last lesson
//! ([`FeatureStore::release`]), a row that was scored for good with all before it ([`FeatureStore::release_up_to`]). So a long log
//! needs the memory of its attribution window only.

use super::affinity::{self, Neighbours};
use super::counts::{Counts, Learned};
use super::effects::{ContentEffects, OF_TASTE, Residuals};
use super::histogram;
use super::lessons::Plan;
use super::rows::RowData;
use super::settings::PointwiseSettings;
use rayon::prelude::*;
use semrank_core::narrow;
use semrank_data::{DAY_MS, Part};
use std::collections::HashMap;

/// Rows made at a time, between which effects may be fitted anew.
const CHUNK: usize = 256;
/// Length of the history, and its age.
const OF_HISTORY: usize = 2;
const GONE: u32 = u32::MAX;

/// Features of rows, made when they are asked for.
#[derive(Debug)]
pub(crate) struct FeatureStore<'a> {
    data: RowData<'a>,
    plan: Plan<'a>,
    counts: Option<Counts<'a>>,
    neighbours: Option<Neighbours>,
    /// Whether there are none because of the number of rows.
    lacks_neighbours: bool,
    effects: Option<ContentEffects<'a>>,
    width: usize,
    counted: usize,
    /// Rows made so far.
    made: usize,
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
    pub(crate) fn new(data: RowData<'a>, plan: Plan<'a>, settings: &'a PointwiseSettings) -> Self {
        let rows = data.examples.len();
        let counts = settings
            .counts
            .then(|| Counts::new(plan.labels, data.tables.advertisers, data.tables.kinds.len(), settings));
        let compares = settings.neighbours && settings.counts && settings.affinity > 0;
        let neighbours = (compares && rows < settings.neighbour_rows).then(Neighbours::default);
        let contents = data.tables.width() > 0;
        let effects = (contents && settings.counts)
            .then(|| ContentEffects::new(data.tables, plan.labels.has_conversions()));
        let counted = counts.as_ref().map_or(0, Counts::width)
            + if neighbours.is_some() { affinity::OF_LABELS } else { 0 }
            + effects.as_ref().map_or(0, ContentEffects::width);
        let width = counted
            + if contents && settings.reads_history { histogram::WIDTH } else { 0 }
            + if effects.is_some() { OF_TASTE } else { 0 }
            + if contents { data.related.len() } else { 0 }
            + OF_HISTORY;
        Self {
            data,
            plan,
            lacks_neighbours: compares && neighbours.is_none(),
            counts,
            neighbours,
            effects,
            width,
            counted,
            made: 0,
            released: 0,
            places: vec![GONE; rows],
            values: Vec::new(),
            free: Vec::new(),
            scores_only: false,
        }
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

    /// Forgets the training rows: those are left of which no lesson is given, as their labels are known too late.
    pub(crate) fn release_training(&mut self) {
        let examples = self.data.examples;
        examples.rows(Part::Train).for_each(|row| self.release(row));
    }

    fn make_chunk(&mut self) {
        let rows = self.made..self.chunk_end();
        self.fit_effects(rows.start);
        let mut counted = Vec::with_capacity(rows.len() * self.counted);
        let mut views = Views::default();
        for row in rows.clone() {
            let Some(counts) = &mut self.counts else { break };
            let (neighbours, item) = (&mut self.neighbours, self.data.examples.items[row].0);
            counts.push(row, &mut counted, |learned| learn(neighbours, learned));
            if let Some(neighbours) = neighbours {
                counted.extend(neighbours.of_labels(counts.past(row), item));
            }
            let Some(effects) = &self.effects else { continue };
            effects.push(counts, item, &mut counted);
            views.push(effects, counts, row, self.data.examples.users[row].0);
        }
        let effects = self.effects.as_ref();
        let weigh = |residuals| effects.map_or(Vec::new(), |effects| effects.weights(residuals));
        let weights: Vec<Vec<f32>> = views.residuals.par_iter().map(weigh).collect();
        let (width, wide, data) = (self.width, self.counted, self.data);
        let mut made = vec![0.0f32; rows.len() * width];
        made.par_chunks_mut(width).enumerate().with_min_len(64).for_each(|(at, out)| {
            let (before, mut rest) = out.split_at_mut(wide);
            before.copy_from_slice(&counted[at * wide..][..wide]);
            let row = rows.start + at;
            if let Some(effects) = effects {
                let (taste, others) = rest.split_at_mut(OF_TASTE);
                taste[0] = effects.taste(&weights[views.of_rows[at]], data.examples.items[row].0);
                rest = others;
            }
            data.fill(row, rest);
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
        let end = (self.made + CHUNK).min(self.places.len());
        match self.counts.as_ref().map(Counts::release_at) {
            Some(at) if self.made < at => end.min(at),
            _ => end,
        }
    }

    /// Fits effects to what is known before `row`.
    fn fit_effects(&mut self, row: usize) {
        if let (Some(counts), Some(effects)) = (&mut self.counts, &mut self.effects) {
            let neighbours = &mut self.neighbours;
            counts.arrive(row, |learned| learn(neighbours, learned));
            effects.fit(counts, row == counts.release_at());
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

/// What users have labelled, as the rows of a chunk see it: once for rows that see the same.
#[derive(Debug, Default)]
struct Views {
    residuals: Vec<Residuals>,
    /// One a row, a place in `residuals`.
    of_rows: Vec<usize>,
    /// The newest of each user, and what it had labelled by then.
    newest: HashMap<u32, (u32, usize)>,
}

impl Views {
    fn push(&mut self, effects: &ContentEffects, counts: &Counts, row: usize, user: u32) {
        let labelled = counts.remembered(row);
        let seen = self.newest.get(&user).filter(|(then, _)| *then == labelled);
        let view = seen.map_or(self.residuals.len(), |&(_, view)| view);
        if view == self.residuals.len() {
            self.residuals.push(effects.residuals(counts, counts.past(row)));
            self.newest.insert(user, (labelled, view));
        }
        self.of_rows.push(view);
    }
}

fn learn(neighbours: &mut Option<Neighbours>, learned: Learned) {
    if let Some(neighbours) = neighbours {
        neighbours.learn(learned);
    }
}

impl RowData<'_> {
    /// What is a function of one row and its history.
    fn fill(&self, row: usize, out: &mut [f32]) {
        let (item, tables) = (self.examples.items[row].0, &self.tables);
        let history = self.history(row);
        let mut out = Fill { out };
        if tables.width() > 0 {
            if self.settings.reads_history {
                let part = out.take(histogram::WIDTH);
                let events = history.clone().filter(|&event| self.reads(event));
                let seen = events.map(|event| self.seen(row, event, history.end));
                histogram::histogram(tables, seen, item, part);
            }
            for column in 0..self.related.len() {
                out.take(1)[0] = self.related_item(column, row).map_or(0.0, |other| {
                    semrank_nn::kernel::dot(tables.content(other), tables.content(item))
                });
            }
        }
        let mut newest_first = history.rev().filter(|&event| self.reads(event));
        let last = newest_first.next();
        let length = newest_first.count() + usize::from(last.is_some());
        let age = match last {
            Some(last) if self.reads_ages() => {
                let days = (self.examples.times[row] - self.log.times()[last]).max(0) as f32 / DAY_MS as f32;
                1.0 / (1.0 + days)
            }
            _ => 0.0,
        };
        out.take(OF_HISTORY).copy_from_slice(&[(length as f32).ln_1p() / 4.0, age]);
    }
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
