//! The user's labelled past as features of a candidate: an item-kNN on labels (Sarwar et al. 2001, "Item-based collaborative
//! filtering", section 3).
//!
//! A past row counts by its residual (label minus what user and item made likely), weighted by the likeness of its item to the
//! candidate: the mean product of the residuals of users who have labelled both, shrunk towards 0, as it is known at the time.
//! The first [`MOST_PAIRS`] pairs that are seen are kept: a set whose users have long histories has more pairs than memory, and
//! those that are frequent are met early.

use super::counts::{Learned, Past};
use super::tensors::{Rows, Tensors};
use semrank_tower::artefact::Error;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

/// Features of [`Neighbours::of_labels`].
pub(crate) const OF_LABELS: usize = 2;
/// Pairs that are kept: as many as a hash map of 2^22 places holds, about 70 MB.
const MOST_PAIRS: usize = 7 << 19;
/// Users at likeness 0 that a pair's mean product is shrunk by.
const SHRINK: f32 = 3.0;

/// Sums of products of residuals, and their number, of pairs of items.
#[derive(Debug, Clone)]
pub(crate) struct Neighbours {
    pairs: HashMap<u64, [f32; 2], BuildHasherDefault<PairHasher>>,
    most: usize,
}

impl Default for Neighbours {
    fn default() -> Self {
        Self { pairs: HashMap::default(), most: MOST_PAIRS }
    }
}

impl Neighbours {
    /// A user has labelled one more row, or a label of before has changed.
    pub(crate) fn learn(&mut self, Learned { others, row, before }: Learned) {
        let (change, more) = before.map_or((row.residual, 1.0), |before| (row.residual - before, 0.0));
        for other in others.into_iter().flatten().filter(|other| other.item != row.item) {
            let (key, full) = (key(other.item, row.item), self.pairs.len() >= self.most);
            if (full || before.is_some()) && !self.pairs.contains_key(&key) {
                continue;
            }
            let [product, users] = self.pairs.entry(key).or_default();
            *product += other.residual * change;
            *users += more;
        }
    }

    pub(crate) fn save(&self, out: &mut Tensors) {
        let pairs: BTreeMap<u64, [f32; 2]> = self.pairs.iter().map(|(&key, &sums)| (key, sums)).collect();
        out.u64s("pairs.keys", pairs.keys().copied());
        out.f32s("pairs.sums", pairs.into_values().flatten());
    }

    /// What was saved.
    ///
    /// # Errors
    /// A missing tensor, or one of another type or length.
    pub(crate) fn load(rows: &Rows) -> Result<Self, Error> {
        let keys = rows.u64s("pairs.keys")?;
        let sums = rows.f32s_of("pairs.sums", 2 * keys.len())?;
        let pairs = keys.into_iter().zip(sums.as_chunks().0.iter().copied()).collect();
        Ok(Self { pairs, ..Self::default() })
    }

    /// Shrunk mean product of the residuals of two items.
    pub(crate) fn likeness(&self, a: u32, b: u32) -> f32 {
        let [product, users] = self.pairs.get(&key(a, b)).copied().unwrap_or_default();
        product / (users + SHRINK)
    }

    /// Weighted mean and sum of the residuals of `past`, by likeness of labels.
    pub(crate) fn of_labels(&self, past: &[Past], candidate: u32) -> [f32; OF_LABELS] {
        let (mut sum, mut weights) = (0.0, 0.0);
        for old in past {
            let likeness = self.likeness(old.item, candidate);
            sum += likeness * old.residual;
            weights += likeness.abs();
        }
        [sum / (weights + 0.3), sum.clamp(-4.0, 4.0)]
    }
}

/// Hashes a pair by the finaliser of SplitMix64: a request looks up a hundred thousand pairs.
#[derive(Debug, Clone, Default)]
struct PairHasher(u64);

impl Hasher for PairHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(self.0 << 8 | u64::from(byte)));
    }

    fn write_u64(&mut self, pair: u64) {
        let x = (pair ^ (pair >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = x ^ (x >> 31);
    }
}

fn key(a: u32, b: u32) -> u64 {
    u64::from(a.min(b)) << 32 | u64::from(a.max(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_please_the_same_users_are_alike() {
        let past =
            |item, residual| Past { impression: 0, item, residual, over_slot: residual, over_user: residual };
        let mut neighbours = Neighbours::default();
        let mut learn = |old: &[Past], row| {
            neighbours.learn(Learned { others: [old, &[]], row, before: None });
        };
        (0..3).for_each(|_| learn(&[past(0, 1.0)], past(1, 2.0)));
        learn(&[past(0, 1.0)], past(2, -1.0));
        assert_eq!(neighbours.likeness(1, 0), 6.0 / 6.0);
        assert_eq!(neighbours.likeness(0, 2), -1.0 / 4.0);
        assert!(neighbours.of_labels(&[past(0, 1.0)], 1)[0] > 0.0);
        assert!(neighbours.of_labels(&[past(0, 1.0)], 2)[0] < 0.0);
        assert_eq!(neighbours.of_labels(&[past(0, 1.0)], 9), [0.0, 0.0]);
    }

    #[test]
    fn a_full_map_learns_of_its_own_pairs_only() {
        let past = |item| Past { impression: 0, item, residual: 1.0, over_slot: 0.0, over_user: 0.0 };
        let mut neighbours = Neighbours { most: 2, ..Neighbours::default() };
        let others = [past(0), past(1), past(2)];
        for _ in 0..2 {
            neighbours.learn(Learned { others: [&others, &[]], row: past(3), before: None });
        }
        assert_eq!(neighbours.pairs.len(), 2);
        assert_eq!((neighbours.likeness(0, 3), neighbours.likeness(2, 3)), (2.0 / 5.0, 0.0));
    }
}
