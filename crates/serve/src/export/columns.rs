//! The columns of events beside user, item, action and time: which there are, of which type, and their values.

use crate::Event;
use semrank_data::{ColumnType, Examples, ExtraColumn, LOG_COLUMNS, Value as Written};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Columns of every log.
const OWN: [&str; 6] = ["user_id", "item_id", "action", "timestamp", "position", "seq"];

/// Columns by name, each as wide as its values need.
#[derive(Debug, Default)]
pub(super) struct Columns {
    types: BTreeMap<String, ColumnType>,
    left_out: BTreeSet<String>,
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Absent,
    Text(String),
    Integer(i64),
    Number(f64),
    /// The column cannot hold it.
    Unreadable,
}

impl Cell {
    pub(super) fn value(&self) -> Written<'_> {
        match self {
            Cell::Absent | Cell::Unreadable => Written::Null,
            Cell::Text(text) => Written::Text(text),
            Cell::Integer(integer) => Written::Integer(*integer),
            Cell::Number(number) => Written::Number(*number),
        }
    }

    fn of(value: &Value, kind: ColumnType) -> Self {
        let whole = || value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= 9e15);
        match (kind, value) {
            (_, Value::Null) => Cell::Absent,
            (ColumnType::Text, Value::String(text)) => Cell::Text(text.clone()),
            (ColumnType::Text, other) => Cell::Text(other.to_string()),
            (ColumnType::Integer, _) => {
                let integer = value.as_i64().or_else(|| whole().map(|number| number as i64));
                integer.map_or(Cell::Unreadable, Cell::Integer)
            }
            (ColumnType::Number, _) => value.as_f64().map_or(Cell::Unreadable, Cell::Number),
            (ColumnType::Texts, _) => Cell::Unreadable,
        }
    }
}

impl Columns {
    /// Adds a column, or widens it.
    pub(super) fn add(&mut self, name: &str, kind: ColumnType) {
        if OWN.contains(&name) {
            return;
        }
        let standard = LOG_COLUMNS.iter().find(|(column, _)| *column == name);
        if kind == ColumnType::Texts || standard.is_none() && Examples::has_of_its_own(name) {
            self.left_out.insert(name.to_owned());
            return;
        }
        match (self.types.get_mut(name), standard) {
            (None, _) => _ = self.types.insert(name.to_owned(), standard.map_or(kind, |(_, kind)| *kind)),
            (Some(_), Some(_)) => {}
            (Some(known), None) => *known = wider(*known, kind),
        }
    }

    /// Adds the columns of an event.
    pub(super) fn see(&mut self, event: &Event) {
        self.add("received_at", ColumnType::Integer);
        if event.event_id.is_some() {
            self.add("event_id", ColumnType::Text);
        }
        for (name, value) in &event.rest {
            let kind = match value {
                Value::Number(number) if number.is_i64() => ColumnType::Integer,
                Value::Number(_) => ColumnType::Number,
                _ => ColumnType::Text,
            };
            self.add(name, kind);
        }
    }

    /// The columns as a data set has them.
    pub(super) fn extra(&self) -> Vec<ExtraColumn> {
        self.iter().map(|(name, kind)| ExtraColumn { name: name.to_owned(), kind }).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, ColumnType)> {
        self.types.iter().map(|(name, kind)| (name.as_str(), *kind))
    }

    pub(super) fn left_out(&self) -> Vec<String> {
        self.left_out.iter().cloned().collect()
    }

    /// The values of an event, in the order of the columns.
    pub(super) fn cells(&self, event: &Event) -> Vec<Cell> {
        let cell = |(name, kind): (&str, ColumnType)| match name {
            "received_at" => Cell::Integer(event.received_at),
            "event_id" => event.event_id.clone().map_or(Cell::Absent, Cell::Text),
            _ => event.rest.get(name).map_or(Cell::Absent, |value| Cell::of(value, kind)),
        };
        self.iter().map(cell).collect()
    }
}

fn wider(one: ColumnType, other: ColumnType) -> ColumnType {
    match (one, other) {
        (one, other) if one == other => one,
        (ColumnType::Integer | ColumnType::Number, ColumnType::Integer | ColumnType::Number) => {
            ColumnType::Number
        }
        _ => ColumnType::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_as_wide_as_their_values() {
        let mut columns = Columns::default();
        let event = |slot: Value, age: Value| {
            let value = json!({"user_id": "u", "item_id": "i", "action": "a", "timestamp": 1, "slot": slot, "age": age, "split": 1});
            Event::from_json(value, "$", 5).unwrap()
        };
        let events =
            [event(json!(2.0), json!(7)), event(json!("3"), json!(7.5)), event(json!(null), json!(true))];
        let types = |columns: &Columns| columns.iter().map(|(_, kind)| kind).collect::<Vec<_>>();
        columns.see(&events[0]);
        assert_eq!(types(&columns), [ColumnType::Integer; 3], "age, received_at, slot");
        columns.see(&events[1]);
        assert_eq!(types(&columns)[0], ColumnType::Number);
        columns.see(&events[2]);
        assert_eq!(types(&columns)[0], ColumnType::Text);
        let cells: Vec<Vec<Cell>> = events.iter().map(|event| columns.cells(event)).collect();
        let (text, at) = (|text: &str| Cell::Text(text.into()), Cell::Integer(5));
        assert_eq!(cells[0], [text("7"), at.clone(), Cell::Integer(2)]);
        assert_eq!(cells[1], [text("7.5"), at.clone(), Cell::Unreadable]);
        assert_eq!(cells[2], [text("true"), at, Cell::Absent]);
        assert_eq!(columns.left_out(), ["split"]);
    }
}
