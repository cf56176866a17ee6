//! Item columns that filters read: texts with the rows of every value, and numbers.
//!
//! ```
//! use semrank_retrieve::{Filter, ItemTable, Value};
//! let mut table = ItemTable::new(3);
//! table.set(0, "advertiser_id", Value::Text("nike")).unwrap();
//! table.set(2, "advertiser_id", Value::Text("nike")).unwrap();
//! table.set(2, "bid", Value::Number(0.7)).unwrap();
//! let filter: Filter = "advertiser_id = nike and not bid > 0.5".parse().unwrap();
//! assert_eq!(filter.rows(&table).unwrap().iter().collect::<Vec<_>>(), [0]);
//! ```

use crate::FilterError;
use roaring::RoaringBitmap;
use semrank_core::Dictionary;
use std::collections::BTreeMap;

/// A value of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// None.
    Absent,
    /// A text.
    Text(&'a str),
    /// Several texts, such as countries.
    Texts(&'a [&'a str]),
    /// A number; times are milliseconds (UTC).
    Number(f64),
}

/// Columns of items, one row per item.
#[derive(Debug, Clone, Default)]
pub struct ItemTable {
    rows: usize,
    columns: BTreeMap<String, Column>,
}

/// The values of a column.
#[derive(Debug, Clone)]
pub(crate) enum Column {
    Text(TextColumn),
    /// NaN where absent.
    Number(Vec<f64>),
    /// Why nothing can be asked of it.
    Unusable(String),
}

/// Texts: the values of every row, and the rows of every value.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextColumn {
    names: Dictionary,
    codes: Vec<Box<[u32]>>,
    rows: Vec<RoaringBitmap>,
}

impl TextColumn {
    /// The rows with a value.
    pub(crate) fn rows_of(&self, value: &str) -> impl Iterator<Item = u32> {
        self.names.get(value).into_iter().flat_map(|code| &self.rows[code as usize])
    }

    /// The values that rows have, each with its rows.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &RoaringBitmap)> {
        self.names.names().zip(&self.rows).filter(|(_, rows)| !rows.is_empty())
    }

    fn set(&mut self, row: usize, values: &[&str]) {
        for &code in &self.codes[row] {
            self.rows[code as usize].remove(row as u32);
        }
        let codes: Vec<u32> = values.iter().map(|value| self.names.insert(value)).collect();
        self.rows.resize_with(self.names.len(), RoaringBitmap::new);
        for &code in &codes {
            self.rows[code as usize].insert(row as u32);
        }
        self.codes[row] = codes.into();
    }
}

impl ItemTable {
    /// No column yet.
    pub fn new(rows: usize) -> Self {
        Self { rows, columns: BTreeMap::new() }
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Puts in a column of numbers, one per row; NaN where there is none. A column of that name is replaced, as in the other `put_…`.
    ///
    /// # Panics
    /// When there are not as many numbers as rows; so does [`ItemTable::put_texts`].
    pub fn put_numbers(&mut self, column: &str, numbers: Vec<f64>) {
        assert_eq!(numbers.len(), self.rows, "one number per row of column {column}");
        self.columns.insert(column.to_owned(), Column::Number(numbers));
    }

    /// Puts in a column of texts: the different ones, and for each row the numbers of those that it has, ascending.
    pub fn put_texts(&mut self, column: &str, names: Dictionary, codes: Vec<Box<[u32]>>) {
        assert_eq!(codes.len(), self.rows, "one list of texts per row of column {column}");
        let mut rows = vec![RoaringBitmap::new(); names.len()];
        for (row, codes) in (0..).zip(&codes) {
            for &code in codes {
                // Rows come ascending, and a row that comes twice is refused.
                let _ = rows[code as usize].try_push(row);
            }
        }
        self.columns.insert(column.to_owned(), Column::Text(TextColumn { names, codes, rows }));
    }

    /// Puts in a column that filters cannot use, for a reason.
    pub fn put_unusable(&mut self, column: &str, reason: String) {
        self.columns.insert(column.to_owned(), Column::Unusable(reason));
    }

    /// The texts that a row has in a column; none where there is no such column of texts.
    pub(crate) fn texts(&self, row: usize, column: &str) -> impl Iterator<Item = &str> {
        let text = match self.columns.get(column) {
            Some(Column::Text(text)) => Some(text),
            _ => None,
        };
        text.into_iter().flat_map(move |text| text.codes[row].iter().map(|&code| text.names.name(code)))
    }

    /// The number that a row has in a column; NaN where it has none.
    pub(crate) fn number(&self, row: usize, column: &str) -> f64 {
        match self.columns.get(column) {
            Some(Column::Number(numbers)) => numbers[row],
            _ => f64::NAN,
        }
    }

    /// Names of the columns, ascending.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }

    /// A row more, without values; returns its number.
    pub fn push(&mut self) -> usize {
        self.rows += 1;
        for column in self.columns.values_mut() {
            match column {
                Column::Text(text) => text.codes.push(Box::default()),
                Column::Number(numbers) => numbers.push(f64::NAN),
                Column::Unusable(_) => {}
            }
        }
        self.rows - 1
    }

    /// Sets a value; a column that is not there yet is made, of texts or numbers as its first value is.
    ///
    /// # Errors
    /// [`FilterError::NotANumber`] for a number in a column of texts, or a text in one of numbers; [`FilterError::Unusable`].
    ///
    /// # Panics
    /// When there is no such row.
    pub fn set(&mut self, row: usize, column: &str, value: Value) -> Result<(), FilterError> {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        if !self.columns.contains_key(column) {
            let empty = match value {
                Value::Absent => return Ok(()),
                Value::Number(_) => Column::Number(vec![f64::NAN; self.rows]),
                Value::Text(_) | Value::Texts(_) => Column::Text(TextColumn {
                    codes: vec![Box::default(); self.rows],
                    ..TextColumn::default()
                }),
            };
            self.columns.insert(column.to_owned(), empty);
        }
        self.check(column, value)?;
        match (self.columns.get_mut(column), value) {
            (Some(Column::Text(text)), Value::Absent) => text.set(row, &[]),
            (Some(Column::Text(text)), Value::Text(value)) => text.set(row, &[value]),
            (Some(Column::Text(text)), Value::Texts(values)) => text.set(row, values),
            (Some(Column::Number(numbers)), Value::Absent) => numbers[row] = f64::NAN,
            (Some(Column::Number(numbers)), Value::Number(number)) => numbers[row] = number,
            _ => {}
        }
        Ok(())
    }

    /// Whether a column can hold a value; one that is not there yet can hold any.
    ///
    /// # Errors
    /// As [`ItemTable::set`].
    pub fn check(&self, column: &str, value: Value) -> Result<(), FilterError> {
        let (value, of) = match (self.columns.get(column), value) {
            (Some(Column::Text(_)), Value::Number(number)) => (number.to_string(), "texts"),
            (Some(Column::Number(_)), Value::Text(text)) => (text.to_owned(), "numbers"),
            (Some(Column::Number(_)), Value::Texts(texts)) => (texts.join(", "), "numbers"),
            (Some(Column::Unusable(reason)), _) => return Err(FilterError::unusable(column, reason)),
            _ => return Ok(()),
        };
        Err(FilterError::NotANumber { column: column.to_owned(), value, of })
    }

    pub(crate) fn column(&self, name: &str) -> Result<&Column, FilterError> {
        self.columns.get(name).ok_or_else(|| FilterError::Column {
            column: name.to_owned(),
            nearest: semrank_core::nearest(name, self.names()).map(str::to_owned),
            known: if self.columns.is_empty() {
                "none".to_owned()
            } else {
                self.names().collect::<Vec<_>>().join(", ")
            },
        })
    }
}
