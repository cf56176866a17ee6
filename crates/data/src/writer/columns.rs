//! The columns of `items.parquet` and `events.parquet`: the standard ones, then the further ones.

use crate::parquet_sink::ColumnType;
use crate::row::{ExtraColumn, WriterOptions};

/// Of `items.parquet`.
pub(super) fn item_columns(options: &WriterOptions) -> Vec<ExtraColumn> {
    let standard = [
        ("item_id", ColumnType::Text),
        ("kind", ColumnType::Text),
        ("valid_from", ColumnType::Integer),
        ("active_from", ColumnType::Integer),
        ("active_to", ColumnType::Integer),
    ];
    let texts = options.meta.text.iter().map(|name| (name.as_str(), ColumnType::Text));
    with_extra(standard.into_iter().chain(texts), &options.item_extra)
}

/// Of `events.parquet`.
pub(super) fn event_columns(options: &WriterOptions, timed: bool) -> Vec<ExtraColumn> {
    let standard = [
        ("user_id", ColumnType::Text),
        ("item_id", ColumnType::Text),
        ("action", ColumnType::Text),
        (if timed { "timestamp" } else { "position" }, ColumnType::Integer),
        ("seq", ColumnType::Integer),
    ];
    with_extra(standard.into_iter(), &options.event_extra)
}

fn with_extra<'a>(
    columns: impl Iterator<Item = (&'a str, ColumnType)>,
    extra: &[ExtraColumn],
) -> Vec<ExtraColumn> {
    columns
        .map(|(name, kind)| ExtraColumn { name: name.to_owned(), kind })
        .chain(extra.iter().cloned())
        .collect()
}
