//! The items of a data set: ids, texts, kind, and when each may be shown.

use crate::{Dictionary, ItemId};

/// Whether an item is a paid ad or organic content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Content of the feed that is not paid for.
    #[default]
    Organic,
    /// An advertiser's item.
    Ad,
}

/// One text field of every item; an absent text is empty.
#[derive(Debug, Clone)]
pub struct TextColumn {
    /// The column's name, e.g. `title`.
    pub name: String,
    /// One text per item.
    pub values: Vec<String>,
}

/// All items of a data set; row `i` of every column is [`ItemId`]`(i)`.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Id strings.
    pub ids: Dictionary,
    /// Text columns, in the order of `dataset.toml`.
    pub texts: Vec<TextColumn>,
    /// Ad or organic, one per item.
    pub kinds: Vec<Kind>,
    /// First moment an item may be shown (ms UTC); `i64::MIN` where unknown.
    pub active_from: Vec<i64>,
    /// First moment an item may no longer be shown (ms UTC); `i64::MAX` where unknown.
    pub active_to: Vec<i64>,
}

impl Catalog {
    /// Number of items.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The id string of an item.
    pub fn name(&self, item: ItemId) -> &str {
        self.ids.name(item.0)
    }

    /// An item's non-empty texts, in column order.
    pub fn texts_of(&self, item: ItemId) -> impl Iterator<Item = &str> {
        self.texts
            .iter()
            .map(move |column| column.values[item.index()].as_str())
            .filter(|text| !text.is_empty())
    }

    /// An item's texts in one line, for people.
    pub fn label(&self, item: ItemId) -> String {
        self.texts_of(item).collect::<Vec<_>>().join(" · ")
    }
}
