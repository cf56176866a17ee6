//! Groups proportion, mean, moments, ratio_delta, relative, quantile, winsor.

use super::case::{Answer, Case, both, effect, levels, lift_ci, number, numbers, pair};
use crate::error::{Error, Result};
use crate::estimate::{Alternative, Effect, Sample, difference, pooled_difference};
use crate::moments::Moments;
use crate::proportion::{fisher, miettinen_nurminen, newcombe, pooled};
use crate::quantile::{Quantile, cap, capped, cluster_factor};
use crate::relative::{Fieller, fieller, lift_interval, log_ratio, relative_delta};
use serde_json::{Value, json};

pub(super) fn proportion(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let (alpha, alternative) = (case.alpha()?, case.alternative()?);
    let (c, t) = case.two()?;
    let (c, t) = (c.sample()?, t.sample()?);
    out.number("p0", c.value);
    out.number("p1", t.value);
    let welch = difference(&c, &t)?;
    out.number("diff", welch.value);
    out.put("unpooled", effect(&welch.normal(), alpha, alternative));
    out.put_ok(
        "pooled",
        pooled(&c, &t).map(|(z, two)| {
            let one = if alternative == Alternative::Greater { z } else { -z };
            let p = if alternative == Alternative::TwoSided {
                two
            } else {
                crate::distribution::normal_upper(one)
            };
            json!({"z": z, "p": p})
        }),
    );
    let (score, p) = miettinen_nurminen(&c, &t, alpha)?;
    out.put("score", json!({"ci": pair(score), "p": number(p)}));
    out.put("newcombe", json!({"ci": pair(newcombe(&c, &t, alpha)?)}));
    out.put("gb_t_absolute", effect(&welch, alpha, alternative));
    out.put_ok("gb_t_relative", relative_delta(&c, &t).map(|lift| effect(&lift, alpha, alternative)));
    out.put_ok(
        "relative_delta",
        relative_delta(&c, &t).map(|lift| effect(&lift.normal(), alpha, alternative)),
    );
    out.put_ok("relative_log", log_ratio(&c, &t).and_then(|log| log_lift(&log.normal(), alpha, alternative)));
    out.number("fisher_p", fisher(&c, &t));
    Ok(())
}

/// The lift with its log interval, by Student's t and by the normal; the shorter keys are those of `log` itself.
fn log_lift(log: &Effect, alpha: f64, alternative: Alternative) -> Result<Value> {
    let (ci, normal) = (lift_ci(log, alpha, alternative)?, lift_ci(&log.normal(), alpha, alternative)?);
    let bound = if ci.low.is_finite() { ci.low } else { ci.high };
    Ok(
        json!({"d": log.value.exp_m1(), "ci": pair(ci), "ci_t": pair(ci), "ci_z": pair(normal), "bound": bound}),
    )
}

fn two_moments(case: &Case<'_>) -> Result<(Moments, Moments)> {
    let ((c, t), order) = (case.two()?, case.order());
    Ok((c.moments_by(&order)?, t.moments_by(&order)?))
}

fn is_pooled(case: &Case<'_>) -> bool {
    case.flag("pooled_variance") || case.flag("equal_var")
}

fn absolute(case: &Case<'_>, c: &Sample, t: &Sample) -> Result<Effect> {
    if is_pooled(case) { pooled_difference(c, t) } else { difference(c, t) }
}

/// The lift by the delta method; with one variance for both arms where the case says so.
fn lift(case: &Case<'_>, c: &Sample, t: &Sample) -> Result<Effect> {
    if !is_pooled(case) {
        return relative_delta(c, t);
    }
    let df = c.n + t.n - 2.0;
    let variance = ((c.n - 1.0) * c.variance + (t.n - 1.0) * t.variance) / df;
    let same = |sample: &Sample| Sample { variance, ..*sample };
    Ok(Effect { df: Some(df), ..relative_delta(&same(c), &same(t))? })
}

/// The log ratio; with one relative variance for both arms where the case says so (as tea-tasting).
fn log_of(case: &Case<'_>, c: &Sample, t: &Sample) -> Result<Effect> {
    let log = log_ratio(c, t)?;
    if !is_pooled(case) {
        return Ok(log);
    }
    let scaled = |sample: &Sample| Sample {
        value: 1.0,
        variance: sample.variance / (sample.value * sample.value),
        ..*sample
    };
    Ok(Effect { value: log.value, ..pooled_difference(&scaled(c), &scaled(t))? })
}

pub(super) fn mean(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let (alpha, alternative) = (case.alpha()?, case.alternative()?);
    let (c, t) = two_moments(case)?;
    let (c, t) = (Sample::mean(&c, 0)?, Sample::mean(&t, 0)?);
    let main = if case.text_or("difference", "absolute") == "relative" {
        lift(case, &c, &t)?
    } else {
        absolute(case, &c, &t)?
    };
    let main = case.referred(main);
    out.put("means", numbers(&[c.value, t.value]));
    out.extend(both(&main, alpha, alternative));
    let relative = lift(case, &c, &t);
    out.put_ok("relative_delta", relative.map(|lift| both(&case.referred(lift), alpha, alternative)));
    log_keys(case, &c, &t, out)?;
    levels(&case.asked(), "", &main, |x| x, out)
}

/// The log interval of the lift under the names that cases use, where it exists.
fn log_keys(case: &Case<'_>, c: &Sample, t: &Sample, out: &mut Answer) -> Result<()> {
    let Ok(log) = log_of(case, c, t) else { return Ok(()) };
    let found = log_lift(&log, case.alpha()?, case.alternative()?)?;
    out.put("relative_log_ci_t", found["ci_t"].clone());
    out.put("relative_log_ci_z", found["ci_z"].clone());
    out.put("relative_log", log_lift(&case.referred(log), case.alpha()?, case.alternative()?)?);
    levels(&case.asked(), "relative_", &case.referred(log), f64::exp_m1, out)
}

pub(super) fn moments(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let shards = case.items("shards")?;
    let shards = shards.iter().map(Case::moments).collect::<Result<Vec<_>>>()?;
    let mut all = Moments::new(shards.iter().map(Moments::columns).max().unwrap_or(1).max(1));
    shards.iter().filter(|shard| shard.n() > 0.0).try_for_each(|shard| all.merge(shard))?;
    let variance = |moments: &Moments| {
        if moments.columns() == 0 { f64::NAN } else { moments.variance(0).unwrap_or(f64::NAN) }
    };
    out.number("n", all.n());
    out.number("mean", if all.n() > 0.0 { all.mean(0) } else { f64::NAN });
    out.number("variance", variance(&all));
    out.put("shard_variance", numbers(&shards.iter().map(variance).collect::<Vec<_>>()));
    out.put("shard_n", numbers(&shards.iter().map(Moments::n).collect::<Vec<_>>()));
    if all.columns() == 2 {
        out.put("means", numbers(all.means()));
        out.number("covariance", all.covariance(0, 1).unwrap_or(f64::NAN));
    }
    Ok(())
}

pub(super) fn ratio(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let (alpha, alternative) = (case.alpha()?, case.alternative()?);
    let (c, t) = two_moments(case)?;
    let (c, t) = (Sample::ratio(&c, 0, 1)?, Sample::ratio(&t, 0, 1)?);
    out.put("ratio", numbers(&[c.value, t.value]));
    let main = absolute(case, &c, &t)?;
    out.extend(effect(&main, alpha, alternative));
    out.extend(effect(&main.normal(), alpha, alternative));
    out.put("df", main.df.map_or(Value::Null, number));
    let relative = lift(case, &c, &t);
    out.put_ok("relative_delta", relative.map(|lift| both(&case.referred(lift), alpha, alternative)));
    log_keys(case, &c, &t, out)?;
    levels(&case.asked(), "", &main, |x| x, out)
}

pub(super) fn relative(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let alpha = case.alpha()?;
    let (c, t) = case.two()?;
    let (c, t) = (c.sample()?, t.sample()?);
    out.put(
        "fieller",
        match fieller((c.value, c.se()), (t.value, t.se()), alpha)? {
            Fieller::Interval { ci } => json!({"kind": "interval", "ci": pair(ci)}),
            Fieller::Outside { excluded } => json!({"kind": "outside", "excluded": pair(excluded)}),
            Fieller::Everything => json!({"kind": "everything"}),
        },
    );
    let absolute = Effect { value: t.value - c.value, se: c.se().hypot(t.se()), df: None };
    out.put_ok("p_absolute", absolute.p(Alternative::TwoSided).map(number));
    // The sign of a lift is that of the ratio less 1, also below 0.
    let lift = relative_delta(&c, &t)?.normal();
    let lift = Effect { value: t.value / c.value - 1.0, ..lift };
    out.number("lift", lift.value);
    out.put("delta", pair(lift.interval(alpha, Alternative::TwoSided)?));
    out.put_ok("p_relative_delta", lift.p(Alternative::TwoSided).map(number));
    let log = log_ratio(&c, &t).and_then(|log| lift_interval(&log.normal(), alpha, Alternative::TwoSided));
    out.put("log", log.map_or(Value::Null, pair));
    Ok(())
}

/// Rows of a quantile case as `(cluster, value)`; without clusters every row is its own.
fn clustered_rows(arm: &Case<'_>) -> Result<Vec<(u64, f64)>> {
    if let Some(values) = arm.as_list() {
        return Ok(values.into_iter().enumerate().map(|(at, value)| (at as u64, value)).collect());
    }
    let rows =
        arm.0.as_array().map(|rows| rows.iter().map(|row| Case(row).as_list()).collect::<Option<Vec<_>>>());
    let rows = rows.flatten().filter(|rows| rows.iter().all(|row| row.len() == 2));
    let rows = rows
        .ok_or_else(|| Error::Case("a quantile's arm must hold values, rows or an outer interval".into()))?;
    Ok(rows.iter().map(|row| (row[0] as u64, row[1])).collect())
}

pub(super) fn quantile(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let (alpha, alternative, q) = (case.alpha()?, case.alternative()?, case.f("q")?);
    let (c, t) = case.two()?;
    let given = c.has("outer");
    let arm = |arm: &Case<'_>| -> Result<(Quantile, f64)> {
        if given {
            let outer = arm.list("outer")?;
            let [low, high] = outer[..] else { return Err(Error::Case("outer must be two numbers".into())) };
            let outer = crate::estimate::Interval { low, high };
            return Ok((Quantile { n: arm.f("n")?, value: arm.f("quantile")?, outer }, 1.0));
        }
        let rows = clustered_rows(arm)?;
        let found = Quantile::of(&rows.iter().map(|(_, value)| *value).collect::<Vec<_>>(), q, alpha)?;
        Ok((found, cluster_factor(&rows, found.value, q)?))
    };
    let ((c, c_factor), (t, t_factor)) = (arm(&c)?, arm(&t)?);
    out.put("quantile", numbers(&[c.value, t.value]));
    out.put("outer", json!([pair(c.outer), pair(t.outer)]));
    out.number("diff", t.value - c.value);
    // Other tools' outer intervals have level .95 whatever the test's alpha.
    let outer_alpha = if given { 0.05 } else { alpha };
    let (vc, vt) = (c.variance(outer_alpha)?, t.variance(outer_alpha)?);
    out.number("se_iid", (vc + vt).sqrt());
    if !given {
        let se = (vc * c_factor + vt * t_factor).sqrt();
        out.number("se_clustered", se);
        let clustered = Effect { value: t.value - c.value, se, df: None };
        out.put_ok("p_z", clustered.p(alternative).map(number));
        out.put("ci_z", pair(clustered.interval(alpha, alternative)?));
    }
    let (c, t) = (c.sample(outer_alpha)?, t.sample(outer_alpha)?);
    out.put("gbstats_absolute", effect(&difference(&c, &t)?, alpha, alternative));
    out.put_ok("gbstats_relative", relative_delta(&c, &t).map(|lift| effect(&lift, alpha, alternative)));
    Ok(())
}

pub(super) fn winsor(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let (alpha, alternative) = (case.alpha()?, case.alternative()?);
    let (c, t) = (case.list("control")?, case.list("treatment")?);
    let limit = cap(&[&c, &t], case.f("q")?, case.flag("ignore_zeros"))?;
    let ((c, c_count), (t, t_count)) = (capped(&c, limit), capped(&t, limit));
    out.number("cap", limit);
    out.put("capped", json!([c_count, t_count]));
    let (c, t) = (Sample::mean(&Moments::of_values(&c)?, 0)?, Sample::mean(&Moments::of_values(&t)?, 0)?);
    out.put("means", numbers(&[c.value, t.value]));
    out.extend(effect(&difference(&c, &t)?, alpha, alternative));
    Ok(())
}
