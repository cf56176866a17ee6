//! A random log of ads in which labels come late, as raw rows and as a data set that `prep` reads.

use semrank_core::{Kind, Rng};
use semrank_data::{
    DatasetWriter, EventRow, ExtraColumn, ItemRow, LOG_COLUMNS, Meta, Value, When, WriterOptions,
};
use std::path::Path;

pub(crate) const SEED: u64 = 5;
pub(crate) const USERS: usize = 40;
pub(crate) const ITEMS: usize = 80;
pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const DAY: i64 = 1440 * MINUTE;
pub(crate) const START: i64 = 1_700_000_000_000;

/// A row of a raw log.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) user: usize,
    pub(crate) item: usize,
    pub(crate) action: &'static str,
    pub(crate) parent: Option<usize>,
    pub(crate) time: i64,
    pub(crate) received: i64,
    pub(crate) dwell_ms: Option<i64>,
}

pub(crate) fn text(item: usize) -> String {
    format!("{} thing of kind {}, number {item}", ["red", "green", "blue"][item % 3], item % 7)
}

pub(crate) fn writer(out: &Path, event_extra: &[&str], target: Option<&str>) -> DatasetWriter {
    let meta = Meta {
        name: "random".into(),
        text: vec!["title".into()],
        target_action: target.map(str::to_owned),
        ..Meta::default()
    };
    let extra = LOG_COLUMNS.into_iter().filter(|(name, _)| event_extra.contains(name));
    let event_extra = extra.map(|(name, kind)| ExtraColumn { name: name.into(), kind }).collect();
    let options = WriterOptions { meta, event_extra, ..WriterOptions::default() };
    let mut writer = DatasetWriter::create(out, options).unwrap();
    for item in 0..ITEMS {
        // Some are born when training is over.
        let active_from = Some(START + (item % 10) as i64 * 2 * DAY);
        let title = text(item);
        let row = ItemRow { kind: Kind::Ad, texts: &[&title], active_from, ..ItemRow::default() };
        writer.item(&ItemRow { id: &format!("i{item}"), ..row }).unwrap();
    }
    writer
}

/// Users who click on items of their own parity, at times twice, and convert days later; views between; a part of the log received
/// late.
pub(crate) fn log() -> Vec<Row> {
    let mut rng = Rng::new(SEED, "log");
    let mut rows: Vec<Row> = Vec::new();
    for at in 0..3000 {
        let time = START + at * 20 * DAY / 3000;
        let (user, item) = (rng.below(USERS), rng.below(ITEMS));
        let mut late = || if rng.unit() < 0.1 { rng.below(6 * DAY as usize) as i64 } else { 0 };
        let (late, again) = (late(), late());
        let row = |action, parent, time| Row {
            user,
            item,
            action,
            parent,
            time,
            received: time + late,
            dwell_ms: None,
        };
        let shown = rows.len();
        rows.push(row("impression", None, time));
        if rng.unit() < if user % 2 == item % 2 { 0.5 } else { 0.1 } {
            let click = |rng: &mut Rng, after: i64| {
                let most = if rng.unit() < 0.1 { DAY } else { MINUTE };
                let dwell_ms = Some(rng.below(most as usize) as i64);
                Row { dwell_ms, ..row("click", Some(shown), time + after) }
            };
            rows.push(click(&mut rng, MINUTE));
            let second = click(&mut rng, 2 * MINUTE);
            if rng.unit() < 0.3 {
                rows.push(Row { received: second.time + again, ..second });
            }
            if rng.unit() < 0.4 {
                let delay = rng.below(5 * DAY as usize) as i64;
                rows.push(row("conversion", Some(shown + 1), time + MINUTE + delay));
            }
        }
        rows.push(row("view", None, time + 2 * MINUTE));
    }
    rows
}

pub(crate) fn write_raw(out: &Path, rows: &[Row]) {
    let extra = ["event_id", "parent_event_id", "received_at", "dwell_ms"];
    let mut writer = writer(out, &extra, Some("click"));
    for (at, row) in rows.iter().enumerate() {
        let (id, parent) = (format!("e{at}"), row.parent.map(|parent| format!("e{parent}")));
        let extra = [
            Value::Text(&id),
            parent.as_deref().map_or(Value::Null, Value::Text),
            Value::Integer(row.received),
            row.dwell_ms.map_or(Value::Null, Value::Integer),
        ];
        let (user, item) = (format!("u{}", row.user), format!("i{}", row.item));
        let event = EventRow { user: &user, item: &item, action: row.action, ..EventRow::default() };
        writer.event(&EventRow { time: When::Time(row.time), extra: &extra, ..event }).unwrap();
    }
    writer.finish().unwrap();
}
