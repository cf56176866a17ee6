//! The content sourcer: what a user engaged with, ads and organic items alike, as a few interest vectors; the eligible items
//! nearest to each of them by content. It needs no event of a candidate, and of a user only texts.
//!
//! **Which items.** What many take, the ranker's own list and co-engagement find already; content finds what clicks do not know yet. So half
//! of the candidates are items without training events, the other half *rare* ones (at most as many events as half of the items have), and
//! only where these are too few all others follow. On the time splits of MovieTweetings and UCI the nearest of all items added nothing to the
//! other sources within 100 or 500, and these halves do (docs/retrieval.md).
//!
//! **Interests.** Events are taken newest first. One whose content is near enough to an interest joins it, another opens a new one while there are
//! fewer than [`ContentSettings::interests`], else it joins the nearest. An interest is the sum of its events' unit vectors, an event
//! weighing [`ContentSettings::decay`] times the one after it. So a rare interest is not averaged away by a frequent one (multiple
//! embeddings per user: Pal et al. 2020, PinnerSage, arXiv 2007.03634, with a one-pass clustering in place of Ward's).
//!
//! **Shares.** Every interest gets candidates in proportion to the weight of its events.

use super::{Request, Scored, Sourcer};
use crate::{Error, Index};
use semrank_core::{ItemId, narrow};
use semrank_nn::kernel::{axpy, dot};
use semrank_nn::scan::{Bitmap, Hit};
use std::collections::HashSet;

/// Items that are put into the index together.
const BLOCK: usize = 4096;

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

/// Which items of a catalogue have no training events, and which have few; whatever comes later has none.
#[derive(Debug, Clone, Default)]
pub struct Engagement {
    with_events: Bitmap,
    rare: Bitmap,
}

impl Engagement {
    /// Of the training events of each item.
    pub fn new(counts: &[u32]) -> Self {
        let mut sorted = counts.to_vec();
        sorted.sort_unstable();
        let half = sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0);
        Self {
            with_events: counts.iter().map(|&count| count > 0).collect(),
            rare: counts.iter().map(|&count| count > 0 && count <= half).collect(),
        }
    }
}

/// Nearest items by content.
pub struct Content {
    index: Box<dyn Index>,
    engagement: Engagement,
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
    /// Over an index of content vectors, which are to be put in.
    pub fn new(index: Box<dyn Index>, engagement: Engagement, settings: ContentSettings) -> Self {
        Self { index, engagement, settings }
    }

    /// Gives the items from 0 on their contents, `[N x D]`, into an index that is empty.
    ///
    /// # Errors
    /// As [`Content::put`].
    pub fn fill(&self, contents: &[f32]) -> Result<(), Error> {
        let width = self.index.width();
        for (block, rows) in contents.chunks(BLOCK * width).enumerate() {
            let rows = (block * BLOCK..).zip(rows.chunks_exact(width));
            let rows = rows.filter_map(|(item, row)| Some((narrow::index(item), unit(row)?)));
            let (items, units): (Vec<u32>, Vec<Vec<f32>>) = rows.unzip();
            self.index.put_all(&items, &units.concat(), &vec![0.0; items.len()])?;
        }
        Ok(())
    }

    /// Gives an item its content, or another one. An item without content has no direction and is near nothing.
    ///
    /// # Errors
    /// [`Error::NotFinite`]; those of the index.
    pub fn put(&self, item: u32, content: &[f32]) -> Result<(), Error> {
        match unit(content) {
            Some(unit) => self.index.put(item, &unit, 0.0),
            None => self.index.delete(item).map(|_| ()),
        }
    }

    /// The content of an item, of length 1; none where it has none.
    ///
    /// # Errors
    /// Those of the index.
    pub fn vector(&self, item: u32) -> Result<Option<Vec<f32>>, Error> {
        self.index.vector(item)
    }

    /// The interests of a history, oldest event first: the weightiest first.
    pub(crate) fn interests(&self, history: &[ItemId]) -> Result<Vec<Interest>, Error> {
        let ContentSettings { interests: most, events, decay, same } = self.settings;
        let (mut out, mut weight): (Vec<Interest>, f32) = (Vec::new(), 1.0);
        for &item in history.iter().rev().take(events) {
            let Some(vector) = self.index.vector(item.0)? else { continue };
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
        Ok(out)
    }

    /// The `n` eligible items nearest to the interests, each interest with its share of every beginning of the list: the next place goes to
    /// the one with the most weight per place that it would have then (D'Hondt's method). What one took is not taken again.
    fn nearest(&self, interests: &[Interest], eligible: &Bitmap, n: usize) -> Result<Vec<u32>, Error> {
        let search = |interest: &Interest| self.index.search(&interest.sum, n, None, Some(eligible));
        let found: Vec<Vec<Hit>> = interests.iter().map(search).collect::<Result<_, _>>()?;
        let mut lists: Vec<_> = found.iter().map(|hits| hits.iter().map(|hit| hit.row)).collect();
        let (mut places, mut taken) = (vec![0.0f32; interests.len()], HashSet::new());
        let mut out = Vec::new();
        while out.len() < n {
            let per_place = |at: &usize| interests[*at].weight / (places[*at] + 1.0);
            let next = (0..lists.len()).filter(|at| lists[*at].len() > 0);
            let next = next.max_by(|a, b| per_place(a).total_cmp(&per_place(b)).then(b.cmp(a)));
            let Some(at) = next else { break };
            if let Some(item) = lists[at].find(|item| !taken.contains(item)) {
                taken.insert(item);
                places[at] += 1.0;
                out.push(item);
            }
        }
        Ok(out)
    }
}

impl Sourcer for Content {
    fn name(&self) -> &'static str {
        "content"
    }

    fn candidates(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
        let interests = self.interests(request.user.recent().items)?;
        // Items that came later are beyond the catalogue's, so in no set of it: they are new.
        let [mut new, mut rare] = [request.eligible.clone(), request.eligible.clone()];
        new.remove(&self.engagement.with_events);
        rare.intersect(&self.engagement.rare);
        let [new, rare] = [self.nearest(&interests, &new, n)?, self.nearest(&interests, &rare, n)?];
        let mut items = in_turn(&new, &rare, n);
        if items.len() < n {
            let mut rest = request.eligible.clone();
            items.iter().for_each(|&item| _ = rest.set(item, false));
            items.extend(self.nearest(&interests, &rest, n - items.len())?);
        }
        // The lists are of items that are not to be compared by nearness: a place is all there is.
        out.extend(items.iter().enumerate().map(|(rank, &item)| Scored { item, score: -(rank as f32) }));
        Ok(())
    }
}

/// Of length 1; none where it has no direction.
fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let length = dot(vector, vector).sqrt();
    (length != 0.0).then(|| vector.iter().map(|value| value / length).collect())
}

/// The first `n` of two lists in turn; where one ends the other goes on.
fn in_turn(a: &[u32], b: &[u32], n: usize) -> Vec<u32> {
    let longest = a.len().max(b.len());
    (0..longest).flat_map(|at| [a.get(at), b.get(at)]).flatten().copied().take(n).collect()
}
