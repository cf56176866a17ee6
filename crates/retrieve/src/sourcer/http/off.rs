//! In place of `source` where the library was built without the feature `http`: no such source can be opened.

use super::HttpSpec;
use crate::Error;
use crate::sourcer::{Request, Scored, Sourcer};
use std::time::Duration;

/// An address as a source: none of this type exists.
pub enum Http {}

impl Http {
    /// # Errors
    /// Always: the library was built without its feature `http`.
    pub fn open(spec: &HttpSpec, _: Duration) -> Result<Self, Error> {
        let message = "this program was built without the feature `http`".to_owned();
        Err(Error::Backend { backend: spec.url().to_owned(), message })
    }
}

impl Sourcer for Http {
    fn name(&self) -> &'static str {
        match *self {}
    }

    fn candidates(&self, _: &Request, _: usize, _: &mut Vec<Scored>) -> Result<(), Error> {
        match *self {}
    }
}
