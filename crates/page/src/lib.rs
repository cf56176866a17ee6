//! Numbers and texts in, one self-contained HTML page with SVG pictures out.
//!
//! A page loads nothing: style and pictures are inside it, there is no script, and it follows the
//! reader's light or dark scheme, on a phone as on a desk. Every text is escaped; a number that is not finite
//! is shown as "–".
//!
//! | file | does |
//! |---|---|
//! | `layout` | the page around its content: sections and cards |
//! | `table` | tables of rows, and of names with values |
//! | `charts`, `scatter`, `profile`, `frame` | line chart, grouped bars, points and sorted thin bars as SVG |
//! | `forest`, `trend` | estimates with their intervals: one a row, and along an axis |
//! | `text` | escaping and numbers |
//!
//! ```
//! use semrank_page::{Row, heads, page, section, table};
//!
//! let rows = [Row { cells: vec!["a &amp; b".into(), "7".into()], best: true }];
//! let body = section("sizes", "Sizes", &table("numbers", "All of them", &heads(&["name", "items"]), &rows));
//! let html = page("Shop", "What was found", &body, "semrank");
//! assert!(html.starts_with("<!doctype html>") && html.contains("<th scope=\"row\">a &amp; b</th>"));
//! ```

mod charts;
mod forest;
mod frame;
mod layout;
mod profile;
mod scatter;
mod table;
mod text;
mod trend;

pub use charts::{Bars, HALF, Labelled, Lines, Series, WIDE, bars, lines};
pub use forest::{Forest, Reading, Spread, forest};
pub use frame::swatch;
pub use layout::{card_list, page, section};
pub use profile::{Profile, profile};
pub use scatter::{Point, Scatter, scatter};
pub use table::{Row, heads, notes, pairs, table};
pub use text::{
    UNKNOWN, count, counted, counts_in, escape, fixed, isolate, metric, seconds, signed, signed_percent,
};
pub use trend::{Place, Track, Trend, trend};
