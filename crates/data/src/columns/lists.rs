//! How many elements the lists of a batch have, from their repetition levels: 0 begins a row, any other goes on with one.
//!
//! Levels are runs of one level and groups of eight packed ones (parquet-format, `Encodings.md`, "RLE / Bit-Packing Hybrid"), so a
//! few bytes may be a list of 2^31 elements.

/// Counts the elements of each batch of rows.
#[derive(Debug)]
pub(super) struct Lists {
    rows_per_batch: u64,
    most: u64,
    /// Rows so far.
    rows: u64,
    /// Elements so far of the batch that the last row is in.
    elements: u64,
}

impl Lists {
    pub(super) fn new(rows_per_batch: u64, most: u64) -> Lists {
        Lists { rows_per_batch, most, rows: 0, elements: 0 }
    }

    /// Adds the levels of a page of so many values; whether no batch has too many elements. Levels that are missing are left to the
    /// decoder, which refuses them.
    pub(super) fn add(&mut self, levels: &[u8], highest_level: i16, values: u64) -> bool {
        // Bits that the highest level takes.
        let width = 16 - highest_level.leading_zeros() as usize;
        let (mut rest, mut left) = (levels, values);
        while left > 0 {
            let Some(head) = varint(&mut rest) else { break };
            if head & 1 == 0 {
                let run = (head >> 1).min(left);
                let (level, after) = rest.split_at(width.div_ceil(8).min(rest.len()));
                rest = after;
                left -= run;
                if !self.run(level.iter().all(|&byte| byte == 0), run) {
                    return false;
                }
            } else {
                let groups = usize::try_from(head >> 1).unwrap_or(usize::MAX);
                let (packed, after) = rest.split_at(groups.saturating_mul(width).min(rest.len()));
                rest = after;
                let here = left.min(packed.len() as u64 * 8 / width as u64);
                left -= here;
                if !(0..here as usize).all(|at| self.run(is_zero(packed, at * width, width), 1)) {
                    return false;
                }
            }
        }
        true
    }

    /// Adds equal levels; whether the batch of the last one does not have too many elements.
    fn run(&mut self, begins_rows: bool, length: u64) -> bool {
        let batch = |rows: u64| rows.checked_sub(1).map(|last| last / self.rows_per_batch);
        let before = self.rows;
        if begins_rows {
            self.rows = self.rows.saturating_add(length);
        }
        if batch(before) == batch(self.rows) || !begins_rows {
            self.elements = self.elements.saturating_add(length);
        } else {
            self.elements = (self.rows - 1) % self.rows_per_batch + 1;
        }
        self.elements <= self.most
    }
}

fn is_zero(bytes: &[u8], first: usize, width: usize) -> bool {
    (first..first + width).all(|bit| bytes[bit / 8] >> (bit % 8) & 1 == 0)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut out = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        out |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(out);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A run of a level, as pages have it.
    fn run(level: u8, length: u64) -> Vec<u8> {
        let (mut out, mut head) = (Vec::new(), length << 1);
        while head > 0x7f {
            out.push(head as u8 | 0x80);
            head >>= 7;
        }
        out.extend([head as u8, level]);
        out
    }

    #[test]
    fn elements_are_counted_by_batch() {
        let mut lists = Lists::new(2, 10);
        // Rows of 3, 1, 1, 9 and 1 elements: batches of 4 and of 10 elements, and the start of a third.
        let packed = [0x03, 0b0000_0110];
        assert!(lists.add(&packed, 1, 5));
        assert_eq!((lists.rows, lists.elements), (3, 1));
        assert!(lists.add(&[run(0, 1), run(1, 8)].concat(), 1, 9));
        assert_eq!((lists.rows, lists.elements), (4, 10));
        assert!(lists.add(&run(0, 1), 1, 1));
        assert_eq!((lists.rows, lists.elements), (5, 1));
        assert!(lists.add(&run(0, 1000), 1, 1000), "rows of one element each");
        assert_eq!((lists.rows, lists.elements), (1005, 1));
    }

    #[test]
    fn a_long_list_is_too_much_even_over_several_pages() {
        let mut lists = Lists::new(100, 1000);
        assert!(!lists.add(&[run(0, 1), run(1, 1 << 40)].concat(), 1, 1 << 31));
        let mut lists = Lists::new(100, 1000);
        assert!(lists.add(&[run(0, 1), run(1, 600)].concat(), 1, 601));
        assert!(!lists.add(&run(1, 600), 1, 600));
    }

    proptest! {
        #[test]
        fn any_bytes_are_levels(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            highest in 1i16..9,
            values in 0u64..1 << 33,
        ) {
            let mut lists = Lists::new(7, 1000);
            let all = lists.add(&bytes, highest, values);
            prop_assert_eq!(all, lists.elements <= 1000);
        }
    }

    #[test]
    fn two_bits_a_level_and_levels_that_are_cut_off() {
        let mut lists = Lists::new(1, 100);
        // Levels 0 2 1 0, four more that do not count, in two bits each.
        assert!(lists.add(&[0x03, 0b0001_1000, 0], 3, 4));
        assert_eq!((lists.rows, lists.elements), (2, 1));
        for levels in [&[][..], &[0x80], &[0x03], &[0x02]] {
            assert!(Lists::new(1, 100).add(levels, 1, 50));
        }
    }
}
