//! One file of labelled rows, checked row by row.

use super::super::header::{Cell, Header, Wanted};
use super::super::items::ITEM_IDS;
use super::super::options::Options;
use super::super::rows::{Row, Rows};
use super::super::session::Session;
use super::super::time::Clock;
use super::context::{Context, Source};
use super::spool::{Spool, Spooled};
use super::{RowIndex, Table};
use crate::{Error, Part};

const USERS: [&str; 5] = ["user_id", "user", "userId", "customer_id", "session_id"];
const LABELS: [&str; 4] = ["label", "click", "clicked", "label_click"];

/// One row.
pub(super) struct Labelled {
    pub(super) part: Part,
    pub(super) user: u32,
    pub(super) item: u32,
    pub(super) label: bool,
    pub(super) time: i64,
    /// Items known before it, oldest first, where the file lists them; and the further values.
    pub(super) parts: Spooled,
}

/// How to read a file.
pub(super) struct PartPlan {
    part: Part,
    rows: Box<dyn Rows>,
    user: Cell,
    item: Cell,
    label: Cell,
    time: (Cell, Clock),
    history: Option<Cell>,
    sources: Vec<Source>,
}

impl PartPlan {
    /// Finds the columns of `rows`; what is not one of the five is added to `context`.
    pub(super) fn new(
        part: Part,
        mut rows: Box<dyn Rows>,
        options: &Options,
        context: &mut Context,
    ) -> Result<PartPlan, Error> {
        let mapping = &options.mapping;
        let mut header = Header::new(rows.as_mut());
        let mut items: Vec<&str> = mapping.item_id.iter().map(String::as_str).collect();
        items.extend(ITEM_IDS);
        let mut require = |given: &Option<String>, usual: &[&str], flag| {
            header.require(&Wanted { given: given.as_deref(), usual, flag })
        };
        let user = require(&mapping.user, &USERS, "--user")?;
        let item = require(&mapping.event_item, &items, "--event-item")?;
        let label = require(&mapping.label, &LABELS, "--label")?;
        let time = require(&mapping.timestamp, &["timestamp", "time"], "--timestamp")?;
        let wanted = Wanted { given: mapping.history.as_deref(), usual: &["history"], flag: "--history" };
        let history = header.find(&wanted)?;
        let mut used = vec![&*user.name, &*item.name, &*label.name, &*time.name];
        used.extend(history.as_ref().map(|cell| &*cell.name));
        let unit = options.timestamp_unit;
        let sources = context.select(&mut header, &used, &mapping.event_columns, unit)?;
        header.finish()?;
        let clock = Clock::new(unit, &time.kind);
        Ok(PartPlan { part, rows, user, item, label, time: (time, clock), history, sources })
    }

    /// Reads all rows into `table` and what is long of them into `spool`.
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
        if self.history.is_none() {
            let file = self.rows.path().display();
            session.note(format!("{file} has no histories: all rows of the user liked before count"));
        }
        if self.part == Part::Train {
            session.time_unit(self.time.1.describe());
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
        let label = match self.label.of(row) {
            "1" | "1.0" | "true" | "True" => true,
            "0" | "0.0" | "false" | "False" => false,
            other => return Err(place.error(&self.label.name, format!("`{other}`"), "0 or 1").into()),
        };
        let time = self.time.0.time(row, file, &mut self.time.1)?;
        if let Some(cell) = &self.history {
            list(cell.exact(row, file)?).try_for_each(|item| session.check_item(place, &cell.name, item))?;
        }
        let values = context.values(&mut self.sources, row, file)?;
        let history = self.history.as_ref().map(|cell| list(cell.of(row)));
        let history = history.map(|items| items.map(|item| table.items.insert(item)).collect::<Vec<_>>());
        let (user, item) = (table.users.insert(user), table.items.insert(item));
        if table.rows.len() >= RowIndex::MAX as usize {
            return Err(Error::Options(format!(
                "more than {} labelled rows: divide the files",
                RowIndex::MAX
            )));
        }
        let parts = spool.push(history.as_deref(), &values)?;
        table.rows.push(Labelled { part: self.part, user, item, label, time, parts });
        Ok(())
    }
}

/// The ids of a list: `1, 2`, `[1, 2]`, `['a', 'b']` or `1 2`.
fn list(text: &str) -> impl Iterator<Item = &str> {
    let text = text.trim();
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let comma = text.contains(',');
    text.split(move |c: char| if comma { c == ',' } else { c.is_ascii_whitespace() })
        .map(|id| id.trim().trim_matches(['\'', '"']))
        .filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    #[test]
    fn lists_in_the_usual_notations() {
        for text in ["1, 07", "[1, 07]", "['1', '07']", "1 07", " [1,07] "] {
            assert_eq!(super::list(text).collect::<Vec<_>>(), ["1", "07"], "{text}");
        }
        assert_eq!(super::list("[]").count() + super::list("").count(), 0);
    }
}
