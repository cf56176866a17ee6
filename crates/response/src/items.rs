//! What the model knows of items beside their trained rows: one owned table, shared by training, state and model.
//!
//! Any `u32` names an item. One beyond the table is unknown: it has no content, no advertiser and no prefixes, and is organic.

use semrank_core::{Kind, narrow};
use semrank_tower::{ItemParts, PrefixRows};

/// No advertiser.
pub(crate) const NO_ADVERTISER: u32 = u32::MAX;

/// Columns with one entry per item of the catalogue.
#[derive(Debug, Clone, Default)]
pub struct Items {
    /// Content vectors of unit length, `[items x width]`, or empty.
    pub content: Vec<f32>,
    /// Advertiser of each item, `u32::MAX` where it has none; empty where none is known.
    pub advertisers: Vec<u32>,
    /// Rows of the prefixes of semantic ids.
    pub prefixes: Option<PrefixRows>,
    /// Ad or organic.
    pub kinds: Vec<Kind>,
    /// Items that a fit may look at, one flag per item.
    pub known: Vec<bool>,
}

impl Items {
    /// Number of items.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The row of an item; all unknown items share the row behind the last.
    pub(crate) fn row(&self, item: u32) -> u32 {
        item.min(narrow::count(self.len()))
    }

    /// The advertiser of an item.
    pub(crate) fn advertiser(&self, item: u32) -> Option<u32> {
        self.advertisers.get(item as usize).copied().filter(|&advertiser| advertiser != NO_ADVERTISER)
    }

    /// Number of advertisers.
    pub(crate) fn advertiser_count(&self) -> usize {
        let numbers = self.advertisers.iter().filter(|&&advertiser| advertiser != NO_ADVERTISER);
        numbers.max().map_or(0, |&most| most as usize + 1)
    }

    /// Whether an item is an ad.
    pub(crate) fn is_ad(&self, item: u32) -> bool {
        self.kinds.get(item as usize) == Some(&Kind::Ad)
    }

    /// Width of a content vector.
    pub(crate) fn width(&self) -> usize {
        self.content.len().checked_div(self.len()).unwrap_or(0)
    }

    /// The content vector of an item; empty for an unknown one.
    pub(crate) fn content(&self, item: u32) -> &[f32] {
        let width = self.width();
        self.content.get(item as usize * width..).and_then(|rest| rest.get(..width)).unwrap_or(&[])
    }

    /// What the item tower reads.
    pub(crate) fn parts(&self) -> ItemParts<'_> {
        ItemParts { content: &self.content, advertisers: &self.advertisers, prefixes: self.prefixes.as_ref() }
    }
}
