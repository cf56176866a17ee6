//! A trained model ready to score: it knows no data set and no log, only histories, so what it says online is what it says offline.
//!
//! `score(u, j) = scale · cos(h_u, v_j) + content · s(u, j) + alpha · k(u, j) + beta · prior_j`, and what the seen policy says about
//! items of the history. Of every ten places the last `new_places` go to items without training events ([`crate::keep_places`]), in
//! an order of their own ([`NewItems`](crate::NewItems)). All of it is chosen on validation ([`crate::choose`]).
//!
//! | file | does |
//! |---|---|
//! | `vectors` | item vectors, computed once; the trunk's output and logits |
//! | `user` | what is kept of a user |
//! | `lists` | scores of a few items, without whole rows |
//! | `top` | the best items of a user |
//! | `fused` | a score as one inner product and a sparse correction, for exact search |
//! | `explain` | what a score is made of |
//!
//! Events of items or actions that the model does not know are left out of a history.

mod blend;
mod explain;
mod fused;
mod lists;
#[cfg(test)]
mod tests;
mod top;
mod user;
mod vectors;

pub use blend::{Blend, SeenPolicy};
pub use explain::Parts;
pub use fused::FusedQuery;
pub use top::{Arena, Eligible};
pub use user::UserState;
pub use vectors::ItemVectors;

use crate::artefact::Trained;
use crate::columns::Columns;
use crate::places::most_kept;
use crate::{ItemItem, NewItems, SimilarContent, TrainedContent, keep_places};
use semrank_core::{Event, History, ItemId};
use semrank_measure::ranking::Scorer;
use semrank_nn::kernel;
use std::sync::Arc;
use user::Recent;

/// A trained model with all item vectors.
#[derive(Debug)]
pub struct Servable {
    pub(crate) model: Arc<Trained>,
    pub(crate) vectors: ItemVectors,
    pub(crate) similar: SimilarContent,
    /// The model's; 0 for items that were put in since.
    pub(crate) prior: Vec<f32>,
    pub(crate) new_items: Option<NewItems>,
}

/// What is known of an item that is put in.
#[derive(Debug, Clone, Copy, Default)]
pub struct ItemInput<'a> {
    /// The content vector that the network reads; empty where it reads none.
    pub content: &'a [f32],
    /// The content vector that neighbours are found by; empty where there are none.
    pub similar: &'a [f32],
    /// The semantic id; empty where items have none.
    pub codes: &'a [u16],
    /// Hash buckets of the words, ascending, each once.
    pub words: &'a [u32],
}

impl Servable {
    /// Of a trained model; `contents` are the items' content vectors, `[items x C]` or empty, unless the model has trained its own.
    pub fn new(model: Arc<Trained>, contents: &[f32], similar: SimilarContent) -> Self {
        let contents = TrainedContent::vectors_or(model.content.as_ref(), contents);
        let vectors = ItemVectors::all(&model.network, model.prior.len(), contents);
        Self::with_vectors(model, vectors, similar)
    }

    /// With vectors that were made before, of all items or of those that will be asked for.
    pub fn with_vectors(model: Arc<Trained>, vectors: ItemVectors, similar: SimilarContent) -> Self {
        let (prior, new_items) = (model.prior.clone(), model.new_items.clone());
        Self { model, vectors, similar, prior, new_items }
    }

    /// Puts in the next item, or replaces what is known of one: from then on it is scored as an item of the catalogue with the same
    /// parts and without an item-item term would be, and events of it count in histories. Its term, if it has one, stays that of its
    /// training. No score of another item changes. States of
    /// users whose history has a replaced item are to be made anew.
    ///
    /// # Panics
    /// When there is no such item and it is not the next one, or a vector has another width than those of the catalogue.
    pub fn put(&mut self, item: ItemId, input: &ItemInput) {
        let is_next = item.index() == self.items();
        let mut vector = vec![0.0; self.model.network.dim()];
        self.model.network.item_vector(item.0, input.content, input.codes, &mut vector);
        self.vectors.put(item.0, &vector);
        if !self.similar.is_empty() {
            self.similar.put(item.0, input.similar);
        }
        if is_next {
            self.prior.push(0.0);
        }
        if let Some(new) = &mut self.new_items
            && (is_next || new.items.binary_search(&item.0).is_ok())
        {
            new.put(item.0, input.words);
        }
    }

    /// The model.
    pub fn model(&self) -> &Arc<Trained> {
        &self.model
    }

    /// Scores by another table of the item-item term from now on; the one before comes back.
    pub fn replace_item_item(&mut self, table: ItemItem) -> ItemItem {
        std::mem::replace(&mut Arc::make_mut(&mut self.model).item_item, table)
    }

    /// The model alone, to be changed.
    pub fn into_model(self) -> Trained {
        Arc::unwrap_or_clone(self.model)
    }

    /// The content neighbours.
    pub fn similar(&self) -> &SimilarContent {
        &self.similar
    }

    /// Number of items.
    pub fn items(&self) -> usize {
        self.vectors.items()
    }

    /// A user with this history, oldest event first.
    pub fn user(&self, history: History) -> UserState {
        self.users(&[history]).pop().unwrap_or_default()
    }

    /// Several users; each is what [`Servable::user`] makes of its history.
    pub fn users(&self, histories: &[History]) -> Vec<UserState> {
        let mut users: Vec<UserState> = histories.iter().map(|history| self.with_events(history)).collect();
        self.read(&mut users);
        users
    }

    /// Moves a user on by one event, the newest: the state is then what the longer history gives.
    pub fn push(&self, user: &mut UserState, event: Event) {
        if self.knows(&event) {
            user.add(event, self.most_recent());
            self.read(std::slice::from_mut(user));
        }
    }

    fn knows(&self, event: &Event) -> bool {
        event.item.index() < self.items() && event.action.index() < self.model.facts.shape.actions.max(1)
    }

    /// Newest events that anything is made of; the trunk asks for the time of one event more than it reads.
    fn most_recent(&self) -> usize {
        let others = self.model.item_item.recent.max(self.similar.recent());
        (self.model.network.history() + 1).max(others)
    }

    fn with_events(&self, history: &History) -> UserState {
        let event = |at: usize| Event {
            item: history.items[at],
            action: history.actions[at],
            time: history.times[at],
        };
        if !(0..history.len()).all(|at| self.knows(&event(at))) {
            let mut user = UserState::default();
            let known = (0..history.len()).map(event).filter(|event| self.knows(event));
            known.for_each(|event| user.add(event, self.most_recent()));
            return user;
        }
        UserState {
            recent: Recent::of(&history.last(self.most_recent())),
            first: history.items.first().copied(),
            seen: distinct(history.items),
            ..UserState::default()
        }
    }

    /// Makes what follows from the users' events.
    fn read(&self, users: &mut [UserState]) {
        let hidden = self.vectors.hidden(&self.model.network, users.iter().map(UserState::recent));
        let dim = self.model.network.dim();
        for (user, hidden) in users.iter_mut().zip(hidden.chunks_exact(dim)) {
            user.hidden = hidden.to_vec();
            user.profile = self.similar.profile_of(user.recent().items);
            user.terms = self.model.item_item.terms(user.recent().items);
        }
    }

    fn blended(&self) -> Blended<'_> {
        Blended { servable: self, prior: &self.prior, blend: self.model.facts.blend }
    }
}

impl Scorer for Servable {
    fn name(&self) -> &str {
        "model"
    }

    fn score(&self, histories: &[History], out: &mut [f32]) {
        let users = self.users(histories);
        let blended = self.blended();
        blended.rows(&users, out);
        for (user, scores) in users.iter().zip(out.chunks_exact_mut(self.items().max(1))) {
            blended.keep_places(user, scores, |_| true);
        }
    }
}

/// A servable with the weights to score by: those of the model, or those that are tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blended<'a> {
    pub(crate) servable: &'a Servable,
    /// What does not depend on the user, one number per item: `beta · prior`.
    pub(crate) prior: &'a [f32],
    pub(crate) blend: Blend,
}

/// What a block of users is compared with items by.
pub(crate) struct Sides {
    /// `[users x D]`.
    pub(crate) hidden: Vec<f32>,
    /// `[users x content width]`.
    pub(crate) profiles: Vec<f32>,
}

impl Sides {
    pub(crate) fn of<'u>(users: impl Iterator<Item = &'u UserState>) -> Self {
        let (mut hidden, mut profiles) = (Vec::new(), Vec::new());
        for user in users {
            hidden.extend_from_slice(&user.hidden);
            profiles.extend_from_slice(&user.profile);
        }
        Self { hidden, profiles }
    }
}

impl Blended<'_> {
    /// Scores of all items, `[users x items]`, before places are kept.
    pub(crate) fn rows(&self, users: &[UserState], out: &mut [f32]) {
        let all = Columns::Range(0..self.servable.items());
        self.scores(users, &Sides::of(users.iter()), &all, out);
    }

    /// Scores of some items, `[users x columns]`, before places are kept.
    fn scores(&self, users: &[UserState], sides: &Sides, columns: &Columns, out: &mut [f32]) {
        let Servable { model, vectors, similar, .. } = self.servable;
        vectors.logits_of(&model.network, &sides.hidden, columns, out);
        similar.add_of(&sides.profiles, self.blend.content, columns, out);
        let prior = columns.rows(self.prior, 1);
        for (user, scores) in users.iter().zip(out.chunks_exact_mut(columns.len().max(1))) {
            self.add_rest(user, columns, &prior, scores);
        }
    }

    /// All that is added to the logits and content neighbours of some items; `prior` is that of these items.
    fn add_rest(&self, user: &UserState, columns: &Columns, prior: &[f32], scores: &mut [f32]) {
        if self.blend.alpha != 0.0 {
            for &(item, term) in &user.terms {
                if let Some(at) = columns.place(item as usize) {
                    scores[at] += self.blend.alpha * term;
                }
            }
        }
        kernel::add(prior, scores);
        let bias = self.servable.seen_bias(self.blend.seen);
        if bias != 0.0 {
            let places = user.seen.iter().filter_map(|item| columns.place(item.index()));
            places.for_each(|at| scores[at] += bias);
        }
    }

    /// Raises the scores of a whole row to the places that are kept for new items; only what is allowed counts.
    fn keep_places(&self, user: &UserState, scores: &mut [f32], allowed: impl Fn(u32) -> bool) {
        let Some(new) = self.servable.new_items.as_ref().filter(|_| self.blend.new_places > 0) else {
            return;
        };
        let places = self.blend.new_places as usize;
        let favoured = self.servable.favoured(user, self.blend.seen, most_kept(places), allowed);
        keep_places(places, &favoured, &new.items, scores);
    }
}

impl Servable {
    /// What a policy adds to the score of an item of the history.
    pub(crate) fn seen_bias(&self, policy: SeenPolicy) -> f32 {
        match policy {
            SeenPolicy::Mask => f32::NEG_INFINITY,
            SeenPolicy::Learned => self.model.network.seen_bias(),
            SeenPolicy::None => 0.0,
        }
    }

    /// The `most` new items that places are kept for first, best first, among those that are allowed. What the seen policy masks is
    /// not among them.
    pub(crate) fn favoured(
        &self,
        user: &UserState,
        seen: SeenPolicy,
        most: usize,
        allowed: impl Fn(u32) -> bool,
    ) -> Vec<u32> {
        let Some(new) = &self.new_items else { return Vec::new() };
        let near = self.similar.near(&user.profile, &new.items);
        let is_masked = |item| seen == SeenPolicy::Mask && user.seen.binary_search(&ItemId(item)).is_ok();
        let left_out = |at: usize| !allowed(new.items[at]) || is_masked(new.items[at]);
        new.order(user.first, near, left_out, most)
    }
}

/// Items, ascending, each once.
pub(crate) fn distinct(history: &[ItemId]) -> Vec<ItemId> {
    let mut seen = history.to_vec();
    seen.sort_unstable();
    seen.dedup();
    seen
}
