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
    let (live, all) = (retrieval.live(), Bitmap::full(data.dataset.catalog.len()));
    let count = cases.len().min(most);
    for case in (0..count).map(|at| &cases[at * cases.len() / count]) {
        context.check()?;
        let user = live.servable.user(data.dataset.events.before(case.user, case.end));
        let mut eligible = all.clone();
        live.servable.masked(&user).iter().for_each(|item| _ = eligible.set(item.0, false));
        let request = Request::new(&live.servable, &user, &eligible);
        take(case, &Request { names: Some(&live.names), ..request })?;
    }
    Ok(())
}
