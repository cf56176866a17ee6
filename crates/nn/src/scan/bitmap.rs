//! A set of row numbers, one bit per row.

/// Which of the rows `0..len` are in a set.
///
/// ```
/// use semrank_nn::scan::Bitmap;
/// let mut bitmap = Bitmap::new(100);
/// assert!(!bitmap.set(70, true) && bitmap.set(70, true));
/// assert_eq!((bitmap.iter().collect::<Vec<_>>(), bitmap.count(), bitmap.contains(1000)), (vec![70], 1, false));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
    len: usize,
    count: usize,
}

impl Bitmap {
    /// The empty set of rows `0..len`.
    pub fn new(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len, count: 0 }
    }

    /// All rows `0..len`.
    pub fn full(len: usize) -> Self {
        let mut out = Self { words: vec![u64::MAX; len.div_ceil(64)], len, count: len };
        out.trim();
        out
    }

    /// Takes out the bits beyond the length, which no operation may see.
    fn trim(&mut self) {
        if let Some(last) = self.words.last_mut().filter(|_| !self.len.is_multiple_of(64)) {
            *last &= (1 << (self.len % 64)) - 1;
        }
    }

    fn combine(&mut self, other: &Self, of: impl Fn(u64, u64) -> u64) {
        assert!(other.len <= self.len, "a set of more rows");
        let others = other.words.iter().copied().chain(std::iter::repeat(0));
        self.words.iter_mut().zip(others).for_each(|(a, b)| *a = of(*a, b));
        self.count = self.words.iter().map(|word| word.count_ones() as usize).sum();
    }

    /// Keeps the rows that are in `other` too; rows beyond its length are not in it.
    ///
    /// # Panics
    /// When `other` is of more rows; so do [`Bitmap::unite`] and [`Bitmap::remove`].
    pub fn intersect(&mut self, other: &Self) {
        self.combine(other, |a, b| a & b);
    }

    /// Puts in the rows of `other`.
    pub fn unite(&mut self, other: &Self) {
        self.combine(other, |a, b| a | b);
    }

    /// Takes out the rows of `other`.
    pub fn remove(&mut self, other: &Self) {
        self.combine(other, |a, b| a & !b);
    }

    /// Swaps rows that are in and rows that are not.
    pub fn invert(&mut self) {
        self.words.iter_mut().for_each(|word| *word = !*word);
        self.trim();
        self.count = self.len - self.count;
    }

    /// Rows that could be in the set.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no row could be in the set.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Rows in the set.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether a row is in the set; rows beyond its length are not.
    pub fn contains(&self, row: u32) -> bool {
        self.word(row as usize / 64) >> (row % 64) & 1 == 1
    }

    /// Puts a row in or takes it out; returns whether it was in. Rows beyond the length stay out.
    pub fn set(&mut self, row: u32, is_in: bool) -> bool {
        let was_in = self.contains(row);
        if was_in != is_in && (row as usize) < self.len {
            self.words[row as usize / 64] ^= 1 << (row % 64);
            self.count = if is_in { self.count + 1 } else { self.count - 1 };
        }
        was_in
    }

    /// Makes the set one row longer.
    pub fn push(&mut self, is_in: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        self.words[self.len / 64] |= u64::from(is_in) << (self.len % 64);
        self.len += 1;
        self.count += usize::from(is_in);
    }

    /// The rows in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| ones(index, word))
    }

    /// 64 rows from `64 · index` on; none beyond the length.
    pub(super) fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or(0)
    }
}

/// The rows of a word, ascending.
pub(super) fn ones(index: usize, mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros())?;
        word &= word - 1;
        Some((index * 64) as u32 + bit)
    })
}

impl FromIterator<bool> for Bitmap {
    fn from_iter<I: IntoIterator<Item = bool>>(rows: I) -> Self {
        let mut out = Self::default();
        rows.into_iter().for_each(|is_in| out.push(is_in));
        out
    }
}
