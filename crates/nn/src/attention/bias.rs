//! Biases of attention scores by the distance of query and key.

use crate::Scalar;

/// Bias of the score of a query and a key by their distance (Shaw et al. 2018, arXiv 1803.02155; Raffel et al.
/// 2020, arXiv 1910.10683, section 2.1).
///
/// ```
/// use semrank_nn::DistanceBias;
/// // One head, two positions: a key is one before, at, or one after the query.
/// let bias = DistanceBias::new(1, 2, |_, distance| distance as f32);
/// assert_eq!((bias.of(0, 0, 2), bias.of(0, 1, 2)), (&[0.0, 1.0][..], &[-1.0, 0.0][..]));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DistanceBias<T> {
    /// `[H x (2 P - 1)]`: key minus query from `1 - P` to `P - 1`.
    values: Vec<T>,
    positions: usize,
}

impl<T: Scalar> DistanceBias<T> {
    /// For sequences of at most `positions`, from the value of every head and distance, key minus query.
    ///
    /// # Panics
    /// When `positions` is 0.
    pub fn new(heads: usize, positions: usize, value: impl Fn(usize, isize) -> T) -> Self {
        assert!(positions > 0, "a sequence has a position");
        let most = positions as isize - 1;
        let values = (0..heads).flat_map(|head| (-most..=most).map(move |distance| (head, distance)));
        Self { values: values.map(|(head, distance)| value(head, distance)).collect(), positions }
    }

    /// Biases of query `i` of a head with the keys `0..len`.
    ///
    /// # Panics
    /// When `i` or `len` is beyond the longest sequence.
    #[inline(always)]
    pub fn of(&self, head: usize, i: usize, len: usize) -> &[T] {
        let head = &self.values[head * (2 * self.positions - 1)..][..2 * self.positions - 1];
        &head[self.positions - 1 - i..][..len]
    }
}
