//! The events of any table: columns found, rows checked and written.

use super::absent::Absent;
use super::actions::Actions;
use super::duplicates;
use super::extra::{self, Extra, Keep, Known, known};
use super::header::{Cell, Header, Wanted};
use super::items::ITEM_IDS;
use super::options::Options;
use super::rows::{Row, Rows};
use super::session::Session;
use super::time::Clock;
use super::unfold::UnfoldedRow;
use crate::{ColumnType, Error, EventRow, ExtraColumn, When};
use semrank_core::counted;

/// The usual names of a user id.
pub(crate) const USERS: [&str; 5] = ["user_id", "user", "userId", "customer_id", "session_id"];
/// The usual names of a time.
pub(crate) const TIMES: [&str; 2] = ["timestamp", "time"];
const KNOWN: [Known; 9] = [
    known("event_id", ColumnType::Text),
    known("parent_event_id", ColumnType::Text),
    Known { name: "received_at", kind: ColumnType::Integer, time: true, moves: false },
    known("dwell_ms", ColumnType::Integer),
    known("request_id", ColumnType::Text),
    known("slot", ColumnType::Integer),
    known("value", ColumnType::Number),
    known("surface", ColumnType::Text),
    known("propensity", ColumnType::Number),
];

/// How to read an events file.
pub(crate) struct EventsPlan {
    rows: Rows,
    user: Cell,
    item: Cell,
    action: Result<Cell, String>,
    order: Order,
    rating: Option<Cell>,
    min_rating: Option<f64>,
    extra: Vec<Extra>,
    too_low: u64,
    actions: Actions,
    /// Whether the item column holds lists, and their separator where one is given.
    unfold: Option<Option<String>>,
    seen: Seen,
}

/// Warnings about all events together.
#[derive(Default)]
struct Seen {
    users: Absent,
    items: Absent,
    hashes: Vec<u64>,
}

impl Seen {
    fn write(&mut self, event: &EventRow<'_>, session: &mut Session) -> Result<(), Error> {
        session.event(event)?;
        self.users.count(event.user);
        self.items.count(event.item);
        self.hashes.push(duplicates::of_event(event));
        Ok(())
    }

    fn warn(self, [user, item]: [&str; 2], placed: bool, session: &mut Session) {
        self.users.warn(session, user);
        self.items.warn(session, item);
        let repeated = if placed { duplicates::repeated(self.hashes) } else { 0 };
        if repeated > 0 {
            session.warn(format!(
                "{} another in every column that was read: each counts. Remove such rows from the source unless they are real \
                 repeats",
                counted(repeated, "event repeats", "events repeat")
            ));
        }
    }
}

/// What orders the events of a user.
pub(crate) enum Order {
    Time(Cell, Clock),
    Position(Cell),
    /// The order of the rows.
    Row,
}

impl EventsPlan {
    /// Finds the columns of `rows`; `action` is the one of logs without an action column.
    pub(crate) fn new(mut rows: Rows, options: &Options, action: &str) -> Result<EventsPlan, Error> {
        let mapping = &options.mapping;
        let mut header = Header::new(&mut rows);
        let user =
            header.require(&Wanted { given: mapping.user.as_deref(), usual: &USERS, flag: "--user" })?;
        let mut usual: Vec<&str> = mapping.item_id.iter().map(String::as_str).collect();
        usual.extend(ITEM_IDS);
        let item = header.require(&Wanted {
            given: mapping.event_item.as_deref(),
            usual: &usual,
            flag: "--event-item",
        })?;
        let actions: &[&str] = if options.default_action.is_some() { &[] } else { &["action", "event"] };
        let given = mapping.action.as_deref();
        let action = header
            .find(&Wanted { given, usual: actions, flag: "--action" })?
            .ok_or_else(|| options.default_action.clone().unwrap_or_else(|| action.to_owned()));
        let order = order(&mut header, options)?;
        let rating = rating(&mut header, options)?;
        let keep = Keep {
            mapped: &mapping.event_columns,
            known: &KNOWN,
            flag: "--event-column",
            times: &options.times(),
            lists: false,
        };
        let mut extra = keep.select(&mut header)?;
        if let Some(rating) = &rating
            && extra.iter().all(|extra| extra.column().name != "value")
        {
            extra.push(Extra::number(rating.clone(), "value"));
        }
        header.finish()?;
        Ok(EventsPlan {
            rows,
            user,
            item,
            action,
            order,
            rating,
            min_rating: options.min_rating,
            extra,
            too_low: 0,
            actions: Actions::new(&mapping.actions),
            unfold: mapping.unfold.then(|| mapping.history_separator.clone()),
            seen: Seen::default(),
        })
    }

    /// The extra columns to write.
    pub(crate) fn extra(&self) -> Vec<ExtraColumn> {
        self.extra.iter().map(|extra| extra.column().clone()).collect()
    }

    /// Writes all events.
    pub(crate) fn run(mut self, session: &mut Session) -> Result<(), Error> {
        let mut row = Row::default();
        let mut read = 0u64;
        loop {
            match self.rows.next(&mut row) {
                Ok(false) => break,
                Ok(true) => match self.write(&row, read, session) {
                    Ok(()) => {}
                    Err(error) => session.reject(error)?,
                },
                Err(error) => session.reject(error)?,
            }
            read += 1;
        }
        session.require_rows(read, self.rows.path(), "a row for each event")?;
        self.describe(session);
        Ok(())
    }

    fn write(&mut self, row: &Row, number: u64, session: &mut Session) -> Result<(), Error> {
        let file = self.rows.path();
        let user = self.user.id(row, file)?;
        if let (Some(cell), Some(least)) = (&self.rating, self.min_rating)
            && cell.number(row, file)? < least
        {
            self.too_low += 1;
            return Ok(());
        }
        let extra = extra::values(&mut self.extra, row, file)?;
        if let Some(separator) = &self.unfold {
            let list = UnfoldedRow::new((&self.item, &self.action, &mut self.order), row, file, separator)?;
            list.items
                .iter()
                .try_for_each(|item| session.check_item(row.place(file), &self.item.name, item))?;
            for (at, item) in list.items.iter().enumerate() {
                let (action, time) = (self.actions.name(list.actions.of(at)), list.times.of(at, number));
                self.seen.write(&EventRow { user, item, action, time, extra: &extra }, session)?;
            }
            return Ok(());
        }
        let item = self.item.id(row, file)?;
        let action = match &self.action {
            Ok(cell) => cell.id(row, file)?,
            Err(constant) => constant,
        };
        let time = match &mut self.order {
            Order::Time(cell, clock) => When::Time(cell.time(row, file, clock)?),
            Order::Position(cell) => When::Position(cell.position(row, file)?),
            Order::Row => When::Position(number as i64),
        };
        session.check_item(row.place(file), &self.item.name, item)?;
        let action = self.actions.name(action);
        self.seen.write(&EventRow { user, item, action, time, extra: &extra }, session)
    }

    fn describe(self, session: &mut Session) {
        session.remark(&self.rows);
        match &self.order {
            Order::Time(_, clock) => session.time_unit(clock.describe()),
            Order::Position(cell) => session.note(format!("no times: `{}` orders the events", cell.name)),
            Order::Row => session.note("no times: the order of the rows counts"),
        }
        if let Err(action) = &self.action {
            session.note(format!("no action column: every event is `{action}`"));
        }
        if let Some(least) = self.min_rating {
            let events = counted(self.too_low, "event", "events");
            session.note(format!("{events} rated below {least} left out"));
        }
        self.actions.warn(session);
        // Rows without a place in time may be alike and yet be two, and so may the items of a session.
        let placed = !matches!(self.order, Order::Row) && self.unfold.is_none();
        self.seen.warn([&self.user.name, &self.item.name], placed, session);
    }
}

fn order(header: &mut Header<'_>, options: &Options) -> Result<Order, Error> {
    let mapping = &options.mapping;
    if mapping.order.is_some() && mapping.timestamp.is_some() {
        return Err(Error::Options(
            "give --timestamp or --order, not both: a time orders events already".into(),
        ));
    }
    if let Some(name) = &mapping.order {
        return header.select(name, "--order").map(Order::Position);
    }
    let given = mapping.timestamp.as_deref();
    let found = header.find(&Wanted { given, usual: &TIMES, flag: "--timestamp" })?;
    Ok(match found {
        Some(cell) => {
            let clock = header.clock(&cell, &options.times())?;
            Order::Time(cell, clock)
        }
        None => Order::Row,
    })
}

fn rating(header: &mut Header<'_>, options: &Options) -> Result<Option<Cell>, Error> {
    let given = options.mapping.rating.as_deref();
    let wanted = Wanted { given, usual: &["rating"], flag: "--rating" };
    if options.min_rating.is_some() { header.require(&wanted).map(Some) } else { header.find(&wanted) }
}
