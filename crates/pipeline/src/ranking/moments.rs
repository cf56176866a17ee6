//! Users at moments before the tests of both runs, their candidates, and what the click model says of these.

use crate::response::{ClickModel, Moment};
use crate::retrieval::{Quotas, Retrieval};
use crate::{Data, Error, Part};
use semrank_core::{History, ItemId, Rng, UserId, narrow};
use semrank_retrieve::early::Sample;
use semrank_retrieve::{Bitmap, Funnel, Request};
use semrank_sequence::UserState;
use std::time::Duration;

/// A user just before an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub(super) user: UserId,
    /// Number of the first event that is not of the history.
    pub(super) end: usize,
    /// ms UTC.
    pub(super) time: i64,
}

/// Moments that neither run tests on: of each user the last one, and one after three quarters of the events before it; evenly spread
/// users where these are more than `most`.
pub(super) fn moments(data: &Data, clicks: &ClickModel, most: usize) -> Vec<At> {
    let events = &data.dataset.events;
    let mut limits = data.scope.ends().to_vec();
    data.split.validation.iter().for_each(|case| limits[case.user.index()] = case.end);
    let mut out = Vec::new();
    for (user, limit) in (0..).map(UserId).zip(limits) {
        let start = events.range(user).start;
        let is_before = |at: &usize| clicks.is_before_test(user, *at, events.times()[*at]);
        let count = (start..limit).take_while(is_before).count();
        let ends = [count, count * 3 / 4];
        let ends = &ends[..if ends[0] > ends[1] && ends[1] > 0 { 2 } else { 1 }];
        let ends = ends.iter().filter(|count| **count > 0).map(|count| start + count);
        out.extend(ends.map(|end| At { user, end, time: events.times()[end - 1] }));
    }
    spread(&out, most)
}

/// The cases of a part as moments.
pub(super) fn cases(data: &Data, part: Part, most: usize) -> Vec<At> {
    let times = data.dataset.events.times();
    let at = |case: &semrank_data::Case| At { user: case.user, end: case.end, time: times[case.end] };
    spread(&part.cases(data).iter().map(at).collect::<Vec<_>>(), most)
}

fn spread(all: &[At], most: usize) -> Vec<At> {
    let count = all.len().min(most);
    (0..count).map(|at| all[at * all.len() / count]).collect()
}

/// A funnel, and a click model to learn from.
pub(super) struct Teacher<'a> {
    pub(super) retrieval: &'a Retrieval,
    /// Without deadlines, so that a result does not depend on the machine.
    pub(super) funnel: Funnel,
    pub(super) clicks: &'a ClickModel,
    pub(super) data: &'a Data,
}

impl<'a> Teacher<'a> {
    /// Over the funnel with these quotas.
    pub(super) fn new(
        retrieval: &'a Retrieval,
        quotas: &Quotas,
        clicks: &'a ClickModel,
        data: &'a Data,
    ) -> Self {
        let quota = |name: &str| Some(quotas.of(name)).filter(|&items| items > 0);
        Self { retrieval, funnel: retrieval.with_deadline(Duration::MAX, quota), clicks, data }
    }

    /// Calls `answer` with a moment's request: all items that are of a kind that the click model ranks, less those that are never recommended.
    pub(super) fn with_request<T>(
        &self,
        at: At,
        answer: impl FnOnce(&Request) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let live = self.retrieval.live();
        let kinds = &self.data.dataset.catalog.kinds;
        let mut eligible: Bitmap = kinds.iter().map(|&kind| self.clicks.ranks(kind)).collect();
        let user: UserState = live.servable.user(self.history(at));
        live.servable.masked(&user).iter().for_each(|item| _ = eligible.set(item.0, false));
        answer(&Request { names: Some(&live.names), ..Request::new(&live.servable, &user, &eligible) })
    }

    fn history(&self, at: At) -> History<'_> {
        self.data.dataset.events.before(at.user, at.end)
    }

    /// The click model's log odds of items.
    pub(super) fn log_odds(&self, at: At, items: &[u32]) -> Vec<f64> {
        let events = &self.data.dataset.events;
        let dwells = events.dwells().get(events.range(at.user).start..at.end).unwrap_or(&[]);
        let moment = Moment { dwells, ..Moment::at(at.time) };
        let items: Vec<ItemId> = items.iter().map(|&item| ItemId(item)).collect();
        let user = Some(self.data.dataset.users.name(at.user.0));
        let scores = self.clicks.score((user, self.history(at)), &moment, &items);
        scores.iter().map(|score| self.clicks.log_odds(score)).collect()
    }

    /// What an early-stage model learns from a moment: the first candidates, some of the others, and items drawn from all.
    pub(super) fn sample(&self, at: At, number: usize, seed: u64) -> Result<Sample, Error> {
        const FIRST: usize = 50;
        const OTHERS: usize = 50;
        const DRAWN: usize = 100;
        self.with_request(at, |request| {
            let found: Vec<u32> =
                self.funnel.gather(request, 0).items.iter().map(|found| found.item).collect();
            let (first, others) = found.split_at(found.len().min(FIRST));
            let mut items = first.to_vec();
            items.extend(others.iter().step_by(others.len().div_ceil(OTHERS).max(1)));
            let all: Vec<u32> = request.eligible.iter().collect();
            let mut rng = Rng::new(seed, "early-stage items").fork(u64::from(narrow::index(number)));
            items.extend((0..DRAWN.min(all.len())).map(|_| all[rng.below(all.len())]));
            items.sort_unstable();
            items.dedup();
            let log_odds = self.log_odds(at, &items).into_iter().map(|value| value as f32).collect();
            Ok(Sample { query: request.servable.fused_query(request.user, 0.0).values, items, log_odds })
        })
    }
}
