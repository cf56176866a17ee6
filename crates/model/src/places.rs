//! Places kept for items that nobody has touched yet: without them an item that has no event gets none.
//!
//! Of every ten places the last few go to the best such items, unless they stand higher by their own score. What that
//! costs is bounded, whatever the scores are: the first places stay as they are.
//!
//! ```
//! use semrank_model::keep_places;
//! let mut scores: Vec<f32> = (0..30).map(|item| 100.0 - item as f32).collect();
//! keep_places(2, &[29, 28, 27, 26], &mut scores); // nobody has touched the last four
//! let mut order: Vec<usize> = (0..30).collect();
//! order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
//! assert_eq!(order[..12], [0, 1, 2, 3, 4, 5, 6, 7, 29, 28, 8, 9]);
//! ```

/// Places that are divided, and tens of them that are looked at: the top of a ranking.
const TEN: usize = 10;
const TENS: usize = 6;

/// Raises the scores of the best `new` items (best first) to the last `kept` of every ten places.
///
/// # Panics
/// When `kept` is not between 1 and 9.
pub fn keep_places(kept: usize, new: &[u32], scores: &mut [f32]) {
    assert!((1..TEN).contains(&kept), "some places are left for other items");
    let mut is_new = vec![false; scores.len()];
    new.iter().for_each(|&item| is_new[item as usize] = true);
    let mut others: Vec<f32> =
        scores.iter().zip(&is_new).filter(|(_, new)| !**new).map(|(&score, _)| score).collect();
    let top = (TENS * (TEN - kept) + 1).min(others.len());
    if top > 0 && top < others.len() {
        others.select_nth_unstable_by(top - 1, |a, b| b.total_cmp(a));
    }
    others.truncate(top);
    others.sort_by(|a, b| b.total_cmp(a));
    for (ten, items) in new.chunks(kept).enumerate() {
        let before = (ten + 1) * (TEN - kept);
        let [above, below] = others[..].get(before - 1..=before).unwrap_or(&[]) else { break };
        for (at, &item) in items.iter().enumerate() {
            let place = above + (below - above) * (at + 1) as f32 / (kept + 1) as f32;
            let score = &mut scores[item as usize];
            *score = score.max(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_stands_higher_by_itself_stays_there() {
        let mut scores: Vec<f32> = (0..15).map(|item| 20.0 - item as f32).collect();
        let before = scores.clone();
        keep_places(1, &[3], &mut scores);
        assert_eq!(scores, before);
        keep_places(1, &[14], &mut scores);
        assert_eq!(scores[14], 11.5, "between the ninth and the tenth of the others");
        keep_places(2, &[], &mut []);
    }
}
