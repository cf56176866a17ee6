//! The items of a run's data set, and those that came later, as changes have made them: rows of `items.parquet`.

use super::ExportError;
use semrank_core::{Dictionary, Kind};
use semrank_data::{
    ColumnType, DatasetWriter, ExtraColumn, FurtherColumn, ItemRow, ItemValues, TextList, Value,
};
use semrank_pipeline::Data;
use semrank_pipeline::retrieval::{FieldValue, Fields};
use std::collections::BTreeMap;

/// Columns that every item has.
const OWN: [&str; 3] = ["kind", "active_from", "active_to"];

/// Items and what has become of them.
pub(super) struct Items<'a> {
    data: &'a Data,
    /// Rows of the run's catalogue, then of items that came later.
    names: Dictionary,
    changes: Vec<Option<&'a Option<Fields>>>,
    further: Vec<FurtherColumn>,
    types: BTreeMap<String, ColumnType>,
}

/// Texts of a list in one text, with their lengths.
#[derive(Default)]
struct List(String, Vec<usize>);

enum Cell {
    Absent,
    Number(f64),
    Texts(List),
}

impl<'a> Items<'a> {
    /// # Errors
    /// A damaged file of items.
    pub(super) fn new(data: &'a Data, changes: &'a [(String, Option<Fields>)]) -> Result<Self, ExportError> {
        let catalog = &data.dataset.catalog;
        let further = FurtherColumn::open(&data.path, &data.dataset, &|_| true, i64::MAX)?;
        let mut types = BTreeMap::new();
        for column in &further {
            match &column.values {
                ItemValues::Numbers(_) => _ = types.insert(column.name.clone(), ColumnType::Number),
                ItemValues::Texts { codes, .. } => {
                    let has_lists = codes.iter().any(|codes| codes.len() > 1);
                    let kind = if has_lists { ColumnType::Texts } else { ColumnType::Text };
                    types.insert(column.name.clone(), kind);
                }
                ItemValues::Unusable(_) => {}
            }
        }
        let (mut names, mut of) = (catalog.ids.clone(), vec![None; catalog.len()]);
        for (item, fields) in changes {
            let row = names.insert(item) as usize;
            of.resize(names.len(), None);
            of[row] = Some(fields);
            for (name, value) in fields.iter().flatten() {
                let kind = match value {
                    FieldValue::Absent => continue,
                    FieldValue::Number(_) => ColumnType::Number,
                    FieldValue::Text(_) => ColumnType::Text,
                    FieldValue::Texts(_) => ColumnType::Texts,
                };
                let known = types.entry(name.clone()).or_insert(kind);
                if kind == ColumnType::Texts {
                    *known = kind;
                }
            }
        }
        types.retain(|name, _| {
            !OWN.contains(&name.as_str()) && catalog.texts.iter().all(|column| column.name != *name)
        });
        Ok(Self { data, names, changes: of, further, types })
    }

    /// Columns beside the texts and those of every item.
    pub(super) fn extra(&self) -> Vec<ExtraColumn> {
        self.types.iter().map(|(name, &kind)| ExtraColumn { name: name.clone(), kind }).collect()
    }

    /// Writes every item.
    ///
    /// # Errors
    /// A full disk.
    pub(super) fn write(&self, writer: &mut DatasetWriter) -> Result<(), ExportError> {
        let catalog = &self.data.dataset.catalog;
        let now = self.data.now();
        for (row, id) in self.names.names().enumerate() {
            let change = self.changes[row];
            let of_run = (row < catalog.len()).then_some(row);
            let field = |name: &str| change.and_then(|fields| fields.as_ref()?.get(name));
            let text = |column: &'a semrank_core::TextColumn| match field(&column.name) {
                Some(FieldValue::Text(text)) => text.as_str(),
                Some(_) => "",
                None => of_run.map_or("", |row| column.values[row].as_str()),
            };
            let texts: Vec<&str> = catalog.texts.iter().map(text).collect();
            let kind = match field("kind") {
                Some(FieldValue::Text(kind)) if kind == "ad" => Kind::Ad,
                Some(_) => Kind::default(),
                None => of_run.map_or(Kind::default(), |row| catalog.kinds[row]),
            };
            let time = |name: &str, of_run: Option<i64>| match field(name) {
                Some(FieldValue::Number(ms)) => Some(*ms as i64),
                Some(_) => None,
                None => of_run,
            };
            let known = |times: &[i64], none: i64| of_run.map(|row| times[row]).filter(|&ms| ms != none);
            let active_from = time("active_from", known(&catalog.active_from, i64::MIN));
            let mut active_to = time("active_to", known(&catalog.active_to, i64::MAX));
            if matches!(change, Some(None)) {
                // Deleted: shown no more after the run's last event, if not before.
                active_to = Some(active_to.unwrap_or(i64::MAX).min(now.unwrap_or(i64::MAX)));
                active_to = active_to.filter(|&ms| ms < i64::MAX);
            }
            let cells: Vec<Cell> =
                self.types.keys().map(|name| self.cell(name, of_run, field(name))).collect();
            let extra: Vec<Value> =
                cells.iter().zip(self.types.values()).map(|(cell, kind)| cell.value(*kind)).collect();
            let (texts, extra) = (texts.as_slice(), extra.as_slice());
            writer.item(&ItemRow { id, kind, texts, valid_from: None, active_from, active_to, extra })?;
        }
        Ok(())
    }

    fn cell(&self, name: &str, of_run: Option<usize>, changed: Option<&FieldValue>) -> Cell {
        match (changed, of_run) {
            (Some(FieldValue::Absent), _) | (None, None) => Cell::Absent,
            (Some(FieldValue::Number(number)), _) => Cell::Number(*number),
            (Some(FieldValue::Text(text)), _) => Cell::texts([text.as_str()]),
            (Some(FieldValue::Texts(texts)), _) => Cell::texts(texts.iter().map(String::as_str)),
            (None, Some(row)) => {
                match self.further.iter().find(|column| column.name == name).map(|c| &c.values) {
                    Some(ItemValues::Numbers(numbers)) if !numbers[row].is_nan() => {
                        Cell::Number(numbers[row])
                    }
                    Some(ItemValues::Texts { names, codes }) => {
                        Cell::texts(codes[row].iter().map(|&code| names.name(code)))
                    }
                    _ => Cell::Absent,
                }
            }
        }
    }
}

impl Cell {
    fn texts<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut list = List::default();
        texts.into_iter().for_each(|text| {
            list.0.push_str(text);
            list.1.push(text.len());
        });
        if list.1.is_empty() { Cell::Absent } else { Cell::Texts(list) }
    }

    /// Of a column's type; what it cannot hold is absent.
    fn value(&self, kind: ColumnType) -> Value<'_> {
        match (self, kind) {
            (Cell::Number(number), ColumnType::Number) => Value::Number(*number),
            (Cell::Texts(List(text, _)), ColumnType::Text) => Value::Text(text),
            (Cell::Texts(List(text, bytes)), ColumnType::Texts) => {
                Value::Texts(TextList { text, bytes, between: 0 })
            }
            _ => Value::Null,
        }
    }
}
