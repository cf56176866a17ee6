//! What a change says of an item: names of `items.parquet`'s columns and their values.

use crate::Error;
use semrank_core::TextColumn;
use semrank_retrieve::standing::{NUMBERS, TEXTS};
use semrank_retrieve::{FilterError, Items, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Values of an item, by column.
pub type Fields = BTreeMap<String, FieldValue>;

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FieldValue {
    /// None; also takes away what was there.
    Absent,
    /// A number; times are milliseconds (UTC).
    Number(f64),
    /// A text.
    Text(String),
    /// Several texts, such as countries.
    Texts(Vec<String>),
}

impl FieldValue {
    /// The text of a text column.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            FieldValue::Absent => Some(""),
            FieldValue::Text(text) => Some(text),
            FieldValue::Number(_) | FieldValue::Texts(_) => None,
        }
    }

    fn time(&self) -> Option<Option<i64>> {
        match self {
            FieldValue::Absent => Some(None),
            // Beyond 2^53 a double no longer tells milliseconds apart.
            FieldValue::Number(ms) if ms.fract() == 0.0 && ms.abs() <= 9e15 => Some(Some(*ms as i64)),
            _ => None,
        }
    }
}

/// The columns that say when an item may be shown.
pub(super) const WINDOW: [&str; 2] = ["active_from", "active_to"];

/// Columns that changes add: whether each holds numbers.
pub(super) type NewColumns = BTreeMap<String, bool>;

/// Checks that an item can have these values, or says which one it cannot; `new` are the columns that changes before it add.
pub(super) fn check(
    items: &Items,
    texts: &[TextColumn],
    item: &str,
    fields: &Fields,
    new: &mut NewColumns,
) -> Result<(), Error> {
    let is_text = |name: &str| texts.iter().any(|column| column.name == name);
    let wrong =
        |column: &str, expected| Error::Field { item: item.to_owned(), column: column.to_owned(), expected };
    for (column, value) in fields {
        let name = column.as_str();
        if is_text(name) {
            value.text().ok_or_else(|| wrong(name, "a text"))?;
        } else if WINDOW.contains(&name) {
            value.time().ok_or_else(|| wrong(name, "a whole number of milliseconds since 1970 (UTC)"))?;
        } else if name == "kind"
            && !matches!(value, FieldValue::Text(kind) if kind == "ad" || kind == "organic")
        {
            return Err(wrong(name, "`ad` or `organic`"));
        } else if TEXTS.contains(&name) && !matches!(value, FieldValue::Absent | FieldValue::Text(_)) {
            return Err(wrong(name, "a text, such as `active` or `paused`"));
        } else if NUMBERS.contains(&name) && !matches!(value, FieldValue::Absent | FieldValue::Number(_)) {
            return Err(wrong(name, "a number"));
        } else if matches!(value, FieldValue::Number(number) if !number.is_finite()) {
            return Err(wrong(name, "a finite number"));
        } else {
            with_value(value, |value| items.check(name, value))?;
            let is_number = matches!(value, FieldValue::Number(_));
            if *value != FieldValue::Absent && *new.entry(column.clone()).or_insert(is_number) != is_number {
                return Err(wrong(name, "of the same type as in the other changes"));
            }
        }
    }
    Ok(())
}

/// Gives an item these values; they were checked.
pub(super) fn apply(
    items: &mut Items,
    texts: &[TextColumn],
    item: u32,
    fields: &Fields,
) -> Result<(), FilterError> {
    let is_text = |name: &str| texts.iter().any(|column| column.name == name);
    let time = |column: &str| fields.get(column).and_then(FieldValue::time);
    let [from, to] = WINDOW.map(time);
    if from.is_some() || to.is_some() {
        let (old_from, old_to) = items.window(item);
        let from = from.map_or(old_from, |time| time.unwrap_or(i64::MIN));
        items.set_window(item, from, to.map_or(old_to, |time| time.unwrap_or(i64::MAX)));
    }
    let columns = fields.iter().filter(|(name, _)| !is_text(name) && !WINDOW.contains(&name.as_str()));
    columns.into_iter().try_for_each(|(name, value)| with_value(value, |value| items.set(item, name, value)))
}

fn with_value<T>(value: &FieldValue, take: impl FnOnce(Value) -> T) -> T {
    match value {
        FieldValue::Absent => take(Value::Absent),
        FieldValue::Number(number) => take(Value::Number(*number)),
        FieldValue::Text(text) => take(Value::Text(text)),
        FieldValue::Texts(texts) => take(Value::Texts(&texts.iter().map(String::as_str).collect::<Vec<_>>())),
    }
}
