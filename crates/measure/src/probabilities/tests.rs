//! Measures of probabilities, against figures computed by another program.

use super::*;
use semrank_core::Rng;

/// Rows with ties in scores, five users, one of whom has only negatives.
fn golden() -> (Vec<u32>, Vec<f64>, Vec<bool>) {
    let rows = [
        (1, 0.9, 1),
        (1, 0.8, 0),
        (1, 0.8, 1),
        (2, 0.3, 0),
        (2, 0.7, 1),
        (2, 0.3, 1),
        (3, 0.1, 0),
        (3, 0.2, 0),
        (4, 0.05, 0),
        (4, 0.6, 1),
        (4, 0.65, 0),
        (5, 0.5, 1),
        (5, 0.5, 0),
        (5, 0.4, 1),
        (5, 0.95, 0),
        (2, 0.0, 0),
        (4, 1.0, 1),
    ];
    let column = |row: &(u32, f64, u32)| (row.0, row.1, row.2 == 1);
    let (mut users, mut scores, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for (user, score, label) in rows.iter().map(column) {
        users.push(user);
        scores.push(score);
        labels.push(label);
    }
    (users, scores, labels)
}

#[test]
fn the_golden_file_gives_the_independent_scorers_numbers() {
    let (users, scores, labels) = golden();
    let of = Scores::of(&scores, &labels);
    let user = grouped_auc(&users, &scores, &labels);
    let round = |value: f64| (value * 1e6).round() / 1e6;
    // The numbers that the formulas give in Python, at full precision and rounded to six places.
    let got = [
        of.base_rate,
        of.auc.unwrap(),
        user.mean.unwrap(),
        of.pr_auc.unwrap(),
        of.log_loss.unwrap(),
        of.ne.unwrap(),
        of.calibration.unwrap(),
        of.ece.unwrap(),
    ]
    .map(round);
    assert_eq!(got, GOLDEN);
    assert_eq!(user.groups, 4);
}

const GOLDEN: [f64; 8] = [0.470588, 0.729167, 0.625, 0.67626, 0.65259, 0.943845, 1.09375, 0.279412];

#[test]
fn auc_is_the_share_of_ordered_pairs() {
    let mut rng = Rng::new(3, "test");
    for _ in 0..50 {
        let n = 2 + rng.below(30);
        let scores: Vec<f64> = (0..n).map(|_| rng.below(8) as f64 / 8.0).collect();
        let labels: Vec<bool> = (0..n).map(|_| rng.below(3) == 0).collect();
        let (mut pairs, mut won) = (0.0, 0.0);
        for (i, j) in
            (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).filter(|&(i, j)| labels[i] && !labels[j])
        {
            pairs += 1.0;
            won += if scores[i] > scores[j] {
                1.0
            } else if scores[i] == scores[j] {
                0.5
            } else {
                0.0
            };
        }
        assert_eq!(auc(&scores, &labels), (pairs > 0.0).then(|| won / pairs));
    }
}

#[test]
fn what_the_labels_do_not_define_is_none() {
    let one_class = Scores::of(&[0.1, 0.2], &[false, false]);
    assert_eq!(
        (one_class.auc, one_class.pr_auc, one_class.ne, one_class.calibration),
        (None, None, None, None)
    );
    let empty = Scores::of(&[], &[]);
    assert_eq!((empty, empty.log_loss, empty.ece), (Scores::default(), None, None), "no row, no loss");
    assert_eq!(grouped_auc(&[1, NO_GROUP], &[0.1, 0.2], &[true, false]).groups, 0);
    assert_eq!(
        Scores::of(&[0.0, 1.0], &[true, false]).log_loss,
        Some(-CLIP.ln()),
        "a certain and wrong score costs at most 28 nats"
    );
}

#[test]
fn the_base_rate_has_normalised_entropy_1_and_calibration_1() {
    let labels: Vec<bool> = (0..100).map(|row| row % 10 < 3).collect();
    let scores = Scores::of(&[0.3; 100], &labels);
    assert!((scores.ne.unwrap() - 1.0).abs() < 1e-12 && (scores.calibration.unwrap() - 1.0).abs() < 1e-12);
    let bins = reliability(&[0.3; 100], &labels, 4);
    assert_eq!((bins.len(), bins.iter().map(|bin| bin.rows).sum::<usize>()), (4, 100));
}

#[test]
fn segments_are_the_measures_of_their_rows() {
    let (users, scores, labels) = golden();
    let table = by_segment(&users, &scores, &labels);
    assert_eq!(table.len(), 5);
    let rows: Vec<usize> = (0..users.len()).filter(|&row| users[row] == 4).collect();
    let of = |row: &usize| (scores[*row], labels[*row]);
    let (some, of_them): (Vec<f64>, Vec<bool>) = rows.iter().map(of).unzip();
    assert_eq!(table[3], (4, Scores::of(&some, &of_them)));
    assert_eq!(worst_calibration(&table, 1.0)[0].0, 2, "1.3 predicted, 2 observed");
}

/// Users of `rows` rows each, whose labels come from known probabilities.
fn simulated(users: usize, rows: usize, seed: u64) -> (Vec<u32>, Vec<f64>, Vec<bool>) {
    let mut rng = Rng::new(seed, "test");
    let keys = (0..users * rows).map(|row| 1000 - (row / rows) as u32).collect();
    let scores: Vec<f64> = (0..users * rows).map(|_| 0.05 + 0.9 * rng.unit()).collect();
    let labels = scores.iter().map(|&p| rng.unit() < p).collect();
    (keys, scores, labels)
}

#[test]
fn a_bootstrap_of_the_same_column_is_zero_and_its_values_are_the_plain_measures() {
    let (users, scores, labels) = simulated(60, 5, 1);
    let shifted: Vec<f64> = scores.iter().map(|p| p * 0.8).collect();
    let settings = BootstrapSettings { resamples: 200, seed: 4 };
    let bootstrap = Bootstrap::new(&[&scores, &scores, &shifted], &labels, &users, settings);
    let plain = Scores::of(&scores, &labels);
    let value = |measure| bootstrap.interval(measure, 0).unwrap().value;
    let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
    assert!(
        close(value(Measure::Auc), plain.auc.unwrap())
            && close(value(Measure::LogLoss), plain.log_loss.unwrap())
    );
    assert!(close(value(Measure::Ne), plain.ne.unwrap()));
    assert!(close(value(Measure::UserAuc), grouped_auc(&users, &scores, &labels).mean.unwrap()));
    for measure in [Measure::Auc, Measure::UserAuc, Measure::LogLoss, Measure::Ne, Measure::Calibration] {
        let none = bootstrap.difference(measure, 0, 1).unwrap();
        assert_eq!(none, Interval { value: 0.0, low: 0.0, high: 0.0 }, "{measure:?}");
    }
    // A monotone change keeps every order, but not the loss.
    assert_eq!(bootstrap.difference(Measure::Auc, 0, 2).unwrap().high, 0.0);
    assert!(bootstrap.difference(Measure::LogLoss, 0, 2).unwrap().value < 0.0);
    let means = bootstrap.contrast(Measure::Ne, &[0, 2], &[1]).unwrap();
    let half = bootstrap.difference(Measure::Ne, 2, 1).unwrap();
    assert!(close(means.value, half.value / 2.0) && close(means.low, half.low / 2.0), "a mean over columns");
    let again = Bootstrap::new(&[&scores, &scores, &shifted], &labels, &users, settings);
    assert_eq!(again.difference(Measure::Ne, 0, 2), bootstrap.difference(Measure::Ne, 0, 2));
}

#[test]
fn a_draw_counts_all_rows_of_a_user_as_often_as_it_was_drawn() {
    let (users, scores, labels) = simulated(20, 4, 2);
    let settings = BootstrapSettings { resamples: 1, seed: 9 };
    let drawn = Bootstrap::new(&[&scores], &labels, &users, settings);
    // The reference copies rows: user key 1000 - k is dense user 19 - k.
    let mut rng = Rng::new(9, "user bootstrap").fork(0);
    let mut rows = Vec::new();
    for _ in 0..20 {
        let user = 1000 - 19 + rng.below(20) as u32;
        rows.extend((0..users.len()).filter(|&row| users[row] == user));
    }
    let some: Vec<f64> = rows.iter().map(|&row| scores[row]).collect();
    let of_them: Vec<bool> = rows.iter().map(|&row| labels[row]).collect();
    let expected = Scores::of(&some, &of_them);
    let got = |measure| drawn.interval(measure, 0).unwrap().low;
    for (got, expected) in [
        (got(Measure::Auc), expected.auc.unwrap()),
        (got(Measure::Ne), expected.ne.unwrap()),
        (got(Measure::LogLoss), expected.log_loss.unwrap()),
        (got(Measure::Calibration), expected.calibration.unwrap()),
    ] {
        assert!((got - expected).abs() < 1e-12, "{got} {expected}");
    }
}

/// With one row per user the standard error of a mean loss is known.
#[test]
fn the_interval_has_the_width_of_the_normal_approximation() {
    let (_, scores, labels) = simulated(2000, 1, 5);
    let users: Vec<u32> = (0..2000).collect();
    let interval = Bootstrap::new(&[&scores], &labels, &users, BootstrapSettings::default());
    let interval = interval.interval(Measure::LogLoss, 0).unwrap();
    let losses: Vec<f64> = scores.iter().zip(&labels).map(|(&p, &y)| log_loss(p, y)).collect();
    let mean = losses.iter().sum::<f64>() / 2000.0;
    let variance = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / 2000.0;
    let half = 1.96 * (variance / 2000.0).sqrt();
    assert!((interval.low - (mean - half)).abs() < 0.15 * half, "{interval:?} {half}");
    assert!((interval.high - (mean + half)).abs() < 0.15 * half, "{interval:?} {half}");
}

#[test]
fn one_user_has_no_interval() {
    let labels = [true, false, true, false, true];
    let scores = [0.9, 0.2, 0.6, 0.7, 0.5];
    let of = |users: [u32; 5]| Bootstrap::new(&[&scores], &labels, &users, BootstrapSettings::default());
    let one = of([7; 5]);
    assert_eq!((one.interval(Measure::Auc, 0), one.difference(Measure::Ne, 0, 0)), (None, None));
    // Two users, of whom one has labels of both kinds.
    let two = of([7, 7, 7, 7, 8]);
    assert!(two.interval(Measure::Auc, 0).is_some());
    assert_eq!(two.interval(Measure::UserAuc, 0), None);
}
