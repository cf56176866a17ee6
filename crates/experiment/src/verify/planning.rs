//! Groups multiplicity_2, power_2, non_inferiority, bayesian.

use super::case::{Answer, Case, number, numbers, pair};
use crate::bayes::{Prior, posterior};
use crate::distribution::normal_upper_quantile;
use crate::error::{Error, Result, positive};
use crate::estimate::{Alternative, Effect, difference};
use crate::multiplicity::{Method, adjust};
use crate::non_inferiority::{Direction, Tested, non_inferiority as guardrail};
use crate::power::{
    Goal, more_units, normal_power, normal_units, student_effect, student_power, student_units,
};
use crate::relative::relative_delta;
use crate::special::root_above;
use serde_json::{Value, json};

pub(super) fn multiplicity(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let p: Vec<Option<f64>> = case.items("p")?.iter().map(|p| p.0.as_f64()).collect();
    let methods = [
        ("bonferroni", Method::Bonferroni),
        ("sidak", Method::Sidak),
        ("holm", Method::Holm),
        ("holm_sidak", Method::HolmSidak),
        ("hochberg", Method::Hochberg),
        ("hommel", Method::Hommel),
        ("bh", Method::Bh),
        ("by", Method::By),
    ];
    for (name, method) in methods {
        let adjusted = adjust(&p, method)?;
        out.put(name, adjusted.into_iter().map(|p| p.map_or(Value::Null, number)).collect::<Value>());
    }
    Ok(())
}

pub(super) fn power(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let sides = if case.alternative()? == Alternative::TwoSided { 2.0 } else { 1.0 };
    let sides = if case.has("alternative") { sides } else { case.f_or("sides", 2.0)? };
    let goal = Goal { alpha: case.alpha()?, power: case.f_or("power", 0.8)?, sides };
    let distribution = case.text_or("distribution", "");
    if case.has("target_relative_effect") || case.has("target_absolute_effect") {
        during_the_test(case, &goal, out)
    } else if case.has("baseline") {
        proportions(case, &goal, distribution, out)
    } else if case.has("mean") {
        means(case, &goal, distribution, out)
    } else {
        standardised(case, &goal, distribution, out)
    }
}

/// The sign of the smallest effect.
fn sign(case: &Case<'_>) -> Result<f64> {
    Ok(if case.alternative()? == Alternative::Less { -1.0 } else { 1.0 })
}

/// The smallest effect by the normal; a closed form without the far tail.
fn normal_effect(se: f64, goal: &Goal, far: bool) -> Result<f64> {
    let critical = normal_upper_quantile(goal.alpha / goal.sides);
    if !far {
        return Ok((critical + normal_upper_quantile(1.0 - goal.power)) * se);
    }
    root_above("the smallest effect", 0.0, se, |effect| normal_power(effect, se, critical, true) - goal.power)
}

/// Rounds up, but not a whole number that carries rounding.
fn up(n: f64) -> Value {
    json!((n - 1e-9 * n).ceil() as i64)
}

/// An effect in standard deviations.
fn standardised(case: &Case<'_>, goal: &Goal, distribution: &str, out: &mut Answer) -> Result<()> {
    let ratio = case.f_or("ratio", 1.0)?;
    let student = !distribution.contains("normal");
    let far = !distribution.contains("ignored") && goal.sides == 2.0;
    let units = |effect: f64| -> Result<f64> {
        if student {
            student_units(effect, ratio, goal)
        } else {
            normal_units(effect, None, 1.0 + 1.0 / ratio, goal)
        }
    };
    if case.has("effect_size") && !case.has("n_control") && !case.has("n_per_arm") {
        let n = units(case.f("effect_size")?)?;
        for key in ["n_control", "n_per_arm"] {
            out.number(key, n);
        }
        out.number("n_treatment", ratio * n);
        let both = json!([up(n), up(ratio * n)]);
        out.put(
            "rounded_up",
            if case.at("expect")?.get("rounded_up").is_some_and(Value::is_array) { both } else { up(n) },
        );
        return Ok(());
    }
    let control = if case.has("n_control") { case.f("n_control")? } else { case.f("n_per_arm")? };
    let treatment = case.f_or("n_treatment", ratio * control)?;
    let se = (1.0 / control + 1.0 / treatment).sqrt();
    if case.has("effect_size") {
        let effect = case.f("effect_size")?;
        let normal = normal_power(effect, se, normal_upper_quantile(goal.alpha / goal.sides), far);
        out.number(
            "power",
            if student { student_power(effect, control, treatment, goal.alpha, goal.sides) } else { normal },
        );
    } else {
        let effect =
            if student { student_effect(control, treatment, goal)? } else { normal_effect(se, goal, far)? };
        for key in ["effect_size", "mde"] {
            out.number(key, sign(case)? * effect);
        }
    }
    Ok(())
}

fn proportions(case: &Case<'_>, goal: &Goal, distribution: &str, out: &mut Answer) -> Result<()> {
    let (p0, ratio) = (case.f("baseline")?, positive("the ratio", case.f_or("ratio", 1.0)?)?);
    let given = case.any(&["n_per_arm", "n_control"])?;
    let spread = |p: f64| p * (1.0 - p);
    // Variances of one control unit's share of the effect, under the null (none: as under the alternative) and the alternative.
    let variances = |gap: f64| {
        let common = spread((p0 + ratio * (p0 + gap)) / (1.0 + ratio));
        let null = match null_variance(distribution) {
            Null::Alternative => None,
            Null::Pooled => Some(common * (1.0 + 1.0 / ratio)),
            Null::Baseline => Some(spread(p0) * (1.0 + 1.0 / ratio)),
        };
        (null, spread(p0) + spread(p0 + gap) / ratio)
    };
    let units = |gap: f64| {
        let (null, alternative) = variances(gap);
        normal_units(gap, null, alternative, goal)
    };
    let gap = match case.any(&["relative_lift", "relative_effect", "relative_mde"])? {
        Some(lift) => Some(p0 * lift),
        None => case.any(&["absolute_lift", "absolute_effect", "absolute_mde", "absolute_difference"])?,
    };
    let Some(gap) = gap else {
        let missing = || Error::Case("relative_lift, absolute_lift or n_per_arm must be given".into());
        let (n, sign) = (given.ok_or_else(missing)?, sign(case)?);
        let first = normal_effect(((1.0 + 1.0 / ratio) * spread(p0) / n).sqrt(), goal, false)?;
        let enough = |gap: f64| units(sign * gap).map_or(f64::NAN, |needed| (n / needed).ln());
        let gap = sign * root_above("the smallest effect", 1e-6 * first, first, enough)?;
        for key in ["relative_lift", "mde_relative", "relative_mde"] {
            out.number(key, gap / p0);
        }
        for key in ["absolute_lift", "mde_absolute", "absolute_mde", "mde"] {
            out.number(key, gap);
        }
        return Ok(());
    };
    if let Some(n) = given {
        let (null, alternative) = variances(gap);
        let critical = normal_upper_quantile(goal.alpha / goal.sides);
        let critical = critical * (null.unwrap_or(alternative) / alternative).sqrt();
        let far = goal.sides == 2.0 && !distribution.contains("ignored");
        out.number("power", normal_power(gap, (alternative / n).sqrt(), critical, far));
        return Ok(());
    }
    let n = units(gap)?;
    for key in ["n_per_arm", "n_control"] {
        out.number(key, n);
    }
    out.number("n_treatment", ratio * n);
    out.number("n_both_arms", (1.0 + ratio) * n);
    let listed = case.at("expect")?.get("rounded_up").is_some_and(Value::is_array);
    out.put("rounded_up", if listed { json!([up(n), up(ratio * n)]) } else { up(n) });
    Ok(())
}

/// Where the variance under the null comes from.
enum Null {
    Alternative,
    Pooled,
    Baseline,
}

/// "pooled under the null, unpooled under the alternative" is pooled: the words before "the null" decide.
fn null_variance(distribution: &str) -> Null {
    let text = distribution.split_once("under the null").map_or(distribution, |(before, _)| before);
    let alone = text.replace("unpooled", "");
    if alone.contains("pooled") {
        Null::Pooled
    } else if text.contains("unpooled") {
        Null::Alternative
    } else if distribution.contains("under the null") || distribution.contains("baseline") {
        Null::Baseline
    } else {
        Null::Alternative
    }
}

/// A mean with its variance; `ratio` times as many units in treatment.
fn means(case: &Case<'_>, goal: &Goal, distribution: &str, out: &mut Answer) -> Result<()> {
    let (mean, sd) = (case.f("mean")?, case.f("variance")?.sqrt());
    let normal = distribution.contains("normal") || case.get("use_t").and_then(Value::as_bool) == Some(false);
    let far = goal.sides == 2.0 && !distribution.contains("ignored");
    let (ratio, sign) = (positive("the ratio", case.f_or("ratio", 1.0)?)?, sign(case)?);
    let arms = |n: f64| (n / (1.0 + ratio), n * ratio / (1.0 + ratio));
    let se = |n: f64| (1.0 / arms(n).0 + 1.0 / arms(n).1).sqrt();
    let smallest = |n: f64| -> Result<f64> {
        let effect = if normal {
            normal_effect(se(n), goal, far)?
        } else {
            student_effect(arms(n).0, arms(n).1, goal)?
        };
        Ok(sign * sd * effect)
    };
    let power = |effect: f64, n: f64| {
        if normal {
            normal_power(effect / sd, se(n), normal_upper_quantile(goal.alpha / goal.sides), far)
        } else {
            student_power(effect / sd, arms(n).0, arms(n).1, goal.alpha, goal.sides)
        }
    };
    let sizes = case.get("n_obs").map(|n| Case(n).as_list().or(n.as_f64().map(|n| vec![n])));
    let sizes = sizes.map(|sizes| sizes.ok_or_else(|| Error::Case("n_obs must be numbers".into())));
    let sizes = sizes.transpose()?.unwrap_or_default();
    let listed = case.get("n_obs").is_some_and(Value::is_array);
    let shown = |values: Vec<f64>| match values[..] {
        [only] if !listed => number(only),
        _ => numbers(&values),
    };
    let relative = case.any(&["relative_effect_size", "rel_effect_size", "relative_effect"])?;
    let given = relative.map(|lift| lift * mean).or(case.any(&["effect_size", "absolute_effect"])?);
    if let Some(effect) = given {
        let control = if normal {
            normal_units(effect, None, (1.0 + 1.0 / ratio) * sd * sd, goal)?
        } else {
            student_units(effect / sd, ratio, goal)?
        };
        out.put("n_obs_both_arms", up((1.0 + ratio) * control));
        out.put("n_obs", up((1.0 + ratio) * control));
        for key in ["n_per_arm", "n_control"] {
            out.number(key, control);
        }
        out.number("n_treatment", ratio * control);
        if !sizes.is_empty() {
            out.put("power", shown(sizes.iter().map(|&n| power(effect, n)).collect()));
        }
        for (key, n) in case.asked_with("power_at_") {
            out.number(key, power(effect, n));
        }
    }
    for (key, n) in case.asked_with("mde_relative_at_") {
        out.number(key, smallest(n)? / mean);
    }
    for (key, n) in case.asked_with("mde_absolute_at_") {
        out.number(key, smallest(n)?);
    }
    if sizes.is_empty() {
        return Ok(());
    }
    let effects = sizes.iter().map(|&n| smallest(n)).collect::<Result<Vec<_>>>()?;
    for key in ["mde_relative", "relative_mde", "relative_effect_size", "rel_effect_size"] {
        out.put(key, shown(effects.iter().map(|effect| effect / mean).collect()));
    }
    for key in ["mde_absolute", "absolute_mde", "mde", "effect_size"] {
        out.put(key, shown(effects.clone()));
    }
    Ok(())
}

fn during_the_test(case: &Case<'_>, goal: &Goal, out: &mut Answer) -> Result<()> {
    let (c, t) = case.two()?;
    let (c, t) = (c.sample()?, t.sample()?);
    let (effect, target) = if case.has("target_relative_effect") {
        (relative_delta(&c, &t)?, case.f("target_relative_effect")?)
    } else {
        (difference(&c, &t)?, case.f("target_absolute_effect")?)
    };
    let tuned = if case.has("N_star") { Some(case.f("N_star")?) } else { None };
    let factor = more_units(&effect, c.n + t.n, target, goal, tuned)?;
    out.number("scaling_factor", factor);
    out.number("additional_units", factor * (c.n + t.n));
    Ok(())
}

pub(super) fn non_inferiority(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let (c, t) = case.two()?;
    let (c, t, alpha) = (c.sample()?, t.sample()?, case.alpha()?);
    let direction = match case.text_or("direction", "increase") {
        "increase" => Direction::Increase,
        "decrease" => Direction::Decrease,
        other => return Err(Error::Case(format!("direction must be increase or decrease, not {other}"))),
    };
    let tested = |tested: Tested| json!({"z": number(tested.z), "p": number(tested.p)});
    let result = guardrail(&c, &t, case.f("margin")?, direction, alpha)?;
    out.put("random_margin", tested(result.random_margin));
    out.put("fixed_margin", tested(result.fixed_margin));
    out.number("margin_absolute", result.margin_absolute);
    let difference = difference(&c, &t)?.normal();
    out.number("diff", difference.value);
    for key in case.asked() {
        let level =
            |prefix: &str| key.strip_prefix(prefix)?.strip_suffix("_of_difference")?.parse::<f64>().ok();
        if let Some(level) = level("lower_bound_") {
            out.number(key, difference.interval(1.0 - level / 100.0, Alternative::Greater)?.low);
        } else if let Some(level) = level("upper_bound_") {
            out.number(key, difference.interval(1.0 - level / 100.0, Alternative::Less)?.high);
        }
    }
    Ok(())
}

pub(super) fn bayesian(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let (c, t) = case.two()?;
    let (c, t) = (c.sample()?, t.sample()?);
    let relative = case.text_or("difference", "relative") == "relative";
    let estimate: Effect = if relative { relative_delta(&c, &t)? } else { difference(&c, &t)? };
    let prior = match case.get("prior").map(Case) {
        Some(prior) if prior.flag("proper") || (!prior.has("proper") && prior.has("mean")) => {
            let sd = prior.any(&["sd", "stddev", "se"])?;
            let variance = if let Some(sd) = sd { sd * sd } else { prior.f("variance")? };
            // A prior of the other kind of effect is rescaled by control's mean.
            let base = c.value.abs();
            let scale = match prior.text_or("type", "") {
                "absolute" if relative => 1.0 / base,
                "relative" if !relative => base,
                _ => 1.0,
            };
            Some(Prior { mean: prior.f_or("mean", 0.0)? * scale, variance: variance * scale * scale })
        }
        _ => None,
    };
    let result = posterior(&estimate, prior)?;
    let inverse = case.flag("inverse");
    out.number("posterior_mean", result.effect.value);
    out.number("posterior_sd", result.effect.se);
    out.number("chance_to_win", if inverse { 1.0 - result.chance_to_win } else { result.chance_to_win });
    let (control, treatment) = (result.risk_control, result.risk_treatment);
    out.number("risk_control", if inverse { treatment } else { control });
    out.number("risk_treatment", if inverse { control } else { treatment });
    out.put("ci", pair(result.interval(case.alpha()?)?));
    for (key, level) in case.asked_with("ci_") {
        out.put(key, pair(result.interval(1.0 - level / 100.0)?));
    }
    Ok(())
}
