//! When users come: settings in, all requests and organic views of a play out, in order of time.
//!
//! The plan is drawn before the play, so that it does not depend on what is served. Unlike in the market's own log, a
//! click does not delay the next request.

use crate::impressions::engine::{HOUR_MS, SLOT_MS, request_share, session_length};
use crate::impressions::people::{Person, draw, poisson};
use crate::impressions::{AdMarketConfig, Surface};
use crate::users;
use semrank_core::Rng;

/// A request or an organic view to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Visit {
    pub(crate) time_ms: i64,
    /// Row of the user.
    pub(crate) user: u32,
    /// Number within the user.
    pub(crate) number: u32,
    pub(crate) surface: Surface,
    /// Otherwise a view.
    pub(crate) request: bool,
}

impl Visit {
    /// The number of a visit among all users': it does not change when users are added.
    pub(crate) fn id(&self) -> u64 {
        u64::from(self.user) << 20 | u64::from(self.number)
    }
}

/// All visits before `end_ms`.
pub(crate) fn visits(market: &AdMarketConfig, people: &[Person], seed: u64, end_ms: i64) -> Vec<Visit> {
    let root = Rng::new(seed, "trial.visits");
    let mut visits = Vec::new();
    for (user, person) in (0..).zip(people) {
        let mut rng = root.fork(u64::from(user));
        let mut number = 0;
        for day in person.joined_day..market.days {
            let day_ms = market.start_ms + day as i64 * 24 * HOUR_MS;
            for _ in 0..poisson(person.sessions_per_day, &mut rng) {
                session(market, day_ms, &mut rng, |time_ms, surface, request| {
                    visits.push(Visit { time_ms, user, number, surface, request });
                    number += 1;
                });
            }
        }
    }
    visits.retain(|visit| visit.time_ms < end_ms);
    visits.sort_unstable();
    visits
}

fn session(market: &AdMarketConfig, day_ms: i64, rng: &mut Rng, mut step: impl FnMut(i64, Surface, bool)) {
    let hours = users::hour(rng) as f64 + rng.unit();
    let mut time_ms = day_ms + (hours * HOUR_MS as f64) as i64;
    let surface = Surface::ALL[draw(&Surface::SHARES, rng)];
    for _ in 0..session_length(rng) {
        step(time_ms, surface, rng.unit() < request_share(market));
        let gap_ms = -(1.0 - rng.unit()).ln() * 10_000.0;
        time_ms += 1_000 + surface.examined().len() as i64 * SLOT_MS + gap_ms as i64;
    }
}
