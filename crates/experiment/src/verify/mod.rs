//! Answers a file of numerical cases, so that other libraries can be compared with this one on inputs that nobody here has seen.
//!
//! In: `{group: {"method": …, "cases": [{"name", …inputs…, "expect": {…}}]}}` (the schema of `experiment_cases_2.json`). Out:
//! `{"cases": [{"group", "name", "got": {the keys of expect}, "unknown": […], "error": …}]}`. Of `expect` only the keys are used (and the
//! units of PlanOut assignments, which stand nowhere else); `also` and `computed_with` are never read. A key that cannot be computed is
//! left out of `got` and named in `unknown`; a case that fails has `error` and does not end the others.
//!
//! ```
//! let file = serde_json::json!({"srm": {"cases": [{"name": "even", "users": [10, 10], "weights": [1, 1], "expect": {"p": 1.0}}]}});
//! let answer = semrank_experiment::verify::verify(&file)?;
//! assert_eq!(answer["cases"][0]["got"]["p"], 1.0);
//! # Ok::<(), semrank_experiment::Error>(())
//! ```

mod adjusted;
mod case;
mod estimates;
mod logs;
mod looks;
mod planning;
mod policies;
mod units;

use crate::error::{Error, Result};
use case::{Answer, Case};
use serde_json::{Map, Value, json};

/// Gives the text of a data file that a case names, such as `open-bandit-sample/bts_all_all.csv.gz` (already unpacked).
pub type ReadText<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Answers every case; cases that need a data file stay unknown.
///
/// # Errors
/// [`Error::Case`] when the file is not an object of groups.
pub fn verify(cases: &Value) -> Result<Value> {
    verify_with(cases, &|_| None)
}

/// Answers every case, with a reader for the data files that cases name.
///
/// # Errors
/// [`Error::Case`] when the file is not an object of groups.
pub fn verify_with(cases: &Value, read: &ReadText<'_>) -> Result<Value> {
    let groups =
        cases.as_object().ok_or_else(|| Error::Case("the file must hold an object of groups".into()))?;
    let mut answers = Vec::new();
    for (group, content) in groups {
        for case in content["cases"].as_array().into_iter().flatten() {
            answers.push(answer(group, case, read));
        }
    }
    Ok(json!({ "cases": answers }))
}

fn answer(group: &str, value: &Value, read: &ReadText<'_>) -> Value {
    let mut out = Answer::default();
    let result = compute(group, &Case(value), &mut out, read);
    let failure = result.err().map(|error| error.to_string());
    if let Some(message) = &failure {
        out.put("error", message.as_str());
    }
    let mut unknown = Vec::new();
    let expected = value["expect"].as_object().cloned().unwrap_or_default();
    let got = prune(&Value::Object(out.0), &Value::Object(expected), "", &mut unknown);
    let mut answer = Map::new();
    answer.insert("group".into(), json!(group));
    answer.insert("name".into(), value["name"].clone());
    answer.insert("got".into(), got.unwrap_or_else(|| json!({})));
    if !unknown.is_empty() {
        answer.insert("unknown".into(), json!(unknown));
    }
    if let Some(message) = failure {
        answer.insert("error".into(), json!(message));
    }
    Value::Object(answer)
}

fn compute(group: &str, case: &Case<'_>, out: &mut Answer, read: &ReadText<'_>) -> Result<()> {
    match group {
        "srm" => units::srm(case, out),
        "srm_sequential" => units::srm_sequential(case, out),
        "proportion" => estimates::proportion(case, out),
        "mean" => estimates::mean(case, out),
        "moments" => estimates::moments(case, out),
        "ratio_delta" => estimates::ratio(case, out),
        "relative" => estimates::relative(case, out),
        "quantile" => estimates::quantile(case, out),
        "winsor" => estimates::winsor(case, out),
        "cuped" => adjusted::cuped(case, out),
        "cuped_ratio" => adjusted::cuped_ratio(case, out),
        "regression_adjustment" => adjusted::regression(case, out),
        "post_stratification" => adjusted::strata(case, out),
        "cluster_robust" => adjusted::clusters(case, out),
        "asymptotic_cs" => looks::asymptotic_cs(case, out),
        "msprt" => looks::msprt(case, out),
        "uniform_boundary" => looks::uniform_boundary(case, out),
        "group_sequential" => looks::group_sequential(case, out),
        "multiplicity_2" => planning::multiplicity(case, out),
        "power_2" => planning::power(case, out),
        "non_inferiority" => planning::non_inferiority(case, out),
        "bayesian" => planning::bayesian(case, out),
        "few_units" => units::few_units(case, out),
        "bootstrap_exact" => units::bootstrap(case, out),
        "triggered" => units::triggered(case, out),
        "hash_vectors" => units::hash_vectors(case, out),
        "late_conversions" => logs::late_conversions(case, out),
        "over_time_and_segments" => logs::over_time_and_segments(case, out),
        "log_to_counts" => logs::log_to_counts(case, out),
        "interleaving_2" => policies::interleaving(case, out),
        "off_policy" => policies::off_policy(case, out, read),
        _ => Err(Error::Case(format!("the group {group} is not known"))),
    }
}

/// The part of `got` that has the keys of `expect`; keys that are missing are named.
fn prune(got: &Value, expect: &Value, path: &str, unknown: &mut Vec<String>) -> Option<Value> {
    match (got, expect) {
        (Value::Object(got), Value::Object(expect)) => {
            let mut kept = Map::new();
            for (key, inner) in expect {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let value = got.get(key).and_then(|value| prune(value, inner, &path, unknown));
                match value {
                    Some(value) => drop(kept.insert(key.clone(), value)),
                    None if !got.contains_key(key) => unknown.push(path),
                    None => {}
                }
            }
            Some(Value::Object(kept))
        }
        (Value::Array(got), Value::Array(expect)) if expect.first().is_some_and(Value::is_object) => {
            let shape = &expect[0];
            let items = got.iter().enumerate().map(|(at, value)| {
                prune(value, expect.get(at).unwrap_or(shape), &format!("{path}[{at}]"), unknown)
                    .unwrap_or(Value::Null)
            });
            Some(Value::Array(items.collect()))
        }
        _ => Some(got.clone()),
    }
}
