//! Catalogues and event logs of other programs in, a checked data set out.
//!
//! Every format streams through the same checks: ids are unique and not empty, events have known items, times are
//! plausible, text is UTF-8. The first bad row ends the import, or, with [`Options::max_rejected`], is counted. The
//! output folder appears only when everything is written.
//!
//! ```
//! use semrank_data::import::{Mapping, Options, import};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let events = folder.path().join("log.csv");
//! std::fs::write(&events, "who,item,timestamp\nann,07,1700000000\nbob,7,1700000001\n")?;
//! let mapping = Mapping { user: Some("who".into()), ..Mapping::default() };
//! let report = import(&Options { events, out: folder.path().join("set"), mapping, ..Options::default() })?;
//! assert_eq!((report.users, report.items), (2, 2)); // "07" and "7" are two items
//! # Ok(())
//! # }
//! ```

mod absent;
mod actions;
mod alike;
mod delimited;
mod duplicates;
mod events;
mod extra;
mod header;
mod items;
mod json_rows;
mod json_values;
mod lines;
mod list;
mod mind;
mod movielens;
mod options;
mod pairs;
mod parquet_rows;
mod partitions;
mod parts;
mod pointwise;
mod recbole;
mod rows;
mod s3rec;
mod session;
mod source;
mod table;
mod texts;
mod time;
mod time_format;
mod unfold;
mod warnings;

pub use options::{Format, Mapping, Options, PartFiles, UnknownItems};
pub use pairs::{PairColumns, PairReader, PairRow};
pub use texts::{TextColumns, TextReader, TextRow};
pub use time::TimeUnit;

use crate::{Error, ImportReport};

/// Imports a source as a data set.
///
/// # Errors
/// Everything that [`Error`] lists; nothing is left behind then, and an existing data set is untouched.
pub fn import(options: &Options) -> Result<ImportReport, Error> {
    options.check()?;
    match options.format {
        Format::Table => table::import(options),
        Format::S3rec => s3rec::import(options),
        Format::Movielens => movielens::import(options),
        Format::Atomic => recbole::import(options),
        Format::Mind => mind::import(options),
        Format::Pointwise => pointwise::import(options),
    }
}
