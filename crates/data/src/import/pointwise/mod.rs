//! Labelled rows, already divided into training, validation and test files: the form in which pointwise click
//! benchmarks are published (CoLLM's MovieLens and Amazon sets, for one).
//!
//! In: rows of user, item, label (0 or 1), time, and perhaps the list of items that the user had liked before,
//! oldest first. Out: a data set whose events are what those lists hold (action `like`) and whose examples are the
//! rows, each with the end of its history; every further column is kept as context.
//!
//! The lists of a user are mostly starts of one growing sequence, so it is written once ([`merge`]). Where a file has
//! no list, a row's history is every row of the user that was liked strictly before it. An event takes the time of
//! the row that liked it, or else the time of the first row that knows it; never a later time than a row that knows
//! it. Rows are sorted by time, so all are held in memory, 48 bytes each; their lists and further values wait on disk ([`spool`]), and
//! the lists of one user after the other are read back.

mod context;
mod decider;
mod merge;
mod read;
mod spool;
mod warnings;
mod write;

use super::items::ItemsPlan;
use super::options::Options;
use super::rows;
use super::session::{Layout, Session};
use crate::{Error, ImportReport, Part};
use context::Context;
use decider::Deciders;
use merge::Merged;
use read::{Labelled, PartPlan};
use semrank_core::{Dictionary, narrow};
use spool::{Spool, SpoolReader};

/// A row number of this import.
type RowIndex = u32;

/// What the files hold.
#[derive(Default)]
struct Table {
    users: Dictionary,
    items: Dictionary,
    rows: Vec<Labelled>,
    /// Whether each item is one of a row.
    shown: Vec<bool>,
    /// Whether each item is one of a listed history.
    listed: Vec<bool>,
    deciders: Deciders,
}

impl Table {
    /// Remembers where items of a row stand.
    fn mark(&mut self, item: u32, history: Option<&[u32]>) {
        self.shown.resize(self.items.len(), false);
        self.listed.resize(self.items.len(), false);
        self.shown[item as usize] = true;
        history.unwrap_or_default().iter().for_each(|&item| self.listed[item as usize] = true);
    }
}

/// Imports labelled rows, with an items table if one is given.
pub(crate) fn import(options: &Options) -> Result<ImportReport, Error> {
    let files = options.parts.given();
    if !files.iter().any(|(part, _)| *part == Part::Train) {
        return Err(Error::Options(
            "the pointwise format needs labelled rows to train on: --train FILE".into(),
        ));
    }
    let items = ItemsPlan::open(options)?;
    let mut context = Context::default();
    let plans = files
        .into_iter()
        .map(|(part, file)| PartPlan::new(part, rows::open(file, options.delimiter)?, options, &mut context))
        .collect::<Result<Vec<_>, Error>>()?;
    context.check_names(&options.mapping, plans[0].path())?;
    let timed = all_timed(&plans)?;
    let mut session =
        Session::start(options, items.as_ref().map_or_else(Layout::default, ItemsPlan::layout))?;
    if let Some(items) = items {
        items.run(&mut session)?;
    }
    let mut table = Table { deciders: Deciders::new(context.further.len()), ..Table::default() };
    let mut spool = Spool::create(session.folder())?;
    for plan in plans {
        plan.run(&context, (&mut table, &mut spool), &mut session)?;
    }
    let mut spool = spool.finish()?;
    let action = options.default_action.as_deref().unwrap_or("like");
    let (ends, counts) = write_events(&table, &mut spool, action, &mut session)?;
    write::examples((&table, &mut spool), &ends, &context, &mut session)?;
    write::notes(&counts, &context, timed, &mut session);
    warnings::tell(&table, &context, timed, &mut session);
    session.finish()
}

/// Whether the rows have times, which is so for all files or for none.
fn all_timed(plans: &[PartPlan]) -> Result<bool, Error> {
    let timed = plans[0].timed();
    match plans.iter().find(|plan| plan.timed() != timed) {
        None => Ok(timed),
        Some(other) => {
            let (with, without) = if timed { (&plans[0], other) } else { (other, &plans[0]) };
            Err(Error::Options(format!(
                "{} has times and {} has none: all files need a time column (--timestamp), or none",
                with.path().display(),
                without.path().display()
            )))
        }
    }
}

/// One user's sequence, its times, and the end of each of the user's rows.
struct UserHistory {
    user: u32,
    merged: Merged,
    rows: Vec<RowIndex>,
    times: merge::Times,
}

/// Decisions about histories, summed over users.
#[derive(Default)]
struct Counts {
    windows: u64,
    approximate: u64,
    unknown: u64,
    moved: u64,
}

/// Writes the sequences of one user after the other, in the order of their first rows; gives the end of every row's history.
fn write_events(
    table: &Table,
    spool: &mut SpoolReader,
    action: &str,
    session: &mut Session,
) -> Result<(Vec<u32>, Counts), Error> {
    let mut order: Vec<RowIndex> = narrow::indices(table.rows.len()).collect();
    let row = |index: RowIndex| &table.rows[index as usize];
    order.sort_by_key(|&index| (row(index).user, row(index).time, index));
    let (mut ends, mut counts) = (vec![0; table.rows.len()], Counts::default());
    for rows in order.chunk_by(|&a, &b| row(a).user == row(b).user) {
        let history = of_user(table, spool, rows)?;
        write::events(table, &history, action, session)?;
        history.rows.iter().zip(&history.merged.ends).for_each(|(&row, &end)| ends[row as usize] = end);
        counts.add(&history);
    }
    Ok((ends, counts))
}

impl Counts {
    fn add(&mut self, history: &UserHistory) {
        self.windows += history.merged.windows;
        self.approximate += history.merged.approximate;
        self.unknown += history.times.unknown;
        self.moved += history.times.moved;
    }
}

/// `rows` are one user's, by time.
fn of_user(table: &Table, spool: &mut SpoolReader, rows: &[RowIndex]) -> Result<UserHistory, Error> {
    let row = |index: &RowIndex| &table.rows[*index as usize];
    let liked: Vec<(u32, i64)> = rows.iter().map(row).filter(|r| r.label).map(|r| (r.item, r.time)).collect();
    let liked_items: Vec<u32> = liked.iter().map(|(item, _)| *item).collect();
    let before = |time: i64| &liked_items[..liked.partition_point(|&(_, at)| at < time)];
    let lists = rows.iter().map(|index| Ok((*index, spool.list(row(index).parts)?)));
    let lists: Vec<(RowIndex, Option<Box<[u32]>>)> = lists.collect::<Result<_, Error>>()?;
    let known = lists.iter().map(|(index, list)| list.as_deref().unwrap_or_else(|| before(row(index).time)));
    let mut rows: Vec<(RowIndex, &[u32])> = rows.iter().copied().zip(known).collect();
    // At one moment the shorter list is the older one.
    rows.sort_by_key(|(index, known)| (row(index).time, known.len(), *index));
    let merged = if lists.iter().all(|(_, list)| list.is_none()) {
        merge::of_likes(&liked_items, rows.iter().map(|(_, known)| known.len()))
    } else {
        merge::merge(rows.iter().map(|(_, known)| *known))
    };
    let seen: Vec<(i64, u32)> =
        rows.iter().zip(&merged.ends).map(|((index, _), &end)| (row(index).time, end)).collect();
    let times = merge::times(&merged.items, &liked, &seen);
    let rows: Vec<RowIndex> = rows.into_iter().map(|(index, _)| index).collect();
    Ok(UserHistory { user: row(&rows[0]).user, merged, rows, times })
}
