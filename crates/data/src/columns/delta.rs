//! Decoded size of strings whose lengths are delta-encoded, found without decoding them.
//!
//! `DELTA_BYTE_ARRAY` writes how many bytes a value shares with the one before it, so that a few bytes may stand for a long text in
//! every row; and both encodings of this family say how many lengths follow. Lengths are `DELTA_BINARY_PACKED` (parquet-format,
//! `Encodings.md`): a first value, then blocks of a least difference and miniblocks of what is above it, each with its own width.

use parquet::basic::Encoding;

/// Whether values are written in one of the two encodings.
pub(super) fn has_lengths(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY)
}

/// Bytes that the decoder takes for the values of a page beyond the page itself: every value whole, and all lengths. None where
/// they are invalid, or are more than the page's values.
pub(super) fn unfolded_bytes(values: &[u8], encoding: Encoding, most_values: u64) -> Option<u64> {
    const LENGTH_BYTES: u64 = 4;
    match encoding {
        Encoding::DELTA_LENGTH_BYTE_ARRAY => Some(lengths(values, most_values)?.count * LENGTH_BYTES),
        Encoding::DELTA_BYTE_ARRAY => {
            let shared = lengths(values, most_values)?;
            let own = lengths(values.get(shared.end..)?, most_values)?;
            shared.sum.checked_add(own.sum)?.checked_add((shared.count + own.count) * LENGTH_BYTES)
        }
        _ => Some(0),
    }
}

/// Many lengths.
struct Lengths {
    count: u64,
    sum: u64,
    /// Where they end.
    end: usize,
}

fn lengths(bytes: &[u8], most: u64) -> Option<Lengths> {
    let mut input = Input { bytes, at: 0 };
    let (block, miniblocks, count) = (input.varint()?, input.varint()?, input.varint()?);
    let mut length = i32::try_from(input.integer()?).ok()?;
    let per_miniblock = block.checked_div(miniblocks).filter(|&values| values > 0 && values % 8 == 0)?;
    if count > most {
        return None;
    }
    let mut sum = if count > 0 { u64::try_from(length).ok()? } else { 0 };
    let mut left = count.saturating_sub(1);
    while left > 0 {
        let least = i32::try_from(input.integer()?).ok()?;
        for &width in input.take(usize::try_from(miniblocks).ok()?)? {
            // Miniblocks behind the last value have a width and no bytes.
            let values = left.min(per_miniblock);
            let miniblock = input.miniblock(if values > 0 { width } else { 0 }, per_miniblock)?;
            for at in 0..values {
                length = length.wrapping_add(least).wrapping_add(bits(miniblock, at, width)?);
                sum = sum.checked_add(u64::try_from(length).ok()?)?;
            }
            left -= values;
        }
    }
    Some(Lengths { count, sum, end: input.at })
}

/// The number of `width` bits at a place; the lowest bit comes first.
fn bits(bytes: &[u8], at: u64, width: u8) -> Option<i32> {
    if width == 0 {
        return Some(0);
    }
    let first_bit = at.checked_mul(width.into())?;
    let first = usize::try_from(first_bit / 8).ok()?;
    let mut window = [0; 8];
    let found = bytes.get(first..)?;
    let found = &found[..found.len().min(8)];
    window[..found.len()].copy_from_slice(found);
    let number = u64::from_le_bytes(window) >> (first_bit % 8);
    Some((number & ((1 << width) - 1)) as u32 as i32)
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut out = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take(1)? else { return None };
            out |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(out);
            }
        }
        None
    }

    fn integer(&mut self) -> Option<i64> {
        let bits = self.varint()?;
        Some((bits >> 1) as i64 ^ -((bits & 1) as i64))
    }

    /// The bytes of a miniblock.
    fn miniblock(&mut self, width: u8, values: u64) -> Option<&'a [u8]> {
        const WIDEST: u8 = 32;
        let bytes = values.checked_mul(width.into())? / 8;
        if width > WIDEST { None } else { self.take(usize::try_from(bytes).ok()?) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Blocks of 128 values in 4 miniblocks, as every writer makes them.
    fn written(lengths: &[i32]) -> Vec<u8> {
        let mut out = vec![0x80, 0x01, 0x04];
        varint(lengths.len() as u64, &mut out);
        integer(lengths.first().copied().unwrap_or(0).into(), &mut out);
        let differences: Vec<i64> =
            lengths.windows(2).map(|pair| i64::from(pair[1]) - i64::from(pair[0])).collect();
        for block in differences.chunks(128) {
            let least = *block.iter().min().unwrap();
            integer(least, &mut out);
            let miniblocks: Vec<&[i64]> = block.chunks(32).collect();
            let width = |values: &&[i64]| {
                let most = values.iter().map(|value| value - least).max().unwrap_or(0);
                (64 - most.leading_zeros()) as u8
            };
            let widths: Vec<u8> = (0..4).map(|at| miniblocks.get(at).map_or(9, width)).collect();
            out.extend(&widths);
            for (values, &width) in miniblocks.iter().zip(&widths) {
                let mut packed = vec![0u8; 4 * usize::from(width)];
                for (at, value) in values.iter().enumerate() {
                    for bit in (0..usize::from(width)).filter(|bit| (value - least) >> bit & 1 == 1) {
                        let place = at * usize::from(width) + bit;
                        packed[place / 8] |= 1 << (place % 8);
                    }
                }
                out.extend(packed);
            }
        }
        out
    }

    fn varint(mut number: u64, out: &mut Vec<u8>) {
        while number > 0x7f {
            out.push(number as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
    }

    fn integer(number: i64, out: &mut Vec<u8>) {
        varint(((number << 1) ^ (number >> 63)) as u64, out);
    }

    #[test]
    fn lengths_are_summed_and_their_end_is_found() {
        for numbers in [
            vec![],
            vec![7],
            vec![0, 1_000_000, 3],
            vec![5; 1000],
            (0..129).collect(),
            (0..700).map(|at| at * 7919 % 4001).collect::<Vec<i32>>(),
        ] {
            let bytes = [written(&numbers), vec![0xff; 9]].concat();
            let found = lengths(&bytes, 1000).unwrap();
            let sum: u64 = numbers.iter().map(|&length| length as u64).sum();
            assert_eq!((found.count, found.sum, found.end), (numbers.len() as u64, sum, bytes.len() - 9));
        }
    }

    #[test]
    fn shared_beginnings_count_in_every_value() {
        let page = [written(&[0, 1000, 1000]), written(&[1000, 0, 2]), vec![b'a'; 1002]].concat();
        let found = unfolded_bytes(&page, Encoding::DELTA_BYTE_ARRAY, 3);
        assert_eq!(found, Some(1000 + 1000 + 1002 + 6 * 4));
        assert_eq!(unfolded_bytes(&page, Encoding::PLAIN, 3), Some(0));
        assert_eq!(unfolded_bytes(&written(&[5, 6]), Encoding::DELTA_LENGTH_BYTE_ARRAY, 2), Some(8));
    }

    proptest! {
        #[test]
        fn any_bytes_are_lengths_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200), most in 0u64..100_000) {
            let found = lengths(&bytes, most);
            prop_assert!(found.is_none_or(|found| found.count <= most && found.end <= bytes.len()));
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_none() {
        assert!(lengths(&written(&[1, -1]), 9).is_none(), "below nothing");
        assert!(lengths(&written(&[1; 10]), 9).is_none(), "more than the page has values");
        let whole = written(&(0..200).collect::<Vec<i32>>());
        assert!((0..whole.len()).all(|end| lengths(&whole[..end], 999).is_none()), "cut off");
        assert!(lengths(&[0x80, 0x01, 0x00, 0x02, 0x00], 9).is_none(), "no miniblocks");
    }
}
