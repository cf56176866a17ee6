//! Reading inputs of a case and collecting its answers.

use crate::error::{Error, Result};
use crate::estimate::{Alternative, Effect, Interval, Sample};
use crate::moments::Moments;
use serde_json::{Map, Value, json};

/// One case of the file.
#[derive(Clone, Copy)]
pub(super) struct Case<'a>(pub(super) &'a Value);

fn wrong(key: &str, expected: &str) -> Error {
    Error::Case(format!("{key} must be {expected}"))
}

/// A number, or null for one that does not exist.
pub(super) fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::Null }
}

pub(super) fn numbers(values: &[f64]) -> Value {
    values.iter().map(|&value| number(value)).collect()
}

pub(super) fn pair(interval: Interval) -> Value {
    json!([number(interval.low), number(interval.high)])
}

pub(super) fn keys(object: Option<&Value>) -> Vec<&str> {
    object.and_then(Value::as_object).map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default()
}

fn numbered<'a>(keys: &[&'a str], prefix: &str) -> Vec<(&'a str, f64)> {
    let rest = |key: &&'a str| Some((*key, key.strip_prefix(prefix)?.parse().ok()?));
    keys.iter().filter_map(rest).collect()
}

impl<'a> Case<'a> {
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn at(&self, key: &str) -> Result<Case<'a>> {
        self.get(key).map(Case).ok_or_else(|| wrong(key, "given"))
    }

    pub(super) fn f(&self, key: &str) -> Result<f64> {
        self.get(key).and_then(Value::as_f64).ok_or_else(|| wrong(key, "a number"))
    }

    pub(super) fn f_or(&self, key: &str, default: f64) -> Result<f64> {
        if self.has(key) { self.f(key) } else { Ok(default) }
    }

    /// The first of several keys that is given.
    pub(super) fn any(&self, keys: &[&str]) -> Result<Option<f64>> {
        keys.iter().find(|key| self.has(key)).map(|key| self.f(key)).transpose()
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(super) fn text(&self, key: &str) -> Result<&'a str> {
        self.get(key).and_then(Value::as_str).ok_or_else(|| wrong(key, "a text"))
    }

    pub(super) fn text_or(&self, key: &str, default: &'a str) -> &'a str {
        self.get(key).and_then(Value::as_str).unwrap_or(default)
    }

    pub(super) fn items(&self, key: &str) -> Result<Vec<Case<'a>>> {
        let list = self.get(key).and_then(Value::as_array).ok_or_else(|| wrong(key, "a list"))?;
        Ok(list.iter().map(Case).collect())
    }

    pub(super) fn list(&self, key: &str) -> Result<Vec<f64>> {
        self.at(key)?.as_list().ok_or_else(|| wrong(key, "a list of numbers"))
    }

    pub(super) fn rows(&self, key: &str) -> Result<Vec<Vec<f64>>> {
        let rows = self.items(key)?.iter().map(Case::as_list).collect::<Option<Vec<_>>>();
        rows.ok_or_else(|| wrong(key, "a list of rows of numbers"))
    }

    /// The value as a list of numbers; true and false are 1 and 0.
    pub(super) fn as_list(&self) -> Option<Vec<f64>> {
        let number = |value: &Value| value.as_f64().or(value.as_bool().map(|flag| f64::from(u8::from(flag))));
        self.0.as_array()?.iter().map(number).collect()
    }

    pub(super) fn alpha(&self) -> Result<f64> {
        self.f_or("alpha", 0.05)
    }

    pub(super) fn alternative(&self) -> Result<Alternative> {
        // A case that asks for one bound is one-sided; its name may give the side.
        let name = self.text_or("name", "");
        let one_sided = self.asked().contains(&"bound") || name.contains("one_sided");
        let default = match (one_sided, name.contains("less")) {
            (false, _) => "two-sided",
            (true, false) => "greater",
            (true, true) => "less",
        };
        match self.text_or("alternative", default) {
            "two-sided" | "two_sided" => Ok(Alternative::TwoSided),
            "greater" => Ok(Alternative::Greater),
            "less" => Ok(Alternative::Less),
            _ => Err(wrong("alternative", "two-sided, greater or less")),
        }
    }

    /// The keys that are asked for.
    pub(super) fn asked(&self) -> Vec<&'a str> {
        keys(self.get("expect"))
    }

    /// Asked keys that begin with a prefix, with the rest read as a number.
    pub(super) fn asked_with(&self, prefix: &str) -> Vec<(&'a str, f64)> {
        numbered(&self.asked(), prefix)
    }

    /// The effect, referred to the normal distribution when the case says so.
    pub(super) fn referred(&self, effect: Effect) -> Effect {
        let normal = self.get("use_t").and_then(Value::as_bool) == Some(false);
        if normal { effect.normal() } else { effect }
    }

    /// Both arms: `control` and `treatment`, or `a` and `b`.
    pub(super) fn two(&self) -> Result<(Case<'a>, Case<'a>)> {
        if self.has("a") {
            Ok((self.at("a")?, self.at("b")?))
        } else {
            Ok((self.at("control")?, self.at("treatment")?))
        }
    }

    /// Moments of an arm: values, rows, `{n, sum, ss}`, or `{n, mean, variance, covariance}` by column name.
    pub(super) fn moments(&self) -> Result<Moments> {
        self.moments_by(&[])
    }

    /// Names of the columns in the order that the case gives: `columns`, or numerator, denominator and covariates.
    pub(super) fn order(&self) -> Vec<&'a str> {
        let keys = ["columns", "value", "numerator", "numer", "denominator", "denom"];
        let covariates =
            ["covariate", "covariates", "numerator_covariate", "numer_covariate", "denominator_covariate"];
        let named = |value: &'a Value| match value {
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            value => value.as_str().into_iter().collect::<Vec<_>>(),
        };
        let keys = keys.iter().chain(&covariates).chain(&["denom_covariate"]);
        keys.filter_map(|key| self.get(key)).flat_map(named).collect()
    }

    /// As [`Case::moments`]; columns that have names in the given order first.
    pub(super) fn moments_by(&self, order: &[&str]) -> Result<Moments> {
        if let Some(values) = self.as_list() {
            return Moments::of_values(&values);
        }
        if let Some(rows) = self.0.as_array() {
            let rows: Option<Vec<Vec<f64>>> = rows.iter().map(|row| Case(row).as_list()).collect();
            let rows = rows.ok_or_else(|| wrong("an arm", "rows of numbers"))?;
            return Moments::of_rows(rows.first().map_or(0, Vec::len), &rows);
        }
        let n = self.f("n")?;
        if self.has("sum") {
            return Moments::from_sums(n, &[self.f("sum")?], &[self.f_or("ss", self.f("sum")?)?]);
        }
        match self.at("mean")?.0 {
            Value::Object(means) => self.named_moments(n, means, order),
            mean => {
                let mean = mean.as_f64().ok_or_else(|| wrong("mean", "a number"))?;
                Moments::from_covariance(n, &[mean], &[self.f("variance")?])
            }
        }
    }

    /// Columns without a place in `order` follow by name, covariates last.
    fn named_moments(&self, n: f64, means: &Map<String, Value>, order: &[&str]) -> Result<Moments> {
        let mut names: Vec<&String> = means.keys().collect();
        let place = |name: &str| order.iter().position(|other| *other == name).unwrap_or(usize::MAX);
        let late = |name: &str| name.contains("covariate") || name.ends_with("_pre");
        names.sort_by_key(|name| (place(name), late(name), name.as_str()));
        let mean = names.iter().map(|name| self.at("mean")?.f(name)).collect::<Result<Vec<_>>>()?;
        let cell = |i: usize, j: usize| -> Result<f64> {
            if i == j {
                return self.at("variance")?.f(names[i]);
            }
            let covariance = self.at("covariance")?;
            let (one, other) = (format!("{},{}", names[i], names[j]), format!("{},{}", names[j], names[i]));
            if covariance.has(&one) { covariance.f(&one) } else { covariance.f(&other) }
        };
        let k = names.len();
        let square = (0..k * k).map(|at| cell(at / k, at % k)).collect::<Result<Vec<_>>>()?;
        Moments::from_covariance(n, &mean, &square)
    }

    /// An arm as a sample of a mean: `[successes, units]`, `{mean, se}`, or anything with moments.
    pub(super) fn sample(&self) -> Result<Sample> {
        match self.as_list() {
            Some(list) if list.len() == 2 => Sample::proportion(list[0], list[1]),
            _ if self.has("se") => {
                Ok(Sample { n: 1.0, value: self.f("mean")?, variance: self.f("se")?.powi(2) })
            }
            _ => Sample::mean(&self.moments()?, 0),
        }
    }
}

/// Answers of a case, more than are asked for.
#[derive(Default)]
pub(super) struct Answer(pub(super) Map<String, Value>);

impl Answer {
    pub(super) fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.into(), value.into());
    }

    pub(super) fn number(&mut self, key: &str, value: f64) {
        self.put(key, number(value));
    }

    /// Leaves the key out when its value does not exist.
    pub(super) fn put_ok(&mut self, key: &str, value: Result<Value>) {
        if let Ok(value) = value {
            self.put(key, value);
        }
    }

    /// All keys of an object.
    pub(super) fn extend(&mut self, value: Value) {
        if let Value::Object(map) = value {
            self.0.extend(map);
        }
    }
}

/// An effect under every name that cases use for its parts.
pub(super) fn effect(effect: &Effect, alpha: f64, alternative: Alternative) -> Value {
    let mut out = Answer::default();
    for key in ["d", "diff", "value", "rate", "effect"] {
        out.number(key, effect.value);
    }
    out.number("se", effect.se);
    out.put("df", effect.df.map_or(Value::Null, number));
    let suffixes: &[&str] = if effect.df.is_some() { &["", "_t"] } else { &["", "_z"] };
    if let Ok(statistic) = effect.statistic() {
        out.number(if effect.df.is_some() { "t" } else { "z" }, statistic);
    }
    for suffix in suffixes {
        if let Ok(p) = effect.p(alternative) {
            out.number(&format!("p{suffix}"), p);
        }
        if let Ok(ci) = effect.interval(alpha, alternative) {
            out.put(&format!("ci{suffix}"), pair(ci));
            match alternative {
                Alternative::TwoSided => {}
                Alternative::Greater => out.number("bound", ci.low),
                Alternative::Less => out.number("bound", ci.high),
            }
        }
    }
    Value::Object(out.0)
}

/// [`effect`] with the normal distribution's keys beside those of Student's.
pub(super) fn both(found: &Effect, alpha: f64, alternative: Alternative) -> Value {
    let mut out = Answer::default();
    out.extend(effect(&found.normal(), alpha, alternative));
    out.extend(effect(found, alpha, alternative));
    Value::Object(out.0)
}

/// `lower_t_95`, `upper_z_90` and the like, mapped.
pub(super) fn levels(
    asked: &[&str],
    prefix: &str,
    effect: &Effect,
    map: impl Fn(f64) -> f64,
    out: &mut Answer,
) -> Result<()> {
    for (side, alternative) in [("lower", Alternative::Greater), ("upper", Alternative::Less)] {
        for (suffix, effect) in [("_", *effect), ("_t_", *effect), ("_z_", effect.normal())] {
            for (key, level) in numbered(asked, &format!("{prefix}{side}{suffix}")) {
                let ci = effect.interval(1.0 - level / 100.0, alternative)?.map(&map);
                out.number(key, if side == "lower" { ci.low } else { ci.high });
            }
        }
    }
    Ok(())
}

/// Interval of the lift by the logarithm; a side that is not bounded stays so, though no lift lies below -1.
pub(super) fn lift_ci(log: &Effect, alpha: f64, alternative: Alternative) -> Result<Interval> {
    let lift = |end: f64| if end.is_finite() { end.exp_m1() } else { end };
    Ok(log.interval(alpha, alternative)?.map(lift))
}
