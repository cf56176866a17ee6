//! The first stage of a [`Run`].

use super::{IndexStage, Quotas, Retrieval};
use crate::stage::Done;
use crate::{Context, Error, Run, cursor_key};
use semrank_retrieve::CursorKey;

const AGAIN: &str =
    "the quotas were chosen for other sources, or by another semrank: repeat `semrank index RUN`";

impl Run {
    /// The first stage of `task=next-item`: sources of candidates, and what may be shown.
    ///
    /// # Errors
    /// As for [`Run::model`]; item columns that cannot be read.
    pub fn retrieval(&self) -> Result<Retrieval, Error> {
        Retrieval::new(self.model()?)
    }

    fn index_stage<'a>(&'a self, retrieval: &'a Retrieval) -> Result<IndexStage<'a>, Error> {
        let (model, (config, seed), data) = (self.model_hash()?, self.asked(), self.data()?);
        Ok(IndexStage { retrieval, data, config, seed, model })
    }

    /// Makes the stage `index`, which chooses the sources' quotas, or reads it.
    ///
    /// # Errors
    /// Scores that are not numbers; [`Error::Interrupted`].
    pub fn make_index(&self, retrieval: &Retrieval, context: &Context) -> Result<(Quotas, Done), Error> {
        self.make(&self.index_stage(retrieval)?, context)
    }

    /// The quotas that the stage `index` chose; even ones where it was never made.
    ///
    /// # Errors
    /// A stage that is damaged or of something else.
    pub fn quotas(&self, retrieval: &Retrieval) -> Result<Quotas, Error> {
        match self.read(&self.index_stage(retrieval)?) {
            Ok((quotas, _)) => Ok(quotas),
            Err(Error::MissingStage { .. }) => Ok(Quotas::even(&retrieval.names())),
            Err(error) => Err(error.with_help(AGAIN)),
        }
    }

    /// What signs the cursors of this run's pages, made when it is first asked for.
    ///
    /// # Errors
    /// A folder that cannot be written, a damaged file.
    pub fn cursor_key(&self) -> Result<CursorKey, Error> {
        cursor_key::open(self.path())
    }
}
