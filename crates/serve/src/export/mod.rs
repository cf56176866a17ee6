//! The log of a service as a data set: the events that were received, and the items as changes have made them, for `semrank prep` and
//! `semrank run`.
//!
//! Every column of an event keeps its name; one whose values are of several types becomes text. Events that a service would have read
//! twice are written once. The log is read twice, for its columns and for its rows, so the memory depends on the number of users and
//! items only. No server may be using the state.
//!
//! | file | does |
//! |---|---|
//! | `items` | the items of a run, with changes -> rows |
//! | `earlier` | the events of the run's data set -> rows |
//! | `columns` | the columns of events, and their values |

mod columns;
mod earlier;
mod error;
mod items;

pub use error::ExportError;

use crate::recent::Recent;
use crate::{Event, Log, Record, ServiceSettings};
use columns::{Cell, Columns};
use earlier::Earlier;
use semrank_data::{DatasetWriter, EventRow, TIMES_MS, Value, When, WriterOptions};
use semrank_pipeline::Run;
use semrank_pipeline::retrieval::Catalogue;
use semrank_store::journal::Journal;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// What to write, and where.
#[derive(Debug, Clone)]
pub struct ExportSettings {
    /// Folder to make.
    pub out: PathBuf,
    /// Whether the events of the run's data set come first, so that the next model learns from both.
    pub with_run: bool,
    /// Whether a data set may be replaced.
    pub overwrite: bool,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// The folder.
    pub dataset: PathBuf,
    /// Events in it.
    pub events: u64,
    /// Those of the log.
    pub received: u64,
    /// Users with events.
    pub users: u64,
    /// Items.
    pub items: u64,
    /// Those that changes or events have added to the run's.
    pub new_items: u64,
    /// Events of the log whose time no data set can hold.
    pub out_of_range: u64,
    /// Values that their column cannot hold, such as a `slot` of 1.5; they are absent.
    pub unreadable: u64,
    /// Columns that were left out, since `prep` has others of that name.
    pub left_out: Vec<String>,
}

impl fmt::Display for Exported {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dataset, events, received, users, items, new_items, out_of_range, unreadable, left_out } =
            self;
        writeln!(out, "{}: {events} events, {received} of them received; {users} users", dataset.display())?;
        writeln!(out, "{items} items, {new_items} of them new")?;
        if out_of_range + unreadable > 0 {
            writeln!(
                out,
                "left out: {out_of_range} events out of all times, {unreadable} values that do not fit their column"
            )?;
        }
        if !left_out.is_empty() {
            writeln!(out, "left out, since `prep` has columns of that name: {}", left_out.join(", "))?;
        }
        Ok(())
    }
}

/// Writes the state of a service as a data set, which appears whole or not at all.
///
/// # Errors
/// State that a server uses or that is damaged; a folder that may not be replaced; no event; a full disk.
pub fn export(
    run: &Run,
    state: &ServiceSettings,
    settings: &ExportSettings,
) -> Result<Exported, ExportError> {
    let data = run.data()?;
    let log = Log::existing(&state.log, state.journal)?;
    let changes = Catalogue::changes(&Journal::open(&state.items(), state.journal)?)?;
    let mut columns = Columns::default();
    let earlier = settings.with_run.then(|| Earlier::open(data, &mut columns)).transpose()?;
    each_event(&log, state.remembered_ids, |event| {
        columns.see(event);
        Ok(())
    })?;
    let items = items::Items::new(data, &changes)?;
    let mut meta = data.dataset.meta.clone();
    meta.notes.push(format!("with the events that were received in {}", state.log));
    let options = WriterOptions {
        meta,
        item_extra: items.extra(),
        event_extra: columns.extra(),
        add_unknown_items: true,
        overwrite: settings.overwrite,
        stop: None,
    };
    let mut writer = DatasetWriter::create(&settings.out, options)?;
    items.write(&mut writer)?;
    let mut out = Exported { left_out: columns.left_out(), ..Exported::default() };
    if let Some(earlier) = earlier {
        earlier.write(&columns, &mut writer)?;
    }
    let target = writer.meta_mut().target_action.clone();
    let mut has_target = settings.with_run || target.is_none();
    each_event(&log, state.remembered_ids, |event| {
        if !TIMES_MS.contains(&event.timestamp) {
            out.out_of_range += 1;
            return Ok(());
        }
        out.received += 1;
        has_target |= target.as_ref() == Some(&event.action);
        let cells = columns.cells(event);
        out.unreadable += cells.iter().filter(|cell| matches!(cell, Cell::Unreadable)).count() as u64;
        let extra: Vec<Value> = cells.iter().map(Cell::value).collect();
        let (user, item, time) = (&event.user_id, &event.item_id, When::Time(event.timestamp));
        Ok(writer.event(&EventRow { user, item, action: &event.action, time, extra: &extra })?)
    })?;
    if !has_target {
        // Every action counts then.
        writer.meta_mut().target_action = None;
    }
    let report = writer.finish()?;
    out.dataset = report.dataset;
    (out.events, out.users, out.items) = (report.events, report.users, report.items);
    out.new_items = report.items - data.dataset.catalog.len() as u64;
    Ok(out)
}

/// Gives the events of a log, in their order, each once.
fn each_event(
    log: &Log,
    remembered_ids: usize,
    mut visit: impl FnMut(&Event) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut recent = Recent::new(remembered_ids);
    log.for_each(|_, record| match record {
        Record::Event(event) if recent.insert(event.key()) => visit(&event),
        _ => Ok(()),
    })
}
