//! Vectors from a Parquet file, batch by batch.

use super::Columns;
use super::vectors::{Place, Vectors};
use crate::Error;
use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ArrayRef, Float32Array, StringViewArray};
use arrow_cast::cast;
use arrow_schema::DataType;
use semrank_data::columns::{Batch, Table};
use std::ops::Range;
use std::path::Path;

/// Reads the two columns.
pub(super) fn read(path: &Path, columns: &Columns) -> Result<Vectors, Error> {
    let table = Table::open(path)?;
    table.require(&columns.id)?;
    table.require(&columns.vector)?;
    let mut vectors = Vectors::new(table.rows());
    let mut batches = table.read(&[columns.id.as_str(), columns.vector.as_str()])?;
    while let Some(batch) = batches.next_batch()? {
        append(path, columns, &batch, &mut vectors)?;
    }
    vectors.finish(path)
}

fn append(path: &Path, columns: &Columns, batch: &Batch, vectors: &mut Vectors) -> Result<(), Error> {
    let ids = column(path, batch, &columns.id, "strings or integers", strings)?;
    let lists = column(path, batch, &columns.vector, "lists of f16, f32 or f64", Lists::new)?;
    for index in 0..batch.rows() {
        let place = Place { file: path, line: batch.first_row + index as u64 };
        if ids.is_null(index) {
            return Err(place.error(&columns.id, "null", "an item id"));
        }
        let id = ids.value(index);
        let Some(vector) = lists.get(index) else {
            return Err(place.error(&columns.vector, format!("null for item `{id}`"), "a list without null"));
        };
        vectors.push(place, columns, id, vector)?;
    }
    Ok(())
}

/// A column in the wanted form; `None` from `convert` means another type.
fn column<T>(
    path: &Path,
    batch: &Batch,
    name: &str,
    expected: &str,
    convert: fn(&ArrayRef) -> Option<T>,
) -> Result<T, Error> {
    let array = batch.column(name);
    array.and_then(convert).ok_or_else(|| {
        let kind = batch.column_type(name).map_or("none".into(), DataType::to_string);
        Error::Data(semrank_data::Error::Schema {
            path: path.to_owned(),
            got: format!("column `{name}` of type {kind}"),
            expected: expected.to_owned(),
        })
    })
}

/// Ids as they are printed: any layout of strings, or integers.
fn strings(array: &ArrayRef) -> Option<StringViewArray> {
    let kind = array.data_type();
    if *kind != DataType::Utf8View && !kind.is_integer() {
        return None;
    }
    cast(array, &DataType::Utf8View).ok()?.as_string_view_opt().cloned()
}

/// A batch's vectors: the values of all, and where each begins and ends.
struct Lists {
    values: Float32Array,
    rows: Vec<Option<Range<usize>>>,
}

impl Lists {
    fn new(array: &ArrayRef) -> Option<Lists> {
        let (values, ranges) = flat(array)?;
        if !values.data_type().is_floating() {
            return None;
        }
        let values = cast(&values, &DataType::Float32).ok()?.as_primitive_opt::<Float32Type>()?.clone();
        let whole = |row: usize, range: &Range<usize>| {
            array.is_valid(row) && (values.null_count() == 0 || range.clone().all(|i| values.is_valid(i)))
        };
        let rows = ranges.into_iter().enumerate().map(|(row, range)| whole(row, &range).then_some(range));
        let rows = rows.collect();
        Some(Lists { values, rows })
    }

    /// The vector of a row; `None` where it or one of its values is null.
    fn get(&self, row: usize) -> Option<&[f32]> {
        self.rows[row].clone().map(|range| &self.values.values()[range])
    }
}

/// The values of a column of lists, and the range of each row.
fn flat(array: &ArrayRef) -> Option<(ArrayRef, Vec<Range<usize>>)> {
    if let Some(lists) = array.as_fixed_size_list_opt() {
        let width = usize::try_from(lists.value_length()).ok()?;
        let ranges = (0..lists.len()).map(|row| row * width..(row + 1) * width);
        return Some((lists.values().clone(), ranges.collect()));
    }
    if let Some(lists) = array.as_list_opt::<i32>() {
        let ends: Vec<usize> = lists.value_offsets().iter().map(|&end| end as usize).collect();
        return Some((lists.values().clone(), ends.windows(2).map(|pair| pair[0]..pair[1]).collect()));
    }
    let lists = array.as_list_opt::<i64>()?;
    let ends: Vec<usize> = lists.value_offsets().iter().map(|&end| end as usize).collect();
    Some((lists.values().clone(), ends.windows(2).map(|pair| pair[0]..pair[1]).collect()))
}
