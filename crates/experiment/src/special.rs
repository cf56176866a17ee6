//! Special functions: log gamma, incomplete gamma and beta functions with both tails, log beta, zeta, roots and quadrature.
//!
//! Both tails are returned, because `1 - p` loses every digit of a small tail. Press et al., Numerical Recipes (2007), sections
//! 6.2 and 6.4 (series and modified Lentz continued fractions), 9.3 (Brent), 4.6 (Gauss-Legendre); Stirling's correction keeps
//! `ln B(a, b)` accurate for large degrees of freedom.
//!
//! ```
//! let (lower, upper) = semrank_experiment::special::gamma_tails(0.5, 185.226551563 / 2.0);
//! assert!((upper / 3.50219227e-42 - 1.0).abs() < 1e-8 && lower == 1.0);
//! ```

use crate::error::{Error, Result};
use std::f64::consts::PI;

const STEPS: usize = 200_000;
const TINY: f64 = 1e-300;

/// Natural logarithm of the gamma function for `x > 0`.
pub fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// `ln Γ(x) - ((x - 1/2) ln x - x + ln(2π)/2)` for `x >= 20`.
fn stirling(x: f64) -> f64 {
    let x2 = x * x;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / (1188.0 * x2)) / x2) / x2) / x2) / x
}

/// `ln B(a, b)`, without cancellation when one argument is large.
pub fn ln_beta(a: f64, b: f64) -> f64 {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    if large < 20.0 {
        return ln_gamma(small) + ln_gamma(large) - ln_gamma(small + large);
    }
    let rise = (large - 0.5) * (small / large).ln_1p() + small * (small + large).ln() - small
        + stirling(small + large)
        - stirling(large);
    ln_gamma(small) - rise
}

/// Regularised incomplete gamma functions `(P(a, x), Q(a, x))`.
pub fn gamma_tails(a: f64, x: f64) -> (f64, f64) {
    if x.is_nan() || !(a > 0.0) {
        return (f64::NAN, f64::NAN);
    }
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    if x.is_infinite() {
        return (1.0, 0.0);
    }
    let front = ln_gamma_front(a, x);
    if x < a + 1.0 {
        let lower = (front + gamma_series(a, x).ln()).exp().min(1.0);
        (lower, 1.0 - lower)
    } else {
        let upper = (front + gamma_fraction(a, x).ln()).exp().min(1.0);
        (1.0 - upper, upper)
    }
}

/// `ln(x^a e^-x / Γ(a))`, centred on `a` when `a` is large.
fn ln_gamma_front(a: f64, x: f64) -> f64 {
    if a < 20.0 {
        return a * x.ln() - x - ln_gamma(a);
    }
    let shift = (x - a) / a;
    let log = if shift.abs() < 0.5 { shift.ln_1p() } else { (x / a).ln() };
    a * (log - shift) + 0.5 * (a / (2.0 * PI)).ln() - stirling(a)
}

fn gamma_series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum) = (1.0 / a, 1.0 / a);
    for step in 1..STEPS {
        term *= x / (a + step as f64);
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    sum
}

fn gamma_fraction(a: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut h = d;
    for step in 1..STEPS {
        let i = step as f64;
        let an = -i * (i - a);
        b += 2.0;
        d = 1.0 / guard(an * d + b);
        c = guard(b + an / c);
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    h
}

fn guard(value: f64) -> f64 {
    if value.abs() < TINY { TINY } else { value }
}

/// Regularised incomplete beta functions `(I_x(a, b), 1 - I_x(a, b))`; `y` is `1 - x`, given apart to keep its digits.
pub fn beta_tails(a: f64, b: f64, x: f64, y: f64) -> (f64, f64) {
    if !(a > 0.0 && b > 0.0) || x.is_nan() || y.is_nan() {
        return (f64::NAN, f64::NAN);
    }
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    if y <= 0.0 {
        return (1.0, 0.0);
    }
    let ln_x = if y < 0.5 { (-y).ln_1p() } else { x.ln() };
    let ln_y = if x < 0.5 { (-x).ln_1p() } else { y.ln() };
    let front = a * ln_x + b * ln_y - ln_beta(a, b);
    if x < (a + 1.0) / (a + b + 2.0) {
        let lower = (front.exp() * beta_fraction(a, b, x) / a).min(1.0);
        (lower, 1.0 - lower)
    } else {
        let upper = (front.exp() * beta_fraction(b, a, y) / b).min(1.0);
        (1.0 - upper, upper)
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for step in 1..STEPS {
        let m = step as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / guard(1.0 + even * d);
        c = guard(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / guard(1.0 + odd * d);
        c = guard(1.0 + odd / c);
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    h
}

/// Riemann's zeta function for `s > 1`, by Euler-Maclaurin summation.
pub fn zeta(s: f64) -> f64 {
    let n = 20.0_f64;
    let head: f64 = (1..20).map(|k| f64::from(k).powf(-s)).sum();
    let tail = n.powf(1.0 - s) / (s - 1.0) + 0.5 * n.powf(-s);
    let first = s / 12.0 * n.powf(-s - 1.0);
    let second = s * (s + 1.0) * (s + 2.0) / 720.0 * n.powf(-s - 3.0);
    let third = s * (s + 1.0) * (s + 2.0) * (s + 3.0) * (s + 4.0) / 30240.0 * n.powf(-s - 5.0);
    head + tail + first - second + third
}

/// Root of `f` between `low` and `high`, by Brent's method.
///
/// # Errors
/// [`Error::NoRoot`] when `f` has the same sign at both ends.
pub fn root(what: &'static str, low: f64, high: f64, f: impl Fn(f64) -> f64) -> Result<f64> {
    let (mut a, mut b, mut fa, mut fb) = (low, high, f(low), f(high));
    if !(fa * fb <= 0.0) {
        return Err(Error::NoRoot { what, low, high });
    }
    let (mut c, mut fc, mut width) = (a, fa, b - a);
    let mut step = width;
    for _ in 0..300 {
        if fc.abs() < fb.abs() {
            (a, b, c) = (b, c, b);
            (fa, fb, fc) = (fb, fc, fb);
        }
        let tolerance = 2.0 * f64::EPSILON * b.abs() + 1e-300;
        let half = 0.5 * (c - b);
        if half.abs() <= tolerance || fb == 0.0 {
            return Ok(b);
        }
        (step, width) = next_step((a, b, c), (fa, fb, fc), (step, width), tolerance);
        (a, fa) = (b, fb);
        b += if step.abs() > tolerance { step } else { tolerance.copysign(half) };
        fb = f(b);
        if (fb > 0.0) == (fc > 0.0) {
            (c, fc, width) = (a, fa, b - a);
            step = width;
        }
    }
    Ok(b)
}

/// Brent's next step: interpolation when it converges fast enough, else half the interval.
fn next_step(x: (f64, f64, f64), y: (f64, f64, f64), last: (f64, f64), tolerance: f64) -> (f64, f64) {
    let half = 0.5 * (x.2 - x.1);
    let s = y.1 / y.0;
    if last.1.abs() < tolerance || y.0.abs() <= y.1.abs() || !s.is_finite() {
        return (half, half);
    }
    let (mut p, mut q) = if x.0 == x.2 {
        (2.0 * half * s, 1.0 - s)
    } else {
        let (q, r) = (y.0 / y.2, y.1 / y.2);
        (s * (2.0 * half * q * (q - r) - (x.1 - x.0) * (r - 1.0)), (q - 1.0) * (r - 1.0) * (s - 1.0))
    };
    if p > 0.0 {
        q = -q;
    }
    p = p.abs();
    let limit = (3.0 * half * q - (tolerance * q).abs()).min((last.1 * q).abs());
    if 2.0 * p < limit { (p / q, last.0) } else { (half, half) }
}

/// Doubles `high` until `f` changes its sign, then [`root`].
///
/// # Errors
/// [`Error::NoRoot`] when 200 doublings find no change.
pub fn root_above(what: &'static str, low: f64, first: f64, f: impl Fn(f64) -> f64) -> Result<f64> {
    let start = f(low);
    if start == 0.0 {
        return Ok(low);
    }
    let sign = start > 0.0;
    let mut high = low + first;
    for _ in 0..200 {
        if (f(high) > 0.0) != sign {
            return root(what, low, high, f);
        }
        high = low + 2.0 * (high - low);
    }
    Err(Error::NoRoot { what, low, high })
}

/// Nodes and weights of Gauss-Legendre quadrature on `[low, high]`: `panels` equal panels of 16 nodes.
pub fn quadrature(low: f64, high: f64, panels: usize) -> Vec<(f64, f64)> {
    const N: usize = 16;
    let mut unit = [(0.0, 0.0); N];
    for (i, node) in unit.iter_mut().enumerate() {
        let mut x = (PI * (i as f64 + 0.75) / (N as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..30 {
            let (mut p0, mut p1) = (1.0, x);
            for k in 2..=N {
                let k = k as f64;
                (p0, p1) = (p1, ((2.0 * k - 1.0) * x * p1 - (k - 1.0) * p0) / k);
            }
            slope = N as f64 * (x * p1 - p0) / (x * x - 1.0);
            x -= p1 / slope;
        }
        *node = (x, 2.0 / ((1.0 - x * x) * slope * slope));
    }
    let half = 0.5 * (high - low) / panels as f64;
    let panel = |k: usize| low + half * (2 * k + 1) as f64;
    (0..panels).flat_map(|k| unit.map(|(x, w)| (panel(k) + half * x, half * w))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64) {
        assert!((got / expected - 1.0).abs() < 1e-10, "got {got:e}, expected {expected:e}");
    }

    #[test]
    fn gamma_and_beta_tails_agree_with_closed_forms() {
        close(gamma_tails(1.0, 700.0).1, (-700.0_f64).exp());
        close(gamma_tails(3.0, 2.0).0, 1.0 - (-2.0_f64).exp() * 5.0);
        close(beta_tails(2.0, 3.0, 0.3, 0.7).0, 0.3483);
        close(beta_tails(1.0, 50.0, 1e-12, 1.0 - 1e-12).0, 5e-11);
        close(ln_beta(1e9, 0.5), 0.5 * PI.ln() - 0.5 * 1e9_f64.ln() + 0.125e-9);
    }

    #[test]
    fn zeta_root_and_quadrature_are_exact() {
        close(zeta(2.0), PI * PI / 6.0);
        close(root("cube root", 0.0, 5.0, |x| x * x * x - 2.0).expect("there is one"), 2.0_f64.cbrt());
        assert!(root("nothing", 0.0, 1.0, |x| x + 1.0).is_err());
        close(quadrature(0.0, 2.0, 2).iter().map(|(x, w)| w * x.exp()).sum(), 2.0_f64.exp() - 1.0);
    }
}
