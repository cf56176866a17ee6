//! Merged histories as events, labelled rows as examples, decisions as notes.

use super::super::session::Session;
use super::context::Context;
use super::{Table, UserHistory};
use crate::{Error, EventRow, ExampleRow, ExamplesWriter, When};

/// Writes every user's sequence, users in the order of their first rows.
pub(super) fn events(
    table: &Table,
    histories: &[UserHistory],
    action: &str,
    session: &mut Session,
) -> Result<(), Error> {
    for history in histories {
        let user = table.users.name(history.user);
        for (&item, &time) in history.merged.items.iter().zip(&history.times.ms) {
            let (item, time) = (table.items.name(item), When::Time(time));
            session.event(&EventRow { user, item, action, time, extra: &[] })?;
        }
    }
    Ok(())
}

/// Writes all rows by time, ties in the order of the files.
pub(super) fn examples(
    table: &Table,
    histories: &[UserHistory],
    context: &Context,
    session: &mut Session,
) -> Result<(), Error> {
    let mut ends = vec![0; table.rows.len()];
    for history in histories {
        for (&row, &end) in history.rows.iter().zip(&history.merged.ends) {
            ends[row as usize] = end;
        }
    }
    let mut order: Vec<usize> = (0..table.rows.len()).collect();
    order.sort_by_key(|&row| (table.rows[row].time, row));
    let mut writer = ExamplesWriter::create(session.folder(), &context.optional, &context.further)?;
    for row in order {
        let from = &table.rows[row];
        let mut example = ExampleRow {
            part: from.part,
            user: table.users.name(from.user),
            item: table.items.name(from.item),
            timestamp: from.time,
            seq: row as i64,
            history_end: ends[row],
            click: from.label,
            ..ExampleRow::default()
        };
        let values = context.fill(&from.values, &mut example);
        writer.push(&ExampleRow { context: &values, ..example })?;
        session.example(from.part, example.item);
    }
    writer.close()?;
    Ok(())
}

/// Records what was decided.
pub(super) fn notes(histories: &[UserHistory], context: &Context, session: &mut Session) {
    let sum = |count: fn(&UserHistory) -> u64| histories.iter().map(count).sum::<u64>();
    let counts = [
        (
            sum(|h| h.merged.windows),
            "histories are a window of their user's sequence: read from its start on",
        ),
        (
            sum(|h| h.merged.approximate),
            "histories fit nowhere in their user's sequence: read as all that was known by then",
        ),
        (
            sum(|h| h.times.unknown),
            "history events have no row: they take the time of the first row that knows them",
        ),
        (sum(|h| h.times.moved), "history events have a row later than one that knows them: moved forward"),
    ];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        session.note(format!("{count} {what}"));
    }
    if !context.further.is_empty() {
        let names: Vec<&str> = context.further.iter().map(|column| column.name.as_str()).collect();
        session.note(format!("kept as context: {}", names.join(", ")));
    }
    if !context.left_out.is_empty() {
        session.note(format!("left out, for their type: {}", context.left_out.join(", ")));
    }
}
