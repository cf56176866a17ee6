//! Two-sample tests of proportions beyond the unpooled difference of [`crate::estimate`].
//!
//! Pooled z; score interval of Miettinen & Nurminen (Statistics in Medicine 1985); hybrid Wilson interval of Newcombe (Statistics in
//! Medicine 1998, method 10); Fisher's exact test; exact interval of one proportion (Clopper & Pearson 1934).

use crate::distribution::{beta_quantile, ln_choose, normal_upper, normal_upper_quantile};
use crate::error::{Error, Result, fraction};
use crate::estimate::{Interval, Sample};
use crate::special::root;

/// z statistic with the common proportion in the variance, and its two-sided p-value.
///
/// # Errors
/// [`Error::Undefined`] when no unit or every unit converts.
pub fn pooled(control: &Sample, treatment: &Sample) -> Result<(f64, f64)> {
    let common = (control.value * control.n + treatment.value * treatment.n) / (control.n + treatment.n);
    let variance = common * (1.0 - common) * (1.0 / control.n + 1.0 / treatment.n);
    if !(variance > 0.0) {
        return Err(Error::Undefined { what: "the pooled test", why: "no unit or every unit converts" });
    }
    let z = (treatment.value - control.value) / variance.sqrt();
    Ok((z, 2.0 * normal_upper(z.abs())))
}

/// Score statistic of `p_t - p_c = difference`, variance at the restricted maximum of the likelihood, times `(N - 1) / N`.
fn score(control: &Sample, treatment: &Sample, difference: f64) -> f64 {
    let (n0, n1) = (control.n, treatment.n);
    let (x0, x1) = (control.value * n0, treatment.value * n1);
    let slope = |p: f64| {
        let other = p + difference;
        (x1 - n1 * other) * p * (1.0 - p) + (x0 - n0 * p) * other * (1.0 - other)
    };
    let (mut low, mut high) = ((-difference).max(0.0), (1.0 - difference).min(1.0));
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if slope(middle) > 0.0 {
            low = middle
        } else {
            high = middle
        }
        if high - low <= 1e-17 {
            break;
        }
    }
    let p = 0.5 * (low + high);
    let other = p + difference;
    let total = n0 + n1;
    let variance = (p * (1.0 - p) / n0 + other * (1.0 - other) / n1).max(0.0) * total / (total - 1.0);
    (treatment.value - control.value - difference) / variance.sqrt().max(1e-150)
}

/// Miettinen-Nurminen interval of the difference and two-sided p-value against none.
///
/// # Errors
/// [`Error::OutOfRange`] for an alpha outside 0..1.
pub fn miettinen_nurminen(control: &Sample, treatment: &Sample, alpha: f64) -> Result<(Interval, f64)> {
    let z = normal_upper_quantile(fraction("alpha", alpha)? / 2.0);
    let observed = treatment.value - control.value;
    let end = |sign: f64| {
        let edge = -sign;
        let excess = |d: f64| score(control, treatment, d) - sign * z;
        root("the score bound", observed, edge * (1.0 - 1e-12), excess).unwrap_or(edge)
    };
    let p = 2.0 * normal_upper(score(control, treatment, 0.0).abs());
    Ok((Interval { low: end(1.0), high: end(-1.0) }, p.min(1.0)))
}

/// Wilson's interval of one proportion.
///
/// # Errors
/// [`Error::OutOfRange`] for an alpha outside 0..1.
pub fn wilson(sample: &Sample, alpha: f64) -> Result<Interval> {
    let z = normal_upper_quantile(fraction("alpha", alpha)? / 2.0);
    let (n, p) = (sample.n, sample.value);
    let shrink = 1.0 + z * z / n;
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / shrink;
    Ok(Interval::around((p + z * z / (2.0 * n)) / shrink, half))
}

/// Newcombe's interval of the difference: the Wilson limits of both arms combined.
///
/// # Errors
/// [`Error::OutOfRange`] for an alpha outside 0..1.
pub fn newcombe(control: &Sample, treatment: &Sample, alpha: f64) -> Result<Interval> {
    let (c, t) = (wilson(control, alpha)?, wilson(treatment, alpha)?);
    let difference = treatment.value - control.value;
    Ok(Interval {
        low: difference - (treatment.value - t.low).hypot(c.high - control.value),
        high: difference + (t.high - treatment.value).hypot(control.value - c.low),
    })
}

/// Clopper-Pearson interval of one proportion.
///
/// # Errors
/// [`Error::OutOfRange`] for an alpha outside 0..1.
pub fn clopper_pearson(successes: f64, n: f64, alpha: f64) -> Result<Interval> {
    let tail = fraction("alpha", alpha)? / 2.0;
    let failures = n - successes;
    let low = if successes > 0.0 { beta_quantile(tail, successes, failures + 1.0) } else { 0.0 };
    let high = if failures > 0.0 { beta_quantile(1.0 - tail, successes + 1.0, failures) } else { 1.0 };
    Ok(Interval { low, high })
}

/// Fisher's exact test, two-sided: the sum of all tables with these margins that are at most as likely as the observed one.
pub fn fisher(control: &Sample, treatment: &Sample) -> f64 {
    let (n0, n1) = (control.n.round(), treatment.n.round());
    let (x0, x1) = ((control.value * n0).round(), (treatment.value * n1).round());
    let successes = x0 + x1;
    let ln_table = |x: f64| ln_choose(n0, x) + ln_choose(n1, successes - x) - ln_choose(n0 + n1, successes);
    let limit = ln_table(x0) + 1e-7;
    let (first, last) = ((successes - n1).max(0.0) as u64, successes.min(n0) as u64);
    (first..=last).map(|x| ln_table(x as f64)).filter(|&ln| ln <= limit).map(f64::exp).sum::<f64>().min(1.0)
}
