//! Places kept for items that nobody has touched yet: without them an item that has no event gets none.
//!
//! Every n-th place goes to the best such item, unless it stands higher by its own score. What that costs is bounded,
//! whatever the scores are: the k-th of the others moves down by at most `k / (n - 1)` places.
//!
//! ```
//! use semrank_model::keep_every;
//! let mut scores = [9.0, 8.0, 7.0, 1.0, 2.0]; // nobody has touched the last two
//! keep_every(3, &[3, 4], &mut scores);
//! assert!(scores[1] > scores[4] && scores[4] > scores[2], "item 4 has the third place");
//! assert_eq!(scores[3], 1.0);
//! ```

/// Places that are looked at: the top of a ranking.
const PLACES: usize = 60;

/// Raises the scores of the best `untouched` items (ascending rows) to every `every`-th place.
///
/// # Panics
/// When `every` is below 2.
pub fn keep_every(every: usize, untouched: &[u32], scores: &mut [f32]) {
    assert!(every >= 2, "some places are left for other items");
    let kept = PLACES / every;
    let mut new: Vec<u32> =
        untouched.iter().copied().filter(|&item| scores[item as usize] > f32::NEG_INFINITY).collect();
    new.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
    let mut rest = untouched.iter().peekable();
    let others = (0..scores.len() as u32).filter(|item| rest.next_if_eq(&item).is_none());
    let mut others: Vec<f32> = others.map(|item| scores[item as usize]).collect();
    let top = (kept * (every - 1) + 1).min(others.len());
    if top > 0 && top < others.len() {
        others.select_nth_unstable_by(top - 1, |a, b| b.total_cmp(a));
    }
    others.truncate(top);
    others.sort_by(|a, b| b.total_cmp(a));
    for (at, &item) in new.iter().enumerate().take(kept) {
        let before = (at + 1) * (every - 1);
        if let [above, below] = others[..].get(before - 1..=before).unwrap_or(&[]) {
            let place = below + (above - below) / 2.0;
            if place > scores[item as usize] {
                scores[item as usize] = place;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(scores: &[f32]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        order
    }

    #[test]
    fn every_third_place_is_kept_and_the_order_of_the_others_stays() {
        let mut scores: Vec<f32> = (0..30).map(|item| 100.0 - item as f32).collect();
        let untouched: Vec<u32> = (20..30).collect();
        keep_every(3, &untouched, &mut scores);
        assert_eq!(order(&scores)[..9], [0, 1, 20, 2, 3, 21, 4, 5, 22]);
    }

    #[test]
    fn an_item_that_stands_higher_by_itself_stays_there_and_masked_ones_stay_masked() {
        let mut scores = [5.0, 4.0, 3.0, 2.0, 10.0, f32::NEG_INFINITY];
        keep_every(2, &[4, 5], &mut scores);
        assert_eq!(scores, [5.0, 4.0, 3.0, 2.0, 10.0, f32::NEG_INFINITY]);
        keep_every(2, &[], &mut []);
    }
}
