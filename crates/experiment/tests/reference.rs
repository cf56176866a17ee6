//! Golden cases of `../shared/reference/experiment_cases.json`: published figures of growthbook, tea-tasting, spotify, statsmodels.
//!
//! Left out: `cuped_theta_zero_variance` has no inputs, `calibration_by_simulation_here` no generator (see `calibration.rs`), and
//! `gorse_ranking_metrics` belongs to `semrank-measure`.

mod common;

use semrank_experiment::assign::{choose, ranges};
use semrank_experiment::cuped::{Cuped, Pooling};
use semrank_experiment::estimate::{Alternative, Effect, Sample, difference};
use semrank_experiment::hash::growthbook;
use semrank_experiment::interleave::team_draft_outcomes;
use semrank_experiment::moments::Moments;
use semrank_experiment::multiplicity::{Method, adjust};
use semrank_experiment::power::{Goal, student_units};
use semrank_experiment::relative::relative_delta;
use semrank_experiment::sequential::ConfidenceSequence;
use semrank_experiment::srm::sample_ratio;
use serde_json::Value;

fn cases() -> Option<Value> {
    let path = common::shared("reference/experiment_cases.json")?;
    Some(serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON"))
}

fn f(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(f).collect()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// Figures are printed with five digits.
fn printed(got: f64, expected: &Value) {
    assert!((got - f(expected)).abs() < 6e-6, "got {got}, printed {expected}");
}

fn samples(case: &Value) -> (Sample, Sample) {
    let arm = |arm: &Value| {
        let moments = Moments::from_sums(f(&arm["n"]), &[f(&arm["sum"])], &[f(&arm["ss"])]).expect("sums");
        Sample::mean(&moments, 0).expect("two units")
    };
    (arm(&case["a"]), arm(&case["b"]))
}

#[test]
fn growthbook_statistics() {
    let Some(file) = cases() else { return };
    let cases = items(&file["growthbook_stats"]["cases"]);
    let check = |effect: &Effect, expect: &Value| {
        printed(effect.value, &expect["d"]);
        printed(effect.se, &expect["se"]);
        let ci = effect.interval(0.05, Alternative::TwoSided).expect("valid");
        printed(ci.low, &expect["ci"][0]);
        printed(ci.high, &expect["ci"][1]);
        printed(effect.p(Alternative::TwoSided).expect("varies"), &expect["p"]);
    };
    let (a, b) = samples(&cases[0]);
    check(&relative_delta(&a, &b).expect("a base"), &cases[0]["expect"]);
    let (a, b) = samples(&cases[1]);
    check(&difference(&a, &b).expect("finite"), &cases[1]["expect"]);

    let (a, b) = samples(&cases[2]);
    let effect = relative_delta(&a, &b).expect("a base");
    let sequence = ConfidenceSequence::new(0.05, 1000.0, Alternative::TwoSided).expect("valid");
    let ci = sequence.interval(&effect, a.n + b.n).expect("units");
    printed(effect.value, &cases[2]["expect"]["d"]);
    printed(ci.low, &cases[2]["expect"]["ci"][0]);
    printed(ci.high, &cases[2]["expect"]["ci"][1]);
    printed(sequence.p(&effect, a.n + b.n).expect("varies"), &cases[2]["expect"]["p"]);

    let (post, pre) = (list(&cases[3]["post"]), list(&cases[3]["pre"]));
    let rows = |range: std::ops::Range<usize>| {
        Moments::of_rows(2, range.map(|at| [post[at], pre[at]])).expect("rows")
    };
    let theta = Cuped::mean(2).theta(&[&rows(0..2), &rows(2..4)], Pooling::Total).expect("rows");
    printed(theta[0], &cases[3]["expect"]["theta"]);
}

#[test]
fn multiplicity_srm_and_power() {
    let Some(file) = cases() else { return };
    let family = &file["multiplicity"];
    let p: Vec<Option<f64>> = list(&family["p"]).into_iter().map(Some).collect();
    for (name, method) in [("BH", Method::Bh), ("BY", Method::By), ("Holm", Method::Holm)] {
        for (got, expected) in
            adjust(&p, method).expect("valid").into_iter().flatten().zip(list(&family[name]))
        {
            assert!((got - expected).abs() < 1e-12, "{name}: got {got}, expected {expected}");
        }
    }
    for case in items(&file["srm_chi2"]) {
        let p = sample_ratio(&list(&case["users"]), &list(&case["weights"])).expect("valid").p;
        assert!((p / f(&case["p"]) - 1.0).abs() < 1e-9, "got {p}");
    }
    let goal = Goal { alpha: 0.05, power: 0.8, sides: 2.0 };
    let n = student_units(0.5, 1.0, &goal).expect("reachable");
    assert!((n - f(&file["power"]["n_per_arm"])).abs() < 6e-4, "got {n}");
}

#[test]
fn growthbook_assignment() {
    let Some(file) = cases() else { return };
    for row in items(&file["growthbook_hash"]) {
        let (seed, value) = (row[0].as_str().expect("a seed"), row[1].as_str().expect("a value"));
        let got = growthbook(seed, value, row[2].as_u64().expect("a version") as u8);
        assert_eq!(got, f(&row[3]), "{row}");
    }
    for row in items(&file["growthbook_bucket_range"]) {
        let (arms, coverage) = (row[1][0].as_u64().expect("a count") as usize, f(&row[1][1]));
        let weights = row[1][2].as_array().map(|_| list(&row[1][2])).filter(|weights| weights.len() == arms);
        let got = ranges(coverage, &weights.unwrap_or_else(|| vec![1.0 / arms as f64; arms]));
        for ((start, end), expected) in got.iter().zip(items(&row[2])) {
            assert!(
                (start - f(&expected[0])).abs() < 1e-9 && (end - f(&expected[1])).abs() < 1e-9,
                "{row}: {got:?}"
            );
        }
        assert_eq!(got.len(), items(&row[2]).len(), "{row}");
    }
    for row in items(&file["growthbook_choose"]) {
        let ranges: Vec<(f64, f64)> =
            items(&row[2]).iter().map(|range| (f(&range[0]), f(&range[1]))).collect();
        let got = choose(f(&row[1]), &ranges).map_or(-1, |arm| arm as i64);
        assert_eq!(got, row[3].as_i64().expect("an arm"), "{row}");
    }
}

#[test]
fn spotify_proportions_and_team_draft() {
    let Some(file) = cases() else { return };
    let family = &file["proportion_z_spotify"];
    let arm = |name: &str| {
        Sample::proportion(f(&family["data"][name][0]), f(&family["data"][name][1])).expect("valid")
    };
    let against = |name: &str| difference(&arm("control"), &arm(name)).expect("finite").normal();
    let effect = against("treatment1");
    let ci = effect.interval(0.05, Alternative::TwoSided).expect("valid");
    printed(0.5 * (ci.high - ci.low), &family["ci_half_width"]);
    printed(effect.p(Alternative::TwoSided).expect("varies"), &family["p"]);
    let names = ["treatment1", "treatment2", "treatment3"];
    let p = names.map(|name| Some(against(name).p(Alternative::TwoSided).expect("varies")));
    for (got, expected) in adjust(&p, Method::Bonferroni)
        .expect("valid")
        .into_iter()
        .zip(items(&family["bonferroni_adjusted_p"]))
    {
        printed(got.expect("given"), expected);
    }
    let draft = &file["interleaving_team_draft"];
    let rankings: Vec<Vec<u64>> = items(&draft["rankings"])
        .iter()
        .map(|row| list(row).iter().map(|&item| item as u64).collect())
        .collect();
    let outcomes = team_draft_outcomes(&rankings, draft["k"].as_u64().expect("k") as usize).expect("few");
    assert_eq!(outcomes.len() as u64, draft["distinct_outcomes"].as_u64().expect("a count"));
}
