//! Which differences are significant: a paired bootstrap over users, not rows.
//!
//! Rows of one user are not independent, so users are drawn with replacement and all rows of a drawn user count; every
//! column of scores is measured on the same draw, so what the columns share cancels (Efron & Tibshirani 1993, §8 and
//! the percentile method of §13.3). Log loss, NE and mean user AUC are sums over users, so a draw costs one pass over
//! users; AUC is a pass over the rows in the order of their scores, weighted by how often their user was drawn.
//!
//! ```
//! use semrank_measure::probabilities::{Bootstrap, BootstrapSettings, Measure};
//! let labels: Vec<bool> = (0..400).map(|row| row % 3 == 0).collect();
//! let users: Vec<u32> = (0..400).map(|row| row / 4).collect();
//! let good: Vec<f64> = labels.iter().map(|&label| if label { 0.6 } else { 0.2 }).collect();
//! let bootstrap = Bootstrap::new(&[&good, &[1.0 / 3.0; 400]], &labels, &users, BootstrapSettings::default());
//! let better = bootstrap.difference(Measure::Ne, 0, 1).unwrap();
//! assert!(better.high < 0.0, "a lower normalised entropy, significantly: {better:?}");
//! ```

use super::order::{ascending, group_aucs};
use super::{Sums, check};
use semrank_core::{Rng, narrow};
use serde::{Deserialize, Serialize};

/// Probability outside the interval, half on each side.
const OUTSIDE: f64 = 0.05;

/// What is measured on every draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Area under the ROC curve of all rows.
    Auc,
    /// Mean AUC of the users with both labels.
    UserAuc,
    /// Nats per row.
    LogLoss,
    /// Log loss over the entropy of the draw's own base rate.
    Ne,
    /// Sum of scores over sum of labels.
    Calibration,
}

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootstrapSettings {
    /// Draws of all users.
    pub resamples: usize,
    /// Of the draws.
    pub seed: u64,
}

impl Default for BootstrapSettings {
    fn default() -> Self {
        BootstrapSettings { resamples: 1000, seed: 0 }
    }
}

/// A value with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// On the rows as they are.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Whether 0 lies outside: for a difference, that it is significant at 5 %.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Users below which there is no interval: every draw of one user is that user.
const FEWEST_USERS: usize = 2;

/// All measures of all columns, on the rows as they are and on every draw.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// Users, and those of them that have an AUC of their own in every column.
    users: [usize; 2],
    /// One entry per column.
    whole: Vec<Measures>,
    /// `[draws][columns]`.
    draws: Vec<Vec<Measures>>,
}

/// In the order of [`Measure`]; NaN where the labels of the draw do not define one.
type Measures = [f64; 5];

impl Bootstrap {
    /// Measures `columns` of scores for the same rows; `users` are keys, any numbers.
    ///
    /// # Panics
    /// When the lengths differ or a score is not in [0, 1].
    pub fn new(columns: &[&[f64]], labels: &[bool], users: &[u32], settings: BootstrapSettings) -> Bootstrap {
        assert_eq!(users.len(), labels.len(), "one user per label");
        let rows = UserRows::new(users);
        let columns: Vec<Column> =
            columns.iter().map(|scores| Column::new(scores, labels, users, &rows)).collect();
        let measure = |weights: &[f64]| -> Vec<Measures> {
            columns.iter().map(|column| column.measure(weights)).collect()
        };
        let streams = Rng::new(settings.seed, "user bootstrap");
        let draw = |resample: usize| {
            let mut rng = streams.fork(resample as u64);
            let mut weights = vec![0.0; rows.users];
            (0..rows.users).for_each(|_| weights[rng.below(rows.users)] += 1.0);
            measure(&weights)
        };
        let whole = measure(&vec![1.0; rows.users]);
        let draws = (0..settings.resamples).map(draw).collect();
        let with_auc = |column: &Column| column.aucs.iter().filter(|auc| !auc.is_nan()).count();
        let users = [rows.users, columns.iter().map(with_auc).min().unwrap_or(0)];
        Bootstrap { users, whole, draws }
    }

    /// The measure of one column; `None` where the labels do not define it, or for a single user.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn interval(&self, measure: Measure, column: usize) -> Option<Interval> {
        self.of(measure, |columns| columns[column][measure as usize])
    }

    /// The measure of column `a` less that of column `b`; `None` where the labels do not define it, or for a single user.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn difference(&self, measure: Measure, a: usize, b: usize) -> Option<Interval> {
        self.contrast(measure, &[a], &[b])
    }

    /// The mean of the measure over columns `a` less that over columns `b`, such as two ways of training with several seeds
    /// each; `None` where the labels do not define it, or for a single user.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn contrast(&self, measure: Measure, a: &[usize], b: &[usize]) -> Option<Interval> {
        let mean = |columns: &[Measures], of: &[usize]| {
            of.iter().map(|&column| columns[column][measure as usize]).sum::<f64>() / of.len() as f64
        };
        self.of(measure, |columns| mean(columns, a) - mean(columns, b))
    }

    fn of(&self, measure: Measure, value: impl Fn(&[Measures]) -> f64) -> Option<Interval> {
        let [all, with_auc] = self.users;
        if all.min(if measure == Measure::UserAuc { with_auc } else { all }) < FEWEST_USERS {
            return None;
        }
        let whole = value(&self.whole);
        let mut draws: Vec<f64> =
            self.draws.iter().map(|draw| value(draw)).filter(|draw| !draw.is_nan()).collect();
        if whole.is_nan() || draws.is_empty() {
            return None;
        }
        draws.sort_by(f64::total_cmp);
        let at = |share: f64| draws[(share * (draws.len() - 1) as f64).round() as usize];
        Some(Interval { value: whole, low: at(OUTSIDE / 2.0), high: at(1.0 - OUTSIDE / 2.0) })
    }
}

/// Users as dense numbers.
struct UserRows {
    users: usize,
    /// One dense user per row.
    of_row: Vec<u32>,
    /// The keys, ascending; the dense user is the place.
    keys: Vec<u32>,
}

impl UserRows {
    fn new(users: &[u32]) -> UserRows {
        let mut keys = users.to_vec();
        keys.sort_unstable();
        keys.dedup();
        let place = |user: &u32| narrow::index(keys.partition_point(|key| key < user));
        let of_row = users.iter().map(place).collect();
        UserRows { users: keys.len(), of_row, keys }
    }
}

/// One column of scores, summed up by user.
struct Column {
    sums: Vec<Sums>,
    /// NaN for a user without both labels.
    aucs: Vec<f64>,
    /// Rows by ascending score.
    order: Vec<Ranked>,
}

/// A row in the order of the scores.
struct Ranked {
    /// Dense.
    user: u32,
    positive: bool,
    /// Whether the next row has a higher score.
    ends_tie: bool,
}

impl Column {
    fn new(scores: &[f64], labels: &[bool], users: &[u32], rows: &UserRows) -> Column {
        check(scores, labels);
        let mut sums = vec![Sums::default(); rows.users];
        for ((&score, &label), &user) in scores.iter().zip(labels).zip(&rows.of_row) {
            sums[user as usize].push(score, label);
        }
        let mut aucs = vec![f64::NAN; rows.users];
        for group in group_aucs(users, scores, labels) {
            aucs[rows.keys.partition_point(|&key| key < group.key)] = group.auc;
        }
        let order = ascending(scores, labels);
        let next = |at: usize| order.get(at + 1).map(|&row| scores[row as usize]);
        let ranked = |(at, &row): (usize, &u32)| Ranked {
            user: rows.of_row[row as usize],
            positive: labels[row as usize],
            ends_tie: next(at) != Some(scores[row as usize]),
        };
        Column { sums, aucs, order: order.iter().enumerate().map(ranked).collect() }
    }

    fn measure(&self, weights: &[f64]) -> Measures {
        let mut sums = Sums::default();
        let (mut aucs, mut with_auc) = (0.0, 0.0);
        for (user, &weight) in weights.iter().enumerate() {
            sums.add(&self.sums[user], weight);
            if !self.aucs[user].is_nan() {
                aucs += weight * self.aucs[user];
                with_auc += weight;
            }
        }
        let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
        [
            self.weighted_auc(weights),
            aucs / with_auc,
            sums.log_loss(),
            or_nan(sums.ne()),
            or_nan(sums.calibration()),
        ]
    }

    /// Pairs in order over all pairs, a row counted as often as its user was drawn. Weights are whole numbers, so that the sums
    /// are exact in any order.
    fn weighted_auc(&self, weights: &[f64]) -> f64 {
        let (mut positives, mut negatives, mut pairs) = (0.0, 0.0, 0.0);
        let (mut here_positives, mut here_negatives) = (0.0, 0.0);
        for row in &self.order {
            let weight = weights[row.user as usize];
            here_positives += if row.positive { weight } else { 0.0 };
            here_negatives += if row.positive { 0.0 } else { weight };
            if row.ends_tie {
                pairs += here_positives * (2.0 * negatives + here_negatives);
                positives += here_positives;
                negatives += here_negatives;
                (here_positives, here_negatives) = (0.0, 0.0);
            }
        }
        pairs / (2.0 * positives * negatives)
    }
}
