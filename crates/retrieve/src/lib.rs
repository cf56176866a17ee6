//! Early-stage retrieval: a user in, candidates for the ranker out, from several sources, in about a millisecond per million items.
//!
//! | module | does |
//! |---|---|
//! | [`Filter`], [`ItemTable`] | an expression over item columns -> the items that pass |
//! | [`Eligibility`] | which items may be shown now: neither deleted nor paused, within their time window, passing a filter |
//! | [`Index`], [`Flat`], [`IndexUrl`] | vectors -> the best eligible items by inner product; the flat index is exact, others are chosen by URL |
//! | [`Sourcer`] | one way to find candidates: by the ranker's own score, by content, by semantic ids, by co-engagement, by popularity, by words … |
//! | [`Funnel`] | quotas, merging, provenance |
//! | [`Early`] | a score over the same index, distilled from a click ranker |
//! | [`Cursor`] | which items earlier pages have shown, signed |
//! | [`report`] | recall, unique recall, survivors and marginal recall of every source |
//! | [`mod@bench`] | searches of random vectors, timed |
//!
//! **A result depends on the eligible set only**: min(k, eligible) items, whatever was deleted, blocked or changed before
//! (`tests/conformance.rs`). **The `sequence` source is the next-item ranker itself**: the same items with the same scores, bit by bit, as
//! scoring the whole catalogue (`tests/exact.rs`).

pub mod bench;
#[cfg(any(feature = "http", feature = "milvus"))]
mod client;
mod cursor;
pub mod early;
mod eligible;
mod error;
mod filter;
mod funnel;
pub mod index;
pub mod report;
mod schedule;
pub mod sourcer;
pub mod standing;
mod table;

pub use cursor::{Cursor, CursorError, CursorKey, Scope};
pub use early::Early;
pub use eligible::{Eligibility, Items};
pub use error::{Error, FilterError};
pub use filter::{Filter, Order};
pub use funnel::{Answer, Asked, Candidate, Found, Funnel, Provenance, Quota, SourceReport};
pub use index::{Flat, Index, IndexUrl};
pub use semrank_nn::scan::{Bitmap, Hit, Precision};
pub use sourcer::{Request, Scored, Sourcer};
pub use table::{ItemTable, Value};
