//! Groups asymptotic_cs, msprt, uniform_boundary, group_sequential.

use super::case::{Answer, Case, number, numbers, pair};
use crate::boundary::{Mixture, Stitching, bernoulli, best_rho, poly_stitching};
use crate::error::{Error, Result};
use crate::estimate::{Alternative, Effect, Interval, Sample, difference};
use crate::relative::relative_delta;
use crate::sequential::{ConfidenceSequence, msprt as likelihood_ratio, path, running_p};
use crate::spending::{Spending, bounds, rescaled};
use serde_json::{Value, json};

pub(super) fn asymptotic_cs(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let alternative = case.alternative()?;
    let sequence = ConfidenceSequence::new(case.alpha()?, case.f("N_star")?, alternative)?;
    out.number("rho", sequence.rho());
    let contrast = |c: &Sample, t: &Sample| -> Result<Effect> {
        if case.text_or("difference", "absolute") == "relative" {
            relative_delta(c, t)
        } else {
            difference(c, t)
        }
    };
    if case.has("looks") {
        return path_of_looks(case, &sequence, &contrast, out);
    }
    let (c, t) = case.two()?;
    let (c, t) = (c.sample()?, t.sample()?);
    let effect = contrast(&c, &t)?;
    let n = c.n + t.n;
    let ci = sequence.interval(&effect, n)?;
    out.number("d", effect.value);
    out.number("se", effect.se);
    out.put("ci", pair(ci));
    out.number("bound", if alternative == Alternative::Less { ci.high } else { ci.low });
    out.put_ok("p", sequence.p(&effect, n).map(number));
    Ok(())
}

fn path_of_looks(
    case: &Case<'_>,
    sequence: &ConfidenceSequence,
    contrast: &dyn Fn(&Sample, &Sample) -> Result<Effect>,
    out: &mut Answer,
) -> Result<()> {
    let look = |row: &Vec<f64>| -> Result<(Effect, f64)> {
        let [x0, n0, x1, n1] = row[..] else {
            return Err(Error::Case("a look must be x0, n0, x1, n1".into()));
        };
        let nothing = Effect { value: f64::NAN, se: f64::NAN, df: None };
        if n0.min(n1) == 0.0 {
            return Ok((nothing, n0 + n1));
        }
        let (c, t) = (Sample::proportion(x0, n0)?, Sample::proportion(x1, n1)?);
        Ok((contrast(&c, &t).unwrap_or(nothing), n0 + n1))
    };
    let looks = case.rows("looks")?.iter().map(look).collect::<Result<Vec<_>>>()?;
    let (found, crossing) = path(sequence, &looks)?;
    let asked = |at: usize, key: &str| case.get("expect").is_some_and(|all| all["looks"][at][key].is_null());
    let shown = found.iter().zip(&looks).enumerate().map(|(at, (look, (effect, _)))| {
        let interval = |key: &str, ci: Interval| {
            if !ci.low.is_finite() && !ci.high.is_finite() && asked(at, key) { Value::Null } else { pair(ci) }
        };
        json!({"ci": interval("ci", look.interval), "p": number(look.p), "running_ci": interval("running_ci", look.running),
            "running_p": number(look.running_p), "d": number(effect.value), "se": number(effect.se)})
    });
    out.put("looks", shown.collect::<Value>());
    out.put("first_crossing", json!(crossing));
    Ok(())
}

pub(super) fn msprt(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let tau2 = case.f("tau2")?;
    let ratio = |row: &Vec<f64>| match row[..] {
        [n, difference, variance] => likelihood_ratio(n, difference, variance, tau2),
        _ => Err(Error::Case("a look must be n, difference, variance".into())),
    };
    let ratios = case.rows("looks")?.iter().map(ratio).collect::<Result<Vec<_>>>()?;
    let p = running_p(&ratios);
    let looks = ratios.iter().zip(&p).map(|(lambda, p)| json!({"lambda": number(*lambda), "p": number(*p)}));
    out.put("looks", looks.collect::<Value>());
    let alpha = case.alpha()?;
    out.put("first_crossing", json!(p.iter().position(|p| *p < alpha)));
    Ok(())
}

/// The mixture or bound that a case names, by its inputs where it does not.
pub(super) fn uniform_boundary(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let alpha = case.alpha()?;
    let alpha_opt = case.f_or("alpha_opt", 0.05)?;
    if case.has("trials") {
        let ci = bernoulli(case.f("successes")?, case.f("trials")?, alpha, case.f("t_opt")?, alpha_opt)?;
        out.put("ci", pair(ci));
        return Ok(());
    }
    let name = case.text_or("name", "").to_lowercase();
    let v = case.f("v")?;
    if case.has("v_min") || name.contains("stitch") {
        let set = Stitching {
            v_min: case.f_or("v_min", 1.0)?,
            c: case.f_or("c", 0.0)?,
            s: case.f_or("s", 1.4)?,
            eta: case.f_or("eta", 2.0)?,
        };
        out.number("bound", poly_stitching(v, alpha, &set)?);
        return Ok(());
    }
    let v_opt = case.f("v_opt")?;
    let named = |text: &str| name.contains(text) && !name.contains(&format!("not_{text}"));
    let one_sided = match case.get("one_sided").or(case.get("is_one_sided")).and_then(Value::as_bool) {
        Some(flag) => flag,
        None if case.has("sides") => case.f("sides")? == 1.0,
        None => named("one_sided") || named("one-sided"),
    };
    let (two, one) = (best_rho(v_opt, alpha_opt)?, best_rho(v_opt, 2.0 * alpha_opt));
    let mixture = if case.has("g") || named("beta") {
        Mixture::beta_binomial(v_opt, alpha_opt, case.f("g")?, case.f("h")?, one_sided)?
    } else if named("exponential") {
        Mixture::GammaExponential { rho: one?, c: case.f("c")? }
    } else if named("poisson") {
        Mixture::GammaPoisson { rho: one?, c: case.f("c")? }
    } else if one_sided {
        let rho = one?;
        out.number("rho", rho);
        Mixture::HalfNormal { rho }
    } else {
        out.number("rho", two);
        Mixture::Normal { rho: two }
    };
    for (key, s) in case.asked_with("log_mixture_at_s_") {
        out.number(key, mixture.log(s, v));
    }
    out.number("bound", mixture.bound(v, alpha)?);
    Ok(())
}

pub(super) fn group_sequential(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let spending = match case.text("kind")? {
        "obrien_fleming" => Spending::ObrienFleming,
        "pocock" => Spending::Pocock,
        "power" => Spending::Power { phi: case.f("phi")? },
        other => return Err(Error::Case(format!("the spending function {other} is not known"))),
    };
    let information = if case.has("users") {
        let totals: Vec<f64> = case.rows("users")?.iter().map(|row| row.iter().sum()).collect();
        rescaled(&totals, case.f("expected_users")?)
    } else {
        let planned = case.f_or("planned_information", 1.0)?;
        case.list("information")?.iter().map(|share| share / planned).collect()
    };
    let found = bounds(&spending, &information, case.alpha()?, case.f_or("sides", 2.0)?)?;
    out.put("information", numbers(&information.iter().map(|share| share.min(1.0)).collect::<Vec<_>>()));
    for key in ["bounds", "bounds_at_looks"] {
        out.put(key, numbers(&found.z));
    }
    if let Some(last) = found.z.last() {
        out.number("bound_after_overrun", *last);
    }
    for key in ["nominal_p", "adjusted_alpha"] {
        out.put(key, numbers(&found.nominal_p));
    }
    out.put("cumulative_alpha", numbers(&found.cumulative_alpha));
    Ok(())
}
