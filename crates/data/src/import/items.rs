//! The items file of any format: columns found, rows checked and written.

use super::extra::{self, Extra, Keep, Known, known};
use super::header::{Cell, Header, Wanted};
use super::options::Options;
use super::rows::{Row, Rows};
use super::session::{Layout, Session};
use super::time::Clock;
use crate::{ColumnType, Error, ItemRow, RowError};
use semrank_core::Kind;
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
const KNOWN: [Known; 4] = [
    known("advertiser_id", ColumnType::Text),
    known("campaign_id", ColumnType::Text),
    known("bid", ColumnType::Number),
    known("budget", ColumnType::Number),
];

/// How to read an items file.
pub(crate) struct ItemsPlan {
    rows: Box<dyn Rows>,
    id: Cell,
    kind: Option<KindCell>,
    valid_from: Option<(Cell, Clock)>,
    active_from: Option<(Cell, Clock)>,
    active_to: Option<(Cell, Clock)>,
    texts: Vec<Cell>,
    /// Whether the column `genres` is a list as MovieLens writes it.
    genres: bool,
    extra: Vec<Extra>,
}

impl ItemsPlan {
    /// Finds the columns of `rows`.
    pub(crate) fn new(mut rows: Box<dyn Rows>, options: &Options) -> Result<ItemsPlan, Error> {
        let mapping = &options.mapping;
        let mut header = Header::new(rows.as_mut());
        let id = header.require(&Wanted {
            given: mapping.item_id.as_deref(),
            usual: &ITEM_IDS,
            flag: "--item-id",
        })?;
        let given = mapping.kind.as_deref();
        let kind = header.find(&Wanted { given, usual: &["kind"], flag: "--kind" })?;
        let kind = kind.map(|cell| KindCell { cell, given: given.is_some(), others: 0 });
        let mut time = |given: &Option<String>, usual: &str, flag| {
            let cell = header.find(&Wanted { given: given.as_deref(), usual: &[usual], flag })?;
            Ok::<_, Error>(cell.map(|cell| {
                let clock = Clock::new(options.timestamp_unit, &cell.kind);
                (cell, clock)
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
            unit: options.timestamp_unit,
        };
        let extra = keep.select(&mut header)?;
        header.finish()?;
        let genres = false;
        Ok(ItemsPlan { rows, id, kind, valid_from, active_from, active_to, texts, genres, extra })
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
        if self.texts.is_empty() {
            session.note("no text column found; --text names them");
        }
        if let Some(KindCell { others: others @ 1.., .. }) = self.kind {
            session.note(format!("{others} items have a `kind` other than ad and organic: taken as organic"));
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
        let texts: Vec<Cow<'_, str>> = self.texts.iter().map(|cell| self.text(cell, row)).collect();
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let extra = extra::values(&mut self.extra, row, file)?;
        let item = ItemRow {
            id,
            kind: self.kind.as_mut().map_or(Ok(Kind::Organic), |kind| kind.of(row, file))?,
            texts: &texts,
            valid_from: time(&mut self.valid_from, row, file)?,
            active_from: time(&mut self.active_from, row, file)?,
            active_to: time(&mut self.active_to, row, file)?,
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
            let usual = names.iter().filter(|name| USUAL_TEXTS.contains(&name.as_str()));
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

fn time(column: &mut Option<(Cell, Clock)>, row: &Row, file: &Path) -> Result<Option<i64>, RowError> {
    match column {
        Some((cell, clock)) if !cell.of(row).is_empty() => cell.time(row, file, clock).map(Some),
        _ => Ok(None),
    }
}
