//! Priority queues of the simulation: the next steps of sessions, and events due later. Elements of equal time are ordered
//! by their other fields, so that the order never depends on the heap.

use super::events::AdEvent;
use super::response::Surface;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// The next step of a session; a session not yet begun has no steps left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    pub(crate) time_ms: i64,
    pub(crate) user: u32,
    pub(crate) left: u32,
    pub(crate) surface: Surface,
}

/// An event that waits for its time.
#[derive(Debug, Clone)]
pub(crate) struct Waiting(pub(crate) AdEvent);

impl Waiting {
    fn key(&self) -> (i64, u64) {
        (self.0.time_ms, self.0.event)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// A heap whose least element is due at some time.
pub(crate) trait Due<T> {
    /// The next element, if it is due before `time_ms`.
    fn pop_if_before(&mut self, time_ms: i64) -> Option<T>;
}

impl Due<Reverse<Step>> for BinaryHeap<Reverse<Step>> {
    fn pop_if_before(&mut self, time_ms: i64) -> Option<Reverse<Step>> {
        self.peek().filter(|next| next.0.time_ms < time_ms)?;
        self.pop()
    }
}

impl Due<Reverse<Waiting>> for BinaryHeap<Reverse<Waiting>> {
    fn pop_if_before(&mut self, time_ms: i64) -> Option<Reverse<Waiting>> {
        self.peek().filter(|next| next.0.0.time_ms < time_ms)?;
        self.pop()
    }
}
