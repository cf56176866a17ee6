//! Merged histories as events, labelled rows as examples, decisions as notes.

use super::super::session::Session;
use super::context::Context;
use super::spool::SpoolReader;
use super::{Counts, RowIndex, Table, UserHistory};
use crate::{Error, EventRow, ExampleRow, ExamplesWriter, When};
use semrank_core::counted;

/// Writes a user's sequence.
pub(super) fn events(
    table: &Table,
    history: &UserHistory,
    action: &str,
    session: &mut Session,
) -> Result<(), Error> {
    let user = table.users.name(history.user);
    for (&item, &time) in history.merged.items.iter().zip(&history.times.ms) {
        let (item, time) = (table.items.name(item), When::Time(time));
        session.event(&EventRow { user, item, action, time, extra: &[] })?;
    }
    Ok(())
}

/// Writes all rows by time, ties in the order of the files.
pub(super) fn examples(
    (table, spool): (&Table, &mut SpoolReader),
    ends: &[u32],
    context: &Context,
    session: &mut Session,
) -> Result<(), Error> {
    let mut order: Vec<RowIndex> = (0..table.rows.len() as u32).collect();
    order.sort_by_key(|&row| (table.rows[row as usize].time, row));
    let mut writer = ExamplesWriter::create(session.folder(), &context.optional, &context.further)?;
    for row in order {
        let from = &table.rows[row as usize];
        let mut example = ExampleRow {
            part: from.part,
            user: table.users.name(from.user),
            item: table.items.name(from.item),
            timestamp: from.time,
            seq: row.into(),
            history_end: ends[row as usize],
            click: from.label,
            ..ExampleRow::default()
        };
        let kept = spool.values(from.parts)?;
        let values = context.fill(&kept, &mut example);
        writer.push(&ExampleRow { context: &values, ..example })?;
        session.example(from.part, example.item);
    }
    writer.close()?;
    Ok(())
}

/// Records what was decided.
pub(super) fn notes(counts: &Counts, context: &Context, timed: bool, session: &mut Session) {
    if !timed {
        session
            .note("no times: the rows count in the order of the files, placed 1 s apart from 2000-01-01 on");
    }
    let counts = [
        (
            counts.windows,
            ["history is", "histories are"],
            "a window of the user's sequence: read from its start on",
        ),
        (
            counts.approximate,
            ["history fits", "histories fit"],
            "nowhere in the user's sequence: read as all that was known by then",
        ),
        (
            counts.unknown,
            ["history event has", "history events have"],
            "no row: the time is that of the first row that knows of it",
        ),
        (
            counts.moved,
            ["history event has", "history events have"],
            "a row later than one that knows of it: moved forward",
        ),
    ];
    for (count, [one, many], what) in counts.into_iter().filter(|(count, ..)| *count > 0) {
        session.note(format!("{} {what}", counted(count, one, many)));
    }
    if !context.further.is_empty() {
        let names: Vec<&str> = context.further.iter().map(|column| column.name.as_str()).collect();
        session.note(format!("kept as context: {}", names.join(", ")));
    }
    if !context.left_out.is_empty() {
        session.note(format!("left out, for their type: {}", context.left_out.join(", ")));
    }
}
