//! `semrank import`: files of other programs in, a checked data set out.
//!
//! ```text
//! semrank import --items items.parquet --events log.csv --out shop --text title,description --target-action purchase
//! semrank import --format s3rec --items items.tsv --item-id item --text text --events sequences.txt --out beauty
//! semrank import --format pointwise --items items.tsv --train train.csv --valid valid.csv --test test.csv --out shop
//! semrank import --format movielens --events ml-latest-small --out movies
//! gzip -dc log.csv.gz | semrank import --events - --time-format 'DD/MM/YYYY HH:MM' --map-action 1=click --out shop
//! ```

use clap::{Args, ValueEnum};
use semrank_data::{
    Error, ImportReport,
    import::{Format, Mapping, Options, PartFiles, TimeUnit, UnknownItems},
};
use std::path::PathBuf;

/// Turn a catalogue and an event log into a checked data set.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Format of the source; `table` is Parquet, delimited text or JSON, by extension. Every file may be packed by gzip or zstd.
    #[arg(long, value_enum, default_value = "table")]
    pub format: FormatArg,
    /// Events file, folder of part files, or `-` for standard input; for movielens, atomic, mind and wikispeedia the folder that
    /// holds the files.
    #[arg(long, value_name = "FILE", required_unless_present = "train", conflicts_with = "train")]
    pub events: Option<PathBuf>,
    /// Labelled rows to train on, for pointwise.
    #[arg(long, value_name = "FILE")]
    pub train: Option<PathBuf>,
    /// Labelled rows to choose settings by, for pointwise.
    #[arg(long, value_name = "FILE", requires = "train")]
    pub valid: Option<PathBuf>,
    /// Labelled rows to report on, for pointwise.
    #[arg(long, value_name = "FILE", requires = "train")]
    pub test: Option<PathBuf>,
    /// Wikispeedia: one example a path, labelled by whether it reached its goal.
    #[arg(long)]
    pub conversions: bool,
    /// Items file, folder of part files, or `-`. Without one the items are those of the events, without text.
    #[arg(long, value_name = "FILE")]
    pub items: Option<PathBuf>,
    /// Delimiter of text files: a character, or `tab` [default: from the first lines].
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    pub delimiter: Option<u8>,
    /// Data set folder to make; it appears only when complete.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,

    /// Id column of the items file [default: item_id, item, itemId …].
    #[arg(long, value_name = "COLUMN", help_heading = "Item columns")]
    pub item_id: Option<String>,
    /// Text columns, by commas [default: title, name, text, description … where they exist].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "Item columns")]
    pub text: Option<Vec<String>>,
    /// Column that says `ad` or `organic`.
    #[arg(long, value_name = "COLUMN", help_heading = "Item columns")]
    pub kind: Option<String>,
    /// Time from which an item's row holds; several rows an item are then possible.
    #[arg(long, value_name = "COLUMN", help_heading = "Item columns")]
    pub valid_from: Option<String>,
    /// First time an item may be shown; 1970-01-01 is no start.
    #[arg(long, value_name = "COLUMN", help_heading = "Item columns")]
    pub active_from: Option<String>,
    /// First time an item may no longer be shown; 9999-12-31 is no end.
    #[arg(long, value_name = "COLUMN", help_heading = "Item columns")]
    pub active_to: Option<String>,
    /// Another item column to keep, e.g. `bid=cpc` or `margin`.
    #[arg(long, value_name = "NAME[=COLUMN]", value_parser = pair, help_heading = "Item columns")]
    pub item_column: Vec<(String, String)>,

    /// User column [default: user_id, user, userId …].
    #[arg(long, value_name = "COLUMN", help_heading = "Event columns")]
    pub user: Option<String>,
    /// Item column of the events file [default: the name of --item-id, item_id, item, itemId …].
    #[arg(long, value_name = "COLUMN", help_heading = "Event columns")]
    pub event_item: Option<String>,
    /// Time column [default: timestamp, time]; without any the order of the rows counts.
    #[arg(long, value_name = "COLUMN", help_heading = "Event columns")]
    pub timestamp: Option<String>,
    /// Unit of all time columns [default: from the first value].
    #[arg(long, value_enum, value_name = "UNIT", help_heading = "Event columns")]
    pub timestamp_unit: Option<UnitArg>,
    /// How all time columns are written, where they are other texts: YYYYMMDD, 'DD/MM/YYYY HH:MM', or as in strptime(3),
    /// '%d.%m.%Y %H:%M'.
    #[arg(long, value_name = "FORMAT", conflicts_with = "timestamp_unit", help_heading = "Event columns")]
    pub time_format: Option<String>,
    /// Integer column that orders a user's events, where there is no time.
    #[arg(long, value_name = "COLUMN", conflicts_with = "timestamp", help_heading = "Event columns")]
    pub order: Option<String>,
    /// Action column [default: action, event].
    #[arg(long, value_name = "COLUMN", help_heading = "Event columns")]
    pub action: Option<String>,
    /// Action of all events, where there is no such column [default: view; movielens and atomic: rate].
    #[arg(long, value_name = "NAME", conflicts_with = "action", help_heading = "Event columns")]
    pub default_action: Option<String>,
    /// Name of an action in the source and in the data set, e.g. `1=click`; may be repeated.
    #[arg(long, value_name = "FROM=TO", value_parser = both, help_heading = "Event columns")]
    pub map_action: Vec<(String, String)>,
    /// The item column holds lists, oldest first: an event for each of their items, in this order. The time and the action are
    /// lists of the same length, or one value.
    #[arg(long, help_heading = "Event columns")]
    pub unfold: bool,
    /// The action to predict, e.g. purchase [default: all; mind: click].
    #[arg(long, value_name = "NAME", help_heading = "Event columns")]
    pub target_action: Option<String>,
    /// Label column of labelled rows, 0 or 1 [default: label, click, label_click].
    #[arg(long, value_name = "COLUMN", help_heading = "Event columns")]
    pub label: Option<String>,
    /// Column of labelled rows that lists the items before each, oldest first [default: history].
    #[arg(long, value_name = "COLUMN", help_heading = "Event columns")]
    pub history: Option<String>,
    /// What stands between the items of a list that is a text, in --history and with --unfold: a text, or `tab` [default: commas
    /// or blanks].
    #[arg(long, value_name = "TEXT", value_parser = separator, help_heading = "Event columns")]
    pub history_separator: Option<String>,
    /// Columns of labelled rows to keep as context, by commas [default: all that have no other meaning].
    #[arg(
        long,
        value_name = "COLUMNS",
        value_delimiter = ',',
        requires = "train",
        help_heading = "Event columns"
    )]
    pub context: Option<Vec<String>>,
    /// Columns of labelled rows to leave out, by commas.
    #[arg(
        long,
        value_name = "COLUMNS",
        value_delimiter = ',',
        requires = "train",
        help_heading = "Event columns"
    )]
    pub ignore: Vec<String>,
    /// Rating column, kept as `value` [default: rating].
    #[arg(long, value_name = "COLUMN", help_heading = "Event columns")]
    pub rating: Option<String>,
    /// Leave out events rated below this [default: every rating counts].
    #[arg(long, value_name = "NUMBER", help_heading = "Event columns")]
    pub min_rating: Option<f64>,
    /// Another event column to keep, e.g. `dwell_ms=duration` or `country`.
    #[arg(long, value_name = "NAME[=COLUMN]", value_parser = pair, help_heading = "Event columns")]
    pub event_column: Vec<(String, String)>,

    /// Bad rows to count and leave out before failing.
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Checks")]
    pub max_rejected: u64,
    /// Events whose item the items file lacks: a bad row, or an item without text.
    #[arg(long, value_enum, default_value = "reject", help_heading = "Checks")]
    pub unknown_items: UnknownItemsArg,
    /// Replace the data set at --out.
    #[arg(long, help_heading = "Checks")]
    pub overwrite: bool,

    /// Name of the data set [default: that of its folder].
    #[arg(long, help_heading = "Description")]
    pub name: Option<String>,
    /// Where the data comes from [default: the file names].
    #[arg(long, help_heading = "Description")]
    pub source: Option<String>,
    /// Licence of the data.
    #[arg(long, help_heading = "Description")]
    pub licence: Option<String>,

    /// Print the report as one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `--format`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FormatArg {
    /// Parquet, delimited text with a header, or JSON objects, with a column mapping.
    Table,
    /// Lines "user item item …".
    S3rec,
    /// RecBole's .inter and .item files.
    Atomic,
    /// ratings.csv, ratings.dat or u.data, with their items.
    Movielens,
    /// behaviors.tsv and news.tsv.
    Mind,
    /// Labelled rows in --train, --valid and --test.
    Pointwise,
    /// items.parquet, links.parquet and paths.parquet.
    Wikispeedia,
}

/// `--timestamp-unit`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum UnitArg {
    /// Seconds since 1970.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
    /// Text such as 2019-11-24T00:00:17Z.
    Rfc3339,
}

/// `--unknown-items`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum UnknownItemsArg {
    /// The event's row is bad.
    Reject,
    /// The item is added without text.
    Add,
}

/// Imports what the arguments say.
///
/// # Errors
/// Everything that [`semrank_data::import::import`] refuses.
pub fn import(args: &ImportArgs) -> Result<ImportReport, Error> {
    semrank_data::import::import(&options(args))
}

fn options(args: &ImportArgs) -> Options {
    Options {
        format: args.format.into(),
        events: args.events.clone().unwrap_or_default(),
        parts: PartFiles { train: args.train.clone(), valid: args.valid.clone(), test: args.test.clone() },
        conversions: args.conversions,
        items: args.items.clone(),
        out: args.out.clone(),
        mapping: mapping(args),
        timestamp_unit: args.timestamp_unit.map(TimeUnit::from),
        time_format: args.time_format.clone(),
        delimiter: args.delimiter,
        default_action: args.default_action.clone(),
        target_action: args.target_action.clone(),
        min_rating: args.min_rating,
        max_rejected: args.max_rejected,
        unknown_items: match args.unknown_items {
            UnknownItemsArg::Reject => UnknownItems::Reject,
            UnknownItemsArg::Add => UnknownItems::Add,
        },
        overwrite: args.overwrite,
        name: args.name.clone(),
        source: args.source.clone(),
        licence: args.licence.clone(),
        stop: Some(crate::interrupt::requested),
    }
}

fn mapping(args: &ImportArgs) -> Mapping {
    Mapping {
        item_id: args.item_id.clone(),
        text: args.text.clone(),
        kind: args.kind.clone(),
        valid_from: args.valid_from.clone(),
        active_from: args.active_from.clone(),
        active_to: args.active_to.clone(),
        item_columns: args.item_column.clone(),
        user: args.user.clone(),
        event_item: args.event_item.clone(),
        timestamp: args.timestamp.clone(),
        order: args.order.clone(),
        action: args.action.clone(),
        label: args.label.clone(),
        history: args.history.clone(),
        rating: args.rating.clone(),
        event_columns: args.event_column.clone(),
        history_separator: args.history_separator.clone(),
        unfold: args.unfold,
        actions: args.map_action.clone(),
        context: args.context.clone(),
        ignored: args.ignore.clone(),
    }
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Format {
        match format {
            FormatArg::Table => Format::Table,
            FormatArg::S3rec => Format::S3rec,
            FormatArg::Atomic => Format::Atomic,
            FormatArg::Movielens => Format::Movielens,
            FormatArg::Mind => Format::Mind,
            FormatArg::Pointwise => Format::Pointwise,
            FormatArg::Wikispeedia => Format::Wikispeedia,
        }
    }
}

impl From<UnitArg> for TimeUnit {
    fn from(unit: UnitArg) -> TimeUnit {
        match unit {
            UnitArg::S => TimeUnit::S,
            UnitArg::Ms => TimeUnit::Ms,
            UnitArg::Us => TimeUnit::Us,
            UnitArg::Ns => TimeUnit::Ns,
            UnitArg::Rfc3339 => TimeUnit::Rfc3339,
        }
    }
}

/// A delimiter by itself or by its name.
pub fn delimiter(text: &str) -> Result<u8, String> {
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
fn separator(text: &str) -> Result<String, String> {
    match text {
        "" => Err("expected a text, such as ^ or |".into()),
        "tab" | "\\t" => Ok("\t".into()),
        other => Ok(other.into()),
    }
}

/// `FROM=TO`.
fn both(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((from, to)) if !from.is_empty() && !to.is_empty() => Ok((from.to_owned(), to.to_owned())),
        _ => Err("expected FROM=TO".into()),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, column) = text.split_once('=').unwrap_or((text, text));
    if name.is_empty() || column.is_empty() {
        return Err("expected NAME or NAME=COLUMN".into());
    }
    Ok((name.to_owned(), column.to_owned()))
}
