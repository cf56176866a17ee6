//! What the network knows of items beside their trained rows.

use semrank_core::Kind;
use semrank_tower::PrefixRows;

/// No advertiser.
pub(crate) const NO_ADVERTISER: u32 = u32::MAX;

/// Columns with one entry an item of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct ItemTables<'a> {
    /// Content vectors of unit length, `[items x width]`, or empty.
    pub content: &'a [f32],
    /// Advertiser of each item, `u32::MAX` where it has none; empty where none is known.
    pub advertisers: &'a [u32],
    /// Rows of the prefixes of semantic ids.
    pub prefixes: Option<&'a PrefixRows>,
    /// Ad or organic.
    pub kinds: &'a [Kind],
    /// Items that a fit may look at, one flag an item.
    pub known: &'a [bool],
}

impl ItemTables<'_> {
    /// The advertiser of an item.
    pub(crate) fn advertiser(&self, item: u32) -> Option<u32> {
        self.advertisers.get(item as usize).copied().filter(|&advertiser| advertiser != NO_ADVERTISER)
    }

    /// Whether an item is an ad.
    pub(crate) fn is_ad(&self, item: u32) -> bool {
        self.kinds.get(item as usize) == Some(&Kind::Ad)
    }

    /// Width of a content vector.
    pub(crate) fn width(&self) -> usize {
        self.content.len().checked_div(self.kinds.len()).unwrap_or(0)
    }

    /// The content vector of an item.
    pub(crate) fn content(&self, item: u32) -> &[f32] {
        let width = self.width();
        &self.content[item as usize * width..][..width]
    }
}
