//! Uniform boundaries for sums, valid at all times: mixtures and stitching; confidence sequences for a Bernoulli mean.
//!
//! Howard, Ramdas, McAuliffe & Sekhon, Annals of Statistics 2021 (arXiv 1810.08240): normal mixtures (Propositions 5 and 6),
//! gamma-exponential and gamma-Poisson mixtures (Propositions 9 and 10), beta-binomial mixtures (Propositions 7 and 8), polynomial
//! stitching (Theorem 1, equation 10). `v` is intrinsic time: for bounded values the variance process.

use crate::distribution::normal_lower;
use crate::error::{Result, fraction, positive};
use crate::estimate::Interval;
use crate::special::{beta_tails, gamma_tails, ln_beta, ln_gamma, root, root_above, zeta};

/// A mixture supermartingale, tuned at an intrinsic time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mixture {
    /// Two-sided normal.
    Normal {
        /// Precision of the mixing distribution.
        rho: f64,
    },
    /// One-sided normal.
    HalfNormal {
        /// Precision of the mixing distribution.
        rho: f64,
    },
    /// Sub-exponential sums with scale `c`.
    GammaExponential {
        /// Precision of the mixing distribution.
        rho: f64,
        /// Scale.
        c: f64,
    },
    /// Sub-Poisson sums with scale `c`.
    GammaPoisson {
        /// Precision of the mixing distribution.
        rho: f64,
        /// Scale.
        c: f64,
    },
    /// Values between `-g` and `h` around their mean.
    BetaBinomial {
        /// Precision of the mixing distribution.
        r: f64,
        /// Distance below the mean.
        g: f64,
        /// Distance above the mean.
        h: f64,
        /// Only sums above 0.
        one_sided: bool,
    },
}

/// The precision that makes the two-sided normal mixture tightest at `v`.
///
/// # Errors
/// [`crate::Error::OutOfRange`] for a time that is not positive or an alpha outside 0..1.
pub fn best_rho(v: f64, alpha: f64) -> Result<f64> {
    let twice = -2.0 * fraction("alpha", alpha)?.ln();
    Ok(positive("the intrinsic time", v)? / (twice + twice.ln_1p()))
}

impl Mixture {
    /// Beta-binomial mixture, tightest at `v`.
    ///
    /// # Errors
    /// As [`best_rho`]; `g` and `h` must be positive.
    pub fn beta_binomial(v: f64, alpha: f64, g: f64, h: f64, one_sided: bool) -> Result<Self> {
        let scale = positive("g", g)? * positive("h", h)?;
        let rho = best_rho(v, if one_sided { 2.0 * alpha } else { alpha })?;
        Ok(Self::BetaBinomial { r: (rho - scale).max(1e-3 * scale), g, h, one_sided })
    }

    /// Logarithm of the supermartingale at sum `s` and time `v`.
    pub fn log(&self, s: f64, v: f64) -> f64 {
        match *self {
            Self::Normal { rho } => 0.5 * (rho / (v + rho)).ln() + s * s / (2.0 * (v + rho)),
            Self::HalfNormal { rho } => {
                0.5 * (4.0 * rho / (v + rho)).ln()
                    + s * s / (2.0 * (v + rho))
                    + normal_lower(s / (v + rho).sqrt()).ln()
            }
            Self::GammaExponential { rho, c } => {
                let (c2, start) = (c * c, rho / (c * c));
                let (shape, at) = ((v + rho) / c2, (c * s + v + rho) / c2);
                let front = |a: f64, x: f64| ln_gamma(a) + gamma_tails(a, x).0.ln() - a * x.ln();
                front(shape, at) - front(start, start) + (c * s + v) / c2
            }
            Self::GammaPoisson { rho, c } => {
                let (start, shape) = (rho / (c * c), (v + rho) / (c * c));
                let front = |a: f64, x: f64| ln_gamma(a) + gamma_tails(a, x).1.ln() - a * x.ln();
                front(s / c + shape, shape) - front(start, start) + v / (c * c)
            }
            Self::BetaBinomial { r, g, h, one_sided } => {
                let whole = g + h;
                let ln_incomplete = |a: f64, b: f64| {
                    let part = if one_sided { beta_tails(a, b, h / whole, g / whole).0.ln() } else { 0.0 };
                    part + ln_beta(a, b)
                };
                v / (g * h) * whole.ln()
                    - (v + h * s) / (h * whole) * g.ln()
                    - (v - g * s) / (g * whole) * h.ln()
                    + ln_incomplete((r + v - g * s) / (g * whole), (r + v + h * s) / (h * whole))
                    - ln_incomplete(r / (g * whole), r / (h * whole))
            }
        }
    }

    /// The sum that is crossed with probability at most alpha at any time, at time `v`.
    ///
    /// # Errors
    /// [`crate::Error::OutOfRange`], or [`crate::Error::NoRoot`] when the mixture never reaches `1 / alpha`.
    pub fn bound(&self, v: f64, alpha: f64) -> Result<f64> {
        let threshold = -fraction("alpha", alpha)?.ln();
        positive("the intrinsic time", v)?;
        let excess = |s: f64| self.log(s, v) - threshold;
        match *self {
            Self::Normal { rho } => Ok(((v + rho) * ((v / rho).ln_1p() + 2.0 * threshold)).sqrt()),
            Self::BetaBinomial { g, .. } if excess(v / g) < 0.0 => Ok(v / g),
            Self::BetaBinomial { g, .. } => root("the mixture bound", 0.0, v / g, excess),
            _ => root_above("the mixture bound", 0.0, v, excess),
        }
    }
}

/// Settings of [`poly_stitching`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stitching {
    /// First time at which the bound is tight.
    pub v_min: f64,
    /// Scale of sub-gamma sums; 0 for sub-Gaussian ones.
    pub c: f64,
    /// Power of the epochs, above 1; 1.4 in the paper.
    pub s: f64,
    /// Ratio of the epochs, above 1; 2 in the paper.
    pub eta: f64,
}

/// The stitched boundary, which grows like `sqrt(v log log v)`.
///
/// # Errors
/// [`crate::Error::OutOfRange`].
pub fn poly_stitching(v: f64, alpha: f64, set: &Stitching) -> Result<f64> {
    let (power, ratio) = (positive("s - 1", set.s - 1.0)? + 1.0, positive("eta - 1", set.eta - 1.0)? + 1.0);
    let v = v.max(positive("v_min", set.v_min)?);
    let k1 = (ratio.powf(0.25) + ratio.powf(-0.25)) / 2.0_f64.sqrt();
    let k2 = (ratio.sqrt() + 1.0) / 2.0;
    let ell = power * (ratio * v / set.v_min).ln().ln() + (zeta(power) / ratio.ln().powf(power)).ln()
        - fraction("alpha", alpha)?.ln();
    let linear = k2 * set.c * ell;
    Ok((k1 * k1 * v * ell + linear * linear).sqrt() + linear)
}

/// Confidence sequence of a Bernoulli mean, tightest at `t_opt` trials: all means whose beta-binomial mixture stays below `1 / alpha`.
///
/// # Errors
/// [`crate::Error::OutOfRange`] for no trials or more successes than trials.
pub fn bernoulli(successes: f64, trials: f64, alpha: f64, t_opt: f64, alpha_opt: f64) -> Result<Interval> {
    let threshold = -fraction("alpha", alpha)?.ln();
    let share = successes / positive("the number of trials", trials)?;
    if !(0.0..=1.0).contains(&share) {
        let expected = "between 0 and the number of trials";
        return Err(crate::Error::OutOfRange { what: "the number of successes", got: successes, expected });
    }
    best_rho(t_opt, alpha_opt)?;
    let excess = |p: f64| {
        Mixture::beta_binomial(p * (1.0 - p) * t_opt, alpha_opt, p, 1.0 - p, false)
            .map_or(f64::INFINITY, |mixture| {
                mixture.log((share - p) * trials, p * (1.0 - p) * trials) - threshold
            })
    };
    let start = share.clamp(1e-12, 1.0 - 1e-12);
    // An edge that is not rejected is the end of the line of means.
    let end = |edge: f64| {
        if excess(edge) <= 0.0 {
            Ok(edge.round())
        } else {
            root("the end of the interval", start, edge, excess)
        }
    };
    Ok(Interval {
        low: if share > 0.0 { end(1e-12_f64.min(share / 2.0))? } else { 0.0 },
        high: if share < 1.0 { end(1.0 - 1e-12_f64.min((1.0 - share) / 2.0))? } else { 1.0 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed in confseq's test/uniform_boundaries_unittest.cpp at v = v_opt = 100, alpha .05, s = 10.
    #[test]
    fn mixtures_agree_with_confseq() {
        let check = |mixture: Mixture, log: f64, bound: f64| {
            let got = (mixture.log(10.0, 100.0), mixture.bound(100.0, 0.05).expect("there is a bound"));
            assert!((got.0 - log).abs() < 1e-5 && (got.1 - bound).abs() < 1e-5, "{mixture:?}: {got:?}");
        };
        let rho = best_rho(100.0, 0.05).expect("valid");
        let one = best_rho(100.0, 0.1).expect("valid");
        check(Mixture::Normal { rho }, -0.6510052, 30.35209);
        check(Mixture::HalfNormal { rho: one }, -0.06502391, 27.66071);
        check(Mixture::GammaExponential { rho: one, c: 2.0 }, -0.2490165, 33.02017);
        check(Mixture::GammaPoisson { rho: one, c: 2.0 }, -0.06991219, 30.1949);
        let beta = |one_sided| Mixture::beta_binomial(100.0, 0.05, 0.2, 0.8, one_sided).expect("valid");
        check(beta(false), -0.6941012, 31.4308);
        check(beta(true), -0.07134019, 28.41238);
        let stitched = |c: f64| {
            poly_stitching(100.0, 0.05, &Stitching { v_min: 10.0, c, s: 1.4, eta: 2.0 }).expect("valid")
        };
        assert!((stitched(3.0) - 64.48755).abs() < 1e-5 && (stitched(-1.0) - 28.99389).abs() < 1e-5);
    }
}
