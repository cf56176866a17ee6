//! Wikispeedia (West & Leskovec 2012): people click their way from a start page to a goal page of Wikipedia. A page is
//! a request, its links are what was shown, the goal is the intent, and reaching it is the conversion.
//!
//! In: a folder of `items.parquet` (item, title, categories), `links.parquet` (page, link) and `paths.parquet` (kind,
//! path, target, outcome). Out: a data set in one of two forms; every path is a user of its own (`p00000` …).
//!
//! *Clicks* (finished paths): every link of every page of the path is an example, `label_click` says whether it was
//! the next page, `request_id` is the page view, the context column `goal` is the goal's item id, and the history is the
//! path up to and with the page. A goal that is itself among the links is an example like any other. `label_conversion`
//! does not apply: all these paths reached their goal.
//!
//! *Conversions* (`--conversions`; all paths): one example a path, its [`CLICKS_SEEN`]-th click, labelled by whether the
//! goal was reached later. The history is the pages before it.
//!
//! # What would leak, and what is done about it
//! - User, time and duration exist for unfinished paths only: dropped. Times are made up (one page view a second,
//!   paths in the order of a hash), so order in the file tells nothing about the outcome either.
//! - Back clicks (`<`) exist in unfinished paths only: unrolled, as they already are in the finished ones.
//! - The end of a path tells the outcome (a finished one ends at its goal) and so does its length: only the first
//!   clicks are written, of paths that had not reached the goal by then. Nothing after them is in the folder.
//! - Clicks that are no link of their page, and unknown goals, exist in unfinished paths only: such paths are left out.
//! - Not curable: unrolling removes the dead ends that a player backed out of *later*, so the first clicks of a path
//!   are partly chosen with hindsight, and more so where a player went on for long. The two kinds also come from
//!   different files with different fates (an unfinished game may have been left for lunch). A probe that sees
//!   the pages only and no text measures what the format alone gives away; print it beside a model.
//!
//! The split is by the path's hash (80/10/10), so the same path played twice is never on both sides.

mod examples;
mod paths;

use super::absent::Absent;
use super::header::{Cell, Header, Wanted};
use super::items::ItemsPlan;
use super::options::{Mapping, Options};
use super::rows::{self, Row, Rows};
use super::session::Session;
use crate::{Error, ImportReport};
use semrank_core::{Dictionary, counted};
use std::path::{Path, PathBuf};

/// The click whose conversion is to be predicted: with 3, of 51 k finished paths 37 k are not there yet, and of 25 k
/// unfinished ones 12 k are still being played.
const CLICKS_SEEN: usize = 3;

/// Imports the folder `options.events`.
pub(crate) fn import(options: &Options) -> Result<ImportReport, Error> {
    let folder = &options.events;
    let mapping = Mapping {
        item_id: Some(options.mapping.item_id.clone().unwrap_or_else(|| "item".into())),
        ..options.mapping.clone()
    };
    let items = options.items.clone().unwrap_or_else(|| folder.join("items.parquet"));
    let options = Options { mapping, items: Some(items.clone()), ..options.clone() };
    let plan = ItemsPlan::new(rows::open(&items, None)?, &options)?;
    let mut session = Session::start(&options, plan.layout())?;
    plan.run(&mut session)?;
    let mut pages = Dictionary::new();
    let links = read_links(&folder.join("links.parquet"), &mut pages, &mut session)?;
    let file = folder.join("paths.parquet");
    let (paths, left_out) = paths::read(&file, options.conversions, &links, &mut pages, &mut session)?;
    let action = options.default_action.as_deref().unwrap_or("view");
    if options.conversions {
        examples::conversions(&paths, &pages, action, &mut session)?;
    } else {
        examples::clicks(&paths, &pages, &links, action, &mut session)?;
    }
    session.note("times are made up: only the order within a path is real");
    if left_out > 0 {
        let paths = counted(left_out, "path", "paths");
        session.note(format!("{paths} left out: too short, or told by the format"));
    }
    session.finish()
}

/// The links of every page, by the pages' numbers; sorted, each once.
fn read_links(path: &Path, pages: &mut Dictionary, session: &mut Session) -> Result<Vec<Vec<u32>>, Error> {
    let mut table = Columns::open(path, ["page", "link"])?;
    let mut links: Vec<Vec<u32>> = Vec::new();
    let mut row = Row::default();
    let mut read = 0;
    while table.rows.next(&mut row)? {
        read += 1;
        let [page, link] = match table.ids(&row, session) {
            Ok(ids) => ids.map(|id| pages.insert(id)),
            Err(error) => {
                session.reject(error)?;
                continue;
            }
        };
        links.resize_with(links.len().max(pages.len()), Vec::new);
        links[page as usize].push(link);
    }
    session.require_rows(read, path, "a row for each link")?;
    table.warn(session);
    for of_page in &mut links {
        of_page.sort_unstable();
        of_page.dedup();
    }
    Ok(links)
}

/// A table of which some columns are read, under their only names.
struct Columns<const N: usize> {
    path: PathBuf,
    rows: Box<dyn Rows>,
    cells: [Cell; N],
    absent: [Absent; N],
}

impl<const N: usize> Columns<N> {
    fn open(path: &Path, names: [&str; N]) -> Result<Columns<N>, Error> {
        let mut rows = rows::open(path, None)?;
        let mut header = Header::new(rows.as_mut());
        let cells = names
            .iter()
            .map(|name| header.require(&Wanted { given: None, usual: &[name], flag: "--events" }))
            .collect::<Result<Vec<_>, _>>()?;
        header.finish()?;
        let cells = cells.try_into().map_err(|_| Error::Options("columns were lost".into()))?;
        Ok(Columns { path: path.to_owned(), rows, cells, absent: [(); N].map(|()| Absent::default()) })
    }

    /// The ids of a row, each of a known item.
    fn ids<'r>(&mut self, row: &'r Row, session: &Session) -> Result<[&'r str; N], Error> {
        let mut out = [""; N];
        for (id, cell) in out.iter_mut().zip(&self.cells) {
            *id = cell.id(row, &self.path)?;
            session.check_item(row.place(&self.path), &cell.name, id)?;
        }
        self.absent.iter_mut().zip(out).for_each(|(absent, id)| absent.count(id));
        Ok(out)
    }

    /// Tells which ids may stand for none.
    fn warn(&self, session: &mut Session) {
        self.cells.iter().zip(&self.absent).for_each(|(cell, absent)| absent.warn(session, &cell.name));
    }
}
