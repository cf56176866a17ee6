//! In place of `source` where the library was built without the feature `text`: there is no such source.

use crate::Error;
use crate::sourcer::{Request, Scored, Sourcer};

/// Texts as a source: none of this type exists.
pub enum Text {}

impl Text {
    /// None: the library was built without its feature `text`.
    ///
    /// # Errors
    /// None.
    pub fn new(_: impl IntoIterator<Item = String>) -> Result<Option<Self>, Error> {
        Ok(None)
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn put(&self, _: u32, _: &str) -> Result<(), Error> {
        match *self {}
    }
}

impl Sourcer for Text {
    fn name(&self) -> &'static str {
        match *self {}
    }

    fn candidates(&self, _: &Request, _: usize, _: &mut Vec<Scored>) -> Result<(), Error> {
        match *self {}
    }
}
