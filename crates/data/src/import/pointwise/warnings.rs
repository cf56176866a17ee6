//! Warnings about labelled rows that are probably not what the user meant.

use super::super::duplicates::{hash, repeated, shared};
use super::super::session::Session;
use super::super::{alike, list};
use super::Table;
use super::context::Context;
use super::read::Labelled;
use crate::Part;
use semrank_core::{counted, plural};
use std::collections::HashSet;

/// Adds all warnings.
pub(super) fn tell(table: &Table, context: &Context, timed: bool, session: &mut Session) {
    alike::warnings(&table.users, "users").into_iter().for_each(|warning| session.warn(warning));
    same_rows(table, timed, session);
    unknown_in_test(table, session);
    strange_histories(table, session);
    for column in table.deciders.found() {
        let name = &context.further[column].name;
        session.warn(format!(
            "column `{name}` alone decides the label of all training rows: does it hold what happened afterwards? --ignore {name} \
             leaves it out"
        ));
    }
}

/// The hashes of a part's rows. Rows of one user, item, label and time are one; where there are no times, the further columns
/// decide.
fn hashes(table: &Table, part: Part, with_values: bool, timed: bool) -> Vec<u64> {
    let of = |row: &Labelled| {
        let (time, values) = (timed.then_some(row.time), with_values.then_some(row.values_hash));
        hash((row.user, row.item, row.label, time, values))
    };
    table.rows.iter().filter(|row| row.part == part).map(of).collect()
}

fn same_rows(table: &Table, timed: bool, session: &mut Session) {
    for part in Part::ALL {
        let found = if timed { repeated(hashes(table, part, true, timed)) } else { 0 };
        if found > 0 {
            let name = part.name();
            session.warn(format!(
                "{found} {name} {} another in every column: each counts. Remove such rows unless they are real repeats",
                plural(found, "row repeats", "rows repeat")
            ));
        }
    }
    for (of, among) in [(Part::Test, Part::Train), (Part::Valid, Part::Train), (Part::Test, Part::Valid)] {
        let of_hashes = hashes(table, of, !timed, timed);
        let found = shared(&of_hashes, hashes(table, among, !timed, timed));
        if found > 0 {
            session.warn(format!(
                "{found} of {} {} {} {} too (the same user, item, label and {}): metrics on them do not measure prediction. Divide the \
                 rows so that each is in one file",
                of_hashes.len(),
                of.name(),
                plural(of_hashes.len(), "row", "rows"),
                plural(found, &format!("is a {} row", among.name()), &format!("are {} rows", among.name())),
                if timed { "time" } else { "further columns" },
            ));
        }
    }
}

/// Warns when no user or item of the test rows is in the training rows, as when ids are written in another way.
fn unknown_in_test(table: &Table, session: &mut Session) {
    let of = |part: Part, id: fn(&Labelled) -> u32| -> HashSet<u32> {
        table.rows.iter().filter(|row| row.part == part).map(id).collect()
    };
    let mut tell = |[one, many]: [&str; 2], id: fn(&Labelled) -> u32| {
        let (test, train) = (of(Part::Test, id), of(Part::Train, id));
        if !test.is_empty() && test.is_disjoint(&train) {
            session.warn(format!(
                "none of the {} of the test rows is one of the training rows: are their ids written alike in both files?",
                counted(test.len(), one, many)
            ));
        }
    };
    tell(["item", "items"], |row| row.item);
    tell(["user", "users"], |row| row.user);
    let test = of(Part::Test, |row| row.item);
    let described = test.iter().any(|&item| session.describes(table.items.name(item)));
    if session.has_items_file() && !test.is_empty() && !described {
        session.warn(format!(
            "the items file describes none of the {} of the test rows: is --item-id the column with the same ids?",
            counted(test.len(), "item", "items")
        ));
    }
}

/// Warns when no entry of a history is an item, as when lists have an unusual separator.
fn strange_histories(table: &Table, session: &mut Session) {
    let known = |item: usize| table.shown[item] || session.describes(table.items.name(item as u32));
    let mut listed = (0..table.listed.len()).filter(|&item| table.listed[item]).peekable();
    let Some(&first) = listed.peek() else { return };
    let count = listed.clone().count();
    if listed.any(known) {
        return;
    }
    let example = table.items.name(first as u32);
    let is_item = |id: &str| table.items.get(id).is_some_and(|item| known(item as usize));
    let advice = list::advice(list::separator(example, is_item));
    session.warn(format!(
        "none of the {} of the histories, such as `{}`, is an item of a row: {advice}",
        counted(count, "entry", "different entries"),
        example.escape_debug()
    ));
}
