//! Inverse propensity weights: what is learned is what would be clicked if every item were as likely to be shown.
//!
//! The logging policy shows some items, and some places, more often than others, and to those who like them; a row that was shown
//! with probability `q` stands for `1 / q` rows (Horvitz & Thompson 1952; of clicks with position bias Joachims et al. 2017, arXiv
//! 1608.04468). `pointwise.propensity_weight` weighs the samples, the validation loss and the calibration of a row so. It is the
//! other way to treat position bias beside the slot's effect, which is learned apart and neutral at serving; with weights the
//! slot is best left out (`pointwise.position=false`). Rare rows would rule: a propensity below `propensity_least` counts as that,
//! a little bias for much less variance. Weights are divided by their mean, so that rates and clipping mean the same.

use super::settings::PointwiseSettings;
use semrank_data::{Examples, Part};

/// How rows are weighed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Propensity {
    least: f64,
    /// Over the training rows.
    mean: f64,
}

impl Propensity {
    /// Of the training rows; none where rows count alike.
    pub(crate) fn new(examples: &Examples, settings: &PointwiseSettings) -> Option<Propensity> {
        if !settings.propensity_weight || examples.propensities.is_empty() {
            return None;
        }
        let raw = Propensity { least: settings.propensity_least, mean: 1.0 };
        let weights = examples.rows(Part::Train).filter_map(|row| raw.known(examples, row));
        let (sum, rows) = weights.fold((0.0, 0.0), |(sum, rows), weight| (sum + weight, rows + 1.0));
        Some(Propensity { mean: if rows > 0.0 { sum / rows } else { 1.0 }, ..raw })
    }

    /// The weight of a row; 1, the mean, where its propensity is not known.
    pub(crate) fn weight(&self, examples: &Examples, row: usize) -> f64 {
        self.known(examples, row).unwrap_or(1.0)
    }

    fn known(&self, examples: &Examples, row: usize) -> Option<f64> {
        let propensity = f64::from(*examples.propensities.get(row)?);
        (!propensity.is_nan()).then(|| 1.0 / propensity.max(self.least) / self.mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_inverse_propensities_of_mean_one_held_below_a_limit() {
        let examples = Examples {
            parts: vec![Part::Train, Part::Train, Part::Train, Part::Test],
            users: vec![semrank_core::UserId(0); 4],
            propensities: vec![0.5, 0.001, f32::NAN, 0.25],
            ..Examples::default()
        };
        let off = PointwiseSettings::default();
        assert!(Propensity::new(&examples, &off).is_none());
        let on = PointwiseSettings { propensity_weight: true, propensity_least: 0.1, ..off };
        let found = Propensity::new(&examples, &on).unwrap();
        let weights: Vec<f64> = (0..4).map(|row| found.weight(&examples, row)).collect();
        // 2 and, held, 10: 6 on average.
        assert_eq!(weights, [2.0 / 6.0, 10.0 / 6.0, 1.0, 4.0 / 6.0]);
        assert!(Propensity::new(&Examples::default(), &on).is_none(), "a log without propensities");
    }
}
