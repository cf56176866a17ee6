//! `examples.parquet`, batch by batch, into columns; every row is checked against the data set.

use super::{ContextColumn, ContextValues, Examples, OptionalColumn, Part, REQUIRED, is_standard};
use crate::columns::{Batch, Table};
use crate::{ColumnType, Dataset, Error, TIMES_MS};
use arrow_array::{Array, Float64Array, Int64Array, StringViewArray};
use semrank_core::{Dictionary, ItemId, UserId};
use std::path::Path;

pub(super) fn read(path: &Path, dataset: &Dataset) -> Result<Examples, Error> {
    if !path.is_file() {
        let dir = path.parent().unwrap_or(path).to_owned();
        return Err(Error::NoExamples { path: dir });
    }
    let table = Table::open(path)?;
    table.check_rows("examples")?;
    for (column, _) in REQUIRED {
        table.require(column)?;
    }
    let context = context_columns(&table)?;
    let optional: Vec<OptionalColumn> =
        OptionalColumn::ALL.into_iter().filter(|column| table.has(column.name())).collect();
    let names: Vec<&str> = REQUIRED
        .iter()
        .map(|(name, _)| *name)
        .chain(optional.iter().map(|column| column.name()))
        .chain(context.iter().map(|column| column.name.as_str()))
        .collect();
    let rows = table.rows_to_reserve();
    let mut batches = table.read(&names)?;
    let mut reader = Reader::new(dataset, optional, context, rows);
    while let Some(batch) = batches.next_batch()? {
        reader.push(&batch)?;
    }
    Ok(reader.examples)
}

fn context_columns(table: &Table) -> Result<Vec<ContextColumn>, Error> {
    let fields = table.schema().fields().iter().filter(|field| !is_standard(field.name()));
    fields
        .map(|field| {
            let values = match table.column_type(field.name())? {
                ColumnType::Text | ColumnType::Texts => {
                    ContextValues::Text { codes: Vec::new(), names: Dictionary::new() }
                }
                ColumnType::Integer => ContextValues::Integer(Vec::new()),
                ColumnType::Number => ContextValues::Number(Vec::new()),
            };
            Ok(ContextColumn { name: field.name().clone(), values })
        })
        .collect()
}

struct Reader<'a> {
    dataset: &'a Dataset,
    optional: Vec<OptionalColumn>,
    examples: Examples,
    requests: Dictionary,
    last: (i64, i64),
}

impl<'a> Reader<'a> {
    fn new(
        dataset: &'a Dataset,
        optional: Vec<OptionalColumn>,
        context: Vec<ContextColumn>,
        rows: usize,
    ) -> Reader<'a> {
        let examples = Examples {
            parts: Vec::with_capacity(rows),
            users: Vec::with_capacity(rows),
            items: Vec::with_capacity(rows),
            times: Vec::with_capacity(rows),
            history_ends: Vec::with_capacity(rows),
            clicks: Vec::with_capacity(rows),
            context,
            user_names: dataset.users.clone(),
            ..Examples::default()
        };
        Reader { dataset, optional, examples, requests: Dictionary::new(), last: (i64::MIN, i64::MIN) }
    }

    fn push(&mut self, batch: &Batch) -> Result<(), Error> {
        self.parts(batch)?;
        self.users_and_items(batch)?;
        self.order(batch)?;
        self.histories(batch)?;
        let clicks = Integers::of(batch, "label_click")?;
        for row in 0..batch.rows() {
            self.examples.clicks.push(clicks.required_bool(row)?);
        }
        for at in 0..self.optional.len() {
            self.optional(batch, self.optional[at])?;
        }
        self.examples.context.iter_mut().try_for_each(|column| context(column, batch))
    }

    fn parts(&mut self, batch: &Batch) -> Result<(), Error> {
        let parts = Texts::of(batch, "split")?;
        for row in 0..batch.rows() {
            let name = parts.get(row).unwrap_or("");
            let part = Part::ALL.into_iter().find(|part| part.name() == name);
            self.examples.parts.push(
                part.ok_or_else(|| parts.error(row, &format!("`{name}`"), "`train`, `valid` or `test`"))?,
            );
        }
        Ok(())
    }

    fn users_and_items(&mut self, batch: &Batch) -> Result<(), Error> {
        let (users, items) = (Texts::of(batch, "user_id")?, Texts::of(batch, "item_id")?);
        for row in 0..batch.rows() {
            let (user, item) = (users.required(row)?, items.required(row)?);
            self.examples.users.push(UserId(self.examples.user_names.insert(user)));
            let known = self.dataset.catalog.ids.get(item).map(ItemId);
            self.examples.items.push(
                known.ok_or_else(|| items.error(row, &format!("`{item}`"), "an item of items.parquet"))?,
            );
        }
        Ok(())
    }

    fn order(&mut self, batch: &Batch) -> Result<(), Error> {
        let (times, seqs) = (Integers::times(batch, "timestamp")?, Integers::of(batch, "seq")?);
        for row in 0..batch.rows() {
            let place = (times.required(row)?, seqs.required(row)?);
            if place < self.last {
                let (got, last) = (format!("{place:?}"), self.last);
                let expected = format!("rows sorted by (timestamp, seq): not before {last:?}");
                return Err(times.error(row, &got, &expected));
            }
            self.last = place;
            self.examples.times.push(place.0);
        }
        Ok(())
    }

    fn histories(&mut self, batch: &Batch) -> Result<(), Error> {
        let ends = Integers::of(batch, "history_end")?;
        let (events, first) = (&self.dataset.events, self.examples.history_ends.len());
        for row in 0..batch.rows() {
            let (user, time) = (self.examples.users[first + row], self.examples.times[first + row]);
            let of_user = if user.index() < events.users() { events.of(user).times } else { &[] };
            let got = ends.required(row)?;
            let end = u32::try_from(got).ok().filter(|&end| end as usize <= of_user.len());
            let end = end.ok_or_else(|| {
                let expected = format!("0 to {}, the user's number of events", of_user.len());
                ends.error(row, &got.to_string(), &expected)
            })?;
            match of_user[..end as usize].last() {
                Some(&last) if events.timed() && last > time => {
                    let got = format!("{end}, whose last event is at {last}");
                    return Err(ends.error(row, &got, &format!("no event after the example's time {time}")));
                }
                _ => self.examples.history_ends.push(end),
            }
        }
        Ok(())
    }

    fn optional(&mut self, batch: &Batch, column: OptionalColumn) -> Result<(), Error> {
        let examples = &mut self.examples;
        let name = column.name();
        if let OptionalColumn::RequestId | OptionalColumn::Surface = column {
            let texts = Texts::of(batch, name)?;
            return (0..batch.rows()).try_for_each(|row| match column {
                OptionalColumn::RequestId => {
                    let request = texts.get(row).map_or(u32::MAX, |text| self.requests.insert(text));
                    examples.requests.push(request);
                    Ok(())
                }
                _ => {
                    let surface = texts.get(row).map(|text| examples.surface_names.insert(text));
                    let surface =
                        surface.map_or(Some(u8::MAX), |s| u8::try_from(s).ok().filter(|&s| s < 255));
                    let surface = surface.ok_or_else(|| {
                        texts.error(row, "a 256th surface", "at most 255 different surfaces")
                    })?;
                    examples.surfaces.push(surface);
                    Ok(())
                }
            });
        }
        if column == OptionalColumn::Propensity {
            return propensities(batch, &mut examples.propensities);
        }
        let values = match column {
            OptionalColumn::ClickTime
            | OptionalColumn::ConversionTime
            | OptionalColumn::ClickReceived
            | OptionalColumn::ConversionReceived => Integers::times(batch, name)?,
            _ => Integers::of(batch, name)?,
        };
        let rows = 0..batch.rows();
        let times = match column {
            OptionalColumn::ClickTime => Some(&mut examples.click_times),
            OptionalColumn::ConversionTime => Some(&mut examples.conversion_times),
            OptionalColumn::ClickReceived => Some(&mut examples.click_received),
            OptionalColumn::ConversionReceived => Some(&mut examples.conversion_received),
            _ => None,
        };
        if let Some(times) = times {
            times.extend(rows.map(|row| values.get(row).unwrap_or(i64::MIN)));
            return Ok(());
        }
        match column {
            OptionalColumn::LabelConversion => {
                rows.map(|row| values.bool(row)).try_for_each(|v| v.map(|v| examples.conversions.push(v)))
            }
            OptionalColumn::Matured => rows
                .map(|row| values.required_bool(row))
                .try_for_each(|v| v.map(|v| examples.matured.push(v))),
            OptionalColumn::DwellMs => rows.map(|row| values.within(row, 0..=i64::MAX)).try_for_each(|v| {
                let dwell = v?.map_or(-1, |ms| i32::try_from(ms).unwrap_or(i32::MAX));
                examples.dwell_ms.push(dwell);
                Ok(())
            }),
            OptionalColumn::Slot => rows.map(|row| values.within(row, 0..=65_534)).try_for_each(|v| {
                examples.slots.push(v?.map_or(u16::MAX, |slot| slot as u16));
                Ok(())
            }),
            _ => log_end(examples, batch, &values),
        }
    }
}

/// Checks that click times and times since the click give one end of the log.
fn log_end(examples: &mut Examples, batch: &Batch, elapsed: &Integers<'_>) -> Result<(), Error> {
    let clicks = Integers::maybe(batch, OptionalColumn::ClickTime.name())?;
    for row in 0..batch.rows() {
        let Some(ms) = elapsed.get(row) else { continue };
        let Some(click) = clicks.as_ref().and_then(|clicks| clicks.get(row)) else { continue };
        let end = click.checked_add(ms).filter(|end| ms >= 0 && TIMES_MS.contains(end));
        let expected = examples.log_end.or(end);
        if end.is_none() || end != expected {
            let expected = match expected {
                Some(end) => {
                    format!("{}: the log ends at {end}, as in the rows before", end.saturating_sub(click))
                }
                None => "0 or more, up to an end of the log before 2200".into(),
            };
            return Err(elapsed.error(row, &ms.to_string(), &expected));
        }
        examples.log_end = end;
    }
    Ok(())
}

fn propensities(batch: &Batch, out: &mut Vec<f32>) -> Result<(), Error> {
    let name = OptionalColumn::Propensity.name();
    let values = numbers(batch, name)?;
    for row in 0..batch.rows() {
        let value = values.is_valid(row).then(|| values.value(row));
        match value {
            Some(p) if !(p > 0.0 && p <= 1.0) => {
                return Err(batch.error(row, name, &p.to_string(), "a probability above 0, at most 1"));
            }
            p => out.push(p.map_or(f32::NAN, |p| p as f32)),
        }
    }
    Ok(())
}

fn context(column: &mut ContextColumn, batch: &Batch) -> Result<(), Error> {
    let rows = 0..batch.rows();
    match &mut column.values {
        ContextValues::Text { codes, names } => {
            let texts = Texts::of(batch, &column.name)?;
            codes.extend(rows.map(|row| texts.get(row).map_or(u32::MAX, |text| names.insert(text))));
        }
        ContextValues::Integer(values) => {
            let integers = Integers::of(batch, &column.name)?;
            values.extend(rows.map(|row| integers.get(row).unwrap_or(i64::MIN)));
        }
        ContextValues::Number(values) => {
            let numbers = numbers(batch, &column.name)?;
            let value = |row| if numbers.is_valid(row) { numbers.value(row) } else { f64::NAN };
            values.extend(rows.map(value));
        }
    }
    Ok(())
}

fn numbers(batch: &Batch, name: &str) -> Result<Float64Array, Error> {
    batch.numbers(name)?.ok_or_else(|| batch.error(0, name, "no such column", "a column of numbers"))
}

/// A column of strings with its place, for messages.
struct Texts<'a> {
    batch: &'a Batch,
    name: &'a str,
    values: StringViewArray,
}

impl<'a> Texts<'a> {
    fn of(batch: &'a Batch, name: &'a str) -> Result<Texts<'a>, Error> {
        let values = batch.strings(name)?;
        let values = values.ok_or_else(|| batch.error(0, name, "no such column", "a column of strings"))?;
        Ok(Texts { batch, name, values })
    }

    fn get(&self, row: usize) -> Option<&str> {
        self.values.is_valid(row).then(|| self.values.value(row))
    }

    fn required(&self, row: usize) -> Result<&str, Error> {
        self.get(row)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| self.error(row, "an empty value", "an id"))
    }

    fn error(&self, row: usize, got: &str, expected: &str) -> Error {
        self.batch.error(row, self.name, got, expected)
    }
}

/// A column of integers with its place, for messages.
struct Integers<'a> {
    batch: &'a Batch,
    name: &'a str,
    values: Int64Array,
}

impl<'a> Integers<'a> {
    fn maybe(batch: &'a Batch, name: &'a str) -> Result<Option<Integers<'a>>, Error> {
        Ok(batch.integers(name)?.map(|values| Integers { batch, name, values }))
    }

    fn of(batch: &'a Batch, name: &'a str) -> Result<Integers<'a>, Error> {
        Self::found(batch, name, batch.integers(name)?)
    }

    fn found(batch: &'a Batch, name: &'a str, values: Option<Int64Array>) -> Result<Integers<'a>, Error> {
        let values = values.ok_or_else(|| batch.error(0, name, "no such column", "a column of integers"))?;
        Ok(Integers { batch, name, values })
    }

    /// A column of moments.
    fn times(batch: &'a Batch, name: &'a str) -> Result<Integers<'a>, Error> {
        Self::found(batch, name, batch.times(name)?)
    }

    fn get(&self, row: usize) -> Option<i64> {
        self.values.is_valid(row).then(|| self.values.value(row))
    }

    fn required(&self, row: usize) -> Result<i64, Error> {
        self.get(row).ok_or_else(|| self.error(row, "an empty value", "an integer"))
    }

    fn within(&self, row: usize, range: std::ops::RangeInclusive<i64>) -> Result<Option<i64>, Error> {
        match self.get(row) {
            Some(value) if !range.contains(&value) => {
                let expected = match *range.end() {
                    i64::MAX => format!("{} or more", range.start()),
                    end => format!("{} to {end}", range.start()),
                };
                Err(self.error(row, &value.to_string(), &expected))
            }
            value => Ok(value),
        }
    }

    fn bool(&self, row: usize) -> Result<Option<bool>, Error> {
        match self.get(row) {
            None => Ok(None),
            Some(0) => Ok(Some(false)),
            Some(1) => Ok(Some(true)),
            Some(other) => Err(self.error(row, &other.to_string(), "0 or 1")),
        }
    }

    fn required_bool(&self, row: usize) -> Result<bool, Error> {
        self.bool(row)?.ok_or_else(|| self.error(row, "an empty value", "0 or 1"))
    }

    fn error(&self, row: usize, got: &str, expected: &str) -> Error {
        self.batch.error(row, self.name, got, expected)
    }
}
