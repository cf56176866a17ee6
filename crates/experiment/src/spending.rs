//! Group-sequential bounds by alpha spending at any looks.
//!
//! Lan & DeMets, Biometrika 1983; Jennison & Turnbull, Group Sequential Methods (2000), chapters 7 and 19 (recursive integration of the
//! score process). Two-sided: each side spends `alpha / 2` and the other side is ignored, as ldbounds and gsDesign do. Information is cut
//! at 1: when more units come than planned, all of alpha is spent and the last bound stands.

use crate::distribution::{normal_density, normal_upper, normal_upper_quantile};
use crate::error::{Error, Result, fraction, positive};
use crate::special::{quadrature, root};
use serde::{Deserialize, Serialize};

/// Bounds above this are not searched: a crossing has probability 6e-16.
pub const LARGEST_BOUND: f64 = 8.0;

/// How the error rate is spent over information from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Spending {
    /// `2 - 2 Phi(z_{a/2} / sqrt t)`.
    ObrienFleming,
    /// `a ln(1 + (e - 1) t)`.
    Pocock,
    /// `a t^phi`.
    Power {
        /// The exponent, above 0.
        phi: f64,
    },
}

impl Spending {
    /// What one side with error rate `a` has spent at information `t`.
    pub fn spent(&self, a: f64, t: f64) -> f64 {
        let t = t.clamp(0.0, 1.0);
        match *self {
            _ if t == 0.0 => 0.0,
            Self::ObrienFleming => 2.0 * normal_upper(normal_upper_quantile(a / 2.0) / t.sqrt()),
            Self::Pocock => a * ((std::f64::consts::E - 1.0) * t).ln_1p(),
            Self::Power { phi } => a * t.powf(phi),
        }
    }
}

/// Bounds at every look.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    /// Critical values of z.
    pub z: Vec<f64>,
    /// Error rate spent so far, both sides together.
    pub cumulative_alpha: Vec<f64>,
    /// p-value at the bound, both sides together.
    pub nominal_p: Vec<f64>,
}

/// Bounds for looks at the given shares of the planned information, which must grow.
///
/// # Errors
/// [`Error::OutOfRange`] for an alpha outside 0..1, sides other than 1 or 2, or information that is not positive and growing.
pub fn bounds(spending: &Spending, information: &[f64], alpha: f64, sides: f64) -> Result<Bounds> {
    if sides != 1.0 && sides != 2.0 {
        return Err(Error::OutOfRange { what: "the number of sides", got: sides, expected: "1 or 2" });
    }
    if let Spending::Power { phi } = spending {
        positive("phi", *phi)?;
    }
    let side = fraction("alpha", alpha)? / sides;
    let mut out = Bounds { z: Vec::new(), cumulative_alpha: Vec::new(), nominal_p: Vec::new() };
    let (mut reached, mut spent, mut density) = (0.0, 0.0, Vec::new());
    for &share in information {
        let t = positive("information", share)?.min(1.0);
        if share < reached {
            return Err(Error::OutOfRange {
                what: "information",
                got: share,
                expected: "not less than at the look before",
            });
        }
        let last = out.z.last().copied();
        let z = match last {
            Some(bound) if t <= reached => bound,
            _ => {
                let due = spending.spent(side, t);
                let z = next_bound(&density, t - reached, t, due - spent);
                density = advance(&density, t - reached, t, z, 0.0);
                spent = due;
                z
            }
        };
        reached = t;
        out.z.push(z);
        out.cumulative_alpha.push(sides * spent);
        out.nominal_p.push(sides * normal_upper(z));
    }
    Ok(out)
}

/// Nodes `(s, weight times density)` of the score process that has not crossed yet; empty before the first look.
type Density = Vec<(f64, f64)>;

/// Probability to lie above `c` now without a crossing before.
fn crossing(density: &Density, step: f64, c: f64, drift: f64) -> f64 {
    let above = |s: f64| normal_upper((c - s - drift * step) / step.sqrt());
    if density.is_empty() {
        return above(0.0);
    }
    density.iter().map(|&(s, mass)| mass * above(s)).sum()
}

fn next_bound(density: &Density, step: f64, t: f64, due: f64) -> f64 {
    let scale = t.sqrt();
    let excess = |z: f64| crossing(density, step, z * scale, 0.0) - due;
    if excess(LARGEST_BOUND) >= 0.0 {
        return LARGEST_BOUND;
    }
    root("the bound", -LARGEST_BOUND, LARGEST_BOUND, excess).unwrap_or(LARGEST_BOUND)
}

/// Density after a look whose bound was `z`; the score's increments have mean `drift` times the step.
fn advance(density: &Density, step: f64, t: f64, z: f64, drift: f64) -> Density {
    let (low, high, width) = ((drift * t).min(0.0) - 9.0 * t.sqrt(), z * t.sqrt(), step.sqrt());
    let panels = ((high - low) / width.min(t.sqrt())).ceil().clamp(8.0, 400.0) as usize;
    let at = |s: f64| -> f64 {
        if density.is_empty() {
            return normal_density((s - drift * step) / width) / width;
        }
        density.iter().map(|(u, mass)| mass * normal_density((s - u - drift * step) / width) / width).sum()
    };
    quadrature(low, high, panels).into_iter().map(|(s, weight)| (s, weight * at(s))).collect()
}

/// Probability that the upper bounds are crossed when z has mean `drift sqrt(t)`: the power of the design.
///
/// # Errors
/// [`Error::Length`] unless every look has a bound.
pub fn power(bounds: &[f64], information: &[f64], drift: f64) -> Result<f64> {
    crate::error::same_length("the list of bounds", bounds.len(), information.len())?;
    let (mut reached, mut density, mut total) = (0.0, Vec::new(), 0.0);
    for (&z, &t) in bounds.iter().zip(information) {
        let t = t.min(1.0);
        if t > reached {
            total += crossing(&density, t - reached, z * t.sqrt(), drift);
            density = advance(&density, t - reached, t, z, drift);
            reached = t;
        }
    }
    Ok(total)
}

/// Shares of information when looks count units: over the planned number, or over the largest total when more came (spotify/confidence).
///
/// The second moves the bounds of looks already taken; [`bounds`] cuts at 1 instead.
pub fn rescaled(units: &[f64], planned: f64) -> Vec<f64> {
    let whole = units.iter().copied().fold(planned, f64::max);
    units.iter().map(|n| n / whole).collect()
}
