//! Conversion delays that belong to no family: one hazard for each stretch of a click's age.
//!
//! With `h_b = P(converts in stretch b | has not before)`, a click converts within the attribution window with probability
//! `1 - Π (1 - h_b)`. Each `h_b` is a logistic regression of its own over the clicks that reached the stretch, so that any
//! distribution of delays fits, and one that differs by advertiser does too: discrete-time survival analysis (Singer & Willett
//! 1993, "It's about time", J. Educ. Statist. 18; Gensheimer & Narasimhan 2019, arXiv 1805.00917). A click that is still open contributes
//! the stretches that it has completed, which is the Kaplan-Meier estimate where there are no features.
//!
//! The logit of `h_b` is the conversion head's plus one of the stretch: what makes a click convert is learned once, from all
//! stretches, and how it is spread over time apart.
//!
//! A stretch is learned at its end, whatever the outcome. Were conversions learned as they arrive and their absence at the end,
//! then the newest rows would be positive, and whatever tells a row's time would be taken for a reason to convert.

use super::delay::softplus;

/// Ends of the stretches as shares of the attribution window: 3, 6 and 12 hours, then every day of a week.
pub(crate) const STRETCHES: [f64; 10] = [
    1.0 / 56.0,
    1.0 / 28.0,
    1.0 / 14.0,
    1.0 / 7.0,
    2.0 / 7.0,
    3.0 / 7.0,
    4.0 / 7.0,
    5.0 / 7.0,
    6.0 / 7.0,
    1.0,
];

/// Log-odds that a click converts in any of the stretches whose hazards have these logits.
pub(crate) fn any(logits: impl Iterator<Item = f64>) -> f64 {
    // -ln of the probability that none comes.
    let none: f64 = logits.map(softplus).sum();
    let none = none.max(f64::MIN_POSITIVE);
    if none > 30.0 { none } else { none.exp_m1().ln() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delay::sigmoid;

    #[test]
    fn the_chance_of_any_stretch_is_that_of_not_missing_all() {
        for logits in [[-3.0, -1.0, 0.5], [-30.0, -29.0, -31.0], [2.0, 40.0, 1.0]] {
            let missed: f64 = logits.iter().map(|&logit| 1.0 - sigmoid(logit)).product();
            let got = sigmoid(any(logits.into_iter()));
            assert!((got - (1.0 - missed)).abs() < 1e-12, "{logits:?}: {got}");
        }
        assert!((any([-0.7].into_iter()) + 0.7).abs() < 1e-12, "one stretch is the window");
        let rare = any([-600.0, -600.0].into_iter());
        assert!((rare - (2f64.ln() - 600.0)).abs() < 1e-9, "{rare}");
        assert_eq!(any([40.0, 700.0].into_iter()), 740.0, "chances that round to 1 add up too");
    }
}
