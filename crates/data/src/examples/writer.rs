//! Writes rows to `examples.parquet`, in the order that readers rely on.

use super::{FILE, OptionalColumn, Part, REQUIRED, is_standard};
use crate::limits::{TIMES_EXPECTED, TIMES_MS};
use crate::parquet_sink::{ParquetSink, Values};
use crate::{Error, ExtraColumn, Value};
use arrow_array::{Array, Int64Array, StringViewArray};
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

/// Rows as columns of one length, none of them null but optional and context ones.
#[derive(Debug, Clone)]
pub struct ExampleColumns {
    /// Training, validation or test.
    pub parts: Vec<Part>,
    /// The users' ids.
    pub users: StringViewArray,
    /// The items' ids.
    pub items: StringViewArray,
    /// ms UTC.
    pub timestamps: Int64Array,
    /// Break ties in time.
    pub seqs: Int64Array,
    /// Events of the user that an example may see.
    pub history_ends: Int64Array,
    /// Whether it was clicked: 0 or 1.
    pub clicks: Int64Array,
    /// The optional columns that the writer was asked for, in its order.
    pub optional: Vec<Values>,
    /// The context columns.
    pub context: Vec<Values>,
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
        self.check_context(row.context.len())?;
        let times = [row.click_time, row.conversion_time, row.click_received, row.conversion_received];
        let place = (row.timestamp, row.seq);
        self.check(self.rows + 1, [row.user, row.item], place, times.into_iter().flatten())?;
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

    /// Adds rows; the file is the same as when each of them is pushed.
    ///
    /// # Errors
    /// Those of [`ExamplesWriter::push`]; columns of different lengths.
    pub fn push_columns(&mut self, rows: ExampleColumns) -> Result<(), Error> {
        self.check_columns(&rows)?;
        let integers = [rows.timestamps, rows.seqs, rows.history_ends, rows.clicks].map(Values::Integer);
        let parts = StringViewArray::from_iter_values(rows.parts.iter().map(|part| part.name()));
        let texts = [parts, rows.users, rows.items].map(Values::Text);
        let further = rows.optional.into_iter().chain(rows.context);
        let columns: Vec<Values> = texts.into_iter().chain(integers).chain(further).collect();
        self.sink.push_columns(&columns)?;
        self.rows += rows.parts.len() as u64;
        Ok(())
    }

    /// Completes the file and gives its number of rows.
    ///
    /// # Errors
    /// I/O errors.
    pub fn close(self) -> Result<u64, Error> {
        self.sink.close()?;
        Ok(self.rows)
    }

    fn check_context(&self, got: usize) -> Result<(), Error> {
        if got == self.context {
            return Ok(());
        }
        Err(Error::Options(format!(
            "an example needs as many context values as there are columns, {}: got {got}",
            self.context
        )))
    }

    /// Checks the next row, number `at` from 1, by its user and item, its time and `seq`, and its other times.
    #[inline]
    fn check(
        &mut self,
        at: u64,
        ids: [&str; 2],
        place: (i64, i64),
        mut times: impl Iterator<Item = i64>,
    ) -> Result<(), Error> {
        if ids.iter().any(|id| id.is_empty()) {
            return Err(Error::Options(format!("example {at}: a user and an item are needed")));
        }
        let is_wrong = |time: &i64| !TIMES_MS.contains(time);
        if let Some(time) = Some(place.0).filter(is_wrong).or_else(|| times.find(is_wrong)) {
            return Err(Error::Options(format!("example {at}: the time {time}, expected {TIMES_EXPECTED}")));
        }
        if let Some(last) = self.last.filter(|last| place < *last) {
            return Err(Error::Options(format!(
                "example {at} at {place:?} comes after one at {last:?}: sort by (timestamp, seq)"
            )));
        }
        self.last = Some(place);
        Ok(())
    }

    fn check_columns(&mut self, rows: &ExampleColumns) -> Result<(), Error> {
        self.check_context(rows.context.len())?;
        let times = self.optional.iter().zip(&rows.optional);
        let times: Vec<Int64Array> =
            times.filter_map(|(column, values)| column.moments(values)).cloned().collect();
        let required = [&rows.timestamps, &rows.seqs, &rows.history_ends, &rows.clicks];
        let lengths = required.into_iter().chain(&times).all(|column| column.len() == rows.parts.len());
        if !lengths || required.iter().any(|column| column.null_count() > 0) {
            return Err(Error::Options(
                "columns of examples have different lengths, or a required one has nulls".into(),
            ));
        }
        if !rows.history_ends.values().iter().all(|&end| u32::try_from(end).is_ok()) {
            return Err(Error::Options("the end of a history is no event's number".into()));
        }
        let places = rows.timestamps.values().iter().zip(rows.seqs.values());
        let ids = rows.users.iter().zip(rows.items.iter());
        for (row, ((user, item), (&timestamp, &seq))) in ids.zip(places).enumerate() {
            let ids = [user, item].map(Option::unwrap_or_default);
            let times = times.iter().filter(|times| times.is_valid(row)).map(|times| times.value(row));
            self.check(self.rows + row as u64 + 1, ids, (timestamp, seq), times)?;
        }
        Ok(())
    }
}

impl OptionalColumn {
    /// The values of a column of moments.
    fn moments(self, values: &Values) -> Option<&Int64Array> {
        let is_moment = matches!(
            self,
            OptionalColumn::ClickTime
                | OptionalColumn::ConversionTime
                | OptionalColumn::ClickReceived
                | OptionalColumn::ConversionReceived
        );
        match values {
            Values::Integer(times) if is_moment => Some(times),
            _ => None,
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
