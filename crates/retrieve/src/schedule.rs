//! Which items are within their time window, moved on with the clock: a change costs one bit, not a pass over all items.
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

/// Time windows of items, and which of them are open at a moment.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    /// First moment, and first moment after, of each item (ms UTC).
    windows: Vec<(i64, i64)>,
    /// Moments at which an item's window opens or closes.
    changes: BTreeSet<(i64, u32)>,
    now: i64,
    open: Bitmap,
}

const ALWAYS: (i64, i64) = (i64::MIN, i64::MAX);

impl Schedule {
    pub(crate) fn new(items: usize) -> Self {
        Self {
            windows: vec![ALWAYS; items],
            changes: BTreeSet::new(),
            now: i64::MIN,
            open: Bitmap::full(items),
        }
    }

    pub(crate) fn push(&mut self) {
        self.windows.push(ALWAYS);
        self.open.push(true);
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
        self.look(item);
    }

    /// Items whose window is open at a moment.
    pub(crate) fn at(&mut self, now: i64) -> &Bitmap {
        let (from, to) = (self.now.min(now), self.now.max(now));
        self.now = now;
        // From one moment to another, back as well, only items change whose bound lies after the earlier and not after the later.
        if from < to {
            let changed: Vec<u32> =
                self.changes.range((from + 1, 0)..=(to, u32::MAX)).map(|change| change.1).collect();
            changed.into_iter().for_each(|item| self.look(item));
        }
        &self.open
    }

    fn look(&mut self, item: u32) {
        let (from, to) = self.windows[item as usize];
        // The end of all time has passed for nothing.
        self.open.set(item, from <= self.now && (self.now < to || to == i64::MAX));
    }
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
                let open = schedule.at(now).clone();
                for (item, &(from, to)) in now_windows.iter().enumerate() {
                    prop_assert_eq!(open.contains(item as u32), from <= now && now < to);
                }
            }
        }
    }
}
