//! Tables with a header and a column mapping.

use super::events::EventsPlan;
use super::items::ItemsPlan;
use super::options::Options;
use super::rows;
use super::session::{Layout, Session};
use crate::{Error, ImportReport};

/// Imports an events table, with an items table if one is given.
pub(crate) fn import(options: &Options) -> Result<ImportReport, Error> {
    let items = ItemsPlan::open(options)?;
    let events = EventsPlan::new(rows::open(&options.events, options.delimiter)?, options, "view")?;
    run(options, items, events)?.finish()
}

/// Writes items, then events.
pub(crate) fn run(options: &Options, items: Option<ItemsPlan>, events: EventsPlan) -> Result<Session, Error> {
    let layout = items.as_ref().map_or_else(Layout::default, ItemsPlan::layout);
    let mut session = Session::start(options, Layout { event_extra: events.extra(), ..layout })?;
    if let Some(items) = items {
        items.run(&mut session)?;
    }
    events.run(&mut session)?;
    Ok(session)
}
