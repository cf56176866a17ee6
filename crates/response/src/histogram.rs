//! Similarity of a candidate's content to a history: a histogram of cosines, and the evidence for the candidate, which decays
//! with time and with newer events; for ads and organic items separately.
//!
//! Of each kind: the share of events in each bin, the largest cosine, and for each half-life `H`, in days and in places from the end,
//!
//! ```text
//! ln(1 + sum over events of  max(cosine, 0)^2 · read · 2^(-age / H))        read = min(1, ln(1 + dwell in s) / ln 31)
//! ```
//!
//! A sum and not a mean: ten recent views of similar items are more evidence than one, which a softmax attention cannot express (Zhou et al.
//! 2018, arXiv 1706.06978, section 4.3). `read` is 1 where no dwell is known.

use super::items::Items;
use semrank_nn::{Mat, Scalar, kernel, matmul};

/// Upper ends of the bins but the last.
const EDGES: [f32; 5] = [0.05, 0.15, 0.3, 0.5, 0.8];
const BINS: usize = EDGES.len() + 1;
/// Half a day, two days and eight days; and so many places of the history.
const HALF_LIVES: [f32; 3] = [0.5, 2.0, 8.0];
const OF_KIND: usize = BINS + 1 + 2 * HALF_LIVES.len();
/// Features of one row: both kinds.
pub(crate) const WIDTH: usize = 2 * OF_KIND;
/// Seconds of dwell from which on an item counts as read.
const READ_SECONDS: f32 = 30.0;

/// An event as the histogram sees it, whatever the candidate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    item: u32,
    kind: usize,
    /// How far it was read, from 0 to 1.
    read: f32,
    /// What is left of it by age and by place, one number per half-life; none where these are not read.
    left: [Option<[f32; HALF_LIVES.len()]>; 2],
}

impl Seen {
    /// An event of an item with its age in days and its place from the end, where they are read; a dwell of -1 is unknown.
    pub(crate) fn new(items: &Items, item: u32, ages: [Option<f32>; 2], dwell_ms: i32) -> Self {
        let left = ages.map(|age| age.map(|age| HALF_LIVES.map(|half_life| (-age / half_life).exp2())));
        Self { item, kind: usize::from(items.is_ad(item)), read: read(dwell_ms), left }
    }
}

/// The features of candidates for a history, `[candidates x WIDTH]`, all zero for a kind without events; those of a candidate are the same
/// alone as among others.
pub(crate) fn histograms(items: &Items, events: &[Seen], candidates: &[u32]) -> Vec<f32> {
    let mut out = vec![0.0; candidates.len() * WIDTH];
    if events.is_empty() {
        return out;
    }
    let seen = contents(items, events.iter().map(|event| event.item));
    let mut cosines = Vec::new();
    for (candidates, out) in candidates.chunks(AT_A_TIME).zip(out.chunks_mut(AT_A_TIME * WIDTH)) {
        fill_cosines(items, &seen, candidates, &mut cosines);
        for (block, out) in out.chunks_mut(BLOCK * WIDTH).enumerate() {
            let mut kinds = [Sums::<f32>::default(); 2];
            add(events, &cosines, candidates.len(), block * BLOCK, &mut kinds);
            for (at, out) in out.chunks_exact_mut(WIDTH).enumerate() {
                out.chunks_exact_mut(OF_KIND).zip(&kinds).for_each(|(out, sums)| sums.fill(at, out));
            }
        }
    }
    out
}

/// Candidates whose cosines are held at a time: those with some hundreds of events stay in a near cache.
const AT_A_TIME: usize = 64;
/// Candidates that are counted at once: those of a wide register.
const BLOCK: usize = 16;

/// Content vectors, `[ids x width]`; zeros for an unknown item.
fn contents(items: &Items, ids: impl ExactSizeIterator<Item = u32>) -> Vec<f32> {
    let mut rows = Vec::with_capacity(ids.len() * items.width());
    for item in ids {
        let (content, end) = (items.content(item), rows.len() + items.width());
        rows.extend_from_slice(content);
        rows.resize(end, 0.0);
    }
    rows
}

/// Cosines of the events of a history, whose contents are `seen`, with candidates, `[events x candidates]`.
fn fill_cosines(items: &Items, seen: &[f32], candidates: &[u32], out: &mut Vec<f32>) {
    let (width, count) = (items.width(), candidates.len());
    let (events, rows) = (seen.len() / width, contents(items, candidates.iter().copied()));
    out.resize(events * count, 0.0);
    matmul(out, 0.0, Mat::new(seen, events, width), Mat::new(&rows, count, width).t(), 1.0);
}

/// Sums over the events of one kind, for each candidate of a block.
#[derive(Debug, Clone, Copy, Default)]
struct Sums<T> {
    events: T,
    /// Cosines that reach each edge.
    reach: [[T; BLOCK]; EDGES.len()],
    largest: [T; BLOCK],
    evidence: [[T; BLOCK]; 2 * HALF_LIVES.len()],
}

impl Sums<f32> {
    /// The features of one of the candidates.
    fn fill(&self, at: usize, out: &mut [f32]) {
        let (bins, rest) = out.split_at_mut(BINS);
        let mut reached = self.events;
        for (bin, reach) in bins.iter_mut().zip(self.reach.iter().map(|reach| reach[at]).chain([0.0])) {
            *bin = (reached - reach) / self.events.max(1.0);
            reached = reach;
        }
        rest[0] = self.largest[at];
        rest[1..].iter_mut().zip(&self.evidence).for_each(|(out, sums)| *out = sums[at].ln_1p());
    }
}

kernel! {
    /// Adds the events to the sums of their kinds, for the candidates from `first` of `count` on; those of a block beyond the last have
    /// cosines of 0.
    fn add<T: Scalar>(events: &[Seen], cosines: &[T], count: usize, first: usize, kinds: &mut [Sums<T>; 2]) {
        let width = BLOCK.min(count - first);
        // One kind after the other: its sums stay in registers.
        for (kind, into) in kinds.iter_mut().enumerate() {
            let mut sums = *into;
            for (event, cosines) in events.iter().zip(cosines.chunks_exact(count)) {
                if event.kind != kind {
                    continue;
                }
                let mut some = [T::ZERO; BLOCK];
                if width == BLOCK {
                    some.copy_from_slice(&cosines[first..][..BLOCK]);
                } else {
                    some[..width].copy_from_slice(&cosines[first..]);
                }
                add_event(&mut sums, event, &some);
            }
            *into = sums;
        }
    }
}

#[inline(always)]
fn add_event<T: Scalar>(sums: &mut Sums<T>, event: &Seen, cosines: &[T; BLOCK]) {
    let number = |value: f32| T::from_f64(f64::from(value));
    sums.events += T::ONE;
    for (reach, edge) in sums.reach.iter_mut().zip(EDGES) {
        let edge = number(edge);
        for (reach, &cosine) in reach.iter_mut().zip(cosines) {
            *reach += if cosine >= edge { T::ONE } else { T::ZERO };
        }
    }
    for (largest, &cosine) in sums.largest.iter_mut().zip(cosines) {
        *largest = largest.larger(cosine);
    }
    let (mut evidence, read) = ([T::ZERO; BLOCK], number(event.read));
    for (evidence, &cosine) in evidence.iter_mut().zip(cosines) {
        let positive = T::ZERO.larger(cosine);
        *evidence = positive * positive * read;
    }
    for (sums, left) in sums.evidence.chunks_exact_mut(HALF_LIVES.len()).zip(&event.left) {
        let Some(left) = left else { continue };
        for (sums, &left) in sums.iter_mut().zip(left) {
            let left = number(left);
            for (sum, &evidence) in sums.iter_mut().zip(&evidence) {
                *sum += evidence * left;
            }
        }
    }
}

/// How far an item was read, from 0 to 1.
fn read(dwell_ms: i32) -> f32 {
    if dwell_ms < 0 {
        return 1.0;
    }
    ((dwell_ms as f32 / 1000.0).ln_1p() / READ_SECONDS.ln_1p()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::Kind;

    #[test]
    fn a_history_by_hand() {
        let content = vec![1.0, 0.0, 0.6, 0.8, 0.0, 1.0];
        let kinds = vec![Kind::Organic, Kind::Ad, Kind::Organic];
        let items = Items { content, kinds, ..Items::default() };
        let seen = |item, days, place, dwell_ms| Seen::new(&items, item, [Some(days), Some(place)], dwell_ms);
        let events =
            [seen(2, 0.0, 3.0, -1), seen(1, 2.0, 2.0, -1), seen(0, 8.0, 1.0, 30_000), seen(0, 8.0, 0.0, 0)];
        let out = histograms(&items, &events, &[0]);
        let (organic, ads) = out.split_at(OF_KIND);
        // Organic: cosines 0, 1 and 1, the last not read; ads: 0.6.
        assert_eq!(organic[..BINS], [1.0 / 3.0, 0.0, 0.0, 0.0, 0.0, 2.0 / 3.0]);
        assert_eq!(organic[BINS], 1.0);
        let (by_time, by_place) = organic[BINS + 1..].split_at(3);
        assert_eq!(by_time, [2.0f32.powi(-16), 1.0 / 16.0, 0.5].map(f32::ln_1p));
        assert_eq!(by_place, [2.0f32.powi(-2), 2.0f32.powf(-0.5), 2.0f32.powf(-0.125)].map(f32::ln_1p));
        assert_eq!(ads[..BINS], [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(ads[BINS + 2], (0.36f32 * 0.5).ln_1p());
        let many = histograms(&items, &events, &[[1, 2, 9].as_slice(), &[0; 70]].concat());
        assert_eq!(many.len(), 73 * WIDTH);
        assert!(many[3 * WIDTH..].chunks_exact(WIDTH).all(|one| one == out), "alone as among others");
        assert_eq!(histograms(&items, &[], &[0, 1]), [0.0; 2 * WIDTH]);
        let (seen, mut cosines) = (contents(&items, [2, 1, 0, 0].into_iter()), Vec::new());
        fill_cosines(&items, &seen, &[9], &mut cosines);
        assert_eq!(cosines, [0.0; 4], "an unknown candidate is like nothing");
    }
}
