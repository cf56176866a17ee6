//! How often the next engaged item is among those nearest to a user's interests, compared with those nearest to the
//! plain mean.
//!
//! A candidate's score is the largest of its cosines with K interests, or its cosine with the mean of the history. Items of the
//! history are no candidates (each would be nearest to itself), so cases whose target is among them are left out. Ties
//! count against the target.

use super::UnitVectors;
use rayon::prelude::*;
use semrank_core::{ItemId, Rng, narrow};
use semrank_nn::{kernel, unit_rows};

/// Recall of the next engaged item.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct InterestRecall {
    /// Interests a user; `None` is the mean of the history.
    pub interests: Option<usize>,
    /// Number of cases.
    pub users: usize,
    /// Share of cases whose target ranks within 10.
    #[serde(rename = "recall@10")]
    pub recall_10: f64,
    /// Share of cases whose target ranks within 50.
    #[serde(rename = "recall@50")]
    pub recall_50: f64,
}

/// Recall of each case's target by the mean of its history, and by each number of interests in `counts`.
pub fn interest_recall(
    vectors: &UnitVectors,
    cases: &[(&[ItemId], ItemId)],
    counts: &[usize],
    seed: u64,
) -> Vec<InterestRecall> {
    let has_content = |item: ItemId| vectors.of(item).iter().any(|&x| x != 0.0);
    let usable = |(history, target): &&(&[ItemId], ItemId)| {
        !vectors.is_empty()
            && has_content(*target)
            && !history.contains(target)
            && history.iter().any(|&item| has_content(item))
    };
    let cases: Vec<&(&[ItemId], ItemId)> = cases.iter().filter(usable).collect();
    let rng = Rng::new(seed, "interests");
    let measured = |interests: Option<usize>| {
        let rank = |(at, &&(history, target)): (usize, &&(&[ItemId], ItemId))| {
            let queries = match interests {
                None => vec![mean(vectors, history)],
                Some(k) => {
                    let found = vectors.interests(history, k, &rng.fork(at as u64));
                    found.into_iter().map(|interest| interest.vector).collect()
                }
            };
            rank(vectors, &queries, history, target)
        };
        let ranks: Vec<usize> = cases.par_iter().enumerate().map(rank).collect();
        let share =
            |top| ranks.iter().filter(|&&rank| rank <= top).count() as f64 / ranks.len().max(1) as f64;
        InterestRecall { interests, users: ranks.len(), recall_10: share(10), recall_50: share(50) }
    };
    [None].into_iter().chain(counts.iter().copied().map(Some)).map(measured).collect()
}

fn mean(vectors: &UnitVectors, history: &[ItemId]) -> Vec<f32> {
    let (mut sum, mut out) = (vec![0.0; vectors.width], vec![0.0; vectors.width]);
    history.iter().for_each(|&item| kernel::add(vectors.of(item), &mut sum));
    unit_rows(vectors.width, &sum, &mut [0.0], &mut out);
    out
}

fn rank(vectors: &UnitVectors, queries: &[Vec<f32>], history: &[ItemId], target: ItemId) -> usize {
    let score = |item: ItemId| {
        let cosines = queries.iter().map(|query| kernel::dot(query, vectors.of(item)));
        cosines.fold(f32::NEG_INFINITY, f32::max)
    };
    let own = score(target);
    let is_above = |item: &ItemId| score(*item) >= own;
    let mut seen: Vec<ItemId> = history.iter().copied().filter(|&item| item != target).collect();
    seen.sort_unstable();
    seen.dedup();
    // The target is one of all.
    let all = narrow::indices(vectors.len()).map(ItemId).filter(is_above).count();
    all - seen.iter().filter(|item| is_above(item)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_interests_find_what_lies_beside_the_mean() {
        // Two directions; twenty items between them hide the neighbours of both from the mean.
        let mut rows = vec![1.0, 0.0, 0.0, 1.0, 0.99, 0.01];
        (0..20).for_each(|at| rows.extend([1.0, 1.0 + at as f32 / 100.0]));
        let vectors = UnitVectors::new(rows, 2);
        let history = [ItemId(0), ItemId(1)];
        let cases = [(&history[..], ItemId(2)), (&history[..], ItemId(1)), (&history[..0], ItemId(2))];
        let found = interest_recall(&vectors, &cases, &[1, 2], 1);
        let recalls: Vec<_> = found.iter().map(|one| (one.interests, one.users, one.recall_10)).collect();
        assert_eq!(recalls, [(None, 1, 0.0), (Some(1), 1, 0.0), (Some(2), 1, 1.0)]);
        assert!(found.iter().all(|one| one.recall_50 == 1.0));
    }

    #[test]
    fn items_of_a_long_history_are_no_candidates() {
        // So many that looking for each item of the catalogue in the history would take minutes.
        const ITEMS: usize = 400_000;
        let rows: Vec<f32> = (0..ITEMS).flat_map(|item| [1.0, 1.0 - item as f32 / ITEMS as f32]).collect();
        let vectors = UnitVectors::new(rows, 2);
        let history: Vec<ItemId> = (0..ITEMS as u32).filter(|item| item % 100 != 0).map(ItemId).collect();
        let queries = [vec![0.0, 1.0]];
        assert_eq!(rank(&vectors, &queries, &history, ItemId(0)), 1);
        assert_eq!(
            rank(&vectors, &queries, &history, ItemId(1_000)),
            11,
            "behind ten that are not in the history"
        );
    }
}
