//! Where targets stand in the lists of sources, and what follows for recall.

use super::{Added, COMPARED, DEPTHS, Mean};
use semrank_measure::ranking::mean_interval;

pub(super) fn is_within(rank: u32, quota: usize) -> bool {
    rank > 0 && rank as usize <= quota
}

pub(super) fn is_covered(row: &[u32], quotas: &[usize]) -> bool {
    row.iter().zip(quotas).any(|(&rank, &quota)| is_within(rank, quota))
}

/// Ranks of targets, `[cases x sources]`.
pub(super) struct Ranks<'a> {
    pub(super) ranks: &'a [u32],
    pub(super) sources: usize,
}

impl Ranks<'_> {
    pub(super) fn rows(&self) -> impl Iterator<Item = &[u32]> {
        self.ranks.chunks_exact(self.sources.max(1))
    }

    pub(super) fn share(&self, which: &[bool], holds: impl Fn(&[u32]) -> bool) -> f64 {
        let rows = || self.rows().zip(which).filter(|(_, which)| **which);
        rows().filter(|(row, _)| holds(row)).count() as f64 / rows().count().max(1) as f64
    }

    pub(super) fn recall(&self, source: usize, depth: usize, which: &[bool]) -> f64 {
        self.share(which, |row| is_within(row[source], depth))
    }

    pub(super) fn covered(&self, quotas: &[usize], which: &[bool]) -> f64 {
        self.share(which, |row| is_covered(row, quotas))
    }

    /// Whether only this source has a target within a depth.
    pub(super) fn is_unique(row: &[u32], source: usize, depth: usize) -> bool {
        let others = (0..row.len()).filter(|&other| other != source);
        is_within(row[source], depth) && others.into_iter().all(|other| !is_within(row[other], depth))
    }

    /// What a source adds over some of the cases.
    pub(super) fn added(&self, source: usize, quotas: &[usize], which: &[bool]) -> Added {
        let unique = |depth| self.mean(which, |row| f64::from(u8::from(Self::is_unique(row, source, depth))));
        let marginal = |total| {
            let [with, without] = compared(quotas, total, source);
            let covered = |row: &[u32], quotas: &[usize]| f64::from(u8::from(is_covered(row, quotas)));
            self.mean(which, |row| covered(row, &with) - covered(row, &without))
        };
        Added {
            cases: which.iter().filter(|which| **which).count(),
            unique_100: unique(DEPTHS[0]),
            unique_500: unique(COMPARED),
            marginal_100: marginal(DEPTHS[0]),
            marginal_500: marginal(COMPARED),
        }
    }

    /// The mean of a figure over some of the cases; the bootstrap draws cases, so a difference is paired.
    fn mean(&self, which: &[bool], figure: impl Fn(&[u32]) -> f64) -> Mean {
        let rows = self.rows().zip(which).filter(|(_, which)| **which);
        let values: Vec<f64> = rows.map(|(row, _)| figure(row)).collect();
        let value = values.iter().sum::<f64>() / values.len().max(1) as f64;
        Mean { value, interval: mean_interval(&values, 0) }
    }
}

/// Of a source without a quota, its share of the candidates when it is compared.
const TRIED: usize = 10;

/// Quotas in the same proportions that add up to `total`, with a source and without.
pub(super) fn compared(quotas: &[usize], total: usize, source: usize) -> [Vec<usize>; 2] {
    let (mut with, mut without) = (quotas.to_vec(), quotas.to_vec());
    without[source] = 0;
    if with[source] == 0 {
        with[source] = quotas.iter().sum::<usize>() / (TRIED - 1);
    }
    [with, without].map(|quotas| {
        let all = quotas.iter().sum::<usize>().max(1);
        quotas.iter().map(|quota| quota * total / all).collect()
    })
}
