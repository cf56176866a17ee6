//! Sequence files of S3-Rec and its descendants: one line per user, "user item item …", oldest first.

use super::absent::Absent;
use super::items::ItemsPlan;
use super::options::Options;
use super::session::{Layout, Session};
use super::source::{Lines, Place};
use crate::{Error, EventRow, ImportReport, When};
use std::collections::HashMap;

/// Imports sequences, with an items table if one is given.
pub(crate) fn import(options: &Options) -> Result<ImportReport, Error> {
    let items = ItemsPlan::open(options)?;
    let mut lines = Lines::open(&options.events)?;
    let layout = items.as_ref().map_or_else(Layout::default, ItemsPlan::layout);
    let mut session = Session::start(options, layout)?;
    if let Some(items) = items {
        items.run(&mut session)?;
    }
    let action = options.default_action.as_deref().unwrap_or("view");
    let mut sequences = Sequences { action, users: HashMap::new(), absent: Default::default() };
    let path = lines.path.clone();
    while let Some(line) = lines.next()?.map(<[u8]>::to_vec) {
        let place = Place { file: &path, line: lines.line };
        if let Err(error) = sequences.write(place, &line, &mut session) {
            session.reject(error)?;
        }
    }
    session.require_rows(sequences.users.len() as u64, &path, "lines \"user item item …\"")?;
    let [users, items] = &sequences.absent;
    users.warn(&mut session, "user");
    items.warn(&mut session, "item");
    session.note("no times: the order inside each line counts");
    session.finish()
}

struct Sequences<'a> {
    action: &'a str,
    // Line of every user.
    users: HashMap<String, u64>,
    /// Of users and items.
    absent: [Absent; 2],
}

impl Sequences<'_> {
    /// Writes one user's events; all of them are good or none is written.
    fn write(&mut self, place: Place<'_>, line: &[u8], session: &mut Session) -> Result<(), Error> {
        let line = place.utf8("", line)?;
        let mut words = line.split_ascii_whitespace();
        let user = words.next().unwrap_or("");
        if words.clone().next().is_none() {
            return Err(place
                .error("", format!("user `{user}` without items"), "\"user item item …\"")
                .into());
        }
        if let Some(first) = self.users.get(user) {
            let got = format!("user `{user}` again, who has line {first}");
            return Err(place.error("", got, "one line per user").into());
        }
        words.clone().try_for_each(|item| session.check_item(place, "", item))?;
        self.users.insert(user.to_owned(), place.line);
        self.absent[0].count(user);
        words.clone().for_each(|item| self.absent[1].count(item));
        for (position, item) in words.enumerate() {
            let time = When::Position(position as i64);
            session.event(&EventRow { user, item, action: self.action, time, extra: &[] })?;
        }
        Ok(())
    }
}
