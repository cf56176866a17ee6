//! What users did, from the query to `events.parquet`.

use crate::Error;
use crate::batch::Column;
use crate::engine::Engine;
use crate::input::RawLog;
use crate::sql::HISTORY;
use arrow::array::RecordBatch;
use semrank_data::{ColumnType, DatasetWriter, EventRow, ExtraColumn, KNOWN_AT, When};

const STEP: &str = HISTORY.name;

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
    let [users, items, actions] = ["user_id", "item_id", "action"];
    let [users, items, actions] = [
        Column::of(STEP, batch, users, ColumnType::Text)?,
        Column::of(STEP, batch, items, ColumnType::Text)?,
        Column::of(STEP, batch, actions, ColumnType::Text)?,
    ];
    let times = Column::of(STEP, batch, "time_ms", ColumnType::Integer)?;
    let seqs = Column::of(STEP, batch, "seq", ColumnType::Integer)?;
    let extra = extra.iter().map(|column| Column::of(STEP, batch, &column.name, column.kind));
    let extra = extra.collect::<Result<Vec<_>, _>>()?;
    let mut values = Vec::with_capacity(extra.len());
    for row in 0..batch.num_rows() {
        let item = items.text(row).unwrap_or_default();
        if writer.item_row(item).is_none() {
            return Err(log.unknown_item(item, seqs.integer(row)));
        }
        values.clear();
        values.extend(extra.iter().map(|column| column.value(row)));
        writer.event(&EventRow {
            user: users.text(row).unwrap_or_default(),
            item,
            action: actions.text(row).unwrap_or_default(),
            time: When::Time(times.integer(row).unwrap_or_default()),
            extra: &values,
        })?;
    }
    Ok(())
}
