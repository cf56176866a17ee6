//! Organic views: items that a user opens on their own, and for how long.
//!
//! They come from the user's needs with chance `0.75 n / (n + 0.8)` (`n`: the strength of all needs), else
//! from the interests or, as often, from anywhere. They are kept for `exp(1.6 + 0.9 i + 0.6 z)` seconds, where
//! `i = 1.6 n_k + 0.8 m + 0.2 affinity + 0.3 style - 0.3` is how interesting the item is: a short dwell shows that the
//! user has no such need.

use super::catalog::Theme;
use super::people::{self, Person};
use crate::items::PARTS_PER_TOPIC;
use crate::users;
use semrank_core::Rng;

/// The organic items that are born.
pub(crate) struct Shelf {
    of_need: Vec<Vec<u32>>,
    all: Vec<u32>,
}

/// A user at a moment.
pub(crate) struct Browsing<'a> {
    pub(crate) person: &'a Person,
    pub(crate) time_ms: i64,
    pub(crate) half_life_ms: f64,
}

impl Shelf {
    pub(crate) fn new(needs: usize) -> Shelf {
        Shelf { of_need: vec![Vec::new(); needs], all: Vec::new() }
    }

    /// An organic item is born.
    pub(crate) fn add(&mut self, post: u32, need: usize) {
        self.of_need[need].push(post);
        self.all.push(post);
    }

    /// The organic item that a user looks at; every need has one from the start.
    pub(crate) fn choose(&self, browsing: &Browsing, rng: &mut Rng) -> u32 {
        let person = browsing.person;
        let strength = |need: &people::Need| need.at(browsing.time_ms, browsing.half_life_ms);
        let strengths: Vec<f64> = person.needs.iter().map(strength).collect();
        let total: f64 = strengths.iter().sum();
        let posts = if rng.unit() < 0.75 * total / (total + 0.8) {
            &self.of_need[person.needs[people::draw(&strengths, rng)].need]
        } else if rng.unit() < 0.5 {
            let topic = people::draw(&users::softmax(&person.interests), rng);
            &self.of_need[topic * PARTS_PER_TOPIC + rng.below(PARTS_PER_TOPIC)]
        } else {
            &self.all
        };
        posts[rng.below(posts.len())]
    }
}

impl Browsing<'_> {
    /// How interesting an item is, in the log of seconds.
    pub(crate) fn interest(&self, theme: &Theme) -> f64 {
        let (any, exact) = self.person.need_for(theme, self.time_ms, self.half_life_ms);
        let taste = 0.2 * self.person.affinity(theme.topic()) + 0.3 * self.person.styles[theme.style];
        1.6 * any + 0.8 * exact + taste - 0.3
    }
}

/// A log-normal dwell in ms around `exp(log_seconds)`, at most half an hour.
pub(crate) fn dwell(log_seconds: f64, rng: &mut Rng) -> i64 {
    (1_000.0 * (log_seconds + 0.6 * rng.normal()).exp()).clamp(200.0, 1_800_000.0) as i64
}
