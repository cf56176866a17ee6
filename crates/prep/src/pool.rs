//! Memory shares: sorts share the limit and spill to disk beyond it; operators that cannot spill get what they ask
//! for.
//!
//! DataFusion's fair pool lets sorts fill the limit and then refuses the merge that would empty them, so that a large log fails
//! where a small one passes. Here a merge, which holds a batch of every spilled run, and a join, which holds the repeated rows, the
//! clicks or the conversions of the log, stand beside the limit: peak memory is the limit and these.

use datafusion::common::Result;
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The limit, divided fairly among those who can go to disk.
#[derive(Debug)]
pub(crate) struct SortPool {
    sorts: FairSpillPool,
    others: AtomicUsize,
}

impl SortPool {
    /// With so many bytes for sorts.
    pub(crate) fn new(bytes: usize) -> SortPool {
        SortPool { sorts: FairSpillPool::new(bytes), others: AtomicUsize::new(0) }
    }
}

fn is_sort(reservation: &MemoryReservation) -> bool {
    reservation.consumer().can_spill()
}

impl MemoryPool for SortPool {
    fn name(&self) -> &str {
        "sort"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.sorts.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.sorts.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        if is_sort(reservation) {
            self.sorts.grow(reservation, additional);
        } else {
            self.others.fetch_add(additional, Ordering::Relaxed);
        }
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        if is_sort(reservation) {
            self.sorts.shrink(reservation, shrink);
        } else {
            self.others.fetch_sub(shrink, Ordering::Relaxed);
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        if is_sort(reservation) {
            return self.sorts.try_grow(reservation, additional);
        }
        self.grow(reservation, additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.sorts.reserved() + self.others.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.sorts.memory_limit()
    }
}

impl fmt::Display for SortPool {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, {} bytes beside it", self.sorts, self.others.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn sorts_keep_to_the_limit_and_merges_are_served() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SortPool::new(100));
        let sort = MemoryConsumer::new("sort").with_can_spill(true).register(&pool);
        let merge = MemoryConsumer::new("merge").register(&pool);
        assert!(sort.try_grow(100).is_ok() && sort.try_grow(1).is_err());
        assert!(merge.try_grow(1000).is_ok());
        assert_eq!(pool.reserved(), 1100);
        drop(merge);
        drop(sort);
        assert_eq!(pool.reserved(), 0);
    }
}
