//! The same measures for every part of the rows: by advertiser, surface, slot, new and known items.

use super::{NO_GROUP, Scores, check};

/// [`Scores`] of every group of rows with one key, by ascending key; rows of [`NO_GROUP`] are left out.
///
/// ```
/// use semrank_measure::probabilities::by_segment;
/// let table = by_segment(&[7, 3, 7], &[0.5, 0.2, 0.1], &[true, false, false]);
/// assert_eq!(table.iter().map(|(key, scores)| (*key, scores.rows)).collect::<Vec<_>>(), [(3, 1), (7, 2)]);
/// assert!((table[1].1.calibration.unwrap() - 0.6).abs() < 1e-12);
/// ```
///
/// # Panics
/// When the lengths differ or a score is not in [0, 1].
pub fn by_segment(keys: &[u32], scores: &[f64], labels: &[bool]) -> Vec<(u32, Scores)> {
    check(scores, labels);
    assert_eq!(keys.len(), scores.len(), "one key per score");
    let mut order: Vec<usize> = (0..keys.len()).filter(|&row| keys[row] != NO_GROUP).collect();
    order.sort_by_key(|&row| keys[row]); // stable: rows of a segment stay in order
    order
        .chunk_by(|&a, &b| keys[a] == keys[b])
        .map(|rows| {
            let of: Vec<f64> = rows.iter().map(|&row| scores[row]).collect();
            let labels: Vec<bool> = rows.iter().map(|&row| labels[row]).collect();
            (keys[rows[0]], Scores::of(&of, &labels))
        })
        .collect()
}

/// The segments of at least `least_positives` positive rows, furthest from calibration 1 first (by the absolute
/// logarithm, so that twice too high is as bad as twice too low); equals by key.
pub fn worst_calibration(table: &[(u32, Scores)], least_positives: f64) -> Vec<(u32, Scores)> {
    let distance = |scores: &Scores| scores.calibration.map_or(0.0, |c| c.max(f64::MIN_POSITIVE).ln().abs());
    let enough = |scores: &Scores| scores.base_rate * scores.rows as f64 >= least_positives;
    let mut out: Vec<(u32, Scores)> = table.iter().filter(|(_, scores)| enough(scores)).copied().collect();
    out.sort_by(|a, b| distance(&b.1).total_cmp(&distance(&a.1)).then(a.0.cmp(&b.0)));
    out
}
