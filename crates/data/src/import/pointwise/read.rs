//! One file of labelled rows, checked row by row.

use super::super::absent::Absent;
use super::super::duplicates;
use super::super::events::{TIMES, USERS};
use super::super::header::{Cell, Header, Wanted};
use super::super::items::ITEM_IDS;
use super::super::list;
use super::super::options::Options;
use super::super::rows::{Row, Rows};
use super::super::session::Session;
use super::super::time::Clock;
use super::context::{Context, Source};
use super::spool::{Spool, Spooled};
use super::{RowIndex, Table};
use crate::{Error, Part, RowError};
use std::path::Path;

const LABELS: [&str; 4] = ["label", "click", "clicked", "label_click"];
/// For rows without times: the time of the first, 2000-01-01, and the interval between two.
const FIRST_MS: i64 = 946_684_800_000;
const STEP_MS: i64 = 1000;

/// One row.
pub(super) struct Labelled {
    pub(super) part: Part,
    pub(super) user: u32,
    pub(super) item: u32,
    pub(super) label: bool,
    pub(super) time: i64,
    /// Of the further values.
    pub(super) values_hash: u64,
    /// Items known before it, oldest first, where the file lists them; and the further values.
    pub(super) parts: Spooled,
}

/// How to read a file.
pub(super) struct PartPlan {
    part: Part,
    rows: Rows,
    user: Cell,
    item: Cell,
    label: Cell,
    /// None where the order of the rows counts.
    time: Option<(Cell, Clock)>,
    history: Option<Cell>,
    history_separator: Option<String>,
    sources: Vec<Source>,
    /// Of users, items and histories.
    absent: [Absent; 3],
}

impl PartPlan {
    /// Finds the columns of `rows`; what is not one of the five is added to `context`.
    pub(super) fn new(
        part: Part,
        mut rows: Rows,
        options: &Options,
        context: &mut Context,
    ) -> Result<PartPlan, Error> {
        let mapping = &options.mapping;
        let mut header = Header::new(&mut rows);
        let mut items: Vec<&str> = mapping.item_id.iter().map(String::as_str).collect();
        items.extend(ITEM_IDS);
        let mut require = |given: &Option<String>, usual: &[&str], flag| {
            header.require(&Wanted { given: given.as_deref(), usual, flag })
        };
        let user = require(&mapping.user, &USERS, "--user")?;
        let item = require(&mapping.event_item, &items, "--event-item")?;
        let label = require(&mapping.label, &LABELS, "--label")?;
        let given = mapping.timestamp.as_deref();
        let time = header.find(&Wanted { given, usual: &TIMES, flag: "--timestamp" })?;
        let wanted = Wanted { given: mapping.history.as_deref(), usual: &["history"], flag: "--history" };
        let history = header.find(&wanted)?;
        let mut used = vec![&*user.name, &*item.name, &*label.name];
        used.extend(time.iter().chain(&history).map(|cell| &*cell.name));
        let rules = options.times();
        let sources = context.select(&mut header, &used, mapping, &rules)?;
        let time = time.map(|cell| Ok::<_, Error>((header.clock(&cell, &rules)?, cell))).transpose()?;
        let time = time.map(|(clock, cell)| (cell, clock));
        header.finish()?;
        let history_separator = mapping.history_separator.clone();
        let absent = Default::default();
        Ok(PartPlan { part, rows, user, item, label, time, history, history_separator, sources, absent })
    }

    /// Whether the rows have times.
    pub(super) fn timed(&self) -> bool {
        self.time.is_some()
    }

    /// The file, for messages.
    pub(super) fn path(&self) -> &Path {
        self.rows.path()
    }

    /// Reads all rows into `table`, and their long parts into `spool`.
    pub(super) fn run(
        mut self,
        context: &Context,
        (table, spool): (&mut Table, &mut Spool),
        session: &mut Session,
    ) -> Result<(), Error> {
        let mut row = Row::default();
        let before = table.rows.len();
        loop {
            let read = match self.rows.next(&mut row) {
                Ok(false) => break,
                Ok(true) => self.read(&row, context, (&mut *table, &mut *spool), session),
                Err(error) => Err(error),
            };
            read.or_else(|error| session.reject(error))?;
        }
        let read = (table.rows.len() - before) as u64;
        session.require_rows(read, self.rows.path(), "a row for each labelled example")?;
        session.remark(&self.rows);
        self.absent[0].warn(session, &self.user.name);
        self.absent[1].warn(session, &self.item.name);
        match &self.history {
            Some(history) => self.absent[2].warn(session, &history.name),
            None => {
                let file = self.rows.path().display();
                session.note(format!("{file} has no histories: all rows of the user liked before count"));
            }
        }
        if self.part == Part::Train {
            session.time_unit(self.time.as_ref().and_then(|(_, clock)| clock.describe()));
        }
        Ok(())
    }

    fn read(
        &mut self,
        row: &Row,
        context: &Context,
        (table, spool): (&mut Table, &mut Spool),
        session: &Session,
    ) -> Result<(), Error> {
        let file = self.rows.path();
        let place = row.place(file);
        let (user, item) = (self.user.id(row, file)?, self.item.id(row, file)?);
        session.check_item(place, &self.item.name, item)?;
        let label = match self.label.single(row, file)?.trim() {
            "1" | "1.0" | "true" | "True" => true,
            "0" | "0.0" | "false" | "False" => false,
            other => return Err(place.error(&self.label.name, format!("`{other}`"), "0 or 1").into()),
        };
        let time = match &mut self.time {
            Some((cell, clock)) => cell.time(row, file, clock)?,
            None => FIRST_MS + table.rows.len() as i64 * STEP_MS,
        };
        let separator = self.history_separator.as_deref();
        let history = self.history.as_ref().map(|cell| cell.ids(row, file, separator)).transpose()?;
        if let (Some(cell), Some(history)) = (&self.history, &history) {
            let known = |entry: &&str| {
                let known = session.check_item(place, &cell.name, entry);
                known.map_err(|error| divided(error, entry, session))
            };
            history.iter().try_for_each(known)?;
        }
        let values = context.values(&mut self.sources, row, file)?;
        self.absent[0].count(user);
        self.absent[1].count(item);
        history.iter().flatten().for_each(|item| self.absent[2].count(item));
        if self.part == Part::Train {
            table.deciders.add(label, &values[context.optional.len()..]);
        }
        let history =
            history.map(|items| items.iter().map(|item| table.items.insert(item)).collect::<Vec<_>>());
        let (user, item) = (table.users.insert(user), table.items.insert(item));
        table.mark(item, history.as_deref());
        if table.rows.len() >= RowIndex::MAX as usize {
            return Err(Error::Options(format!(
                "more than {} labelled rows: divide the files",
                RowIndex::MAX
            )));
        }
        let parts = spool.push(history.as_deref(), &values)?;
        let values_hash = duplicates::hash(spool.last_values());
        table.rows.push(Labelled { part: self.part, user, item, label, time, values_hash, parts });
        Ok(())
    }
}

/// Advice where an entry of a history is not an item, but a separator divides it into items.
fn divided(error: RowError, entry: &str, session: &Session) -> RowError {
    match list::separator(entry, |id| session.describes(id)) {
        Some(separator) => error.with_help(list::advice(Some(separator))),
        None => error,
    }
}
