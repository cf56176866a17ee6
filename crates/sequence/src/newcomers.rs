//! Items without interactions (cold items): which of them to show first.
//!
//! A cold item has no clicks, so its popularity is predicted from its words by ridge regression (Hoerl & Kennard 1970).
//! The regression is trained on *newcomers*: items whose first event is in the last part of the training events. Its target
//! is `ln(1 + events)` of a newcomer's first days. Words are binary features and rows are not normalised, so that a longer
//! text may have a larger prediction.
//!
//! Such a prediction is uncertain, and one list for all users would depend on a single fit. So several *members* are fitted,
//! each on another bootstrap sample of the newcomers, and every user sees the list of one member (ensemble sampling, Lu & Van
//! Roy 2017). The content neighbours of the user's history have the same weight as the prediction.
//!
//! Only for logs with times: an order per user does not say which items are new.

use crate::TrainingData;
use rayon::prelude::*;
use semrank_core::{ItemId, Rng, narrow};
use semrank_nn::linalg::SparseMatrix;

/// Number of lists; each user sees one of them.
const MEMBERS: usize = 8;
/// Fewest newcomers to train on; of more than the most, the latest are used.
const FEWEST: usize = 50;
const MOST: usize = 20_000;
/// A word must occur in this many newcomers to be a feature.
const FEWEST_WITH_WORD: u32 = 10;
const PENALTIES: [f64; 5] = [3.0, 10.0, 30.0, 100.0, 300.0];
const FOLDS: usize = 5;
const DAY_MS: f64 = 86_400_000.0;

/// Items without training events, and the popularity that each member predicts for them.
#[derive(Debug, Clone, PartialEq)]
pub struct NewItems {
    /// The items, ascending.
    pub items: Vec<u32>,
    /// Predicted popularity `[members x items]`, each row with mean 0 and variance 1.
    pub popularity: Vec<f32>,
}

impl NewItems {
    /// Fits the members on the items whose first target event is among the last `share` of the training events, by the events
    /// of their first `days`. `words` has a row per item, of which only the columns count. `None` without newcomers or without
    /// cold items.
    pub fn fit(
        data: &TrainingData,
        words: &SparseMatrix,
        (share, days): (f64, f64),
        seed: u64,
    ) -> Option<Self> {
        if !data.events.timed() {
            return None;
        }
        let items: Vec<u32> =
            narrow::indices(data.items()).filter(|&item| data.counts[item as usize] == 0).collect();
        let (newcomers, gathered) = newcomers(data, share, days);
        if items.is_empty() || newcomers.len() < FEWEST {
            return None;
        }
        let kept = columns(words, &newcomers);
        let rows = |items: &[u32]| items.iter().map(|&item| row(words, &kept, item)).collect();
        let (seen, new): (Vec<Vec<u32>>, Vec<Vec<u32>>) = (rows(&newcomers), rows(&items));
        let ridge = Ridge { rows: &seen, targets: &gathered, width: kept.len() + 1 };
        let penalty = ridge.best_penalty();
        let rng = Rng::new(seed, "newcomers");
        let member = |member: usize| {
            let mut rng = rng.fork(member as u64);
            let mut times = vec![0.0; seen.len()];
            (0..seen.len()).for_each(|_| times[rng.below(seen.len())] += 1.0);
            let weights = ridge.solve(&times, penalty);
            let mut popularity: Vec<f32> = new.iter().map(|row| dot(row, &weights) as f32).collect();
            standardise(&mut popularity);
            popularity
        };
        let members: Vec<Vec<f32>> = (0..MEMBERS).into_par_iter().map(member).collect();
        Some(Self { items, popularity: members.concat() })
    }

    /// The best `most` items for a user, best first, given how near each is to the user's history by content. Those with the
    /// value `-inf` are left out. The oldest item of the history says which list is read: it stays as the history grows.
    pub fn order(&self, oldest: Option<ItemId>, mut near: Vec<f32>, most: usize) -> Vec<u32> {
        let count = self.items.len();
        let left_out: Vec<bool> = near.iter().map(|value| *value == f32::NEG_INFINITY).collect();
        near.iter_mut().zip(&left_out).filter(|(_, out)| **out).for_each(|(value, _)| *value = 0.0);
        standardise(&mut near);
        let member = list_of(oldest, (self.popularity.len() / count.max(1)).max(1));
        semrank_nn::kernel::add(&self.popularity[member * count..][..count], &mut near);
        let mut order: Vec<usize> = (0..count).filter(|&at| !left_out[at]).collect();
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

/// Which of the kept columns an item has, and the intercept.
fn row(words: &SparseMatrix, kept: &[u32], item: u32) -> Vec<u32> {
    let columns = words.row(item as usize).0.iter().filter_map(|column| kept.binary_search(column).ok());
    columns.chain([kept.len()]).map(narrow::index).collect()
}

fn standardise(values: &mut [f32]) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let variance = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    let scale = if variance > 0.0 { variance.sqrt().recip() } else { 0.0 };
    values.iter_mut().for_each(|x| *x = ((f64::from(*x) - mean) * scale) as f32);
}

fn dot(row: &[u32], weights: &[f64]) -> f64 {
    row.iter().map(|&column| weights[column as usize]).sum()
}

/// Regression on rows of zeros and ones, of which `rows` has the ones.
struct Ridge<'a> {
    rows: &'a [Vec<u32>],
    targets: &'a [f64],
    width: usize,
}

impl Ridge<'_> {
    /// Most steps of the conjugate gradients, and the share of the first residual at which they end.
    const STEPS: usize = 200;
    const PRECISION: f64 = 1e-6;

    /// The largest penalty whose cross-validated squared error is within one standard error of the least (Hastie,
    /// Tibshirani & Friedman 2009, section 7.10): members see fewer rows than the whole, and need more of it.
    fn best_penalty(&self) -> f64 {
        let errors = PENALTIES.map(|penalty| {
            let folds: Vec<f64> = (0..FOLDS).into_par_iter().map(|fold| self.error(fold, penalty)).collect();
            let mean = folds.iter().sum::<f64>() / FOLDS as f64;
            let variance = folds.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / (FOLDS - 1) as f64;
            (mean, (variance / FOLDS as f64).sqrt())
        });
        let least = errors.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0));
        let bound = least.map_or(f64::INFINITY, |(mean, standard_error)| mean + standard_error);
        let good = PENALTIES.iter().zip(&errors).rfind(|(_, (mean, _))| *mean <= bound);
        good.map_or(PENALTIES[0], |(&penalty, _)| penalty)
    }

    /// Mean squared error on a fold of what the others teach.
    fn error(&self, fold: usize, penalty: f64) -> f64 {
        let times: Vec<f64> =
            (0..self.rows.len()).map(|row| f64::from(u8::from(row % FOLDS != fold))).collect();
        let weights = self.solve(&times, penalty);
        let held = (fold..self.rows.len()).step_by(FOLDS);
        let count = held.len() as f64;
        held.map(|row| (dot(&self.rows[row], &weights) - self.targets[row]).powi(2)).sum::<f64>() / count
    }

    /// The `w` that minimises `sum of times_i (x_i w - y_i)² + penalty |w|²`, by conjugate gradients on the normal
    /// equations (Golub & Van Loan 2013, section 11.3).
    fn solve(&self, times: &[f64], penalty: f64) -> Vec<f64> {
        let mut residual = self.transposed(times, |row| self.targets[row]);
        let (mut weights, mut direction) = (vec![0.0; self.width], residual.clone());
        let mut length = square(&residual);
        let enough = length * Self::PRECISION * Self::PRECISION;
        for _ in 0..Self::STEPS {
            if length <= enough {
                break;
            }
            let mut image = self.transposed(times, |row| dot(&self.rows[row], &direction));
            image.iter_mut().zip(&direction).for_each(|(image, d)| *image += penalty * d);
            let step = length / image.iter().zip(&direction).map(|(a, b)| a * b).sum::<f64>();
            weights.iter_mut().zip(&direction).for_each(|(w, d)| *w += step * d);
            residual.iter_mut().zip(&image).for_each(|(r, image)| *r -= step * image);
            let next = square(&residual);
            direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + next / length * *d);
            length = next;
        }
        weights
    }

    /// `X^T (times · values)`.
    fn transposed(&self, times: &[f64], values: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut out = vec![0.0; self.width];
        for (at, row) in self.rows.iter().enumerate().filter(|(at, _)| times[*at] > 0.0) {
            let value = times[at] * values(at);
            row.iter().for_each(|&column| out[column as usize] += value);
        }
        out
    }
}

fn square(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ridge_agrees_with_the_closed_form_in_two_dimensions() {
        // Rows (1, 1), (1, 0), (1, 0) twice: X^T X = [[4, 1], [1, 1]], X^T y = [7, 3]; with penalty 1: [[5, 1], [1, 2]].
        let rows = [vec![0, 1], vec![0], vec![0]];
        let ridge = Ridge { rows: &rows, targets: &[3.0, 2.0, 1.0], width: 2 };
        let weights = ridge.solve(&[1.0, 1.0, 2.0], 1.0);
        assert!(
            (weights[0] - 11.0 / 9.0).abs() < 1e-6 && (weights[1] - 8.0 / 9.0).abs() < 1e-6,
            "{weights:?}"
        );
    }

    #[test]
    fn cross_validation_finds_which_words_sell() {
        let mut rng = Rng::new(1, "ridge");
        let rows: Vec<Vec<u32>> =
            (0..600).map(|_| (0..20).filter(|_| rng.unit() < 0.3).chain([20]).collect()).collect();
        let sold = |row: &Vec<u32>| row.iter().filter(|&&column| column < 2).count() as f64;
        let targets: Vec<f64> = rows.iter().map(|row| sold(row) + 0.5 + 0.1 * rng.normal()).collect();
        let ridge = Ridge { rows: &rows, targets: &targets, width: 21 };
        let weights = ridge.solve(&[1.0; 600], ridge.best_penalty());
        assert!((weights[0] - 1.0).abs() < 0.1 && weights[7].abs() < 0.1, "{weights:?}");
    }

    #[test]
    fn users_are_divided_among_the_members_and_their_own_taste_counts() {
        let items = NewItems { items: vec![3, 5, 8], popularity: vec![1.2, -1.2, 0.0, -1.2, 1.2, 0.0] };
        let other = (0..99).map(|item| Some(ItemId(item))).find(|&oldest| list_of(oldest, 2) == 1).unwrap();
        assert_eq!(items.order(None, vec![0.0; 3], 3), [3, 8, 5]);
        assert_eq!(items.order(other, vec![0.0; 3], 3), [5, 8, 3]);
        assert_eq!(items.order(None, vec![0.0, 0.0, 9.0], 9), [8, 3, 5]);
        assert_eq!(items.order(None, vec![f32::NEG_INFINITY, 0.0, 0.0], 3), [8, 5]);
        assert_eq!(items.order(other, vec![0.0; 3], 2), [5, 8]);
        assert!(items.order(other, vec![0.0; 3], 0).is_empty());
    }
}
