//! One JSON object a line. The columns are the keys of the first 100 objects.

use super::rows::{CellKind, Column, Row, Rows};
use super::source::{Lines, Place};
use crate::{Error, RowError};
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::path::Path;

/// A line's number and its object, or what is wrong with it.
type Object = (u64, Result<Map<String, Value>, RowError>);

const PEEKED_LINES: usize = 100;

/// A file of JSON objects.
pub(crate) struct JsonLines {
    lines: Lines,
    peeked: VecDeque<Object>,
    columns: Vec<Column>,
    selected: Vec<usize>,
}

impl JsonLines {
    pub(crate) fn open(path: &Path) -> Result<JsonLines, Error> {
        let mut rows = JsonLines {
            lines: Lines::open(path)?,
            peeked: VecDeque::new(),
            columns: Vec::new(),
            selected: Vec::new(),
        };
        while rows.peeked.len() < PEEKED_LINES
            && let Some(object) = rows.read()?
        {
            if let (_, Ok(object)) = &object {
                object.iter().for_each(|(name, value)| learn(&mut rows.columns, name, value));
            }
            rows.peeked.push_back(object);
        }
        match rows.peeked.front() {
            None => Err(Error::Empty { path: path.to_owned(), expected: "one JSON object a line".into() }),
            Some((_, Err(error))) if rows.columns.is_empty() => Err(error.clone().into()),
            Some(_) => Ok(rows),
        }
    }

    fn read(&mut self) -> Result<Option<Object>, Error> {
        let Some(bytes) = self.lines.next()?.map(<[u8]>::to_vec) else { return Ok(None) };
        let line = self.lines.line;
        let place = Place { file: &self.lines.path, line };
        let object = place.utf8("", &bytes).and_then(|text| {
            serde_json::from_str(text).map_err(|error| place.error("", error.to_string(), "a JSON object"))
        });
        Ok(Some((line, object)))
    }
}

impl Rows for JsonLines {
    fn path(&self) -> &Path {
        &self.lines.path
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn select(&mut self, columns: &[usize]) -> Result<(), Error> {
        self.selected = columns.to_vec();
        Ok(())
    }

    fn next(&mut self, row: &mut Row) -> Result<bool, Error> {
        let next = match self.peeked.pop_front() {
            Some(next) => Some(next),
            None => self.read()?,
        };
        let Some((line, object)) = next else { return Ok(false) };
        row.line = line;
        row.cells.clear();
        let object = object?;
        for &column in &self.selected {
            let name = &self.columns[column].name;
            let text = object.get(name).map_or(Some(String::new()), text);
            let text = text.ok_or_else(|| {
                row.place(&self.lines.path).error(name, "an object", "text, a number or a list of them")
            })?;
            row.cells.push_field(&text);
        }
        Ok(true)
    }
}

fn learn(columns: &mut Vec<Column>, name: &str, value: &Value) {
    let kind = match value {
        Value::Number(number) if number.is_f64() => CellKind::Float,
        Value::Number(_) => CellKind::Integer,
        _ => CellKind::Text,
    };
    match columns.iter_mut().find(|column| column.name == name) {
        None => columns.push(Column { name: name.to_owned(), kind }),
        // A float among integers makes all of them floats.
        Some(column) if kind == CellKind::Float && column.kind == CellKind::Integer => column.kind = kind,
        Some(_) => {}
    }
}

/// The text of a value; none for an object.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(match number.as_f64() {
            Some(float) if number.is_f64() => float.to_string(),
            _ => number.to_string(),
        }),
        Value::Array(values) => Some(values.iter().map(text).collect::<Option<Vec<_>>>()?.join(", ")),
        Value::Object(_) => None,
    }
}
