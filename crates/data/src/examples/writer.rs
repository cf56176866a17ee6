//! Writes rows to `examples.parquet`, in the order that readers rely on.

use super::{FILE, OptionalColumn, Part, REQUIRED, is_standard};
use crate::limits::{TIMES_EXPECTED, TIMES_MS};
use crate::parquet_sink::ParquetSink;
use crate::{Error, ExtraColumn, Value};
use std::path::Path;

/// One row; [`OptionalColumn`]s that the writer was not asked for are ignored.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExampleRow<'a> {
    /// Training, validation or test.
    pub part: Part,
    /// The user's id.
    pub user: &'a str,
    /// The item's id.
    pub item: &'a str,
    /// ms UTC.
    pub timestamp: i64,
    /// Breaks ties in time.
    pub seq: i64,
    /// Events of the user that the example may see.
    pub history_end: u32,
    /// Whether it was clicked.
    pub click: bool,
    /// Whether it converted.
    pub conversion: Option<bool>,
    /// ms UTC.
    pub click_time: Option<i64>,
    /// ms UTC.
    pub conversion_time: Option<i64>,
    /// When the log had the click (ms UTC).
    pub click_received: Option<i64>,
    /// When the log had the conversion (ms UTC).
    pub conversion_received: Option<i64>,
    /// ms from the click to the end of the log.
    pub elapsed_since_click: Option<i64>,
    /// Whether no label can change any more.
    pub matured: Option<bool>,
    /// Dwell after the click.
    pub dwell_ms: Option<i64>,
    /// What was shown together.
    pub request: Option<&'a str>,
    /// Where it was shown.
    pub surface: Option<&'a str>,
    /// Place on the page, from 0.
    pub slot: Option<i64>,
    /// The logging policy's probability of showing it.
    pub propensity: Option<f64>,
    /// Values of the context columns.
    pub context: &'a [Value<'a>],
}

/// Writes the file into a folder that is being staged, e.g. [`DatasetWriter::folder`](crate::DatasetWriter::folder).
#[derive(Debug)]
pub struct ExamplesWriter {
    sink: ParquetSink,
    optional: Vec<OptionalColumn>,
    context: usize,
    last: Option<(i64, i64)>,
    rows: u64,
}

impl ExamplesWriter {
    /// Starts the file with these columns beside the required ones.
    ///
    /// # Errors
    /// A context column under a standard name, a column given twice; I/O errors.
    pub fn create(
        dir: &Path,
        optional: &[OptionalColumn],
        context: &[ExtraColumn],
    ) -> Result<ExamplesWriter, Error> {
        if let Some(column) = context.iter().find(|column| is_standard(&column.name)) {
            return Err(Error::Options(format!(
                "context column `{}` has the name of a standard column of {FILE}: rename it",
                column.name
            )));
        }
        let standard =
            REQUIRED.into_iter().chain(optional.iter().map(|column| (column.name(), column.kind())));
        let columns = standard
            .map(|(name, kind)| ExtraColumn { name: name.to_owned(), kind })
            .chain(context.iter().cloned());
        let sink = ParquetSink::create(&dir.join(FILE), columns.collect())?;
        Ok(ExamplesWriter { sink, optional: optional.to_vec(), context: context.len(), last: None, rows: 0 })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// An empty user or item, a time out of [`TIMES_MS`](crate::TIMES_MS), a row before its predecessor by (`timestamp`, `seq`), a wrong number or type of context
    /// values; I/O errors.
    pub fn push(&mut self, row: &ExampleRow<'_>) -> Result<(), Error> {
        self.check(row)?;
        self.last = Some((row.timestamp, row.seq));
        self.rows += 1;
        let standard = [
            Value::Text(row.part.name()),
            Value::Text(row.user),
            Value::Text(row.item),
            Value::Integer(row.timestamp),
            Value::Integer(row.seq),
            Value::Integer(row.history_end.into()),
            Value::Integer(row.click.into()),
        ];
        let optional = self.optional.iter().map(|&column| row.optional(column));
        self.sink.push(standard.into_iter().chain(optional).chain(row.context.iter().copied()))
    }

    /// Completes the file and gives its number of rows.
    ///
    /// # Errors
    /// I/O errors.
    pub fn close(self) -> Result<u64, Error> {
        self.sink.close()?;
        Ok(self.rows)
    }

    fn check(&self, row: &ExampleRow<'_>) -> Result<(), Error> {
        let place = (row.timestamp, row.seq);
        if row.user.is_empty() || row.item.is_empty() {
            return Err(Error::Options(format!("example {}: a user and an item are needed", self.rows + 1)));
        }
        let received = [row.click_received, row.conversion_received];
        let times = [Some(row.timestamp), row.click_time, row.conversion_time].into_iter().chain(received);
        if let Some(time) = times.flatten().find(|time| !TIMES_MS.contains(time)) {
            let at = self.rows + 1;
            return Err(Error::Options(format!("example {at}: the time {time}, expected {TIMES_EXPECTED}")));
        }
        if row.context.len() != self.context {
            let got = row.context.len();
            return Err(Error::Options(format!(
                "an example needs as many context values as there are columns, {}: got {got}",
                self.context
            )));
        }
        match self.last {
            Some(last) if place < last => Err(Error::Options(format!(
                "example {} at {place:?} comes after one at {last:?}: sort by (timestamp, seq)",
                self.rows + 1
            ))),
            _ => Ok(()),
        }
    }
}

impl<'a> ExampleRow<'a> {
    fn optional(&self, column: OptionalColumn) -> Value<'a> {
        let integer = |value: Option<i64>| value.map_or(Value::Null, Value::Integer);
        let text = |value: Option<&'a str>| value.map_or(Value::Null, Value::Text);
        match column {
            OptionalColumn::LabelConversion => integer(self.conversion.map(i64::from)),
            OptionalColumn::ClickTime => integer(self.click_time),
            OptionalColumn::ConversionTime => integer(self.conversion_time),
            OptionalColumn::ClickReceived => integer(self.click_received),
            OptionalColumn::ConversionReceived => integer(self.conversion_received),
            OptionalColumn::ElapsedSinceClick => integer(self.elapsed_since_click),
            OptionalColumn::Matured => integer(self.matured.map(i64::from)),
            OptionalColumn::DwellMs => integer(self.dwell_ms),
            OptionalColumn::RequestId => text(self.request),
            OptionalColumn::Surface => text(self.surface),
            OptionalColumn::Slot => integer(self.slot),
            OptionalColumn::Propensity => self.propensity.map_or(Value::Null, Value::Number),
        }
    }
}
