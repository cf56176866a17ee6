//! What each source is good for, over many cases: does it find the next item, does it find what the others do not, and does what it
//! finds reach the final list?
//!
//! - **recall@n**: share of cases whose target is among the source's first n.
//! - **unique@500**: share of cases whose target is among its first 500 and among no other source's first 500.
//! - **survivors@10**: share of the final lists' first 10 places that hold an item it found within its quota; **unique survivors**: that no
//!   other source found.
//! - **marginal@500**: recall of the funnel with quotas of 500 in all, less that of a funnel without the source whose other quotas grow
//!   in proportion: what it adds at the same cost. A source without a quota is measured as if it had a tenth of all.
//! - **overlap**: of its first 500, the share that another source has among its first 500.
//!
//! A source with recall and without survivors finds what the ranker does not want.

mod ranks;

use crate::{Found, Scored};
use ranks::{Ranks, compared, is_covered, is_within};
use semrank_core::Segment;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// Depth of the lists that sources are compared by.
pub const DEEP: usize = 1000;
const COMPARED: usize = 500;
const DEPTHS: [usize; 3] = [100, COMPARED, DEEP];

/// What is known of one case.
#[derive(Debug)]
pub struct Case<'a> {
    /// The next item.
    pub target: u32,
    /// Each source's first [`DEEP`].
    pub found: &'a [Found],
    /// The ranker's order of what the funnel found, the best first, at least 10 where there are so many.
    pub ranked: &'a [u32],
}

/// A mean over cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// Over the cases as they are.
    pub value: f64,
    /// The ends of its 95 % interval (bootstrap over cases); none for fewer than two cases.
    pub interval: Option<[f64; 2]>,
}

/// What a source adds over the targets of one segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Added {
    /// Cases whose target is of the segment.
    pub cases: usize,
    /// Found by no other source's first 100.
    #[serde(rename = "unique@100")]
    pub unique_100: Mean,
    /// Found by no other source's first 500.
    #[serde(rename = "unique@500")]
    pub unique_500: Mean,
    /// What the funnel loses without it, at 100 candidates in all.
    #[serde(rename = "marginal@100")]
    pub marginal_100: Mean,
    /// The same at 500.
    #[serde(rename = "marginal@500")]
    pub marginal_500: Mean,
}

/// Figures of one source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceFigures {
    /// Its name.
    pub name: String,
    /// Candidates per request in the funnel.
    pub quota: usize,
    /// See the module.
    #[serde(rename = "recall@100")]
    pub recall_100: f64,
    /// See the module.
    #[serde(rename = "recall@500")]
    pub recall_500: f64,
    /// See the module.
    #[serde(rename = "recall@1000")]
    pub recall_1000: f64,
    /// Recall over targets without training events.
    #[serde(rename = "new_recall@500")]
    pub new_recall_500: f64,
    /// Recall over targets of the tail.
    #[serde(rename = "tail_recall@500")]
    pub tail_recall_500: f64,
    /// See the module.
    #[serde(rename = "unique@500")]
    pub unique_500: f64,
    /// See the module.
    #[serde(rename = "survivors@10")]
    pub survivors_10: f64,
    /// See the module.
    #[serde(rename = "unique_survivors@10")]
    pub unique_survivors_10: f64,
    /// See the module.
    #[serde(rename = "marginal@500")]
    pub marginal_500: f64,
    /// The marginal recall over targets without training events.
    #[serde(rename = "new_marginal@500")]
    pub new_marginal_500: f64,
    /// What it adds over targets without training events.
    pub new: Added,
    /// What it adds over targets of the tail.
    pub tail: Added,
    /// Share of its first 500 without training events.
    pub new_share: f64,
    /// Share of its first 500 in the tail.
    pub tail_share: f64,
    /// Of its first 500, the share that each source, in the report's order, has among its first 500.
    pub overlap: Vec<f64>,
    /// Median of its time per request.
    pub micros: f64,
    /// Requests that it failed.
    pub failed: usize,
}

/// Figures of the merged candidates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct FunnelFigures {
    /// Share of cases whose target is among the candidates within quotas.
    pub recall: f64,
    /// The same over targets without training events.
    pub new_recall: f64,
    /// Candidates per request.
    pub candidates: f64,
}

/// Gathers cases.
#[derive(Debug)]
pub struct Gatherer<'a> {
    segments: &'a [Segment],
    names: Vec<&'static str>,
    quotas: Vec<usize>,
    /// Rank of the target in each source's list, `[cases x sources]`; 0 = not found.
    ranks: Vec<u32>,
    targets: Vec<u32>,
    candidates: usize,
    sums: Vec<Sums>,
    places: usize,
}

#[derive(Debug, Clone, Default)]
struct Sums {
    listed: usize,
    new: usize,
    tail: usize,
    overlap: Vec<usize>,
    survivors: usize,
    unique_survivors: usize,
    micros: Vec<u64>,
    failed: usize,
}

fn first(found: &Found, n: usize) -> impl Iterator<Item = u32> {
    found.candidates.iter().take(n).map(|scored: &Scored| scored.item)
}

impl<'a> Gatherer<'a> {
    /// For sources with these names and quotas; `segments` has one entry per item.
    pub fn new(sources: &[(&'static str, usize)], segments: &'a [Segment]) -> Self {
        let sums = Sums { overlap: vec![0; sources.len()], ..Sums::default() };
        Self {
            segments,
            names: sources.iter().map(|source| source.0).collect(),
            quotas: sources.iter().map(|source| source.1).collect(),
            ranks: Vec::new(),
            targets: Vec::new(),
            candidates: 0,
            sums: vec![sums; sources.len()],
            places: 0,
        }
    }

    /// Takes in a case.
    pub fn add(&mut self, case: &Case) {
        self.targets.push(case.target);
        let lists: Vec<BTreeSet<u32>> =
            case.found.iter().map(|found| first(found, COMPARED).collect()).collect();
        let within: Vec<BTreeSet<u32>> = case
            .found
            .iter()
            .zip(&self.quotas)
            .map(|(found, &quota)| first(found, quota).collect())
            .collect();
        self.candidates += within.iter().flatten().collect::<BTreeSet<_>>().len();
        for (at, (found, sums)) in case.found.iter().zip(&mut self.sums).enumerate() {
            let rank = first(found, DEEP).position(|item| item == case.target);
            self.ranks.push(rank.map_or(0, |rank| rank as u32 + 1));
            let is = |item: &u32, segment| self.segments.get(*item as usize) == Some(&segment);
            sums.listed += lists[at].len();
            sums.new += lists[at].iter().filter(|item| is(item, Segment::New)).count();
            sums.tail += lists[at].iter().filter(|item| is(item, Segment::Tail)).count();
            sums.micros.push(found.report.micros);
            sums.failed += usize::from(found.report.error.is_some());
            for (other, sum) in sums.overlap.iter_mut().enumerate() {
                *sum += lists[at].intersection(&lists[other]).count();
            }
        }
        for item in &case.ranked[..case.ranked.len().min(10)] {
            self.places += 1;
            let holders: Vec<usize> = (0..within.len()).filter(|&at| within[at].contains(item)).collect();
            holders.iter().for_each(|&at| self.sums[at].survivors += 1);
            if let [only] = holders[..] {
                self.sums[only].unique_survivors += 1;
            }
        }
    }

    /// The figures of every source, and of the funnel.
    pub fn figures(&self) -> (Vec<SourceFigures>, FunnelFigures) {
        let ranks = Ranks { ranks: &self.ranks, sources: self.names.len() };
        let of = |segment: Segment| {
            let is = |target: &u32| self.segments.get(*target as usize) == Some(&segment);
            self.targets.iter().map(is).collect::<Vec<bool>>()
        };
        let (new, tail, all) = (of(Segment::New), of(Segment::Tail), vec![true; self.targets.len()]);
        let figure = |at: usize| {
            let sums = &self.sums[at];
            let [recall_100, recall_500, recall_1000] = DEPTHS.map(|depth| ranks.recall(at, depth, &all));
            let [with, without] = compared(&self.quotas, COMPARED, at);
            let marginal = |which: &[bool]| ranks.covered(&with, which) - ranks.covered(&without, which);
            let share = |count: usize, of: usize| count as f64 / of.max(1) as f64;
            SourceFigures {
                name: self.names[at].to_owned(),
                quota: self.quotas[at],
                recall_100,
                recall_500,
                recall_1000,
                new_recall_500: ranks.recall(at, COMPARED, &new),
                tail_recall_500: ranks.recall(at, COMPARED, &tail),
                unique_500: ranks.share(&all, |row| Ranks::is_unique(row, at, COMPARED)),
                survivors_10: share(sums.survivors, self.places),
                unique_survivors_10: share(sums.unique_survivors, self.places),
                marginal_500: marginal(&all),
                new_marginal_500: marginal(&new),
                new: ranks.added(at, &self.quotas, &new),
                tail: ranks.added(at, &self.quotas, &tail),
                new_share: share(sums.new, sums.listed),
                tail_share: share(sums.tail, sums.listed),
                overlap: sums.overlap.iter().map(|&both| share(both, sums.listed)).collect(),
                micros: median(&sums.micros),
                failed: sums.failed,
            }
        };
        let funnel = FunnelFigures {
            recall: ranks.covered(&self.quotas, &all),
            new_recall: ranks.covered(&self.quotas, &new),
            candidates: self.candidates as f64 / self.targets.len().max(1) as f64,
        };
        ((0..self.names.len()).map(figure).collect(), funnel)
    }

    fn weights(&self) -> Vec<f64> {
        let segment = |target: &u32| self.segments.get(*target as usize).copied();
        let mut counts: HashMap<Option<Segment>, usize> = HashMap::new();
        self.targets.iter().for_each(|target| *counts.entry(segment(target)).or_default() += 1);
        let alike = 0.5 / self.targets.len().max(1) as f64;
        let of = |target| alike + 0.5 / (counts.len() * counts[&segment(target)]) as f64;
        self.targets.iter().map(of).collect()
    }

    /// Quotas of `total` candidates from `start` on, chosen greedily: the next candidates go to the source that finds most targets per
    /// candidate that are not found yet (half of the weight is shared by all cases alike, the other half by the segments alike, as a log has few
    /// targets among items that nobody could take before), where it may go 1, 2, 4 or 8 `step`s deeper, as its first ones are often found already. Where
    /// none finds any more, they go to the first source.
    pub fn greedy(&self, start: Vec<usize>, total: usize, step: usize) -> Vec<usize> {
        let ranks = Ranks { ranks: &self.ranks, sources: self.names.len() };
        let (mut quotas, step, weights) = (start, step.max(1), self.weights());
        loop {
            let left = total.saturating_sub(quotas.iter().sum());
            let found = |source: usize, depth: usize| {
                let gains =
                    |row: &[u32]| !is_covered(row, &quotas) && is_within(row[source], quotas[source] + depth);
                let found = ranks.rows().zip(&weights).filter(|(row, _)| gains(row));
                found.map(|(_, weight)| weight).sum::<f64>() / depth as f64
            };
            let depths = [1, 2, 4, 8].map(|steps| steps * step).into_iter().filter(|depth| *depth <= left);
            let moves = depths.flat_map(|depth| (0..quotas.len()).map(move |source| (source, depth)));
            let moves = moves.map(|(source, depth)| (found(source, depth), source, depth));
            let better = |a: &(f64, usize, usize), b: &(f64, usize, usize)| {
                a.0.total_cmp(&b.0).then(b.2.cmp(&a.2)).then(b.1.cmp(&a.1))
            };
            let Some((_, source, depth)) = moves.max_by(better) else { return quotas };
            quotas[source] += depth;
        }
    }
}

fn median(values: &[u64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).map_or(0.0, |&value| value as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SourceReport;

    fn found(items: &[u32]) -> Found {
        let candidates = items.iter().map(|&item| Scored { item, score: 0.0 }).collect();
        let report = SourceReport { name: "x", items: items.len(), left_out: 0, micros: 7, error: None };
        Found { candidates, report }
    }

    /// Two cases, two sources with two places each; item 9 is new.
    #[test]
    fn figures_of_a_case_that_can_be_counted_by_hand() {
        let mut segments = [Segment::Head; 10];
        segments[9] = Segment::New;
        let mut gatherer = Gatherer::new(&[("a", 2), ("b", 2)], &segments);
        gatherer.add(&Case { target: 1, found: &[found(&[1, 2, 3]), found(&[2, 9])], ranked: &[2, 1, 9] });
        gatherer.add(&Case { target: 9, found: &[found(&[4, 5]), found(&[9, 4])], ranked: &[9, 4] });
        let (sources, funnel) = gatherer.figures();
        let [a, b] = &sources[..] else { panic!("two sources") };
        assert_eq!((a.recall_100, b.recall_100, a.unique_500, b.unique_500), (0.5, 0.5, 0.5, 0.5));
        assert_eq!((a.new_recall_500, b.new_recall_500), (0.0, 1.0));
        // Five places: a found 2, 1 and 4; b found 2, 9, 9 and 4.
        assert_eq!((a.survivors_10, b.survivors_10), (0.6, 0.8));
        assert_eq!((a.unique_survivors_10, b.unique_survivors_10), (0.2, 0.4));
        assert_eq!((a.marginal_500, b.marginal_500, b.new_marginal_500), (0.5, 0.5, 1.0));
        assert_eq!((b.new_share, a.overlap[1], a.micros), (0.5, 0.4, 7.0));
        assert_eq!((funnel.recall, funnel.new_recall, funnel.candidates), (1.0, 1.0, 3.0));
        assert_eq!((b.new.cases, b.new.unique_500.value, b.new.marginal_500.value), (1, 1.0, 1.0));
        assert_eq!((b.new.unique_500.interval, a.tail.cases), (None, 0), "one case has no interval");
        assert_eq!(gatherer.greedy(vec![0, 0], 4, 1), [3, 1], "one of each, then nothing is left to find");
        assert_eq!(gatherer.greedy(vec![1, 0], 3, 1), [2, 1], "what the first place finds counts as found");
    }
}
