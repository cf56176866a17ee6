//! Exploration as it is served: the first slots of a share of all lists are drawn, and the log has the probability of every list.
//!
//! A draw is a function of the request's id, the policy and the scores, so a replay makes it again, and a client that repeats a request
//! gets the same list. The policy is [`semrank_experiment::explore`]; requests that are in a randomised test are not explored.

use crate::messages::{Exploring, Ranked};
use semrank_experiment::explore::{Draw, Exploration, SlotProbability};
use serde::{Deserialize, Serialize};

/// By what a request's list is explored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Explore<'a> {
    pub(crate) policy: Exploration,
    pub(crate) request_id: &'a str,
}

/// What an explored list was drawn from, as the log keeps it; also of lists that were not drawn, since they could have been.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explored {
    /// The policy.
    pub policy: Exploration,
    /// Whether the first slots were drawn; otherwise they are the first of the pool.
    pub drawn: bool,
    /// The best items by score, from which they were drawn.
    pub pool: Vec<InPool>,
    /// Of each drawn slot, the probability of its item given those above it **and that the list is drawn**. An item that was shown
    /// has the same of all lists (`propensity`).
    pub given_drawn: Vec<f64>,
    /// Probability of the list, of all lists: drawn with the share, by score otherwise.
    pub propensity: f64,
}

/// An item that could be drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InPool {
    /// Its id.
    pub item: String,
    /// Of the ranker.
    pub score: f32,
}

impl Explore<'_> {
    /// Draws the first slots of a list of `k`, or leaves it as it is, and says how probable it is; `items` are at least those of the pool,
    /// or all.
    pub(crate) fn applied(self, items: Vec<Ranked>, k: usize) -> (Vec<Ranked>, Explored) {
        let Self { policy, request_id } = self;
        let pool: Vec<InPool> = items
            .iter()
            .take(policy.pool)
            .take_while(|one| one.score.is_finite())
            .map(|one| InPool { item: one.item.clone(), score: one.score })
            .collect();
        let scores: Vec<f64> = pool.iter().map(|one| f64::from(one.score)).collect();
        let Draw { is_drawn: drawn, order } = policy.draw(request_id, &scores, k);
        let slots = policy.probabilities(&scores, &order);
        let mut items = reordered(items, &order, &slots);
        items.truncate(k);
        let propensity = slots.iter().map(|slot| slot.overall).product();
        let given_drawn = slots.iter().map(|slot| slot.drawn).collect();
        (items, Explored { policy, drawn, pool, given_drawn, propensity })
    }
}

impl Explored {
    /// What a client is told.
    pub(crate) fn told(&self) -> Exploring {
        Exploring { drawn: self.drawn, propensity: self.propensity }
    }
}

/// The items at these places with their probabilities, then the others as they were.
fn reordered(items: Vec<Ranked>, order: &[usize], slots: &[SlotProbability]) -> Vec<Ranked> {
    let mut left: Vec<Option<Ranked>> = items.into_iter().map(Some).collect();
    let drawn = order.iter().zip(slots).filter_map(|(&at, slot)| {
        let item = left.get_mut(at)?.take()?;
        Some(Ranked { propensity: Some(slot.overall), ..item })
    });
    let first: Vec<Ranked> = drawn.collect();
    first.into_iter().chain(left.into_iter().flatten()).collect()
}
