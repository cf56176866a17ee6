//! Large vectors in large pages: growth that asks the system for pages of 2 MiB before they are touched.
//!
//! A search of a million rows reads 40 to 300 MB. In pages of 4 KiB the processor's prefetching ends at every page, and a row somewhere
//! costs a walk through the page tables (`benches/results/2026-11-27-scan.txt` has the figures of both).

use std::marker::PhantomData;

/// Vectors of fewer bytes stay as they are.
const LEAST: usize = 4 << 20;

/// Makes room for `more` values: at least twice as many as there were, or exactly as many as asked for if there were none.
///
/// Values are copied to a new allocation, not moved by `realloc`: moving pages would break the large ones up.
pub(crate) fn reserve<T: Copy>(values: &mut Vec<T>, more: usize) {
    let needed = values.len() + more;
    if needed <= values.capacity() {
        return;
    }
    let mut grown = Vec::with_capacity(needed.max(2 * values.len()));
    advise(&mut grown);
    grown.extend_from_slice(values);
    *values = grown;
}

/// Bytes that were allocated.
pub(crate) fn bytes<T>(values: &Vec<T>) -> usize {
    values.capacity() * size_of::<T>()
}

/// Appends a value.
pub(crate) fn push<T: Copy>(values: &mut Vec<T>, value: T) {
    reserve(values, 1);
    values.push(value);
}

/// Asks for large pages. The system may refuse, which costs speed only.
#[cfg(target_os = "linux")]
fn advise<T>(values: &mut Vec<T>) {
    const PAGE: usize = 1 << 21;
    let bytes = bytes(values);
    if bytes < LEAST {
        return;
    }
    let begin = values.as_mut_ptr() as usize;
    let (first, end) = (begin.next_multiple_of(PAGE), (begin + bytes) / PAGE * PAGE);
    if first < end {
        // SAFETY: the pages lie inside of the vector's own allocation, and the advice changes how they are mapped, never what they hold.
        unsafe { libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise<T>(_: &mut Vec<T>) {
    let _ = LEAST;
}

/// Sixteen numbers: one cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Numbers of which any bits are one, and whose size divides a cache line's.
///
/// # Safety
/// Both must be true.
pub(crate) unsafe trait Plain: Copy {}
// SAFETY: 4 bytes, and every pattern is a number or NaN.
unsafe impl Plain for f32 {}
// SAFETY: 1 byte.
unsafe impl Plain for u8 {}

/// Numbers that begin at a cache line: a row of 64 is 4 lines and not 5.
#[derive(Debug, Clone)]
pub(crate) struct Numbers<T> {
    lines: Vec<Line>,
    len: usize,
    of: PhantomData<T>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { lines: Vec::new(), len: 0, of: PhantomData }
    }
}

impl<T: Plain> Numbers<T> {
    /// Makes room for `more` numbers, as [`reserve`] does.
    pub(crate) fn reserve(&mut self, more: usize) {
        let lines = Self::lines(self.len + more) - self.lines.len();
        reserve(&mut self.lines, lines);
    }

    /// Cache lines of so many numbers.
    fn lines(len: usize) -> usize {
        (len * size_of::<T>()).div_ceil(size_of::<Line>())
    }

    /// Bytes that were allocated.
    pub(crate) fn bytes(&self) -> usize {
        bytes(&self.lines)
    }

    /// Appends zeros.
    pub(crate) fn extend_zeros(&mut self, more: usize) {
        self.reserve(more);
        self.len += more;
        self.lines.resize(Self::lines(self.len), Line([0.0; 16]));
    }
}

impl<T: Plain> std::ops::Deref for Numbers<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the lines have room for `len` numbers and are aligned for them, and any bits are one.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T: Plain> std::ops::DerefMut for Numbers<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_grow_by_doubling_and_keep_their_values() {
        let mut values = Vec::new();
        reserve(&mut values, 3);
        assert_eq!(values.capacity(), 3);
        (0..(1u64 << 20) + 1).for_each(|value| push(&mut values, value));
        assert!(values.iter().copied().eq(0..(1 << 20) + 1) && values.capacity() == 3 << 19);
    }

    #[test]
    fn numbers_begin_at_a_cache_line_and_are_those_that_were_written() {
        let mut numbers = Numbers::default();
        for row in 0..100 {
            numbers.extend_zeros(7);
            numbers[row * 7..][..7].fill(row as f32);
        }
        assert!(numbers.iter().copied().eq((0..700).map(|at| (at / 7) as f32)));
        assert!(numbers.as_ptr().addr().is_multiple_of(64) && Numbers::<u8>::default().is_empty());
        let mut bytes = Numbers::default();
        (0..100u8).for_each(|row| {
            bytes.extend_zeros(33);
            bytes[usize::from(row) * 33..].fill(row);
        });
        assert!(
            bytes.iter().copied().eq((0..3300).map(|at| (at / 33) as u8))
                && bytes.as_ptr().addr().is_multiple_of(64)
        );
    }
}
