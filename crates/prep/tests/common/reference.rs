//! The rules of the crate once more, as loops over a vector: slow, and plain enough to be checked by eye.

use crate::common::{DAY, MINUTE, Row};
use semrank_prep::{Attribution, PrepSettings};

/// An example as it should be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Example {
    pub(crate) user: String,
    pub(crate) item: String,
    pub(crate) time: i64,
    pub(crate) history: Vec<(String, String, i64, i64)>,
    pub(crate) click: Option<i64>,
    pub(crate) converted: Option<bool>,
    pub(crate) conversion: Option<i64>,
    pub(crate) dwell: Option<i64>,
    pub(crate) matured: bool,
    pub(crate) slot: Option<i64>,
    pub(crate) propensity: Option<f64>,
    pub(crate) surface: Option<String>,
    pub(crate) country: Option<String>,
}

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
    for row in &mut kept {
        if let Some(received) = row.received
            && row.time > received + settings.clock_tolerance_seconds * 1000
        {
            row.time = received;
        }
    }
    kept.sort_by_key(|row| (row.time, row.seq));
    kept
}

/// The last moment that a log knows of.
pub(crate) fn end(clean: &[Row]) -> i64 {
    clean.iter().map(|row| row.time.max(row.received.unwrap_or(row.time))).max().unwrap()
}

/// A clicked impression: places in the clean log, and the time of the click.
struct Clicked {
    impression: usize,
    click: usize,
    time: i64,
}

/// The impression of a click, if the log has one.
fn impression_of(log: &[Row], click: usize) -> Option<usize> {
    let mut found = None;
    for (at, row) in log.iter().enumerate().filter(|(_, row)| row.action == "impression") {
        let fits = match &log[click].parent {
            Some(parent) => row.id.as_ref() == Some(parent),
            None => row.user == log[click].user && row.item == log[click].item && row.time <= log[click].time,
        };
        if fits {
            found = Some(at); // the log is sorted: the last one stays
        }
    }
    found
}

/// The impression of a click that counts, and its time.
fn counted(log: &[Row], click: usize, settings: &PrepSettings) -> Option<(usize, i64)> {
    let impression = impression_of(log, click)?;
    let time = log[click].time.max(log[impression].time);
    (time - log[impression].time <= settings.click_minutes * MINUTE).then_some((impression, time))
}

fn clicked(log: &[Row], settings: &PrepSettings) -> Vec<Clicked> {
    let mut out: Vec<Clicked> = Vec::new();
    for click in (0..log.len()).filter(|&at| log[at].action == "click") {
        let Some((impression, time)) = counted(log, click, settings) else { continue };
        let place = |clicked: &Clicked| (clicked.time, log[clicked.click].seq);
        let next = Clicked { impression, click, time };
        match out.iter_mut().find(|other| other.impression == impression) {
            Some(other) if place(&next) < place(other) => *other = next,
            Some(_) => {}
            None => out.push(next),
        }
    }
    out.sort_by_key(|clicked| (clicked.time, log[clicked.click].seq));
    out
}

/// The impression that a conversion is attributed to by its click, and its time.
fn by_click(log: &[Row], at: usize, clicked: &[Clicked], settings: &PrepSettings) -> Option<(usize, i64)> {
    let (row, window) = (&log[at], settings.conversion_days * DAY);
    if let Some(parent) = &row.parent {
        let click =
            log.iter().position(|other| other.action == "click" && other.id.as_ref() == Some(parent))?;
        let (impression, _) = counted(log, click, settings)?;
        let first = clicked.iter().find(|other| other.impression == impression)?;
        let time = row.time.max(first.time);
        return (time - first.time <= window).then_some((impression, time));
    }
    let mut candidates = clicked.iter().filter(|other| {
        let click = &log[other.click];
        let age = row.time - other.time;
        click.user == row.user && click.item == row.item && (0..=window).contains(&age)
    });
    let touched = match settings.attribution {
        Attribution::FirstTouch => candidates.next(),
        Attribution::LastTouch => candidates.next_back(),
    };
    touched.map(|clicked| (clicked.impression, row.time))
}

/// The impression that a conversion without a click is attributed to.
fn by_view(log: &[Row], at: usize, clicked: &[Clicked], settings: &PrepSettings) -> Option<usize> {
    let row = &log[at];
    let mut seen = log.iter().enumerate().filter(|(_, other)| {
        other.action == "impression"
            && other.user == row.user
            && other.item == row.item
            && other.time <= row.time
    });
    let (last, shown) = seen.next_back()?;
    let in_window = row.time - shown.time <= settings.view_through_days * DAY;
    let free = clicked.iter().all(|clicked| clicked.impression != last);
    (settings.view_through_days > 0 && in_window && free).then_some(last)
}

/// What an impression may see.
fn history(log: &[Row], shown: &Row, settings: &PrepSettings) -> Vec<(String, String, i64, i64)> {
    let mut out = Vec::new();
    for row in log.iter().filter(|row| row.user == shown.user && row.action != "impression") {
        let over = row.time + row.dwell.unwrap_or(0);
        let known = over.max(row.received.unwrap_or(row.time)) + settings.logging_delay_seconds * 1000;
        if known >= shown.time {
            break;
        }
        out.push((row.item.clone(), row.action.clone(), row.time, row.dwell.unwrap_or(-1)));
    }
    out
}

/// All examples of one clean log, in its order; `log_end` is that of all logs together.
pub(crate) fn examples(log: &[Row], log_end: i64, settings: &PrepSettings) -> Vec<(i64, Example)> {
    let clicked = clicked(log, settings);
    let mut conversions: Vec<Option<i64>> = vec![None; log.len()];
    for at in (0..log.len()).filter(|&at| log[at].action == "conversion") {
        let found = by_click(log, at, &clicked, settings)
            .or_else(|| by_view(log, at, &clicked, settings).map(|impression| (impression, log[at].time)));
        if let Some((impression, time)) = found {
            conversions[impression] = Some(conversions[impression].map_or(time, |other| other.min(time)));
        }
    }
    let mut out = Vec::new();
    for (at, row) in log.iter().enumerate().filter(|(_, row)| row.action == "impression") {
        let click = clicked.iter().find(|clicked| clicked.impression == at);
        let open = (settings.click_minutes * MINUTE).max(settings.view_through_days * DAY);
        let closed = click.map_or(row.time + open, |click| click.time + settings.conversion_days * DAY);
        out.push((
            row.seq,
            Example {
                user: row.user.clone(),
                item: row.item.clone(),
                time: row.time,
                history: history(log, row, settings),
                click: click.map(|click| click.time),
                converted: (click.is_some() || conversions[at].is_some())
                    .then_some(conversions[at].is_some()),
                conversion: conversions[at],
                dwell: click.and_then(|click| log[click.click].dwell),
                matured: closed <= log_end,
                slot: row.slot.map(|slot| slot - 1),
                propensity: row.propensity,
                surface: row.surface.clone(),
                country: row.country.clone(),
            },
        ));
    }
    out
}
