//! Which rows of a log count, with corrected times, and the days that it covers.

use crate::common::{DAY, Row};
use semrank_prep::PrepSettings;
use std::collections::BTreeSet;

/// The rows of a log that count, with corrected times; by time, then `seq`.
pub(crate) fn clean(rows: &[Row], settings: &PrepSettings) -> Vec<Row> {
    let same = |a: &Row, b: &Row| match (&a.id, &b.id) {
        (Some(a), Some(b)) => a == b,
        (None, None) => (&a.user, &a.item, &a.action, a.time) == (&b.user, &b.item, &b.action, b.time),
        _ => false,
    };
    let place = |row: &Row| (row.received.unwrap_or(row.time), row.seq);
    let first = |row: &&Row| !rows.iter().any(|other| same(other, row) && place(other) < place(row));
    let mut kept: Vec<Row> = rows.iter().filter(first).cloned().collect();
    kept.iter_mut().for_each(|row| correct(row, settings));
    kept.sort_by_key(|row| (row.time, row.seq));
    kept
}

/// When a log knew of a row.
fn known(row: &Row) -> i64 {
    row.time.max(row.received.unwrap_or(row.time))
}

/// Rows of one action in a day.
fn on_day(rows: &[Row], action: &str, day: i64, moment: fn(&Row) -> i64) -> usize {
    rows.iter().filter(|row| row.action == action && moment(row).div_euclid(DAY) == day).count()
}

/// The days that have a hundredth of some action's usual day: half of the action's rows are on days that are no larger than that.
fn usual_days(rows: &[Row], moment: fn(&Row) -> i64) -> BTreeSet<i64> {
    let mut days = BTreeSet::new();
    for action in rows.iter().map(|row| row.action.clone()).collect::<BTreeSet<String>>() {
        let own: Vec<&Row> = rows.iter().filter(|row| row.action == action).collect();
        let day = |row: &Row| moment(row).div_euclid(DAY);
        let mut sizes: Vec<usize> = own.iter().map(|row| on_day(rows, &action, day(row), moment)).collect();
        sizes.sort(); // one size per row: the middle one is the usual day's
        let usual = sizes[(sizes.len() - 1) / 2];
        days.extend(
            own.iter().map(|row| day(row)).filter(|&day| on_day(rows, &action, day, moment) * 100 >= usual),
        );
    }
    days
}

/// First and last day of a log whose usual days follow each other, with at most one empty day between.
fn days(rows: &[Row], moment: fn(&Row) -> i64) -> (i64, i64) {
    let usual: Vec<i64> = usual_days(rows, moment).into_iter().collect();
    let few = |fits: &dyn Fn(i64) -> bool| {
        let rows_there = rows.iter().filter(|row| fits(moment(row).div_euclid(DAY))).count();
        rows_there * 100 < rows.len()
    };
    let has = |day: i64| rows.iter().any(|row| moment(row).div_euclid(DAY) == day);
    let apart = |a: i64, b: i64| b - a > 2;
    let (mut first, mut last) = (usual[0], usual[usual.len() - 1]);
    // A stretch at an end goes if it and all beyond it are few.
    while let Some(at) = usual.windows(2).position(|pair| pair[0] >= first && apart(pair[0], pair[1])) {
        if !few(&|day| day <= usual[at]) {
            break;
        }
        first = usual[at + 1];
    }
    while let Some(at) = usual.windows(2).rposition(|pair| pair[1] <= last && apart(pair[0], pair[1])) {
        if !few(&|day| day >= usual[at + 1]) {
            break;
        }
        last = usual[at];
    }
    (first - i64::from(has(first - 1)), last + i64::from(has(last + 1)))
}

/// The first moment of the span of raw rows and the first after it; their clocks are corrected.
pub(crate) fn span(rows: &[Row], settings: &PrepSettings) -> (i64, i64) {
    let mut rows = rows.to_vec();
    rows.iter_mut().for_each(|row| correct(row, settings));
    let (first, last) = (days(&rows, |row| row.time).0, days(&rows, known).1);
    (first * DAY, (last + 1) * DAY)
}

/// The rows of a clean log within a span.
pub(crate) fn within(log: Vec<Row>, (first, over): (i64, i64)) -> Vec<Row> {
    log.into_iter().filter(|row| row.time >= first && known(row) < over).collect()
}

fn correct(row: &mut Row, settings: &PrepSettings) {
    if let Some(received) = row.received
        && row.time > received + settings.clock_tolerance_seconds * 1000
    {
        row.time = received;
    }
}

/// The last moment that a log knows of.
pub(crate) fn end(clean: &[Row]) -> i64 {
    clean.iter().map(known).max().unwrap()
}
