//! An ad market as a data set on disk, written while it is simulated: an hour is in memory at a time.
//!
//! `items.parquet` and `events.parquet` are a raw log for `semrank prep`. `truth.parquet` is for evaluation only; no
//! stage reads it. It has a row per impression, in order of time: `event_id`, `user_id`, `item_id`, `timestamp`,
//! `p_click` (in the slot where it was shown), `p_click_slot1`, `p_conversion` (given a click, however late),
//! `delay_mean_ms`, `delay_median_ms`, `click_time` and `conversion_time` (null: never; they may lie after the end
//! of the log). Times are correct, also where the clocks of the log are wrong.

use super::AdMarket;
use super::config::AdMarketConfig;
use super::dirt::Dirt;
use super::engine::Batch;
use super::events::{AdEvent, Impression};
use super::world::World;
use crate::config::Error;
use semrank_core::Kind;
use semrank_data::{
    ColumnType, DatasetWriter, EventRow, ExtraColumn, ImportReport, ItemRow, LOG_COLUMNS, Meta, ParquetSink,
    Value, When, WriterOptions,
};
use std::fmt::Write;
use std::path::Path;

/// The file with the truth.
const TRUTH: &str = "truth.parquet";

use ColumnType::{Integer, Number, Text};

const ITEM_COLUMNS: [(&str, ColumnType); 4] =
    [("advertiser_id", Text), ("campaign_id", Text), ("bid", Number), ("budget", Number)];

const TRUTH_COLUMNS: [(&str, ColumnType); 11] = [
    ("event_id", Text),
    ("user_id", Text),
    ("item_id", Text),
    ("timestamp", Integer),
    ("p_click", Number),
    ("p_click_slot1", Number),
    ("p_conversion", Number),
    ("delay_mean_ms", Number),
    ("delay_median_ms", Number),
    ("click_time", Integer),
    ("conversion_time", Integer),
];

impl AdMarket {
    /// Simulates a market of any size into a data set folder at `dir`, which must not exist yet (or be empty). The
    /// same settings give the same bytes. `stop` is asked before every event whether to end early.
    ///
    /// # Errors
    /// When a setting is outside its limits, `dir` holds something, or the system refuses; then no data set is
    /// left behind.
    pub fn write(
        config: AdMarketConfig,
        dir: &Path,
        stop: Option<fn() -> bool>,
    ) -> Result<ImportReport, Error> {
        config.check()?;
        let mut writer = DatasetWriter::create(dir, WriterOptions { stop, ..options(&config) })?;
        let world = World::new(config)?;
        write_items(&world, &mut writer)?;
        let mut truth = writer.side_file(TRUTH, columns(&TRUTH_COLUMNS))?;
        let mut names = Names::new(&world);
        let mut dirt = Dirt::new(&world.config);
        let (mut engine, mut batch, mut log) = (world.start(), Batch::default(), Vec::new());
        while engine.next_hour(&mut batch) {
            batch.events.drain(..).for_each(|event| dirt.push(event, &mut log));
            log.drain(..).try_for_each(|event| names.event(&event, &mut writer))?;
            batch.impressions.iter().try_for_each(|shown| names.truth(shown, &mut truth))?;
        }
        dirt.arrive_before(world.config.end_ms(), &mut log);
        log.iter().try_for_each(|event| names.event(event, &mut writer))?;
        truth.close()?;
        Ok(writer.finish()?)
    }
}

fn columns(columns: &[(&str, ColumnType)]) -> Vec<ExtraColumn> {
    columns.iter().map(|&(name, kind)| ExtraColumn { name: name.into(), kind }).collect()
}

fn options(config: &AdMarketConfig) -> WriterOptions {
    let windows = [
        ("click_minutes", config.click_minutes),
        ("conversion_days", config.conversion_days),
        ("view_through_days", 0),
        ("logging_delay_seconds", 0),
    ];
    WriterOptions {
        meta: Meta {
            name: "ad-market".into(),
            source: format!("simulated ad market, seed {}", config.seed),
            licence: "Apache-2.0".into(),
            text: vec!["title".into(), "description".into()],
            time_unit: Some("ms".into()),
            windows: windows.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            ..Meta::default()
        },
        item_extra: columns(&ITEM_COLUMNS),
        event_extra: columns(&LOG_COLUMNS),
        ..WriterOptions::default()
    }
}

fn write_items(world: &World, writer: &mut DatasetWriter) -> Result<(), semrank_data::Error> {
    for ad in &world.supply.ads {
        let advertiser = &world.supply.advertisers[ad.advertiser].id;
        let campaign = format!("{advertiser}-{}", ad.campaign + 1);
        writer.item(&ItemRow {
            id: &ad.id,
            kind: Kind::Ad,
            texts: &[&ad.title, &ad.description],
            active_from: Some(ad.active_from_ms),
            extra: &[
                Value::Text(advertiser),
                Value::Text(&campaign),
                Value::Number(ad.bid_cents as f64 / 100.0),
                Value::Number(ad.budget_cents as f64 / 100.0),
            ],
            ..ItemRow::default()
        })?;
    }
    world.supply.posts.iter().try_for_each(|post| {
        writer.item(&ItemRow {
            id: &post.id,
            kind: Kind::Organic,
            texts: &[&post.title, &post.description],
            active_from: Some(post.active_from_ms),
            extra: &[Value::Null; ITEM_COLUMNS.len()],
            ..ItemRow::default()
        })
    })
}

/// Numbers as the ids of a data set.
struct Names<'a> {
    users: Vec<String>,
    items: Vec<&'a str>,
    event: String,
    parent: String,
    request: String,
}

impl<'a> Names<'a> {
    fn new(world: &'a World) -> Names<'a> {
        let ads = world.supply.ads.iter().map(|ad| ad.id.as_str());
        Names {
            users: (0..world.people.len()).map(|row| format!("user-{row:06}")).collect(),
            items: ads.chain(world.supply.posts.iter().map(|post| post.id.as_str())).collect(),
            event: String::new(),
            parent: String::new(),
            request: String::new(),
        }
    }

    fn event(&mut self, event: &AdEvent, writer: &mut DatasetWriter) -> Result<(), semrank_data::Error> {
        writer.event(&EventRow {
            user: &self.users[event.user as usize],
            item: self.items[event.item as usize],
            action: event.action.name(),
            time: When::Time(event.time_ms),
            extra: &[
                id(&mut self.event, 'e', Some(event.event)),
                id(&mut self.parent, 'e', event.parent),
                Value::Integer(event.received_ms),
                integer(event.dwell_ms),
                id(&mut self.request, 'r', event.request),
                integer(event.slot.map(i64::from)),
                Value::Text(event.surface.name()),
                number(event.propensity),
                number(event.value),
            ],
        })
    }

    fn truth(&mut self, shown: &Impression, sink: &mut ParquetSink) -> Result<(), semrank_data::Error> {
        let row = [
            id(&mut self.event, 'e', Some(shown.event)),
            Value::Text(&self.users[shown.user as usize]),
            Value::Text(self.items[shown.item as usize]),
            Value::Integer(shown.time_ms),
            Value::Number(shown.p_click),
            Value::Number(shown.p_click_slot1),
            Value::Number(shown.p_conversion),
            Value::Number(shown.delay_mean_ms),
            Value::Number(shown.delay_median_ms),
            integer(shown.click_ms),
            integer(shown.conversion_ms),
        ];
        sink.push(row.into_iter())
    }
}

/// An id such as `e12`, in a text that is used again for every row.
fn id<'a>(text: &'a mut String, letter: char, number: Option<u64>) -> Value<'a> {
    let Some(number) = number else { return Value::Null };
    text.clear();
    text.push(letter);
    // Writing to a string cannot fail.
    let _ = write!(text, "{number}");
    Value::Text(text)
}

fn integer<'a>(value: Option<i64>) -> Value<'a> {
    value.map_or(Value::Null, Value::Integer)
}

fn number<'a>(value: Option<f64>) -> Value<'a> {
    value.map_or(Value::Null, Value::Number)
}
