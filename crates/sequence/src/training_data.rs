//! What training may see of a data set, and the windows that it reads.
//!
//! A window is a run of at most `history + 1` events of one user's training part; every event but the last is an
//! input whose target is the next event, if that is a target action.

use semrank_core::{ActionId, EventLog, UserId, narrow};
use semrank_embed::Engaged;
use semrank_tokens::SemanticIds;
use std::ops::Range;

/// What training may see of a data set.
#[derive(Debug, Clone, Copy)]
pub struct TrainingData<'a> {
    /// All events; only those before `train_ends` are read.
    pub events: &'a EventLog,
    /// One global index per user: training events end there.
    pub train_ends: &'a [usize],
    /// The only action whose items are predicted; `None` = all.
    pub target: Option<ActionId>,
    /// Target-action training events of each item.
    pub counts: &'a [u32],
    /// `[items x content width]`, or empty.
    pub content: &'a [f32],
    /// Semantic ids of the items, if they have them.
    pub tokens: Option<&'a SemanticIds>,
    /// Distinct actions.
    pub actions: usize,
    /// First and last moment (ms UTC) each item may be shown; empty where the catalogue knows none.
    pub active: &'a [(i64, i64)],
}

impl<'a> TrainingData<'a> {
    /// Of events of one action, all of which are predicted, on items without content and ids.
    pub fn new(events: &'a EventLog, train_ends: &'a [usize], counts: &'a [u32]) -> Self {
        let (target, content, tokens, active) = (None, &[][..], None, &[][..]);
        Self { events, train_ends, target, counts, content, tokens, actions: 1, active }
    }

    /// Number of items.
    pub fn items(&self) -> usize {
        self.counts.len()
    }

    /// Width of a content vector.
    pub fn content_width(&self) -> usize {
        self.content.len().checked_div(self.items()).unwrap_or(0)
    }

    /// Whether events with this action are predicted.
    pub fn is_target(&self, action: ActionId) -> bool {
        self.target.is_none_or(|target| target == action)
    }

    /// Training events of a user, as global indices.
    pub fn range(&self, user: usize) -> Range<usize> {
        self.events.range(UserId(narrow::index(user))).start..self.train_ends[user]
    }

    /// Share of training targets that are already in their user's history.
    pub fn repeat_share(&self) -> f64 {
        let (mut repeats, mut targets) = (0usize, 0usize);
        let mut last_seen = vec![usize::MAX; self.items()];
        for user in 0..self.train_ends.len() {
            for (i, at) in self.range(user).enumerate() {
                let event = self.events.event(at);
                if i > 0 && self.is_target(event.action) {
                    targets += 1;
                    repeats += usize::from(last_seen[event.item.index()] == user);
                }
                last_seen[event.item.index()] = user;
            }
        }
        repeats as f64 / targets.max(1) as f64
    }

    /// Pairs of different items that a user took at most `gap` target events apart, once each time, in both orders in
    /// turn.
    pub fn pairs(&self, gap: usize) -> Vec<[u32; 2]> {
        let mut out = Vec::new();
        for user in 0..self.train_ends.len() {
            let events = self.range(user).map(|at| self.events.event(at));
            let items: Vec<u32> =
                events.filter(|event| self.is_target(event.action)).map(|event| event.item.0).collect();
            for (at, &item) in items.iter().enumerate() {
                let near = items[at + 1..].iter().take(gap).filter(|&&other| other != item);
                out.extend(near.map(|&other| if at % 2 == 0 { [item, other] } else { [other, item] }));
            }
        }
        out
    }

    /// What users engaged with, for an encoder that learns from it.
    pub fn engaged(&self) -> Engaged {
        let of_user = |user: usize| {
            let events = self.range(user).map(|at| self.events.event(at));
            events.filter(|event| self.is_target(event.action)).map(|event| event.item.0).collect()
        };
        let pool = narrow::indices(self.items()).filter(|&item| self.counts[item as usize] > 0);
        Engaged { by_user: (0..self.train_ends.len()).map(of_user).collect(), pool: pool.collect() }
    }

    /// All windows of at most `history + 1` events, in user order; the newest window of a user is full.
    pub fn windows(&self, history: usize) -> Vec<Window> {
        let mut out = Vec::new();
        for user in 0..self.train_ends.len() {
            let Range { start, mut end } = self.range(user);
            while end > start + 1 {
                let first = end.saturating_sub(history + 1).max(start);
                if (first + 1..end).any(|at| self.is_target(self.events.event(at).action)) {
                    out.push(Window { user_start: start, first, end });
                }
                end = first + 1;
            }
        }
        out
    }
}

/// Events `first..end` of a user whose events begin at `user_start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub(crate) user_start: usize,
    pub(crate) first: usize,
    pub(crate) end: usize,
}

impl Window {
    /// Number of inputs.
    pub fn positions(&self) -> usize {
        self.end - self.first - 1
    }
}
