//! The users of a market: settings in, tastes, sessions and drifting interests out.
//!
//! Interests are a softmax over topics of log-interests that take a normal step between sessions. Sessions
//! follow a daily rhythm with peaks in the morning, at noon and in the evening. Some users join late.

use crate::config::MarketConfig;
use crate::words::{COLOURS, STYLES};
use semrank_core::Rng;

/// Fixed preferences of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taste {
    /// Favourite brand of each topic.
    pub brands: Vec<usize>,
    /// Favourite style.
    pub style: usize,
    /// Favourite colour.
    pub colour: usize,
}

/// A visit.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// When it begins at the earliest (ms UTC); it waits for the end of the one before.
    pub start_ms: i64,
    /// Position of its first event in the user's events.
    pub first: usize,
    /// Chance of each topic during this visit; sums to 1.
    pub interests: Vec<f64>,
}

/// A user.
#[derive(Debug, Clone, PartialEq)]
pub struct MarketUser {
    /// `user-0007`; the number is the user's row.
    pub id: String,
    /// Fixed preferences.
    pub taste: Taste,
    /// Visits in order of time.
    pub sessions: Vec<Session>,
    /// Number of events over all sessions.
    pub events: usize,
}

/// Fewest events of a user: leave-one-out needs three, and a history two more.
const LEAST_EVENTS: usize = 5;
/// Spread of the users' activity: standard deviation of the log of the number of events.
const ACTIVITY_SPREAD: f64 = 0.6;
/// Share of the users who join after the log has begun.
const LATE_USERS: f64 = 0.4;
/// Relative number of sessions that begin in each hour of the day (UTC).
const RHYTHM: [u32; 24] = [3, 2, 1, 1, 1, 2, 5, 9, 10, 7, 6, 7, 9, 8, 6, 5, 6, 8, 10, 13, 15, 14, 10, 6];

/// All users of a market.
pub(crate) fn generate(config: &MarketConfig) -> Vec<MarketUser> {
    let root = Rng::new(config.seed, "market.users");
    (0..config.users).map(|row| user(config, row, &mut root.fork(row as u64))).collect()
}

fn user(config: &MarketConfig, row: usize, rng: &mut Rng) -> MarketUser {
    let taste = Taste {
        brands: (0..config.topics).map(|_| rng.below(config.advertisers_per_topic)).collect(),
        style: rng.below(STYLES.len()),
        colour: rng.below(COLOURS.len()),
    };
    let activity = (ACTIVITY_SPREAD * rng.normal() - ACTIVITY_SPREAD.powi(2) / 2.0).exp();
    let events = ((config.events_per_user * activity).round() as usize).max(LEAST_EVENTS);
    let lengths = lengths(config, events, rng);
    let starts = starts(config, lengths.len(), rng);
    let mut logits = interests(config.topics, rng);
    let mut first = 0;
    let sessions = starts
        .into_iter()
        .zip(lengths)
        .map(|(start_ms, length)| {
            let session = Session { start_ms, first, interests: softmax(&logits) };
            first += length;
            logits.iter_mut().for_each(|logit| *logit += config.drift * rng.normal());
            session
        })
        .collect();
    MarketUser { id: format!("user-{row:04}"), taste, sessions, events }
}

/// Splits the events into sessions of geometric length.
fn lengths(config: &MarketConfig, events: usize, rng: &mut Rng) -> Vec<usize> {
    let end = 1.0 / config.events_per_session;
    let mut lengths = vec![1];
    for _ in 1..events {
        match lengths.last_mut() {
            Some(length) if rng.unit() >= end => *length += 1,
            _ => lengths.push(1),
        }
    }
    lengths
}

/// Ordered starting times (ms UTC).
fn starts(config: &MarketConfig, sessions: usize, rng: &mut Rng) -> Vec<i64> {
    let joined = if rng.unit() < LATE_USERS { 0.85 * rng.unit() } else { 0.0 };
    let mut starts: Vec<i64> = (0..sessions)
        .map(|_| {
            let at = (joined + (1.0 - joined) * rng.unit()) * config.days;
            let hour = hour(rng) as f64 + rng.unit();
            let since = (at.floor() * 24.0 + hour) * 3_600_000.0;
            config.start_ms + since.min(config.span_ms() - 3_600_000.0) as i64
        })
        .collect();
    starts.sort_unstable();
    starts
}

pub(crate) fn hour(rng: &mut Rng) -> usize {
    let mut left = rng.below(RHYTHM.iter().sum::<u32>() as usize) as u32;
    for (hour, &weight) in RHYTHM.iter().enumerate() {
        if left < weight {
            return hour;
        }
        left -= weight;
    }
    RHYTHM.len() - 1
}

/// Log-interest of each topic at the first session: two favourites over a noisy rest.
pub(crate) fn interests(topics: usize, rng: &mut Rng) -> Vec<f64> {
    let mut logits: Vec<f64> = (0..topics).map(|_| rng.normal()).collect();
    for bonus in [3.0, 2.0] {
        logits[rng.below(topics)] += bonus;
    }
    logits
}

pub(crate) fn softmax(logits: &[f64]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}
