//! Impressions with their labels, from the query to `examples.parquet`.

use crate::batch::Column;
use crate::engine::Engine;
use crate::input::RawLog;
use crate::parts::{Cuts, bin_ms};
use crate::report::PrepReport;
use crate::settings::DAY_MS;
use crate::sql::{EXAMPLES, Parameters, SHOWN};
use crate::{Error, PrepSettings};
use arrow::array::RecordBatch;
use semrank_data::{
    ColumnType, DatasetWriter, ExampleRow, ExamplesWriter, ExtraColumn, OptionalColumn, Part, Value,
};
use std::collections::BTreeMap;

const STEP: &str = EXAMPLES.name;

/// Columns that are made here or by labels, whatever the log has.
const ALWAYS: [OptionalColumn; 5] = [
    OptionalColumn::LabelConversion,
    OptionalColumn::ClickTime,
    OptionalColumn::ConversionTime,
    OptionalColumn::ElapsedSinceClick,
    OptionalColumn::Matured,
];

/// Columns that are made where the log says when it had its events.
const RECEIVED: [OptionalColumn; 2] = [OptionalColumn::ClickReceived, OptionalColumn::ConversionReceived];

/// Writes all examples in order of time, and counts them in `report`.
pub(crate) fn write(
    engine: &Engine<'_>,
    parameters: &Parameters,
    log: &RawLog,
    settings: &PrepSettings,
    writer: &DatasetWriter,
    report: &mut PrepReport,
) -> Result<(), Error> {
    let optional: Vec<OptionalColumn> = OptionalColumn::ALL
        .into_iter()
        .filter(|column| {
            let received = RECEIVED.contains(column) && log.has("received_at");
            ALWAYS.contains(column) || received || log.has(column.name())
        })
        .collect();
    report.cuts = cuts(engine, parameters, settings, report)?;
    let mut output = Output {
        labels: Labels::new(settings, report.log_end_ms),
        cuts: report.cuts,
        first_slot: settings.first_slot,
        log,
        writer: ExamplesWriter::create(writer.folder(), &optional, &log.context)?,
    };
    engine.rows(&EXAMPLES.with(parameters), |batch| output.write(batch, writer, report))?;
    output.writer.close()?;
    Ok(())
}

/// Where validation and test begin.
fn cuts(
    engine: &Engine<'_>,
    parameters: &Parameters,
    settings: &PrepSettings,
    report: &PrepReport,
) -> Result<Cuts, Error> {
    let mut shown = BTreeMap::new();
    let bins = parameters.binned(bin_ms(report.log_end_ms - report.log_start_ms));
    engine.rows(&SHOWN.with(&bins), |batch| {
        let column = |name| Column::of(SHOWN.name, batch, name, ColumnType::Integer);
        let (bins, impressions) = (column("bin_ms")?, column("impressions")?);
        shown
            .extend((0..batch.num_rows()).filter_map(|row| {
                Some((bins.integer(row)?, u64::try_from(impressions.integer(row)?).ok()?))
            }));
        Ok(())
    })?;
    let has_conversions = report.conversions.total > 0;
    Ok(Cuts::find(settings, &shown, report.log_end_ms, settings.label_window_ms(has_conversions)))
}

/// When labels can no longer change.
#[derive(Debug, Clone, Copy)]
struct Labels {
    conversion_window_ms: i64,
    /// From an impression without a click.
    open_ms: i64,
    log_end_ms: i64,
}

impl Labels {
    fn new(settings: &PrepSettings, log_end_ms: i64) -> Labels {
        let click_ms = settings.click_minutes * 60_000;
        Labels {
            conversion_window_ms: settings.conversion_days * DAY_MS,
            open_ms: click_ms.max(settings.view_through_days * DAY_MS),
            log_end_ms,
        }
    }

    fn matured(&self, time_ms: i64, click_ms: Option<i64>) -> bool {
        let closed_ms = match click_ms {
            Some(click_ms) => click_ms + self.conversion_window_ms,
            None => time_ms + self.open_ms,
        };
        closed_ms <= self.log_end_ms
    }

    /// Of a row without a click only a conversion is known, not its absence.
    fn conversion(click_ms: Option<i64>, conversion_ms: Option<i64>) -> Option<bool> {
        (click_ms.is_some() || conversion_ms.is_some()).then_some(conversion_ms.is_some())
    }
}

struct Output<'a> {
    labels: Labels,
    cuts: Cuts,
    first_slot: i64,
    log: &'a RawLog,
    writer: ExamplesWriter,
}

/// The columns of a batch.
struct Columns {
    users: Column,
    items: Column,
    times: Column,
    seqs: Column,
    history_ends: Column,
    clicks: Column,
    conversions: Column,
    received: [Column; 2],
    dwells: Column,
    requests: Column,
    surfaces: Column,
    slots: Column,
    propensities: Column,
    context: Vec<Column>,
}

impl Columns {
    fn of(batch: &RecordBatch, context: &[ExtraColumn]) -> Result<Columns, Error> {
        let text = |name| Column::of(STEP, batch, name, ColumnType::Text);
        let integer = |name| Column::of(STEP, batch, name, ColumnType::Integer);
        let further = context.iter().enumerate();
        let further = further.map(|(at, c)| Column::of(STEP, batch, &format!("context_{at}"), c.kind));
        Ok(Columns {
            users: text("user_id")?,
            items: text("item_id")?,
            times: integer("time_ms")?,
            seqs: integer("seq")?,
            history_ends: integer("history_end")?,
            clicks: integer("click_ms")?,
            conversions: integer("conversion_ms")?,
            received: [integer("click_received_ms")?, integer("conversion_received_ms")?],
            dwells: integer("dwell_ms")?,
            requests: text("request_id")?,
            surfaces: text("surface")?,
            slots: integer("slot")?,
            propensities: Column::of(STEP, batch, "propensity", ColumnType::Number)?,
            context: further.collect::<Result<_, _>>()?,
        })
    }
}

impl Output<'_> {
    fn write(
        &mut self,
        batch: &RecordBatch,
        known: &DatasetWriter,
        report: &mut PrepReport,
    ) -> Result<(), Error> {
        let columns = Columns::of(batch, &self.log.context)?;
        let mut context = Vec::with_capacity(columns.context.len());
        let mut parts = [0; Part::ALL.len()];
        for row in 0..batch.num_rows() {
            context.clear();
            context.extend(columns.context.iter().map(|column| column.value(row)));
            let example = self.example(&columns, row, &context);
            if known.item_row(example.item).is_none() {
                return Err(self.log.unknown_item(example.item, Some(example.seq)));
            }
            self.writer.push(&example)?;
            parts[example.part as usize] += 1;
            report.clicked += u64::from(example.click);
            report.converted += u64::from(example.conversion == Some(true));
            report.matured += u64::from(example.matured == Some(true));
        }
        for (part, rows) in Part::ALL.into_iter().zip(parts).filter(|(_, rows)| *rows > 0) {
            *report.examples.entry(part.name().to_owned()).or_default() += rows;
        }
        Ok(())
    }

    fn example<'a>(&mut self, columns: &'a Columns, row: usize, context: &'a [Value<'a>]) -> ExampleRow<'a> {
        let timestamp = columns.times.integer(row).unwrap_or_default();
        let click_time = columns.clicks.integer(row);
        let conversion_time = columns.conversions.integer(row);
        let history_end = columns.history_ends.integer(row).unwrap_or_default();
        ExampleRow {
            part: self.cuts.part(timestamp),
            user: columns.users.text(row).unwrap_or_default(),
            item: columns.items.text(row).unwrap_or_default(),
            timestamp,
            seq: columns.seqs.integer(row).unwrap_or_default(),
            history_end: u32::try_from(history_end).unwrap_or(u32::MAX),
            click: click_time.is_some(),
            conversion: Labels::conversion(click_time, conversion_time),
            click_time,
            conversion_time,
            click_received: columns.received[0].integer(row),
            conversion_received: columns.received[1].integer(row),
            elapsed_since_click: click_time.map(|click_ms| self.labels.log_end_ms - click_ms),
            matured: Some(self.labels.matured(timestamp, click_time)),
            dwell_ms: columns.dwells.integer(row),
            request: columns.requests.text(row),
            surface: columns.surfaces.text(row),
            slot: columns.slots.integer(row).map(|slot| slot - self.first_slot),
            propensity: columns.propensities.number(row),
            context,
        }
    }
}
