//! RecBole's atomic files: `.inter` (events) and `.item`, tab-separated, with a header of `name:type` fields.
//!
//! Types are `token`, `token_seq` (words by spaces), `float` and `float_seq`. The text of an item is all its tokens
//! and token sequences unless `--text` chooses.

use super::delimited::Delimited;
use super::events::EventsPlan;
use super::items::ItemsPlan;
use super::options::{Mapping, Options};
use super::rows::{Column, Rows};
use super::source::plain_name;
use super::table;
use crate::{Error, ImportReport};
use std::path::{Path, PathBuf};

const TYPES: [&str; 4] = ["token", "token_seq", "float", "float_seq"];

/// Imports an `.inter` file, with an `.item` file; of a folder the ones it holds.
pub(crate) fn import(options: &Options) -> Result<ImportReport, Error> {
    let (events, items) = files(options)?;
    let options = Options { events, items, ..options.clone() };
    let items = options.items.as_deref().map(|path| items_plan(path, &options)).transpose()?;
    let (events, _) = typed(&options.events)?;
    let events = EventsPlan::new(events, &options, "rate")?;
    table::run(&options, items, events)?.finish()
}

fn items_plan(path: &Path, options: &Options) -> Result<ItemsPlan, Error> {
    let (rows, types) = typed(path)?;
    let item_id = options.mapping.item_id.as_deref().unwrap_or("item_id");
    let tokens = rows.columns().iter().zip(types).filter(|(_, kind)| kind.starts_with("token"));
    let tokens = tokens.map(|(column, _)| column.name.clone()).filter(|name| name != item_id).collect();
    let text = options.mapping.text.clone().or(Some(tokens));
    let options = &Options { mapping: Mapping { text, ..options.mapping.clone() }, ..options.clone() };
    ItemsPlan::new(rows, options)
}

/// An atomic file whose columns have lost their types, and the types.
fn typed(path: &Path) -> Result<(Rows, Vec<String>), Error> {
    let mut rows = Delimited::tsv(path)?;
    let mut names = Vec::new();
    let mut types = Vec::new();
    for column in rows.columns() {
        match column.name.rsplit_once(':') {
            Some((name, kind)) if TYPES.contains(&kind) => {
                names.push(name.to_owned());
                types.push(kind.to_owned());
            }
            _ => {
                return Err(Error::Schema {
                    path: path.to_owned(),
                    got: format!("header field `{}`", column.name),
                    expected: format!("`name:type` with the type {}", TYPES.join(", ")),
                });
            }
        }
    }
    rows.heading.columns = names.into_iter().map(Column::text).collect();
    Ok((rows, types))
}

fn files(options: &Options) -> Result<(PathBuf, Option<PathBuf>), Error> {
    let folder = &options.events;
    if !folder.is_dir() {
        return Ok((folder.clone(), options.items.clone()));
    }
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(Error::io("read", folder))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let find = |extension: &str| paths.iter().find(|path| plain_name(path).ends_with(extension)).cloned();
    let events = find(".inter").ok_or_else(|| Error::Schema {
        path: folder.clone(),
        got: "a folder without events".into(),
        expected: "a file NAME.inter in it".into(),
    })?;
    Ok((events, options.items.clone().or_else(|| find(".item"))))
}
