//! The further columns of `items.parquet`, as filters read them: numbers, and texts of which an item may have several.
//!
//! | in the file | here |
//! |---|---|
//! | integers, floats, decimals | numbers; null and NaN are none |
//! | times, dates | numbers: ms UTC |
//! | strings, booleans | one text; null and the empty text are none |
//! | lists of strings, booleans or integers | several texts |
//! | anything else, and integers beyond 2^53 | [`ItemValues::Unusable`], with the reason: only a filter that names the column fails |

use crate::columns::{Batch, Table, lost};
use crate::dataset::{ITEMS, VALID_FROM, counts_before};
use crate::{Dataset, Error};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, ListArray, StringViewArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, TimeUnit};
use semrank_core::Dictionary;
use std::path::Path;
use std::sync::Arc;

/// Columns with a meaning of their own.
const STANDARD: [&str; 5] = ["item_id", "kind", VALID_FROM, "active_from", "active_to"];
/// Every whole number up to here is a 64-bit float.
const MOST_EXACT: u64 = 1 << 53;

/// A further column of items.
#[derive(Debug, Clone)]
pub struct FurtherColumn {
    /// Its name.
    pub name: String,
    /// One entry per item of the catalogue.
    pub values: ItemValues,
}

/// What a further column holds.
#[derive(Debug, Clone)]
pub enum ItemValues {
    /// Numbers; NaN = none.
    Numbers(Vec<f64>),
    /// Texts.
    Texts {
        /// The different texts, by first appearance.
        names: Dictionary,
        /// Rows of `names`, for each item.
        codes: Vec<Box<[u32]>>,
    },
    /// Nothing that can be compared; why, and what to do.
    Unusable(String),
}

impl FurtherColumn {
    /// Reads the columns whose name `wanted` asks for, in the order of the file; the standard ones and the text columns of the data set
    /// are never among them. Of an item with several rows that counts which was valid at `time_ms` (UTC), as in
    /// [`Dataset::take_items_as_of`], with all its values: one that is empty there is none.
    ///
    /// # Errors
    /// A missing or damaged file.
    pub fn open(
        dir: &Path,
        dataset: &Dataset,
        wanted: &dyn Fn(&str) -> bool,
        time_ms: i64,
    ) -> Result<Vec<FurtherColumn>, Error> {
        let table = Table::open(&dir.join(ITEMS))?;
        let items = dataset.catalog.len();
        let is_further = |name: &str| {
            !STANDARD.contains(&name) && !dataset.meta.text.iter().any(|text| text == name) && wanted(name)
        };
        let fields = table.schema().fields().iter().filter(|field| is_further(field.name()));
        let mut fillers: Vec<Filler> =
            fields.map(|field| Filler::new(field.name(), field.data_type(), items)).collect();
        let rows = CountedRows::read(&table, dataset, time_ms)?;
        let readable = fillers.iter().filter(|filler| filler.is_usable()).map(|filler| filler.name.clone());
        let readable: Vec<String> = readable.collect();
        if !readable.is_empty() {
            let further = readable.iter().map(String::as_str);
            let mut batches = table.read(&rows.columns(&table, further))?;
            while let Some(batch) = batches.next_batch()? {
                let places = rows.places(&batch, dataset)?;
                fillers.iter_mut().for_each(|filler| filler.take(&batch, &places));
            }
        }
        Ok(fillers.into_iter().map(Filler::finish).collect())
    }
}

/// Which row of an item counts, where there are several.
struct CountedRows {
    /// `valid_from` of the row of each item that counts; empty where the file has no such column.
    since: Vec<Option<i64>>,
}

impl CountedRows {
    fn read(table: &Table, dataset: &Dataset, time_ms: i64) -> Result<CountedRows, Error> {
        let mut out = CountedRows { since: Vec::new() };
        if !table.has(VALID_FROM) {
            return Ok(out);
        }
        out.since.resize(dataset.catalog.len(), None);
        let mut batches = table.read(&["item_id", VALID_FROM])?;
        while let Some(batch) = batches.next_batch()? {
            for (_, item, since) in rows_of(&batch, dataset)? {
                let other = &mut out.since[item];
                if other.is_none_or(|other| counts_before(since, other, time_ms)) {
                    *other = Some(since);
                }
            }
        }
        Ok(out)
    }

    fn columns<'a>(&self, table: &Table, further: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let valid_from = table.has(VALID_FROM).then_some(VALID_FROM);
        ["item_id"].into_iter().chain(valid_from).chain(further).collect()
    }

    /// The rows of a batch that count, each with its item.
    fn places(&self, batch: &Batch, dataset: &Dataset) -> Result<Vec<(usize, usize)>, Error> {
        let counts = |item: usize, since: i64| self.since.get(item).is_none_or(|own| *own == Some(since));
        let rows = rows_of(batch, dataset)?.into_iter();
        Ok(rows.filter(|&(_, item, since)| counts(item, since)).map(|(row, item, _)| (row, item)).collect())
    }
}

/// Rows of a batch, with their item and since when they are valid.
fn rows_of(batch: &Batch, dataset: &Dataset) -> Result<Vec<(usize, usize, i64)>, Error> {
    let Some(ids) = batch.strings("item_id")? else { return Ok(Vec::new()) };
    let valid_from = batch.times(VALID_FROM)?;
    let since = |row: usize| {
        valid_from.as_ref().filter(|times| times.is_valid(row)).map_or(i64::MIN, |times| times.value(row))
    };
    let item = |row: usize| if ids.is_valid(row) { dataset.catalog.ids.get(ids.value(row)) } else { None };
    Ok((0..batch.rows()).filter_map(|row| Some((row, item(row)? as usize, since(row)))).collect())
}

/// A column in the making.
struct Filler {
    name: String,
    values: ItemValues,
}

impl Filler {
    fn new(name: &str, kind: &DataType, items: usize) -> Filler {
        let values = match kind {
            kind if is_text(kind) || is_list(kind) || *kind == DataType::Null => {
                ItemValues::Texts { names: Dictionary::new(), codes: vec![Box::default(); items] }
            }
            kind if kind.is_numeric() || is_time(kind) => ItemValues::Numbers(vec![f64::NAN; items]),
            other => ItemValues::Unusable(format!(
                "it is of type {other}; write it as text, a number, a time or a list of texts"
            )),
        };
        Filler { name: name.to_owned(), values }
    }

    fn is_usable(&self) -> bool {
        !matches!(self.values, ItemValues::Unusable(_))
    }

    fn take(&mut self, batch: &Batch, places: &[(usize, usize)]) {
        let Some(array) = batch.column(&self.name) else { return };
        let unusable = match &mut self.values {
            ItemValues::Numbers(numbers) => fill_numbers(numbers, array, places).err(),
            ItemValues::Texts { names, codes } => {
                fill_texts((names, codes), array, places);
                None
            }
            ItemValues::Unusable(_) => None,
        };
        if let Some((row, reason)) = unusable {
            self.values = ItemValues::Unusable(format!(
                "row {} of {ITEMS} holds {reason}",
                batch.first_row + row as u64
            ));
        }
    }

    fn finish(self) -> FurtherColumn {
        FurtherColumn { name: self.name, values: self.values }
    }
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn is_list(kind: &DataType) -> bool {
    match kind {
        DataType::List(of) | DataType::LargeList(of) => {
            is_text(of.data_type()) || of.data_type().is_integer()
        }
        _ => false,
    }
}

fn is_time(kind: &DataType) -> bool {
    matches!(kind, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

/// The row that cannot be kept, and what it holds.
type Unkept = (usize, String);

fn fill_numbers(out: &mut [f64], array: &ArrayRef, places: &[(usize, usize)]) -> Result<(), Unkept> {
    if array.data_type().is_integer() || is_time(array.data_type()) {
        let integers = integers(array).ok_or_else(|| (0, "no number; write it as a number".to_owned()))?;
        let beyond = || "a number beyond 64 bits; write it as text".to_owned();
        if let Some(row) = lost(array, &integers) {
            return Err((row, beyond()));
        }
        for &(row, item) in places {
            out[item] = f64::NAN;
            if integers.is_valid(row) {
                let integer = integers.value(row);
                if integer.unsigned_abs() > MOST_EXACT {
                    return Err((
                        row,
                        format!("{integer}, and filters compare exactly up to 2^53; write it as text"),
                    ));
                }
                out[item] = integer as f64;
            }
        }
        return Ok(());
    }
    let floats: Option<Float64Array> =
        cast(array, &DataType::Float64).ok().map(|floats| floats.as_primitive::<Float64Type>().clone());
    let floats = floats.ok_or_else(|| (0, "no number; write it as a number".to_owned()))?;
    for &(row, item) in places {
        out[item] = if floats.is_valid(row) { floats.value(row) } else { f64::NAN };
    }
    Ok(())
}

fn integers(array: &ArrayRef) -> Option<Int64Array> {
    let array = match array.data_type() {
        DataType::Timestamp(_, zone) => {
            cast(array, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone())).ok()?
        }
        DataType::Date32 => cast(array, &DataType::Date64).ok()?,
        _ => array.clone(),
    };
    Some(cast(&array, &DataType::Int64).ok()?.as_primitive::<Int64Type>().clone())
}

fn fill_texts(
    (names, codes): (&mut Dictionary, &mut [Box<[u32]>]),
    array: &ArrayRef,
    places: &[(usize, usize)],
) {
    let (lists, texts) = (lists(array), texts(array));
    for &(row, item) in places {
        let mut own: Vec<u32> = match (&lists, &texts) {
            (Some(lists), _) if lists.is_valid(row) => {
                let values = lists.value(row);
                let values = values.as_string_view().iter().flatten().filter(|text| !text.is_empty());
                values.map(|text| names.insert(text)).collect()
            }
            (None, Some(texts)) if texts.is_valid(row) && !texts.value(row).is_empty() => {
                vec![names.insert(texts.value(row))]
            }
            _ => Vec::new(),
        };
        own.sort_unstable();
        own.dedup();
        codes[item] = own.into();
    }
}

fn lists(array: &ArrayRef) -> Option<ListArray> {
    if !matches!(array.data_type(), DataType::List(_) | DataType::LargeList(_)) {
        return None;
    }
    let strings = DataType::List(Arc::new(Field::new("item", DataType::Utf8View, true)));
    Some(cast(array, &strings).ok()?.as_list::<i32>().clone())
}

fn texts(array: &ArrayRef) -> Option<StringViewArray> {
    if !is_text(array.data_type()) {
        return None;
    }
    Some(cast(array, &DataType::Utf8View).ok()?.as_string_view().clone())
}
