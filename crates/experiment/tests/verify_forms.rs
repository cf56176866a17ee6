//! Forms in which other tools give their inputs, and the names under which they ask, answered by `verify`; one case each.

mod common;

use common::answer;
use serde_json::{Value, json};

/// Every number that is expected is there, to 1e-9 of its size.
fn close(got: &Value, expected: &Value) {
    match (got, expected) {
        (Value::Object(_), Value::Object(parts)) => {
            parts.iter().for_each(|(key, part)| close(&got[key], part))
        }
        (Value::Array(got), Value::Array(parts)) if got.len() == parts.len() => {
            got.iter().zip(parts).for_each(|(got, part)| close(got, part));
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            assert!((a - b).abs() <= 1e-9 * b.abs() + 1e-12, "got {a}, expected {b}");
        }
        _ => assert_eq!(got, expected),
    }
}

fn check(group: &str, case: Value, expected: Value) {
    close(&answer(group, case, expected.clone()), &expected);
}

/// tea-tasting 1.14.0, `make_users_data(seed=42, n_users=100, covariates=True)`.
fn control() -> Value {
    json!({"n": 53, "mean": {"orders": 0.5660377358490566, "orders_covariate": 0.5283018867924528, "sessions": 1.9811320754716981, "sessions_covariate": 1.9245283018867925}, "variance": {"orders": 0.7888243831640053, "orders_covariate": 1.4462989840348324, "sessions": 0.9804063860667634, "sessions_covariate": 3.532656023222061}, "covariance": {"orders,orders_covariate": 0.772133526850509, "orders,sessions": 0.39550072568940503, "orders,sessions_covariate": 0.6973875181422351, "orders_covariate,sessions": 0.39477503628447047, "orders_covariate,sessions_covariate": 1.2329462989840345, "sessions,sessions_covariate": 1.1139332365747463}})
}

fn treatment() -> Value {
    json!({"n": 47, "mean": {"orders": 0.3829787234042553, "orders_covariate": 0.3191489361702128, "sessions": 1.8936170212765957, "sessions_covariate": 1.9574468085106382}, "variance": {"orders": 0.5023126734505092, "orders_covariate": 0.5698427382053655, "sessions": 0.7927844588344127, "sessions_covariate": 2.3894542090656814}, "covariance": {"orders,orders_covariate": 0.3751156336725257, "orders,sessions": 0.15032377428307112, "orders,sessions_covariate": 0.1470860314523589, "orders_covariate,sessions": 0.1651248843663275, "orders_covariate,sessions_covariate": 0.2747456059204441, "sessions,sessions_covariate": 0.8432007400555043}})
}

/// gbstats writes a cell's ratio and its covariate as objects of sums; the same sums as lists mean the same.
#[test]
fn ratio_cells_may_hold_sums_as_objects() {
    let rows = |shift: f64| -> Vec<[f64; 4]> {
        let row = |at: u32| {
            let x = f64::from(at);
            [(x * 7.0 + shift) % 5.0, 2.0 + x % 4.0, (x * 3.0) % 7.0, 1.0 + x % 3.0]
        };
        (0..20).map(row).collect()
    };
    let arm = |shift: f64, objects: bool, suffix: &str| {
        let rows = rows(shift);
        let product = |i: usize, j: usize| rows.iter().map(|row| row[i] * row[j]).sum::<f64>();
        let names = ["m_post", "d_post", "m_pre", "d_pre"];
        let mut out = json!({"n": rows.len()});
        for (i, name) in names.iter().enumerate() {
            let sum: f64 = rows.iter().map(|row| row[i]).sum();
            let square = product(i, i);
            out[*name] =
                if objects { json!({"n": 20, "sum": sum, "ss": square}) } else { json!([sum, square]) };
            for (j, other) in names.iter().enumerate().skip(i + 1) {
                out[format!("{name}_{other}{suffix}")] = json!(product(i, j));
            }
        }
        out
    };
    let keys = json!({"absolute": {"d": 0, "se": 0}, "relative": {"d": 0, "se": 0}});
    let found = |objects, suffix| {
        let cell = |a, b| json!({"control": arm(a, objects, suffix), "treatment": arm(b, objects, suffix)});
        answer("post_stratification", json!({"cells": [cell(0.0, 1.0), cell(2.0, 4.0)]}), keys.clone())
    };
    let lists = found(false, "");
    assert!(lists["absolute"]["se"].as_f64().is_some_and(|se| se > 0.0), "{lists}");
    assert_eq!(lists, found(true, ""));
    assert_eq!(lists, found(true, "_sum_of_products"));
}

/// As gbstats: a covariate that is constant in one arm leaves the cell as it is without covariates.
#[test]
fn a_flat_covariate_leaves_its_cell_unadjusted() {
    let arm = |sum: f64, pre: Option<f64>| match pre {
        None => json!({"n": 10, "sum": sum, "ss": sum * sum}),
        Some(value) => json!({"n": 10, "post": {"sum": sum, "ss": sum * sum}, "pre":
            {"sum": 10.0 * value, "ss": 10.0 * value * value + if value == 3.0 { 6.0 } else { 0.0 }}, "post_pre": sum * value}),
    };
    let found = |c, t| {
        let case = json!({"cells": [{"control": arm(12.0, c), "treatment": arm(15.0, t)}]});
        answer("post_stratification", case, json!({"absolute": {"d": 0, "se": 0}}))
    };
    assert_eq!(found(None, None), found(Some(3.0), Some(2.0)));
}

#[test]
fn cuped_of_a_ratio_takes_named_moments() {
    let case = json!({"control": control(), "treatment": treatment(), "alternative": "less", "use_t": false});
    let upper = 0.34578466493619153;
    check(
        "cuped_ratio",
        case,
        json!({"total": {
            "adjusted": [0.25572348175909004, 0.23549786496156158], "diff": -0.020225616797528462, "p": 0.3604265417728255,
            "p_z": 0.3604265417728255, "upper_z_95": 0.07287939184944564, "ci_z": [null, 0.07287939184944564],
            "relative_log_ci_z": [null, upper], "relative_upper_z_95": upper}}),
    );
}

#[test]
fn columns_come_in_the_order_of_the_case() {
    let case = json!({"control": control(), "treatment": treatment(), "numerator": "sessions", "denominator": "orders"});
    let ratio = |arm: Value| {
        let mean = |name: &str| arm["mean"][name].as_f64().unwrap_or(f64::NAN);
        mean("sessions") / mean("orders")
    };
    check("ratio_delta", case, json!({"ratio": [ratio(control()), ratio(treatment())]}));
    let columns =
        json!({"control": control(), "treatment": treatment(), "columns": ["sessions_covariate", "orders"]});
    check("mean", columns, json!({"means": [1.9245283018867925, 1.9574468085106382]}));
}

#[test]
fn pooled_and_normal_lifts() {
    let arm = |arm: Value| json!({"n": arm["n"], "mean": arm["mean"]["orders"], "variance": arm["variance"]["orders"]});
    let case = |key: &str, value: bool| {
        let mut case = json!({"control": arm(control()), "treatment": arm(treatment())});
        case[key] = json!(value);
        case
    };
    let pooled = json!({"relative_log": {"ci": [-0.656787806843, 0.333815671027]}});
    check("mean", case("pooled_variance", true), pooled);
    let normal = [-0.656203181507, 0.331547521954];
    check("mean", case("use_t", false), json!({"relative_log": {"ci": normal, "ci_z": normal}}));
    let mut less = case("use_t", false);
    less["alternative"] = json!("less");
    let found = answer("mean", less, json!({"relative_log": {"ci": 0, "bound": 0}}));
    assert_eq!(found["relative_log"]["ci"], json!([null, found["relative_log"]["bound"]]));
    let keys = json!({"p": 0, "p_z": 0, "ci": 0, "ci_z": 0});
    let found = answer("mean", case("use_t", false), keys);
    assert_eq!((&found["p"], &found["ci"]), (&found["p_z"], &found["ci_z"]));
}

#[test]
fn a_covariate_with_a_large_offset_is_not_constant() {
    let row = |y: f64, x: f64| json!([y, 1.7e9 + 60.0 * x]);
    let (control, treatment) =
        ([row(1.0, 1.0), row(2.0, 2.0), row(3.0, 3.0)], [row(5.0, 4.0), row(4.0, 5.0), row(6.0, 6.0)]);
    let found = answer("cuped", json!({"control": control, "treatment": treatment}), json!({"theta": 0}));
    let theta = found["theta"].as_f64().unwrap_or(f64::NAN);
    assert!((theta - 0.0157142857).abs() < 1e-10, "{theta}");
}

#[test]
fn sequences_of_no_success_and_of_all() {
    let ci = |successes: u32, trials: u32, t_opt: u32| {
        let case = json!({"successes": successes, "trials": trials, "alpha": 0.05, "t_opt": t_opt});
        answer("uniform_boundary", case, json!({"ci": [0, 0]}))["ci"].clone()
    };
    let near = |ci: Value, low: f64, high: f64| {
        let end = |at: usize| ci[at].as_f64().unwrap_or(f64::NAN);
        assert!((end(0) - low).abs() < 1e-10 && (end(1) - high).abs() < 1e-10, "{ci} {low} {high}");
    };
    near(ci(0, 50, 50), 0.0, 0.0769696386);
    near(ci(0, 1000, 100), 0.0, 0.0031559707);
    near(ci(50, 50, 50), 0.9230303614, 1.0);
    near(ci(0, 1, 50), 0.0, 1.0);
    near(ci(1, 1, 50), 0.0, 1.0);
}

/// As mpkato's and Joachims' own program.
#[test]
fn a_balanced_list_ends_with_the_shorter_ranking() {
    let lists = |rankings: Value, k: u32| {
        answer("interleaving_2", json!({"rankings": rankings, "k": k}), json!({"lists": []}))["lists"].clone()
    };
    assert_eq!(lists(json!([[1, 2], [2, 3]]), 3), json!([[1, 2], [2, 1, 3]]));
    assert_eq!(lists(json!([[1, 2], [3, 4]]), 4), json!([[1, 3, 2], [3, 1, 4]]));
    assert_eq!(lists(json!([[1, 2, 3], [2, 3, 4]]), 4)[0], json!([1, 2, 3]));
}

#[test]
fn any_level_of_a_preference() {
    let keys = json!({"win_share_ci_95": 0, "win_share_ci_90": 0});
    let found = answer("interleaving_2", json!({"wins_a": 312, "wins_b": 261, "ties": 1930}), keys);
    let low = |key: &str| found[key][0].as_f64().unwrap_or(f64::NAN);
    assert!(
        (low("win_share_ci_95") - 0.502712697237).abs() < 1e-9 && low("win_share_ci_90") > 0.505,
        "{found}"
    );
}
