//! What a user is interested in: groups of the items engaged with, ads and organic ones, by what their texts say, each in the
//! words that set it apart.

use crate::run::{Finished, kind};
use semrank_core::{ItemId, Rng, UserId};
use semrank_sequence::{Interest as Direction, Labels, UnitVectors};
use serde::Serialize;
use std::fmt::Write;

/// Most interests shown.
const MOST: usize = 3;
/// Words or pairs of words of a label.
const GRAMS: usize = 4;
/// Items named for one interest.
const ITEMS: usize = 3;

/// One interest.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Interest {
    /// The n-grams that set it apart, strongest first.
    label: Vec<String>,
    /// Share of the events engaged with that have content.
    share: f64,
    events: usize,
    /// How many of the events are of ads.
    ads: usize,
    /// Ids of the items nearest to its direction.
    items: Vec<String>,
}

/// The interests in what a user engaged with, the strongest first; `None` where the run has no content vectors.
pub(crate) fn of(run: &Finished, user: UserId, engaged: &[ItemId]) -> Option<Vec<Interest>> {
    let (values, width) = run.content.texts();
    if values.is_empty() {
        return None;
    }
    let catalog = &run.data.dataset.catalog;
    let rng = Rng::new(run.seed, "interests").fork(u64::from(user.0));
    let found = UnitVectors::new(&values, width).interests(engaged, MOST, &rng);
    let labels = Labels::new(catalog, engaged);
    let all: usize = found.iter().map(|interest| interest.items.len()).sum();
    let one = |Direction { items, .. }: Direction| {
        let mut nearest = items.clone();
        nearest.dedup();
        nearest.truncate(ITEMS);
        Interest {
            label: labels.of(&items, GRAMS),
            share: items.len() as f64 / all as f64,
            events: items.len(),
            ads: items.iter().filter(|item| kind(catalog.kinds[item.index()]) == "ad").count(),
            items: nearest.into_iter().map(|item| catalog.name(item).to_owned()).collect(),
        }
    };
    Some(found.into_iter().map(one).collect())
}

/// Interests as lines.
pub(crate) fn list(interests: &[Interest]) -> String {
    let mut out = String::from("interests\n");
    for Interest { label, share, events, ads, items } in interests {
        let ads = if *ads > 0 { format!(", {ads} of ads") } else { String::new() };
        let (percent, label, items) = (share * 100.0, label.join(", "), items.join(", "));
        let _ = writeln!(out, "  {percent:>3.0} %  {label}  ({events} events{ads}; nearest: {items})");
    }
    if interests.is_empty() {
        out += "  none: no item engaged with has a text\n";
    }
    out
}
