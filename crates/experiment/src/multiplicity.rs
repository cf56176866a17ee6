//! Adjusted p-values for several tests.
//!
//! Bonferroni; Sidak 1967; Holm 1979 and its Sidak form; Hochberg 1988; Hommel 1988; Benjamini & Hochberg 1995; Benjamini & Yekutieli
//! 2001. Results come in the order given, at most 1; a p-value that is missing stays missing and does not count in `m`.
//!
//! ```
//! use semrank_experiment::multiplicity::{Method, adjust};
//! assert_eq!(adjust(&[Some(0.01), None, Some(0.04)], Method::Holm)?, [Some(0.02), None, Some(0.04)]);
//! # Ok::<(), semrank_experiment::Error>(())
//! ```

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// A procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// `m p`.
    Bonferroni,
    /// `1 - (1 - p)^m`.
    Sidak,
    /// Step-down Bonferroni; the default for the primary metric over arms.
    Holm,
    /// Step-down Sidak.
    HolmSidak,
    /// Step-up, for independent or positively dependent tests.
    Hochberg,
    /// Closed Simes test.
    Hommel,
    /// False discovery rate under positive dependence; the default for secondary metrics.
    Bh,
    /// False discovery rate under any dependence.
    By,
}

/// Adjusted p-values in the order given.
///
/// # Errors
/// [`Error::OutOfRange`] for a p-value outside 0..=1.
pub fn adjust(p: &[Option<f64>], method: Method) -> Result<Vec<Option<f64>>> {
    let mut order: Vec<(usize, f64)> =
        p.iter().enumerate().filter_map(|(at, p)| p.map(|p| (at, p))).collect();
    if let Some((_, got)) = order.iter().find(|(_, p)| !(0.0..=1.0).contains(p)) {
        return Err(Error::OutOfRange { what: "a p-value", got: *got, expected: "a number from 0 to 1" });
    }
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let sorted: Vec<f64> = order.iter().map(|(_, p)| *p).collect();
    let mut out = vec![None; p.len()];
    for ((at, _), value) in order.iter().zip(adjust_sorted(&sorted, method)) {
        out[*at] = Some(value.min(1.0));
    }
    Ok(out)
}

fn adjust_sorted(p: &[f64], method: Method) -> Vec<f64> {
    let m = p.len() as f64;
    let left = |rank: usize| m - rank as f64;
    let sidak = |p: f64, m: f64| -(m * (-p).ln_1p()).exp_m1();
    let each = |f: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
        p.iter().enumerate().map(|(rank, &p)| f(rank, p)).collect()
    };
    match method {
        Method::Bonferroni => each(&|_, p| m * p),
        Method::Sidak => each(&|_, p| sidak(p, m)),
        Method::Holm => step_down(each(&|rank, p| left(rank) * p)),
        Method::HolmSidak => step_down(each(&|rank, p| sidak(p, left(rank)))),
        Method::Hochberg => step_up(each(&|rank, p| left(rank) * p)),
        Method::Hommel => hommel(p),
        Method::Bh => step_up(each(&|rank, p| m * p / (rank + 1) as f64)),
        Method::By => {
            let harmonic: f64 = (1..=p.len()).map(|i| 1.0 / i as f64).sum();
            step_up(each(&|rank, p| harmonic * m * p / (rank + 1) as f64))
        }
    }
}

/// Running maximum from the smallest p-value on.
fn step_down(mut values: Vec<f64>) -> Vec<f64> {
    let mut most = 0.0_f64;
    for value in &mut values {
        most = most.max(*value);
        *value = most;
    }
    values
}

/// Running minimum from the largest p-value on.
fn step_up(mut values: Vec<f64>) -> Vec<f64> {
    let mut least = f64::INFINITY;
    for value in values.iter_mut().rev() {
        least = least.min(*value);
        *value = least;
    }
    values
}

/// Wright, Biometrics 1992, appendix: for every subset size the Simes p-value of its largest members.
fn hommel(p: &[f64]) -> Vec<f64> {
    let m = p.len();
    let mut adjusted = p.to_vec();
    for size in (2..=m).rev() {
        let first = m - size + 1;
        let simes = |rank: usize| size as f64 * p[first + rank - 2] / rank as f64;
        let least = (2..=size).map(simes).fold(f64::INFINITY, f64::min);
        for (at, value) in adjusted.iter_mut().enumerate() {
            *value = value.max(least.min(size as f64 * p[at.min(first - 1)]));
        }
    }
    adjusted
}
