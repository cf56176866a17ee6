//! Rates of items and users, smoothed towards the base rate by a few pseudo-rows.

use super::LabelledRows;
use crate::calibrate::{logit, sigmoid};
use semrank_data::{Examples, Part};

/// Pseudo-rows at the base rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Smoothing {
    /// Of every item.
    pub item: f64,
    /// Of every user.
    pub user: f64,
}

impl Default for Smoothing {
    /// 5 of each: what gives the published CoLLM ML-1M figures.
    fn default() -> Self {
        Smoothing { item: 5.0, user: 5.0 }
    }
}

/// Smoothed rates.
#[derive(Debug, Clone)]
pub struct SmoothedMeans<'a> {
    examples: &'a Examples,
    base_rate: f64,
    item_positives: Vec<u32>,
    items: Vec<f64>,
    users: Vec<f64>,
    residuals: Vec<f64>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    rows: f64,
    sum: f64,
}

impl Count {
    fn push(&mut self, value: f64) {
        self.rows += 1.0;
        self.sum += value;
    }

    /// The mean with `rows` more of `value`.
    fn smoothed(self, rows: f64, value: f64) -> f64 {
        (self.sum + rows * value) / (self.rows + rows)
    }
}

impl<'a> SmoothedMeans<'a> {
    /// Counts the rows of `parts` whose labels may be fitted.
    ///
    /// # Panics
    /// When the smoothing is not above 0.
    pub fn fit(data: LabelledRows<'a>, parts: &[Part], smoothing: Smoothing) -> Self {
        assert!(smoothing.item > 0.0 && smoothing.user > 0.0, "an unseen item needs a rate");
        let examples = data.examples;
        let known = data.known(parts);
        let labelled = || {
            known.rows.iter().map(|&row| row as usize).zip(known.labels.iter().map(|&label| f64::from(label)))
        };
        let mut all = Count::default();
        let mut items = vec![Count::default(); data.dataset.catalog.len()];
        let mut users = vec![Count::default(); examples.user_names.len()];
        for (row, label) in labelled() {
            all.push(label);
            items[examples.items[row].index()].push(label);
            users[examples.users[row].index()].push(label);
        }
        // One pseudo-row, half positive, keeps an empty or one-sided part away from 0 and 1.
        let base_rate = all.smoothed(1.0, 0.5);
        let item_positives = items.iter().map(|count| count.sum as u32).collect();
        let items: Vec<f64> = items.iter().map(|count| count.smoothed(smoothing.item, base_rate)).collect();
        let mut residuals = vec![Count::default(); users.len()];
        for (row, label) in labelled() {
            let expected = items[examples.items[row].index()];
            residuals[examples.users[row].index()].push(label - expected);
        }
        SmoothedMeans {
            examples,
            base_rate,
            item_positives,
            items,
            users: users.iter().map(|count| count.smoothed(smoothing.user, base_rate)).collect(),
            residuals: residuals.iter().map(|count| count.smoothed(2.0 * smoothing.user, 0.0)).collect(),
        }
    }

    /// The share of positive rows.
    pub fn base_rate(&self) -> f64 {
        self.base_rate
    }

    /// The rate of the row's item.
    pub fn item(&self, row: usize) -> f64 {
        self.items[self.examples.items[row].index()]
    }

    /// Log odds of the item and of the user added, those of the base rate counted once.
    pub fn item_and_user(&self, row: usize) -> f64 {
        let user = self.users[self.examples.users[row].index()];
        sigmoid(logit(self.item(row)) + logit(user) - logit(self.base_rate))
    }

    /// The item's rate plus the mean of what the user's labels were above their items' rates; twice the user
    /// smoothing, since a residual is noisy. Held off 0 and 1, but below the rates of rare conversions.
    pub fn item_and_residual(&self, row: usize) -> f64 {
        let residual = self.residuals[self.examples.users[row].index()];
        (self.item(row) + residual).clamp(1e-6, 1.0 - 1e-6)
    }

    /// `ln(1 + positive rows of the item)` of every row.
    pub fn popularity(&self, rows: &[u32]) -> Vec<f64> {
        let positives = |row: u32| self.item_positives[self.examples.items[row as usize].index()];
        rows.iter().map(|&row| f64::from(positives(row)).ln_1p()).collect()
    }
}
