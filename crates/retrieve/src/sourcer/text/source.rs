//! The texts, the index of their words, and what a request looks for.

use super::index::WordIndex;
use super::query::Query;
use crate::Error;
use crate::sourcer::{Request, Scored, Sourcer, keep_best};
use semrank_core::narrow;
use std::sync::{PoisonError, RwLock};

/// Newest events that a query is made of.
const EVENTS: usize = 20;
/// Weight of an event relative to the next newer one.
const DECAY: f32 = 0.9;
/// Words of a query at most.
const WORDS: usize = 200;

/// Texts as a source.
pub struct Text {
    /// By item; empty where there is none.
    texts: RwLock<Vec<Box<str>>>,
    index: WordIndex,
}

impl Text {
    /// Of the texts of a catalogue; none where the library was built without its feature `text`.
    ///
    /// # Errors
    /// [`Error::Backend`] where the index cannot be made, such as without memory for it.
    pub fn new(texts: impl IntoIterator<Item = String>) -> Result<Option<Self>, Error> {
        let out = Self { texts: RwLock::default(), index: WordIndex::new()? };
        for (item, text) in texts.into_iter().enumerate() {
            out.put(narrow::index(item), &text)?;
        }
        // Else the first request would wait for a whole catalogue, and be late.
        out.index.publish()?;
        Ok(Some(out))
    }

    /// Takes in the text of an item, in place of an earlier one: from the next request on it is found by these words and no others.
    ///
    /// # Errors
    /// [`Error::Backend`] where the index cannot be written.
    pub fn put(&self, item: u32, text: &str) -> Result<(), Error> {
        let mut texts = self.texts.write().unwrap_or_else(PoisonError::into_inner);
        self.index.put(item, text)?;
        let at = item as usize;
        if texts.len() <= at {
            texts.resize_with(at + 1, Box::default);
        }
        texts[at] = text.into();
        Ok(())
    }

    fn query(&self, request: &Request) -> Query {
        if let Some(search) = request.search {
            return Query::of_search(search);
        }
        let texts = self.texts.read().unwrap_or_else(PoisonError::into_inner);
        let newest = request.user.recent().items.iter().rev().take(EVENTS);
        Query::of_events(newest.map(|item| texts.get(item.index()).map_or("", |text| text)), DECAY)
    }
}

impl Sourcer for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn candidates(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
        *out = self.index.search(&self.query(request), WORDS, request.eligible)?;
        keep_best(n, out);
        Ok(())
    }
}
