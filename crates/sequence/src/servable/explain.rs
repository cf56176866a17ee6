//! What a score is made of: its parts, and the items of the history that brought it.

use super::{Servable, UserState};
use crate::columns::Columns;
use semrank_core::ItemId;
use serde::Serialize;
use std::collections::BTreeMap;

/// Summands of a score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Parts {
    /// Logit of the sequence model.
    pub network: f32,
    /// Weighted item-item term.
    pub item_item: f32,
    /// Weighted content neighbours.
    pub content: f32,
    /// Weighted popularity prior.
    pub popularity: f32,
    /// What the seen policy adds.
    pub seen: f32,
    /// What lifted it to a place that is kept for items without training events.
    #[serde(skip_serializing_if = "is_zero")]
    pub kept_place: f32,
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

impl Parts {
    /// Their sum: the score.
    pub fn sum(&self) -> f32 {
        let Parts { network, item_item, content, popularity, seen, kept_place } = *self;
        network + item_item + content + popularity + seen + kept_place
    }
}

impl Servable {
    /// The parts of the scores of some items, given as (score, item) by [`Servable::top_k`].
    pub fn explain(&self, user: &UserState, ranked: &[(f32, u32)]) -> Vec<Parts> {
        let mut listed: Vec<u32> = ranked.iter().map(|one| one.1).collect();
        listed.sort_unstable();
        listed.dedup();
        let (columns, blend) = (Columns::List(&listed), self.model.facts.blend);
        let (mut logits, mut contents) = (vec![0.0; listed.len()], vec![0.0; listed.len()]);
        self.vectors.logits_of(&self.model.network, &user.hidden, &columns, &mut logits);
        self.similar.add_of(&user.profile, blend.content, &columns, &mut contents);
        let seen_bias = self.seen_bias(blend.seen);
        let parts = |&(score, item): &(f32, u32)| {
            let at = columns.place(item as usize).unwrap_or(0);
            let term = user.terms.binary_search_by_key(&item, |term| term.0);
            let is_seen = user.seen.binary_search(&ItemId(item)).is_ok();
            let own = Parts {
                network: logits[at],
                item_item: blend.alpha * term.map_or(0.0, |at| user.terms[at].1),
                content: contents[at],
                popularity: self.prior[item as usize],
                seen: if is_seen { seen_bias } else { 0.0 },
                kept_place: 0.0,
            };
            let is_new = self.new_items.as_ref().is_some_and(|new| new.items.binary_search(&item).is_ok());
            Parts { kept_place: if is_new { (score - own.sum()).max(0.0) } else { 0.0 }, ..own }
        };
        ranked.iter().map(parts).collect()
    }

    /// What each item of the newest events adds to the score of a candidate: by the item-item term and by content.
    pub fn sources(&self, user: &UserState, candidate: ItemId) -> BTreeMap<ItemId, [f32; 2]> {
        let (history, blend) = (user.recent().items, self.model.facts.blend);
        let parts = [
            (blend.alpha, self.model.item_item.sources(history, candidate)),
            (blend.content, self.similar.sources(history, candidate)),
        ];
        let mut out: BTreeMap<ItemId, [f32; 2]> = BTreeMap::new();
        for (part, (weight, sources)) in parts.into_iter().enumerate() {
            sources
                .into_iter()
                .for_each(|(source, added)| out.entry(source).or_default()[part] += weight * added);
        }
        out
    }
}
