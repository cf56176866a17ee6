//! `semrank import`: files of other programs in, a checked data set out.
//!
//! ```text
//! semrank import --items items.parquet --events log.csv --out shop --text title,description --target-action purchase
//! semrank import --format s3rec --items items.tsv --item-id item --text text --events sequences.txt --out beauty
//! semrank import --format pointwise --items items.tsv --train train.csv --valid valid.csv --test test.csv --out shop
//! semrank import --format movielens --events ml-latest-small --out movies
//! gzip -dc log.csv.gz | semrank import --events - --time-format 'DD/MM/YYYY HH:MM' --map-action 1=click --out shop
//! ```

mod columns;
mod summary;
mod values;

pub(crate) use summary::summary;

use crate::error::Error;
use crate::{interrupt, output};
use clap::Args;
use columns::{EventColumns, ItemColumns};
use semrank_console::options::named;
use semrank_data::import::{self, Format, Mapping, Options, PartFiles, UnknownItems};
use std::path::PathBuf;
pub(crate) use values::delimiter;
use values::{FORMATS, UNKNOWN_ITEMS};

/// Turn a catalogue and an event log into a checked data set.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Format of the source. Every file may be compressed by gzip or zstd.
    #[arg(long, value_parser = named(FORMATS), default_value = "table")]
    format: Format,
    /// Events file, folder of part files, or `-` for standard input; for movielens, atomic and mind the folder that holds the
    /// files.
    #[arg(long, value_name = "FILE", required_unless_present = "train", conflicts_with = "train")]
    events: Option<PathBuf>,
    /// Labelled rows to train on, for pointwise.
    #[arg(long, value_name = "FILE")]
    train: Option<PathBuf>,
    /// Labelled rows to choose settings by, for pointwise.
    #[arg(long, value_name = "FILE", requires = "train")]
    valid: Option<PathBuf>,
    /// Labelled rows to report on, for pointwise.
    #[arg(long, value_name = "FILE", requires = "train")]
    test: Option<PathBuf>,
    /// Items file, folder of part files, or `-`. Without one the items are those of the events, without text.
    #[arg(long, value_name = "FILE")]
    items: Option<PathBuf>,
    /// Delimiter of text files: a character, or `tab` [default: from the first lines].
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// Data set folder to make; it appears only when complete.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    item_columns: ItemColumns,
    #[command(flatten)]
    event_columns: EventColumns,
    #[command(flatten)]
    checks: Checks,
    #[command(flatten)]
    description: Description,
    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Checks")]
struct Checks {
    /// Number of bad rows to leave out before the import fails.
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_rejected: u64,
    /// Events whose item the items file lacks: a bad row, or an item without text.
    #[arg(long, value_parser = named(UNKNOWN_ITEMS), default_value = "reject")]
    unknown_items: UnknownItems,
    /// Replace the data set at --out.
    #[arg(long)]
    overwrite: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Description")]
struct Description {
    /// Name of the data set [default: that of its folder].
    #[arg(long)]
    name: Option<String>,
    /// Where the data comes from [default: the file names].
    #[arg(long)]
    source: Option<String>,
    /// Licence of the data.
    #[arg(long)]
    licence: Option<String>,
}

/// Runs the verb.
pub(crate) fn import(args: ImportArgs) -> Result<(), Error> {
    let json = args.json;
    let report = import::import(&args.options())?;
    if json { output::json(&report) } else { output::text(&summary(&report)) }
}

impl ImportArgs {
    fn options(self) -> Options {
        let ImportArgs { item_columns, event_columns: events, checks, description, .. } = self;
        Options {
            format: self.format,
            events: self.events.unwrap_or_default(),
            parts: PartFiles { train: self.train, valid: self.valid, test: self.test },
            items: self.items,
            out: self.out,
            timestamp_unit: events.timestamp_unit,
            time_format: events.time_format.clone(),
            default_action: events.default_action.clone(),
            target_action: events.target_action.clone(),
            min_rating: events.min_rating,
            mapping: mapping(item_columns, events),
            delimiter: self.delimiter,
            max_rejected: checks.max_rejected,
            unknown_items: checks.unknown_items,
            overwrite: checks.overwrite,
            name: description.name,
            source: description.source,
            licence: description.licence,
            stop: Some(interrupt::requested),
        }
    }
}

fn mapping(items: ItemColumns, events: EventColumns) -> Mapping {
    Mapping {
        item_id: items.item_id,
        text: items.text,
        kind: items.kind,
        valid_from: items.valid_from,
        active_from: items.active_from,
        active_to: items.active_to,
        item_columns: items.item_column,
        user: events.user,
        event_item: events.event_item,
        timestamp: events.timestamp,
        order: events.order,
        action: events.action,
        label: events.label,
        history: events.history,
        rating: events.rating,
        event_columns: events.event_column,
        history_separator: events.history_separator,
        unfold: events.unfold,
        actions: events.map_action,
        context: events.context,
        ignored: events.ignore,
    }
}
