//! What users did, from the query to `events.parquet`.

use crate::Error;
use crate::batch::Columns;
use crate::engine::Engine;
use crate::input::RawLog;
use crate::sql::HISTORY;
use arrow::array::RecordBatch;
use semrank_data::{ColumnType, DatasetWriter, EventColumns, ExtraColumn, KNOWN_AT};

/// Columns that events keep, where the log has them.
const EXTRA: [(&str, ColumnType); 3] =
    [("dwell_ms", ColumnType::Integer), ("surface", ColumnType::Text), ("value", ColumnType::Number)];

/// The columns of `events.parquet` beside the standard ones.
pub(crate) fn columns(log: &RawLog) -> Vec<ExtraColumn> {
    let present = EXTRA.into_iter().filter(|(name, _)| log.has(name));
    let known = (KNOWN_AT, ColumnType::Integer);
    present.chain([known]).map(|(name, kind)| ExtraColumn { name: name.into(), kind }).collect()
}

/// Writes all events but impressions, in order of time, and gives their number.
pub(crate) fn write(
    engine: &Engine<'_>,
    log: &RawLog,
    extra: &[ExtraColumn],
    writer: &mut DatasetWriter,
) -> Result<u64, Error> {
    let mut events = 0;
    engine.rows(&HISTORY, |batch| {
        events += batch.num_rows() as u64;
        write_batch(batch, log, extra, writer)
    })?;
    Ok(events)
}

fn write_batch(
    batch: &RecordBatch,
    log: &RawLog,
    extra: &[ExtraColumn],
    writer: &mut DatasetWriter,
) -> Result<(), Error> {
    let columns = Columns { step: HISTORY.name, batch };
    let items = columns.texts("item_id")?;
    if let Some(row) = items.iter().position(|item| writer.item_row(item.unwrap_or_default()).is_none()) {
        let seq = columns.integers("seq")?.value(row);
        return Err(log.unknown_item(items.value(row), seq));
    }
    let extra = extra.iter().map(|column| columns.values(&column.name, column.kind));
    writer.event_columns(EventColumns {
        users: columns.texts("user_id")?,
        actions: columns.texts("action")?,
        times: columns.integers("time_ms")?,
        extra: extra.collect::<Result<_, _>>()?,
        items,
    })?;
    Ok(())
}
