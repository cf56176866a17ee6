//! Pairs of items that stand near each other in training histories, weighted by their distance.

use crate::TrainingData;

/// All weighted pairs of the training events, by source item.
pub(crate) struct Pairs<'a> {
    data: &'a TrainingData<'a>,
    /// Weight of a pair by its distance in events, from 1 on, and how much one counts whose candidate came before.
    kernel: Vec<f64>,
    backward: f64,
    /// Training events of each item: `events[offsets[i]..offsets[i + 1]]`, as (start, at, end) of the user's part.
    offsets: Vec<usize>,
    events: Vec<[usize; 3]>,
}

#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) found: Vec<(u32, f64)>,
}

impl Scratch {
    /// Candidates ascending, with the sum of their weights.
    pub(crate) fn merged(&mut self) -> impl Iterator<Item = (u32, f64)> {
        // A stable sort: weights of one candidate are added in the order they were found.
        self.found.sort_by_key(|entry| entry.0);
        self.found.chunk_by(|a, b| a.0 == b.0).map(|run| (run[0].0, run.iter().map(|entry| entry.1).sum()))
    }
}

impl<'a> Pairs<'a> {
    pub(crate) fn new(data: &'a TrainingData<'a>, kernel: Vec<f64>, backward: f64) -> Self {
        let items = data.events.items();
        let mut offsets = vec![0usize; data.items() + 1];
        let all = || (0..data.train_ends.len()).map(|user| data.range(user));
        all().flatten().for_each(|at| offsets[items[at].index() + 1] += 1);
        (0..data.items()).for_each(|item| offsets[item + 1] += offsets[item]);
        let mut next = offsets.clone();
        let mut events = vec![[0; 3]; *offsets.last().unwrap_or(&0)];
        for range in all() {
            for at in range.clone() {
                let slot = &mut next[items[at].index()];
                events[*slot] = [range.start, at, range.end];
                *slot += 1;
            }
        }
        Self { data, kernel, backward, offsets, events }
    }

    /// Training events of an item, as (start, at, end) of the user's part.
    pub(crate) fn events(&self, item: usize) -> &[[usize; 3]] {
        &self.events[self.offsets[item]..self.offsets[item + 1]]
    }

    /// Every weight from `item` to a candidate that is a target event's item.
    pub(crate) fn row(&self, item: usize, scratch: &mut Scratch) {
        scratch.found.clear();
        let mut add = |at: usize, weight: f64| {
            let event = self.data.events.event(at);
            if self.data.is_target(event.action) {
                scratch.found.push((event.item.0, weight));
            }
        };
        for &[start, at, end] in self.events(item) {
            let reach = (at - start).max(end - 1 - at);
            for (gap, &weight) in (1..=reach).zip(&self.kernel) {
                if at + gap < end {
                    add(at + gap, weight);
                }
                if at >= start + gap {
                    add(at - gap, self.backward * weight);
                }
            }
        }
    }

    /// The sums of all weights from each item, and to each.
    pub(crate) fn sums(&self) -> (Vec<f64>, Vec<f64>) {
        let mut rows = vec![0.0; self.data.items()];
        let mut columns = rows.clone();
        let mut scratch = Scratch::default();
        for (item, row) in rows.iter_mut().enumerate() {
            self.row(item, &mut scratch);
            for &(candidate, weight) in &scratch.found {
                *row += weight;
                columns[candidate as usize] += weight;
            }
        }
        (rows, columns)
    }
}
