//! Lines whose fields are separated by `::`, `|` or a tab, without a header: MovieLens' `.dat`, `u.item`, `u.data`.

use super::rows::{Column, Heading, Reader, Row, Rows};
use super::source::{Lines, Place};
use crate::limits::MOST_COLUMNS;
use crate::{Error, RowError};
use semrank_core::counted;
use std::borrow::Cow;
use std::path::Path;

/// How lines are cut into fields.
pub(crate) struct Cut {
    pub(crate) separator: &'static str,
    /// The fields' names. More fields on a line are an error, unless `free` says where they belong.
    pub(crate) names: &'static [&'static str],
    /// The field that may itself hold the separator.
    pub(crate) free: Option<usize>,
    /// Whether lines that are not UTF-8 are read as Latin-1.
    pub(crate) latin1: bool,
}

/// A file of such lines.
pub(crate) struct CutLines {
    lines: Lines,
    cut: Cut,
}

impl CutLines {
    pub(crate) fn open(path: &Path, cut: Cut) -> Result<Rows, Error> {
        let lines = Lines::open(path)?;
        let columns = cut.names.iter().map(|&name| Column::text(name)).collect();
        Ok(Rows::new(Heading::new(&lines.path, columns), CutLines { lines, cut }))
    }
}

impl Reader for CutLines {
    fn next(&mut self, heading: &mut Heading, row: &mut Row) -> Result<bool, Error> {
        let Some(line) = self.lines.next()?.map(<[u8]>::to_vec) else { return Ok(false) };
        row.start(self.lines.line);
        let place = row.place(&heading.path);
        let text = decoded(place, &line, self.cut.latin1)?;
        let fields = self.cut.fields(place, &text)?;
        heading.selected.iter().for_each(|&column| row.push(&fields[column], true));
        Ok(true)
    }
}

impl Cut {
    fn fields<'a>(&self, place: Place<'_>, line: &'a str) -> Result<Vec<Cow<'a, str>>, RowError> {
        let wanted = self.names.len();
        // Counted first: a line of separators alone would take many times its size.
        let found = line.split(self.separator).take(MOST_COLUMNS + 1).count();
        if found > MOST_COLUMNS {
            return Err(place.error("", "a line of separators", format!("at most {MOST_COLUMNS} fields")));
        }
        let mut fields: Vec<Cow<'a, str>> = line.split(self.separator).map(Cow::Borrowed).collect();
        if let Some(free) = self.free
            && fields.len() > wanted
        {
            let surplus = fields.len() - wanted;
            let whole = fields[free..=free + surplus].join(self.separator);
            fields.splice(free..=free + surplus, [Cow::Owned(whole)]);
        }
        if fields.len() == wanted {
            return Ok(fields);
        }
        let names = self.names.join(self.separator);
        let fields = counted(fields.len(), "field", "fields");
        Err(place.error("", format!("{fields} in `{line}`"), format!("{wanted}: {names}")))
    }
}

fn decoded<'a>(place: Place<'_>, line: &'a [u8], latin1: bool) -> Result<Cow<'a, str>, RowError> {
    match place.utf8("", line) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        // Every Latin-1 byte is the Unicode character of its number.
        Err(_) if latin1 => Ok(Cow::Owned(line.iter().map(|&byte| char::from(byte)).collect())),
        Err(error) => Err(error),
    }
}
