//! Ids of the newest events: an event counts once.

use std::collections::{HashSet, VecDeque};

/// Ids of the newest events.
#[derive(Debug)]
pub struct Recent {
    keys: HashSet<u128>,
    order: VecDeque<u128>,
    most: usize,
}

impl Recent {
    /// Remembers the `most` newest.
    pub fn new(most: usize) -> Self {
        Self { keys: HashSet::new(), order: VecDeque::new(), most: most.max(1) }
    }

    /// Returns whether the key is new.
    pub fn insert(&mut self, key: u128) -> bool {
        if !self.keys.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
        true
    }

    /// The keys, oldest first.
    pub(crate) fn save(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.order.len() * 16);
        self.order.iter().for_each(|key| out.extend_from_slice(&key.to_le_bytes()));
        out
    }

    /// What [`Recent::save`] gave; `None` for other bytes.
    pub(crate) fn restore(most: usize, saved: &[u8]) -> Option<Self> {
        let (keys, rest) = saved.as_chunks();
        let mut out = Self::new(most);
        let are_new = keys.iter().all(|key| out.insert(u128::from_le_bytes(*key)));
        (are_new && rest.is_empty() && keys.len() <= out.most).then_some(out)
    }

    /// Takes back the newest `count` keys, whose events were not written.
    pub(crate) fn take_back(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(key) = self.order.pop_back() {
                self.keys.remove(&key);
            }
        }
    }
}
