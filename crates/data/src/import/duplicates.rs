//! Rows that occur more than once, found by their hashes: 8 bytes per row, and one pair in 10^19 mistaken.

use crate::{EventRow, Value, When};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The hash of a row.
pub(crate) fn hash(row: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    row.hash(&mut hasher);
    hasher.finish()
}

/// The hash of an event.
pub(crate) fn of_event(event: &EventRow<'_>) -> u64 {
    let time = match event.time {
        When::Time(ms) => ms,
        When::Position(position) => position,
    };
    let mut hasher = DefaultHasher::new();
    (event.user, event.item, event.action, time).hash(&mut hasher);
    for value in event.extra {
        match value {
            Value::Null => 0u8.hash(&mut hasher),
            Value::Text(text) => text.hash(&mut hasher),
            Value::Integer(integer) => integer.hash(&mut hasher),
            Value::Number(number) => number.to_bits().hash(&mut hasher),
            Value::Texts(list) => list.iter().for_each(|text| text.hash(&mut hasher)),
        }
    }
    hasher.finish()
}

/// How many rows repeat an earlier one.
pub(crate) fn repeated(mut hashes: Vec<u64>) -> u64 {
    hashes.sort_unstable();
    hashes.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64
}

/// How many rows of `of` are also in `among`.
pub(crate) fn shared(of: &[u64], mut among: Vec<u64>) -> u64 {
    among.sort_unstable();
    of.iter().filter(|hash| among.binary_search(hash).is_ok()).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted() {
        assert_eq!(repeated([1, 2, 1, 1, 3].map(hash).to_vec()), 2);
        assert_eq!(shared(&[1, 1, 2, 4].map(hash), [2, 1, 3].map(hash).to_vec()), 3);
        assert_eq!(repeated(Vec::new()) + shared(&[], vec![1]), 0);
    }
}
