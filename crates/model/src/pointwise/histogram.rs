//! Where a candidate's content stands among the contents of a history: a histogram of cosines, for ads and organic items apart.
//!
//! Of each kind: the share of events in each bin, the largest cosine, and the mean weighted by recency.

use super::items::ItemTables;

/// Upper ends of the bins but the last.
const EDGES: [f32; 5] = [0.05, 0.15, 0.3, 0.5, 0.8];
const BINS: usize = EDGES.len() + 1;
/// Features of one row: both kinds.
pub(crate) const WIDTH: usize = 2 * (BINS + 2);
/// Weight of an event relative to the next newer one.
const DECAY: f32 = 0.85;

/// The features of `candidate` over the items of a history, newest first; all zero for a kind without events.
pub(crate) fn histogram(
    tables: &ItemTables,
    newest_first: impl Iterator<Item = u32>,
    candidate: u32,
    out: &mut [f32],
) {
    let content = tables.content(candidate);
    let mut weights = [0.0f32; 2];
    let mut recency = [1.0f32; 2];
    for item in newest_first {
        let kind = usize::from(tables.is_ad(item));
        let cosine = semrank_nn::kernel::dot(tables.content(item), content);
        let of_kind = &mut out[kind * (BINS + 2)..][..BINS + 2];
        of_kind[EDGES.partition_point(|&edge| edge <= cosine)] += 1.0;
        of_kind[BINS] = of_kind[BINS].max(cosine);
        of_kind[BINS + 1] += recency[kind] * cosine;
        weights[kind] += recency[kind];
        recency[kind] *= DECAY;
    }
    for (of_kind, weight) in out.chunks_exact_mut(BINS + 2).zip(weights) {
        let events: f32 = of_kind[..BINS].iter().sum();
        of_kind[..BINS].iter_mut().for_each(|bin| *bin /= events.max(1.0));
        of_kind[BINS + 1] /= weight.max(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::Kind;

    #[test]
    fn a_history_by_hand() {
        let content = [1.0, 0.0, 0.6, 0.8, 0.0, 1.0];
        let kinds = [Kind::Organic, Kind::Ad, Kind::Organic];
        let tables = ItemTables { content: &content, advertisers: &[], prefixes: None, kinds: &kinds };
        let mut out = [0.0; WIDTH];
        histogram(&tables, [2, 1, 0].into_iter(), 0, &mut out);
        let (organic, ads) = out.split_at(BINS + 2);
        // Organic, from the newest: cosines 0 and 1; ads: 0.6.
        assert_eq!(organic[..BINS], [0.5, 0.0, 0.0, 0.0, 0.0, 0.5]);
        assert_eq!((organic[BINS], organic[BINS + 1]), (1.0, 0.85 / 1.85));
        assert_eq!(ads[..BINS], [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        let mut empty = [0.0; WIDTH];
        histogram(&tables, [].into_iter(), 0, &mut empty);
        assert_eq!(empty, [0.0; WIDTH]);
    }
}
