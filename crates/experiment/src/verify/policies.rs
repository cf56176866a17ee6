//! Groups interleaving_2 and off_policy.

use super::ReadText;
use super::case::{Answer, Case, number, pair};
use crate::error::{Error, Result};
use crate::estimate::Effect;
use crate::interleave::{balanced, preference, team_draft_outcomes};
use crate::offpolicy::{
    FitWeights, Round, Rounds, SlateRow, Weighted, ridge_predictions, slate_products, slates,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn interleaving(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    if case.has("wins_a") {
        let counts = [case.f("wins_a")?, case.f("wins_b")?, case.f_or("ties", 0.0)?];
        let found = preference(counts, case.alpha()?)?;
        out.number("sign_test_p", found.p);
        out.number("delta_ab", found.delta);
        out.number("win_share", found.win_share);
        out.put("win_share_ci", pair(found.interval));
        for (key, level) in case.asked_with("win_share_ci_") {
            let found = preference(counts, 1.0 - level / 100.0)?;
            out.put(key, pair(found.interval));
        }
        return Ok(());
    }
    let (rankings, names) = named_rankings(case)?;
    let name = |items: &[u64]| items.iter().map(|&item| names[item as usize].clone()).collect::<Value>();
    let k = case.f("k")? as usize;
    let outcomes = team_draft_outcomes(&rankings, k)?;
    let lists: BTreeSet<&Vec<u64>> = outcomes.iter().map(|(mixed, _)| &mixed.list).collect();
    out.put("distinct_lists", lists.len());
    let shown = outcomes.iter().map(|(mixed, probability)| {
        let teams = mixed.teams.iter().map(|team| name(team)).collect::<Value>();
        json!({"list": name(&mixed.list), "teams": teams, "probability": probability})
    });
    out.put("outcomes", shown.collect::<Value>());
    if let [one, other] = &rankings[..] {
        let list = |first: usize| name(&balanced([one, other], first, k));
        out.put("lists", json!([list(0), list(1)]));
        out.number("probability", 0.5);
    }
    Ok(())
}

/// Rankings by the place of each item in the sorted list of all items, and that list; items are numbers or texts.
fn named_rankings(case: &Case<'_>) -> Result<(Vec<Vec<u64>>, Vec<Value>)> {
    let bad = || Error::Case("rankings must be lists of items".into());
    let rows: Option<Vec<&Vec<Value>>> = case.items("rankings")?.iter().map(|row| row.0.as_array()).collect();
    let rows = rows.ok_or_else(bad)?;
    let mut names: Vec<Value> = rows.iter().flat_map(|row| row.iter().cloned()).collect();
    let number = |value: &Value| value.as_f64().unwrap_or(f64::INFINITY);
    names.sort_by(|a, b| number(a).total_cmp(&number(b)).then_with(|| a.to_string().cmp(&b.to_string())));
    names.dedup();
    let place = |item: &Value| names.iter().position(|name| name == item).unwrap_or(0) as u64;
    Ok((rows.iter().map(|row| row.iter().map(place).collect()).collect(), names))
}

/// Action, reward, logging propensity, target probabilities, predicted rewards.
type RoundRow = (usize, f64, f64, Vec<f64>, Vec<f64>);

fn estimate(effect: Result<Effect>) -> Result<Value> {
    effect.map(|effect| json!({"value": number(effect.value), "se": number(effect.se)}))
}

pub(super) fn off_policy(case: &Case<'_>, out: &mut Answer, read: &ReadText<'_>) -> Result<()> {
    if case.has("data") {
        return open_bandit(case, out, read);
    }
    if case.has("rows") {
        return slate_rows(case, out);
    }
    let (action, reward, propensity) = (case.list("action")?, case.list("reward")?, case.list("propensity")?);
    let target = case.rows("target")?;
    let nothing = vec![vec![]; target.len()];
    let given = if case.has("q") { case.rows("q")? } else { nothing };
    let rounds = |predicted: &[Vec<f64>]| -> Result<Vec<RoundRow>> {
        let lengths = [reward.len(), propensity.len(), target.len(), predicted.len()];
        if lengths.iter().any(|&length| length != action.len()) {
            return Err(Error::Case(
                "action, reward, propensity, target and q must have equal lengths".into(),
            ));
        }
        let row = |at: usize| {
            (action[at] as usize, reward[at], propensity[at], target[at].clone(), predicted[at].clone())
        };
        Ok((0..action.len()).map(row).collect())
    };
    if case.has("context") {
        let context = case.rows("context")?;
        let rows = rounds(&target)?;
        let plain = as_rounds(&rows);
        for (name, weights) in
            [("normal", FitWeights::Normal), ("iw", FitWeights::Importance), ("mrdr", FitWeights::MoreRobust)]
        {
            let predicted = ridge_predictions(&context, &plain, weights, case.f_or("ridge_alpha", 1.0)?)?;
            let rows = rounds(&predicted)?;
            let robust = Rounds::new(&as_rounds(&rows))?.doubly_robust()?;
            out.put(name, json!({"q_first_round": predicted[0], "dr": number(robust.value), "dr_se": number(robust.se)}));
        }
        return Ok(());
    }
    if given.iter().all(Vec::is_empty) {
        let rows = action.iter().zip(&reward).zip(&propensity).zip(&target);
        let rows = rows.map(|(((a, r), p), t)| (*r, *p, t.get(*a as usize).copied().unwrap_or(f64::NAN)));
        return weights(&Weighted::new(rows)?, case, out);
    }
    let rows = rounds(&given)?;
    let rounds = Rounds::new(&as_rounds(&rows))?;
    weights(&rounds.weighted, case, out)?;
    out.put_ok("dm", estimate(rounds.direct()));
    out.put_ok("dr", estimate(rounds.doubly_robust()));
    if case.has("tau") {
        out.put_ok("switch_dr", estimate(rounds.switch(case.f("tau")?)));
    }
    if case.has("lambda") {
        out.put_ok("dr_shrinkage", estimate(rounds.shrinkage(case.f("lambda")?)));
    }
    out.put_ok("sndr", rounds.self_normalised().map(|value| json!({"value": number(value)})));
    Ok(())
}

fn as_rounds(rows: &[RoundRow]) -> Vec<Round<'_>> {
    let round = |(action, reward, propensity, target, predicted)| Round {
        action,
        reward,
        propensity,
        target,
        predicted,
    };
    rows.iter().map(|(a, r, p, t, q)| round((*a, *r, *p, t.as_slice(), q.as_slice()))).collect()
}

/// What follows from rewards and weights alone.
fn weights(weighted: &Weighted, case: &Case<'_>, out: &mut Answer) -> Result<()> {
    out.put_ok("ipw", estimate(weighted.ips()));
    if case.has("lambda") {
        out.put_ok("clipped_ipw", estimate(weighted.clipped(case.f("lambda")?)));
    }
    out.put_ok("snips", estimate(weighted.snips()));
    out.number("ess", weighted.effective());
    out.number("max_weight", weighted.largest());
    out.number("max_weight_share", weighted.largest_share());
    out.number("mean_weight", weighted.mean_weight());
    let refusal = weighted.check().err();
    let as_flag = case.get("expect").and_then(|expect| expect.get("refused")).is_some_and(Value::is_boolean);
    let reason = refusal.as_ref().map_or(Value::Null, |error| error.to_string().into());
    out.put("refused", if as_flag { json!(refusal.is_some()) } else { reason });
    Ok(())
}

fn slate_rows(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let row = |row: &Vec<f64>| match row[..] {
        [slate, slot, reward, propensity, target] => {
            Ok(SlateRow { slate: slate as u64, slot: slot as u64, reward, propensity, target })
        }
        _ => Err(Error::Case("a row must be slate, slot, reward, propensity, target".into())),
    };
    let rows = case.rows("rows")?.iter().map(row).collect::<Result<Vec<_>>>()?;
    let (value, normalised) = slates(&rows)?;
    let (whole, stepwise) = slate_products(&rows)?;
    out.put_ok("standard_ips", estimate(Ok(whole)));
    out.put_ok("reward_interaction_ips", estimate(Ok(stepwise)));
    out.put_ok("independent_ips", estimate(Ok(value)));
    out.number("self_normalised", normalised);
    Ok(())
}

/// One row of the Open Bandit data: item, slot, click, propensity.
type BanditRow = (u64, u64, f64, f64);

fn bandit_rows(text: &str) -> Result<Vec<BanditRow>> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let place = |name: &str| {
        let missing = || Error::Case(format!("the log has no column {name}"));
        header.iter().position(|column| *column == name).ok_or_else(missing)
    };
    let (item, slot) = (place("item_id")?, place("position")?);
    let (click, propensity) = (place("click")?, place("propensity_score")?);
    let row = |line: &str| -> Option<BanditRow> {
        let cells: Vec<&str> = line.split(',').collect();
        let cell = |at: usize| cells.get(at)?.parse::<f64>().ok();
        Some((cell(item)? as u64, cell(slot)? as u64, cell(click)?, cell(propensity)?))
    };
    let bad = |line: &str| Error::Case(format!("the log has a row without its numbers: {line}"));
    lines.filter(|line| !line.is_empty()).map(|line| row(line).ok_or_else(|| bad(line))).collect()
}

/// The slot in `slot 1`, `slot = 1`, `position 2 only`.
fn named_slot(text: &str) -> Option<u64> {
    let after = |word: &str| {
        text.split(word).skip(1).find_map(|rest| {
            let rest = rest.trim_start();
            let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        })
    };
    after("slot").or_else(|| after("position"))
}

/// `open-bandit-sample: target = …, log = …_all_all.csv.gz`.
fn open_bandit(case: &Case<'_>, out: &mut Answer, read: &ReadText<'_>) -> Result<()> {
    let text = case.text("data")?;
    let file = |name: &str| -> Result<Vec<BanditRow>> {
        let path = format!("open-bandit-sample/{name}");
        bandit_rows(
            &read(&path).ok_or_else(|| Error::Case(format!("the data file {path} could not be read")))?,
        )
    };
    let name =
        |text: &str| text.split([' ', ',', ';']).find(|word| word.ends_with(".csv.gz")).map(str::to_owned);
    let (target, log) = text.split_once("log =").ok_or_else(|| Error::Case("data must name a log".into()))?;
    let mut log = file(&name(log).ok_or_else(|| Error::Case("data must name a log".into()))?)?;
    let only = if case.has("slot") || case.has("position") {
        Some(case.f_or("slot", case.f_or("position", 0.0)?)? as u64)
    } else {
        named_slot(text)
    };
    if let Some(only) = only {
        log.retain(|row| row.1 == only);
    }
    let marginals = match name(target) {
        Some(policy) => Some(slot_marginals(&file(&policy)?)),
        None => None,
    };
    let uniform = target.split_once("1/").and_then(|(_, rest)| rest.split(' ').next()?.parse::<f64>().ok());
    let share = |row: &BanditRow| match (&marginals, uniform) {
        (Some(marginals), _) => marginals.get(&(row.1, row.0)).copied().unwrap_or(0.0),
        (None, Some(items)) => 1.0 / items,
        (None, None) => f64::NAN,
    };
    let weighted = Weighted::new(log.iter().map(|row| (row.2, row.3, share(row))))?;
    weights(&weighted, case, out)?;
    for (key, effect) in [("ipw", weighted.ips()?), ("snips", weighted.snips()?)] {
        out.number(key, effect.value);
        out.number(&format!("{key}_se"), effect.se);
        out.put(
            &format!("{key}_ci"),
            pair(effect.interval(case.alpha()?, crate::estimate::Alternative::TwoSided)?),
        );
    }
    out.put("n", log.len());
    for policy in ["random", "bts"] {
        if let Ok(rows) = file(&format!("{policy}_all_all.csv.gz")) {
            out.number(
                &format!("on_policy_{policy}_mean"),
                rows.iter().map(|row| row.2).sum::<f64>() / rows.len() as f64,
            );
        }
    }
    Ok(())
}

/// Share of every item at every slot.
fn slot_marginals(rows: &[BanditRow]) -> BTreeMap<(u64, u64), f64> {
    let (mut counts, mut slots): (BTreeMap<(u64, u64), f64>, BTreeMap<u64, f64>) = Default::default();
    for row in rows {
        *counts.entry((row.1, row.0)).or_default() += 1.0;
        *slots.entry(row.1).or_default() += 1.0;
    }
    counts.into_iter().map(|((slot, item), count)| ((slot, item), count / slots[&slot])).collect()
}
