//! The items file of any format: columns found, rows checked and written.

use super::absent::Absent;
use super::extra::{self, Extra, Keep, Known, known};
use super::header::{Cell, Header, Wanted};
use super::options::Options;
use super::rows::{self, Row, Rows};
use super::session::{Layout, Session};
use super::time::{Beyond, Clock};
use crate::{ColumnType, Error, ItemRow, RowError};
use semrank_core::{Kind, counted};
use std::borrow::Cow;
use std::path::Path;

/// The usual names of an item id.
pub(crate) const ITEM_IDS: [&str; 7] = ["item_id", "item", "itemId", "movieId", "product_id", "asin", "id"];
const USUAL_TEXTS: [&str; 10] = [
    "title",
    "name",
    "text",
    "description",
    "abstract",
    "brand",
    "categories",
    "category",
    "genres",
    "headline",
];
const KNOWN: [Known; 7] = [
    known("advertiser_id", ColumnType::Text),
    known("campaign_id", ColumnType::Text),
    known("bid", ColumnType::Number),
    known("budget", ColumnType::Number),
    Known { moves: true, ..known("budget_left", ColumnType::Number) },
    Known { moves: true, ..known("spent", ColumnType::Number) },
    Known { moves: true, ..known("status", ColumnType::Text) },
];

/// How to read an items file.
pub(crate) struct ItemsPlan {
    rows: Rows,
    id: Cell,
    kind: Option<KindCell>,
    valid_from: Option<TimeCell>,
    active_from: Option<TimeCell>,
    active_to: Option<TimeCell>,
    texts: Vec<Cell>,
    /// Whether the column `genres` is a list as MovieLens writes it.
    genres: bool,
    extra: Vec<Extra>,
    absent: Absent,
}

impl ItemsPlan {
    /// The plan for the items table of `options`, if there is one.
    pub(crate) fn open(options: &Options) -> Result<Option<ItemsPlan>, Error> {
        let rows = options.items.as_deref().map(|path| rows::open(path, options.delimiter)).transpose()?;
        rows.map(|rows| ItemsPlan::new(rows, options)).transpose()
    }

    /// Finds the columns of `rows`.
    pub(crate) fn new(mut rows: Rows, options: &Options) -> Result<ItemsPlan, Error> {
        let mapping = &options.mapping;
        let mut header = Header::new(&mut rows);
        let id = header.require(&Wanted {
            given: mapping.item_id.as_deref(),
            usual: &ITEM_IDS,
            flag: "--item-id",
        })?;
        let given = mapping.kind.as_deref();
        let kind = header.find(&Wanted { given, usual: &["kind"], flag: "--kind" })?;
        let kind = kind.map(|cell| KindCell { cell, given: given.is_some(), others: 0 });
        let times = options.times();
        let mut time = |given: &Option<String>, usual: &str, flag| {
            let cell = header.find(&Wanted { given: given.as_deref(), usual: &[usual], flag })?;
            let time = |cell: Cell| Ok::<_, Error>((header.clock(&cell, &times)?, cell));
            Ok::<_, Error>(cell.map(time).transpose()?.map(|(clock, cell)| TimeCell {
                cell,
                clock,
                beyond: 0,
            }))
        };
        let valid_from = time(&mapping.valid_from, "valid_from", "--valid-from")?;
        let active_from = time(&mapping.active_from, "active_from", "--active-from")?;
        let active_to = time(&mapping.active_to, "active_to", "--active-to")?;
        let texts = texts(&mut header, mapping.text.as_deref())?;
        let keep = Keep {
            mapped: &mapping.item_columns,
            known: &KNOWN,
            flag: "--item-column",
            times: &times,
            lists: true,
        };
        let extra = keep.select(&mut header)?;
        header.finish()?;
        let genres = false;
        Ok(ItemsPlan {
            rows,
            id,
            kind,
            valid_from,
            active_from,
            active_to,
            texts,
            genres,
            extra,
            absent: Absent::default(),
        })
    }

    /// Reads the column `genres` as MovieLens writes it: `Crime|Drama`, or `(no genres listed)`.
    pub(crate) fn with_genres(mut self) -> ItemsPlan {
        self.genres = true;
        self
    }

    /// The columns to write for these items.
    pub(crate) fn layout(&self) -> Layout {
        Layout {
            text: self.texts.iter().map(|cell| cell.name.clone()).collect(),
            item_extra: self.extra.iter().map(|extra| extra.column().clone()).collect(),
            described: true,
            ..Layout::default()
        }
    }

    /// Writes all items.
    pub(crate) fn run(mut self, session: &mut Session) -> Result<(), Error> {
        let mut row = Row::default();
        let mut written = 0;
        loop {
            match self.rows.next(&mut row) {
                Ok(false) => break,
                Ok(true) => match self.write(&row, session) {
                    Ok(()) => written += 1,
                    Err(error) => session.reject(error)?,
                },
                Err(error) => session.reject(error)?,
            }
        }
        session.require_rows(written, self.rows.path(), "a row for each item")?;
        session.remark(&self.rows);
        self.absent.warn(session, &self.id.name);
        let open =
            [(&self.active_from, "1970 or before: no start"), (&self.active_to, "2100 or later: no end")];
        for (column, what) in open {
            if let Some(TimeCell { cell, beyond: beyond @ 1.., .. }) = column {
                let items = counted(*beyond, "item has", "items have");
                session.note(format!("{items} a time in `{}` of {what}", cell.name));
            }
        }
        if self.texts.is_empty() {
            session.note("no text column found; --text names them");
        }
        if let Some(KindCell { others: others @ 1.., .. }) = self.kind {
            let items = counted(others, "item has", "items have");
            session.note(format!("{items} a `kind` other than ad and organic: taken as organic"));
        }
        Ok(())
    }

    fn text<'r>(&self, cell: &Cell, row: &'r Row) -> Cow<'r, str> {
        match cell.of(row) {
            "(no genres listed)" if self.genres => Cow::Borrowed(""),
            genres if self.genres && cell.name == "genres" => Cow::Owned(genres.replace('|', ", ")),
            text => Cow::Borrowed(text),
        }
    }

    fn write(&mut self, row: &Row, session: &mut Session) -> Result<(), Error> {
        let file = self.rows.path();
        let id = self.id.id(row, file)?;
        self.absent.count(id);
        let texts: Vec<Cow<'_, str>> = self.texts.iter().map(|cell| self.text(cell, row)).collect();
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let extra = extra::values(&mut self.extra, row, file)?;
        let item = ItemRow {
            id,
            kind: self.kind.as_mut().map_or(Ok(Kind::Organic), |kind| kind.of(row, file))?,
            texts: &texts,
            valid_from: time(&mut self.valid_from, None, row, file)?,
            active_from: time(&mut self.active_from, Some(Beyond::Start), row, file)?,
            active_to: time(&mut self.active_to, Some(Beyond::End), row, file)?,
            extra: &extra,
        };
        session.item(row.place(file), &self.id.name, &item)
    }
}

/// The text columns: those given, or those with a usual name.
pub(crate) fn texts(header: &mut Header<'_>, given: Option<&[String]>) -> Result<Vec<Cell>, Error> {
    match given {
        Some(names) => names.iter().map(|name| header.select(name, "--text")).collect(),
        None => {
            let names = header.names();
            let usual =
                names.iter().filter(|name| USUAL_TEXTS.iter().any(|usual| name.eq_ignore_ascii_case(usual)));
            usual.map(|name| header.select(name, "--text")).collect()
        }
    }
}

/// The column that tells ads from organic items.
struct KindCell {
    cell: Cell,
    // A column that only happens to be called `kind` may hold anything.
    given: bool,
    others: u64,
}

impl KindCell {
    fn of(&mut self, row: &Row, file: &Path) -> Result<Kind, RowError> {
        match self.cell.of(row).to_ascii_lowercase().as_str() {
            "" | "organic" => Ok(Kind::Organic),
            "ad" => Ok(Kind::Ad),
            other if self.given => {
                Err(row.place(file).error(&self.cell.name, format!("`{other}`"), "`ad` or `organic`"))
            }
            _ => {
                self.others += 1;
                Ok(Kind::Organic)
            }
        }
    }
}

/// A column of times, with the values that stand for none.
struct TimeCell {
    cell: Cell,
    clock: Clock,
    beyond: u64,
}

/// The time of a row; `open` is the kind of time by which tables say that there is none.
fn time(
    column: &mut Option<TimeCell>,
    open: Option<Beyond>,
    row: &Row,
    file: &Path,
) -> Result<Option<i64>, RowError> {
    let Some(TimeCell { cell, clock, beyond }) = column else { return Ok(None) };
    let text = cell.of(row);
    if text.is_empty() {
        return Ok(None);
    }
    if open.is_some() && clock.beyond(text) == open {
        *beyond += 1;
        return Ok(None);
    }
    cell.time(row, file, clock).map(Some)
}
