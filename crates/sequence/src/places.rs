//! Places kept for items without interactions (cold items), which would get none by their score.
//!
//! Of every ten places the last few go to the best such items, unless they stand higher by their own score. What that
//! costs is bounded, whatever the scores are: the first places stay as they are.
//!
//! ```
//! use semrank_sequence::keep_places;
//! let mut scores: Vec<f32> = (0..30).map(|item| 100.0 - item as f32).collect();
//! keep_places(2, &[29, 28, 27, 26], &[26, 27, 28, 29], &mut scores); // the last four are cold
//! let mut order: Vec<usize> = (0..30).collect();
//! order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
//! assert_eq!(order[..12], [0, 1, 2, 3, 4, 5, 6, 7, 29, 28, 8, 9]);
//! ```

use semrank_core::Best;

/// Places that are divided, and tens of them that are looked at: the top of a ranking.
const TEN: usize = 10;
const TENS: usize = 6;

/// The most items that places can be kept for.
pub(crate) fn most_kept(kept: usize) -> usize {
    TENS * kept
}

/// Raises the scores of the best new items, `best` first, to the last `kept` of every ten places among the items that are
/// not `new` (ascending).
///
/// # Panics
/// When `kept` is not between 1 and 9.
pub fn keep_places(kept: usize, best: &[u32], new: &[u32], scores: &mut [f32]) {
    let mut others = Others::new(kept);
    others.add(0, scores, new);
    for (item, place) in others.places(best) {
        let score = &mut scores[item as usize];
        *score = score.max(place);
    }
}

/// The top of a ranking without its new items, which may come tile by tile.
pub(crate) struct Others {
    kept: usize,
    best: Best,
}

impl Others {
    /// None yet; `kept` of every ten places are kept.
    ///
    /// # Panics
    /// When `kept` is not between 1 and 9.
    pub(crate) fn new(kept: usize) -> Self {
        assert!((1..TEN).contains(&kept), "some places are left for other items");
        let mut best = Best::default();
        best.begin(Self::most(kept));
        Self { kept, best }
    }

    /// Items that the places lie between.
    pub(crate) fn most(kept: usize) -> usize {
        TENS * (TEN - kept) + 1
    }

    /// Looks at the scores of the next items, from `first` on.
    pub(crate) fn add(&mut self, first: u32, scores: &[f32], new: &[u32]) {
        self.best.add(first, scores, |item| new.binary_search(&item).is_err());
    }

    /// The new items (best first) that get a place, each with the score that it has at least there.
    pub(crate) fn places<'n>(&mut self, new: &'n [u32]) -> impl Iterator<Item = (u32, f32)> + 'n {
        let kept = self.kept;
        let others: Vec<f32> = self.best.finish().iter().map(|other| other.0).collect();
        let tens = new[..new.len().min(most_kept(kept))].chunks(kept).enumerate();
        tens.flat_map(move |(ten, items)| {
            let before = (ten + 1) * (TEN - kept);
            let between = others.get(before - 1..=before).map(|pair| [pair[0], pair[1]]);
            items.iter().enumerate().filter_map(move |(at, &item)| {
                let [above, below] = between?;
                Some((item, above + (below - above) * (at + 1) as f32 / (kept + 1) as f32))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_stands_higher_by_itself_stays_there() {
        let mut scores: Vec<f32> = (0..15).map(|item| 20.0 - item as f32).collect();
        let before = scores.clone();
        keep_places(1, &[3], &[3], &mut scores);
        assert_eq!(scores, before);
        keep_places(1, &[14], &[14], &mut scores);
        assert_eq!(scores[14], 11.5, "between the ninth and the tenth of the others");
        keep_places(2, &[], &[], &mut []);
    }
}
