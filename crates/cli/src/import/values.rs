//! Values of the arguments of `semrank import`.

use semrank_console::options::Named;
use semrank_data::import::{Format, TimeUnit, UnknownItems};

pub(super) const FORMATS: &[Named<Format>] = &[
    ("table", Format::Table, "Parquet, CSV, TSV or JSON, by extension"),
    ("s3rec", Format::S3rec, "Lines \"user item item …\", oldest first"),
    ("atomic", Format::Atomic, "RecBole's atomic files"),
    ("movielens", Format::Movielens, "ratings.csv, ratings.dat or u.data, with their items"),
    ("mind", Format::Mind, "behaviors.tsv and news.tsv"),
    ("pointwise", Format::Pointwise, "Labelled rows in --train, --valid and --test"),
];

pub(super) const UNITS: &[Named<TimeUnit>] = &[
    ("s", TimeUnit::S, "Seconds since 1970"),
    ("ms", TimeUnit::Ms, "Milliseconds"),
    ("us", TimeUnit::Us, "Microseconds"),
    ("ns", TimeUnit::Ns, "Nanoseconds"),
    ("rfc3339", TimeUnit::Rfc3339, "Text such as 2019-11-24T00:00:17Z"),
];

pub(super) const UNKNOWN_ITEMS: &[Named<UnknownItems>] = &[
    ("reject", UnknownItems::Reject, "The event's row is bad"),
    ("add", UnknownItems::Add, "The item is added without text"),
];

/// A delimiter by itself or by its name.
pub(crate) fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ => match text {
            "tab" | "\\t" => Ok(b'\t'),
            "comma" => Ok(b','),
            "semicolon" => Ok(b';'),
            "bar" | "pipe" => Ok(b'|'),
            "space" => Ok(b' '),
            _ => Err("expected one character, such as ; or |, or tab".into()),
        },
    }
}

/// A separator by itself, or the name of one that a shell does not pass on well.
pub(super) fn separator(text: &str) -> Result<String, String> {
    match text {
        "" => Err("expected a text, such as ^ or |".into()),
        "tab" | "\\t" => Ok("\t".into()),
        other => Ok(other.into()),
    }
}

/// `FROM=TO`.
pub(super) fn renamed(text: &str) -> Result<(String, String), String> {
    let both = text.contains('=').then(|| pair(text).ok()).flatten();
    both.ok_or_else(|| "expected FROM=TO".into())
}

/// `NAME=COLUMN`, or one name for both.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=').unwrap_or((text, text)) {
        (name, column) if !name.is_empty() && !column.is_empty() => Ok((name.to_owned(), column.to_owned())),
        _ => Err("expected NAME or NAME=COLUMN".into()),
    }
}
