//! Distance buckets of T5 and MPNet (Song et al. 2020, arXiv 2004.09297): the value added to an attention score depends on
//! the head and on the bucket of the distance between query and key.

/// Buckets of distances, one half for keys before the query and one for those after it, as T5 and MPNet have them.
pub(super) const BUCKETS: usize = 32;
/// Distances from here on share the last bucket.
const FARTHEST: f64 = 128.0;

/// The bucket of a distance, key minus query: one for each of the nearest, then wider and wider ones.
pub(super) fn bucket(distance: isize) -> usize {
    const HALF: usize = BUCKETS / 2;
    const EXACT: usize = HALF / 2;
    let first = if distance > 0 { HALF } else { 0 };
    let away = distance.unsigned_abs();
    if away < EXACT {
        return first + away;
    }
    let exact = EXACT as f64;
    let share = (away as f64 / exact).log2() / (FARTHEST / exact).log2();
    first + (EXACT + (share * exact) as usize).min(HALF - 1)
}

#[cfg(test)]
mod tests {
    use super::bucket;

    /// From `MPNetEncoder.relative_position_bucket` of transformers 5.24.
    #[test]
    fn distances_fall_into_the_buckets_of_the_reference() {
        let distances = [0, -1, -7, -8, -11, -12, -15, -16, -31, -32, -63, -64, -90, -91, -127, -128, -500];
        let want = [0, 1, 7, 8, 8, 9, 9, 10, 11, 12, 13, 14, 14, 15, 15, 15, 15];
        assert_eq!(distances.map(bucket), want);
        assert_eq!(
            distances[1..].iter().map(|&away| bucket(-away)).collect::<Vec<_>>(),
            want[1..].iter().map(|&low| low + 16).collect::<Vec<_>>()
        );
    }
}
