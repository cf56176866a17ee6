//! The promise of the rules: on thousands of random logs, wrong in every way, each example is that of a slow and plain reference,
//! field by field, and its history event by event.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;
#[path = "common/reference.rs"]
mod reference;

use common::{Row, random_logs, write_raw};
use reference::Example;
use semrank_core::ActionId;
use semrank_data::{ContextValues, Dataset, Examples};
use semrank_prep::{Attribution, PrepReport, PrepSettings, prepare};
use std::path::Path;

fn settings(attribution: Attribution, view_through_days: i64, logging_delay_seconds: i64) -> PrepSettings {
    let base = PrepSettings { click_minutes: 1, conversion_days: 1, threads: 2, ..PrepSettings::default() };
    PrepSettings { attribution, view_through_days, logging_delay_seconds, ..base }
}

/// What should come of some logs: by time, then `seq`.
fn expected(logs: &[Vec<Row>], settings: &PrepSettings) -> Vec<Example> {
    let clean: Vec<Vec<Row>> = logs.iter().map(|log| reference::clean(log, settings)).collect();
    let log_end = clean.iter().map(|log| reference::end(log)).max().unwrap();
    let examples = clean.iter().flat_map(|log| reference::examples(log, log_end, settings));
    let mut examples: Vec<(i64, Example)> = examples.collect();
    examples.sort_by_key(|(seq, example)| (example.time, *seq));
    examples.into_iter().map(|(_, example)| example).collect()
}

/// What a prepared data set holds.
fn found(dir: &Path) -> Vec<Example> {
    let dataset = Dataset::open(dir).unwrap();
    let examples = Examples::open(dir, &dataset).unwrap();
    let country = examples.context("country").unwrap();
    let time = |times: &[i64], row: usize| Some(times[row]).filter(|&time| time != i64::MIN);
    (0..examples.len())
        .map(|row| Example {
            user: examples.user_names.name(examples.users[row].0).to_owned(),
            item: dataset.catalog.name(examples.items[row]).to_owned(),
            time: examples.times[row],
            history: history(&dataset, &examples, row),
            click: time(&examples.click_times, row).filter(|_| examples.clicks[row]),
            converted: examples.conversions[row],
            conversion: time(&examples.conversion_times, row),
            dwell: Some(i64::from(examples.dwell_ms[row])).filter(|&ms| ms >= 0),
            matured: examples.matured[row],
            slot: Some(i64::from(examples.slots[row])).filter(|&slot| slot != i64::from(u16::MAX)),
            propensity: Some(f64::from(examples.propensities[row])).filter(|p| !p.is_nan()),
            surface: (examples.surfaces[row] != u8::MAX)
                .then(|| examples.surface_names.name(examples.surfaces[row].into()).to_owned()),
            country: ContextValues::text(country, row).map(str::to_owned),
        })
        .collect()
}

fn history(dataset: &Dataset, examples: &Examples, row: usize) -> Vec<(String, String, i64, i64)> {
    let seen = examples.history(dataset, row);
    let user = examples.users[row];
    let start = if user.index() < dataset.events.users() { dataset.events.range(user).start } else { 0 };
    let action = |ActionId(action): ActionId| dataset.actions.name(action.into()).to_owned();
    (0..seen.len())
        .map(|at| {
            let dwell = dataset.events.dwells().get(start + at).map_or(-1, |&ms| i64::from(ms));
            (dataset.catalog.name(seen.items[at]).to_owned(), action(seen.actions[at]), seen.times[at], dwell)
        })
        .collect()
}

/// Prepares the logs as one, their rows in disorder, and compares every example.
fn check(logs: &[Vec<Row>], settings: &PrepSettings) -> PrepReport {
    let folder = tempfile::tempdir().unwrap();
    let (raw, out) = (folder.path().join("raw"), folder.path().join("out"));
    let mut rows: Vec<Row> = logs.concat();
    rows.sort_by_key(|row| (row.seq * 7_919) % 1_009);
    write_raw(&raw, &rows);
    let report = prepare(&raw, &out, settings).unwrap();
    let (found, expected) = (found(&out), expected(logs, settings));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        if found != expected {
            let log = logs.iter().find(|log| log.iter().any(|row| row.user == expected.user));
            panic!("{settings:?}\nfound {found:#?}\nexpected {expected:#?}\nof {:#?}", log.unwrap());
        }
    }
    check_counts(&report, &expected, rows.len());
    report
}

fn check_counts(report: &PrepReport, expected: &[Example], rows: usize) {
    let count = |what: fn(&Example) -> bool| expected.iter().filter(|&example| what(example)).count() as u64;
    assert_eq!(report.log_rows, rows as u64);
    assert_eq!(report.log_rows - report.duplicates, report.impressions + report.history_events);
    assert_eq!(report.impressions, expected.len() as u64);
    assert_eq!(report.examples.values().sum::<u64>(), report.impressions);
    assert_eq!(report.clicked, count(|example| example.click.is_some()));
    assert_eq!(report.converted, count(|example| example.converted == Some(true)));
    assert_eq!(report.matured, count(|example| example.matured));
    let clicks = &report.clicks;
    assert_eq!(clicks.attributed, report.clicked);
    let groups =
        [clicks.attributed, clicks.repeated, clicks.out_of_window, clicks.orphaned, clicks.unattributed];
    assert_eq!(clicks.total, groups.iter().sum::<u64>());
    let conversions = &report.conversions;
    let groups = [conversions.attributed, conversions.view_through, conversions.out_of_window];
    let others = [conversions.orphaned, conversions.unattributed];
    assert_eq!(conversions.total, groups.iter().chain(&others).sum::<u64>());
}

#[test]
fn thousands_of_logs_agree() {
    let mut seed = 0;
    for attribution in [Attribution::LastTouch, Attribution::FirstTouch] {
        for (view_through_days, logging_delay_seconds) in [(0, 0), (2, 0), (1, 61), (0, 86_400)] {
            let settings = settings(attribution, view_through_days, logging_delay_seconds);
            println!("seed {seed}");
            let report = check(&random_logs(seed, 500), &settings);
            // The logs hold everything that the rules are about.
            let (clicks, conversions) = (report.clicks, report.conversions);
            let all = [report.duplicates, report.skewed, report.late, report.matured];
            let of_clicks = [clicks.repeated, clicks.out_of_window, clicks.orphaned, clicks.unattributed];
            let of_conversions = [conversions.attributed, conversions.out_of_window, conversions.orphaned];
            let counts = [&all[..], &of_clicks, &of_conversions, &[conversions.unattributed]].concat();
            assert!(counts.iter().all(|&count| count > 10), "{report:#?}");
            assert_eq!(conversions.view_through > 10, view_through_days > 0);
            seed += 1;
        }
    }
}

#[test]
fn logs_of_their_own_agree() {
    let mut done = 0;
    for seed in 1000..1040 {
        let logs = random_logs(seed, 1);
        let has = |shown: bool| logs[0].iter().any(|row| (row.action == "impression") == shown);
        if has(true) && has(false) {
            check(&logs, &settings(Attribution::LastTouch, 1, 0));
            done += 1;
        }
    }
    assert!(done > 25);
}
