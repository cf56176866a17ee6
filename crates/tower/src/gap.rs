//! Times between events, as buckets.

/// Buckets of the time since the previous event: 0 = no previous event, then powers of two of seconds.
pub const GAP_BUCKETS: usize = 32;

/// The bucket of a gap in milliseconds.
///
/// ```
/// use semrank_tower::gap_bucket;
/// assert_eq!((gap_bucket(0), gap_bucket(1_000), gap_bucket(3_600_000)), (1, 2, 12));
/// ```
pub fn gap_bucket(gap_ms: i64) -> u8 {
    let seconds = (gap_ms.max(0) / 1000) as u64;
    (1 + (seconds + 1).ilog2() as usize).min(GAP_BUCKETS - 1) as u8
}
