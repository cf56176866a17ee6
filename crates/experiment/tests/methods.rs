//! What no reference case covers: each method against a closed form, a mirror image, or a slower way to the same number.

use semrank_experiment::assign::{Assignment, Hash, Namespace, planout_ops};
use semrank_experiment::bootstrap::{Statistic, enumerate, resample};
use semrank_experiment::boundary::bernoulli;
use semrank_experiment::cuped::{Cuped, Pooling};
use semrank_experiment::distribution::normal_lower;
use semrank_experiment::estimate::{Alternative, Sample, difference};
use semrank_experiment::few::{sign_flip, signed_rank};
use semrank_experiment::interleave::{balanced, team_draft, team_draft_outcomes, wins, with_sponsored};
use semrank_experiment::moments::Moments;
use semrank_experiment::non_inferiority::{Direction, non_inferiority};
use semrank_experiment::offpolicy::Weighted;
use semrank_experiment::random::Stream;
use semrank_experiment::sequential::ConfidenceSequence;
use semrank_experiment::spending::{Spending, bounds, power};
use semrank_experiment::srm::SequentialSrm;
use semrank_experiment::strata::{Cell, post_stratify};
use semrank_experiment::survival::{Click, kaplan_meier, kaplan_meier_by_unit, same_pace};
use std::collections::BTreeMap;

fn near(got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "got {got}, expected {expected} within {tolerance}");
}

fn clicks(stream: &mut Stream, n: usize, mean: f64) -> Vec<Click> {
    let mut click = || {
        let age_days = 14.0 * stream.uniform();
        let delay = mean * stream.exponential();
        Click { age_days, delay_days: (stream.uniform() < 0.3 && delay <= age_days).then_some(delay) }
    };
    (0..n).map(|_| click()).collect()
}

#[test]
fn hazards_by_unit_agree_with_greenwood_and_grow_with_repeated_clicks() {
    let once = clicks(&mut Stream::new(1), 2_000, 3.0);
    let units: Vec<u64> = (0..2_000).collect();
    let greenwood = kaplan_meier(&once, 7.0).expect("old clicks");
    let by_unit = kaplan_meier_by_unit(&once, &units, 7.0).expect("old clicks");
    near(by_unit.se / greenwood.se, 1.0, 0.03);
    let twice: Vec<Click> = once.iter().flat_map(|click| [*click, *click]).collect();
    let owners: Vec<u64> = units.iter().flat_map(|unit| [*unit, *unit]).collect();
    let repeated = kaplan_meier_by_unit(&twice, &owners, 7.0).expect("old clicks");
    near(repeated.value, greenwood.value, 1e-12);
    near(repeated.se / greenwood.se, 1.0, 0.03);
    assert!(kaplan_meier(&once, 15.0).is_err(), "no click is 15 days old");
}

#[test]
fn a_faster_arm_is_seen_and_an_equal_one_is_not() {
    let mut stream = Stream::new(2);
    let (slow, same, fast) =
        (clicks(&mut stream, 4_000, 3.0), clicks(&mut stream, 4_000, 3.0), clicks(&mut stream, 4_000, 1.0));
    assert!(same_pace(&slow, &same, 7.0).expect("conversions").1 > 0.01);
    let (z, p) = same_pace(&slow, &fast, 7.0).expect("conversions");
    assert!(z < 0.0 && p < 1e-6, "z {z}, p {p}");
}

#[test]
fn group_sequential_power_is_alpha_without_effect_and_normal_with_one_look() {
    let looks = [0.2, 0.5, 1.0];
    for spending in [Spending::ObrienFleming, Spending::Pocock, Spending::Power { phi: 1.5 }] {
        let found = bounds(&spending, &looks, 0.05, 2.0).expect("valid");
        near(power(&found.z, &looks, 0.0).expect("equal lengths"), 0.025, 1e-9);
        let one = bounds(&spending, &[1.0], 0.05, 2.0).expect("valid").z;
        near(one[0], 1.959_963_984_540_054, 1e-9);
        near(power(&one, &[1.0], 2.8).expect("equal lengths"), normal_lower(2.8 - one[0]), 1e-9);
    }
    assert!(bounds(&Spending::Pocock, &[0.5, 0.4], 0.05, 2.0).is_err());
}

#[test]
fn a_metric_that_should_not_rise_mirrors_one_that_should_not_fall() {
    let sample = |value: f64| Sample { n: 1_000.0, value, variance: 2.0 };
    let rise = non_inferiority(&sample(3.0), &sample(3.1), 0.05, Direction::Decrease, 0.05).expect("varies");
    let fall =
        non_inferiority(&sample(-3.0), &sample(-3.1), 0.05, Direction::Increase, 0.05).expect("varies");
    near(rise.random_margin.z, fall.random_margin.z, 1e-12);
    near(rise.bound, -fall.bound, 1e-12);
    assert!(rise.random_margin.z < rise.fixed_margin.z, "the margin's own variance widens");
}

#[test]
fn resampling_approaches_the_enumerated_bootstrap() {
    let (c, t) = ([0.0, 1.5, 0.0, 7.2, 2.2], [3.1, 0.0, 4.8, 9.9, 0.7, 1.0]);
    for statistic in [Statistic::Mean, Statistic::Median] {
        let exact = enumerate(&c, &t, statistic).expect("few");
        let drawn = resample(&c, &t, statistic, 100_000, 3).expect("units");
        near(drawn.mean(), exact.mean(), 0.03);
        near(drawn.se() / exact.se(), 1.0, 0.02);
    }
    assert!(enumerate(&[1.0; 30], &[2.0; 30], Statistic::Mean).is_err(), "too many to enumerate");
    assert!(enumerate(&[0.0; 3], &[2.0; 3], Statistic::Lift).is_err(), "a lift over 0");
}

#[test]
fn several_covariates_leave_nothing_to_explain() {
    let mut stream = Stream::new(4);
    let mut arm = |n: usize| {
        let row = |_| {
            let (x, z) = (stream.normal(), stream.uniform());
            [x + 2.0 * z + stream.normal(), x, z, 2.0 * x - z]
        };
        Moments::of_rows(4, (0..n).map(row).collect::<Vec<_>>()).expect("finite")
    };
    let (c, t) = (arm(300), arm(200));
    let theta = Cuped::mean(4).theta(&[&c, &t], Pooling::Total).expect("units");
    assert_eq!(theta[2], 0.0, "the third covariate is a combination of the others");
    let all = c.merged(&t).expect("columns");
    let residual = [1.0, -theta[0], -theta[1], -theta[2]];
    for covariate in 1..4 {
        let mut unit = [0.0; 4];
        unit[covariate] = 1.0;
        near(all.covariance_of(&residual, &unit).expect("units"), 0.0, 1e-12);
    }
}

#[test]
fn one_stratum_is_the_plain_difference_and_small_cells_join() {
    let values = |shift: f64, n: u32| {
        Moments::of_rows(1, (0..n).map(|at| [shift + f64::from(at * at % 7)])).expect("finite")
    };
    let cell = Cell { control: values(0.0, 40), treatment: values(1.0, 30) };
    let plain = difference(
        &Sample::mean(&cell.control, 0).expect("units"),
        &Sample::mean(&cell.treatment, 0).expect("units"),
    )
    .expect("finite");
    let found = post_stratify(std::slice::from_ref(&cell), false).expect("units");
    near(found.absolute.value, plain.value, 1e-12);
    near(found.absolute.se, plain.se, 1e-12);
    let small = Cell { control: values(0.0, 1), treatment: values(5.0, 9) };
    assert_eq!(post_stratify(&[small.clone(), cell.clone(), cell], false).expect("units").cells, 2);
    assert!(post_stratify(&[small], false).is_err(), "one unit has no variance");
}

#[test]
fn team_drafts_follow_their_probabilities_and_users_count_once() {
    let rankings = vec![vec![1, 2, 3], vec![2, 3, 1]];
    let outcomes = team_draft_outcomes(&rankings, 3).expect("few");
    near(outcomes.iter().map(|(_, p)| p).sum(), 1.0, 1e-12);
    let (mut stream, mut seen) = (Stream::new(5), BTreeMap::new());
    for _ in 0..20_000 {
        *seen.entry(team_draft(&rankings, 3, &mut stream)).or_insert(0.0) += 1.0 / 20_000.0;
    }
    outcomes.iter().for_each(|(mixed, p)| near(seen[mixed], *p, 0.015));
    let mixed = &outcomes[0].0;
    let (first, second) = (mixed.teams[0].clone(), mixed.teams[1].clone());
    let rows = [(1, &first), (1, &first), (1, &second), (2, &second)];
    assert_eq!(wins(rows.iter().map(|(user, clicked)| (*user, mixed, &clicked[..1]))), [1.0, 1.0, 0.0]);
    assert_eq!(with_sponsored(&[1, 2, 3], &[(1, 9)].into()), [1, 9, 2, 3]);
    assert_eq!(balanced([&[1, 2], &[1]], 1, 3), [1]);
}

#[test]
fn assignment_excludes_and_refuses() {
    let space = |start, end| Some(Namespace { name: "page".into(), start, end });
    let arm = |namespace: Option<Namespace>, unit: &str| {
        Assignment { salt: "s".into(), hash: Hash::Wide, weights: vec![0.5, 0.5], coverage: 1.0, namespace }
            .arm(unit)
    };
    for at in 0..500 {
        let unit = format!("u{at}");
        assert!(arm(space(0.0, 0.4), &unit).is_some() != arm(space(0.4, 1.0), &unit).is_some());
        assert!((3..=9).contains(&planout_ops::integer("e", "p", &unit, 3, 9)));
    }
}

#[test]
fn edges_have_answers() {
    assert_eq!(bernoulli(0.0, 50.0, 0.05, 100.0, 0.05).expect("valid").low, 0.0);
    assert_eq!(bernoulli(50.0, 50.0, 0.05, 100.0, 0.05).expect("valid").high, 1.0);
    assert!(bernoulli(51.0, 50.0, 0.05, 100.0, 0.05).is_err());
    near(signed_rank(&[1.0, 1.0, -1.0, 0.0]).expect("pairs"), 1.0, 1e-12);
    near(sign_flip(&[1.0, 2.0, 3.0], 0).expect("pairs").p, 0.25, 1e-12);
    let step = |weights: &[f64], batch: &[f64]| {
        SequentialSrm::new(weights, 100.0).expect("valid").add(batch).expect("valid").0
    };
    near(step(&[0.5, 0.5, 0.0], &[40.0, 60.0, 7.0]), step(&[1.0, 1.0], &[40.0, 60.0]), 1e-12);
    let thin = Weighted::new([(1.0, 0.5, 0.5), (0.0, 0.5, 0.4)]).expect("two rows");
    assert!(thin.check().expect_err("two rows say nothing").to_string().contains("at least 100"));
}

/// The one-sided p-value crosses alpha exactly where the bound leaves 0.
#[test]
fn one_sided_sequences_agree_with_their_p_value() {
    let sequence = ConfidenceSequence::new(0.05, 5_000.0, Alternative::Greater).expect("valid");
    for n in [500.0, 5_000.0, 50_000.0] {
        let edge = semrank_experiment::estimate::Effect { value: sequence.width(n), se: 1.0, df: None };
        near(sequence.p(&edge, n).expect("varies"), 0.05, 1e-12);
        near(sequence.interval(&edge, n).expect("units").low, 0.0, 1e-12);
    }
}
