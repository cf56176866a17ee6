//! Labelled rows, already divided into files to train on, to choose by and to report on: the form in which pointwise
//! click benchmarks are published (CoLLM's MovieLens and Amazon sets, for one).
//!
//! In: rows of user, item, label (0 or 1), time, and perhaps the list of items that the user had liked before,
//! oldest first. Out: a data set whose events are what those lists hold (action `like`) and whose examples are the
//! rows, each with the end of its history; every further column is kept as context.
//!
//! The lists of a user are mostly starts of one growing sequence, so it is written once ([`merge`]). Where a file has
//! no list, a row's history is every row of the user that was liked strictly before it. An event takes the time of
//! the row that liked it, or else the time of the first row that knows it; never a later time than a row that knows
//! it. All rows are held in memory, since they are sorted by time.

mod context;
mod merge;
mod read;
mod write;

use super::items::ItemsPlan;
use super::options::Options;
use super::rows;
use super::session::{Layout, Session};
use crate::{Error, ImportReport, Part};
use context::Context;
use merge::Merged;
use read::{Labelled, PartPlan};
use semrank_core::{Dictionary, narrow};

/// A row number of this import.
type RowIndex = u32;

/// What the files hold.
#[derive(Default)]
struct Table {
    users: Dictionary,
    items: Dictionary,
    rows: Vec<Labelled>,
}

/// Imports labelled rows, with an items table if one is given.
pub(crate) fn import(options: &Options) -> Result<ImportReport, Error> {
    let files = options.parts.given();
    if !files.iter().any(|(part, _)| *part == Part::Train) {
        return Err(Error::Options(
            "the pointwise format needs labelled rows to train on: --train FILE".into(),
        ));
    }
    let items = options.items.as_deref().map(rows::open).transpose()?;
    let items = items.map(|rows| ItemsPlan::new(rows, options)).transpose()?;
    let mut context = Context::default();
    let plans = files
        .into_iter()
        .map(|(part, file)| PartPlan::new(part, rows::open(file)?, options, &mut context))
        .collect::<Result<Vec<_>, Error>>()?;
    let mut session =
        Session::start(options, items.as_ref().map_or_else(Layout::default, ItemsPlan::layout))?;
    if let Some(items) = items {
        items.run(&mut session)?;
    }
    let mut table = Table::default();
    for plan in plans {
        plan.run(&context, &mut table, &mut session)?;
    }
    let merged = merge_all(&table);
    let action = options.default_action.as_deref().unwrap_or("like");
    write::events(&table, &merged, action, &mut session)?;
    write::examples(&table, &merged, &context, &mut session)?;
    write::notes(&merged, &context, &mut session);
    session.finish()
}

/// One user's sequence, its times, and the end of each of the user's rows.
struct UserHistory {
    user: u32,
    merged: Merged,
    rows: Vec<RowIndex>,
    times: merge::Times,
}

fn merge_all(table: &Table) -> Vec<UserHistory> {
    let mut order: Vec<RowIndex> = narrow::indices(table.rows.len()).collect();
    let row = |index: RowIndex| &table.rows[index as usize];
    order.sort_by_key(|&index| (row(index).user, row(index).time, index));
    let users = order.chunk_by(|&a, &b| row(a).user == row(b).user);
    users.map(|rows| of_user(table, rows)).collect()
}

/// `rows` are one user's, by time.
fn of_user(table: &Table, rows: &[RowIndex]) -> UserHistory {
    let row = |index: &RowIndex| &table.rows[*index as usize];
    let liked: Vec<(u32, i64)> = rows.iter().map(row).filter(|r| r.label).map(|r| (r.item, r.time)).collect();
    let liked_items: Vec<u32> = liked.iter().map(|(item, _)| *item).collect();
    let before = |time: i64| &liked_items[..liked.partition_point(|&(_, at)| at < time)];
    let known = |index: &RowIndex| match &row(index).history {
        Some(history) => history.as_ref(),
        None => before(row(index).time),
    };
    let mut rows = rows.to_vec();
    // At one moment the shorter list is the older one.
    rows.sort_by_key(|index| (row(index).time, known(index).len(), *index));
    let merged = merge::merge(rows.iter().map(known));
    let seen: Vec<(i64, u32)> =
        rows.iter().zip(&merged.ends).map(|(index, &end)| (row(index).time, end)).collect();
    let times = merge::times(&merged.items, &liked, &seen);
    UserHistory { user: row(&rows[0]).user, merged, rows, times }
}
