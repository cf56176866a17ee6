//! The rules of the crate once more, as loops over a vector: slow, and plain enough to be checked by eye.

mod counts;
mod links;
mod span;

pub(crate) use counts::Counts;
pub(crate) use span::{clean, end, span, within};

use crate::common::{DAY, MINUTE, Row};
use links::{by_click, by_view, clicked, happened, received};
use semrank_prep::PrepSettings;

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
