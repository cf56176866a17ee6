//! Every case of `../shared/reference/experiment_cases_2.json` (other libraries' figures) is answered completely, within its group's tolerance.

mod common;

use common::shared;
use semrank_experiment::verify::verify_with;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Copy)]
struct Tolerance {
    relative: f64,
    absolute: f64,
}

fn tolerance(group: &str, case: &Value, family: &Value) -> Tolerance {
    let text = case["tolerance"].as_str().or(family["tolerance"].as_str()).unwrap_or("exact");
    let digits = |word: &str| -> Option<f64> {
        let rest = text.split_once(word)?.1.trim_start();
        let number = rest.split([' ', ',', '(']).next()?;
        let number = if number.starts_with('.') { format!("0{number}") } else { number.to_owned() };
        number.parse().ok()
    };
    match (group, digits("relative"), digits("absolute")) {
        ("group_sequential", ..) => Tolerance { relative: 0.0, absolute: 1e-4 },
        (_, Some(relative), _) => Tolerance { relative, absolute: 1e-12 },
        (_, None, Some(absolute)) => Tolerance { relative: 0.0, absolute },
        // The file prints 12 digits.
        _ => Tolerance { relative: 1e-9, absolute: 1e-12 },
    }
}

fn compare(got: &Value, expected: &Value, limit: Tolerance, path: &str, wrong: &mut Vec<String>) {
    match (got, expected) {
        (Value::Object(got), Value::Object(expected)) => {
            for (key, value) in expected {
                compare(got.get(key).unwrap_or(&Value::Null), value, limit, &format!("{path}.{key}"), wrong);
            }
        }
        (Value::Array(got), Value::Array(expected)) if got.len() == expected.len() => {
            for (at, (got, value)) in got.iter().zip(expected).enumerate() {
                compare(got, value, limit, &format!("{path}[{at}]"), wrong);
            }
        }
        (Value::Number(got), Value::Number(expected)) => {
            let (got, expected) = (got.as_f64().unwrap_or(f64::NAN), expected.as_f64().unwrap_or(f64::NAN));
            // A tail of 1e-42 must be right relatively; only an exact 0 is compared absolutely.
            let absolute = if expected == 0.0 || limit.relative == 0.0 { limit.absolute } else { 0.0 };
            if got.is_nan() || (got - expected).abs() > limit.relative * expected.abs() + absolute {
                wrong.push(format!("{path}: got {got:e}, expected {expected:e}"));
            }
        }
        _ if got == expected => {}
        _ => wrong.push(format!("{path}: got {got}, expected {expected}")),
    }
}

#[test]
fn every_case_is_answered_within_its_tolerance() {
    let Some(path) = shared("reference/experiment_cases_2.json") else {
        return;
    };
    let cases: Value = serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON");
    let answers = verify_with(&cases, &common::unpacked).expect("an object of groups");
    let mut by_group: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for answer in answers["cases"].as_array().expect("a list") {
        let (group, name) = (answer["group"].as_str().expect("a group"), &answer["name"]);
        let family = &cases[group];
        let case = family["cases"]
            .as_array()
            .expect("cases")
            .iter()
            .find(|case| case["name"] == *name)
            .expect("the case");
        let mut found = Vec::new();
        compare(&answer["got"], &case["expect"], tolerance(group, case, family), "", &mut found);
        if let Some(unknown) = answer.get("unknown") {
            found.push(format!("unknown {unknown}, error {}", answer["error"]));
        }
        let count = by_group.entry(group.to_owned()).or_default();
        count.0 += usize::from(found.is_empty());
        count.1 += 1;
        wrong.extend(found.iter().map(|line| format!("{group}/{name}{line}")));
    }
    for (group, (right, all)) in &by_group {
        println!("{group}: {right} of {all}");
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(
        by_group.len() == 31 && by_group.values().map(|count| count.1).sum::<usize>() == 96,
        "{by_group:?}"
    );
}

#[test]
fn the_comparison_finds_a_wrong_digit() {
    let limit = Tolerance { relative: 1e-6, absolute: 1e-12 };
    let mut wrong = Vec::new();
    compare(
        &serde_json::json!({"p": 3.502e-42}),
        &serde_json::json!({"p": 3.50219227305e-42}),
        limit,
        "",
        &mut wrong,
    );
    compare(&serde_json::json!({}), &serde_json::json!({"p": 0.0}), limit, "", &mut wrong);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
}
