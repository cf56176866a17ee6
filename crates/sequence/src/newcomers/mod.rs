//! Items without interactions (cold items): which of them to show first.
//!
//! Clicks say nothing of a new item, so what it will gather is predicted from its words by ridge regression on *newcomers*: items whose
//! first event lies in the last part of the training events. What they gathered in their first days, `ln(1 + events)`, is what a new item
//! may gather. Words count once and rows are not scaled: an item with a long text keeps more of its prediction than one with a short text.
//!
//! Such a prediction is uncertain, and one list for everybody would bet all on it. So several *members* are fitted, each on
//! another bootstrap sample of the newcomers, and every user sees the list of one member (ensemble sampling, Lu & Van Roy
//! 2017); a user's own taste, the content neighbours, counts as much.
//!
//! Only for logs with times: in a log that knows only each user's order nothing tells who came late.

mod ridge;

use crate::TrainingData;
use rayon::prelude::*;
use ridge::Ridge;
use semrank_core::{ItemId, Rng, narrow};
use semrank_nn::linalg::SparseMatrix;

/// Lists that users are divided among.
const MEMBERS: usize = 8;
/// Newcomers that are learned from: at least, and at most the latest ones.
const FEWEST: usize = 50;
const MOST: usize = 20_000;
/// A word that fewer newcomers have teaches nothing.
const FEWEST_WITH_WORD: u32 = 10;
const DAY_MS: f64 = 86_400_000.0;

/// The words of a catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// A row for each item, of which only the columns count.
    pub rows: &'a SparseMatrix,
    /// The hash bucket of each column, ascending.
    pub buckets: &'a [u32],
}

/// Items without training events, and what each member predicts of them.
#[derive(Debug, Clone, PartialEq)]
pub struct NewItems {
    /// The items, ascending: those of the catalogue, then those that were put in later.
    pub items: Vec<u32>,
    /// `[items x members]`; over the catalogue's items each member has mean 0 and variance 1.
    pub predicted: Vec<f32>,
    /// How many of the items are the catalogue's.
    pub(crate) in_catalogue: usize,
    pub(crate) words: WordWeights,
}

/// What each member has learned of words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WordWeights {
    /// Hash buckets of the words that count, ascending.
    pub(crate) buckets: Vec<u32>,
    /// `[members x (buckets + 1)]`, the intercept last.
    pub(crate) weights: Vec<f32>,
    /// `[members x 2]`: what is subtracted from a prediction, and what it is multiplied by then.
    pub(crate) scales: Vec<f32>,
}

impl WordWeights {
    fn members(&self) -> usize {
        self.scales.len() / 2
    }

    /// What each member predicts of an item that has these of the words.
    fn predict(&self, places: &[u32]) -> impl Iterator<Item = f32> {
        let members = self.weights.chunks_exact(self.buckets.len() + 1).zip(self.scales.chunks_exact(2));
        members.map(|(weights, scale)| {
            ((sum(places, weights) - f64::from(scale[0])) * f64::from(scale[1])) as f32
        })
    }
}

/// The intercept and the weights of some words.
fn sum(places: &[u32], weights: &[f32]) -> f64 {
    let intercept = f64::from(weights[weights.len() - 1]);
    intercept + places.iter().map(|&place| f64::from(weights[place as usize])).sum::<f64>()
}

impl NewItems {
    /// Learns from the items whose first target event is among the last `share` of the training events, by the events of
    /// their first `days`. `None` where there is nothing to learn from or nothing to rank.
    pub fn fit(data: &TrainingData, words: Words, (share, days): (f64, f64), seed: u64) -> Option<Self> {
        if !data.events.timed() {
            return None;
        }
        let items: Vec<u32> =
            narrow::indices(data.items()).filter(|&item| data.counts[item as usize] == 0).collect();
        let (newcomers, gathered) = newcomers(data, share, days);
        if items.is_empty() || newcomers.len() < FEWEST {
            return None;
        }
        let kept = columns(words.rows, &newcomers);
        let places = |&item: &u32| -> Vec<u32> {
            let (columns, _) = words.rows.row(item as usize);
            let places = columns.iter().filter_map(|column| kept.binary_search(column).ok());
            places.map(narrow::index).collect()
        };
        let intercept = narrow::index(kept.len());
        let with_intercept = |item: &u32| places(item).into_iter().chain([intercept]).collect();
        let seen: Vec<Vec<u32>> = newcomers.iter().map(with_intercept).collect();
        let new: Vec<Vec<u32>> = items.iter().map(places).collect();
        let ridge = Ridge { rows: &seen, targets: &gathered, width: kept.len() + 1 };
        let penalty = ridge.best_penalty();
        let rng = Rng::new(seed, "newcomers");
        let member = |member: usize| {
            let mut rng = rng.fork(member as u64);
            let mut times = vec![0.0; seen.len()];
            (0..seen.len()).for_each(|_| times[rng.below(seen.len())] += 1.0);
            let weights: Vec<f32> =
                ridge.solve(&times, penalty).into_iter().map(|weight| weight as f32).collect();
            let scale = standard(new.iter().map(|places| sum(places, &weights)));
            (weights, scale.map(|value| value as f32))
        };
        let members: Vec<(Vec<f32>, [f32; 2])> = (0..MEMBERS).into_par_iter().map(member).collect();
        let words = WordWeights {
            buckets: kept.iter().map(|&column| words.buckets[column as usize]).collect(),
            weights: members.iter().flat_map(|member| &member.0).copied().collect(),
            scales: members.iter().flat_map(|member| member.1).collect(),
        };
        let predicted = new.iter().flat_map(|places| words.predict(places)).collect();
        Some(Self { in_catalogue: items.len(), items, predicted, words })
    }

    /// Takes in an item that came after training, or whose words have changed, by the hash buckets of its words: ascending, each once.
    pub(crate) fn put(&mut self, item: u32, buckets: &[u32]) {
        let places = buckets.iter().filter_map(|bucket| self.words.buckets.binary_search(bucket).ok());
        let places: Vec<u32> = places.map(narrow::index).collect();
        let at = self.items.partition_point(|&other| other < item);
        let members = self.words.members();
        if self.items.get(at) != Some(&item) {
            self.items.insert(at, item);
            self.predicted.splice(at * members..at * members, std::iter::repeat_n(0.0, members));
        }
        let row = &mut self.predicted[at * members..][..members];
        row.iter_mut().zip(self.words.predict(&places)).for_each(|(out, predicted)| *out = predicted);
    }

    /// The best `most` items for a user, best first, given how near each is to the user's history by content; `left_out` says by an
    /// item's place which may not be shown. The oldest item of the history says which list is read: it stays as the history grows.
    /// Nearness is standardised over the catalogue's items, so that an item's place before another depends on these two only.
    pub fn order(
        &self,
        oldest: Option<ItemId>,
        mut near: Vec<f32>,
        left_out: impl Fn(usize) -> bool,
        most: usize,
    ) -> Vec<u32> {
        let [mean, scale] = standard(near[..self.in_catalogue].iter().map(|&near| f64::from(near)));
        let members = self.words.members();
        let member = list_of(oldest, members.max(1));
        for (near, predicted) in near.iter_mut().zip(self.predicted.chunks_exact(members.max(1))) {
            *near = ((f64::from(*near) - mean) * scale) as f32 + predicted[member];
        }
        let mut order: Vec<usize> = (0..self.items.len()).filter(|&at| !left_out(at)).collect();
        let better_first = |a: &usize, b: &usize| near[*b].total_cmp(&near[*a]).then(a.cmp(b));
        if most < order.len() {
            order.select_nth_unstable_by(most, better_first);
            order.truncate(most);
        }
        order.sort_unstable_by(better_first);
        order.into_iter().map(|at| self.items[at]).collect()
    }
}

/// Which of so many lists a user sees whose oldest item this is.
fn list_of(oldest: Option<ItemId>, lists: usize) -> usize {
    oldest.map_or(0, |item| Rng::new(u64::from(item.0), "list").below(lists))
}

/// The latest items whose first target event is among the last `share`, and `ln(1 + events)` of their first `days`.
fn newcomers(data: &TrainingData, share: f64, days: f64) -> (Vec<u32>, Vec<f64>) {
    let targets = || {
        let at = (0..data.train_ends.len()).flat_map(|user| data.range(user));
        at.map(|at| data.events.event(at)).filter(|event| data.is_target(event.action))
    };
    let mut first = vec![i64::MAX; data.items()];
    targets().for_each(|event| {
        let time = &mut first[event.item.index()];
        *time = event.time.min(*time);
    });
    let mut times: Vec<i64> = targets().map(|event| event.time).collect();
    times.sort_unstable();
    let from = times.get((times.len() as f64 * (1.0 - share)) as usize).copied().unwrap_or(i64::MAX);
    let mut items: Vec<u32> = narrow::indices(first.len())
        .filter(|&item| (from..i64::MAX).contains(&first[item as usize]))
        .collect();
    items.sort_by_key(|&item| (std::cmp::Reverse(first[item as usize]), item));
    items.truncate(MOST);
    items.sort_unstable();
    let mut counts = vec![0u32; first.len()];
    for event in targets() {
        let age = (event.time - first[event.item.index()]) as f64 / DAY_MS;
        counts[event.item.index()] += u32::from(age <= days);
    }
    let gathered = items.iter().map(|&item| f64::from(counts[item as usize]).ln_1p()).collect();
    (items, gathered)
}

/// Columns that enough of the items have, ascending.
fn columns(words: &SparseMatrix, items: &[u32]) -> Vec<u32> {
    let mut holders = vec![0u32; words.cols];
    for &item in items {
        words.row(item as usize).0.iter().for_each(|&column| holders[column as usize] += 1);
    }
    narrow::indices(words.cols).filter(|&column| holders[column as usize] >= FEWEST_WITH_WORD).collect()
}

/// Mean, and what makes the variance 1; 0 where all values are equal.
fn standard(values: impl ExactSizeIterator<Item = f64> + Clone) -> [f64; 2] {
    let count = values.len().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance = values.map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    [mean, if variance > 0.0 { variance.sqrt().recip() } else { 0.0 }]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three items and two members; the words 7 and 9 count.
    fn items() -> NewItems {
        NewItems {
            items: vec![3, 5, 8],
            predicted: vec![1.2, -1.2, -1.2, 1.2, 0.0, 0.0],
            in_catalogue: 3,
            words: WordWeights {
                buckets: vec![7, 9],
                weights: vec![0.5, 0.25, 0.125, 1.0, 2.0, 3.0],
                scales: vec![0.125, 2.0, 3.0, 0.5],
            },
        }
    }

    #[test]
    fn users_are_divided_among_the_members_and_their_own_taste_counts() {
        let items = items();
        let other = (0..99).map(|item| Some(ItemId(item))).find(|&oldest| list_of(oldest, 2) == 1).unwrap();
        let all = |_: usize| false;
        assert_eq!(items.order(None, vec![0.0; 3], all, 3), [3, 8, 5]);
        assert_eq!(items.order(other, vec![0.0; 3], all, 3), [5, 8, 3]);
        assert_eq!(items.order(None, vec![0.0, 0.0, 9.0], all, 9), [8, 3, 5]);
        assert_eq!(items.order(None, vec![0.0, 0.0, 9.0], |at| at == 0, 9), [8, 5]);
        assert_eq!(items.order(other, vec![0.0; 3], all, 2), [5, 8]);
        assert!(items.order(other, vec![0.0; 3], all, 0).is_empty());
    }

    #[test]
    fn an_item_that_comes_later_is_predicted_by_its_words_and_moves_no_other() {
        let mut items = items();
        items.put(20, &[2, 9]);
        items.put(11, &[7, 8]);
        assert_eq!(items.items, [3, 5, 8, 11, 20]);
        assert_eq!(items.predicted[6..], [1.0, 0.5, 0.5, 1.0]);
        assert_eq!(items.order(None, vec![0.0, 0.0, 0.0, 0.0, 0.0], |_| false, 9), [3, 11, 20, 8, 5]);
        items.put(20, &[]);
        assert_eq!(items.predicted[6..], [1.0, 0.5, 0.0, 0.0]);
        let near = vec![0.1, -0.3, 0.7, 5.0, 9.0];
        let (before, after) = (
            self::items().order(None, near[..3].to_vec(), |_| false, 9),
            items.order(None, near, |_| false, 9),
        );
        let kept: Vec<u32> = after.into_iter().filter(|item| *item < 11).collect();
        assert_eq!(kept, before);
    }
}
