//! Warnings about a whole data set that is probably not what the user meant, each with what to do about it.

use super::alike;
use crate::{DatasetWriter, ItemRow};
use jiff::Timestamp;

/// Actions of the system, not of the user: something was shown.
const SHOWN: [&str; 8] =
    ["impression", "impressions", "imp", "show", "shown", "exposure", "served", "delivered"];

/// When the items of a catalogue may be shown.
#[derive(Debug, Default)]
pub(crate) struct ActiveTimes {
    items: u64,
    /// Latest end of the items that end.
    ended: u64,
    latest_end: Option<i64>,
}

impl ActiveTimes {
    /// Adds an item.
    pub(crate) fn add(&mut self, item: &ItemRow<'_>) {
        self.items += 1;
        self.ended += u64::from(item.active_to.is_some());
        self.latest_end = self.latest_end.max(item.active_to);
    }

    /// The time from which no item may be shown any more.
    fn end(&self) -> Option<i64> {
        self.latest_end.filter(|_| self.ended == self.items)
    }
}

/// Reports everything that was written; `undescribed` events have items that the items file lacks.
pub(crate) fn of_set(set: &DatasetWriter, active: &ActiveTimes, undescribed: u64) -> Vec<String> {
    let mut out = alike::warnings(set.items(), "items");
    // Labelled rows have users without events: they are reported there.
    if set.examples().is_empty() {
        out.extend(alike::warnings(set.users(), "users"));
    }
    out.extend(expired(set, active));
    out.extend(one_moment(set));
    out.extend(shown_targets(set));
    if undescribed > 0 && undescribed == set.event_rows() {
        out.push(
            "no event has an item that the items file describes: is --item-id, or --event-item, the column with the same ids?"
                .into(),
        );
    }
    out
}

fn expired(set: &DatasetWriter, active: &ActiveTimes) -> Option<String> {
    let ([first, last], end) = (set.time_range()?, active.end()?);
    let when = if end <= first {
        "before the first event"
    } else if end <= last {
        "before the last event: nothing is left to recommend"
    } else {
        return None;
    };
    let end = Timestamp::from_millisecond(end).ok()?;
    Some(format!(
        "all items end by {end}, {when}. Is --active-to the right column, in the right unit? An empty value, or 9999-12-31, means no end"
    ))
}

fn one_moment(set: &DatasetWriter) -> Option<String> {
    let [first, last] = set.time_range()?;
    let moment = first == last && set.event_rows() > 1 && set.examples().is_empty();
    moment.then(|| {
        "all events have the same time: a run needs --set data.split=leave-one-out. Is --timestamp the right column?".into()
    })
}

fn shown_targets(set: &DatasetWriter) -> Option<String> {
    if set.target_action().is_some() || !set.examples().is_empty() {
        return None;
    }
    let actions = set.actions();
    let shown = actions.keys().find(|action| SHOWN.iter().any(|shown| shown.eq_ignore_ascii_case(action)))?;
    let other = actions.keys().find(|action| *action != shown).map_or("click", String::as_str);
    Some(format!(
        "every `{shown}` is a target of the next-item task, although none was chosen: --target-action, e.g. {other}, says what to \
         predict (`semrank prep` reads the log as it is)"
    ))
}
