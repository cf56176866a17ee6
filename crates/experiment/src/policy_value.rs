//! What other policies would have earned, from lists whose first slots were [explored](crate::explore).
//!
//! A list's reward is that of its drawn slots. The weight of a slot is the target's probability of its item, given those above, over that of
//! the log. Three views, from the fewest assumptions to the least variance:
//!
//! | view | weight of a reward | holds when |
//! |---|---|---|
//! | `list` | product over all slots | always |
//! | `stepwise` | product up to its own slot (McInerney et al., KDD 2020) | nobody's reward depends on what stands below it |
//! | `first` | first slot only, whose reward is all that counts; direct and doubly robust as well | always |
//!
//! Every estimate is of the requests of the log, with the items that the log could have shown. Standard errors take lists as independent.

use crate::error::{Error, Result};
use crate::estimate::{Alternative, Effect};
use crate::explore::Exploration;
use crate::offpolicy::{Round, Rounds, SlateRow, Weighted, slate_products};
use serde::Serialize;

/// A policy over the items of a pool; items are named by their places in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// What made the log.
    Logged,
    /// The best first, by these scores; of equal ones, the first of the pool.
    Best(Vec<f64>),
    /// Each slot by a softmax of these scores at a temperature, of the items that are left.
    Softmax(Vec<f64>, f64),
}

/// A list of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedList {
    /// The policy that made it.
    pub policy: Exploration,
    /// Scores of the pool, best first.
    pub scores: Vec<f64>,
    /// Places in the pool of the items of the drawn slots.
    pub order: Vec<usize>,
    /// Rewards of these slots.
    pub rewards: Vec<f64>,
}

/// An estimate with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Value {
    /// Reward per list.
    pub value: f64,
    /// Its standard error.
    pub se: f64,
    /// Lower and upper end.
    pub interval: [f64; 2],
}

/// Estimates from importance weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct View {
    /// Inverse propensity score; none where it is refused.
    pub ips: Option<Value>,
    /// Over the sum of the weights.
    pub snips: Option<Value>,
    /// Predicted rewards only: mean reward of the pool's places, learned from the other half of the lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct: Option<Value>,
    /// Predicted rewards, corrected by importance weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubly_robust: Option<Value>,
    /// Lists that the weights are worth.
    pub effective: f64,
    /// The largest weight.
    pub largest_weight: f64,
    /// Mean weight: near 1 where the propensities are right and the log can show what the policy shows.
    pub mean_weight: f64,
    /// Why there are no estimates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What a policy would have earned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyValue {
    /// Its name.
    pub policy: String,
    /// From whole lists.
    pub list: View,
    /// Every reward weighted by the slots up to its own.
    pub stepwise: Option<Value>,
    /// Of the first slot.
    pub first: View,
}

impl Target {
    /// Probabilities of the items of a list's slots, each given those above it.
    fn given(&self, list: &LoggedList, only_drawn: bool) -> Vec<f64> {
        match self {
            Self::Logged => list.logged(only_drawn),
            Self::Softmax(scores, temperature) => {
                let mut left: Vec<usize> = (0..scores.len()).collect();
                let slot = |item: &usize| {
                    let all = softmax(scores, *temperature, &left);
                    let at = left.iter().position(|place| place == item);
                    at.map_or(0.0, |at| {
                        left.remove(at);
                        all[at]
                    })
                };
                list.order.iter().map(slot).collect()
            }
            Self::Best(scores) => {
                let order = by_score(scores);
                // Below a slot that it would have filled otherwise nothing counts any more.
                list.order
                    .iter()
                    .zip(order)
                    .map(|(&shown, best)| f64::from(u8::from(shown == best)))
                    .collect()
            }
        }
    }

    /// Probabilities of all items of the pool in the first slot.
    fn first(&self, list: &LoggedList, only_drawn: bool) -> Vec<f64> {
        let all: Vec<usize> = (0..list.scores.len()).collect();
        let one_hot =
            |best: usize| all.iter().map(|&item| f64::from(u8::from(item == best))).collect::<Vec<_>>();
        match self {
            Self::Logged => {
                let share = if only_drawn { 1.0 } else { list.policy.share };
                let drawn = softmax(&list.scores, list.policy.temperature, &all);
                drawn.iter().zip(one_hot(0)).map(|(p, greedy)| share * p + (1.0 - share) * greedy).collect()
            }
            Self::Softmax(scores, temperature) => softmax(scores, *temperature, &all),
            Self::Best(scores) => one_hot(by_score(scores).first().copied().unwrap_or_default()),
        }
    }
}

/// Places in descending order of the scores.
fn by_score(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

fn softmax(scores: &[f64], temperature: f64, left: &[usize]) -> Vec<f64> {
    let best = left.iter().map(|&item| scores[item]).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = left.iter().map(|&item| libm::exp((scores[item] - best) / temperature)).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

impl LoggedList {
    /// Probabilities of the log: of all lists, or of those that are drawn.
    fn logged(&self, only_drawn: bool) -> Vec<f64> {
        let slots = self.policy.probabilities(&self.scores, &self.order);
        slots.iter().map(|slot| if only_drawn { slot.drawn } else { slot.overall }).collect()
    }

    fn check(&self) -> Result<()> {
        let is_sound = !self.order.is_empty()
            && self.order.len() == self.rewards.len()
            && self.order.iter().all(|&item| item < self.scores.len());
        let expected = self.order.len().max(1);
        let wrong = Error::Length { what: "the rewards of a list", got: self.rewards.len(), expected };
        if is_sound { Ok(()) } else { Err(wrong) }
    }
}

/// What a policy would have earned; `targets` has what it does with each of the lists. With `only_drawn`, the lists are those that were
/// drawn, and the log's probabilities those given that; otherwise they are all, and the probabilities those of the whole mixture.
///
/// # Errors
/// [`Error::TooFew`] below two lists, [`Error::Length`] for a list whose rewards, places and targets do not belong together.
pub fn policy_value(
    name: &str,
    lists: &[LoggedList],
    targets: &[Target],
    only_drawn: bool,
) -> Result<PolicyValue> {
    crate::error::same_length("the list of targets", targets.len(), lists.len())?;
    lists.iter().try_for_each(LoggedList::check)?;
    let (mut whole, mut slots) = (Vec::new(), Vec::new());
    for (slate, (list, target)) in (0..).zip(lists.iter().zip(targets)) {
        let (logged, wanted) = (list.logged(only_drawn), target.given(list, only_drawn));
        let product = |values: &[f64]| values.iter().product::<f64>();
        whole.push((list.rewards.iter().sum(), product(&logged), product(&wanted)));
        let rows = (0..).zip(&list.rewards).zip(logged.iter().zip(&wanted));
        slots.extend(rows.map(|((slot, &reward), (&propensity, &target))| SlateRow {
            slate,
            slot,
            reward,
            propensity,
            target,
        }));
    }
    let weighted = Weighted::new(whole)?;
    let list = view(&weighted)?;
    let stepwise = if list.refused.is_none() { Some(value(slate_products(&slots)?.1)?) } else { None };
    let first = first_slot(lists, targets, only_drawn)?;
    Ok(PolicyValue { policy: name.to_owned(), list, stepwise, first })
}

fn value(effect: Effect) -> Result<Value> {
    let interval = effect.interval(0.05, Alternative::TwoSided)?;
    Ok(Value { value: effect.value, se: effect.se, interval: [interval.low, interval.high] })
}

fn view(weighted: &Weighted) -> Result<View> {
    let refused = weighted.check().err().map(|error| error.to_string());
    let shown = |effect: Result<Effect>| effect.and_then(value).map(Some);
    let (ips, snips) = match &refused {
        None => (shown(weighted.ips())?, shown(weighted.snips())?),
        Some(_) => (None, None),
    };
    let (effective, mean_weight) = (weighted.effective(), weighted.mean_weight());
    let (largest_weight, direct, doubly_robust) = (weighted.largest(), None, None);
    Ok(View { ips, snips, direct, doubly_robust, effective, largest_weight, mean_weight, refused })
}

/// The first slot is a choice of one item: its rewards can be predicted, so that there are direct and doubly robust estimates.
fn first_slot(lists: &[LoggedList], targets: &[Target], only_drawn: bool) -> Result<View> {
    let predictions = [0, 1].map(|half| predicted(lists, half));
    let wanted: Vec<Vec<f64>> =
        lists.iter().zip(targets).map(|(list, target)| target.first(list, only_drawn)).collect();
    let round = |(at, list): (usize, &LoggedList)| Round {
        action: list.order[0],
        reward: list.rewards[0],
        propensity: 0.0,
        target: &wanted[at],
        predicted: &[],
    };
    let mut rounds: Vec<Round> = lists.iter().enumerate().map(round).collect();
    for (at, (round, list)) in rounds.iter_mut().zip(lists).enumerate() {
        round.propensity = list.logged(only_drawn)[0];
        // Learned from the lists of the other half, so that no list predicts itself.
        round.predicted = &predictions[at % 2][..list.scores.len()];
    }
    let rounds = Rounds::new(&rounds)?;
    let mut out = view(&rounds.weighted)?;
    if out.refused.is_none() {
        out.direct = Some(value(rounds.direct()?)?);
        out.doubly_robust = Some(value(rounds.doubly_robust()?)?);
    }
    Ok(out)
}

/// Mean reward of the first slot by place in the pool, of the lists that are not in a half; with ten lists' worth of the mean of all, since
/// places far down are seldom first.
fn predicted(lists: &[LoggedList], half: usize) -> Vec<f64> {
    const PRIOR: f64 = 10.0;
    let places = lists.iter().map(|list| list.scores.len()).max().unwrap_or_default();
    let mut sums = vec![(0.0, 0.0); places];
    for list in lists.iter().skip(1 - half).step_by(2) {
        let sum = &mut sums[list.order[0]];
        *sum = (sum.0 + list.rewards[0], sum.1 + 1.0);
    }
    let (reward, count) = sums.iter().fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
    let mean = if count > 0.0 { reward / count } else { 0.0 };
    sums.iter().map(|(reward, count)| (reward + PRIOR * mean) / (count + PRIOR)).collect()
}
