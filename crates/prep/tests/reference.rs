//! The promise of the rules: on thousands of random logs, wrong in every way, each example is that of a slow and plain reference,
//! field by field, and its history event by event.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;
#[path = "common/reference/mod.rs"]
mod reference;

use common::{Columns, DAY, Row, START, random_logs, write_raw};
use reference::{Counts, Event, Example};
use semrank_data::{Dataset, Examples};
use semrank_prep::{Attribution, PrepReport, PrepSettings, prepare};
use std::collections::HashMap;
use std::path::Path;

fn settings(attribution: Attribution, view_through_days: i64, logging_delay_seconds: i64) -> PrepSettings {
    let base = PrepSettings { click_minutes: 1, conversion_days: 1, threads: 2, ..PrepSettings::default() };
    PrepSettings { attribution, view_through_days, logging_delay_seconds, ..base }
}

/// The expected result for some logs: examples by time, then `seq`, and the counts of the report.
fn expected(logs: &[Vec<Row>], settings: &PrepSettings) -> (Vec<Example>, Counts) {
    let span = reference::span(&logs.concat(), settings);
    let mut all: Vec<Vec<Row>> = logs.iter().map(|log| reference::clean(log, settings)).collect();
    if settings.ignore_parents {
        all.iter_mut().flatten().for_each(|row| row.parent = None);
    }
    let count = |logs: &[Vec<Row>]| logs.iter().map(Vec::len).sum::<usize>() as u64;
    let (rows, events) = (count(logs), count(&all));
    let clean: Vec<Vec<Row>> = all.into_iter().map(|log| reference::within(log, span)).collect();
    let log_end = clean.iter().filter(|log| !log.is_empty()).map(|log| reference::end(log)).max().unwrap();
    let examples = clean.iter().flat_map(|log| reference::examples(log, log_end, settings));
    let mut examples: Vec<Example> = examples.collect();
    examples.sort_by_key(|example| (example.time, example.seq));
    let log_start = clean.iter().flatten().map(|row| row.time).min().unwrap();
    let conversions = clean.iter().flatten().any(|row| row.action == "conversion");
    reference::set_parts(&mut examples, span.0, (log_start, log_end), window(settings, conversions));
    let (duplicates, strays) = (rows - events, events - count(&clean));
    let mut counts = Counts { duplicates, strays, ..Counts::default() };
    logs.iter().zip(&clean).for_each(|(rows, log)| counts.add(rows, log, settings));
    (examples, counts)
}

/// The longest time from an impression to its final labels.
fn window(settings: &PrepSettings, conversions: bool) -> i64 {
    let (minute, day) = (60_000, 86_400_000);
    let click = settings.click_minutes * minute;
    let conversion = (click + settings.conversion_days * day).max(settings.view_through_days * day);
    settings.logging_delay_seconds * 1000 + if conversions { conversion } else { click }
}

/// What a prepared data set holds.
fn found(dir: &Path) -> Vec<Example> {
    let file = Columns::read(&dir.join("examples.parquet"));
    let [parts, users, items] = ["split", "user_id", "item_id"].map(|name| file.texts(name));
    let [requests, surfaces, countries] = ["request_id", "surface", "country"].map(|name| file.texts(name));
    let integers = |name: &str| file.integers(name);
    let [times, seqs, ends, clicked] = ["timestamp", "seq", "history_end", "label_click"].map(integers);
    let [clicks, converted, conversions] =
        ["click_time", "label_conversion", "conversion_time"].map(integers);
    let [elapsed, dwells, matured, slots] =
        ["elapsed_since_click", "dwell_ms", "matured", "slot"].map(integers);
    let propensities = file.numbers("propensity");
    let received = ["click_received", "conversion_received"].map(integers);
    let events = events(dir);
    let example = |row: usize| {
        let user = users[row].clone().unwrap();
        assert_eq!(clicked[row].unwrap() == 1, clicks[row].is_some());
        Example {
            part: parts[row].clone().unwrap(),
            item: items[row].clone().unwrap(),
            time: times[row].unwrap(),
            seq: seqs[row].unwrap(),
            history: events.get(&user).map_or(Vec::new(), |of| of[..ends[row].unwrap() as usize].to_vec()),
            click: clicks[row],
            converted: converted[row].map(|label| label == 1),
            conversion: conversions[row],
            click_received: received[0][row],
            conversion_received: received[1][row],
            elapsed: elapsed[row],
            dwell: dwells[row],
            matured: matured[row].unwrap() == 1,
            request: requests[row].clone(),
            slot: slots[row],
            propensity: propensities[row],
            surface: surfaces[row].clone(),
            country: countries[row].clone(),
            user,
        }
    };
    (0..users.len()).map(example).collect()
}

/// Every user's events, in the order of the file.
fn events(dir: &Path) -> HashMap<String, Vec<Event>> {
    let file = Columns::read(&dir.join("events.parquet"));
    let [users, items, actions, surfaces] =
        ["user_id", "item_id", "action", "surface"].map(|name| file.texts(name));
    let [times, dwells, known] = ["timestamp", "dwell_ms", "known_at"].map(|name| file.integers(name));
    let values = file.numbers("value");
    let mut events: HashMap<String, Vec<Event>> = HashMap::new();
    for row in 0..users.len() {
        events.entry(users[row].clone().unwrap()).or_default().push(Event {
            item: items[row].clone().unwrap(),
            action: actions[row].clone().unwrap(),
            time: times[row].unwrap(),
            dwell: dwells[row],
            surface: surfaces[row].clone(),
            value: values[row],
            known: known[row].unwrap(),
        });
    }
    events
}

/// Prepares the logs as one, their rows in disorder, and compares every example.
fn check(logs: &[Vec<Row>], settings: &PrepSettings) -> PrepReport {
    let folder = tempfile::tempdir().unwrap();
    let (raw, out) = (folder.path().join("raw"), folder.path().join("out"));
    let mut rows: Vec<Row> = logs.concat();
    rows.sort_by_key(|row| (row.seq * 7_919) % 1_009);
    write_raw(&raw, &rows);
    let report = prepare(&raw, &out, settings, &|| false).unwrap();
    let (found, (expected, counts)) = (found(&out), expected(logs, settings));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        if found != expected {
            let log = logs.iter().find(|log| log.iter().any(|row| row.user == expected.user));
            panic!("{settings:?}\nfound {found:#?}\nexpected {expected:#?}\nof {:#?}", log.unwrap());
        }
    }
    check_counts(&report, &expected, &counts);
    assert_eq!(report.log_rows, rows.len() as u64);
    check_opens(&out, &found, report.log_end_ms);
    if !settings.ignore_parents {
        check_nothing_is_early(&rows, &found, settings);
    }
    report
}

fn check_counts(report: &PrepReport, expected: &[Example], counts: &Counts) {
    let count = |what: fn(&Example) -> bool| expected.iter().filter(|&example| what(example)).count() as u64;
    let strays: u64 = [report.before_log, report.after_log].iter().flatten().map(|strays| strays.rows).sum();
    assert_eq!(strays, counts.strays);
    let events = report.impressions + report.history_events + strays;
    assert_eq!(report.log_rows - report.duplicates, events);
    assert_eq!(report.impressions, expected.len() as u64);
    for part in ["train", "valid", "test"] {
        let rows = expected.iter().filter(|example| example.part == part).count() as u64;
        assert_eq!(report.examples.get(part).copied().unwrap_or(0), rows, "{part}");
    }
    assert_eq!(report.clicked, count(|example| example.click.is_some()));
    assert_eq!(report.converted, count(|example| example.converted == Some(true)));
    assert_eq!(report.matured, count(|example| example.matured));
    let found = (report.duplicates, report.skewed, report.late);
    assert_eq!(found, (counts.duplicates, counts.skewed, counts.late));
    assert_eq!((report.clicks, report.conversions), (counts.clicks, counts.conversions));
}

/// The data set is one for everything that reads examples, and knows the end of its log.
fn check_opens(dir: &Path, found: &[Example], log_end: i64) {
    let dataset = Dataset::open(dir).unwrap();
    let examples = Examples::open(dir, &dataset).unwrap();
    let clicked = found.iter().any(|example| example.click.is_some());
    assert_eq!(examples.log_end, clicked.then_some(log_end));
    for (row, example) in found.iter().enumerate() {
        assert_eq!(examples.history(&dataset, row).len(), example.history.len());
    }
}

/// What must hold whatever the other rules are: no history holds an event caused by the example, or that the log did not have
/// when it had the example.
fn check_nothing_is_early(rows: &[Row], found: &[Example], settings: &PrepSettings) {
    let by_seq: HashMap<i64, &Row> = rows.iter().map(|row| (row.seq, row)).collect();
    let mut by_id: HashMap<&str, Vec<&Row>> = HashMap::new();
    for row in rows {
        by_id.entry(row.id.as_deref().unwrap_or("")).or_default().push(row);
    }
    let arrived = |row: &Row| row.received.unwrap_or(row.time);
    for example in found {
        let shown = by_seq[&example.seq];
        for event in &example.history {
            let mut row = by_seq[&(event.value.unwrap() as i64)];
            let late = arrived(row) + settings.logging_delay_seconds * 1000 >= arrived(shown);
            assert!(!late, "{row:#?} was received after {shown:#?}");
            while let Some(parent) = row.parent.as_deref().and_then(|parent| {
                let named = by_id.get(parent)?;
                named.iter().find(|named| (&named.user, &named.item) == (&row.user, &row.item))
            }) {
                row = parent;
                assert!(row.id != shown.id, "{event:#?} was caused by {shown:#?}");
            }
        }
    }
}

#[test]
fn logs_whose_parents_do_not_count_agree() {
    let settings = PrepSettings { ignore_parents: true, ..settings(Attribution::LastTouch, 0, 0) };
    let report = check(&random_logs(77, 500), &settings);
    assert_eq!((report.clicks.orphaned, report.conversions.orphaned), (0, 0));
    assert!(report.clicks.attributed > 10, "{report:#?}");
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

/// Gives some rows wrong clocks: years and days away on both sides, scattered, in a burst, by the user's clock or the server's.
fn with_wrong_clocks(logs: &mut [Vec<Row>]) {
    let moves = [
        -55 * 365 * DAY,
        -30 * DAY,
        -9 * DAY,
        9 * DAY,
        12 * DAY,
        12 * DAY,
        12 * DAY + 1,
        90 * DAY,
        74 * 365 * DAY,
    ];
    for (at, moved) in moves.into_iter().enumerate() {
        let row = &mut logs[at * 7][0];
        row.time += moved;
        // Without the server's clock, with one that is wrong too, and a server's clock alone that is wrong.
        row.received = [None, Some(row.time), Some(row.time + 700)][at % 3];
    }
    logs[99][0].received = Some(logs[99][0].time + 20 * 365 * DAY);
}

#[test]
fn wrong_clocks_change_nothing_but_their_own_rows() {
    for seed in 2000..2003 {
        let mut logs = random_logs(seed, 500);
        with_wrong_clocks(&mut logs);
        let report = check(&logs, &settings(Attribution::LastTouch, 1, 0));
        let (before, after) = (report.before_log.unwrap(), report.after_log.unwrap());
        assert!(before.rows >= 1 && after.rows >= 3, "{report:#?}");
        assert_eq!(report.warnings().iter().filter(|warning| warning.contains("left out")).count(), 2);
        assert!(report.log_end_ms < START + 8 * DAY && report.matured > 1000);
    }
}

/// The longest dwell that a log may have ends after the last moment that a data set can tell.
#[test]
fn a_visit_that_never_ends_is_never_known() {
    for logging_delay_seconds in [0, 36_500 * 86_400] {
        let mut logs = random_logs(88, 500);
        let acts = logs.iter_mut().flatten().filter(|row| row.action != "impression");
        acts.step_by(9).for_each(|row| row.dwell = Some(*semrank_data::TIMES_MS.end()));
        check(&logs, &settings(Attribution::LastTouch, 1, logging_delay_seconds));
    }
}
