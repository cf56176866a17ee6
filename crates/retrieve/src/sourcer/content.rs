//! The content sourcer: what a user engaged with, ads and organic items alike, as a few interest vectors; the eligible items
//! nearest to each of them by content. It needs no event of a candidate, and of a user only texts.
//!
//! **Interests.** Events are taken newest first. One whose content is near enough to an interest joins it, another opens a new one while there are
//! fewer than [`ContentSettings::interests`], else it joins the nearest. An interest is the sum of its events' unit vectors, an event
//! weighing [`ContentSettings::decay`] times the one after it. So a rare interest is not averaged away by a frequent one (multiple
//! embeddings per user: Pal et al. 2020, PinnerSage, arXiv 2007.03634, with a one-pass clustering in place of Ward's).
//!
//! **Quotas.** Every interest gets candidates in proportion to the weight of its events, and at least one.

use super::{Request, Scored, Sourcer, keep_best};
use crate::{Error, Index};
use semrank_core::ItemId;
use semrank_nn::kernel::{axpy, dot};
use std::collections::BTreeMap;
use std::sync::Arc;

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

/// Content vectors of length 1 by item, `[items x width]`; zero rows say nothing.
pub type Vectors = Arc<dyn Fn(ItemId) -> Option<Vec<f32>> + Send + Sync>;

/// Nearest items by content.
pub struct Content {
    index: Arc<dyn Index>,
    vectors: Vectors,
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
    /// Over an index of content vectors; `vectors` gives those of the items of histories.
    pub fn new(index: Arc<dyn Index>, vectors: Vectors, settings: ContentSettings) -> Self {
        Self { index, vectors, settings }
    }

    /// The interests of a history, oldest event first: the weightiest first.
    pub(crate) fn interests(&self, history: &[ItemId]) -> Vec<Interest> {
        let ContentSettings { interests: most, events, decay, same } = self.settings;
        let (mut out, mut weight): (Vec<Interest>, f32) = (Vec::new(), 1.0);
        for &item in history.iter().rev().take(events) {
            let Some(vector) = (self.vectors)(item) else { continue };
            let nearest = (0..out.len())
                .map(|at| (out[at].nearness(&vector), at))
                .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            match nearest.filter(|(nearness, _)| *nearness >= same || out.len() >= most) {
                Some((_, at)) => {
                    axpy(weight, &vector, &mut out[at].sum);
                    out[at].weight += weight;
                }
                None => {
                    let mut sum = vec![0.0; vector.len()];
                    axpy(weight, &vector, &mut sum);
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

impl Sourcer for Content {
    fn name(&self) -> &'static str {
        "content"
    }

    fn candidates(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
        let interests = self.interests(request.user.recent().items);
        let total: f32 = interests.iter().map(|interest| interest.weight).sum();
        let mut best: BTreeMap<u32, f32> = BTreeMap::new();
        for interest in &interests {
            let share = interest.weight / total.max(f32::MIN_POSITIVE);
            let quota = ((share * n as f32).ceil() as usize).max(1).min(n);
            for hit in self.index.search(&interest.sum, quota, None, Some(request.eligible))? {
                let score = best.entry(hit.row).or_insert(f32::NEG_INFINITY);
                *score = score.max(hit.score);
            }
        }
        out.extend(best.into_iter().map(|(item, score)| Scored { item, score }));
        keep_best(n, out);
        Ok(())
    }
}
