//! Groups multiplicity_2, power_2, non_inferiority, bayesian.

use super::case::{Answer, Case, number, pair};
use crate::bayes::{Prior, posterior};
use crate::error::{Error, Result};
use crate::estimate::{Alternative, Effect, difference};
use crate::multiplicity::{Method, adjust};
use crate::non_inferiority::{Direction, Tested, non_inferiority as guardrail};
use crate::power::{
    Goal, more_units, normal_power, normal_units, student_effect, student_power, student_units,
};
use crate::relative::relative_delta;
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
    let goal =
        Goal { alpha: case.alpha()?, power: case.f_or("power", 0.8)?, sides: case.f_or("sides", 2.0)? };
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

/// Rounds up, but not a whole number that carries rounding.
fn up(n: f64) -> Value {
    json!((n - 1e-9 * n).ceil() as i64)
}

/// An effect in standard deviations.
fn standardised(case: &Case<'_>, goal: &Goal, distribution: &str, out: &mut Answer) -> Result<()> {
    let ratio = case.f_or("ratio", 1.0)?;
    let student = !distribution.contains("normal");
    let far = !distribution.contains("ignored");
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
        let critical = crate::distribution::normal_upper_quantile(goal.alpha / goal.sides);
        let normal = normal_power(effect, se, critical, far && goal.sides == 2.0);
        out.number(
            "power",
            if student { student_power(effect, control, treatment, goal.alpha, goal.sides) } else { normal },
        );
    } else {
        let z = |tail: f64| crate::distribution::normal_upper_quantile(tail);
        let normal = (z(goal.alpha / goal.sides) + z(1.0 - goal.power)) * se;
        let effect = if student { student_effect(control, treatment, goal)? } else { normal };
        for key in ["effect_size", "mde"] {
            out.number(key, effect);
        }
    }
    Ok(())
}

fn proportions(case: &Case<'_>, goal: &Goal, distribution: &str, out: &mut Answer) -> Result<()> {
    let p0 = case.f("baseline")?;
    let gap = match case.any(&["relative_lift", "relative_effect", "relative_mde"])? {
        Some(lift) => p0 * lift,
        None => case
            .any(&["absolute_lift", "absolute_effect", "absolute_mde", "absolute_difference"])?
            .ok_or_else(|| Error::Case("relative_lift or absolute_lift must be given".into()))?,
    };
    let spread = |p: f64| p * (1.0 - p);
    let alternative = spread(p0) + spread(p0 + gap);
    let null = match distribution {
        text if text.contains("unpooled") => None,
        text if text.contains("pooled") => Some(2.0 * spread(p0 + gap / 2.0)),
        text if text.contains("under the null") || text.contains("baseline") => Some(2.0 * spread(p0)),
        _ => None,
    };
    if case.has("n_per_arm") {
        let n = case.f("n_per_arm")?;
        let critical = crate::distribution::normal_upper_quantile(goal.alpha / goal.sides);
        let critical = critical * (null.unwrap_or(alternative) / alternative).sqrt();
        let far = goal.sides == 2.0 && !distribution.contains("ignored");
        out.number("power", normal_power(gap, (alternative / n).sqrt(), critical, far));
        return Ok(());
    }
    let n = normal_units(gap, null, alternative, goal)?;
    out.number("n_per_arm", n);
    out.number("n_both_arms", 2.0 * n);
    out.put("rounded_up", up(n));
    Ok(())
}

/// A mean with its variance, both arms equal in size.
fn means(case: &Case<'_>, goal: &Goal, distribution: &str, out: &mut Answer) -> Result<()> {
    let (mean, sd) = (case.f("mean")?, case.f("variance")?.sqrt());
    let normal = distribution.contains("normal");
    let z = |tail: f64| crate::distribution::normal_upper_quantile(tail);
    let smallest = |n: f64| -> Result<f64> {
        let per_arm = n / 2.0;
        if normal {
            Ok(sd * (z(goal.alpha / goal.sides) + z(1.0 - goal.power)) * (2.0 / per_arm).sqrt())
        } else {
            Ok(sd * student_effect(per_arm, per_arm, goal)?)
        }
    };
    let relative = case.any(&["relative_effect_size", "rel_effect_size", "relative_effect"])?;
    let given = relative.map(|lift| lift * mean).or(case.any(&["effect_size", "absolute_effect"])?);
    if let Some(effect) = given {
        let per_arm = if normal {
            normal_units(effect, None, 2.0 * sd * sd, goal)?
        } else {
            student_units(effect / sd, 1.0, goal)?
        };
        out.put("n_obs_both_arms", up(2.0 * per_arm));
        out.number("n_per_arm", per_arm);
        if case.has("n_obs") {
            let n = case.f("n_obs")? / 2.0;
            out.number("power", student_power(effect / sd, n, n, goal.alpha, goal.sides));
        }
    }
    for (key, n) in case.asked_with("mde_relative_at_") {
        out.number(key, smallest(n)? / mean);
    }
    for (key, n) in case.asked_with("mde_absolute_at_") {
        out.number(key, smallest(n)?);
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
