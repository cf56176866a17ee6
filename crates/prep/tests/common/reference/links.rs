//! Which impression a click or a conversion belongs to, and when it happened.

use crate::common::{DAY, MINUTE, Row};
use semrank_prep::{Attribution, PrepSettings};

/// A clicked impression: places in the clean log, and the time of the click.
pub(super) struct Clicked {
    pub(super) impression: usize,
    pub(super) click: usize,
    pub(super) time: i64,
}

/// The impression of a click, if the log has one.
pub(super) fn impression_of(log: &[Row], click: usize) -> Option<usize> {
    let mut found = None;
    for (at, row) in log.iter().enumerate().filter(|(_, row)| row.action == "impression") {
        let fits = match &log[click].parent {
            Some(parent) => row.id.as_ref() == Some(parent),
            None => row.time <= log[click].time,
        };
        if fits && row.user == log[click].user && row.item == log[click].item {
            found = Some(at); // the log is sorted: the last one stays
        }
    }
    found
}

/// The click or impression that a conversion names, if the log has it.
pub(super) fn parent_of(log: &[Row], conversion: usize) -> Option<usize> {
    let (user, item, parent) =
        (&log[conversion].user, &log[conversion].item, log[conversion].parent.as_ref()?);
    log.iter().position(|row| row.id.as_ref() == Some(parent) && row.user == *user && row.item == *item)
}

/// When something happened: not before what it follows.
pub(super) fn happened(log: &[Row], at: usize) -> i64 {
    let before = match log[at].action.as_str() {
        "click" => impression_of(log, at),
        "conversion" => parent_of(log, at),
        _ => None,
    };
    before.map_or(log[at].time, |before| log[at].time.max(happened(log, before)))
}

/// When the log has what happened.
pub(super) fn received(log: &[Row], at: usize) -> i64 {
    happened(log, at).max(log[at].received.unwrap_or(log[at].time))
}

/// The impression of a click that counts, and its time.
pub(super) fn counted(log: &[Row], click: usize, settings: &PrepSettings) -> Option<(usize, i64)> {
    let impression = impression_of(log, click)?;
    let time = happened(log, click);
    let apart = (log[click].time - log[impression].time).abs();
    (apart <= settings.click_minutes * MINUTE).then_some((impression, time))
}

/// The click of each clicked impression, by time: the first that the log has.
pub(super) fn clicked(log: &[Row], settings: &PrepSettings) -> Vec<Clicked> {
    let mut out: Vec<Clicked> = Vec::new();
    for click in (0..log.len()).filter(|&at| log[at].action == "click") {
        let Some((impression, time)) = counted(log, click, settings) else { continue };
        let place = |of: &Clicked| (received(log, of.click), of.time, log[of.click].seq);
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

/// The clicked impression that a conversion is attributed to if it came early enough after it.
pub(super) fn touched<'a>(
    log: &[Row],
    at: usize,
    clicked: &'a [Clicked],
    settings: &PrepSettings,
) -> Option<&'a Clicked> {
    let row = &log[at];
    if row.parent.is_some() {
        let click = parent_of(log, at).filter(|&parent| log[parent].action == "click")?;
        let (impression, _) = counted(log, click, settings)?;
        return clicked.iter().find(|other| other.impression == impression);
    }
    let before = |other: &&Clicked| {
        let click = &log[other.click];
        click.user == row.user && click.item == row.item && other.time <= row.time
    };
    let in_window = |other: &&Clicked| row.time - other.time <= settings.conversion_days * DAY;
    let last = clicked.iter().rfind(before);
    match settings.attribution {
        Attribution::FirstTouch => clicked.iter().filter(before).find(in_window).or(last),
        Attribution::LastTouch => last,
    }
}

/// The impression that a conversion is attributed to by its click.
pub(super) fn by_click(
    log: &[Row],
    at: usize,
    clicked: &[Clicked],
    settings: &PrepSettings,
) -> Option<usize> {
    let touched = touched(log, at, clicked, settings)?;
    let apart = (happened(log, at) - touched.time).max(touched.time - log[at].time);
    (apart <= settings.conversion_days * DAY).then_some(touched.impression)
}

/// The impression that a conversion without a click is attributed to.
pub(super) fn by_view(log: &[Row], at: usize, clicked: &[Clicked], settings: &PrepSettings) -> Option<usize> {
    let row = &log[at];
    let mut seen = log.iter().enumerate().filter(|(_, other)| {
        other.action == "impression"
            && other.user == row.user
            && other.item == row.item
            && other.time <= row.time
    });
    let (last, shown) = seen.next_back()?;
    let in_window = happened(log, at) - shown.time <= settings.view_through_days * DAY;
    let free = clicked.iter().all(|clicked| clicked.impression != last);
    (settings.view_through_days > 0 && in_window && free).then_some(last)
}
