//! Column values from the folder names of part files, as Hive, Spark and DuckDB write them.
//!
//! ```text
//! events/day=2026-01-01/site=a%2Fb/part-0.parquet      day "2026-01-01", site "a/b"
//! events/day=__HIVE_DEFAULT_PARTITION__/part-1.parquet day without a value
//! ```

use super::rows::CellKind;
use super::source::Place;
use super::time;
use crate::{Error, RowError};
use std::path::Path;

/// The name for a missing value.
const ABSENT: &str = "__HIVE_DEFAULT_PARTITION__";

/// A column that has one value in all rows of a part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) column: String,
    /// Empty where there is none.
    pub(super) value: String,
    /// The folder's name.
    folder: String,
}

/// The columns of the folders between `root` and a part of it, outermost first. Folders without `=` are ignored.
pub(super) fn of(part: &Path, root: &Path) -> Result<Vec<Partition>, Error> {
    let folders = part.parent().and_then(|folder| folder.strip_prefix(root).ok()).into_iter().flatten();
    let mut found: Vec<Partition> = Vec::new();
    for folder in folders {
        let folder = folder.to_string_lossy();
        let Some((column, value)) = folder.split_once('=').filter(|(column, _)| !column.is_empty()) else {
            continue;
        };
        let decode = |text: &str| {
            decoded(text).ok_or_else(|| Error::Schema {
                path: part.to_owned(),
                got: format!("the folder `{folder}`"),
                expected: "a name that is UTF-8 text, also after percent-decoding".into(),
            })
        };
        let column = decode(column)?;
        if let Some(outer) = found.iter().find(|partition| partition.column == column) {
            return Err(Error::Schema {
                path: part.to_owned(),
                got: format!("the folders `{}` and `{folder}`", outer.folder),
                expected: format!("one value of `{column}`"),
            });
        }
        let value = if value == ABSENT { String::new() } else { decode(value)? };
        found.push(Partition { column, value, folder: folder.into_owned() });
    }
    Ok(found)
}

/// Percent-decodes a text; none where the result is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let digits =
            after.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = &after[if byte.is_some() { 2 } else { 0 }..];
    }
    String::from_utf8(bytes).ok()
}

impl Partition {
    /// Checks that a cell of a column of the same name has the same value.
    pub(super) fn check(&self, cell: &str, kind: &CellKind, place: Place<'_>) -> Result<(), RowError> {
        if is_same(cell, &self.value, kind) {
            return Ok(());
        }
        let quoted = |value: &str| if value.is_empty() { "no value".into() } else { format!("`{value}`") };
        let expected = format!("{}, as its folder `{}` says", quoted(&self.value), self.folder);
        Err(place.error(&self.column, quoted(cell), expected))
    }
}

/// Whether a cell has a value that is written as a folder's name: `7` and `07` are one number, a typed time and its date one time.
fn is_same(cell: &str, value: &str, kind: &CellKind) -> bool {
    let integers = || Some(cell.parse::<i128>().ok()? == value.parse::<i128>().ok()?);
    let numbers = || Some(cell.parse::<f64>().ok()? == value.parse::<f64>().ok()?);
    let times = || Some(cell.parse::<i64>().ok()? == time::written_ms(value)?);
    cell == value
        || integers().or_else(numbers) == Some(true)
        || (matches!(kind, CellKind::Time { .. }) && times() == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(part: &str, expected: &[(&str, &str)]) {
        let found = of(Path::new(part), Path::new("in/k=0")).unwrap();
        let found: Vec<_> = found.iter().map(|p| (p.column.as_str(), p.value.as_str())).collect();
        assert_eq!(found, expected, "{part}");
    }

    #[test]
    fn folders_below_the_root_are_columns() {
        check("in/k=0/part-0.csv", &[]);
        check("in/k=0/a/=b/part-0.csv", &[]);
        check("in/k=0/day=2026-01-01/more/hour=07/part=0.csv", &[("day", "2026-01-01"), ("hour", "07")]);
        check("in/k=0/a%3Db=1%3a2=3/x", &[("a=b", "1:2=3")]);
        check(
            "in/k=0/a=F%C3%BC%C3%9Fe/b=100%/c=%zz/d=%4/x",
            &[("a", "Füße"), ("b", "100%"), ("c", "%zz"), ("d", "%4")],
        );
        check("in/k=0/a=__HIVE_DEFAULT_PARTITION__/b=/x", &[("a", ""), ("b", "")]);
        for (part, expected) in [("in/k=0/a=1/a=2/x", "`a=1` and `a=2`"), ("in/k=0/a=%ff/x", "UTF-8")] {
            let error = of(Path::new(part), Path::new("in/k=0")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_value_is_the_same_however_it_is_written() {
        let time = CellKind::Time { zoned: false };
        for (cell, value, kind) in [
            ("a b", "a b", &CellKind::Text),
            ("7", "07", &CellKind::Integer),
            ("0.5", ".50", &CellKind::Float),
            ("1767225600000", "2026-01-01", &time),
            ("", "", &CellKind::Text),
        ] {
            assert!(is_same(cell, value, kind), "{cell} {value}");
        }
        for (cell, value) in [
            ("a", "A"),
            ("", "a"),
            ("7", ""),
            ("9007199254740993", "9007199254740992"),
            ("1767225600000", "2026-01-01"),
        ] {
            assert!(!is_same(cell, value, &CellKind::Text), "{cell} {value}");
        }
    }
}
