//! Plans, few units, logs and weights as `verify` answers them beyond the reference file.

mod common;

use common::answer;
use semrank_experiment::verify::verify_with;
use serde_json::{Value, json};

/// The value of one key.
fn number(group: &str, case: &Value, key: &str) -> f64 {
    answer(group, case.clone(), json!({key: 0}))[key].as_f64().unwrap_or(f64::NAN)
}

fn near(got: f64, expected: f64, relative: f64) {
    assert!((got - expected).abs() <= relative * expected.abs(), "got {got}, expected {expected}");
}

fn orders(more: Value) -> Value {
    let mut case = json!({"mean": 0.47, "variance": 0.6556565656565659, "n_obs": 10000, "power": 0.8, "alpha": 0.05,
        "distribution": "noncentral t"});
    more.as_object().into_iter().flatten().for_each(|(key, value)| case[key] = value.clone());
    case
}

/// tea-tasting 1.14.0.
#[test]
fn one_sided_power_and_effect() {
    let greater = orders(json!({"alternative": "greater", "relative_effect_size": 0.1}));
    near(number("power_2", &greater, "power"), 0.895653144822902, 1e-9);
    near(number("power_2", &greater, "power_at_10000"), 0.895653144822902, 1e-9);
    let less = orders(json!({"alternative": "less"}));
    near(number("power_2", &less, "mde_absolute_at_10000"), -0.04027000268908317, 1e-9);
    near(number("power_2", &less, "mde_relative_at_10000"), -0.08568085678528335, 1e-9);
    let several =
        orders(json!({"alternative": "greater", "relative_effect_size": 0.1, "n_obs": [10000, 20000]}));
    let found = answer("power_2", several, json!({"power": []}))["power"].clone();
    near(found[0].as_f64().unwrap_or(f64::NAN), 0.895653144822902, 1e-9);
    assert!(found[1].as_f64() > found[0].as_f64(), "{found}");
}

#[test]
fn the_normal_and_the_ratio_are_used() {
    let power = |more: Value| number("power_2", &orders(more), "power");
    let student = power(json!({"relative_effect_size": 0.1}));
    let normal = power(json!({"relative_effect_size": 0.1, "distribution": "normal"}));
    assert!(normal > student && normal - student < 1e-3, "{normal} {student}");
    assert!(power(json!({"relative_effect_size": 0.1, "ratio": 4})) < student - 0.1);
    let even = json!({"baseline": 0.05, "relative_lift": 0.1});
    let uneven = json!({"baseline": 0.05, "relative_lift": 0.1, "ratio": 4});
    assert!(number("power_2", &uneven, "n_both_arms") > number("power_2", &even, "n_both_arms"));
}

#[test]
fn the_variance_under_the_null_is_that_of_the_words_before_it() {
    let case = json!({"baseline": 0.05, "relative_lift": 0.1, "alpha": 0.05, "power": 0.8,
        "distribution": "normal, pooled under the null, unpooled under the alternative"});
    near(number("power_2", &case, "n_per_arm"), 31233.4379, 1e-8);
    assert_eq!(number("power_2", &case, "rounded_up"), 31234.0);
}

#[test]
fn the_smallest_lift_of_a_proportion() {
    let case = json!({"baseline": 0.05, "n_per_arm": 752699.717644, "power": 0.8});
    for key in ["relative_lift", "mde_relative", "relative_mde"] {
        near(number("power_2", &case, key), 0.02, 1e-9);
    }
    for key in ["absolute_lift", "mde_absolute", "absolute_mde", "mde"] {
        near(number("power_2", &case, key), 0.001, 1e-9);
    }
}

#[test]
fn few_units_are_exact_to_12_against_12_and_25_pairs() {
    let units = |shift: u64| (0..12).map(|at| json!((at * 7 + shift) % 11)).collect::<Value>();
    let case = json!({"control": units(0), "treatment": units(3)});
    assert_eq!(number("few_units", &case, "assignments"), 2_704_156.0);
    // Only all signs alike reach the sum of 25 equal differences.
    let pairs: Vec<[u32; 2]> = vec![[1, 2]; 25];
    near(number("few_units", &json!({"campaigns": pairs}), "sign_flip_p"), 2.0_f64.powi(-24), 1e-12);
}

#[test]
fn unknown_hash_versions_have_no_bucket() {
    let case = json!({"seed_value_version": [["a", "b", 2], ["a", "b", 258], ["a", "b", 0], ["a", "b", 3]]});
    let found = answer("hash_vectors", case, json!({"growthbook": []}))["growthbook"].clone();
    assert!(found[0].is_number() && [1, 2, 3].iter().all(|&at| found[at].is_null()), "{found}");
}

#[test]
fn an_id_counts_once_over_all_units() {
    let case = json!({"arms": ["c", "t"], "start": 0, "end": 10, "as_of": 100, "windows": {"click": 5},
        "exposure_columns": ["event_id", "unit", "arm", "time_h", "received_h", "would_differ", "bot"],
        "exposures": [["e1", "u1", "c", 1, 1, false, false], ["e2", "u2", "t", 1, 1, false, false],
            ["e1", "u3", "t", 2, 2, false, false]],
        "event_columns": ["event_id", "unit", "action", "time_h", "received_h"],
        "events": [["k1", "u1", "click", 2, 3], ["k1", "u2", "click", 2, 2], ["k1", "u2", "click", 2, 4]]});
    let keys =
        json!({"duplicates": 0, "all": {"c": {"units": 0, "clicks": 0}, "t": {"units": 0, "clicks": 0}}});
    let expected =
        json!({"duplicates": 3, "all": {"c": {"units": 1, "clicks": 0.0}, "t": {"units": 1, "clicks": 1.0}}});
    assert_eq!(answer("log_to_counts", case, keys), expected);
}

/// A gamma of shape 1 is an exponential; half of a lognormal lies below exp(mu).
#[test]
fn gamma_and_lognormal_laws() {
    let weights = |law: &str| {
        let clicks = json!([[1.5, null], [1.0, null], [9.0, 2.0]]);
        let case =
            json!({"window_days": 7, "control": clicks, "treatment": clicks, "delay_law": {"control": law}});
        answer("late_conversions", case, json!({"control": {"weights": []}}))["control"]["weights"].clone()
    };
    let value = |weights: &Value, at: usize| weights[at].as_f64().unwrap_or(f64::NAN);
    let (gamma, exponential) = (weights("gamma, shape 1, scale 5 days"), weights("exponential, mean 5 days"));
    (0..3).for_each(|at| near(value(&gamma, at), value(&exponential, at), 1e-12));
    let lognormal = weights("lognormal, mu 0, sigma 0.8");
    // Phi(ln 7 / .8) = .99250
    near(value(&lognormal, 1), 0.5 / 0.99250, 1e-4);
}

#[test]
fn an_outer_interval_has_its_own_level() {
    let arm = |n: u32, quantile: f64| json!({"n": n, "quantile": quantile, "outer": [quantile - 0.1, quantile + 0.1]});
    let se = |alpha: f64| {
        let case = json!({"q": 0.9, "alpha": alpha, "control": arm(1000, 7.0), "treatment": arm(1000, 7.5)});
        answer("quantile", case, json!({"gbstats_absolute": {"se": 0}}))
    };
    assert_eq!(se(0.05), se(0.1));
}

#[test]
fn all_units_triggered() {
    let arm = |mean: f64| json!({"triggered": [1000, mean, 2.0], "rest": [0, 0, 0]});
    let keys = json!({"trigger_share": 0, "complement": null, "diluted": {"diff": 0}});
    let found = answer("triggered", json!({"control": arm(1.0), "treatment": arm(1.5)}), keys);
    assert_eq!(found, json!({"trigger_share": 1.0, "complement": null, "diluted": {"diff": 0.5}}));
}

#[test]
fn a_look_without_information_has_p_1() {
    let case = json!({"N_star": 5000, "looks": [[0, 10, 0, 10], [102, 2000, 135, 2010]]});
    let keys =
        json!({"looks": [{"ci": null, "p": 1, "running_p": 1}, {"ci": [0, 0], "p": 0, "running_p": 0}]});
    let found = answer("asymptotic_cs", case, keys)["looks"].clone();
    assert_eq!(found[0], json!({"ci": null, "p": 1.0, "running_p": 1.0}));
    near(found[1]["p"].as_f64().unwrap_or(f64::NAN), 0.353214437184, 1e-9);
}

/// Whole numbers have few different means.
#[test]
fn eight_against_eight_are_enumerated() {
    let case = json!({"control": [1, 2, 3, 4, 5, 6, 7, 8], "treatment": [2, 3, 4, 5, 6, 7, 8, 9]});
    near(number("bootstrap_exact", &case, "mean"), 1.0, 1e-9);
    // Each arm's variance is 5.25 over 8 units.
    near(number("bootstrap_exact", &case, "se"), (2.0_f64 * 5.25 / 8.0).sqrt(), 1e-9);
}

#[test]
fn slots_are_found_in_words_and_refusals_may_be_flags() {
    let log =
        "item_id,position,click,propensity_score\n0,1,1,0.5\n1,1,0,0.5\n0,2,1,0.5\n1,2,1,0.5\n0,2,0,0.5\n";
    let found = |slot: &str| {
        let data = format!("open-bandit-sample: target = 1/2 a slot, log = bts_all_all.csv.gz{slot}");
        let case = json!({"data": data, "expect": {"n": 0, "refused": false}});
        let answers = verify_with(&json!({"off_policy": {"cases": [case]}}), &|_| Some(log.to_owned()));
        let got = answers.expect("an object of groups")["cases"][0]["got"].clone();
        assert_eq!(got["refused"], true, "five rows are too few");
        got["n"].as_u64()
    };
    assert_eq!(found(""), Some(5));
    assert_eq!([found(", slot 1"), found("; position = 1"), found(", slot = 1")], [Some(2); 3]);
    assert_eq!(found(", position 2 only"), Some(3));
}

#[test]
fn products_of_a_slates_weights() {
    // Weights 2 and .5, then 1 and 3.
    let rows =
        json!([[0, 0, 1, 0.25, 0.5], [0, 1, 1, 0.5, 0.25], [1, 0, 0, 0.5, 0.5], [1, 1, 1, 0.25, 0.75]]);
    let keys = json!({"standard_ips": {"value": 0}, "reward_interaction_ips": {"value": 0}});
    let found = answer("off_policy", json!({"rows": rows}), keys);
    let expected = json!({"standard_ips": {"value": 2.5}, "reward_interaction_ips": {"value": 3.0}});
    assert_eq!(found, expected);
}
