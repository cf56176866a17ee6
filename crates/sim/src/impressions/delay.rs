//! The delay from a click to its conversion: an advertiser's distribution in; samples, distribution function, median and
//! mean out.
//!
//! | family | distribution function of the delay `t` |
//! |---|---|
//! | log-normal | `Phi(ln(t / median) / sigma)`, `sigma` 0.7 to 1.5 by advertiser |
//! | mixture | `w Phi(ln(t / fast) / 0.9) + (1 - w) Phi(ln(t / slow) / 0.7)`, `w` 0.25 to 0.45, `fast` about a 24th of the median |
//! | Weibull | `1 - exp(-(t / scale)^shape)`, `shape` 0.6 to 1.1 |
//!
//! The median of an advertiser is `delay_days exp(0.35 z)` with a standard normal `z`; in a mixture `slow` is
//! solved for it. The first two are outside the exponential and Weibull families that delayed-feedback models
//! assume (Chapelle 2014): a test of their robustness.

use super::config::{AdMarketConfig, DAY_MS, DelayFamily};
use semrank_core::Rng;

/// Spread of the fast and the slow part of a mixture.
const FAST_SIGMA: f64 = 0.9;
const SLOW_SIGMA: f64 = 0.7;

/// The distribution of an advertiser's conversion delays; times in ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DelayLaw {
    /// One log-normal.
    LogNormal {
        /// Median in ms.
        median: f64,
        /// Standard deviation of the log of the delay.
        sigma: f64,
    },
    /// Two log-normals.
    Mixture {
        /// Chance of a fast conversion.
        fast_share: f64,
        /// Median of the fast ones in ms.
        fast: f64,
        /// Median of the slow ones in ms.
        slow: f64,
        /// Median of all in ms.
        median: f64,
    },
    /// Weibull.
    Weibull {
        /// Scale in ms.
        scale: f64,
        /// Shape; below 1 the hazard falls with time.
        shape: f64,
    },
}

impl DelayLaw {
    /// The law of an advertiser.
    pub(crate) fn draw(config: &AdMarketConfig, rng: &mut Rng) -> DelayLaw {
        let median = config.delay_days * DAY_MS as f64 * (0.35 * rng.normal()).exp();
        let within = |low: f64, high: f64, unit: f64| low + (high - low) * unit;
        match config.delays {
            DelayFamily::LogNormal => DelayLaw::LogNormal { median, sigma: within(0.7, 1.5, rng.unit()) },
            DelayFamily::Mixture => {
                let fast_share = within(0.25, 0.45, rng.unit());
                mixture(fast_share, median / 24.0 * (0.3 * rng.normal()).exp(), median)
            }
            DelayFamily::Weibull => {
                let shape = within(0.6, 1.1, rng.unit());
                DelayLaw::Weibull { scale: median / std::f64::consts::LN_2.powf(1.0 / shape), shape }
            }
        }
    }

    /// Chance that a conversion comes within `ms` of its click.
    pub fn cdf(&self, ms: f64) -> f64 {
        if ms <= 0.0 {
            return 0.0;
        }
        match *self {
            DelayLaw::LogNormal { median, sigma } => normal_cdf((ms / median).ln() / sigma),
            DelayLaw::Mixture { fast_share, fast, slow, .. } => mixture_cdf(ms, fast_share, fast, slow),
            DelayLaw::Weibull { scale, shape } => -(-(ms / scale).powf(shape)).exp_m1(),
        }
    }

    /// Median delay in ms.
    pub fn median_ms(&self) -> f64 {
        match *self {
            DelayLaw::LogNormal { median, .. } | DelayLaw::Mixture { median, .. } => median,
            DelayLaw::Weibull { scale, shape } => scale * std::f64::consts::LN_2.powf(1.0 / shape),
        }
    }

    /// Expected delay in ms.
    pub fn mean_ms(&self) -> f64 {
        let log_normal = |median: f64, sigma: f64| median * (sigma * sigma / 2.0).exp();
        match *self {
            DelayLaw::LogNormal { median, sigma } => log_normal(median, sigma),
            DelayLaw::Mixture { fast_share, fast, slow, .. } => {
                fast_share * log_normal(fast, FAST_SIGMA) + (1.0 - fast_share) * log_normal(slow, SLOW_SIGMA)
            }
            DelayLaw::Weibull { scale, shape } => scale * gamma(1.0 + 1.0 / shape),
        }
    }

    /// A delay in ms, at least one second.
    pub(crate) fn sample(&self, rng: &mut Rng) -> i64 {
        let ms = match *self {
            DelayLaw::LogNormal { median, sigma } => median * (sigma * rng.normal()).exp(),
            DelayLaw::Mixture { fast_share, fast, slow, .. } => {
                let (median, sigma) =
                    if rng.unit() < fast_share { (fast, FAST_SIGMA) } else { (slow, SLOW_SIGMA) };
                median * (sigma * rng.normal()).exp()
            }
            DelayLaw::Weibull { scale, shape } => scale * (-(1.0 - rng.unit()).ln()).powf(1.0 / shape),
        };
        // At most some centuries, so that a time plus a delay does not overflow.
        ms.clamp(1_000.0, 1e13) as i64
    }
}

/// The mixture whose slow part is such that the whole has this median.
fn mixture(fast_share: f64, fast: f64, median: f64) -> DelayLaw {
    let (mut low, mut high) = (median / 64.0, median * 64.0);
    for _ in 0..60 {
        let slow = (low * high).sqrt();
        // A slower slow part lowers the share that is done at the median.
        if mixture_cdf(median, fast_share, fast, slow) > 0.5 { low = slow } else { high = slow }
    }
    DelayLaw::Mixture { fast_share, fast, slow: (low * high).sqrt(), median }
}

fn mixture_cdf(ms: f64, fast_share: f64, fast: f64, slow: f64) -> f64 {
    fast_share * normal_cdf((ms / fast).ln() / FAST_SIGMA)
        + (1.0 - fast_share) * normal_cdf((ms / slow).ln() / SLOW_SIGMA)
}

/// The standard normal distribution function, to 1e-7 (Abramowitz & Stegun 26.2.17).
fn normal_cdf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let series = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let sum = series.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    let tail = (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt() * sum;
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// The gamma function for `x >= 1`, to 1e-8: Stirling's series after shifting the argument above 8.
fn gamma(x: f64) -> f64 {
    let mut shift = 1.0;
    let mut x = x;
    while x < 8.0 {
        shift *= x;
        x += 1.0;
    }
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    (std::f64::consts::TAU / x).sqrt() * (x / std::f64::consts::E).powf(x) * series.exp() / shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_functions_match_published_values() {
        // Abramowitz & Stegun, tables 26.1 and 6.1.
        for (x, expected) in [(0.0, 0.5), (1.0, 0.841_344_746), (-1.96, 0.024_997_895), (3.0, 0.998_650_102)]
        {
            assert!((normal_cdf(x) - expected).abs() < 1e-6, "Phi({x}) = {}", normal_cdf(x));
        }
        for (x, expected) in [(1.0, 1.0), (1.5, 0.886_226_925_5), (2.5, 1.329_340_388), (5.0, 24.0)] {
            assert!((gamma(x) / expected - 1.0).abs() < 1e-8, "gamma({x}) = {}", gamma(x));
        }
    }

    #[test]
    fn samples_follow_their_law() {
        for delays in [DelayFamily::LogNormal, DelayFamily::Mixture, DelayFamily::Weibull] {
            let config = AdMarketConfig { delays, ..AdMarketConfig::default() };
            let mut rng = Rng::new(3, "test.delay");
            for _ in 0..3 {
                let law = DelayLaw::draw(&config, &mut rng);
                let draws: Vec<f64> = (0..40_000).map(|_| law.sample(&mut rng) as f64).collect();
                for at in [0.02, 0.2, 1.0, 3.0] {
                    let (at, n) = (at * law.median_ms(), draws.len() as f64);
                    let observed = draws.iter().filter(|&&ms| ms <= at).count() as f64 / n;
                    let expected = law.cdf(at);
                    let bound = 4.5 * (expected * (1.0 - expected) / n).sqrt() + 1e-4;
                    assert!((observed - expected).abs() < bound, "{law:?} at {at}: {observed} {expected}");
                }
                assert!((law.cdf(law.median_ms()) - 0.5).abs() < 1e-6, "{law:?}");
                let mean = draws.iter().sum::<f64>() / draws.len() as f64;
                assert!((mean / law.mean_ms() - 1.0).abs() < 0.1, "{law:?}: {mean} {}", law.mean_ms());
            }
        }
    }
}
