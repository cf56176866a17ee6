//! The held-out cases of a part, as requests.

use super::Retrieval;
use crate::{Context, Data, Error, Part};
use semrank_data::Case;
use semrank_retrieve::{Bitmap, Request};

/// Calls `take` with the cases of a part, at most `most`, spread evenly, and what is asked for.
pub(super) fn each_case(
    retrieval: &Retrieval,
    data: &Data,
    (part, most): (Part, usize),
    context: &Context,
    mut take: impl FnMut(&Case, &Request) -> Result<(), Error>,
) -> Result<(), Error> {
    let cases = part.cases(data);
    let eligible = Bitmap::full(data.dataset.catalog.len());
    let step = cases.len().div_ceil(most.max(1)).max(1);
    for case in cases.iter().step_by(step) {
        context.check()?;
        let user = retrieval.servable.user(data.dataset.events.before(case.user, case.end));
        take(case, &Request { user: &user, user_id: None, eligible: &eligible })?;
    }
    Ok(())
}
