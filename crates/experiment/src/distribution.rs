//! Normal, t, noncentral t, chi-square, F, beta and binomial distributions: tails and quantiles.
//!
//! Every upper tail is computed as such: `normal_upper(40)` is 3.66e-350 rounded to 0, not `1 - 1`.
//!
//! ```
//! use semrank_experiment::distribution::{normal_upper, student_upper};
//! assert!((2.0 * normal_upper(1.959963984540054) - 0.05).abs() < 1e-15);
//! assert!((2.0 * student_upper(2.2281388519862753, 10.0) - 0.05).abs() < 1e-12);
//! ```

use crate::special::{beta_tails, gamma_tails, ln_beta, ln_gamma, quadrature, root_above};
use std::f64::consts::{PI, SQRT_2};

/// Density of the standard normal distribution.
pub fn normal_density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * PI).sqrt()
}

/// `P(Z <= z)`.
pub fn normal_lower(z: f64) -> f64 {
    0.5 * libm::erfc(-z / SQRT_2)
}

/// `P(Z > z)`.
pub fn normal_upper(z: f64) -> f64 {
    0.5 * libm::erfc(z / SQRT_2)
}

/// The `z` with `P(Z > z) = tail`: Acklam's rational start (2003), then Halley steps on the tail itself.
pub fn normal_upper_quantile(tail: f64) -> f64 {
    if !(tail > 0.0 && tail < 1.0) {
        return if tail == 0.0 {
            f64::INFINITY
        } else if tail == 1.0 {
            f64::NEG_INFINITY
        } else {
            f64::NAN
        };
    }
    if tail > 0.5 {
        return -normal_upper_quantile(1.0 - tail);
    }
    // Abramowitz & Stegun 26.2.23: within 4.5e-4.
    let t = (-2.0 * tail.ln()).sqrt();
    let mut z = t
        - (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    for _ in 0..4 {
        let error = (tail - normal_upper(z)) / normal_density(z);
        z -= error / (1.0 + 0.5 * z * error);
    }
    z
}

/// The `z` with `P(Z <= z) = p`.
pub fn normal_quantile(p: f64) -> f64 {
    -normal_upper_quantile(p)
}

/// `P(T > t)` with `df` degrees of freedom (any positive number).
pub fn student_upper(t: f64, df: f64) -> f64 {
    if t < 0.0 {
        return 1.0 - student_upper(-t, df);
    }
    if df > 1e10 {
        return normal_upper(t);
    }
    let square = t * t;
    if square.is_infinite() {
        return 0.0;
    }
    0.5 * beta_tails(0.5 * df, 0.5, df / (df + square), square / (df + square)).0
}

/// The `t` with `P(T > t) = tail`.
pub fn student_upper_quantile(tail: f64, df: f64) -> f64 {
    if !(df > 0.0) {
        return f64::NAN;
    }
    if !(tail > 0.0 && tail < 1.0) {
        return normal_upper_quantile(tail);
    }
    if tail > 0.5 {
        return -student_upper_quantile(1.0 - tail, df);
    }
    let f = |t: f64| student_upper(t, df).ln() - tail.ln();
    root_above("t quantile", 0.0, normal_upper_quantile(tail).max(1e-3), f).unwrap_or(f64::NAN)
}

/// `P(T > t)` of the noncentral t distribution: the normal tail integrated over the chi of the denominator.
///
/// Johnson, Kotz & Balakrishnan, Continuous Univariate Distributions 2 (1995), 31.12.
pub fn noncentral_student_upper(t: f64, df: f64, shift: f64) -> f64 {
    let spread = 1.0 / df.sqrt();
    let front = (2.0_f64).ln() + 0.5 * df * (0.5 * df).ln() - ln_gamma(0.5 * df);
    let nodes = quadrature((1.0 - 10.0 * spread).max(0.0), 1.0 + 12.0 * spread, 24);
    let density = |s: f64| (front + (df - 1.0) * s.ln() - 0.5 * df * s * s).exp();
    let (mass, sum) = nodes.iter().fold((0.0, 0.0), |(mass, sum), &(s, w)| {
        let weight = w * density(s);
        (mass + weight, sum + weight * normal_upper(t * s - shift))
    });
    sum / mass
}

/// `P(X > x)` of the chi-square distribution.
pub fn chi_square_upper(x: f64, df: f64) -> f64 {
    gamma_tails(0.5 * df, 0.5 * x).1
}

/// The `x` with `P(X > x) = tail` of the chi-square distribution.
pub fn chi_square_upper_quantile(tail: f64, df: f64) -> f64 {
    root_above("chi-square quantile", 0.0, df.max(1.0), |x| chi_square_upper(x, df) - tail)
        .unwrap_or(f64::NAN)
}

/// `P(F > x)` with `above` and `below` degrees of freedom.
pub fn f_upper(x: f64, above: f64, below: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let whole = below + above * x;
    beta_tails(0.5 * below, 0.5 * above, below / whole, above * x / whole).0
}

/// The `x` with `P(X <= x) = p` of the beta distribution.
pub fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    crate::special::root("beta quantile", 0.0, 1.0, |x| beta_tails(a, b, x, 1.0 - x).0 - p)
        .unwrap_or(f64::NAN)
}

/// Logarithm of `n` over `k`.
pub fn ln_choose(n: f64, k: f64) -> f64 {
    if k <= 0.0 || k >= n { 0.0 } else { -(n + 1.0).ln() - ln_beta(n - k + 1.0, k + 1.0) }
}

/// Two-sided exact sign test: the sum of the outcomes that are at most as likely as `wins` of `wins + losses` at 1/2.
pub fn sign_test(wins: f64, losses: f64) -> f64 {
    let n = wins + losses;
    let few = wins.min(losses);
    if n == 0.0 || few * 2.0 >= n {
        return 1.0;
    }
    // P(X <= few) = I_{1/2}(n - few, few + 1); the other tail is its mirror image.
    (2.0 * beta_tails(n - few, few + 1.0, 0.5, 0.5).0).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64) {
        assert!((got / expected - 1.0).abs() < 1e-9, "got {got:e}, expected {expected:e}");
    }

    /// scipy 1.17.1: norm.sf, t.sf, t.isf, nct.sf, chi2.sf, f.sf, beta.ppf, binomtest.
    #[test]
    fn tails_and_quantiles_agree_with_scipy() {
        close(normal_upper(20.0), 2.7536241186062337e-89);
        close(normal_upper_quantile(1e-100), 21.27345356096532);
        close(student_upper(30.0, 7.5), 2.1873667050518222e-09);
        close(student_upper(12.0, 250_000.0), 1.814209939308172e-33);
        close(student_upper_quantile(1e-8, 3.2), 345.5242608736177);
        close(noncentral_student_upper(2.1, 9.0, 1.3), 0.25287801655300135);
        close(chi_square_upper(500.0, 12.0), 2.2163399192196057e-99);
        close(f_upper(9.0, 3.0, 17.0), 0.0008566431780804568);
        close(beta_quantile(0.025, 312.0, 262.0), 0.5027126972373);
        close(sign_test(312.0, 261.0), 0.03663541885685458);
        close(chi_square_upper(chi_square_upper_quantile(1e-5, 4.0), 4.0), 1e-5);
    }

    #[test]
    fn quantiles_invert_tails() {
        for tail in [1e-300, 1e-20, 1e-4, 0.3, 0.5, 0.9] {
            close(normal_upper(normal_upper_quantile(tail)), tail);
        }
        for tail in [1e-12, 1e-3, 0.2, 0.7] {
            close(student_upper(student_upper_quantile(tail, 1.7), 1.7), tail);
        }
        assert!(normal_upper_quantile(1.5).is_nan() && student_upper_quantile(0.1, -1.0).is_nan());
    }
}
