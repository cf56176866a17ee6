//! What others took next to the items of a history, and what shares words with them: the item-item term of the next-item model, alone.

use super::{Request, Scored, Sourcer, keep_best};
use crate::Error;

/// The item-item term as a source.
#[derive(Debug, Clone, Copy, Default)]
pub struct CoEngagement;

impl Sourcer for CoEngagement {
    fn name(&self) -> &'static str {
        "co-engagement"
    }

    fn candidates(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
        let terms = request.user.terms().iter().filter(|(item, _)| request.eligible.contains(*item));
        out.extend(terms.map(|&(item, score)| Scored { item, score }));
        keep_best(n, out);
        Ok(())
    }
}
