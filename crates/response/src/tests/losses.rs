//! What samples cost: gradients against finite differences, and the entire-space product, whose gradient vanishes at the truth.

use super::*;
use crate::delay::*;
use crate::loss::{Head, Losses, log_seconds};
use crate::samples::{Plan, Sample, Samples};

const CONVERSION: usize = 1;
const COLUMNS: HeadColumns =
    HeadColumns { conversion: Some(CONVERSION), dwell: Some(7), hazards: 2, count: 8 };
const WINDOW: f64 = 7.0;

/// The weighted loss as the papers have it; the importance weight of a sample and its share in the product are given.
fn cost(losses: &Losses, (sample, dwell_ms): (Sample, i32), [weight, product]: [f64; 2], z: &[f64]) -> f64 {
    let settings = losses.settings;
    let entropy = |logit: f64, label: bool| cross_entropy(logit, label, 1.0).0;
    let both =
        |label: bool| settings.entire_space * product_cross_entropy([z[0], z[CONVERSION]], label, 1.0).0;
    let model = DelayModel {
        logit: z[CONVERSION],
        log_rate: z[HeadColumns::rate(CONVERSION)],
        log_shape: losses.log_shape,
        window: WINDOW,
    };
    let [late, real] = [HeadColumns::delayed(CONVERSION), HeadColumns::real_negative(CONVERSION)];
    match sample {
        Sample::Click(clicked) => {
            let dwell = if clicked { (z[7] - log_seconds(dwell_ms)).powi(2) / 2.0 } else { 0.0 };
            let product = if clicked { 0.0 } else { both(false) };
            settings.click_weight * entropy(z[0], clicked) + product + settings.dwell_weight * dwell
        }
        Sample::EarlyClick => settings.click_weight * entropy(z[0], true),
        Sample::Dwell => settings.dwell_weight * (z[7] - log_seconds(dwell_ms)).powi(2) / 2.0,
        Sample::Conversion(label) | Sample::Fake(label) | Sample::Elapsed(label) => {
            settings.conversion_weight * weight * entropy(z[CONVERSION], label) + product * both(label)
        }
        Sample::Late { delayed, real_negative } => {
            entropy(z[late], delayed) + real_negative.map_or(0.0, |label| entropy(z[real], label))
        }
        Sample::Stretch { stretch, converted } => {
            let hazard = z[HeadColumns::hazard(CONVERSION, stretch)];
            settings.conversion_weight * entropy(z[CONVERSION] + hazard, converted)
        }
        Sample::Nothing { from, to } => settings.conversion_weight * model.nothing_between(from, to).loss,
        Sample::Arrived { from, at } => settings.conversion_weight * model.converted(from, at).loss,
    }
}

#[test]
fn every_samples_gradient_agrees_with_finite_differences() {
    let settings = PointwiseSettings {
        click_weight: 0.7,
        conversion_weight: 1.3,
        entire_space: 0.4,
        dwell_weight: 0.2,
        ..PointwiseSettings::default()
    };
    let losses = |log_shape| Losses { columns: COLUMNS, settings: &settings, window_days: WINDOW, log_shape };
    let (shown, clicked) = (-1, 3500);
    let z = [-0.8, 0.3, -1.1, 0.9, -0.4, 0.2, -0.6, 1.7];
    let p = sigmoid(z[CONVERSION]);
    let (late, real) = (sigmoid(z[2]), sigmoid(z[3]));
    for (sample, dwell_ms, weights) in [
        (Sample::Click(false), shown, [0.0; 2]),
        (Sample::Click(true), clicked, [0.0; 2]),
        (Sample::EarlyClick, clicked, [0.0; 2]),
        (Sample::Dwell, clicked, [0.0; 2]),
        (Sample::Conversion(true), clicked, [1.0; 2]),
        (Sample::Conversion(false), clicked, [1.0; 2]),
        (Sample::Fake(true), clicked, [1.0 + p, 1.0]),
        (Sample::Fake(false), clicked, [(1.0 + p) * (1.0 - p), 1.0 - p]),
        (Sample::Elapsed(true), clicked, [1.0 + late, 1.0]),
        (Sample::Elapsed(false), clicked, [(1.0 + late) * real, real]),
        (Sample::Late { delayed: true, real_negative: Some(false) }, clicked, [0.0; 2]),
        (Sample::Late { delayed: false, real_negative: None }, clicked, [0.0; 2]),
        (Sample::Stretch { stretch: 1, converted: true }, clicked, [0.0; 2]),
        (Sample::Stretch { stretch: 0, converted: false }, clicked, [0.0; 2]),
        (Sample::Nothing { from: 0.5, to: 2.0 }, clicked, [0.0; 2]),
        (Sample::Arrived { from: 0.5, at: 1.5 }, clicked, [0.0; 2]),
    ] {
        let mut got = [0.0; COLUMNS.count];
        let found = losses(0.3).of(sample, dwell_ms, &z, &mut got);
        let at = |z: &[f64], log_shape: f64| cost(&losses(log_shape), (sample, dwell_ms), weights, z);
        for (column, got) in got.into_iter().enumerate() {
            let nudged = |by: f64| {
                let mut z = z;
                z[column] += by;
                at(&z, 0.3)
            };
            let slope = (nudged(1e-5) - nudged(-1e-5)) / 2e-5;
            assert!((got - slope).abs() < 1e-8, "{sample:?} [{column}]: {got} {slope}");
        }
        let slope = (at(&z, 0.3 + 1e-5) - at(&z, 0.3 - 1e-5)) / 2e-5;
        assert!((found.shape - slope).abs() < 1e-8, "{sample:?}, shape: {} {slope}", found.shape);
        let head = match sample {
            Sample::Click(_) | Sample::EarlyClick => Head::Click,
            Sample::Dwell => Head::Dwell,
            Sample::Late { .. } | Sample::Nothing { .. } | Sample::Arrived { .. } => Head::Delay,
            _ => Head::Conversion,
        };
        assert!(found.losses[head as usize].is_some_and(|loss| loss > 0.0), "{sample:?}");
    }
}

/// With all labels known, every way of learning labels leaves the product where it is when it is the share of rows that convert.
#[test]
fn the_products_gradient_vanishes_at_the_share_of_rows_that_convert() {
    let mut world = World::new(900, 3);
    world.examples.parts = vec![Part::Train; 900];
    world.examples.log_end = Some(i64::MAX / 2);
    let settings = PointwiseSettings {
        click_weight: 0.0,
        conversion_weight: 0.0,
        dwell_weight: 0.0,
        entire_space: 1.0,
        wait_hours: 12.0,
        ..PointwiseSettings::default()
    };
    let labels = world.labels();
    let count = |of: &dyn Fn(usize) -> bool| (0..900).filter(|&row| of(row)).count() as f64;
    let clicks = count(&|row| world.examples.clicks[row]);
    let conversions = count(&|row| labels.conversion_time(row).is_some());
    let wait = 12 * HOUR_MS;
    let late = count(&|row| labels.conversion_time(row).is_some_and(|at| at > labels.click_time(row) + wait));
    let log_odds = |p: f64| (p / (1.0 - p)).ln();
    let mut z = [0.0; COLUMNS.count];
    z[0] = log_odds(clicks / 900.0);
    z[CONVERSION] = log_odds(conversions / clicks);
    z[HeadColumns::delayed(CONVERSION)] = log_odds(late / clicks);
    z[HeadColumns::real_negative(CONVERSION)] =
        log_odds((clicks - conversions) / (clicks - conversions + late));
    let losses = Losses { columns: COLUMNS, settings: &settings, window_days: 2.0, log_shape: 0.0 };
    for delay in [Delay::Window, Delay::Naive, Delay::FakeNegativeWeighted, Delay::Elapsed] {
        let mut samples = Samples::new(Plan::new((labels, delay), None, &settings, true, false, 1));
        let mut sum = [0.0; COLUMNS.count];
        while let Some(timed) = samples.next_before(i64::MAX) {
            losses.of(timed.sample, -1, &z, &mut sum);
        }
        assert!(sum[0].abs() < 1e-9 && sum[CONVERSION].abs() < 1e-9, "{delay:?}: {sum:?}");
    }
}
