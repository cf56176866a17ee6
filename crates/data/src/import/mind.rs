//! MIND (Wu et al. 2020): `behaviors.tsv`, one line per impression, and `news.tsv`.
//!
//! Every shown article is an `impression`, every clicked one also a `click`, at the line's time (UTC);
//! `request_id` is the impression's id, `slot` the place from 0, and a click's `parent_event_id` its impression.
//!
//! The history of a user stands on every line of that user and has no times. It is written once, the longest one
//! found, as clicks one second apart that end one second before the user's first impression. Their order is
//! real, their times are not. The file is read twice, since the lines of a user are scattered.

use super::absent::Absent;
use super::delimited::Delimited;
use super::items::ItemsPlan;
use super::options::{Mapping, Options};
use super::rows::Row;
use super::session::{Layout, Session};
use super::source::{self, Place};
use super::time::utc_ms;
use crate::{ColumnType, Error, EventRow, ExtraColumn, ImportReport, RowError, Value, When};
use jiff::civil::DateTime;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const BEHAVIORS: [&str; 5] = ["impression_id", "user_id", "time", "history", "impressions"];
const NEWS: [&str; 8] =
    ["news_id", "category", "subcategory", "title", "abstract", "url", "title_entities", "abstract_entities"];
const TEXT: [&str; 4] = ["title", "abstract", "category", "subcategory"];
const HISTORY_STEP_MS: i64 = 1000;

/// Imports behaviours, with the news beside them or those of `--items`.
pub(crate) fn import(options: &Options) -> Result<ImportReport, Error> {
    let (events, news) = files(options)?;
    let options = Options { events, items: news, ..options.clone() };
    let items = options.items.as_deref().map(|path| news_plan(path, &options)).transpose()?;
    let layout = items.as_ref().map_or_else(Layout::default, ItemsPlan::layout);
    let mut session = Session::start(&options, Layout { event_extra: event_columns(), ..layout })?;
    session.default_target("click");
    if let Some(items) = items {
        items.run(&mut session)?;
    }
    let users = first_pass(&options.events)?;
    let mut absent = BEHAVIORS.map(|_| Absent::default());
    let written = second_pass(&options.events, &users, &mut absent, &mut session)?;
    session.require_rows(written, &options.events, "an impression per line")?;
    BEHAVIORS.iter().zip(&absent).for_each(|(column, absent)| absent.warn(&mut session, column));
    session.note("history clicks have no time: placed 1 s apart before the user's first impression");
    session.time_unit(Some("text such as 11/12/2019 2:14:46 PM, taken as UTC".into()));
    session.finish()
}

/// What the first pass finds of a user.
struct Seen {
    first_ms: i64,
    history_length: usize,
    history_line: u64,
}

fn first_pass(path: &Path) -> Result<HashMap<String, Seen>, Error> {
    let mut users: HashMap<String, Seen> = HashMap::new();
    each_line(path, |row| {
        // A line that is bad here is bad in the second pass, which reports it.
        let Ok(Some(line)) = row.map(|row| Line::of(row, path).ok()) else { return Ok(()) };
        let length = line.history.split_ascii_whitespace().count();
        let seen = users.entry(line.user.to_owned()).or_insert(Seen {
            first_ms: line.time_ms,
            history_length: length,
            history_line: line.place.line,
        });
        seen.first_ms = seen.first_ms.min(line.time_ms);
        if length > seen.history_length {
            (seen.history_length, seen.history_line) = (length, line.place.line);
        }
        Ok(())
    })?;
    Ok(users)
}

/// Writes all lines and looks at the ids in each column; gives the number of lines.
fn second_pass(
    path: &Path,
    users: &HashMap<String, Seen>,
    [_, user, _, history, impressions]: &mut [Absent; BEHAVIORS.len()],
    session: &mut Session,
) -> Result<u64, Error> {
    let mut lines = 0;
    each_line(path, |row| {
        let written = row.and_then(|row| {
            let line = Line::of(row, path)?;
            line.check_items(session)?;
            user.count(line.user);
            line.impressions.iter().for_each(|(item, _)| impressions.count(item));
            match users.get(line.user) {
                Some(seen) if seen.history_line == line.place.line => {
                    line.history.split_ascii_whitespace().for_each(|item| history.count(item));
                    line.write_history(seen, session)?;
                }
                _ => {}
            }
            line.write_impressions(session)
        });
        lines += 1;
        written.or_else(|error| session.reject(error))
    })?;
    Ok(lines)
}

/// Gives every line, good or bad, to `visit`.
fn each_line(
    path: &Path,
    mut visit: impl FnMut(Result<&Row, Error>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut rows = Delimited::headless_tsv(path, &BEHAVIORS)?;
    rows.select(&[0, 1, 2, 3, 4])?;
    let mut row = Row::default();
    loop {
        match rows.next(&mut row) {
            Ok(false) => return Ok(()),
            Ok(true) => visit(Ok(&row))?,
            Err(error @ Error::Row(_)) => visit(Err(error))?,
            Err(error) => return Err(error),
        }
    }
}

/// A checked line of `behaviors.tsv`.
struct Line<'a> {
    place: Place<'a>,
    request: &'a str,
    user: &'a str,
    time_ms: i64,
    history: &'a str,
    impressions: Vec<(&'a str, bool)>,
}

impl<'a> Line<'a> {
    fn of(row: &'a Row, path: &'a Path) -> Result<Line<'a>, RowError> {
        let place = row.place(path);
        let (request, user, time) = (row.cell(0), row.cell(1), row.cell(2));
        if request.is_empty() || user.is_empty() {
            return Err(place.error("user_id", "an empty id", "an impression id and a user id"));
        }
        let time_ms = DateTime::strptime("%m/%d/%Y %I:%M:%S %p", time).ok().and_then(utc_ms);
        let time_ms = time_ms
            .ok_or_else(|| place.error("time", format!("`{time}`"), "a time like 11/12/2019 2:14:46 PM"))?;
        let shown = |word: &'a str| match word.rsplit_once('-') {
            Some((item, "0")) if !item.is_empty() => Ok((item, false)),
            Some((item, "1")) if !item.is_empty() => Ok((item, true)),
            _ => Err(place.error(
                "impressions",
                format!("`{word}`"),
                "an article with -0 (shown) or -1 (clicked)",
            )),
        };
        let impressions = row.cell(4).split_ascii_whitespace().map(shown).collect::<Result<Vec<_>, _>>()?;
        if impressions.is_empty() {
            return Err(place.error("impressions", "no article", "articles with -0 or -1"));
        }
        Ok(Line { place, request, user, time_ms, history: row.cell(3), impressions })
    }

    fn check_items(&self, session: &Session) -> Result<(), RowError> {
        let mut history = self.history.split_ascii_whitespace();
        history.try_for_each(|item| session.check_item(self.place, "history", item))?;
        let mut shown = self.impressions.iter();
        shown.try_for_each(|(item, _)| session.check_item(self.place, "impressions", item))
    }

    fn write_history(&self, seen: &Seen, session: &mut Session) -> Result<(), Error> {
        for (at, item) in self.history.split_ascii_whitespace().enumerate() {
            let before = (seen.history_length - at) as i64 * HISTORY_STEP_MS;
            let time = When::Time(seen.first_ms - before);
            let extra = [Value::Null; 4];
            session.event(&EventRow { user: self.user, item, action: "click", time, extra: &extra })?;
        }
        Ok(())
    }

    fn write_impressions(&self, session: &mut Session) -> Result<(), Error> {
        for action in ["impression", "click"] {
            for (slot, &(item, clicked)) in self.impressions.iter().enumerate() {
                if action == "click" && !clicked {
                    continue;
                }
                let shown = format!("{}-{slot}", self.request);
                let click = format!("{shown}-click");
                let ids = match action {
                    "click" => [Value::Text(&click), Value::Text(&shown)],
                    _ => [Value::Text(&shown), Value::Null],
                };
                let extra = [ids[0], ids[1], Value::Text(self.request), Value::Integer(slot as i64)];
                let time = When::Time(self.time_ms);
                session.event(&EventRow { user: self.user, item, action, time, extra: &extra })?;
            }
        }
        Ok(())
    }
}

fn event_columns() -> Vec<ExtraColumn> {
    let text = |name: &str| ExtraColumn { name: name.into(), kind: ColumnType::Text };
    let slot = ExtraColumn { name: "slot".into(), kind: ColumnType::Integer };
    vec![text("event_id"), text("parent_event_id"), text("request_id"), slot]
}

fn news_plan(path: &Path, options: &Options) -> Result<ItemsPlan, Error> {
    let rows = Delimited::headless_tsv(path, &NEWS)?;
    let text = options.mapping.text.clone().unwrap_or_else(|| TEXT.map(str::to_owned).to_vec());
    let mapping = Mapping { item_id: Some(NEWS[0].into()), text: Some(text), ..options.mapping.clone() };
    ItemsPlan::new(rows, &Options { mapping, ..options.clone() })
}

fn files(options: &Options) -> Result<(PathBuf, Option<PathBuf>), Error> {
    let folder = &options.events;
    if !folder.is_dir() {
        return Ok((folder.clone(), options.items.clone()));
    }
    let find = |name| source::in_folder(folder, name);
    let events = find("behaviors.tsv").ok_or_else(|| Error::Schema {
        path: folder.clone(),
        got: "a folder without events".into(),
        expected: "a file behaviors.tsv (also .gz) in it".into(),
    })?;
    Ok((events, options.items.clone().or_else(|| find("news.tsv"))))
}
