//! Conversions that are still to come: rates within a window from matured clicks, from hazards of the arm itself, and from a delay law.
//!
//! Kaplan & Meier, JASA 1958 (Greenwood's variance); Chapelle, KDD 2014 (delayed feedback). Counting what was seen so far, or one delay law
//! for both arms, calls a faster treatment a better one: 21 % false alarms where matured clicks and own-arm hazards have 5 %.
//! A conversion counts in `[click, click + window)`.

use crate::distribution::normal_upper;
use crate::error::{Error, Result, positive};
use crate::estimate::{Effect, Sample};
use crate::moments::Moments;
use std::collections::BTreeMap;

/// One click at the time of analysis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Click {
    /// Days since the click.
    pub age_days: f64,
    /// Days from the click to its conversion; none when there is none yet.
    pub delay_days: Option<f64>,
}

impl Click {
    /// Delay of a conversion within the window that has been seen.
    fn seen(&self, window: f64) -> Option<f64> {
        self.delay_days.filter(|&delay| delay < window && delay <= self.age_days)
    }

    /// Days under observation, cut at the window.
    fn observed(&self, window: f64) -> f64 {
        self.seen(window).unwrap_or(self.age_days.min(window))
    }
}

fn check(clicks: &[Click], window: f64) -> Result<()> {
    positive("the window", window)?;
    if clicks.is_empty() {
        return Err(Error::TooFew { what: "the list of clicks", got: 0, needed: 1 });
    }
    let valid = |value: f64| value >= 0.0 && value.is_finite();
    match clicks
        .iter()
        .flat_map(|click| [Some(click.age_days), click.delay_days])
        .flatten()
        .find(|&v| !valid(v))
    {
        Some(got) => Err(Error::OutOfRange { what: "an age or delay", got, expected: "days from 0" }),
        None => Ok(()),
    }
}

/// Conversions seen within the window so far.
pub fn seen(clicks: &[Click], window: f64) -> usize {
    clicks.iter().filter(|click| click.seen(window).is_some()).count()
}

/// Rate of the clicks whose window is complete, and the number of clicks left out.
///
/// # Errors
/// [`Error::TooFew`] without matured clicks, [`Error::OutOfRange`].
pub fn matured(clicks: &[Click], window: f64) -> Result<(Sample, usize)> {
    check(clicks, window)?;
    let old: Vec<Click> = clicks.iter().copied().filter(|click| click.age_days >= window).collect();
    Ok((Sample::proportion(seen(&old, window) as f64, old.len() as f64)?, clicks.len() - old.len()))
}

/// Age, clicks under observation before it, conversions at it.
fn steps(clicks: &[Click], window: f64) -> Vec<(f64, f64, f64)> {
    let mut ends: Vec<(f64, bool)> =
        clicks.iter().map(|click| (click.observed(window), click.seen(window).is_some())).collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out: Vec<(f64, f64, f64)> = Vec::new();
    for (at, (age, converted)) in ends.iter().enumerate() {
        match out.last_mut() {
            Some(last) if last.0 == *age => last.2 += f64::from(u8::from(*converted)),
            _ => out.push((*age, (ends.len() - at) as f64, f64::from(u8::from(*converted)))),
        }
    }
    out.retain(|step| step.2 > 0.0);
    out
}

/// The share of clicks that have converted by each age of the arm's own hazards.
///
/// # Errors
/// [`Error::TooFew`] without clicks, [`Error::OutOfRange`].
pub fn delay_curve(clicks: &[Click], window: f64) -> Result<Vec<(f64, f64)>> {
    check(clicks, window)?;
    let next = |open: &mut f64, (age, at_risk, converted): (f64, f64, f64)| {
        *open *= 1.0 - converted / at_risk;
        Some((age, 1.0 - *open))
    };
    Ok(steps(clicks, window).into_iter().scan(1.0, next).collect())
}

/// Conversion rate within the window from all clicks, with Greenwood's standard error.
///
/// # Errors
/// [`Error::Undefined`] when no click is as old as the window, [`Error::TooFew`], [`Error::OutOfRange`].
pub fn kaplan_meier(clicks: &[Click], window: f64) -> Result<Effect> {
    check(clicks, window)?;
    check_reach(clicks, window)?;
    let (mut open, mut greenwood) = (1.0, 0.0);
    for (_, at_risk, converted) in steps(clicks, window) {
        open *= 1.0 - converted / at_risk;
        greenwood += if at_risk > converted { converted / (at_risk * (at_risk - converted)) } else { 0.0 };
    }
    Ok(Effect { value: 1.0 - open, se: open * f64::sqrt(greenwood), df: None })
}

fn check_reach(clicks: &[Click], window: f64) -> Result<()> {
    if clicks.iter().all(|click| click.age_days < window) {
        let why = "no click is as old as the window, the last hazards are unknown";
        return Err(Error::Undefined { what: "the rate from hazards", why });
    }
    Ok(())
}

/// The same rate with the standard error at the unit of randomisation: the influence of every click, summed by unit.
///
/// # Errors
/// [`Error::Length`] unless every click has a unit, and as [`kaplan_meier`].
pub fn kaplan_meier_by_unit(clicks: &[Click], units: &[u64], window: f64) -> Result<Effect> {
    crate::error::same_length("the list of units", units.len(), clicks.len())?;
    let rate = kaplan_meier(clicks, window)?;
    let steps = steps(clicks, window);
    // Influence on the cumulative hazard: own jump less the share of all jumps under observation.
    let cumulated: Vec<(f64, f64)> = steps
        .iter()
        .scan(0.0, |sum, (age, at_risk, converted)| {
            *sum += converted / (at_risk * (at_risk - converted).max(1.0));
            Some((*age, *sum))
        })
        .collect();
    let mut scores: BTreeMap<u64, f64> = BTreeMap::new();
    for (click, unit) in clicks.iter().zip(units) {
        let end = click.observed(window);
        let until = cumulated.partition_point(|(age, _)| *age <= end);
        let exposure = until.checked_sub(1).map_or(0.0, |last| cumulated[last].1);
        let jump = match click.seen(window) {
            Some(_) => 1.0 / (steps[until - 1].1 - steps[until - 1].2).max(1.0),
            None => 0.0,
        };
        *scores.entry(*unit).or_default() += jump - exposure;
    }
    let n = scores.len() as f64;
    let variance = scores.values().map(|score| score * score).sum::<f64>() * n / (n - 1.0).max(1.0);
    Ok(Effect { se: (1.0 - rate.value) * variance.sqrt(), ..rate })
}

/// Conversions seen over the sum of the share of the law that each click has had time for; the law must be the arm's own.
///
/// Returns the rate and the clicks' weights.
///
/// # Errors
/// [`Error::TooFew`] below two clicks, [`Error::OutOfRange`], [`Error::Undefined`] when no click has had time.
pub fn weighted(clicks: &[Click], window: f64, law: impl Fn(f64) -> f64) -> Result<(Effect, Vec<f64>)> {
    check(clicks, window)?;
    let whole = positive("the delay law at the window", law(window))?;
    let weights: Vec<f64> = clicks.iter().map(|click| law(click.age_days.min(window)) / whole).collect();
    let converted = clicks.iter().map(|click| f64::from(u8::from(click.seen(window).is_some())));
    let moments = Moments::of_rows(2, converted.zip(&weights).map(|(y, weight)| [y, *weight]))?;
    let rate = Sample::ratio(&moments, 0, 1)?;
    Ok((Effect { value: rate.value, se: rate.se(), df: None }, weights))
}

/// Treatment minus control of two rates.
pub fn contrast(control: &Effect, treatment: &Effect) -> Effect {
    Effect { value: treatment.value - control.value, se: control.se.hypot(treatment.se), df: None }
}

/// Do the arms convert at the same pace? Ranks of the delays of matured conversions (Mann & Whitney 1947, ties corrected).
///
/// Positive z: treatment is slower.
///
/// # Errors
/// [`Error::TooFew`] below two matured conversions an arm, [`Error::Undefined`] when all delays are equal.
pub fn same_pace(control: &[Click], treatment: &[Click], window: f64) -> Result<(f64, f64)> {
    let delays = |clicks: &[Click]| -> Vec<f64> {
        clicks
            .iter()
            .filter(|click| click.age_days >= window)
            .filter_map(|click| click.seen(window))
            .collect()
    };
    let (c, t) = (delays(control), delays(treatment));
    let least = c.len().min(t.len());
    if least < 2 {
        return Err(Error::TooFew { what: "the list of matured conversions", got: least, needed: 2 });
    }
    let mut all: Vec<f64> = c.iter().chain(&t).copied().collect();
    all.sort_by(f64::total_cmp);
    let below = |x: f64| all.partition_point(|v| *v < x) as f64;
    let upto = |x: f64| all.partition_point(|v| *v <= x) as f64;
    let ranks: f64 = t.iter().map(|&x| 0.5 * (below(x) + upto(x) + 1.0)).sum();
    let (n, m, total) = (t.len() as f64, c.len() as f64, all.len() as f64);
    let ties: f64 = all.iter().map(|&x| (upto(x) - below(x)).powi(2) - 1.0).sum();
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if !(variance > 0.0) {
        return Err(Error::Undefined { what: "the comparison of delays", why: "all delays are equal" });
    }
    let z = (ranks - n * (total + 1.0) / 2.0) / variance.sqrt();
    Ok((z, 2.0 * normal_upper(z.abs())))
}
