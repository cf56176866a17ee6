//! The rules of the crate once more, as loops over a vector: slow, and plain enough to be checked by eye.

use crate::common::{DAY, MINUTE, Row};
use semrank_prep::{Attribution, ClickCounts, ConversionCounts, PrepSettings};
use std::collections::BTreeSet;

/// An example as it should be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Example {
    pub(crate) part: String,
    pub(crate) user: String,
    pub(crate) item: String,
    pub(crate) time: i64,
    pub(crate) seq: i64,
    pub(crate) history: Vec<Event>,
    pub(crate) click: Option<i64>,
    pub(crate) converted: Option<bool>,
    pub(crate) conversion: Option<i64>,
    pub(crate) click_received: Option<i64>,
    pub(crate) conversion_received: Option<i64>,
    pub(crate) elapsed: Option<i64>,
    pub(crate) dwell: Option<i64>,
    pub(crate) matured: bool,
    pub(crate) request: Option<String>,
    pub(crate) slot: Option<i64>,
    pub(crate) propensity: Option<f64>,
    pub(crate) surface: Option<String>,
    pub(crate) country: Option<String>,
}

/// An event of a history as it should be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) item: String,
    pub(crate) action: String,
    pub(crate) time: i64,
    pub(crate) dwell: Option<i64>,
    pub(crate) surface: Option<String>,
    pub(crate) value: Option<f64>,
    pub(crate) known: i64,
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
        sizes.sort(); // one size a row: the middle one is the usual day's
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
            None => row.time <= log[click].time,
        };
        if fits && row.user == log[click].user && row.item == log[click].item {
            found = Some(at); // the log is sorted: the last one stays
        }
    }
    found
}

/// The click or impression that a conversion names, if the log has it.
fn parent_of(log: &[Row], conversion: usize) -> Option<usize> {
    let (user, item, parent) =
        (&log[conversion].user, &log[conversion].item, log[conversion].parent.as_ref()?);
    log.iter().position(|row| row.id.as_ref() == Some(parent) && row.user == *user && row.item == *item)
}

/// When something happened: not before what it follows.
fn happened(log: &[Row], at: usize) -> i64 {
    let before = match log[at].action.as_str() {
        "click" => impression_of(log, at),
        "conversion" => parent_of(log, at),
        _ => None,
    };
    before.map_or(log[at].time, |before| log[at].time.max(happened(log, before)))
}

/// When the log has what happened.
fn received(log: &[Row], at: usize) -> i64 {
    happened(log, at).max(log[at].received.unwrap_or(log[at].time))
}

/// The impression of a click that counts, and its time.
fn counted(log: &[Row], click: usize, settings: &PrepSettings) -> Option<(usize, i64)> {
    let impression = impression_of(log, click)?;
    let time = happened(log, click);
    let apart = (log[click].time - log[impression].time).abs();
    (apart <= settings.click_minutes * MINUTE).then_some((impression, time))
}

fn clicked(log: &[Row], settings: &PrepSettings) -> Vec<Clicked> {
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
fn touched<'a>(
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
fn by_click(log: &[Row], at: usize, clicked: &[Clicked], settings: &PrepSettings) -> Option<usize> {
    let touched = touched(log, at, clicked, settings)?;
    let apart = (happened(log, at) - touched.time).max(touched.time - log[at].time);
    (apart <= settings.conversion_days * DAY).then_some(touched.impression)
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
    let in_window = happened(log, at) - shown.time <= settings.view_through_days * DAY;
    let free = clicked.iter().all(|clicked| clicked.impression != last);
    (settings.view_through_days > 0 && in_window && free).then_some(last)
}

/// What an impression may see.
fn history(log: &[Row], shown: &Row, settings: &PrepSettings) -> Vec<Event> {
    let (mut out, mut latest) = (Vec::new(), i64::MIN);
    let shown_at = shown.time.min(shown.received.unwrap_or(shown.time));
    for (at, row) in log.iter().enumerate() {
        if row.user != shown.user || row.action == "impression" {
            continue;
        }
        let over = happened(log, at) + row.dwell.unwrap_or(0);
        let known = over.max(row.received.unwrap_or(row.time)) + settings.logging_delay_seconds * 1000;
        let known = known.min(*semrank_data::TIMES_MS.end());
        if known >= shown_at {
            break;
        }
        latest = latest.max(known);
        out.push(Event {
            item: row.item.clone(),
            action: row.action.clone(),
            time: row.time,
            dwell: row.dwell,
            surface: row.surface.clone(),
            value: row.value,
            known: latest,
        });
    }
    out
}

/// What the reports of several logs say of clicks and conversions.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) duplicates: u64,
    pub(crate) strays: u64,
    pub(crate) skewed: u64,
    pub(crate) late: u64,
    pub(crate) clicks: ClickCounts,
    pub(crate) conversions: ConversionCounts,
}

impl Counts {
    /// Adds a log and its clean version; duplicates are counted before rows outside of the span are left out.
    pub(crate) fn add(&mut self, rows: &[Row], log: &[Row], settings: &PrepSettings) {
        for row in log {
            let stated = rows.iter().find(|other| other.seq == row.seq).unwrap().time;
            self.skewed += u64::from(stated != row.time);
            let delay = row.received.map_or(0, |received| received - row.time);
            self.late += u64::from(delay > settings.late_seconds * 1000);
        }
        let clicked = clicked(log, settings);
        for (at, row) in log.iter().enumerate() {
            match row.action.as_str() {
                "click" => self.add_click(log, at, &clicked, settings),
                "conversion" => self.add_conversion(log, at, &clicked, settings),
                _ => {}
            }
        }
    }

    fn add_click(&mut self, log: &[Row], at: usize, clicked: &[Clicked], settings: &PrepSettings) {
        let counts = &mut self.clicks;
        counts.total += 1;
        let group = match (impression_of(log, at), counted(log, at, settings)) {
            (None, _) if log[at].parent.is_some() => &mut counts.orphaned,
            (None, _) => &mut counts.unattributed,
            (_, None) => &mut counts.out_of_window,
            _ if clicked.iter().any(|other| other.click == at) => &mut counts.attributed,
            _ => &mut counts.repeated,
        };
        *group += 1;
    }

    fn add_conversion(&mut self, log: &[Row], at: usize, clicked: &[Clicked], settings: &PrepSettings) {
        let counts = &mut self.conversions;
        counts.total += 1;
        let names_a_click = parent_of(log, at).is_some_and(|parent| log[parent].action == "click");
        let group = if by_click(log, at, clicked, settings).is_some() {
            &mut counts.attributed
        } else if by_view(log, at, clicked, settings).is_some() {
            &mut counts.view_through
        } else if log[at].parent.is_some() && !names_a_click {
            &mut counts.orphaned
        } else if touched(log, at, clicked, settings).is_some() {
            &mut counts.out_of_window
        } else {
            &mut counts.unattributed
        };
        *group += 1;
    }
}

/// All examples of one clean log, in its order, but for their parts; `log_end` is that of all logs together.
pub(crate) fn examples(log: &[Row], log_end: i64, settings: &PrepSettings) -> Vec<Example> {
    let clicked = clicked(log, settings);
    let mut conversions: Vec<Option<[i64; 2]>> = vec![None; log.len()];
    for at in (0..log.len()).filter(|&at| log[at].action == "conversion") {
        let found = by_click(log, at, &clicked, settings).or_else(|| by_view(log, at, &clicked, settings));
        if let Some(impression) = found {
            let (time, known) = (happened(log, at), received(log, at));
            let first = conversions[impression].unwrap_or([i64::MAX; 2]);
            conversions[impression] = Some(first.min([known, time]));
        }
    }
    let mut out = Vec::new();
    for (at, row) in log.iter().enumerate().filter(|(_, row)| row.action == "impression") {
        let click = clicked.iter().find(|clicked| clicked.impression == at);
        let open = (settings.click_minutes * MINUTE).max(settings.view_through_days * DAY);
        let closed = click.map_or(row.time + open, |click| click.time + settings.conversion_days * DAY);
        out.push(Example {
            part: String::new(),
            user: row.user.clone(),
            item: row.item.clone(),
            time: row.time,
            seq: row.seq,
            history: history(log, row, settings),
            click: click.map(|click| click.time),
            converted: (click.is_some() || conversions[at].is_some()).then_some(conversions[at].is_some()),
            conversion: conversions[at].map(|[_, time]| time),
            click_received: click.map(|click| received(log, click.click)),
            conversion_received: conversions[at].map(|[received, _]| received),
            elapsed: click.map(|click| log_end - click.time),
            dwell: click.and_then(|click| log[click.click].dwell),
            matured: closed <= log_end,
            request: row.request.clone(),
            slot: row.slot.map(|slot| slot - 1),
            propensity: row.propensity,
            surface: row.surface.clone(),
            country: row.country.clone(),
        });
    }
    out
}

/// Sets the parts of all examples, sorted. The test is the last tenth of those whose labels are final when the log ends, and all after
/// them; validation the last tenth of those whose labels are final when the test begins, and those after them; if too few are
/// left, a tenth each of all. Time is counted in bins from the span's first moment.
pub(crate) fn set_parts(examples: &mut [Example], first: i64, log: (i64, i64), window: i64) {
    let width = ((log.1 - log.0) / 65_536).max(1);
    let bins: Vec<i64> =
        examples.iter().map(|example| first + (example.time - first) / width * width).collect();
    let share = |share: f64| (bins.len() as f64 * share).round() as usize;
    let before = |time: i64| bins.iter().filter(|&&bin| bin < time).count();
    let cut = |over: i64, others: f64| {
        let known = before(over - window);
        let rows = if known >= share(0.1) + share(1.0 / 3.0 + others).max(1) { known } else { before(over) };
        let wanted = rows - share(0.1);
        let after_all = bins.last().map_or(0, |last| last + 1);
        bins.iter().copied().find(|&bin| before(bin) >= wanted).unwrap_or(after_all)
    };
    let test = cut(log.1 + 1, 0.1);
    let valid = cut(test, 0.0);
    for example in examples {
        let part = match example.time {
            time if time >= test => "test",
            time if time >= valid => "valid",
            _ => "train",
        };
        example.part = part.into();
    }
}
