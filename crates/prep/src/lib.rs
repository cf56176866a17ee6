//! A raw event log in, labelled examples that know only what was known in time out.
//!
//! [`prepare`] reads a data set folder whose `events.parquet` holds impressions, clicks, conversions and whatever else users did,
//! and makes another one: `items.parquet` as it is, `events.parquet` with the histories, `examples.parquet` with one row an
//! impression. The work is plain SQL (`src/sql/`, a file per step) on DataFusion, whose sorts spill to disk: a log may be larger
//! than memory, as long as its repeated rows, its clicks and its conversions are not, which joins hold. The output does not depend on
//! the number of threads or on the memory limit.
//!
//! # Rules
//!
//! | of | rule |
//! |---|---|
//! | duplicates | rows of one `event_id`, or without one of one user, item, action and timestamp, are one event: the row received first, then of the lowest `seq` |
//! | clocks | a `timestamp` more than `clock_tolerance_seconds` ahead of `received_at` is replaced by it; a click is never before the impression that it names, a conversion never before the click or impression that it names: whatever the clocks say, such an event happened with its parent |
//! | parents | `parent_event_id` names an event of the same user and item; any other is treated as one that the log does not have |
//! | late events | count like others, and are known only when they were received |
//! | order | by time, then `seq`; the order of the rows in the file has no meaning. At one moment an impression is before a click, a click before a conversion |
//! | a click | belongs to the impression that it names (`parent_event_id`), else to its user's last impression of its item; it counts within `click_minutes`, before or after by the clocks |
//! | several clicks | the first within the window is the impression's click: its time, its dwell |
//! | a conversion | belongs to the click that it names, else to its user's last (`first-touch`: first within the window) attributed click on its item; it counts within `conversion_days` of the impression's click, before or after by the clocks |
//! | `click_received`, `conversion_received` | when the log had the click, or the conversion: the first it had of several; only of a log with `received_at` |
//! | view-through | a conversion without a click in its window belongs to its user's last impression of its item, if that was not clicked and is at most `view_through_days` old |
//! | `label_conversion` | of a clicked impression 0 or 1; of another one 1 after a view-through conversion, else null |
//! | span of the log | the days that have a usual number of some action's events ([`semrank_core::span`]): from the first to the last, clocks corrected. Less than 1 % of the events may lie before it, and less than 1 % happen or arrive after it: they are left out and counted. Pauses of more than a year are refused |
//! | end of the log | the last moment within the span at which anything happened or was received |
//! | `matured` | 1 when the attribution window of the click, or without a click the click and view-through windows of the impression, were over at the end of the log |
//! | history | everything but impressions; `known_at` is when an event is known |
//! | what is known | an event is known when it has happened and was received and its dwell is over, `logging_delay_seconds` later; an example sees the longest beginning of its user's history whose events were all known strictly before it was shown: before its time, or before it was received where its clock is ahead |
//!
//! The last rule is what makes a history an offset: an event that is not known yet hides those after it, for the minutes until it
//! is. So an example may see less than was known, and never more.
//!
//! ```no_run
//! use semrank_prep::{prepare, settings_of};
//! # fn main() -> Result<(), semrank_prep::Error> {
//! let settings = settings_of("raw".as_ref(), &[])?;
//! let report = prepare("raw".as_ref(), "ads".as_ref(), &settings, &|| false)?;
//! println!("{} impressions, {} clicked", report.impressions, report.clicked);
//! # Ok(())
//! # }
//! ```

mod batch;
mod engine;
mod error;
mod examples;
mod history;
mod input;
mod parts;
mod pool;
mod prepare;
mod report;
mod settings;
mod span;
mod sql;

pub use error::Error;
pub use parts::Cuts;
pub use prepare::prepare;
pub use report::{ClickCounts, ConversionCounts, Pause, PrepReport, Strays};
pub use semrank_data::{Attribution, PrepSettings};
pub use settings::settings_of;
