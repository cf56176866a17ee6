//! Which items are within their time window, moved on with the clock: a moment costs a copy of the bits and one bit per window that opens or
//! closes, not a pass over all windows. Any number of threads ask at once; none waits while another moves the clock.
//!
//! ```
//! # use semrank_retrieve::Items;
//! let mut items = Items::new(2);
//! items.set_window(0, 10, 20);
//! assert_eq!([5, 10, 20].map(|now| items.eligible(now).contains(0)), [false, true, false]);
//! assert!(items.eligible(i64::MAX).contains(1)); // without a window: always
//! ```

use semrank_nn::scan::Bitmap;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Time windows of items, and which of them are open at a moment.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// First moment, and first moment after, of each item (ms UTC).
    windows: Vec<(i64, i64)>,
    /// Moments at which an item's window opens or closes.
    changes: BTreeSet<(i64, u32)>,
    /// The moment that was asked for last. Held for as long as it takes to put in a pointer.
    last: Mutex<Arc<Open>>,
}

/// Items whose window is open at a moment.
#[derive(Debug, Clone)]
struct Open {
    now: i64,
    items: Bitmap,
}

const ALWAYS: (i64, i64) = (i64::MIN, i64::MAX);

impl Clone for Schedule {
    fn clone(&self) -> Self {
        let last = Mutex::new(self.last());
        Self { windows: self.windows.clone(), changes: self.changes.clone(), last }
    }
}

impl Schedule {
    pub(crate) fn new(items: usize) -> Self {
        let open = Open { now: i64::MIN, items: Bitmap::full(items) };
        Self { windows: vec![ALWAYS; items], changes: BTreeSet::new(), last: Mutex::new(Arc::new(open)) }
    }

    pub(crate) fn push(&mut self) {
        self.windows.push(ALWAYS);
        self.last_mut().items.push(true);
    }

    /// The window of an item.
    pub(crate) fn window(&self, item: u32) -> (i64, i64) {
        self.windows[item as usize]
    }

    /// Gives an item another window.
    pub(crate) fn set(&mut self, item: u32, from: i64, to: i64) {
        let (old_from, old_to) = std::mem::replace(&mut self.windows[item as usize], (from, to));
        for time in [old_from, old_to] {
            self.changes.remove(&(time, item));
        }
        let bounds = [from, to].into_iter().filter(|time| (i64::MIN + 1..i64::MAX).contains(time));
        self.changes.extend(bounds.map(|time| (time, item)));
        let open = self.last_mut();
        open.items.set(item, is_open((from, to), open.now));
    }

    /// Keeps of `items` those whose window is open at a moment.
    pub(crate) fn keep_open(&self, now: i64, items: &mut Bitmap) {
        let mut open = self.last();
        if open.now != now {
            open = Arc::new(self.moved(&open, now));
            // Whoever comes later moves on from here; which of two moments stays does not matter.
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = open.clone();
        }
        items.intersect(&open.items);
    }

    /// From one moment to another, back as well, only items change whose bound lies after the earlier and not after the later.
    fn moved(&self, open: &Open, now: i64) -> Open {
        let (from, to) = (open.now.min(now), open.now.max(now));
        let mut items = open.items.clone();
        for &(_, item) in self.changes.range((from + 1, 0)..=(to, u32::MAX)) {
            items.set(item, is_open(self.windows[item as usize], now));
        }
        Open { now, items }
    }

    fn last(&self) -> Arc<Open> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn last_mut(&mut self) -> &mut Open {
        Arc::make_mut(self.last.get_mut().unwrap_or_else(PoisonError::into_inner))
    }
}

fn is_open((from, to): (i64, i64), now: i64) -> bool {
    // The end of all time has passed for nothing.
    from <= now && (now < to || to == i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn moving_the_clock_is_looking_at_every_window(
            windows in prop::collection::vec((0i64..20, 0i64..20), 1..40),
            times in prop::collection::vec((prop::option::of((0usize..40, 0i64..20, 0i64..20)), -1i64..21), 1..30),
        ) {
            let mut schedule = Schedule::new(windows.len());
            let mut now_windows = windows.clone();
            (0..).zip(&windows).for_each(|(item, &(from, to))| schedule.set(item, from, to));
            for (change, now) in times {
                if let Some((item, from, to)) = change {
                    let item = item % windows.len();
                    schedule.set(item as u32, from, to);
                    now_windows[item] = (from, to);
                }
                let mut open = Bitmap::full(windows.len());
                schedule.keep_open(now, &mut open);
                for (item, &(from, to)) in now_windows.iter().enumerate() {
                    prop_assert_eq!(open.contains(item as u32), from <= now && now < to);
                }
            }
        }
    }
}
