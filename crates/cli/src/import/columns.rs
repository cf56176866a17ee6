//! Which columns of the source hold what, as arguments.

use super::values::{UNITS, pair, renamed, separator};
use clap::Args;
use semrank_console::options::named;
use semrank_data::import::TimeUnit;

/// Columns of the items file.
#[derive(Debug, Args)]
#[command(next_help_heading = "Item columns")]
pub(super) struct ItemColumns {
    /// Id column of the items file [default: item_id, item, itemId …].
    #[arg(long, value_name = "COLUMN")]
    pub(super) item_id: Option<String>,
    /// Text columns, by commas [default: title, name, text, description … where they exist].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(super) text: Option<Vec<String>>,
    /// Column that says `ad` or `organic`.
    #[arg(long, value_name = "COLUMN")]
    pub(super) kind: Option<String>,
    /// Time from which an item's row holds; an item may then have several rows.
    #[arg(long, value_name = "COLUMN")]
    pub(super) valid_from: Option<String>,
    /// First time an item may be shown; 1970-01-01 means no start.
    #[arg(long, value_name = "COLUMN")]
    pub(super) active_from: Option<String>,
    /// First time an item may no longer be shown; 9999-12-31 means no end.
    #[arg(long, value_name = "COLUMN")]
    pub(super) active_to: Option<String>,
    /// Another item column to keep, e.g. `bid=cpc` or `margin`. Kept anyway: advertiser_id, campaign_id, bid, budget,
    /// budget_left, spent, status. A list, in Parquet or JSON, stays one.
    #[arg(long, value_name = "NAME[=COLUMN]", value_parser = pair)]
    pub(super) item_column: Vec<(String, String)>,
}

/// Columns of the events file, or of the labelled rows.
#[derive(Debug, Args)]
#[command(next_help_heading = "Event columns")]
pub(super) struct EventColumns {
    /// User column [default: user_id, user, userId …].
    #[arg(long, value_name = "COLUMN")]
    pub(super) user: Option<String>,
    /// Item column of the events file [default: the name of --item-id, item_id, item, itemId …].
    #[arg(long, value_name = "COLUMN")]
    pub(super) event_item: Option<String>,
    /// Time column [default: timestamp, time]; without one the order of the rows counts.
    #[arg(long, value_name = "COLUMN")]
    pub(super) timestamp: Option<String>,
    /// Unit of all time columns [default: from the first value].
    #[arg(long, value_parser = named(UNITS), value_name = "UNIT")]
    pub(super) timestamp_unit: Option<TimeUnit>,
    /// Format of all time columns that hold other texts: YYYYMMDD, 'DD/MM/YYYY HH:MM', or as in strptime(3),
    /// '%d.%m.%Y %H:%M'.
    #[arg(long, value_name = "FORMAT", conflicts_with = "timestamp_unit")]
    pub(super) time_format: Option<String>,
    /// Integer column that orders a user's events, where there is not a time.
    #[arg(long, value_name = "COLUMN", conflicts_with = "timestamp")]
    pub(super) order: Option<String>,
    /// Action column [default: action, event].
    #[arg(long, value_name = "COLUMN")]
    pub(super) action: Option<String>,
    /// Action of all events, where there is no such column [default: view; movielens and atomic: rate].
    #[arg(long, value_name = "NAME", conflicts_with = "action")]
    pub(super) default_action: Option<String>,
    /// Name of an action in the source and in the data set, e.g. `1=click`; may be repeated.
    #[arg(long, value_name = "FROM=TO", value_parser = renamed)]
    pub(super) map_action: Vec<(String, String)>,
    /// The item column holds lists, oldest first: one event per item, in this order. The time and the action are
    /// lists of the same length, or one value.
    #[arg(long)]
    pub(super) unfold: bool,
    /// The action to predict, e.g. purchase [default: all; mind: click].
    #[arg(long, value_name = "NAME")]
    pub(super) target_action: Option<String>,
    /// Label column of labelled rows, 0 or 1 [default: label, click, label_click].
    #[arg(long, value_name = "COLUMN")]
    pub(super) label: Option<String>,
    /// Column of labelled rows that lists the items before each, oldest first [default: history].
    #[arg(long, value_name = "COLUMN")]
    pub(super) history: Option<String>,
    /// Separator of the items in a list that is a text, in --history and with --unfold: a text, or `tab` [default: commas
    /// or blanks].
    #[arg(long, value_name = "TEXT", value_parser = separator)]
    pub(super) history_separator: Option<String>,
    /// Columns of labelled rows to keep as context, by commas [default: all that have no other meaning].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', requires = "train")]
    pub(super) context: Option<Vec<String>>,
    /// Columns of labelled rows to leave out, by commas.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', requires = "train")]
    pub(super) ignore: Vec<String>,
    /// Rating column, kept as `value` [default: rating].
    #[arg(long, value_name = "COLUMN")]
    pub(super) rating: Option<String>,
    /// Leave out events rated below this [default: keep every rating].
    #[arg(long, value_name = "NUMBER")]
    pub(super) min_rating: Option<f64>,
    /// Another event column to keep, e.g. `dwell_ms=duration` or `country`.
    #[arg(long, value_name = "NAME[=COLUMN]", value_parser = pair)]
    pub(super) event_column: Vec<(String, String)>,
}
