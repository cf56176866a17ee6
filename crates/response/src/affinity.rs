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
use std::collections::BTreeMap;

/// Features of [`Neighbours::of_labels`].
pub(crate) const OF_LABELS: usize = 2;
/// Pairs that are kept: of 16 bytes, in 2^23 places.
const MOST_PAIRS: usize = 7 << 19;
/// Users at likeness 0 that a pair's mean product is shrunk by.
const SHRINK: f32 = 3.0;

/// Sums of products of residuals, and their number, of pairs of items.
#[derive(Debug, Clone)]
pub(crate) struct Neighbours {
    pairs: Pairs,
    /// By item: the others of its pairs.
    partners: Vec<Vec<u32>>,
    most: usize,
}

impl Default for Neighbours {
    fn default() -> Self {
        Self { pairs: Pairs::default(), partners: Vec::new(), most: MOST_PAIRS }
    }
}

impl Neighbours {
    /// A user has labelled one more row, or a label of before has changed.
    pub(crate) fn learn(&mut self, Learned { others, row, before }: Learned) {
        let (change, more) = before.map_or((row.residual, 1.0), |before| (row.residual - before, 0.0));
        for other in others.into_iter().flatten().filter(|other| other.item != row.item) {
            let is_closed = before.is_some() || self.pairs.len >= self.most;
            let Some([product, users]) = self.sums_mut([other.item, row.item], is_closed) else {
                continue;
            };
            *product += other.residual * change;
            *users += more;
        }
    }

    /// Sums of a pair, which is put in unless `is_closed`.
    fn sums_mut(&mut self, pair: [u32; 2], is_closed: bool) -> Option<&mut [f32; 2]> {
        let (before, key) = (self.pairs.len, key(pair));
        let place = self.pairs.place_of(key, is_closed)?;
        if self.pairs.len > before {
            for [item, other] in [pair, [pair[1], pair[0]]] {
                let rows = self.partners.len().max(item as usize + 1);
                self.partners.resize_with(rows, Vec::new);
                self.partners[item as usize].push(other);
            }
        }
        Some(&mut self.pairs.places[place].1)
    }

    pub(crate) fn save(&self, out: &mut Tensors) {
        let pairs: BTreeMap<u64, [f32; 2]> = self.pairs.iter().collect();
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
        let mut out = Self::default();
        for (key, sums) in keys.into_iter().filter(|&key| key != 0).zip(sums.as_chunks().0) {
            if let Some(place) = out.sums_mut([(key >> 32) as u32, key as u32], false) {
                *place = *sums;
            }
        }
        Ok(out)
    }

    /// Weighted mean and sum of the residuals of `past`, by likeness of labels: the mean product of residuals, shrunk.
    pub(crate) fn of_labels(&self, past: &[Past], candidate: u32) -> [f32; OF_LABELS] {
        let mut sums = Weighted::default();
        for past in past.chunks(AHEAD) {
            let found = self.pairs.find(past.iter().map(|old| key([old.item, candidate])));
            past.iter().zip(found).for_each(|(old, pair)| sums.add(pair, old.residual));
        }
        sums.features()
    }

    /// The same of many candidates, to the bit: where that is less, the pairs of the past's items are gone through instead of every pair
    /// being looked up, as most are not there.
    pub(crate) fn of_labels_of(&self, past: &[Past], candidates: &[u32]) -> Vec<[f32; OF_LABELS]> {
        let partners = |old: &Past| self.partners.get(old.item as usize).map_or(&[][..], Vec::as_slice);
        let in_pairs: usize = past.iter().map(|old| partners(old).len()).sum();
        if in_pairs > STEPS_OF_LOOK_UP * past.len() * candidates.len() {
            return candidates.iter().map(|&candidate| self.of_labels(past, candidate)).collect();
        }
        let set = NumberedSet::new(candidates);
        let mut sums = vec![Weighted::default(); set.len()];
        let mut found: Vec<(u32, usize)> = Vec::new();
        for old in past {
            found.clear();
            found.extend(partners(old).iter().filter_map(|&other| Some((other, set.number(other)?))));
            for some in found.chunks(AHEAD) {
                let pairs = self.pairs.find(some.iter().map(|&(other, _)| key([old.item, other])));
                some.iter().zip(pairs).for_each(|(&(_, at), pair)| sums[at].add(pair, old.residual));
            }
        }
        let features = |candidate| set.number(candidate).map_or([0.0; OF_LABELS], |at| sums[at].features());
        candidates.iter().map(|&candidate| features(candidate)).collect()
    }
}

/// Partners that are gone through in the time of one look-up.
const STEPS_OF_LOOK_UP: usize = 8;

/// Sums over the pairs of a candidate with the past. A pair that is not there adds nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Weighted {
    sum: f32,
    weights: f32,
}

impl Weighted {
    fn add(&mut self, [product, users]: [f32; 2], residual: f32) {
        let likeness = product / (users + SHRINK);
        self.sum += likeness * residual;
        self.weights += likeness.abs();
    }

    fn features(self) -> [f32; OF_LABELS] {
        [self.sum / (self.weights + 0.3), self.sum.clamp(-4.0, 4.0)]
    }
}

/// A set of items that are numbered upwards: a bitmap with the count of those before each word.
struct NumberedSet {
    words: Vec<(u64, u32)>,
}

impl NumberedSet {
    fn new(items: &[u32]) -> Self {
        let last = items.iter().max().map_or(0, |&item| item as usize);
        let mut words = vec![(0u64, 0u32); last / 64 + 1];
        items.iter().for_each(|&item| words[item as usize / 64].0 |= 1 << (item % 64));
        let mut before = 0;
        for (bits, count) in &mut words {
            *count = before;
            before += bits.count_ones();
        }
        Self { words }
    }

    fn len(&self) -> usize {
        self.words.last().map_or(0, |(bits, before)| (before + bits.count_ones()) as usize)
    }

    fn number(&self, item: u32) -> Option<usize> {
        let &(bits, before) = self.words.get(item as usize / 64)?;
        let bit = 1 << (item % 64);
        (bits & bit != 0).then(|| (before + (bits & (bit - 1)).count_ones()) as usize)
    }
}

/// Pairs that are looked up at a time: so many waits for memory overlap.
const AHEAD: usize = 32;

/// Logarithm of the bits of the filter: 4 MiB, nine for each of the most pairs.
const FILTER_BITS: u32 = 25;

/// Sums by pair: open addressing, at most half full. A request asks for a hundred thousand pairs, each look-up is a wait for memory, and most
/// pairs are not there: a bit by hash, of memory that is near, says so.
#[derive(Debug, Clone, Default)]
struct Pairs {
    /// A power of two of places; key 0 is no pair.
    places: Vec<(u64, [f32; 2])>,
    filter: Vec<u64>,
    len: usize,
}

/// The finaliser of SplitMix64.
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Word and bit of a hash in the filter.
fn filtered(hash: u64) -> (usize, u64) {
    let bit = hash >> (64 - FILTER_BITS);
    ((bit >> 6) as usize, 1 << (bit & 63))
}

impl Pairs {
    fn iter(&self) -> impl Iterator<Item = (u64, [f32; 2])> {
        self.places.iter().copied().filter(|place| place.0 != 0)
    }

    /// Where a pair is, or would be.
    fn place(&self, key: u64, mut at: usize) -> usize {
        while self.places[at].0 != 0 && self.places[at].0 != key {
            at = (at + 1) & (self.places.len() - 1);
        }
        at
    }

    /// The first place of a hash to look at.
    fn first(&self, hash: u64) -> usize {
        hash as usize & (self.places.len() - 1)
    }

    /// Sums of at most [`AHEAD`] pairs; zeros of those that are not there.
    fn find(&self, keys: impl Iterator<Item = u64> + Clone) -> [[f32; 2]; AHEAD] {
        let (mut out, mut first) = ([[0.0; 2]; AHEAD], [(0, 0); AHEAD]);
        if self.filter.is_empty() {
            return out;
        }
        for (first, key) in first.iter_mut().zip(keys.clone()) {
            let hash = mix(key);
            let (word, bit) = filtered(hash);
            if self.filter[word] & bit != 0 {
                let at = self.first(hash);
                *first = (at, self.places[at].0);
            }
        }
        for ((out, (at, seen)), key) in out.iter_mut().zip(first).zip(keys) {
            if seen != 0 {
                let (found, sums) = self.places[self.place(key, at)];
                *out = if found == key { sums } else { [0.0; 2] };
            }
        }
        out
    }

    /// Where a pair is; it is put in unless `is_closed`.
    fn place_of(&mut self, key: u64, is_closed: bool) -> Option<usize> {
        if 2 * self.len >= self.places.len() {
            if is_closed && self.places.is_empty() {
                return None;
            }
            let places = vec![(0, [0.0; 2]); (2 * self.places.len()).max(64)];
            for place in std::mem::replace(&mut self.places, places).into_iter().filter(|place| place.0 != 0)
            {
                let at = self.place(place.0, self.first(mix(place.0)));
                self.places[at] = place;
            }
        }
        let hash = mix(key);
        let at = self.place(key, self.first(hash));
        if self.places[at].0 == 0 {
            if is_closed {
                return None;
            }
            let (word, bit) = filtered(hash);
            self.filter.resize(1 << (FILTER_BITS - 6), 0);
            self.filter[word] |= bit;
            self.places[at].0 = key;
            self.len += 1;
        }
        Some(at)
    }
}

fn key([a, b]: [u32; 2]) -> u64 {
    u64::from(a.min(b)) << 32 | u64::from(a.max(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Neighbours {
        /// Shrunk mean product of the residuals of two items.
        pub(crate) fn likeness(&self, a: u32, b: u32) -> f32 {
            let [product, users] = self.pairs.find([key([a, b])].into_iter())[0];
            product / (users + SHRINK)
        }
    }

    #[test]
    fn a_table_is_what_a_map_is() {
        let (mut pairs, mut map) = (Pairs::default(), BTreeMap::new());
        for at in 0..5_000u32 {
            let (key, is_closed) = (key([at * 7 % 90, 90 + at * at % 61]), at % 3 == 0);
            let known: Option<&mut [f32; 2]> = match is_closed {
                true => map.get_mut(&key),
                false => Some(map.entry(key).or_default()),
            };
            let place = pairs.place_of(key, is_closed);
            assert_eq!(place.is_some(), known.is_some());
            place
                .map(|at| &mut pairs.places[at].1)
                .into_iter()
                .chain(known)
                .for_each(|sums| sums[0] += at as f32);
        }
        assert_eq!((pairs.iter().collect::<BTreeMap<_, _>>(), pairs.len), (map.clone(), map.len()));
        assert_eq!(
            pairs.find([u64::MAX, *map.keys().next().unwrap()].into_iter())[1],
            map.values().next().copied().unwrap()
        );
    }

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
        assert_eq!(neighbours.pairs.len, 2);
        assert_eq!((neighbours.likeness(0, 3), neighbours.likeness(2, 3)), (2.0 / 5.0, 0.0));
    }

    #[test]
    fn many_candidates_at_once_are_each_by_itself() {
        let mut rng = semrank_core::Rng::new(5, "pairs");
        let mut neighbours = Neighbours::default();
        let mut past = |items: usize| -> Vec<Past> {
            let residual = |rng: &mut semrank_core::Rng| rng.below(2000) as f32 / 1000.0 - 1.0;
            let one = |_| Past {
                impression: 0,
                item: rng.below(items) as u32,
                residual: residual(&mut rng),
                over_slot: 0.0,
                over_user: 0.0,
            };
            (0..40).map(one).collect()
        };
        for _ in 0..60 {
            let labelled = past(300);
            for at in 1..labelled.len() {
                let others = [&labelled[..at], &[]];
                neighbours.learn(Learned { others, row: labelled[at], before: None });
            }
        }
        let saved: BTreeMap<u64, [f32; 2]> = neighbours.pairs.iter().collect();
        assert!(saved.len() > 10_000);
        for candidates in [(0..1_000).map(|at| at * 37 % 310).collect::<Vec<u32>>(), vec![7], vec![]] {
            let old = past(320);
            let bits = |features: [f32; OF_LABELS]| features.map(f32::to_bits);
            let at_once = neighbours.of_labels_of(&old, &candidates);
            assert_eq!(at_once.len(), candidates.len());
            for (&candidate, at_once) in candidates.iter().zip(at_once) {
                assert_eq!(bits(at_once), bits(neighbours.of_labels(&old, candidate)), "{candidate}");
            }
        }
        assert!(past(320).iter().any(|old| old.item >= 300));
    }
}
