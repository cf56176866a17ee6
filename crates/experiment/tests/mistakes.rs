//! Figures that common mistakes of experiment statistics would change: `benches/experiment_mutations.py` makes each mistake, and a test must
//! fail. Expected figures are numpy's and scipy's on the same rows.

mod common;

use common::answer;
use semrank_experiment::assign::{Namespace, choose, ranges};
use semrank_experiment::cuped::{Cuped, Pooling};
use semrank_experiment::estimate::{Alternative, Effect, Sample, difference};
use semrank_experiment::hash::growthbook;
use semrank_experiment::moments::Moments;
use semrank_experiment::non_inferiority::{Direction, non_inferiority};
use semrank_experiment::quantile::cap;
use semrank_experiment::relative::{Fieller, fieller, log_ratio, relative_delta};
use semrank_experiment::sequential::ConfidenceSequence;
use semrank_experiment::srm::sample_ratio;
use serde_json::json;

/// Rows of metric and covariate.
const CONTROL: [[f64; 2]; 5] = [[1.0, 2.0], [2.0, 1.0], [3.0, 4.0], [4.0, 3.0], [10.0, 9.0]];
const TREATMENT: [[f64; 2]; 7] =
    [[2.0, 1.0], [5.0, 6.0], [7.0, 5.0], [9.0, 8.0], [11.0, 10.0], [14.0, 12.0], [8.0, 9.0]];

fn near(got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-9 * expected.abs(), "got {got}, expected {expected}");
}

fn arms() -> (Moments, Moments) {
    let arm = |rows: &[[f64; 2]]| Moments::of_rows(2, rows).expect("finite");
    (arm(&CONTROL), arm(&TREATMENT))
}

fn samples() -> (Sample, Sample) {
    let (control, treatment) = arms();
    (Sample::mean(&control, 0).expect("units"), Sample::mean(&treatment, 0).expect("units"))
}

#[test]
fn variances_are_over_n_less_1() {
    let (control, _) = arms();
    near(control.variance(0).expect("units"), 12.5);
    near(control.variance_of(&[1.0, 0.0]).expect("units"), 12.5);
}

#[test]
fn small_arms_have_welchs_degrees_of_freedom_and_students_t() {
    let (control, treatment) = samples();
    let effect = difference(&control, &treatment).expect("finite");
    near(effect.df.expect("t"), 9.313601183928965);
    near(effect.p(Alternative::TwoSided).expect("varies"), 0.09671350589474322);
    near(effect.interval(0.05, Alternative::TwoSided).expect("valid").high, 8.87423693765815);
}

#[test]
fn the_mean_of_control_varies() {
    let (control, treatment) = samples();
    near(relative_delta(&control, &treatment).expect("a base").se, 0.8728715609439694);
    near(log_ratio(&control, &treatment).expect("positive").se, 0.4364357804719847);
    let guard = non_inferiority(&control, &treatment, 0.1, Direction::Increase, 0.05).expect("varies");
    near(guard.random_margin.z, 2.1430354547185497);
    let Fieller::Interval { ci } = fieller((10.0, 1.0), (12.0, 1.0), 0.05).expect("defined") else {
        panic!("control differs from 0")
    };
    near(ci.low, -0.06793156237294784);
    near(ci.high, 0.5638096929747256);
}

/// One theta for both arms, the lift over the unadjusted control mean with its variance.
#[test]
fn covariates_adjust_both_arms_alike() {
    let (control, treatment) = arms();
    let model = Cuped::mean(2);
    let theta = model.theta(&[&control, &treatment], Pooling::Total).expect("units");
    near(theta[0], 1.0650759219088937);
    let all = control.merged(&treatment).expect("columns");
    let adjusted = |arm| model.adjust(arm, &all, &theta).expect("units");
    near(adjusted(&control).value, 6.165654374548083);
    near(adjusted(&treatment).value, 6.45310401817994);
    near(difference(&adjusted(&control), &adjusted(&treatment)).expect("finite").se, 0.6745519588351147);
    let lift = model.relative(&control, &treatment, &theta).expect("a base");
    near(lift.value, 0.07186241090796419);
    near(lift.se, 0.46648294939036467);
}

/// Both arms count, and the p-value belongs to the interval.
#[test]
fn looks_count_the_units_of_both_arms() {
    let case = json!({"alpha": 0.05, "N_star": 5000, "control": [150, 1000], "treatment": [210, 1100]});
    let found = answer("asymptotic_cs", case, json!({"p": 0, "rho": 0, "ci": [0, 0]}));
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or(f64::NAN);
    near(number(&found["rho"]), 0.03984006677137368);
    near(number(&found["p"]), 0.1883779403489611);
    near(number(&found["ci"][1]), 0.04090909090909092 + 0.050966110011884044);
    let case = json!({"alpha": 0.05, "N_star": 5000, "looks": [[150, 1000, 210, 1100]]});
    let found = answer("asymptotic_cs", case, json!({"looks": [{"p": 0}]}));
    near(number(&found["looks"][0]["p"]), 0.1883779403489611);
    let one_sided = ConfidenceSequence::new(0.05, 5_000.0, Alternative::Greater).expect("valid");
    near(one_sided.rho(), 0.03557768852889753);
}

/// Treatment's metric is 4 higher than in [`TREATMENT`].
#[test]
fn a_sequence_with_covariates_has_the_p_value_of_the_adjusted_effect() {
    let control = Moments::of_rows(2, CONTROL).expect("finite");
    let treatment = Moments::of_rows(2, TREATMENT.map(|[y, x]| [y + 4.0, x])).expect("finite");
    let model = Cuped::mean(2);
    let theta = model.theta(&[&control, &treatment], Pooling::Total).expect("units");
    let all = control.merged(&treatment).expect("columns");
    let adjusted = |arm| model.adjust(arm, &all, &theta).expect("units");
    let sequence = ConfidenceSequence::new(0.05, 50.0, Alternative::TwoSided).expect("valid");
    let effect: Effect = difference(&adjusted(&control), &adjusted(&treatment)).expect("finite");
    near(sequence.p(&effect, 12.0).expect("varies"), 0.01213777022054658);
    near(sequence.interval(&effect, 12.0).expect("units").low, 3.364982956306166 - 2.8427378112721877);
    let (c, t) = (Sample::mean(&control, 0).expect("units"), Sample::mean(&treatment, 0).expect("units"));
    let plain = difference(&c, &t).expect("finite");
    near(sequence.p(&plain, 12.0).expect("varies"), 0.01943980273513084);
}

#[test]
fn ends_are_excluded() {
    assert_eq!(choose(0.5, &ranges(1.0, &[0.5, 0.5])), Some(1));
    let bucket = growthbook("__page", "u1", 1);
    let space = |start: f64, end: f64| Namespace { name: "page".into(), start, end };
    assert!(bucket > 0.0 && !space(0.0, bucket).contains("u1") && space(bucket, 1.0).contains("u1"));
}

#[test]
fn both_arms_share_a_cap() {
    let (control, treatment) = ([1.0, 2.0, 3.0, 4.0, 100.0], [5.0, 6.0, 7.0, 8.0]);
    near(cap(&[&control, &treatment], 0.9, false).expect("values"), 26.4);
    near(cap(&[&treatment, &control], 0.9, false).expect("values"), 26.4);
}

#[test]
fn an_arm_without_weight_has_no_degree_of_freedom() {
    let found = sample_ratio(&[480.0, 520.0, 0.0], &[0.5, 0.5, 0.0]).expect("valid");
    near(found.df, 1.0);
    near(found.p, 0.20590321073206466);
}
