//! A source of the user's own behind an address: a graph, a rule engine, another model.
//!
//! ```text
//! POST http://127.0.0.1:9000/candidates
//! {"user": "U7", "history": ["i3", "i9"], "n": 100, "filter": "kind = ad"}        history: newest last
//! -> {"items": [{"item": "i4", "score": 0.7}, …]}
//! ```
//!
//! `user` is null for somebody without an id; `filter` and `search` are there where the request has them. The order of `items` does not
//! matter. Unknown items, those that may not be shown, and scores that are no numbers are left out and counted. Of an item named twice
//! the better score counts. Other members of the answer are ignored.
//!
//! **Bounds.** One attempt within the deadline, from the address's look-up to the last byte; an answer of at most 1 KiB per
//! candidate asked for and 64 KiB more; no redirect is followed. What goes wrong is an error that the funnel names.
//!
//! | file | does |
//! |---|---|
//! | `spec` | `NAME=http://…` |
//! | `source` | question and answer; `off` stands in its place without the feature `http` |

#[cfg(not(feature = "http"))]
mod off;
#[cfg(feature = "http")]
mod source;
mod spec;

#[cfg(not(feature = "http"))]
pub use off::Http;
#[cfg(feature = "http")]
pub use source::Http;
pub use spec::HttpSpec;
