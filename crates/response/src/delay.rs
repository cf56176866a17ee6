//! Learning from conversions that have not happened yet: losses of one click's conversion logit.
//!
//! Let `p` be the predicted probability that a click converts within the attribution window, and `l(y) = -y ln p - (1 - y)
//! ln(1 - p)`. Predictions inside a weight are constants (no gradient).
//!
//! | method | observed | loss |
//! |---|---|---|
//! | weighted label (`window`, `naive`) | one label | `l(y)` |
//! | fake negative weighted (Ktena et al. 2019, arXiv 1907.06558, eq. 12) | a negative at the click, a positive when the conversion arrives | `(1 + p) l(1)`, `(1 - p)(1 + p) l(0)` |
//! | elapsed time (Yang et al. 2021, ES-DFM, arXiv 2012.03245, eq. 12) | the label after a wait, a positive when a later conversion arrives | `(1 + dp) l(1)`, `(1 + dp) rn l(0)` |
//! | delay model (Chapelle 2014, "Modeling delayed feedback in display advertising", section 3) | the log-likelihood of what is seen of the delay | [`DelayModel`] |
//! | the same without a family of delays (discrete-time hazards) | whether it converted in a stretch of its age | see [`hazard`](super::hazard) |
//!
//! `dp = P(converts, after the wait)` and `rn = P(never converts | not converted at the wait)` come from two heads of their own,
//! trained on clicks whose window is over. Every click gives one positive sample if it converts, and `1 - p + dp` negatives in
//! the mean, so that both weightings lead to the true `p`; the common factor (`1 + p`, `1 + dp`) is the papers': it makes up for
//! the duplicates among the samples and does not move the optimum of a row.

/// A loss with its derivatives in the conversion logit, the log-rate and the log-shape.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Grad {
    pub(crate) loss: f64,
    pub(crate) logit: f64,
    pub(crate) rate: f64,
    pub(crate) shape: f64,
}

/// The logistic function.
pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `ln(1 + e^x)`.
pub(crate) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Cross entropy of a logit, times `weight`, and its derivative.
pub(crate) fn cross_entropy(logit: f64, label: bool, weight: f64) -> (f64, f64) {
    let loss = if label { softplus(-logit) } else { softplus(logit) };
    (weight * loss, weight * (sigmoid(logit) - f64::from(u8::from(label))))
}

/// Cross entropy of the product of the probabilities of two logits, times `weight`, and its derivatives (ESMM, Ma et al. 2018,
/// arXiv 1804.07931, eq. 3).
pub(crate) fn product_cross_entropy(
    [click, conversion]: [f64; 2],
    label: bool,
    weight: f64,
) -> (f64, [f64; 2]) {
    let both = softplus(-click) + softplus(-conversion);
    if label {
        return (weight * both, [-weight * sigmoid(-click), -weight * sigmoid(-conversion)]);
    }
    // 1 - ab = (e^-x + e^-y + e^-(x + y)) / ((1 + e^-x) (1 + e^-y)), whose sum stays exact where ab rounds to 1.
    let sum = log_sum_exp([-click, -conversion, -click - conversion]);
    let slope = |logit: f64| weight * sigmoid(logit) * (-logit - sum).exp();
    (weight * (both - sum), [slope(click), slope(conversion)])
}

fn log_sum_exp(terms: [f64; 3]) -> f64 {
    let top = terms.into_iter().fold(f64::NEG_INFINITY, f64::max);
    top + terms.iter().map(|term| (term - top).exp()).sum::<f64>().ln()
}

/// The weight of a sample of the fake-negative stream.
pub(crate) fn fake_negative_weight(logit: f64, label: bool) -> f64 {
    let p = sigmoid(logit);
    if label { 1.0 + p } else { (1.0 - p) * (1.0 + p) }
}

/// The weight of a sample of the elapsed-time stream, given the logits of the two heads.
pub(crate) fn elapsed_weight(label: bool, delayed: f64, real_negative: f64) -> f64 {
    let common = 1.0 + sigmoid(delayed);
    if label { common } else { common * sigmoid(real_negative) }
}

/// Log-rates outside of this are held fast: e^±7 a day are 80 seconds and 3 years.
const RATE_LIMIT: f64 = 7.0;

/// Log-shapes outside of this are held fast: a shape of e^3 is all conversions at one age, e^-3 at all times alike. Far
/// beyond, the likelihood is not a number.
const SHAPE_LIMIT: f64 = 3.0;

/// A conversion delay: Weibull with rate λ (per day) and shape k, cut at the attribution window; k = 1 is exponential.
///
/// With `F(a) = 1 - exp(-(λ a)^k)`, a click is still without conversion at age `a` with probability
/// `S(a) = 1 - p F(a) / F(window)`. The likelihood of a click is learned in increments, each when it is known: nothing happened
/// between two ages, `ln S(to) - ln S(from)`; or it converted at age `d`, `ln [p f(d) / F(window)] - ln S(from)`. Over a
/// click's life they add up to Chapelle's likelihood, so a stream needs to look at a click only a few times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DelayModel {
    pub(crate) logit: f64,
    /// `ln λ`, λ per day.
    pub(crate) log_rate: f64,
    /// `ln k`.
    pub(crate) log_shape: f64,
    /// Days.
    pub(crate) window: f64,
}

/// `ln F(a)` and its derivatives in log-rate and log-shape.
struct LogCdf {
    value: f64,
    rate: f64,
    shape: f64,
}

impl DelayModel {
    fn shape(&self) -> f64 {
        self.held_shape().exp()
    }

    fn held_shape(&self) -> f64 {
        self.log_shape.clamp(-SHAPE_LIMIT, SHAPE_LIMIT)
    }

    fn shape_moves(&self) -> f64 {
        f64::from(u8::from(self.log_shape.abs() < SHAPE_LIMIT))
    }

    fn held(&self) -> f64 {
        self.log_rate.clamp(-RATE_LIMIT, RATE_LIMIT)
    }

    fn rate_moves(&self) -> f64 {
        f64::from(u8::from(self.log_rate.abs() < RATE_LIMIT))
    }

    /// `(λ a)^k`.
    fn hazard(&self, age: f64) -> f64 {
        (self.shape() * (self.held() + age.ln())).exp()
    }

    fn log_cdf(&self, age: f64) -> LogCdf {
        let (x, k) = (self.hazard(age), self.shape());
        let cdf = -(-x).exp_m1();
        // f/F times dx; tends to 1/x where x is small.
        let slope = if x < 1e-12 { 1.0 / x.max(1e-300) } else { (-x).exp() / cdf };
        let dx = slope * k * x;
        LogCdf { value: cdf.max(1e-300).ln(), rate: dx, shape: dx * (self.held() + age.ln()) }
    }

    /// `ln S(age)` and its derivatives.
    fn log_survival(&self, age: f64) -> Grad {
        if age <= 0.0 {
            return Grad::default();
        }
        let p = sigmoid(self.logit);
        let (at, end) = (self.log_cdf(age.min(self.window)), self.log_cdf(self.window));
        let log_q = at.value - end.value;
        // 1 - p q = (1 - p) + p (1 - q), which stays exact where p rounds to 1.
        let misses = sigmoid(-self.logit);
        let survival = (misses - p * log_q.exp_m1()).max(f64::MIN_POSITIVE);
        let of_q = -p * log_q.exp() / survival;
        Grad {
            loss: survival.ln(),
            logit: of_q * misses,
            rate: of_q * (at.rate - end.rate) * self.rate_moves(),
            shape: of_q * (at.shape - end.shape) * self.shape_moves(),
        }
    }

    /// Minus the log-likelihood that nothing happened between two ages (days).
    pub(crate) fn nothing_between(&self, from: f64, to: f64) -> Grad {
        minus(self.log_survival(from), self.log_survival(to))
    }

    /// Minus the log-likelihood of a conversion at age `at` (days), for a click that had none at age `from`.
    pub(crate) fn converted(&self, from: f64, at: f64) -> Grad {
        let at = at.clamp(1e-5, self.window);
        let (x, k) = (self.hazard(at), self.shape());
        let (log_age, end) = (self.held() + at.ln(), self.log_cdf(self.window));
        let density = self.held_shape() + k * self.held() + (k - 1.0) * at.ln() - x;
        let arrived = Grad {
            loss: density - end.value - softplus(-self.logit),
            logit: sigmoid(-self.logit),
            rate: (k - k * x - end.rate) * self.rate_moves(),
            shape: (1.0 + k * log_age * (1.0 - x) - end.shape) * self.shape_moves(),
        };
        minus(self.log_survival(from), arrived)
    }
}

fn minus(a: Grad, b: Grad) -> Grad {
    Grad { loss: a.loss - b.loss, logit: a.logit - b.logit, rate: a.rate - b.rate, shape: a.shape - b.shape }
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::Rng;

    const WINDOW: f64 = 7.0;

    fn model(v: [f64; 3]) -> DelayModel {
        DelayModel { logit: v[0], log_rate: v[1], log_shape: v[2], window: WINDOW }
    }

    #[test]
    fn the_delay_models_gradients_agree_with_finite_differences() {
        type Term = fn(&DelayModel) -> Grad;
        let terms: [Term; 4] = [
            |m| m.nothing_between(0.0, 1.0),
            |m| m.nothing_between(0.5, 7.0),
            |m| m.converted(0.0, 0.3),
            |m| m.converted(2.0, 6.5),
        ];
        for term in terms {
            for at in [[-1.0, -0.7, 0.0], [0.5, 1.2, -0.4], [2.0, -3.0, 0.3]] {
                let got = term(&model(at));
                for (i, got) in [got.logit, got.rate, got.shape].into_iter().enumerate() {
                    let nudged = |by: f64| {
                        let mut at = at;
                        at[i] += by;
                        term(&model(at)).loss
                    };
                    let slope = (nudged(1e-5) - nudged(-1e-5)) / 2e-5;
                    assert!((got - slope).abs() < 1e-6 * (1.0 + slope.abs()), "{at:?} [{i}]: {got} {slope}");
                }
            }
        }
    }

    #[test]
    fn extreme_rates_and_shapes_have_finite_losses_and_gradients() {
        for log_rate in [-1e3, -7.0, 0.0, 7.0, 1e3] {
            for log_shape in [-1e3, -10.0, -3.0, 0.0, 3.0, 10.0, 1e3] {
                let m = model([0.3, log_rate, log_shape]);
                for at in [1e-9, 0.01, 1.0, 6.9, WINDOW] {
                    for Grad { loss, logit, rate, shape } in
                        [m.nothing_between(0.0, at), m.converted(0.0, at)]
                    {
                        let all = [loss, logit, rate, shape];
                        assert!(all.iter().all(|value| value.is_finite()), "{all:?} of {m:?} at {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn losses_of_probabilities_that_round_to_1_are_finite_and_still_have_a_slope() {
        let (loss, slope) = cross_entropy(50.0, false, 1.0);
        assert_eq!((loss, slope), (50.0, 1.0));
        let (loss, slopes) = product_cross_entropy([50.0, 50.0], false, 2.0);
        assert!((loss - 2.0 * (50.0 - 2f64.ln())).abs() < 1e-9, "{loss}");
        assert!(slopes.iter().all(|slope| (slope - 1.0).abs() < 1e-9), "{slopes:?}");
        let (loss, slopes) = product_cross_entropy([-800.0, 3.0], true, 1.0);
        assert!((loss - 800.0 - softplus(-3.0)).abs() < 1e-9 && (slopes[0] + 1.0).abs() < 1e-9, "{loss}");
        let open = model([50.0, -0.7, 0.0]).nothing_between(0.0, WINDOW);
        assert!((open.loss - 50.0).abs() < 1e-9 && (open.logit - 1.0).abs() < 1e-9, "{open:?}");
    }

    #[test]
    fn increments_add_up_to_the_likelihood_of_the_paper() {
        let m = model([0.2, -0.7, 0.0]);
        let (p, rate) = (sigmoid(0.2), (-0.7f64).exp());
        let inside = 1.0 - (-rate * WINDOW).exp();
        let steps = m.nothing_between(0.0, 1.0).loss + m.nothing_between(1.0, 3.0).loss;
        let open = -(1.0 - p * (1.0 - (-rate * 3.0).exp()) / inside).ln();
        assert!((steps - open).abs() < 1e-12, "{steps} {open}");
        let late = steps + m.converted(3.0, 4.0).loss;
        let want = -(p * rate * (-rate * 4.0f64).exp() / inside).ln();
        assert!((late - want).abs() < 1e-12, "{late} {want}");
    }

    /// Simulated clicks with a probability of 0.3 and delays in days; no features.
    fn clicks(delay: impl Fn(&mut Rng) -> f64, count: usize) -> Vec<Option<f64>> {
        let mut rng = Rng::new(5, "delays");
        let mut draw = || loop {
            let days = delay(&mut rng);
            if days < WINDOW {
                return days;
            }
        };
        let mut coin = Rng::new(6, "conversions");
        (0..count).map(|_| (coin.unit() < 0.3).then(&mut draw)).collect()
    }

    /// Minimises a mean loss over (logit, log-rate) by gradient steps.
    fn fit(gradient: impl Fn([f64; 2]) -> [f64; 2]) -> f64 {
        let mut at = [0.0, 0.0];
        for _ in 0..3000 {
            let g = gradient(at);
            at = [at[0] - 2.0 * g[0], at[1] - 0.5 * g[1]];
        }
        sigmoid(at[0])
    }

    /// Each method's estimate of 0.3 when the newest clicks are seen at random ages up to the window.
    fn estimates(delays: &[Option<f64>]) -> [f64; 4] {
        let mut ages = Rng::new(7, "ages");
        let seen: Vec<(f64, Option<f64>)> = delays.iter().map(|&d| (ages.unit() * WINDOW, d)).collect();
        let count = seen.len() as f64;
        let arrived = |age: f64, delay: Option<f64>| delay.filter(|&delay| delay <= age);
        let mean = |terms: f64| terms / count;
        let naive = seen.iter().filter(|(age, delay)| arrived(*age, *delay).is_some()).count() as f64 / count;
        // Streams: every conversion arrives in the end.
        let positives = delays.iter().flatten().count() as f64;
        let fake = fit(|[logit, _]| {
            let of = |label| cross_entropy(logit, label, fake_negative_weight(logit, label)).1;
            [mean(count * of(false) + positives * of(true)), 0.0]
        });
        let wait = 0.5;
        let late = delays.iter().flatten().filter(|&&delay| delay > wait).count() as f64;
        let negatives = count - positives + late;
        let (dp, rn) = (late / count, (count - positives) / negatives);
        let log_odds = |p: f64| (p / (1.0 - p)).ln();
        let elapsed = fit(|[logit, _]| {
            let weight = |label| elapsed_weight(label, log_odds(dp), log_odds(rn));
            let of = |label| cross_entropy(logit, label, weight(label)).1;
            [mean(negatives * of(false) + positives * of(true)), 0.0]
        });
        let model = fit(|[logit, log_rate]| {
            let m = DelayModel { logit, log_rate, log_shape: 0.0, window: WINDOW };
            let terms = seen.iter().map(|&(age, delay)| match arrived(age, delay) {
                Some(delay) => m.converted(0.0, delay),
                None => m.nothing_between(0.0, age),
            });
            let sum = terms.fold([0.0, 0.0], |sum, g| [sum[0] + g.logit, sum[1] + g.rate]);
            [mean(sum[0]), mean(sum[1])]
        });
        [naive, fake, elapsed, model]
    }

    #[test]
    fn naive_is_biased_low_and_the_others_are_near_the_truth() {
        let exponential = clicks(|rng| -2.0 * (1.0 - rng.unit()).ln(), 4000);
        let log_normal = clicks(|rng| (0.3 + rng.normal()).exp(), 4000);
        for (name, delays) in [("exponential", exponential), ("log-normal", log_normal)] {
            let truth = delays.iter().flatten().count() as f64 / delays.len() as f64;
            let [naive, fake, elapsed, model] = estimates(&delays);
            assert!(naive < 0.8 * truth, "{name}: naive says {naive}, truth {truth}");
            assert!((fake - truth).abs() < 1e-3, "{name}: fake-negative weighted says {fake}, truth {truth}");
            assert!((elapsed - truth).abs() < 1e-3, "{name}: elapsed says {elapsed}, truth {truth}");
            assert!((model - truth).abs() < 0.02, "{name}: the delay model says {model}, truth {truth}");
        }
    }
}
