//! The content sourcer: what a user engaged with, ads and organic items alike, as a few interest vectors; the eligible items
//! nearest to each of them by content. It needs no event of a candidate, and of a user only texts.
//!
//! **Interests.** Events are taken newest first. One whose content is near enough to an interest joins it, another opens a new one while there are
//! fewer than [`ContentSettings::interests`], else it joins the nearest. An interest is the sum of its events' unit vectors, an event
//! weighing [`ContentSettings::decay`] times the one after it. So a rare interest is not averaged away by a frequent one (multiple
//! embeddings per user: Pal et al. 2020, PinnerSage, arXiv 2007.03634, with a one-pass clustering in place of Ward's).
//!
//! **Quotas.** Every interest gets candidates in proportion to the weight of its events; what a weightier one took is not taken again.

use super::{Request, Scored, Sourcer, keep_best};
use crate::{Error, Index};
use semrank_core::ItemId;
use semrank_nn::kernel::{axpy, dot};
use semrank_sequence::Servable;
use std::collections::BTreeSet;

/// How interests are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContentSettings {
    /// Interests per user at most.
    pub interests: usize,
    /// Newest events that are read.
    pub events: usize,
    /// Weight of an event relative to the next newer one.
    pub decay: f32,
    /// Cosine from which on an event joins an interest.
    pub same: f32,
}

impl Default for ContentSettings {
    fn default() -> Self {
        Self { interests: 5, events: 50, decay: 0.9, same: 0.6 }
    }
}

/// Nearest items by content.
pub struct Content {
    index: Box<dyn Index>,
    settings: ContentSettings,
}

/// One interest: a direction of length 1, and the weight of its events.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Interest {
    pub(crate) sum: Vec<f32>,
    pub(crate) weight: f32,
}

impl Interest {
    fn nearness(&self, vector: &[f32]) -> f32 {
        dot(&self.sum, vector) / dot(&self.sum, &self.sum).sqrt().max(f32::MIN_POSITIVE)
    }
}

impl Content {
    /// Over an index of content vectors: those of a servable are to be put in.
    pub fn new(index: Box<dyn Index>, settings: ContentSettings) -> Self {
        Self { index, settings }
    }

    /// Takes in an item that was put into the servable, or whose content has changed there. An item without content has no direction and
    /// is near nothing.
    ///
    /// # Errors
    /// [`Error::NotFinite`]; those of the index.
    pub fn put(&self, servable: &Servable, item: u32) -> Result<(), Error> {
        match servable.content_row(ItemId(item)) {
            Some(row) => self.index.put(item, row, 0.0),
            None => self.index.delete(item).map(|_| ()),
        }
    }

    /// The interests of a history, oldest event first: the weightiest first.
    pub(crate) fn interests(&self, servable: &Servable, history: &[ItemId]) -> Vec<Interest> {
        let ContentSettings { interests: most, events, decay, same } = self.settings;
        let (mut out, mut weight): (Vec<Interest>, f32) = (Vec::new(), 1.0);
        for &item in history.iter().rev().take(events) {
            let Some(vector) = servable.content_row(item) else { continue };
            let nearest = (0..out.len())
                .map(|at| (out[at].nearness(vector), at))
                .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            match nearest.filter(|(nearness, _)| *nearness >= same || out.len() >= most) {
                Some((_, at)) => {
                    axpy(weight, vector, &mut out[at].sum);
                    out[at].weight += weight;
                }
                None => {
                    let mut sum = vec![0.0; vector.len()];
                    axpy(weight, vector, &mut sum);
                    out.push(Interest { sum, weight });
                }
            }
            weight *= decay;
        }
        out.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        for interest in &mut out {
            let length = dot(&interest.sum, &interest.sum).sqrt().max(f32::MIN_POSITIVE);
            interest.sum.iter_mut().for_each(|value| *value /= length);
        }
        out
    }
}

/// `n` candidates divided among interests in proportion to their weights, the larger remainders first.
fn quotas(interests: &[Interest], n: usize) -> Vec<usize> {
    let total: f32 = interests.iter().map(|interest| interest.weight).sum();
    let share = |interest: &Interest| interest.weight / total.max(f32::MIN_POSITIVE) * n as f32;
    let mut out: Vec<usize> = interests.iter().map(|interest| share(interest) as usize).collect();
    let mut by_rest: Vec<usize> = (0..out.len()).collect();
    let rest = |at: usize| share(&interests[at]).fract();
    by_rest.sort_by(|&a, &b| rest(b).total_cmp(&rest(a)).then(a.cmp(&b)));
    let left = n.saturating_sub(out.iter().sum());
    by_rest.into_iter().take(left).for_each(|at| out[at] += 1);
    out
}

impl Sourcer for Content {
    fn name(&self) -> &'static str {
        "content"
    }

    fn candidates(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
        let interests = self.interests(request.servable, request.user.recent().items);
        let mut taken = BTreeSet::new();
        for (interest, quota) in interests.iter().zip(quotas(&interests, n)) {
            // Others may have taken the nearest ones before.
            let hits = self.index.search(&interest.sum, quota + taken.len(), None, Some(request.eligible))?;
            let fresh = hits.into_iter().filter(|hit| taken.insert(hit.row)).take(quota);
            out.extend(fresh.map(|hit| Scored { item: hit.row, score: hit.score }));
        }
        keep_best(n, out);
        Ok(())
    }
}
