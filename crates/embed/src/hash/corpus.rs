//! The input of token counting: items with texts, from a catalogue or from a part of a longer stream.

use crate::Document;
use semrank_core::{Catalog, ItemId, narrow};

/// Items with texts.
pub trait Corpus: Sync {
    /// Number of items.
    fn len(&self) -> usize;

    /// Whether there are no items.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `visit` with each text of an item that is not empty.
    fn each_text(&self, item: usize, visit: &mut dyn FnMut(&str));
}

impl Corpus for Catalog {
    fn len(&self) -> usize {
        Catalog::len(self)
    }

    fn each_text(&self, item: usize, visit: &mut dyn FnMut(&str)) {
        self.texts_of(ItemId(narrow::index(item))).for_each(visit);
    }
}

impl Corpus for &[Document<'_>] {
    fn len(&self) -> usize {
        <[Document<'_>]>::len(self)
    }

    fn each_text(&self, item: usize, visit: &mut dyn FnMut(&str)) {
        self[item].fields.iter().map(|field| field.text).filter(|text| !text.is_empty()).for_each(visit);
    }
}
