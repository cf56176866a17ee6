//! Groups cuped, cuped_ratio, regression_adjustment, post_stratification, cluster_robust.

use super::case::{Answer, Case, both, effect, keys, levels, lift_ci, number, numbers, pair};
use crate::cuped::{Cuped, Pooling, merged};
use crate::error::{Error, Result};
use crate::estimate::{Alternative, Effect, Sample, difference};
use crate::moments::Moments;
use crate::regression::{Covariates, Fit, Robust, adjusted, clustered, from_moments};
use crate::relative::log_ratio;
use crate::strata::{Cell, post_stratify};
use serde_json::Value;

/// One coefficient as a number, several as a list.
fn theta_value(theta: &[f64]) -> Value {
    if let [only] = theta { number(*only) } else { numbers(theta) }
}

pub(super) fn cuped(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let order = case.order();
    let arms = if case.has("arms") {
        case.items("arms")?.iter().map(|arm| arm.moments_by(&order)).collect::<Result<Vec<_>>>()?
    } else {
        let (c, t) = case.two()?;
        vec![c.moments_by(&order)?, t.moments_by(&order)?]
    };
    let (alpha, alternative) = (case.alpha()?, case.alternative()?);
    let model = Cuped::mean(arms[0].columns());
    let (mut thetas, mut differences, mut p) = (Vec::new(), Vec::new(), Vec::new());
    for treatment in &arms[1..] {
        let theta = model.theta(&[&arms[0], treatment], Pooling::Total)?;
        let all = arms[0].merged(treatment)?;
        let pair =
            difference(&model.adjust(&arms[0], &all, &theta)?, &model.adjust(treatment, &all, &theta)?)?;
        differences.push(pair.value);
        p.push(pair.p(alternative).unwrap_or(f64::NAN));
        thetas.push(theta);
    }
    out.put("theta_pairs", thetas.iter().map(|theta| theta_value(theta)).collect::<Value>());
    out.put("diff_pairs", numbers(&differences));
    out.put("p_t_pairs", numbers(&p));
    let refs: Vec<&Moments> = arms.iter().collect();
    let theta = model.theta(&refs, Pooling::Total)?;
    let all = merged(&refs)?;
    let samples = arms.iter().map(|arm| model.adjust(arm, &all, &theta)).collect::<Result<Vec<_>>>()?;
    let effects = samples[1..].iter().map(|arm| difference(&samples[0], arm)).collect::<Result<Vec<_>>>()?;
    let means: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
    out.put("theta_all_arms", theta_value(&theta));
    out.put("adjusted_means_all_arms", numbers(&means));
    out.put("diff_all_arms", numbers(&effects.iter().map(|effect| effect.value).collect::<Vec<_>>()));
    out.put("se_all_arms", numbers(&effects.iter().map(|effect| effect.se).collect::<Vec<_>>()));
    let p = |effect: &Effect| effect.p(alternative).unwrap_or(f64::NAN);
    out.put("p_t_all_arms", numbers(&effects.iter().map(p).collect::<Vec<_>>()));
    if let [only] = &effects[..] {
        out.put("theta", theta_value(&theta));
        out.put("adjusted_means", numbers(&means));
        out.extend(both(&case.referred(*only), alpha, alternative));
        levels(&case.asked(), "", only, |x| x, out)?;
        log_keys(&samples[0], &samples[1], (alpha, alternative), &case.asked(), out)?;
        let raw = difference(&Sample::mean(&arms[0], 0)?, &Sample::mean(&arms[1], 0)?)?;
        out.number("variance_ratio", (only.se / raw.se).powi(2));
        let relative = model.relative(&arms[0], &arms[1], &theta);
        out.put_ok("relative", relative.map(|lift| both(&case.referred(lift), alpha, alternative)));
    }
    Ok(())
}

/// Sums of a ratio metric and its pre-period as growthbook exports them.
fn ratio_statistics(arm: &Case<'_>, order: &[&str]) -> Result<Moments> {
    let names = ["m_post", "d_post", "m_pre", "d_pre"];
    if arm.0.is_array() || !arm.has(names[0]) {
        return arm.moments_by(order);
    }
    let sums = |name: &&str| -> Result<Vec<f64>> {
        let part = arm.at(name)?;
        if part.0.is_object() { Ok(vec![part.f("sum")?, part.f("ss")?]) } else { arm.list(name) }
    };
    let own = names.iter().map(sums).collect::<Result<Vec<_>>>()?;
    let cell = |i: usize, j: usize| -> Result<f64> {
        if i == j {
            return Ok(own[i].get(1).copied().unwrap_or(f64::NAN));
        }
        let (one, other) = (format!("{}_{}", names[i], names[j]), format!("{}_{}", names[j], names[i]));
        let long = |name: &str| format!("{name}_sum_of_products");
        let found = arm.any(&[&one, &other, &long(&one), &long(&other)])?;
        found.ok_or_else(|| Error::Case(format!("{one} must be given")))
    };
    let products = (0..16).map(|at| cell(at / 4, at % 4)).collect::<Result<Vec<_>>>()?;
    let sums: Vec<f64> = own.iter().map(|pair| pair.first().copied().unwrap_or(f64::NAN)).collect();
    let n = if arm.has("n") { arm.f("n")? } else { arm.at(names[0])?.f("n")? };
    Moments::from_sums(n, &sums, &products)
}

pub(super) fn cuped_ratio(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let (alpha, alternative) = (case.alpha()?, case.alternative()?);
    let arms = if case.has("statistics") { case.at("statistics")? } else { *case };
    let (c, t) = arms.two()?;
    let order = case.order();
    let (c, t) = (ratio_statistics(&c, &order)?, ratio_statistics(&t, &order)?);
    let model = Cuped::ratio();
    let all = c.merged(&t)?;
    for (name, pooling) in [("gb", Pooling::WithinArms), ("total", Pooling::Total)] {
        let theta = model.theta(&[&c, &t], pooling)?;
        let (adjusted_c, adjusted_t) = (model.adjust(&c, &all, &theta)?, model.adjust(&t, &all, &theta)?);
        let mut part = Answer::default();
        part.put("theta", theta_value(&theta));
        part.put("adjusted", numbers(&[adjusted_c.value, adjusted_t.value]));
        let main = case.referred(difference(&adjusted_c, &adjusted_t)?);
        part.extend(both(&main, alpha, alternative));
        let asked = case.get("expect").and_then(|expect| expect.get(name));
        let asked = keys(asked);
        levels(&asked, "", &main, |x| x, &mut part)?;
        let lift = model.relative(&c, &t, &theta);
        part.put_ok("relative", lift.map(|lift| both(&case.referred(lift), alpha, alternative)));
        log_keys(&adjusted_c, &adjusted_t, (alpha, alternative), &asked, &mut part)?;
        out.put(name, Value::Object(part.0));
    }
    Ok(())
}

/// Intervals of the lift by the logarithm, where it exists.
fn log_keys(
    c: &Sample,
    t: &Sample,
    (alpha, alternative): (f64, Alternative),
    asked: &[&str],
    out: &mut Answer,
) -> Result<()> {
    let Ok(log) = log_ratio(c, t) else { return Ok(()) };
    out.put("relative_log_ci_t", pair(lift_ci(&log, alpha, alternative)?));
    out.put("relative_log_ci_z", pair(lift_ci(&log.normal(), alpha, alternative)?));
    levels(asked, "relative_", &log, f64::exp_m1, out)?;
    levels(asked, "relative_log_", &log, f64::exp_m1, out)
}

pub(super) fn regression(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let (c, t) = (case.rows("control")?, case.rows("treatment")?);
    let variants = [("HC0", Robust::Hc0), ("HC1", Robust::Hc1), ("HC2", Robust::Hc2), ("HC3", Robust::Hc3)];
    let mut put = |prefix: &str, fit: &Fit| {
        out.number(&format!("{prefix}effect"), fit.coefficients[1]);
        out.number(&format!("{prefix}control_mean"), fit.coefficients[0]);
        for (name, kind) in variants {
            out.number(&format!("{prefix}{name}_se"), fit.robust_se(1, kind));
        }
    };
    put("", &adjusted(&c, &t, Covariates::Interacted)?);
    put("ancova_", &adjusted(&c, &t, Covariates::Common)?);
    let k = c.first().map_or(0, Vec::len);
    let (effect, with_term) = from_moments(&Moments::of_rows(k, &c)?, &Moments::of_rows(k, &t)?)?;
    out.number("moment_effect", effect.value);
    out.number("moment_se", effect.se);
    out.number("moment_se_with_covariate_term", with_term);
    Ok(())
}

/// Columns of a cell's arm, and whether the first two are a ratio.
fn cell_arm(arm: &Case<'_>, ratio: &mut bool) -> Result<Moments> {
    let empty = arm.has("n") && arm.f("n")? == 0.0;
    let two = |one: &str, other: &str, product: &str| -> Result<Moments> {
        if empty {
            return Ok(Moments::new(2));
        }
        let (x, y) = (arm.at(one)?, arm.at(other)?);
        let xy = arm.f(product)?;
        Moments::from_sums(arm.f("n")?, &[x.f("sum")?, y.f("sum")?], &[x.f("ss")?, xy, xy, y.f("ss")?])
    };
    if arm.has("md") {
        *ratio = true;
        return two("m", "d", "md");
    }
    if arm.has("post_pre") {
        return two("post", "pre", "post_pre");
    }
    if arm.has("m_post") {
        *ratio = true;
        return if empty { Ok(Moments::new(4)) } else { ratio_statistics(arm, &[]) };
    }
    if empty { Ok(Moments::new(1)) } else { arm.moments() }
}

pub(super) fn strata(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let mut ratio = case.flag("ratio");
    let cells = case.items("cells")?;
    let cells = cells
        .iter()
        .map(|cell| {
            Ok(Cell {
                control: cell_arm(&cell.at("control")?, &mut ratio)?,
                treatment: cell_arm(&cell.at("treatment")?, &mut ratio)?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let result = post_stratify(&cells, ratio)?;
    let (alpha, alternative) = (case.alpha()?, case.alternative()?);
    out.put("absolute", effect(&result.absolute, alpha, alternative));
    if let Some(relative) = result.relative {
        out.put("relative", effect(&relative, alpha, alternative));
    }
    out.number("classic_absolute_se", result.classic_se);
    out.put("cells", result.cells);
    Ok(())
}

pub(super) fn clusters(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let rows = case.rows("rows")?;
    let column =
        |at: usize| -> Vec<f64> { rows.iter().map(|row| row.get(at).copied().unwrap_or(f64::NAN)).collect() };
    let clusters: Vec<u64> = column(2).iter().map(|cluster| cluster.to_bits()).collect();
    let result = clustered(&column(0), &column(1), &clusters)?;
    let alpha = case.alpha()?;
    out.extend(effect(&result.cr1, alpha, Alternative::TwoSided));
    out.number("effect", result.effect);
    out.number("cr0_se", result.cr0);
    out.number("cr1_se", result.cr1.se);
    Ok(())
}
