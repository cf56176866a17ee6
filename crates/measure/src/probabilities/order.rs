//! Ranking quality of scores: AUC, over all rows or within groups, and average precision.

use super::NO_GROUP;
use semrank_core::narrow;

/// The mean AUC of groups.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GroupedAuc {
    /// Mean over the groups that have both labels, each counted once; none where there is no such group.
    pub mean: Option<f64>,
    /// Those groups.
    pub groups: usize,
}

/// The area under the ROC curve: the probability that a positive row scores above a negative one, ties half
/// (Mann & Whitney 1947). `None` where one label is absent.
///
/// # Panics
/// When the lengths differ or a score is NaN.
pub fn auc(scores: &[f64], labels: &[bool]) -> Option<f64> {
    auc_sorted(scores, labels, &ascending(scores, labels))
}

/// Average precision: the sum of precision times the step in recall, over the distinct scores from the highest down.
/// `None` where no row is positive.
///
/// # Panics
/// When the lengths differ or a score is NaN.
pub fn average_precision(scores: &[f64], labels: &[bool]) -> Option<f64> {
    average_precision_sorted(scores, labels, &ascending(scores, labels))
}

/// AUC within every group of rows with one key, e.g. a user (UAUC) or a request; rows of [`NO_GROUP`] are left out.
///
/// # Panics
/// When the lengths differ or a score is NaN.
pub fn grouped_auc(groups: &[u32], scores: &[f64], labels: &[bool]) -> GroupedAuc {
    let aucs = group_aucs(groups, scores, labels);
    let n = aucs.len();
    let mean = aucs.iter().map(|group| group.auc).sum::<f64>() / n as f64;
    GroupedAuc { mean: (n > 0).then_some(mean), groups: n }
}

/// One group that has both labels.
pub(crate) struct OfGroup {
    pub(crate) key: u32,
    pub(crate) auc: f64,
}

/// The AUC of every group with both labels, by ascending key.
pub(crate) fn group_aucs(groups: &[u32], scores: &[f64], labels: &[bool]) -> Vec<OfGroup> {
    assert!(groups.len() == scores.len() && scores.len() == labels.len(), "one key and one label per score");
    let mut order = rows(groups.len());
    order.retain(|&row| groups[row as usize] != NO_GROUP);
    order.sort_unstable_by(|&a, &b| {
        let key = |row: u32| (groups[row as usize], row);
        let by_score = compare(scores[a as usize], scores[b as usize]);
        key(a).0.cmp(&key(b).0).then(by_score).then(key(a).1.cmp(&key(b).1))
    });
    order
        .chunk_by(|&a, &b| groups[a as usize] == groups[b as usize])
        .filter_map(|group| {
            let auc = auc_sorted(scores, labels, group)?;
            Some(OfGroup { key: groups[group[0] as usize], auc })
        })
        .collect()
}

/// Rows by ascending score, negatives first among equal scores, then by row.
pub(crate) fn ascending(scores: &[f64], labels: &[bool]) -> Vec<u32> {
    assert_eq!(scores.len(), labels.len(), "one label per score");
    let mut order = rows(scores.len());
    order.sort_unstable_by(|&a, &b| {
        let (i, j) = (a as usize, b as usize);
        compare(scores[i], scores[j]).then(labels[i].cmp(&labels[j])).then(a.cmp(&b))
    });
    order
}

/// AUC of rows that are in order of their scores.
pub(crate) fn auc_sorted(scores: &[f64], labels: &[bool], order: &[u32]) -> Option<f64> {
    let mut below = Classes::default();
    // Twice the ordered pairs, so that a tie counts 1: whole numbers, which f64 holds exactly up to 2^53.
    let mut pairs = 0.0;
    for tied in tied(scores, order) {
        let here = Classes::of(labels, tied);
        pairs += here.positives * (2.0 * below.negatives + here.negatives);
        below.positives += here.positives;
        below.negatives += here.negatives;
    }
    let all = below.positives * below.negatives;
    (all > 0.0).then(|| pairs / (2.0 * all))
}

/// Average precision of rows that are in ascending order of their scores.
pub(crate) fn average_precision_sorted(scores: &[f64], labels: &[bool], order: &[u32]) -> Option<f64> {
    let positives = Classes::of(labels, order).positives;
    let (mut found, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for tied in tied(scores, order).rev() {
        let new = Classes::of(labels, tied).positives;
        found += new;
        seen += tied.len() as f64;
        sum += new / positives * found / seen;
    }
    (positives > 0.0).then_some(sum)
}

/// Runs of rows with one score.
fn tied<'a>(scores: &'a [f64], order: &'a [u32]) -> impl DoubleEndedIterator<Item = &'a [u32]> {
    order.chunk_by(|&a, &b| scores[a as usize] == scores[b as usize])
}

#[derive(Default)]
struct Classes {
    positives: f64,
    negatives: f64,
}

impl Classes {
    fn of(labels: &[bool], rows: &[u32]) -> Classes {
        let positives = rows.iter().filter(|&&row| labels[row as usize]).count();
        Classes { positives: positives as f64, negatives: (rows.len() - positives) as f64 }
    }
}

fn rows(n: usize) -> Vec<u32> {
    narrow::indices(n).collect()
}

fn compare(a: f64, b: f64) -> std::cmp::Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| panic!("a score is NaN"))
}
