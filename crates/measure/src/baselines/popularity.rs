//! One ranking for all users: items by their training events, over all time or the last days.

use super::{Targets, fractions};
use crate::ranking::Scorer;
use semrank_core::{History, UserId, narrow};
use semrank_data::{Dataset, FitScope};

/// Scores an item by a count of its training events.
#[derive(Debug, Clone)]
pub struct Popularity {
    name: &'static str,
    scores: Vec<f32>,
}

impl Popularity {
    /// Counts all training events of the target action.
    pub fn fit(scope: &FitScope) -> Self {
        let scores = scope.counts().iter().map(|&count| count as f32).collect();
        Self { name: "popularity", scores }
    }

    /// Counts those of the last `days` days before the end of training (its latest event, wrong clocks left out); popularity over
    /// all time orders the items with the same count. None for a log without timestamps.
    pub fn recent(dataset: &Dataset, scope: &FitScope, days: u32) -> Option<Self> {
        if !dataset.events.timed() {
            return None;
        }
        let window_ms = i64::from(days) * 24 * 60 * 60 * 1000;
        let users = || (0..dataset.events.users()).map(|user| UserId(narrow::index(user)));
        let end = dataset.events.end()?;
        let newest =
            |user| scope.history(dataset, user).times.iter().rev().copied().find(|&time| time <= end);
        let latest = users().filter_map(newest).max()?;
        let mut scores = fractions(scope.counts());
        for user in users() {
            let history = scope.history(dataset, user);
            let old = history.times.partition_point(|&time| time <= latest.saturating_sub(window_ms));
            let recent = history.last(history.len() - old);
            Targets::of(dataset).items(recent).for_each(|item| scores[item.index()] += 1.0);
        }
        Some(Self { name: "recent_popularity", scores })
    }
}

impl Scorer for Popularity {
    fn name(&self) -> &str {
        self.name
    }

    fn score(&self, histories: &[History], out: &mut [f32]) {
        assert_eq!(out.len(), histories.len() * self.scores.len(), "[histories x items]");
        if !self.scores.is_empty() {
            out.chunks_mut(self.scores.len()).for_each(|row| row.copy_from_slice(&self.scores));
        }
    }
}
