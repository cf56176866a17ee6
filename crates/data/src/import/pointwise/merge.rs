//! Merges snapshots of one growing list into the list, with its length at each snapshot.
//!
//! Snapshots come in order of time. Most continue the list or repeat its start. A *window* (the last n items only)
//! overlaps its end or lies inside: it is read as everything up to the window's last item. Anything else, say a list
//! from which an item was taken out, is *approximate*: what follows its last known item is added, and it is read as
//! everything known by then. No reading holds an item that neither this snapshot nor an earlier one has.

use semrank_core::narrow;
use std::collections::{HashMap, HashSet, VecDeque};

/// The merged list.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Merged {
    pub(super) items: Vec<u32>,
    /// What is in `items`.
    known: HashSet<u32>,
    /// One length per snapshot, in their order.
    pub(super) ends: Vec<u32>,
    /// Snapshots that are windows.
    pub(super) windows: u64,
    /// Snapshots that fit nowhere.
    pub(super) approximate: u64,
}

pub(super) fn merge<'a>(snapshots: impl Iterator<Item = &'a [u32]>) -> Merged {
    let mut merged = Merged::default();
    for snapshot in snapshots {
        let end = merged.read(snapshot);
        merged.ends.push(narrow::count(end));
    }
    merged
}

/// The list of a user whose rows have none: the items liked before each of them, which are as many as `ends` says.
pub(super) fn of_likes(liked: &[u32], ends: impl Iterator<Item = usize>) -> Merged {
    let ends: Vec<u32> = ends.map(narrow::count).collect();
    let items = liked[..ends.iter().copied().max().unwrap_or(0) as usize].to_vec();
    Merged { items, ends, ..Merged::default() }
}

impl Merged {
    fn read(&mut self, snapshot: &[u32]) -> usize {
        if self.items.starts_with(snapshot) {
            return snapshot.len();
        }
        if snapshot.starts_with(&self.items) {
            self.extend(&snapshot[self.items.len()..]);
            return self.items.len();
        }
        let search = Search::new(snapshot);
        if let Some(end) = self.inside(&search) {
            self.windows += 1;
            return end;
        }
        let overlap = self.overlap(&search);
        let new = if overlap > 0 {
            self.windows += 1;
            overlap
        } else {
            self.approximate += 1;
            snapshot.iter().rposition(|item| self.known.contains(item)).map_or(0, |last| last + 1)
        };
        self.extend(&snapshot[new..]);
        self.items.len()
    }

    fn extend(&mut self, new: &[u32]) {
        self.items.extend_from_slice(new);
        self.known.extend(new);
    }

    /// Where the snapshot, which is not empty, ends inside the list: not before the last reading if that is possible.
    fn inside(&self, search: &Search) -> Option<usize> {
        let last = self.ends.last().map_or(0, |&end| end as usize);
        let from = last.saturating_sub(search.pattern.len());
        let later = search.ends(&self.items[from..]).map(|end| from + end).find(|&end| end >= last);
        later.or_else(|| search.ends(&self.items[..last.saturating_sub(1)]).last())
    }

    /// The longest start of the snapshot that is an end of the list.
    fn overlap(&self, search: &Search) -> usize {
        let from = self.items.len().saturating_sub(search.pattern.len());
        self.items[from..].iter().fold(0, |matched, &item| search.next(matched, item))
    }
}

/// A search for a list in another one, in the time of one look at each item, whatever repeats in them (Knuth, Morris & Pratt 1977,
/// SIAM Journal on Computing 6).
struct Search<'a> {
    pattern: &'a [u32],
    /// Of every start of the pattern the longest shorter start that is an end of it.
    borders: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(pattern: &'a [u32]) -> Self {
        let mut search = Search { pattern, borders: vec![0; pattern.len()] };
        for (at, &item) in pattern.iter().enumerate().skip(1) {
            search.borders[at] = search.next(search.borders[at - 1], item);
        }
        search
    }

    /// How much of the pattern's start is matched with one more item.
    fn next(&self, mut matched: usize, item: u32) -> usize {
        while matched > 0 && self.pattern.get(matched) != Some(&item) {
            matched = self.borders[matched - 1];
        }
        matched + usize::from(self.pattern[matched] == item)
    }

    /// Where the pattern ends in a list.
    fn ends(&self, list: &[u32]) -> impl Iterator<Item = usize> {
        let mut matched = 0;
        list.iter().enumerate().filter_map(move |(at, &item)| {
            matched = self.next(matched, item);
            (matched == self.pattern.len()).then_some(at + 1)
        })
    }
}

/// When the events of a list happened.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Times {
    /// One time per item (ms UTC), never falling.
    pub(super) ms: Vec<i64>,
    /// Events that no row liked.
    pub(super) unknown: u64,
    /// Events whose row comes after a row that knows them, or after the next event: moved forward.
    pub(super) moved: u64,
}

/// Times of `items` from `liked` rows (item, time), by time, and from the rows that know the first `end` of them:
/// `seen` (time, end).
pub(super) fn times(items: &[u32], liked: &[(u32, i64)], seen: &[(i64, u32)]) -> Times {
    let mut first_seen = vec![i64::MAX; items.len()];
    for &(time, end) in seen.iter().filter(|(_, end)| *end > 0) {
        let last = &mut first_seen[end as usize - 1];
        *last = time.min(*last);
    }
    let mut rows: HashMap<u32, VecDeque<i64>> = HashMap::new();
    liked.iter().for_each(|&(item, time)| rows.entry(item).or_default().push_back(time));
    let known: Vec<Option<i64>> =
        items.iter().map(|item| rows.get_mut(item).and_then(VecDeque::pop_front)).collect();
    let mut out = Times { ms: vec![0; items.len()], ..Times::default() };
    let mut latest = i64::MAX;
    for at in (0..items.len()).rev() {
        latest = latest.min(first_seen[at]);
        let time = known[at].map_or(latest, |time| time.min(latest));
        out.unknown += u64::from(known[at].is_none());
        out.moved += u64::from(known[at].is_some_and(|known| known > time));
        out.ms[at] = time;
        latest = time;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(snapshots: &[&[u32]], items: &[u32], ends: &[u32], windows: u64, approximate: u64) {
        let known = items.iter().copied().collect();
        let expected = Merged { items: items.to_vec(), known, ends: ends.to_vec(), windows, approximate };
        assert_eq!(merge(snapshots.iter().copied()), expected, "{snapshots:?}");
    }

    #[test]
    fn snapshots_are_read_as_long_as_they_fit() {
        check(&[&[], &[1], &[1], &[1, 2, 3], &[1, 2]], &[1, 2, 3], &[0, 1, 1, 3, 2], 0, 0);
        check(&[&[1, 2, 1, 2], &[1, 2]], &[1, 2, 1, 2], &[4, 2], 0, 0); // the shorter reading of a repeat
        check(&[&[1, 2, 3], &[2, 3, 4], &[3, 4, 5]], &[1, 2, 3, 4, 5], &[3, 4, 5], 2, 0);
        check(&[&[1, 2, 3, 4], &[2, 3], &[3, 4]], &[1, 2, 3, 4], &[4, 3, 4], 2, 0);
        check(&[&[1, 2, 3], &[1, 3, 4]], &[1, 2, 3, 4], &[3, 4], 0, 1); // 2 was taken out
        check(&[&[1, 2], &[7, 8]], &[1, 2, 7, 8], &[2, 4], 0, 1);
    }

    /// The reference: compares at every place.
    fn inside_plain(merged: &Merged, snapshot: &[u32]) -> Option<usize> {
        let last = merged.ends.last().map_or(0, |&end| end as usize);
        let fits = |end: &usize| merged.items[..*end].ends_with(snapshot);
        (last..=merged.items.len()).find(fits).or_else(|| (snapshot.len()..last).rev().find(fits))
    }

    #[test]
    fn a_search_finds_what_comparing_at_every_place_finds() {
        let mut rng = semrank_core::Rng::new(4, "merge");
        for _ in 0..20_000 {
            let items: Vec<u32> = (0..rng.below(12)).map(|_| rng.below(2) as u32).collect();
            let snapshot: Vec<u32> = (0..1 + rng.below(6)).map(|_| rng.below(2) as u32).collect();
            let ends = vec![rng.below(items.len() + 1) as u32];
            let merged = Merged { items, ends, ..Merged::default() };
            let search = Search::new(&snapshot);
            assert_eq!(merged.inside(&search), inside_plain(&merged, &snapshot), "{merged:?} {snapshot:?}");
            let most = snapshot.len().min(merged.items.len());
            let overlap = (1..=most).rev().find(|&n| merged.items.ends_with(&snapshot[..n])).unwrap_or(0);
            assert_eq!(merged.overlap(&search), overlap, "{merged:?} {snapshot:?}");
        }
    }

    /// Comparing at every place takes 2^42 steps here.
    #[test]
    fn long_lists_of_one_item_are_merged_in_one_look_at_each() {
        let (mut first, mut second) = (vec![7; 1 << 21], vec![7; 1 << 21]);
        (first[1 << 20], second[(1 << 21) - 1]) = (8, 9);
        let merged = merge([first.as_slice(), &second].into_iter());
        assert_eq!((merged.items.len(), merged.windows), ((1 << 21) + (1 << 20) + 1, 1));
    }

    #[test]
    fn times_are_those_of_the_likes_and_never_later_than_a_row_that_knows_them() {
        let plain = times(&[5, 6], &[(5, 10), (6, 20)], &[(15, 1), (30, 2)]);
        assert_eq!(plain, Times { ms: vec![10, 20], unknown: 0, moved: 0 });
        let unknown = times(&[5, 6, 7], &[(6, 20)], &[(15, 1), (30, 3)]);
        assert_eq!(unknown, Times { ms: vec![15, 20, 30], unknown: 2, moved: 0 });
        let moved = times(&[5, 6], &[(5, 40), (6, 20)], &[(50, 2)]);
        assert_eq!(moved, Times { ms: vec![20, 20], unknown: 0, moved: 1 });
        let twice = times(&[5, 5], &[(5, 10), (5, 20)], &[(30, 2)]);
        assert_eq!(twice.ms, [10, 20]);
    }
}
