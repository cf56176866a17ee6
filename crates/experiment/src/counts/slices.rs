//! Rows of the log by slice of the units, and the work on all slices by several threads.

use crate::error::Result;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Slices of the units, by the high bits of their hash. Sums run over the units of a slice in the order of the hash, then over the slices:
/// neither shards nor parts nor threads can change a rounding.
pub(super) const SLICES: usize = 256;

/// Rows of a block: blocks are handed over whole when shards merge, and one half-filled block a slice wastes 12 MB in all.
const BLOCK: usize = 1024;

/// A share of the units; the log is read once for each.
///
/// ```
/// use semrank_experiment::counts::Part;
/// let parts: Vec<Part> = Part::all(3).collect();
/// assert_eq!(parts.iter().filter(|part| part.has("some unit")).count(), 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    index: usize,
    of: usize,
}

impl Part {
    /// All units.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// The parts of a division into `of`, which is taken as at least 1 and at most 256.
    pub fn all(of: usize) -> impl Iterator<Item = Self> {
        let of = of.clamp(1, SLICES);
        (0..of).map(move |index| Self { index, of })
    }

    /// Whether rows of a unit belong to the part.
    pub fn has(self, unit: &str) -> bool {
        self.slices().contains(&slice_of(super::unit_hash(unit)))
    }

    pub(super) fn slices(self) -> Range<usize> {
        self.index * SLICES / self.of..(self.index + 1) * SLICES / self.of
    }
}

pub(super) fn slice_of(unit: u64) -> usize {
    (unit >> 56) as usize
}

/// Rows of one slice, in blocks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Blocks<T>(Vec<Vec<T>>);

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + Ord> Blocks<T> {
    pub(super) fn push(&mut self, row: T) {
        match self.0.last_mut() {
            Some(block) if block.len() < BLOCK => block.push(row),
            _ => self.0.push(vec![row]),
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn sorted(self) -> Vec<T> {
        let mut rows = self.0.concat();
        drop(self.0);
        rows.sort_unstable();
        rows
    }
}

/// `work` on every item by so many threads; results in the order of the items, each item is dropped when it is done.
pub(super) fn on_threads<T: Send, R: Send>(
    items: Vec<T>,
    threads: usize,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let queue = Mutex::new(items.into_iter().enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || {
        let mut done = Vec::new();
        while let Some((at, item)) = next() {
            done.push((at, work(item)));
        }
        done
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
        let mut done = worker();
        others.into_iter().for_each(|other| match other.join() {
            Ok(more) => done.extend(more),
            Err(panic) => std::panic::resume_unwind(panic),
        });
        done
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
