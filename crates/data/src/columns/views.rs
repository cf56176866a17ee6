//! The Arrow types that columns are read as: strings as views, so that a text that many rows share is in memory once.

use arrow_schema::{DataType, Field, FieldRef, Fields};
use std::sync::Arc;

/// The columns as they are read.
pub(super) fn of_fields(fields: &Fields) -> Fields {
    fields.iter().map(of_field).collect()
}

fn of_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::clone(field).with_data_type(of(field.data_type())))
}

fn of(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Dictionary(_, values) => of(values),
        DataType::List(item) => DataType::List(of_field(item)),
        DataType::LargeList(item) => DataType::LargeList(of_field(item)),
        DataType::FixedSizeList(item, width) => DataType::FixedSizeList(of_field(item), *width),
        DataType::Struct(fields) => DataType::Struct(of_fields(fields)),
        DataType::Map(entries, sorted) => DataType::Map(of_field(entries), *sorted),
        other => other.clone(),
    }
}
