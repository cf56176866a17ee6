//! State of an import: refuses or counts bad rows, remembers ids and lines, writes.

use super::alike::Alike;
use super::options::{Options, UnknownItems};
use super::rows::Rows;
use super::source::{Place, label, plain_name};
use super::warnings::{self, ActiveTimes};
use crate::{
    DatasetWriter, Error, EventRow, ExtraColumn, ImportReport, ItemRow, Meta, Part, RowError, WriterOptions,
};
use semrank_core::narrow;
use std::cell::OnceCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

const SHOWN: usize = 5;

/// An import under way.
pub(crate) struct Session {
    writer: DatasetWriter,
    rejects: Rejects,
    // Line of the first row of every item.
    item_lines: Vec<u64>,
    // The `valid_from` of every row that has one.
    revisions: HashSet<(u32, i64)>,
    reject_unknown: bool,
    /// Whether there is an items file.
    described: bool,
    active: ActiveTimes,
    /// Events of items that the items file does not describe.
    undescribed: u64,
    warnings: Vec<String>,
    /// Made when an item is unknown.
    alike: OnceCell<Alike>,
}

/// The columns of the data set to write.
#[derive(Default)]
pub(crate) struct Layout {
    pub(crate) text: Vec<String>,
    pub(crate) item_extra: Vec<ExtraColumn>,
    pub(crate) event_extra: Vec<ExtraColumn>,
    /// Whether there is an items file.
    pub(crate) described: bool,
}

impl Session {
    pub(crate) fn start(options: &Options, layout: Layout) -> Result<Session, Error> {
        let reject_unknown = layout.described && options.unknown_items == UnknownItems::Reject;
        let described = layout.described;
        let writer = DatasetWriter::create(
            &options.out,
            WriterOptions {
                meta: meta(options, layout.text),
                item_extra: layout.item_extra,
                event_extra: layout.event_extra,
                add_unknown_items: !reject_unknown,
                overwrite: options.overwrite,
                stop: options.stop,
            },
        )?;
        Ok(Session {
            writer,
            rejects: Rejects { limit: options.max_rejected, count: 0, first: Vec::new() },
            item_lines: Vec::new(),
            revisions: HashSet::new(),
            reject_unknown,
            described,
            active: ActiveTimes::default(),
            undescribed: 0,
            warnings: Vec::new(),
            alike: OnceCell::new(),
        })
    }

    /// Counts a bad row, or ends the import.
    pub(crate) fn reject(&mut self, error: Error) -> Result<(), Error> {
        self.rejects.take(error)
    }

    /// Records a decision in `dataset.toml` and in the report.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.writer.meta_mut().notes.push(note.into());
    }

    /// Adds a warning to the report about what is probably a mistake, with what to do about it.
    pub(crate) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Records the facts that were inferred about a table.
    pub(crate) fn remark(&mut self, rows: &Rows) {
        rows.heading.remarks.iter().for_each(|remark| self.note(remark));
    }

    /// Records the unit of the event times.
    pub(crate) fn time_unit(&mut self, unit: Option<String>) {
        self.writer.meta_mut().time_unit = unit;
    }

    /// The target action when the options name none.
    pub(crate) fn default_target(&mut self, action: &str) {
        self.writer.meta_mut().target_action.get_or_insert_with(|| action.to_owned());
    }

    /// Writes an item, once per id and `valid_from`.
    pub(crate) fn item(&mut self, place: Place<'_>, column: &str, row: &ItemRow<'_>) -> Result<(), Error> {
        let known = self.writer.item_row(row.id);
        let again = match (known, row.valid_from) {
            (Some(item), Some(since)) => self.revisions.contains(&(item, since)),
            (known, _) => known.is_some(),
        };
        if let (Some(item), true) = (known, again) {
            let first = self.item_lines[item as usize];
            let got = format!("`{}` again, which line {first} describes", row.id);
            return Err(place.error(column, got, "every item id once").into());
        }
        self.writer.item(row)?;
        self.active.add(row);
        let item = known.unwrap_or_else(|| narrow::index(self.item_lines.len()));
        if known.is_none() {
            self.item_lines.push(place.line);
        }
        if let Some(since) = row.valid_from {
            self.revisions.insert((item, since));
        }
        Ok(())
    }

    /// Whether an event may have this item.
    pub(crate) fn check_item(&self, place: Place<'_>, column: &str, item: &str) -> Result<(), RowError> {
        if !self.reject_unknown || self.writer.item_row(item).is_some() {
            return Ok(());
        }
        let error = place.error(column, format!("`{item}`"), "an item that the items file describes");
        let described = || (0..narrow::index(self.item_lines.len())).map(|row| self.writer.item_name(row));
        let alike = self.alike.get_or_init(|| Alike::new(described())).find(item);
        Err(error.with_help(match alike {
            Some(row) => {
                let known = self.writer.item_name(row).escape_debug();
                format!("the items file has `{known}`: write the ids of both files alike")
            }
            None => "--unknown-items add adds such items without text".into(),
        }))
    }

    /// Whether the items file describes an item; nothing does where there is none.
    pub(crate) fn describes(&self, item: &str) -> bool {
        self.described && self.writer.item_row(item).is_some()
    }

    /// Whether there is an items file.
    pub(crate) fn has_items_file(&self) -> bool {
        self.described
    }

    /// Writes an event whose item was checked.
    pub(crate) fn event(&mut self, row: &EventRow<'_>) -> Result<(), Error> {
        self.undescribed += u64::from(self.described && self.writer.item_row(row.item).is_none());
        self.writer.event(row)
    }

    /// Where examples go, beside the items and the events.
    pub(crate) fn folder(&self) -> &Path {
        self.writer.folder()
    }

    /// Counts the examples of a part, and adds an item that only they have.
    pub(crate) fn example(&mut self, part: Part, item: &str) {
        self.writer.example(part, item);
    }

    /// Fails when a file had no good row.
    pub(crate) fn require_rows(&self, rows: u64, file: &Path, expected: &str) -> Result<(), Error> {
        match rows {
            0 if self.rejects.count == 0 => {
                Err(Error::Empty { path: file.to_owned(), expected: expected.into() })
            }
            _ => Ok(()),
        }
    }

    /// Completes the data set.
    pub(crate) fn finish(mut self) -> Result<ImportReport, Error> {
        self.warnings.extend(warnings::of_set(&self.writer, &self.active, self.undescribed));
        let report = self.writer.finish()?;
        let (rejected, rejected_rows) = (self.rejects.count, self.rejects.first);
        Ok(ImportReport { rejected, rejected_rows, warnings: self.warnings, ..report })
    }
}

struct Rejects {
    limit: u64,
    count: u64,
    first: Vec<RowError>,
}

impl Rejects {
    fn take(&mut self, error: Error) -> Result<(), Error> {
        let Error::Row(row) = error else { return Err(error) };
        if self.limit == 0 {
            return Err(Error::Row(row));
        }
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push(*row);
        }
        if self.count <= self.limit {
            return Ok(());
        }
        let first = std::mem::take(&mut self.first);
        Err(Error::TooManyRejected { rejected: self.count, limit: self.limit, first })
    }
}

fn meta(options: &Options, text: Vec<String>) -> Meta {
    let file_name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let files: Vec<String> = options
        .items
        .iter()
        .map(PathBuf::as_path)
        .chain([options.events.as_path()])
        .chain(options.parts.given().into_iter().map(|(_, file)| file))
        .filter_map(|path| path.file_name().map(|_| plain_name(label(path))))
        .collect();
    Meta {
        name: options.name.clone().or_else(|| file_name(&options.out)).unwrap_or_default(),
        source: options.source.clone().unwrap_or_else(|| files.join(", ")),
        licence: options.licence.clone().unwrap_or_default(),
        text,
        target_action: options.target_action.clone(),
        ..Meta::default()
    }
}
