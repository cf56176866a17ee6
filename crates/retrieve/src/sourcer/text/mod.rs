//! Items whose texts share words with a search string or, without one, with the texts of the user's newest events: BM25 (Robertson &
//! Zaragoza 2009, k1 = 1.2, b = 0.75) over an inverted index, by the crate `tantivy`.
//!
//! **Query.** A word weighs as often as a search string has it, or 1 for each of the newest 20 events whose text has it, an event
//! 0.9 times the one after it. The 200 words of most `weight · idf` count.
//! `score(item) = sum over these words of weight · BM25(word, item)`.
//!
//! **Words** are those of [`semrank_embed::hash::words`], in items and queries alike: any script, normalised, no operators. So no text is
//! a syntax error and none asks for more than its words.
//!
//! **Exact.** Every posting of the query's words is read before the best eligible items are kept, so a filter never leaves an answer
//! short. A score depends on the texts that the items have now, not on earlier ones nor on how the index stores them: document
//! frequencies and lengths count items once, and a score is summed in the order of the query's words.
//!
//! **Live.** [`Text::put`] only queues; the next request makes what is queued searchable before it looks.
//!
//! | file | does |
//! |---|---|
//! | `query` | a search string or texts of events -> weighted words |
//! | `index` | items and their words -> the best of a query |
//! | `source` | both; `off` stands in its place without the feature `text` |

#[cfg(feature = "text")]
mod index;
#[cfg(not(feature = "text"))]
mod off;
#[cfg(feature = "text")]
mod query;
#[cfg(feature = "text")]
mod source;

#[cfg(not(feature = "text"))]
pub use off::Text;
#[cfg(feature = "text")]
pub use source::Text;
