//! Faults between a market and its log: clean rows in order of time in, the rows of the log out.
//!
//! - *disordered*: a row arrives `exp(4.8 + 1.5 z)` seconds late (median two minutes) and is written to the log where it
//!   arrived;
//! - *duplicates*: a row is sent again within five minutes, with the same `event_id` and a later `received_at`;
//! - *skewed*: all of a user's times are wrong by `exp(1 + z)` minutes, forwards or backwards; `received_at` is right.
//!
//! The market does not depend on them: a seed has the same truth with and without faults.

use super::config::AdMarketConfig;
use super::events::AdEvent;
use semrank_core::Rng;
use std::collections::BTreeMap;

pub(crate) struct Dirt {
    duplicates: f64,
    disordered: f64,
    skewed: f64,
    rng: Rng,
    clocks: Rng,
    /// Rows on their way, by time of arrival and order of sending.
    travelling: BTreeMap<(i64, u64), AdEvent>,
    sent: u64,
}

impl Dirt {
    pub(crate) fn new(config: &AdMarketConfig) -> Dirt {
        Dirt {
            duplicates: config.duplicates,
            disordered: config.disordered,
            skewed: config.skewed,
            rng: Rng::new(config.seed, "impressions.dirt"),
            clocks: Rng::new(config.seed, "impressions.clocks"),
            travelling: BTreeMap::new(),
            sent: 0,
        }
    }

    /// Takes the next row by true time; adds to `log` what arrives before it, and the row itself if it is on time.
    pub(crate) fn push(&mut self, mut event: AdEvent, log: &mut Vec<AdEvent>) {
        let now = event.time_ms;
        self.arrive_before(now, log);
        event.time_ms += self.clock_error_ms(event.user);
        let late_ms = if self.rng.unit() < self.disordered { self.delay_ms() } else { 0 };
        event.received_ms += late_ms;
        self.send(now + late_ms, event);
        if self.rng.unit() < self.duplicates {
            let again_ms = 1_000 + (self.rng.unit() * 299_000.0) as i64;
            let copy = AdEvent { received_ms: event.received_ms + again_ms, ..event };
            self.send(now + late_ms + again_ms, copy);
        }
    }

    /// Adds what arrives before `time_ms` to `log`.
    pub(crate) fn arrive_before(&mut self, time_ms: i64, log: &mut Vec<AdEvent>) {
        while let Some(first) = self.travelling.first_entry() {
            if first.key().0 >= time_ms {
                break;
            }
            log.push(first.remove());
        }
    }

    fn send(&mut self, arrival_ms: i64, event: AdEvent) {
        self.travelling.insert((arrival_ms, self.sent), event);
        self.sent += 1;
    }

    fn delay_ms(&mut self) -> i64 {
        (1_000.0 * (4.8 + 1.5 * self.rng.normal()).exp()) as i64
    }

    fn clock_error_ms(&self, user: u32) -> i64 {
        let mut rng = self.clocks.fork(u64::from(user));
        if self.skewed == 0.0 || rng.unit() >= self.skewed {
            return 0;
        }
        let sign = if rng.unit() < 0.5 { -1.0 } else { 1.0 };
        (sign * 60_000.0 * (1.0 + rng.normal()).exp()) as i64
    }
}
