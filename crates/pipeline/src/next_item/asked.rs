//! The subject of a recommendation: a user of the log, or a given history.

use crate::{Data, Error};
use semrank_core::{EventLog, History, ItemId, UserId};
use std::borrow::Cow;

/// A history to recommend from: all events of a user of a log.
pub struct Asked<'a> {
    /// Of a user of the log.
    pub name: Option<&'a str>,
    /// The log.
    pub log: Cow<'a, EventLog>,
    /// Whose events count.
    pub user: UserId,
    /// What was read.
    pub note: &'static str,
}

impl<'a> Asked<'a> {
    /// A user by their id, else somebody with these items, oldest first: one id each, or several with commas between them.
    ///
    /// # Errors
    /// [`Error::UnknownUser`] and [`Error::UnknownItem`] name the nearest.
    pub fn new(data: &'a Data, user: Option<&'a str>, history: &[String]) -> Result<Asked<'a>, Error> {
        let dataset = &data.dataset;
        if let Some(name) = user {
            let user = dataset.users.get(name).map(UserId).ok_or_else(|| Error::UnknownUser {
                user: name.to_owned(),
                nearest: semrank_core::nearest(name, dataset.users.names()).map(str::to_owned),
            })?;
            let note = "the whole history was read, validation and test events included";
            return Ok(Asked { name: Some(name), log: Cow::Borrowed(&dataset.events), user, note });
        }
        let mut items = Vec::new();
        for ids in history {
            items.extend(history_items(data, ids)?);
        }
        let note = match items.is_empty() {
            true => "no history: the ranking is the same for all such users",
            false => "the history was given",
        };
        let log = Cow::Owned(data.log_of(&items));
        Ok(Asked { name: None, log, user: UserId(0), note })
    }

    /// All events, oldest first.
    pub fn events(&self) -> History<'_> {
        self.log.of(self.user)
    }

    /// Items of the events that count as engagement, oldest first.
    pub fn engaged(&self, data: &Data) -> Vec<ItemId> {
        match self.name {
            Some(_) => data.engaged(self.user, self.log.range(self.user).end),
            None => self.events().items.to_vec(),
        }
    }
}

/// One id, which may have commas in it, or several.
fn history_items(data: &Data, ids: &str) -> Result<Vec<ItemId>, Error> {
    let known = &data.dataset.catalog.ids;
    let one = |id: &str| {
        known.get(id).map(ItemId).ok_or_else(|| Error::UnknownItem {
            item: id.to_owned(),
            nearest: semrank_core::nearest(id, known.names()).map(str::to_owned),
        })
    };
    match known.get(ids) {
        Some(item) => Ok(vec![ItemId(item)]),
        None => ids.split(',').map(str::trim).filter(|id| !id.is_empty()).map(one).collect(),
    }
}
