//! Exploration: the first slots of a share of all lists are drawn, and the probability of every list is exactly known.
//!
//! A drawn list takes its first items one after the other from the best of the ranking, each with the probability `exp(score / temperature)`
//! over the sum of those that are left (Luce 1959; Plackett 1975); what was not drawn follows by score. Every order of the pool has a
//! probability above 0, as importance weighting needs it, and its product form gives the probability of each slot given those above it.
//! Items of nearly equal scores change places often and one far ahead seldom, so a draw costs less than epsilon-greedy, which shows the
//! worst item of the pool as often as the second best.
//!
//! ```
//! use semrank_experiment::explore::Exploration;
//! let policy = Exploration { share: 0.5, slots: 1, pool: 2, temperature: 1.0, seed: 7 };
//! // The second item is e times less likely than the first, in half of the lists; in the other half it is never first.
//! let second = policy.probabilities(&[1.0, 0.0], &[1])[0];
//! assert!((second.drawn - 0.268_941).abs() < 1e-6 && (second.overall - 0.134_471).abs() < 1e-6);
//! ```

use crate::error::{Error, Result, positive};
use crate::hash::wide;
use crate::random::Stream;
use serde::{Deserialize, Serialize};

/// Most slots that are drawn: the probability of a list is a product of so many numbers.
pub const MOST_SLOTS: usize = 20;
/// Largest pool.
pub const LARGEST_POOL: usize = 1_000;

/// The policy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Exploration {
    /// Share of the lists that are drawn.
    pub share: f64,
    /// The first slots, which are drawn.
    pub slots: usize,
    /// The best items of the ranking, from which they are drawn.
    pub pool: usize,
    /// Scores are divided by it: the higher, the more even the draw.
    pub temperature: f64,
    /// Of the draws.
    pub seed: u64,
}

/// Probabilities of the item of a slot, given those above it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlotProbability {
    /// Where the list is drawn.
    pub drawn: f64,
    /// Of all lists: drawn with the probability `share`, by score otherwise.
    pub overall: f64,
}

/// A list's first slots.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// Whether they were drawn.
    pub is_drawn: bool,
    /// Places in the pool.
    pub order: Vec<usize>,
}

impl Exploration {
    /// # Errors
    /// [`Error::OutOfRange`]: a share that is not above 0 and at most 1, no slot or pool or more than [`MOST_SLOTS`] and [`LARGEST_POOL`], a pool smaller than
    /// the slots, a temperature that is not above 0.
    pub fn check(&self) -> Result<()> {
        if positive("the share of the lists that are drawn", self.share)? > 1.0 {
            let what = "the share of the lists that are drawn";
            return Err(Error::OutOfRange { what, got: self.share, expected: "above 0, at most 1" });
        }
        positive("the temperature of a draw", self.temperature)?;
        let wrong = |what, got: usize, expected| Err(Error::OutOfRange { what, got: got as f64, expected });
        if !(1..=MOST_SLOTS).contains(&self.slots) {
            return wrong("the number of slots that are drawn", self.slots, "from 1 to 20");
        }
        if !(self.slots..=LARGEST_POOL).contains(&self.pool) {
            return wrong("the pool of a draw", self.pool, "from the number of slots to 1,000");
        }
        Ok(())
    }

    /// The first slots of a list of `k` for a request: the same for the same id and scores. `scores` are those of the pool, finite and
    /// best first.
    pub fn draw(&self, request_id: &str, scores: &[f64], k: usize) -> Draw {
        let slots = self.slots.min(k).min(scores.len());
        let mut stream = Stream::new(wide(&format!("explore:{}", self.seed), request_id));
        let is_drawn = stream.uniform() < self.share;
        if !is_drawn {
            return Draw { is_drawn, order: (0..slots).collect() };
        }
        let mut left: Vec<usize> = (0..scores.len()).collect();
        let order = (0..slots).map(|_| {
            let weights = self.weights(scores, &left);
            let mut rest = stream.uniform() * weights.iter().sum::<f64>();
            let found = weights.iter().position(|weight| {
                rest -= weight;
                rest < 0.0
            });
            // Rounding may leave a little of the sum: it is the last one's that can be drawn.
            let last = || weights.iter().rposition(|&weight| weight > 0.0);
            left.remove(found.or_else(last).unwrap_or_default())
        });
        Draw { is_drawn, order: order.collect() }
    }

    /// Probabilities of the first slots of a list, by slot; `order` has their places in the pool, each once.
    pub fn probabilities(&self, scores: &[f64], order: &[usize]) -> Vec<SlotProbability> {
        let mut left: Vec<usize> = (0..scores.len()).collect();
        let (mut drawn, mut overall) = (1.0, 1.0);
        let slot = |(slot, item): (usize, &usize)| {
            let weights = self.weights(scores, &left);
            let at = left.iter().position(|place| place == item);
            let given_drawn = at.map_or(0.0, |at| weights[at] / weights.iter().sum::<f64>());
            at.map(|at| left.remove(at));
            drawn *= given_drawn;
            let by_score = order[..=slot].iter().copied().eq(0..=slot);
            let upto = self.share * drawn + if by_score { 1.0 - self.share } else { 0.0 };
            let given = if overall > 0.0 { upto / overall } else { 0.0 };
            overall = upto;
            SlotProbability { drawn: given_drawn, overall: given }
        };
        order.iter().enumerate().map(slot).collect()
    }

    /// Weights of the items that are left; the first has 1.
    fn weights(&self, scores: &[f64], left: &[usize]) -> Vec<f64> {
        let best = left.first().map_or(0.0, |&first| scores[first]);
        left.iter().map(|&item| libm::exp((scores[item] - best) / self.temperature)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const POLICY: Exploration = Exploration { share: 0.6, slots: 2, pool: 4, temperature: 0.7, seed: 11 };
    const SCORES: [f64; 4] = [2.0, 1.5, 1.4, -0.5];

    fn orders() -> impl Iterator<Item = [usize; 2]> {
        (0..4).flat_map(|a| (0..4).map(move |b| [a, b])).filter(|[a, b]| a != b)
    }

    fn product(policy: &Exploration, order: &[usize]) -> (f64, f64) {
        let slots = policy.probabilities(&SCORES, order);
        slots.iter().fold((1.0, 1.0), |(drawn, overall), slot| (drawn * slot.drawn, overall * slot.overall))
    }

    #[test]
    fn the_probabilities_of_all_lists_sum_to_one() {
        for share in [0.0, 0.3, 1.0] {
            let policy = Exploration { share, ..POLICY };
            let (drawn, overall) = orders()
                .map(|order| product(&policy, &order))
                .fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
            assert!((drawn - 1.0).abs() < 1e-12 && (overall - 1.0).abs() < 1e-12, "{drawn} {overall}");
        }
        let sure = product(&Exploration { share: 0.0, ..POLICY }, &[0, 1]);
        assert_eq!((sure.1, product(&Exploration { share: 0.0, ..POLICY }, &[1, 0]).1), (1.0, 0.0));
    }

    #[test]
    fn lists_come_as_often_as_their_probabilities_say() {
        let (mut all, mut drawn, count) = (BTreeMap::new(), BTreeMap::new(), 40_000);
        for request in 0..count {
            let draw = POLICY.draw(&format!("r{request}"), &SCORES, 10);
            let order = [draw.order[0], draw.order[1]];
            *all.entry(order).or_insert(0.0) += 1.0;
            if draw.is_drawn {
                *drawn.entry(order).or_insert(0.0) += 1.0;
            }
        }
        let of_drawn: f64 = drawn.values().sum();
        let within =
            |found: f64, of: f64, p: f64| (found - of * p).abs() <= 4.0 * (of * p * (1.0 - p)).sqrt();
        assert!(within(of_drawn, f64::from(count), POLICY.share), "{of_drawn} drawn");
        for order in orders() {
            let (p_drawn, p) = product(&POLICY, &order);
            let found = [&drawn, &all].map(|found| found.get(&order).copied().unwrap_or_default());
            assert!(within(found[0], of_drawn, p_drawn), "{order:?}: {found:?} of {of_drawn}, {p_drawn}");
            assert!(within(found[1], f64::from(count), p), "{order:?}: {found:?}, {p}");
        }
    }

    #[test]
    fn a_draw_is_that_of_its_request_and_never_has_the_impossible() {
        let policy = Exploration { share: 1.0, temperature: 1e-3, ..POLICY };
        for request in 0..500 {
            let id = format!("r{request}");
            let draw = policy.draw(&id, &[1e3, 0.0, -1e3, -1e4], 3);
            assert_eq!(draw, policy.draw(&id, &[1e3, 0.0, -1e3, -1e4], 3));
            let slots = policy.probabilities(&[1e3, 0.0, -1e3, -1e4], &draw.order);
            assert!(slots.iter().all(|slot| slot.drawn > 0.0 && slot.overall > 0.0), "{draw:?} {slots:?}");
        }
        assert!(policy.draw("r", &[], 3).order.is_empty());
        assert_eq!(policy.draw("r", &[1.0, 0.0], 1).order.len(), 1);
        let other = Exploration { seed: 12, ..POLICY };
        assert!(
            (0..99)
                .any(|r| other.draw(&r.to_string(), &SCORES, 2) != POLICY.draw(&r.to_string(), &SCORES, 2))
        );
    }

    #[test]
    fn settings_without_sense_are_named() {
        POLICY.check().expect("valid");
        for (wrong, what) in [
            (Exploration { share: 1.5, ..POLICY }, "share"),
            (Exploration { temperature: 0.0, ..POLICY }, "temperature"),
            (Exploration { slots: 21, ..POLICY }, "slots"),
            (Exploration { pool: 1, ..POLICY }, "pool"),
        ] {
            assert!(wrong.check().expect_err("refused").to_string().contains(what), "{wrong:?}");
        }
    }
}
