//! The early-stage model as a source: another query to the index of the next-item ranker.

use super::{Request, Scored, Sequence, Sourcer};
use crate::{Early, Error};
use std::sync::Arc;

/// What an early-stage model puts first, exactly.
pub struct EarlyStage {
    index: Arc<Sequence>,
    model: Arc<Early>,
}

impl EarlyStage {
    /// Over the rows of the ranker that the model was distilled over.
    pub fn new(index: Arc<Sequence>, model: Arc<Early>) -> Self {
        Self { index, model }
    }
}

impl Sourcer for EarlyStage {
    fn name(&self) -> &'static str {
        "early-stage"
    }

    fn candidates(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
        let fused = request.servable.fused_query(request.user, 0.0).values;
        let found = self.index.search(&self.model.query(&fused), n, request.eligible)?;
        out.extend(found.iter().map(|hit| Scored { item: hit.row, score: hit.score }));
        Ok(())
    }
}
