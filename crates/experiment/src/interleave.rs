//! Interleaving of rankings, credit by contributor, and the preference between two rankers.
//!
//! Team draft: Radlinski, Kurup & Joachims, CIKM 2008. Balanced: Joachims 2003. Preference: Chapelle et al., TOIS 2012, equation 1.

use crate::distribution::sign_test;
use crate::error::{Error, Result};
use crate::estimate::Interval;
use crate::proportion::clopper_pearson;
use crate::random::Stream;
use std::collections::BTreeMap;

/// A mixed list and what each ranker contributed to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mixed {
    /// Items in order.
    pub list: Vec<u64>,
    /// Items by ranker.
    pub teams: Vec<Vec<u64>>,
}

impl Mixed {
    /// Rankers whose turn it may be, each with its best item that is not in the list: those with the fewest contributions.
    fn turns(&self, rankings: &[Vec<u64>]) -> Vec<(usize, u64)> {
        let best = |(team, ranking): (usize, &Vec<u64>)| {
            ranking.iter().find(|item| !self.list.contains(item)).map(|&item| (team, item))
        };
        let open: Vec<(usize, u64)> = rankings.iter().enumerate().filter_map(best).collect();
        let fewest = open.iter().map(|(team, _)| self.teams[*team].len()).min().unwrap_or(0);
        open.into_iter().filter(|(team, _)| self.teams[*team].len() == fewest).collect()
    }

    fn with(&self, team: usize, item: u64) -> Self {
        let mut next = self.clone();
        next.list.push(item);
        next.teams[team].push(item);
        next
    }
}

fn empty(rankers: usize) -> Mixed {
    Mixed { list: Vec::new(), teams: vec![Vec::new(); rankers] }
}

/// One team draft of `k` items.
pub fn team_draft(rankings: &[Vec<u64>], k: usize, stream: &mut Stream) -> Mixed {
    let mut mixed = empty(rankings.len());
    while mixed.list.len() < k {
        let turns = mixed.turns(rankings);
        let Some(&(team, item)) = turns.get(stream.below(turns.len())) else { break };
        mixed = mixed.with(team, item);
    }
    mixed
}

/// Every outcome of a team draft with its probability, in order of list and teams.
///
/// # Errors
/// [`Error::TooMany`] beyond a million outcomes.
pub fn team_draft_outcomes(rankings: &[Vec<u64>], k: usize) -> Result<Vec<(Mixed, f64)>> {
    let mut outcomes = BTreeMap::from([(empty(rankings.len()), 1.0)]);
    for _ in 0..k {
        let mut next: BTreeMap<Mixed, f64> = BTreeMap::new();
        for (mixed, probability) in outcomes {
            let turns = mixed.turns(rankings);
            if turns.is_empty() {
                *next.entry(mixed).or_default() += probability;
                continue;
            }
            for &(team, item) in &turns {
                *next.entry(mixed.with(team, item)).or_default() += probability / turns.len() as f64;
            }
        }
        if next.len() > 1_000_000 {
            return Err(Error::TooMany { what: "the team draft", got: next.len() as f64, limit: 1e6 });
        }
        outcomes = next;
    }
    Ok(outcomes.into_iter().collect())
}

/// Balanced interleaving of two rankings when ranker `first` wins the coin; ends when either ranking is used up, so that neither
/// contributes more than the other.
pub fn balanced(rankings: [&[u64]; 2], first: usize, k: usize) -> Vec<u64> {
    let mut list: Vec<u64> = Vec::new();
    let mut place = [0, 0];
    while list.len() < k {
        let [Some(&a), Some(&b)] = [0, 1].map(|at| rankings[at].get(place[at])) else { break };
        let other = 1 - first;
        let turn = if place[first] <= place[other] { first } else { other };
        let item = [a, b][turn];
        place[turn] += 1;
        if !list.contains(&item) {
            list.push(item);
        }
    }
    list
}

/// Puts sponsored items `(slot, item)` at their slots; the others move down.
pub fn with_sponsored(list: &[u64], sponsored: &BTreeMap<usize, u64>) -> Vec<u64> {
    let mut rest = list.iter().copied().filter(|item| !sponsored.values().any(|other| other == item));
    let total = list.len() + sponsored.len();
    (0..total).filter_map(|slot| sponsored.get(&slot).copied().or_else(|| rest.next())).collect()
}

/// Users won by each of two rankers: a user counts once, for the ranker with more of the user's credited clicks.
///
/// A row is `(user, mixed list, clicked items)`; returns wins of the first, wins of the second, ties.
pub fn wins<'a>(rows: impl IntoIterator<Item = (u64, &'a Mixed, &'a [u64])>) -> [f64; 3] {
    let mut balance: BTreeMap<u64, i64> = BTreeMap::new();
    for (user, mixed, clicked) in rows {
        let credit = |team: usize| {
            clicked.iter().filter(|item| mixed.teams.get(team).is_some_and(|own| own.contains(item))).count()
                as i64
        };
        *balance.entry(user).or_default() += credit(0) - credit(1);
    }
    let count = |f: &dyn Fn(i64) -> bool| balance.values().filter(|value| f(**value)).count() as f64;
    [count(&|b| b > 0), count(&|b| b < 0), count(&|b| b == 0)]
}

/// Which of two rankers users prefer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preference {
    /// Exact sign test of wins against losses.
    pub p: f64,
    /// `(wins + ties / 2) / users - 1/2`; positive for the first ranker.
    pub delta: f64,
    /// Wins of the first among users with a preference.
    pub win_share: f64,
    /// Exact interval of that share.
    pub interval: Interval,
}

/// Preference from wins of the first, wins of the second, ties.
///
/// # Errors
/// [`Error::TooFew`] without a user who has a preference, [`Error::OutOfRange`] for an alpha outside 0..1 or negative counts.
pub fn preference([first, second, ties]: [f64; 3], alpha: f64) -> Result<Preference> {
    if let Some(got) = [first, second, ties].into_iter().find(|count| !(*count >= 0.0)) {
        return Err(Error::OutOfRange { what: "a number of users", got, expected: "a number from 0" });
    }
    let decided = first + second;
    if decided < 1.0 {
        return Err(Error::TooFew { what: "the list of users with a preference", got: 0, needed: 1 });
    }
    Ok(Preference {
        p: sign_test(first, second),
        delta: (first + 0.5 * ties) / (decided + ties) - 0.5,
        win_share: first / decided,
        interval: clopper_pearson(first, decided, alpha)?,
    })
}
