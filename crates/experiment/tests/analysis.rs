//! From a log to a verdict: the whole way, on logs whose truth is known.
#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

use semrank_experiment::analysis::{Analysis, Collector, State, Word};
use semrank_experiment::definition::{DAY_MS, Definition};
use semrank_experiment::log::{LoggedEvent, LoggedExposure, SlateItem, Used};
use semrank_experiment::random::Stream;
use serde_json::json;

const DEFINITION: &str = r#"
name = "content-sourcer"
start = 2026-01-05T00:00:00Z
days = 14
settle_hours = 6
effect = 0.3
segments = ["surface"]

[[arms]]
name = "control"
weight = 0.5
set = { "retrieve.content.quota" = 0 }

[[arms]]
name = "treatment"
weight = 0.5

[[metrics]]
name = "conversions per user"
role = "primary"
numerator = { action = "conversion" }
window_days = 7
covariates = ["events"]

[[metrics]]
name = "conversions per click"
role = "secondary"
numerator = { action = "conversion" }
denominator = { action = "click" }
window_days = 7

[[metrics]]
name = "revenue"
role = "secondary"
numerator = { action = "conversion", value = "sum", column = "value" }
cap = { quantile = 0.99 }
window_days = 7

[[metrics]]
name = "users who click"
role = "guardrail"
margin = 0.2
numerator = { action = "click", value = "any" }
window_days = 7
"#;

struct Log {
    exposures: Vec<LoggedExposure>,
    events: Vec<LoggedEvent>,
}

/// Users of a definition with clicks and conversions; treatment has `lift` times the conversions where its list differs (half the users).
fn log(definition: &Definition, users: usize, lift: f64, seed: u64) -> Log {
    let mut out = Log { exposures: Vec::new(), events: Vec::new() };
    for user in 0..users {
        let mut random = Stream::new(seed << 32 | user as u64);
        let unit = format!("u{user}");
        let Some(arm) = definition.arm(&unit) else { continue };
        let first = definition.start + (random.uniform() * 13.9 * DAY_MS as f64) as i64;
        let differs = user % 2 == 0;
        let before = (4.0 * random.exponential()).floor();
        for request in 0..3 {
            out.exposures.push(LoggedExposure {
                event_id: format!("x{user}-{request}"),
                experiment: definition.name.clone(),
                phase: 1,
                unit: unit.clone(),
                arm: definition.arms[arm].name.clone(),
                time: (first + request * DAY_MS / 2).min(definition.end_ms() - 1),
                would_differ: Some(differs && request > 0),
                events_before: before,
                segments: [("surface".to_owned(), ["feed", "search"][user % 2].to_owned())].into(),
                ..LoggedExposure::default()
            });
        }
        let clicks = (2.0 * random.exponential() + 0.1 * before).floor() as i64;
        let factor = if arm == 1 && differs { lift } else { 1.0 };
        for click in 0..clicks {
            let time = first + DAY_MS / 2 + (random.uniform() * 5.0 * DAY_MS as f64) as i64;
            let id = format!("c{user}-{click}");
            let columns = json!({ "user_id": unit, "item_id": "ad", "event_id": id });
            let event = |id: String, action: &str, time: i64, columns: serde_json::Value| LoggedEvent {
                event_id: id,
                action: action.into(),
                timestamp: time,
                received_at: None,
                columns: columns.as_object().cloned().unwrap_or_default(),
            };
            out.events.push(event(id.clone(), "click", time, columns));
            if random.uniform() < 0.2 * factor {
                let at = time + (random.exponential() * 0.3 * DAY_MS as f64) as i64;
                let columns =
                    json!({ "user_id": unit, "parent_event_id": id, "value": 5.0 * random.exponential() });
                out.events.push(event(format!("v{user}-{click}"), "conversion", at, columns));
            }
        }
    }
    out
}

fn analyze(definition: &Definition, log: &Log, as_of_days: f64) -> Analysis {
    let as_of = definition.start + (as_of_days * DAY_MS as f64) as i64;
    let mut collector = Collector::new(definition.clone(), as_of).unwrap();
    log.exposures.iter().for_each(|row| collector.exposure(row).unwrap());
    log.events.iter().for_each(|row| collector.event(row).unwrap());
    collector.analyze().unwrap()
}

fn definition() -> Definition {
    Definition::from_toml(DEFINITION).unwrap()
}

#[test]
fn a_better_treatment_ships_once_the_last_unit_has_matured() {
    let (definition, log) = (definition(), log(&definition(), 8_000, 1.8, 1));
    let early = analyze(&definition, &log, 15.0);
    assert_eq!(early.verdict.word, Word::NotYet, "{:?}", early.verdict);
    assert!((early.verdict.days.unwrap() - 6.25).abs() < 0.01, "{:?}", early.verdict.days);
    let late = analyze(&definition, &log, 22.0);
    assert_eq!(late.verdict.word, Word::Ship, "{:#?}", late.verdict);
    let found = &late.metrics[0].comparisons[0];
    let relative = found.relative.as_ref().unwrap();
    assert!(relative.interval.unwrap().contains(0.4), "{relative:?}");
    assert!(found.variance_kept.unwrap() < 1.0);
    let triggered = found.triggered.unwrap();
    assert!((triggered.share - 0.5).abs() < 0.02 && triggered.variance_ratio > 1.3, "{triggered:?}");
    let complement = triggered.complement.unwrap();
    assert!(complement.p > 0.001, "{complement:?}");
    assert_eq!(late.counts.exposed.iter().sum::<u64>(), 8_000);
    assert!(late.checks.iter().all(|check| check.state != State::Failed), "{:#?}", late.checks);
    let guard = late.metrics.iter().find(|metric| metric.name == "users who click").unwrap();
    assert!(guard.comparisons[0].guardrail.unwrap().is_held);
    let delays = late.delays.unwrap();
    let [matured, hazards] = [delays.comparisons[0].matured.unwrap(), delays.comparisons[0].hazards.unwrap()];
    assert!((matured.value - hazards.value).abs() < matured.se);
}

#[test]
fn equal_arms_have_no_effect_and_a_worse_one_is_harm() {
    let definition = definition();
    let equal = analyze(&definition, &log(&definition, 4_000, 1.0, 2), 22.0);
    assert_eq!(equal.verdict.word, Word::NoEffect, "{:#?}", equal.verdict);
    assert!(equal.verdict.most.is_some_and(|most| most > 0.0), "{}", equal.verdict.sentence);
    let worse = analyze(&definition, &log(&definition, 8_000, 0.4, 3), 22.0);
    assert_eq!(worse.verdict.word, Word::Harm, "{:#?}", worse.verdict);
}

#[test]
fn a_log_that_lacks_exposures_of_an_arm_is_invalid() {
    let definition = definition();
    let mut log = log(&definition, 8_000, 1.0, 4);
    log.exposures.retain(|row| row.arm != "treatment" || !row.unit.ends_with('7'));
    let found = analyze(&definition, &log, 22.0);
    assert_eq!(found.verdict.word, Word::Invalid);
    assert!(
        found.verdict.reasons.iter().any(|why| why.starts_with("sample ratio")),
        "{:?}",
        found.verdict.reasons
    );
}

#[test]
fn the_order_of_rows_and_duplicates_change_nothing() {
    let definition = definition();
    let mut log = log(&definition, 600, 1.5, 5);
    let text = |analysis: &Analysis| serde_json::to_string(analysis).unwrap();
    let plain = analyze(&definition, &log, 22.0);
    log.exposures.reverse();
    log.events.reverse();
    assert_eq!(text(&analyze(&definition, &log, 22.0)), text(&plain));
    let again = log.exposures.clone();
    log.exposures.extend(again);
    let again = log.events.clone();
    log.events.extend(again);
    let mut twice = analyze(&definition, &log, 22.0);
    assert!(twice.counts.duplicates > plain.counts.duplicates);
    twice.counts.duplicates = plain.counts.duplicates;
    assert_eq!(text(&twice), text(&plain));
}

#[test]
fn rows_that_come_later_change_nothing_and_a_changed_definition_is_named() {
    let definition = definition();
    let log = log(&definition, 600, 1.5, 6);
    let as_of = definition.start + 10 * DAY_MS;
    let known = Log {
        exposures: log.exposures.iter().filter(|row| row.time <= as_of).cloned().collect(),
        events: log.events.iter().filter(|row| row.timestamp <= as_of).cloned().collect(),
    };
    let (mut all, known) = (analyze(&definition, &log, 10.0), analyze(&definition, &known, 10.0));
    assert!(all.counts.received_after_as_of > 0);
    all.counts.received_after_as_of = 0;
    assert_eq!(serde_json::to_string(&all).unwrap(), serde_json::to_string(&known).unwrap());
    let mut collector = Collector::new(definition.clone(), as_of).unwrap();
    let used = |time: i64, fingerprint: String| Used { time, fingerprint };
    collector.used([used(2, definition.fingerprint()), used(1, "another".into())]);
    let check =
        collector.analyze().unwrap().checks.into_iter().find(|check| check.name == "one definition").unwrap();
    assert_eq!(check.state, State::Warning);
}

#[test]
fn sequences_and_looks_decide_before_the_end() {
    let sequence = DEFINITION
        .replace("effect = 0.3", "effect = 0.3\nstop = { rule = \"confidence-sequence\", tuned_for = 4000 }");
    let sequence = Definition::from_toml(&sequence).unwrap();
    let rows = log(&sequence, 8_000, 3.0, 7);
    let early = analyze(&sequence, &rows, 13.0);
    assert_eq!(early.verdict.word, Word::Ship, "{:#?}", early.verdict);
    let none = analyze(&sequence, &rows, 1.0);
    assert_eq!(none.verdict.word, Word::NotYet, "{:#?}", none.verdict);
    let looks = DEFINITION.replace(
        "effect = 0.3",
        "effect = 0.3\nstop = { rule = \"group-sequential\", planned_units = 8000, looks = [0.5, 1.0], spending = { kind = \"obrien_fleming\" } }",
    );
    let looks = Definition::from_toml(&looks).unwrap();
    let rows = log(&looks, 8_000, 3.0, 8);
    let at = |day: f64| analyze(&looks, &rows, day).metrics[0].comparisons[0].clone();
    let (before, first, later) = (at(12.0), at(16.0), at(17.5));
    assert!(
        before.bound.is_none()
            && !before.is_significant
            && before.absolute.unwrap().interval.high.is_infinite()
    );
    let (share, bound) = first.bound.unwrap();
    assert!((0.5..0.62).contains(&share) && bound > 2.5, "{share} {bound}");
    // Between two planned looks nothing more is decided, however often the log is looked at.
    assert_eq!((first.bound, first.crossed), (later.bound, later.crossed));
    assert!(first.is_significant);
    // Fewer units than planned: the last look is taken when the last of them has matured.
    let end = at(22.0);
    assert!(end.bound.is_some_and(|(share, _)| share == 1.0), "{:?}", end.bound);
}

#[test]
fn looking_every_day_at_planned_looks_keeps_the_error_rate() {
    let text = DEFINITION.replace(
        "effect = 0.3",
        "effect = 0.3\nstop = { rule = \"group-sequential\", planned_units = 400, looks = [1.0], spending = { kind = \"pocock\" } }",
    );
    let definition = Definition::from_toml(&text).unwrap();
    let alarms = (0..40).filter(|seed| {
        let rows = log(&definition, 390, 1.0, 100 + seed);
        (8..22)
            .any(|day| analyze(&definition, &rows, f64::from(day)).metrics[0].comparisons[0].is_significant)
    });
    // Looking at z each day raises 14 %; 40 runs at 5 % have 8 or fewer with a probability of .999.
    let alarms = alarms.count();
    assert!(alarms <= 8, "{alarms}");
}

#[test]
fn who_was_active_before_is_a_bot_and_who_becomes_active_is_not() {
    let mut definition = definition();
    definition.bots.most_events_before = Some(10.0);
    let mut log = log(&definition, 2_000, 1.0, 10);
    let plain = analyze(&definition, &log, 22.0);
    assert!(plain.counts.bots > 50, "{}", plain.counts.bots);
    // Later requests of treatment see more events.
    for row in &mut log.exposures {
        if row.arm == "treatment" && !row.event_id.ends_with("-0") {
            row.events_before += 100.0;
        }
    }
    assert_eq!(analyze(&definition, &log, 22.0).counts.bots, plain.counts.bots);
}

#[test]
fn ids_that_do_not_agree_and_logs_without_a_unit_are_no_result() {
    let definition = definition();
    let mut log = log(&definition, 500, 1.0, 11);
    for event in &mut log.events {
        let user = event.text("user_id").unwrap().to_uppercase();
        event.columns.insert("user_id".into(), user.into());
    }
    let strange = analyze(&definition, &log, 22.0);
    assert_eq!(strange.verdict.word, Word::Invalid, "{:#?}", strange.verdict);
    log.exposures.clear();
    let nobody = analyze(&definition, &log, 22.0);
    assert_eq!(nobody.verdict.word, Word::NotYet, "{:#?}", nobody.verdict);
}

#[test]
fn one_arm_that_harms_is_harm_and_one_that_helps_ships() {
    let three = DEFINITION.replace(
        "[[arms]]\nname = \"treatment\"\nweight = 0.5",
        "[[arms]]\nname = \"treatment\"\nweight = 0.25\n\n[[arms]]\nname = \"other\"\nweight = 0.25",
    );
    let definition = Definition::from_toml(&three).unwrap();
    // Only the first treatment has another rate.
    let worse = analyze(&definition, &log(&definition, 8_000, 0.2, 12), 22.0);
    assert_eq!(worse.verdict.word, Word::Harm, "{:#?}", worse.verdict);
    assert!(worse.verdict.sentence.starts_with("treatment is worse"), "{}", worse.verdict.sentence);
    assert_eq!(worse.metrics[0].comparisons[0].correction.as_deref(), Some("Holm"));
    let better = analyze(&definition, &log(&definition, 8_000, 2.2, 13), 22.0);
    assert_eq!(better.verdict.word, Word::Ship, "{:#?}", better.verdict);
}

#[test]
fn definitions_that_cannot_be_are_refused_with_their_key() {
    let refused =
        |from: &str, to: &str| Definition::from_toml(&DEFINITION.replace(from, to)).unwrap_err().to_string();
    for (from, to, expected) in [
        ("days = 14", "days = -1", "`days` is -1"),
        ("days = 14", "dayz = 14", "unknown field"),
        ("role = \"primary\"", "role = \"secondary\"", "`metrics` is 0 primary metrics"),
        ("margin = 0.2", "", "`metrics[3].margin`: a guardrail needs"),
        ("effect = 0.3", "correction = \"bh\"", "`correction`"),
        ("effect = 0.3", "traffic = 0", "`traffic` is 0"),
        ("effect = 0.3", "design = \"switchback\"", "`switchback`"),
        ("effect = 0.3", "targeting = { surface = [] }", "`targeting.surface`"),
        (
            "effect = 0.3",
            "stop = { rule = \"group-sequential\", planned_units = 9, looks = [0.5], spending = { kind = \"pocock\" } }",
            "`stop.looks`",
        ),
        ("effect = 0.3", "design = \"interleaving\"", "`metrics`"),
        ("effect = 0.3", "budget = { spend = { action = \"click\" } }", "`budget.spend.value`"),
        ("cap = { quantile = 0.99 }", "cap = { }", "`metrics[2].cap`"),
        ("2026-01-05T00:00:00Z", "\"yesterday\"", "start"),
    ] {
        let error = refused(from, to);
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn a_plan_from_a_log_without_a_test_needs_the_units_that_its_own_effect_needs() {
    let definition = definition();
    let rows = log(&definition, 6_000, 1.0, 9);
    let plan = semrank_experiment::analysis::plan(&definition, &rows.events, 1.0).unwrap();
    let primary = &plan.metrics[0];
    let (units, days) = primary.needed.unwrap();
    assert!(units > 500.0 && units < 20_000.0 && days > 7.25, "{primary:?}");
    let fewer = semrank_experiment::analysis::plan(&definition, &rows.events, 0.25).unwrap();
    let (with_trigger, _) = fewer.metrics[0].needed.unwrap();
    assert!((with_trigger / units - 0.25).abs() < 0.01, "{with_trigger} {units}");
    // More days detect smaller effects.
    let effects: Vec<f64> = primary.detectable.iter().map(|(_, _, effect)| *effect).collect();
    assert!(effects.windows(2).all(|pair| pair[0] > pair[1]), "{effects:?}");
    assert!(semrank_experiment::analysis::plan(&definition, &rows.events[..3], 1.0).is_err());
}

#[test]
fn mixed_lists_say_which_arm_users_prefer() {
    let text = DEFINITION.replace("effect = 0.3", "design = \"interleaving\"").replace(
        "action = \"conversion\" }\nwindow_days = 7\ncovariates = [\"events\"]",
        "action = \"click\" }\nwindow_days = 7",
    );
    let text = &text[..text.find("[[metrics]]\nname = \"conversions per click\"").unwrap()];
    let definition = Definition::from_toml(text).unwrap();
    let analyze_with = |preference: f64| {
        let mut collector = Collector::new(definition.clone(), definition.start + 30 * DAY_MS).unwrap();
        for user in 0..400 {
            let mut random = Stream::new(1_000 + user);
            let first = random.below(2);
            let item = |at: usize| SlateItem {
                item: format!("i{at}"),
                sources: Vec::new(),
                team: Some(definition.arms[(first + at) % 2].name.clone()),
                probability: None,
            };
            let row = LoggedExposure {
                event_id: format!("x{user}"),
                experiment: definition.name.clone(),
                phase: 1,
                unit: format!("u{user}"),
                arm: "control".into(),
                time: definition.start + 5,
                request_id: format!("r{user}"),
                would_differ: Some(true),
                slate: (0..4).map(item).collect(),
                ..LoggedExposure::default()
            };
            collector.exposure(&row).unwrap();
            for (at, item) in row.slate.iter().enumerate() {
                let chance = if item.team.as_deref() == Some("treatment") { 0.3 + preference } else { 0.3 };
                if random.uniform() < chance {
                    let columns =
                        json!({ "user_id": row.unit, "item_id": item.item, "request_id": row.request_id });
                    let event = LoggedEvent {
                        event_id: format!("c{user}-{at}"),
                        action: "click".into(),
                        timestamp: row.time + 1,
                        received_at: None,
                        columns: columns.as_object().cloned().unwrap_or_default(),
                    };
                    collector.event(&event).unwrap();
                }
            }
        }
        collector.analyze().unwrap()
    };
    let preferred = analyze_with(0.25);
    assert_eq!(preferred.verdict.word, Word::Ship, "{:#?}", preferred.verdict);
    let share = preferred.metrics[0].comparisons[0].absolute.unwrap();
    assert!(share.value > 0.1 && share.interval.low > 0.0, "{share:?}");
    let equal = analyze_with(0.0);
    assert_eq!(equal.verdict.word, Word::NoEffect, "{:?}", equal.metrics[0].comparisons[0].absolute);
    assert_eq!(analyze_with(-0.25).verdict.word, Word::Harm);
}
