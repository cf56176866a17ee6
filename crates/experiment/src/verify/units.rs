//! Groups srm, srm_sequential, few_units, bootstrap_exact, triggered, hash_vectors.

use super::case::{Answer, Case, effect, number, numbers, pair};
use crate::assign::{Namespace, choose, planout_ops, ranges};
use crate::bootstrap::{Statistic, acceleration, enumerate};
use crate::error::{Error, Result};
use crate::estimate::{Alternative, Sample, difference};
use crate::few::{paired, permutation_within, sign_flip, signed_rank};
use crate::hash::{fnv1a32, growthbook, murmur3_bucket};
use crate::moments::Moments;
use crate::srm::{CONCENTRATION, SequentialSrm, by_day, sample_ratio};
use crate::triggered::{Arm, UNKNOWN, analyze_beside, complement};
use serde_json::{Map, Value, json};

pub(super) fn srm(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let weights = case.list("weights")?;
    if case.has("users_by_day") {
        let days = by_day(&case.rows("users_by_day")?, &weights)?;
        out.put("p_day", numbers(&days.p));
        out.put("p_day_holm", numbers(&days.p_holm));
        out.number("p_all", days.p_all);
        out.put("alarm_days", json!(days.alarm_days));
        return Ok(());
    }
    let test = sample_ratio(&case.list("users")?, &weights)?;
    out.number("chi2", test.chi2);
    out.number("df", test.df);
    out.number("p", test.p);
    out.put("alarm", test.alarm);
    let leak = |&(arm, users): &(usize, f64)| json!({"arm": arm, "users": users});
    match &test.leaks[..] {
        [] => out.put("leak", Value::Null),
        [only] => out.put("leak", leak(only)),
        several => out.put("leak", several.iter().map(leak).collect::<Value>()),
    }
    Ok(())
}

pub(super) fn srm_sequential(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let mut test = SequentialSrm::new(&case.list("weights")?, case.f_or("concentration", CONCENTRATION)?)?;
    let steps = case.rows("batches")?.iter().map(|batch| test.add(batch)).collect::<Result<Vec<_>>>()?;
    out.put("bayes_factor", numbers(&steps.iter().map(|step| step.0).collect::<Vec<_>>()));
    out.put("p", numbers(&steps.iter().map(|step| step.1).collect::<Vec<_>>()));
    Ok(())
}

pub(super) fn few_units(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let (alpha, alternative) = (case.alpha()?, case.alternative()?);
    if !case.has("campaigns") {
        let (c, t) = (case.list("control")?, case.list("treatment")?);
        let test = permutation_within(&c, &t, 0, 5e7)?;
        out.number("diff", test.difference);
        out.number("assignments", test.assignments);
        out.number("p_two_sided_by_abs", test.p);
        return Ok(());
    }
    let pairs: Vec<[f64; 2]> =
        case.rows("campaigns")?.iter().filter_map(|row| row[..].try_into().ok()).collect();
    let differences: Vec<f64> = pairs.iter().map(|[c, t]| t - c).collect();
    let result = paired(&pairs)?;
    out.extend(effect(&result.difference, alpha, alternative));
    out.number("mean_difference", result.difference.value);
    out.put_ok("wilcoxon_p", signed_rank(&differences).map(number));
    out.number("sign_flip_p", sign_flip(&differences, 0)?.p);
    out.number("lift_of_sums", result.lift.value);
    out.number("lift_se_delta", result.lift.se);
    Ok(())
}

pub(super) fn bootstrap(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let statistic = match case.text_or("statistic", "mean") {
        "mean" => Statistic::Mean,
        "median" => Statistic::Median,
        "lift" | "relative" | "ratio" => Statistic::Lift,
        other => return Err(Error::Case(format!("the statistic {other} is not known"))),
    };
    let (c, t) = (case.list("control")?, case.list("treatment")?);
    let resampled = enumerate(&c, &t, statistic)?;
    let acceleration = acceleration(&c, &t, statistic);
    out.number("estimate", resampled.estimate);
    out.number("mean", resampled.mean());
    out.number("se", resampled.se());
    out.number("z0", resampled.bias());
    out.number("acceleration", acceleration);
    out.put("bca_levels", pair(resampled.bca_levels(acceleration, case.alpha()?)?));
    for (key, level) in case.asked_with("percentile_") {
        out.put(key, pair(resampled.percentile(1.0 - level / 100.0)?));
    }
    for (key, level) in case.asked_with("bca_") {
        out.put(key, pair(resampled.bca(acceleration, 1.0 - level / 100.0)?));
    }
    Ok(())
}

pub(super) fn triggered(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let part = |arm: &Case<'_>, key: &str| match arm.list(key)?[..] {
        [0.0, ..] => Ok(Moments::new(1)),
        [n, mean, variance] => Moments::from_covariance(n, &[mean], &[variance]),
        _ => Err(Error::Case(format!("{key} must be n, mean, variance"))),
    };
    let arm = |arm: Case<'_>| {
        Ok::<_, Error>(Arm { triggered: part(&arm, "triggered")?, rest: part(&arm, "rest")? })
    };
    let weights = if case.has("weights") { case.list("weights")? } else { vec![0.5, 0.5] };
    let weights: [f64; 2] =
        weights[..].try_into().map_err(|_| Error::Case("weights must be two numbers".into()))?;
    let (control, treatment) = (arm(case.at("control")?)?, arm(case.at("treatment")?)?);
    let complement = complement(&control, &treatment).ok();
    let result = analyze_beside(&control, &treatment, weights, complement.unwrap_or(UNKNOWN))?;
    let alpha = case.alpha()?;
    let shown = |found| effect(&found, alpha, Alternative::TwoSided);
    out.number("trigger_share", result.share);
    out.put("triggered", shown(result.triggered));
    out.put("complement", complement.map_or(Value::Null, shown));
    out.put("itt", shown(result.all));
    let mut diluted = Answer::default();
    diluted.extend(shown(result.diluted));
    diluted.number("se_share_known", result.diluted_se_share_known);
    diluted.put("relative_to_control", result.diluted_relative.map_or(Value::Null, number));
    out.put("diluted", Value::Object(diluted.0));
    out.number("variance_ratio_itt_to_diluted", result.variance_ratio);
    out.number("srm_all_p", result.srm_all.p);
    out.number("srm_triggered_p", result.srm_triggered.p);
    let control = Sample::mean(&control.triggered, 0)?;
    let treatment = Sample::mean(&treatment.triggered, 0)?;
    out.put("triggered_t", effect(&difference(&control, &treatment)?, alpha, Alternative::TwoSided));
    Ok(())
}

pub(super) fn hash_vectors(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    if case.has("strings") {
        for text in case.items("strings")?.iter().filter_map(|text| text.0.as_str()) {
            out.put(text, fnv1a32(text));
        }
    }
    if case.has("seed_value_version") {
        let row = |row: &Case<'_>| {
            Some(growthbook(row.0[0].as_str()?, row.0[1].as_str()?, version(row.0[2].as_f64()?)?))
        };
        out.put(
            "growthbook",
            case.items("seed_value_version")?
                .iter()
                .map(|r| row(r).map_or(Value::Null, number))
                .collect::<Value>(),
        );
    }
    if case.has("user_namespace") {
        let inside = |row: &Case<'_>| -> Option<bool> {
            let space = &row.0[1];
            let name = space[0].as_str()?.to_owned();
            Some(
                Namespace { name, start: space[1].as_f64()?, end: space[2].as_f64()? }
                    .contains(row.0[0].as_str()?),
            )
        };
        out.put("inside", json!(case.items("user_namespace")?.iter().map(inside).collect::<Vec<_>>()));
    }
    if case.has("keys") {
        let buckets =
            case.items("keys")?.iter().map(|key| key.0.as_str().map(murmur3_bucket)).collect::<Vec<_>>();
        out.put("bucket_of_10000", json!(buckets));
    }
    if case.has("parameters") {
        out.put("assignments", planout(case)?);
    }
    if case.has("units") && case.has("version") {
        out.put("arm_at", ramp(case)?);
    }
    Ok(())
}

/// growthbook has two versions of its hash.
fn version(number: f64) -> Option<u8> {
    [1, 2].into_iter().find(|&version| f64::from(version) == number)
}

/// Units such as `user-0 .. user-23`, or a list of names.
fn units(case: &Case<'_>) -> Result<Vec<String>> {
    let Ok(text) = case.text("units") else {
        return Ok(case.items("units")?.iter().map(|unit| plain(unit.0)).collect());
    };
    let bad = || Error::Case("units must be a list, or a range such as user-0 .. user-23".into());
    let (first, last) = text.split_once("..").ok_or_else(bad)?;
    let split = |name: &str| -> Option<(String, u64)> {
        let name = name.trim();
        let digits = name.len() - name.chars().rev().take_while(char::is_ascii_digit).count();
        Some((name[..digits].to_owned(), name[digits..].parse().ok()?))
    };
    let ((prefix, from), (_, to)) = (split(first).ok_or_else(bad)?, split(last).ok_or_else(bad)?);
    Ok((from..=to).map(|at| format!("{prefix}{at}")).collect())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn ramp(case: &Case<'_>) -> Result<Value> {
    let (weights, seed) = (case.list("weights")?, case.text("seed")?);
    let version = version(case.f("version")?).ok_or_else(|| Error::Case("version must be 1 or 2".into()))?;
    let units = units(case)?;
    let asked = case.at("expect")?.at("arm_at")?;
    let mut out = Map::new();
    for key in asked.0.as_object().into_iter().flatten().map(|(key, _)| key) {
        let coverage = key.parse().map_err(|_| Error::Case(format!("the coverage {key} is not a number")))?;
        let ranges = ranges(coverage, &weights);
        let arm =
            |unit: &String| choose(growthbook(seed, unit, version), &ranges).map_or(-1, |arm| arm as i64);
        out.insert(key.clone(), units.iter().map(arm).map(Value::from).collect());
    }
    Ok(Value::Object(out))
}

/// Parameters such as `weighted choice of x, y, z at .2 .3 .5`, for the units that the answer is asked for.
fn planout(case: &Case<'_>) -> Result<Value> {
    let salt = case.text("salt")?;
    let parameters = case.at("parameters")?;
    let parameters = parameters.0.as_object().cloned().unwrap_or_default();
    let asked = case.at("expect")?.items("assignments")?;
    let row = |asked: &Case<'_>| -> Result<Value> {
        let unit = asked.at("unit")?.0;
        let mut out = Map::from_iter([("unit".to_owned(), unit.clone())]);
        for (name, rule) in &parameters {
            let rule = rule.as_str().unwrap_or_default();
            if let Some(value) = planout_value(salt, name, &plain(unit), rule) {
                out.insert(name.clone(), value);
            }
        }
        Ok(Value::Object(out))
    };
    asked.iter().map(row).collect::<Result<Vec<_>>>().map(Value::from)
}

fn planout_value(salt: &str, name: &str, unit: &str, rule: &str) -> Option<Value> {
    let range = |text: &str| -> Option<(f64, f64)> {
        let (low, high) = text.trim().split_once("..")?;
        Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
    };
    let names =
        |text: &str| -> Vec<String> { text.split(',').map(|choice| choice.trim().to_owned()).collect() };
    if let Some(choices) = rule.strip_prefix("uniform choice of ") {
        let choices = names(choices);
        return Some(json!(choices[planout_ops::uniform_choice(salt, name, unit, choices.len())]));
    }
    if let Some(rest) = rule.strip_prefix("weighted choice of ") {
        let (choices, weights) = rest.split_once(" at ")?;
        let weights = weights
            .split_whitespace()
            .map(|weight| weight.trim_matches(',').parse().ok())
            .collect::<Option<Vec<f64>>>()?;
        return Some(json!(names(choices).get(planout_ops::weighted_choice(salt, name, unit, &weights))?));
    }
    if let Some(rest) = rule.strip_prefix("uniform float in ") {
        let (low, high) = range(rest)?;
        return Some(json!(planout_ops::float(salt, name, unit, low, high)));
    }
    if let Some(rest) =
        rule.strip_prefix("uniform integer in ").or_else(|| rule.strip_prefix("random integer in "))
    {
        let (low, high) = range(rest)?;
        return Some(json!(planout_ops::integer(salt, name, unit, low as i64, high as i64)));
    }
    let p: f64 = rule
        .to_lowercase()
        .strip_prefix("bernoulli")?
        .trim_start_matches(|c: char| !c.is_ascii_digit() && c != '.')
        .parse()
        .ok()?;
    Some(json!(u8::from(planout_ops::bernoulli(salt, name, unit, p))))
}
