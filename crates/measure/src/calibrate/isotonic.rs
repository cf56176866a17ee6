//! Isotonic regression: the monotone function nearest to the labels, by pooling adjacent violators (Ayer et al. 1955;
//! for calibration Zadrozny & Elkan 2002).
//!
//! The pools are constant over the scores they hold and joined by lines in between, so that the function is continuous
//! and still gives every row of the fitting slice the mean of its pool: the overall mean is kept. A lowest pool
//! without a positive, or a highest one without a negative, is joined to its neighbour, since a probability of
//! exactly 0 or 1 makes the log loss of a single miss infinite.

use super::{CalibrationError, Sample, sigmoid};
use serde::{Deserialize, Serialize};

/// A fitted step function with sloping steps over probabilities; three columns of one length, ascending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Isotonic {
    /// Lowest score of each pool.
    low: Vec<f64>,
    /// Highest score of each pool.
    high: Vec<f64>,
    /// Share of positive weight in each pool.
    value: Vec<f64>,
}

#[derive(Clone, Copy)]
struct Pool {
    low: f64,
    high: f64,
    weight: f64,
    positive: f64,
}

impl Pool {
    fn value(&self) -> f64 {
        self.positive / self.weight
    }

    fn join(&mut self, next: &Pool) {
        self.high = next.high;
        self.weight += next.weight;
        self.positive += next.positive;
    }
}

impl Isotonic {
    /// The monotone function of least squared error (and of the greatest likelihood).
    ///
    /// # Errors
    /// [`CalibrationError::OneClass`], [`CalibrationError::NotFinite`].
    ///
    /// # Panics
    /// When the sample's lengths differ.
    pub fn fit(sample: &Sample<'_>) -> Result<Isotonic, CalibrationError> {
        sample.check()?;
        let scores: Vec<f64> = sample.scores.iter().map(|&score| sigmoid(score)).collect();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        let mut pools: Vec<Pool> = Vec::new();
        for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
            pools.push(pool(sample, (scores[tied[0]], tied)));
            while let [.., before, last] = &mut pools[..]
                && before.value() >= last.value()
            {
                before.join(&last.clone());
                pools.pop();
            }
        }
        join_sure_ends(&mut pools);
        Ok(Isotonic {
            low: pools.iter().map(|pool| pool.low).collect(),
            high: pools.iter().map(|pool| pool.high).collect(),
            value: pools.iter().map(Pool::value).collect(),
        })
    }

    /// The calibrated log odds of a score in log odds.
    pub fn apply(&self, score: f64) -> f64 {
        // No value is 0 or 1: such pools were joined to their neighbours.
        let value = self.value_at(sigmoid(score));
        (value / (1.0 - value)).ln()
    }

    /// The calibrated probability of one; constant beyond the lowest and the highest that was fitted.
    fn value_at(&self, score: f64) -> f64 {
        let at = self.high.partition_point(|&high| high < score);
        if at == self.value.len() {
            return self.value[at - 1];
        }
        if at == 0 || score >= self.low[at] {
            return self.value[at];
        }
        let (from, to) = (self.high[at - 1], self.low[at]);
        let part = (score - from) / (to - from);
        self.value[at - 1] + part * (self.value[at] - self.value[at - 1])
    }

    /// Number of pools.
    pub fn pools(&self) -> usize {
        self.value.len()
    }
}

fn pool(sample: &Sample<'_>, (score, rows): (f64, &[usize])) -> Pool {
    let weight = rows.iter().map(|&row| sample.weight(row)).sum();
    let positive = rows.iter().filter(|&&row| sample.labels[row]).map(|&row| sample.weight(row)).sum();
    Pool { low: score, high: score, weight, positive }
}

fn join_sure_ends(pools: &mut Vec<Pool>) {
    while pools.len() > 1 && pools[0].positive == 0.0 {
        let next = pools.remove(1);
        pools[0].join(&next);
    }
    while let [.., before, last] = &mut pools[..]
        && last.positive == last.weight
    {
        before.join(&last.clone());
        pools.pop();
    }
}
