//! Impressions with their labels, from the query to `examples.parquet`.

use crate::batch::Columns;
use crate::engine::Engine;
use crate::input::RawLog;
use crate::parts::{Cuts, bin_ms};
use crate::report::PrepReport;
use crate::settings::DAY_MS;
use crate::sql::{EXAMPLES, Parameters, SHOWN};
use crate::{Error, PrepSettings};
use arrow::array::{Array, Int64Array, RecordBatch};
use semrank_data::{ColumnType, DatasetWriter, ExampleColumns, ExamplesWriter, OptionalColumn, Part, Values};
use std::collections::BTreeMap;

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
        optional,
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
        let columns = Columns { step: SHOWN.name, batch };
        let (bins, impressions) = (columns.integers("bin_ms")?, columns.integers("impressions")?);
        let counts = bins.iter().zip(&impressions);
        shown.extend(counts.filter_map(|(bin, rows)| Some((bin?, u64::try_from(rows?).ok()?))));
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
    optional: Vec<OptionalColumn>,
    writer: ExamplesWriter,
}

impl Output<'_> {
    fn write(
        &mut self,
        batch: &RecordBatch,
        known: &DatasetWriter,
        report: &mut PrepReport,
    ) -> Result<(), Error> {
        let columns = Columns { step: EXAMPLES.name, batch };
        let (items, seqs) = (columns.texts("item_id")?, columns.integers("seq")?);
        if let Some(row) = items.iter().position(|item| known.item_row(item.unwrap_or_default()).is_none()) {
            return Err(self.log.unknown_item(items.value(row), seqs.value(row)));
        }
        let followed = Followed {
            times: columns.integers("time_ms")?,
            clicks: columns.integers("click_ms")?,
            conversions: columns.integers("conversion_ms")?,
        };
        let parts: Vec<Part> = followed.times.values().iter().map(|&time| self.cuts.part(time)).collect();
        count(report, &parts, &followed, &self.labels);
        let optional = self.optional.iter().map(|&column| self.optional(column, columns, &followed));
        let context = self.log.context.iter().enumerate();
        let context = context.map(|(at, c)| columns.values(&format!("context_{at}"), c.kind));
        self.writer.push_columns(ExampleColumns {
            parts,
            users: columns.texts("user_id")?,
            items,
            seqs,
            history_ends: columns.integers("history_end")?,
            clicks: followed.clicks.iter().map(|click_ms| Some(i64::from(click_ms.is_some()))).collect(),
            optional: optional.collect::<Result<_, _>>()?,
            context: context.collect::<Result<_, _>>()?,
            timestamps: followed.times,
        })?;
        Ok(())
    }

    fn optional(
        &self,
        column: OptionalColumn,
        columns: Columns<'_>,
        followed: &Followed,
    ) -> Result<Values, Error> {
        let labels = &self.labels;
        let (clicks, conversions) = (&followed.clicks, &followed.conversions);
        let integers = match column {
            OptionalColumn::LabelConversion => followed
                .rows()
                .map(|(_, click_ms, conversion_ms)| {
                    Labels::conversion(click_ms, conversion_ms).map(i64::from)
                })
                .collect(),
            OptionalColumn::ClickTime => clicks.clone(),
            OptionalColumn::ConversionTime => conversions.clone(),
            OptionalColumn::ClickReceived => columns.integers("click_received_ms")?,
            OptionalColumn::ConversionReceived => columns.integers("conversion_received_ms")?,
            OptionalColumn::ElapsedSinceClick => {
                clicks.unary(|click_ms| labels.log_end_ms.wrapping_sub(click_ms))
            }
            OptionalColumn::Matured => {
                followed.rows().map(|(time, click, _)| Some(i64::from(labels.matured(time, click)))).collect()
            }
            OptionalColumn::DwellMs => columns.integers("dwell_ms")?,
            OptionalColumn::Slot => {
                columns.integers("slot")?.unary(|slot| slot.wrapping_sub(self.first_slot))
            }
            OptionalColumn::RequestId | OptionalColumn::Surface => {
                return columns.values(column.name(), ColumnType::Text);
            }
            OptionalColumn::Propensity => return columns.values(column.name(), ColumnType::Number),
        };
        Ok(Values::Integer(integers))
    }
}

/// Impressions with what followed them (ms UTC).
struct Followed {
    times: Int64Array,
    clicks: Int64Array,
    conversions: Int64Array,
}

impl Followed {
    /// Time, click and conversion of each row.
    fn rows(&self) -> impl Iterator<Item = (i64, Option<i64>, Option<i64>)> {
        let times = self.times.values().iter().zip(&self.clicks).zip(&self.conversions);
        times.map(|((&time, click), conversion)| (time, click, conversion))
    }
}

fn count(report: &mut PrepReport, parts: &[Part], followed: &Followed, labels: &Labels) {
    let mut rows = [0; Part::ALL.len()];
    parts.iter().for_each(|&part| rows[part as usize] += 1);
    for (part, rows) in Part::ALL.into_iter().zip(rows).filter(|(_, rows)| *rows > 0) {
        *report.examples.entry(part.name().to_owned()).or_default() += rows;
    }
    let present = |times: &Int64Array| (times.len() - times.null_count()) as u64;
    report.clicked += present(&followed.clicks);
    report.converted += present(&followed.conversions);
    let matured = followed.rows().filter(|&(time, click, _)| labels.matured(time, click));
    report.matured += matured.count() as u64;
}
