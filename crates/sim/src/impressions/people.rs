//! Users: tastes that drift slowly, and needs that end within days.
//!
//! - Log-interest in a topic: normal, with two favourites; moves by a normal step of standard deviation `drift`
//!   every day.
//! - Tastes in style and colour: a standard normal number for each; in price: one number (positive likes expensive
//!   things); one favourite brand per topic.
//! - Needs come as a Poisson process of `needs_per_week`, in a topic by the softmax of the log-interests, for one
//!   product of one part. Born at `b` with strength `s` (0.6 to 1.4), a need has at `t >= b` the strength
//!   `s 2^(-(t - b) / need_days)`, and ends after five half-lives. A conversion ends it, and in six of ten cases
//!   calls for the next part of the topic six hours later.

use super::catalog::{PRODUCTS, Theme};
use super::config::{AdMarketConfig, DAY_MS};
use crate::items::PARTS_PER_TOPIC;
use crate::users;
use crate::words::{COLOURS, STYLES, Words};
use semrank_core::Rng;

/// Something a user currently looks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Need {
    pub(crate) need: usize,
    pub(crate) product: usize,
    pub(crate) born_ms: i64,
    pub(crate) strength: f64,
}

/// A user and the user's current needs.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) interests: Vec<f64>,
    pub(crate) styles: [f64; STYLES.len()],
    pub(crate) colours: [f64; COLOURS.len()],
    pub(crate) price: f64,
    pub(crate) brands: Vec<usize>,
    pub(crate) needs: Vec<Need>,
    /// The last ads clicked, by row.
    pub(crate) clicked: [Option<u32>; 8],
    pub(crate) joined_day: usize,
    /// Expected sessions per day.
    pub(crate) sessions_per_day: f64,
    /// When the current session ends, so that no two overlap.
    pub(crate) busy_until_ms: i64,
}

/// Half-lives after which a need is over.
const LIFE: f64 = 5.0;
/// Standard deviation of the log of a user's activity.
const ACTIVITY_SPREAD: f64 = 0.6;
/// Share of the users who join late.
const LATE_USERS: f64 = 0.2;
/// Probability and delay with which a conversion starts a need of the topic's next part.
const FOLLOW: f64 = 0.6;
const FOLLOW_MS: i64 = DAY_MS / 4;

/// All users; together they are expected to have `sessions` sessions within the log.
pub(crate) fn generate(config: &AdMarketConfig, sessions: f64) -> Vec<Person> {
    let root = Rng::new(config.seed, "impressions.users");
    let mut people: Vec<Person> =
        (0..config.users).map(|row| person(config, &mut root.fork(row as u64))).collect();
    let active_days = |person: &Person| (config.days - person.joined_day) as f64;
    let total: f64 = people.iter().map(|person| person.sessions_per_day * active_days(person)).sum();
    people.iter_mut().for_each(|person| person.sessions_per_day *= sessions / total);
    people
}

fn person(config: &AdMarketConfig, rng: &mut Rng) -> Person {
    let joined = if rng.unit() < LATE_USERS { 0.7 * rng.unit() } else { 0.0 };
    let brands = |topic: usize| Words::get().topics[topic].brands.len();
    let mut person = Person {
        interests: users::interests(config.topics, rng),
        styles: std::array::from_fn(|_| rng.normal()),
        colours: std::array::from_fn(|_| rng.normal()),
        price: rng.normal(),
        brands: (0..config.topics).map(|topic| rng.below(brands(topic))).collect(),
        needs: Vec::new(),
        clicked: [None; 8],
        joined_day: (joined * config.days as f64) as usize,
        sessions_per_day: (ACTIVITY_SPREAD * rng.normal()).exp(),
        busy_until_ms: i64::MIN,
    };
    // Needs that began before the log, so that its first day is like the others.
    let before = (LIFE * config.need_days).ceil() as i64;
    (1..=before).rev().for_each(|day| person.feel_needs(config, config.start_ms - day * DAY_MS, rng));
    person
}

impl Person {
    /// Begins a day: interests drift, old needs end, new ones are scheduled.
    pub(crate) fn wake(&mut self, config: &AdMarketConfig, day_ms: i64, rng: &mut Rng) {
        self.interests.iter_mut().for_each(|interest| *interest += config.drift * rng.normal());
        let life_ms = (LIFE * config.need_half_life_ms()) as i64;
        self.needs.retain(|need| day_ms - need.born_ms < life_ms);
        self.feel_needs(config, day_ms, rng);
    }

    fn feel_needs(&mut self, config: &AdMarketConfig, day_ms: i64, rng: &mut Rng) {
        for _ in 0..poisson(config.needs_per_week / 7.0, rng) {
            let topic = draw(&users::softmax(&self.interests), rng);
            let need = topic * PARTS_PER_TOPIC + rng.below(PARTS_PER_TOPIC);
            self.needs.push(fresh(need, day_ms + (rng.unit() * DAY_MS as f64) as i64, rng));
        }
    }

    /// Strength at `time_ms` of the needs that a theme serves, and of those for exactly its product.
    pub(crate) fn need_for(&self, theme: &Theme, time_ms: i64, half_life_ms: f64) -> (f64, f64) {
        let serving = self.needs.iter().filter(|need| need.need == theme.need);
        serving.fold((0.0, 0.0), |(any, exact), need| {
            let strength = need.at(time_ms, half_life_ms);
            (any + strength, if need.product == theme.product { exact + strength } else { exact })
        })
    }

    /// Log-interest in a topic above the mean of all topics.
    pub(crate) fn affinity(&self, topic: usize) -> f64 {
        self.interests[topic] - self.interests.iter().sum::<f64>() / self.interests.len() as f64
    }

    /// Ends a need that was met; another may follow.
    pub(crate) fn satisfy(&mut self, theme: &Theme, time_ms: i64, rng: &mut Rng) {
        self.needs.retain(|need| need.need != theme.need || need.born_ms > time_ms);
        if rng.unit() < FOLLOW {
            let next = theme.topic() * PARTS_PER_TOPIC + (theme.need + 1) % PARTS_PER_TOPIC;
            self.needs.push(fresh(next, time_ms + FOLLOW_MS, rng));
        }
    }

    pub(crate) fn remember_click(&mut self, ad: u32) {
        self.clicked.rotate_right(1);
        self.clicked[0] = Some(ad);
    }

    pub(crate) fn has_clicked(&self, ad: u32) -> bool {
        self.clicked.contains(&Some(ad))
    }
}

impl Need {
    /// Strength at a time; 0 before the need begins and after it ends.
    pub(crate) fn at(&self, time_ms: i64, half_life_ms: f64) -> f64 {
        let half_lives = (time_ms - self.born_ms) as f64 / half_life_ms;
        if (0.0..LIFE).contains(&half_lives) { self.strength * (-half_lives).exp2() } else { 0.0 }
    }
}

fn fresh(need: usize, born_ms: i64, rng: &mut Rng) -> Need {
    Need { need, product: rng.below(PRODUCTS), born_ms, strength: 0.6 + 0.8 * rng.unit() }
}

/// Arrivals of a Poisson process within `mean` units of time.
pub(crate) fn poisson(mean: f64, rng: &mut Rng) -> usize {
    let mut arrivals = 0;
    let mut at = -(1.0 - rng.unit()).ln();
    while at < mean {
        arrivals += 1;
        at -= (1.0 - rng.unit()).ln();
    }
    arrivals
}

/// A row, by weight.
pub(crate) fn draw(weights: &[f64], rng: &mut Rng) -> usize {
    let mut left = rng.unit() * weights.iter().sum::<f64>();
    for (row, weight) in weights.iter().enumerate() {
        if left < *weight {
            return row;
        }
        left -= weight;
    }
    // Rounding can leave a remainder.
    weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_halves_and_ends() {
        let need = Need { need: 0, product: 0, born_ms: 1_000, strength: 1.2 };
        let at = |ms| need.at(ms, 100.0);
        assert_eq!((at(999), at(1_000), at(1_100), at(1_500)), (0.0, 1.2, 0.6, 0.0));
    }

    #[test]
    fn a_conversion_ends_the_need_and_calls_for_the_next() {
        let config = AdMarketConfig::default();
        let theme = Theme { need: 4, product: 0, brand: 0, style: 0, colour: 0 };
        let mut rng = Rng::new(1, "test");
        let mut followed = 0;
        for mut person in generate(&config, 1_000.0) {
            person.needs = vec![fresh(4, 0, &mut rng), fresh(7, 0, &mut rng)];
            person.satisfy(&theme, 10, &mut rng);
            assert_eq!(person.need_for(&theme, 20, 1e9).0, 0.0);
            assert_eq!(person.needs[0].need, 7);
            followed += person.needs.iter().filter(|need| need.need == 0).count();
        }
        assert!((followed as f64 / config.users as f64 - FOLLOW).abs() < 0.15, "{followed}");
    }

    #[test]
    fn sessions_add_up() {
        let config = AdMarketConfig::default();
        let people = generate(&config, 5_000.0);
        let sum: f64 = people.iter().map(|p| p.sessions_per_day * (config.days - p.joined_day) as f64).sum();
        assert!((sum - 5_000.0).abs() < 1e-6);
        let mut rng = Rng::new(1, "test");
        let mean = (0..20_000).map(|_| poisson(1.7, &mut rng)).sum::<usize>() as f64 / 20_000.0;
        assert!((mean - 1.7).abs() < 0.05, "{mean}");
    }
}
