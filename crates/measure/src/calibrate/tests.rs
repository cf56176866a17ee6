//! Calibration maps: known slopes and pools, the mean that is kept, and samples that are refused.

use super::*;
use crate::probabilities::Scores;
use semrank_core::Rng;

fn sample<'a>(scores: &'a [f64], labels: &'a [bool]) -> Sample<'a> {
    Sample { scores, labels, weights: None }
}

/// Log odds whose true ones are `slope · score + intercept`.
fn skewed(n: usize, slope: f64, intercept: f64, seed: u64) -> (Vec<f64>, Vec<bool>) {
    let mut rng = Rng::new(seed, "test");
    let scores: Vec<f64> = (0..n).map(|_| 1.5 * rng.normal()).collect();
    let labels = scores.iter().map(|&score| rng.unit() < sigmoid(slope * score + intercept)).collect();
    (scores, labels)
}

fn applied(calibration: &Calibration, scores: &[f64]) -> Vec<f64> {
    scores.iter().map(|&score| calibration.apply(score)).collect()
}

fn log_odds<const N: usize>(probabilities: [f64; N]) -> [f64; N] {
    probabilities.map(logit)
}

fn probabilities(scores: &[f64]) -> Vec<f64> {
    scores.iter().copied().map(sigmoid).collect()
}

#[test]
fn platt_finds_the_line_that_made_the_labels() {
    let (scores, labels) = skewed(200_000, 0.6, -1.2, 1);
    let platt = Platt::fit(&sample(&scores, &labels)).unwrap();
    assert!((platt.slope - 0.6).abs() < 0.02 && (platt.intercept + 1.2).abs() < 0.02, "{platt:?}");
    // Two scores, odds 1:3 and 3:1: the line is exact, slope log 9 / (logit .9 - logit .1).
    let (scores, labels) =
        (log_odds([0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9]), [1, 0, 0, 0, 1, 1, 1, 0].map(|y| y == 1));
    let platt = Platt::fit(&sample(&scores, &labels)).unwrap();
    assert!((platt.slope - 0.5).abs() < 1e-3 && platt.intercept.abs() < 1e-9, "{platt:?}");
    assert!((sigmoid(platt.apply(logit(0.9))) - 0.75).abs() < 1e-3);
}

#[test]
fn a_slope_beyond_its_bounds_is_held_and_told() {
    // Scores within .02 of each other, 70 % and 30 % positive: the likeliest slope is 2 log(7 / 3) / .02 = 85.
    let scores: Vec<f64> = (0..40).map(|row| if row < 20 { -0.01 } else { 0.01 }).collect();
    let labels: Vec<bool> = (0..40).map(|row| if row < 20 { row < 6 } else { row < 34 }).collect();
    let platt = Platt::fit(&sample(&scores, &labels)).unwrap();
    assert_eq!(platt.slope, MOST_SLOPE);
    assert!((platt.unbounded.unwrap() - 2.0 * (7f64 / 3.0).ln() / 0.02).abs() < 1.0, "{platt:?}");
    assert!(platt.intercept.abs() < 1e-9, "{platt:?}");
    // The mean of the labels is kept at the bound, with weights too.
    let (scores, labels) = skewed(300, 9.0, 2.0, 7);
    let weights: Vec<f64> = (0..300).map(|row| f64::from(1 + row % 3)).collect();
    let weighted = Sample { weights: Some(&weights), ..sample(&scores, &labels) };
    let platt = Platt::fit(&weighted).unwrap();
    let sums = scores.iter().zip(&weights).map(|(&score, weight)| weight * sigmoid(platt.apply(score)));
    let positives = labels.iter().zip(&weights).map(|(&label, weight)| weight * f64::from(label));
    assert!((sums.sum::<f64>() - positives.sum::<f64>()).abs() < 1e-9, "{platt:?}");
    assert_eq!(platt.slope, MOST_SLOPE);
    let (scores, labels) = skewed(2000, 0.8, 0.3, 3);
    assert_eq!(Platt::fit(&sample(&scores, &labels)).unwrap().unbounded, None);
}

#[test]
fn isotonic_pools_violators() {
    // Means .5 .5 at the violation of .3 and .4; the lowest score is negative, the highest positive: joined inwards.
    let scores = log_odds([0.1, 0.2, 0.3, 0.4, 0.8, 0.9]);
    let labels = [0, 1, 1, 0, 0, 1].map(|y| y == 1);
    let isotonic = Isotonic::fit(&sample(&scores, &labels)).unwrap();
    // Pools before joining: {.1}: 0, {.2 .3 .4 .8}: .5, {.9}: 1.
    assert_eq!((isotonic.pools(), isotonic.apply(0.0)), (1, 0.0));
    let labels = [0, 1, 0, 1, 0, 1, 1, 1, 0, 1].map(|y| y == 1);
    let scores = log_odds([0.1, 0.1, 0.1, 0.4, 0.4, 0.8, 0.8, 0.8, 0.8, 0.8]);
    let isotonic = Isotonic::fit(&sample(&scores, &labels)).unwrap();
    let got = [0.0, 0.1, 0.25, 0.4, 0.6, 0.8, 1.0].map(|p| sigmoid(isotonic.apply(logit(p))));
    let expected = [1.0 / 3.0, 1.0 / 3.0, 5.0 / 12.0, 0.5, 0.65, 0.8, 0.8];
    got.iter()
        .zip(expected)
        .for_each(|(got, expected)| assert!((got - expected).abs() < 1e-12, "{got} {expected}"));
}

#[test]
fn weights_count_as_copies() {
    let (scores, labels) = skewed(300, 0.7, 0.3, 4);
    let weights: Vec<f64> = (0..300).map(|row| f64::from(1 + row % 3)).collect();
    let copies = |row: &usize| std::iter::repeat_n(*row, 1 + row % 3);
    let rows: Vec<usize> = (0..300).collect::<Vec<_>>().iter().flat_map(copies).collect();
    let (many, of_many): (Vec<f64>, Vec<bool>) = rows.iter().map(|&row| (scores[row], labels[row])).unzip();
    let weighted = Sample { weights: Some(&weights), ..sample(&scores, &labels) };
    let (a, b) = (Isotonic::fit(&weighted).unwrap(), Isotonic::fit(&sample(&many, &of_many)).unwrap());
    let (c, d) = (Platt::fit(&weighted).unwrap(), Platt::fit(&sample(&many, &of_many)).unwrap());
    for p in (0..=100).map(|p| f64::from(p) / 100.0) {
        assert!((a.apply(p) - b.apply(p)).abs() < 1e-12 && (c.apply(p) - d.apply(p)).abs() < 1e-4);
    }
}

#[test]
fn both_are_monotone_keep_the_mean_and_do_not_raise_the_loss() {
    for seed in 0..20 {
        let (scores, labels) =
            skewed(500, 0.3 + 0.1 * (seed % 10) as f64, 0.2 * (seed % 7) as f64 - 0.6, seed);
        let before = Scores::of(&probabilities(&scores), &labels);
        let slice = sample(&scores, &labels);
        let platt = Calibration::Platt(Platt::fit(&slice).unwrap());
        let isotonic = Calibration::Isotonic(Isotonic::fit(&slice).unwrap());
        for (calibration, exact) in [(platt, 1e-6), (isotonic, 1e-9)] {
            let after = Scores::of(&probabilities(&applied(&calibration, &scores)), &labels);
            assert!((after.mean_score - after.base_rate).abs() < exact, "seed {seed}: {after:?}");
            assert!(after.log_loss.unwrap() <= before.log_loss.unwrap() + 1e-9, "seed {seed}");
            let grid: Vec<f64> = (-500..=500).map(|at| calibration.apply(f64::from(at) / 20.0)).collect();
            assert!(grid.windows(2).all(|pair| pair[0] <= pair[1]), "seed {seed}");
            assert!(grid.iter().all(|score| score.is_finite()), "seed {seed}");
        }
    }
}

#[test]
fn the_sampling_correction_is_the_odds_times_the_kept_share() {
    // He et al. 2014, §6.3: average CTR .1 %, negatives kept at .01, so the model says about 10 %.
    let undo = Calibration::Sampling { kept: 0.01 };
    assert!((sigmoid(undo.apply(logit(0.091))) - 0.001).abs() < 1e-5);
    for score in [-800.0, 0.0, 40.0] {
        assert!((undo.apply(score) - score - 0.01f64.ln()).abs() < 1e-9, "{score}");
    }
}

#[test]
fn hard_slices_are_fitted_or_refused() {
    let one = CalibrationError::OneClass { rows: 2, positives: 2 };
    assert_eq!(Platt::fit(&sample(&[0.1, 0.2], &[true, true])), Err(one.clone()));
    assert_eq!(Isotonic::fit(&sample(&[0.1, 0.2], &[true, true])), Err(one));
    let four = log_odds([0.1, 0.2, 0.8, 0.9]);
    let separable = Platt::fit(&sample(&four, &[false, false, true, true])).unwrap();
    assert!(separable.slope == MOST_SLOPE && separable.apply(logit(0.9)) > logit(0.99), "{separable:?}");
    let wrong = Platt::fit(&sample(&four, &[true, true, false, false])).unwrap();
    assert!(wrong.slope == 0.0 && wrong.apply(-0.8).abs() < 1e-9);
    let alike = Platt::fit(&sample(&[-0.8; 4], &[true, false, false, false])).unwrap();
    assert!((sigmoid(alike.apply(-0.8)) - 0.25).abs() < 1e-9, "{alike:?}");
    // Probabilities that round to 0 and to 1.
    let sure = Platt::fit(&sample(&[-800.0, 800.0, -800.0, 800.0], &[false, true, true, false])).unwrap();
    assert!(sure.apply(-800.0).abs() < 2.0 && sure.apply(800.0).abs() < 2.0, "{sure:?}");
    let isotonic = Isotonic::fit(&sample(&[-800.0, 800.0, -800.0, 800.0], &[false, true, true, false]));
    assert_eq!(isotonic.unwrap().apply(800.0), 0.0);
    let none = Platt::fit(&sample(&[0.0, f64::INFINITY], &[true, false])).unwrap_err().to_string();
    assert!(none.starts_with("the score of row 1 of the calibration's slice is inf: expected"), "{none}");
}

#[test]
fn a_saved_calibration_gives_the_same_bits() {
    let (scores, labels) = skewed(400, 0.5, 0.1, 9);
    for calibration in [
        Calibration::Sampling { kept: 0.2 },
        Calibration::Platt(Platt::fit(&sample(&scores, &labels)).unwrap()),
        Calibration::Isotonic(Isotonic::fit(&sample(&scores, &labels)).unwrap()),
        Calibration::None,
    ] {
        let read: Calibration = serde_json::from_str(&serde_json::to_string(&calibration).unwrap()).unwrap();
        assert_eq!(read, calibration);
        assert_eq!(applied(&read, &scores), applied(&calibration, &scores));
    }
}

#[test]
fn a_logistic_blend_finds_the_useful_feature() {
    let (scores, labels) = skewed(20_000, 1.0, 0.0, 2);
    let mut rng = Rng::new(5, "noise");
    let noise: Vec<f64> = (0..scores.len()).map(|_| 1000.0 * rng.normal()).collect();
    let blend = Logistic::fit(&[&scores, &noise], &labels).unwrap();
    assert!((blend.coefficients[0] - 1.0).abs() < 0.05 && blend.coefficients[1].abs() < 1e-4, "{blend:?}");
    let sum: f64 = blend.apply_columns(&[&scores, &noise]).iter().sum();
    let positives = labels.iter().filter(|&&label| label).count() as f64;
    assert!((sum - positives).abs() < 1e-3, "{sum} {positives}");
}
