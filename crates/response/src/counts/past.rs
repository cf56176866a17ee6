//! What each user has labelled, oldest first: the newest labels, each less what was expected of it.

use super::Expected;

/// A labelled impression of a user.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Past {
    pub(crate) impression: u64,
    pub(crate) item: u32,
    /// The label minus what user and item made likely, in standard deviations.
    pub(crate) residual: f32,
    /// The label minus what the slot, and what the user made likely.
    pub(crate) over_slot: f32,
    pub(crate) over_user: f32,
}

impl Past {
    pub(super) fn new(impression: u64, item: u32, label: f32, expected: &Expected) -> Self {
        let deviation = (expected.both * (1.0 - expected.both)).max(1e-4).sqrt();
        Self {
            impression,
            item,
            residual: ((label - expected.both) / deviation).clamp(-5.0, 5.0),
            over_slot: label - expected.slot,
            over_user: label - expected.user,
        }
    }
}

/// A click label that was counted, and the labelled impressions of the user that it is paired with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Learned<'a> {
    pub(crate) others: [&'a [Past]; 2],
    pub(crate) row: Past,
    /// The residual that was in the row's place; none of a first label.
    pub(crate) before: Option<f32>,
}

/// The pasts of all users.
#[derive(Debug, Clone)]
pub(crate) struct Pasts {
    /// Labels that are read of each user; at most twice as many are kept.
    pub(super) most: usize,
    /// Empty where none is read.
    pub(super) of_users: Vec<Vec<Past>>,
    /// Labels of each user that have been remembered.
    pub(super) remembered: Vec<u32>,
}

impl Pasts {
    pub(super) fn new(users: usize, most: usize) -> Self {
        Self {
            most,
            of_users: vec![Vec::new(); if most > 0 { users } else { 0 }],
            remembered: vec![0; users],
        }
    }

    pub(super) fn grow(&mut self, users: usize) {
        let users = self.remembered.len().max(users);
        self.remembered.resize(users, 0);
        self.of_users.resize(if self.most > 0 { users } else { 0 }, Vec::new());
    }

    /// The labelled impressions of a user, oldest first.
    pub(crate) fn of(&self, user: u32) -> &[Past] {
        self.newest(self.of_users.get(user as usize).map_or(&[], Vec::as_slice))
    }

    pub(super) fn forget(&mut self, user: u32) {
        self.of_users.get_mut(user as usize).into_iter().for_each(|past| *past = Vec::new());
        self.remembered.get_mut(user as usize).into_iter().for_each(|labels| *labels = 0);
    }

    /// Changes with every label of a user that is remembered.
    pub(crate) fn remembered(&self, user: u32) -> u32 {
        self.remembered.get(user as usize).copied().unwrap_or(0)
    }

    /// The labels of at most `most` users, spread over all that have two or more.
    pub(crate) fn spread(&self, most: usize) -> impl Iterator<Item = &[Past]> {
        let several = || self.of_users.iter().filter(|past| past.len() >= 2);
        let step = several().count().div_ceil(most).max(1);
        several().step_by(step).map(|past| self.newest(past))
    }

    fn newest<'p>(&self, past: &'p [Past]) -> &'p [Past] {
        &past[past.len().saturating_sub(self.most)..]
    }

    /// Adds a label to its user's past; corrects it there where it is not the impression's first label.
    pub(super) fn remember(&mut self, user: u32, new: Past, first: bool, mut learned: impl FnMut(Learned)) {
        let most = self.most;
        let Some(past) = self.of_users.get_mut(user as usize) else { return };
        self.remembered[user as usize] += 1;
        if !first {
            if let Some(at) = past.iter().rposition(|old| old.impression == new.impression) {
                let before = std::mem::replace(&mut past[at], new).residual;
                // Each label was paired with as many before it as are read.
                let end = past.len().min(at + 1 + most);
                let others = [&past[at.saturating_sub(most)..at], &past[at + 1..end]];
                learned(Learned { others, row: new, before: Some(before) });
            }
            return;
        }
        learned(Learned { others: [&past[past.len().saturating_sub(most)..], &[]], row: new, before: None });
        if past.len() >= 2 * most {
            past.drain(..most);
        }
        past.push(new);
    }
}
