//! Value of a policy from the log of another: importance weighting, direct, doubly robust, and refusals.
//!
//! IPS: Horvitz & Thompson 1952; SNIPS: Swaminathan & Joachims 2015; DR: Dudik, Langford & Li 2011; Switch: Wang, Agarwal & Dudik 2017;
//! shrinkage: Su et al. 2020; MRDR: Farajtabar et al. 2018; slates with independent slots: Swaminathan et al. 2017. Names as in
//! st-tech/zr-obp. Standard errors from the spread of the rounds, SNIPS by the delta method.

use crate::error::{Error, Result, all_finite, fraction, positive, same_length};
use crate::estimate::{Effect, Sample};
use crate::linalg::{Matrix, cross, dot, inverse, times};
use crate::moments::Moments;
use std::collections::BTreeMap;

/// Fewest effective rounds of an estimate that is shown.
pub const MIN_EFFECTIVE: f64 = 100.0;
/// Largest share of all weight that one round may hold.
pub const MAX_SHARE: f64 = 0.1;

/// Rewards with importance weights: target over logging propensity of what was shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighted {
    rewards: Vec<f64>,
    weights: Vec<f64>,
}

impl Weighted {
    /// Rows of `(reward, logging propensity, target propensity)`.
    ///
    /// # Errors
    /// [`Error::TooFew`] below two rows, [`Error::OutOfRange`] for a logging propensity outside 0..=1 or a negative target.
    pub fn new(rows: impl IntoIterator<Item = (f64, f64, f64)>) -> Result<Self> {
        let (mut rewards, mut weights) = (Vec::new(), Vec::new());
        for (reward, logged, target) in rows {
            if positive("a logging propensity", logged)? > 1.0 {
                return Err(Error::OutOfRange {
                    what: "a logging propensity",
                    got: logged,
                    expected: "above 0, at most 1",
                });
            }
            if !(0.0..=1.0 + 1e-9).contains(&target) {
                return Err(Error::OutOfRange {
                    what: "a target propensity",
                    got: target,
                    expected: "from 0 to 1",
                });
            }
            rewards.push(crate::error::finite("a reward", reward)?);
            weights.push(target / logged);
        }
        if rewards.len() < 2 {
            return Err(Error::TooFew { what: "the log", got: rewards.len(), needed: 2 });
        }
        Ok(Self { rewards, weights })
    }

    /// Importance weights.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Inverse propensity score: mean of weight times reward.
    ///
    /// # Errors
    /// [`Error::NotFinite`].
    pub fn ips(&self) -> Result<Effect> {
        self.clipped(f64::INFINITY)
    }

    /// The same with weights cut at `limit`.
    ///
    /// # Errors
    /// [`Error::NotFinite`].
    pub fn clipped(&self, limit: f64) -> Result<Effect> {
        mean_effect(self.weights.iter().zip(&self.rewards).map(|(w, r)| w.min(limit) * r).collect())
    }

    /// Self-normalised: over the sum of the weights.
    ///
    /// # Errors
    /// [`Error::Undefined`] when all weights are 0.
    pub fn snips(&self) -> Result<Effect> {
        let rows = self.weights.iter().zip(&self.rewards).map(|(w, r)| [w * r, *w]);
        let ratio = Sample::ratio(&Moments::of_rows(2, rows)?, 0, 1)?;
        Ok(Effect { value: ratio.value, se: ratio.se(), df: None })
    }

    /// `(sum w)^2 / sum w^2`.
    pub fn effective(&self) -> f64 {
        let (sum, squares) = self.weights.iter().fold((0.0, 0.0), |(s, q), w| (s + w, q + w * w));
        if squares > 0.0 { sum * sum / squares } else { 0.0 }
    }

    /// Largest weight.
    pub fn largest(&self) -> f64 {
        self.weights.iter().copied().fold(0.0, f64::max)
    }

    /// Share of all weight in the largest.
    pub fn largest_share(&self) -> f64 {
        let sum: f64 = self.weights.iter().sum();
        if sum > 0.0 { self.largest() / sum } else { 0.0 }
    }

    /// Mean weight; 1 when the log's propensities are right.
    pub fn mean_weight(&self) -> f64 {
        self.weights.iter().sum::<f64>() / self.weights.len() as f64
    }

    /// Whether the log says anything about the target.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] below an effective size of [`MIN_EFFECTIVE`] or when one row holds over [`MAX_SHARE`] of the weight.
    pub fn check(&self) -> Result<()> {
        let (size, share) = (self.effective(), self.largest_share());
        if size < MIN_EFFECTIVE {
            return Err(Error::OutOfRange {
                what: "the effective sample size",
                got: size,
                expected: "at least 100",
            });
        }
        if share > MAX_SHARE {
            return Err(Error::OutOfRange {
                what: "the largest share of the weight",
                got: share,
                expected: "at most 0.1",
            });
        }
        Ok(())
    }
}

fn mean_effect(values: Vec<f64>) -> Result<Effect> {
    let sample = Sample::mean(&Moments::of_values(&values)?, 0)?;
    Ok(Effect { value: sample.value, se: sample.se(), df: None })
}

/// A log with all target probabilities and predicted rewards.
#[derive(Debug, Clone, PartialEq)]
pub struct Rounds {
    /// Rewards and weights of the actions taken.
    pub weighted: Weighted,
    /// Expected predicted reward of the target policy, by round.
    direct: Vec<f64>,
    /// Reward less predicted reward of the action taken.
    residual: Vec<f64>,
}

/// One round of a log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round<'a> {
    /// Action taken.
    pub action: usize,
    /// Reward.
    pub reward: f64,
    /// Logging propensity of the action.
    pub propensity: f64,
    /// Target probabilities of all actions.
    pub target: &'a [f64],
    /// Predicted rewards of all actions.
    pub predicted: &'a [f64],
}

impl Rounds {
    /// # Errors
    /// [`Error::Length`] for an action without probability or prediction, and as [`Weighted::new`].
    pub fn new(rounds: &[Round<'_>]) -> Result<Self> {
        for round in rounds {
            same_length("the predictions", round.predicted.len(), round.target.len())?;
            all_finite("a prediction", round.predicted)?;
            if round.action >= round.target.len() {
                return Err(Error::Length {
                    what: "the target probabilities",
                    got: round.target.len(),
                    expected: round.action + 1,
                });
            }
        }
        let rows = rounds.iter().map(|round| (round.reward, round.propensity, round.target[round.action]));
        Ok(Self {
            weighted: Weighted::new(rows)?,
            direct: rounds.iter().map(|round| dot(round.target, round.predicted)).collect(),
            residual: rounds.iter().map(|round| round.reward - round.predicted[round.action]).collect(),
        })
    }

    /// Direct method: predicted rewards only.
    ///
    /// # Errors
    /// [`Error::NotFinite`].
    pub fn direct(&self) -> Result<Effect> {
        mean_effect(self.direct.clone())
    }

    fn corrected(&self, weight: impl Fn(f64) -> f64) -> Result<Effect> {
        let rows = self.direct.iter().zip(&self.weighted.weights).zip(&self.residual);
        mean_effect(rows.map(|((direct, w), residual)| direct + weight(*w) * residual).collect())
    }

    /// Doubly robust.
    ///
    /// # Errors
    /// [`Error::NotFinite`].
    pub fn doubly_robust(&self) -> Result<Effect> {
        self.corrected(|w| w)
    }

    /// Doubly robust where the weight is at most `tau`, direct elsewhere.
    ///
    /// # Errors
    /// [`Error::NotFinite`].
    pub fn switch(&self, tau: f64) -> Result<Effect> {
        self.corrected(|w| if w <= tau { w } else { 0.0 })
    }

    /// Doubly robust with weights `w lambda / (w^2 + lambda)`.
    ///
    /// # Errors
    /// [`Error::NotFinite`].
    pub fn shrinkage(&self, lambda: f64) -> Result<Effect> {
        self.corrected(|w| if w == 0.0 { 0.0 } else { w * lambda / (w * w + lambda) })
    }

    /// Doubly robust with the correction over the sum of the weights.
    ///
    /// # Errors
    /// [`Error::Undefined`] when all weights are 0.
    pub fn self_normalised(&self) -> Result<f64> {
        let sum = positive("the sum of the weights", self.weighted.weights.iter().sum())?;
        let mean = self.direct.iter().sum::<f64>() / self.direct.len() as f64;
        Ok(mean + dot(&self.weighted.weights, &self.residual) / sum)
    }
}

/// Weights of the rounds in the regression that predicts rewards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FitWeights {
    /// 1.
    Normal,
    /// Importance weight.
    Importance,
    /// `target (1 - p) / p^2`: the least variance of the doubly robust estimate.
    MoreRobust,
}

/// Predicted rewards of all actions in every round, by ridge regression on context and one-hot action; the intercept is not penalised.
///
/// # Errors
/// [`Error::Length`] for contexts of different lengths, [`Error::OutOfRange`] for a penalty or propensity that is not positive.
pub fn ridge_predictions(
    context: &Matrix,
    rounds: &[Round<'_>],
    weights: FitWeights,
    penalty: f64,
) -> Result<Matrix> {
    positive("the penalty", penalty)?;
    same_length("the list of contexts", context.len(), rounds.len())?;
    let (width, actions) =
        (context.first().map_or(0, Vec::len), rounds.first().map_or(0, |round| round.target.len()));
    context
        .iter()
        .try_for_each(|row| same_length("a context", row.len(), width).and(all_finite("a context", row)))?;
    let features = |row: &[f64], action: usize| -> Vec<f64> {
        let one_hot = (0..actions).map(|other| f64::from(u8::from(other == action)));
        row.iter().copied().chain(one_hot).collect()
    };
    let weight = |round: &Round<'_>| -> Result<f64> {
        let p = fraction("a propensity", round.propensity)?;
        let target = round.target[round.action];
        Ok(match weights {
            FitWeights::Normal => 1.0,
            FitWeights::Importance => target / p,
            FitWeights::MoreRobust => target * (1.0 - p) / (p * p),
        })
    };
    let fit = rounds.iter().map(weight).collect::<Result<Vec<f64>>>()?;
    let rows: Matrix = context.iter().zip(rounds).map(|(row, round)| features(row, round.action)).collect();
    let whole = positive("the sum of the fit's weights", fit.iter().sum())?;
    let mean =
        |f: &dyn Fn(usize) -> f64| fit.iter().enumerate().map(|(at, w)| w * f(at)).sum::<f64>() / whole;
    let centre: Vec<f64> = (0..width + actions).map(|column| mean(&|at| rows[at][column])).collect();
    let base = mean(&|at| rounds[at].reward);
    let centred: Matrix =
        rows.iter().map(|row| row.iter().zip(&centre).map(|(x, m)| x - m).collect()).collect();
    let mut square = cross(centred.iter().map(Vec::as_slice).zip(fit.iter().copied()), width + actions);
    square.iter_mut().enumerate().for_each(|(at, row)| row[at] += penalty);
    let moment: Vec<f64> = (0..width + actions)
        .map(|column| {
            (0..rounds.len()).map(|at| fit[at] * centred[at][column] * (rounds[at].reward - base)).sum()
        })
        .collect();
    let slopes = times(&inverse(&square)?, &moment);
    let predict =
        |row: &[f64], action: usize| base + dot(&features(row, action), &slopes) - dot(&centre, &slopes);
    Ok(context.iter().map(|row| (0..actions).map(|action| predict(row, action)).collect()).collect())
}

/// One shown item of a slate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlateRow {
    /// Slate.
    pub slate: u64,
    /// Slot in the slate.
    pub slot: u64,
    /// Reward of the item.
    pub reward: f64,
    /// Logging propensity of the item at the slot.
    pub propensity: f64,
    /// Target propensity of the item at the slot.
    pub target: f64,
}

/// Values of a slate by the product of its slots' weights: times the slate's reward, and every slot's reward times the product up to it.
///
/// # Errors
/// As [`Weighted::new`].
pub fn slate_products(rows: &[SlateRow]) -> Result<(Effect, Effect)> {
    let all = Weighted::new(rows.iter().map(|row| (row.reward, row.propensity, row.target)))?;
    let mut slates: BTreeMap<u64, Vec<(u64, f64, f64)>> = BTreeMap::new();
    for (row, &weight) in rows.iter().zip(all.weights()) {
        slates.entry(row.slate).or_default().push((row.slot, row.reward, weight));
    }
    let (mut whole, mut stepwise) = (Vec::new(), Vec::new());
    for mut slate in slates.into_values() {
        slate.sort_by_key(|row| row.0);
        let (mut product, mut sum) = (1.0, 0.0);
        for (_, reward, weight) in &slate {
            product *= weight;
            sum += product * reward;
        }
        whole.push(product * slate.iter().map(|row| row.1).sum::<f64>());
        stepwise.push(sum);
    }
    Ok((mean_effect(whole)?, mean_effect(stepwise)?))
}

/// Value of a slate with independent slots: a slate's rows are one unit, summed before the variance; and self-normalised by slot.
///
/// # Errors
/// As [`Weighted::new`]; [`Error::Undefined`] when all weights of a slot are 0.
pub fn slates(rows: &[SlateRow]) -> Result<(Effect, f64)> {
    let all = Weighted::new(rows.iter().map(|row| (row.reward, row.propensity, row.target)))?;
    let (mut by_slate, mut by_slot): (BTreeMap<u64, f64>, BTreeMap<u64, (f64, f64)>) = Default::default();
    for (row, weight) in rows.iter().zip(all.weights()) {
        *by_slate.entry(row.slate).or_default() += weight * row.reward;
        let sums = by_slot.entry(row.slot).or_default();
        *sums = (sums.0 + weight * row.reward, sums.1 + weight);
    }
    let normalised =
        by_slot.values().map(|(above, below)| Ok(above / positive("the weight of a slot", *below)?));
    Ok((mean_effect(by_slate.into_values().collect())?, normalised.sum::<Result<f64>>()?))
}
