//! What has to know every item that the first stage knows: a model behind it.

use super::fields::{FieldValue, Fields};
use crate::{Context, Error};
use semrank_core::{ItemId, Kind};
use semrank_embed::Document;

/// An item that the first stage did not know.
#[derive(Debug, Clone, Copy)]
pub struct NewItem<'a> {
    /// Its row.
    pub row: ItemId,
    /// Its texts.
    pub document: Document<'a>,
    /// Its columns.
    pub fields: Option<&'a Fields>,
}

impl NewItem<'_> {
    /// The text of a column, if it has one.
    pub fn text(&self, column: &str) -> Option<&str> {
        self.fields?.get(column).and_then(FieldValue::text).filter(|text| !text.is_empty())
    }

    /// Ad or organic.
    pub fn kind(&self) -> Kind {
        if self.text("kind") == Some("ad") { Kind::Ad } else { Kind::Organic }
    }
}

/// Has every item that the first stage has.
pub trait Follower: Send + Sync {
    /// Takes in new items, in the order of their rows. The sources may find them already.
    ///
    /// # Errors
    /// A text that its encoder refuses.
    fn put(&self, items: &[NewItem], context: &Context) -> Result<(), Error>;
}
