//! A small random market with a model of it, for tests of this crate and of those above it.

use crate::artefact::{Trained, TrainedFacts};
use crate::newcomers::WordWeights;
use crate::{
    Blend, BlendSettings, ItemItem, KnownItems, Network, NewItems, SeenPolicy, Servable, Shape,
    SimilarContent, TrainingData,
};
use semrank_core::{ActionId, Event, EventLog, EventLogBuilder, History, ItemId, Rng, UserId};
use semrank_tower::ModelSettings;
use std::sync::Arc;

/// Of [`World::new`]: users.
pub const USERS: usize = 70;
/// Items.
pub const ITEMS: usize = 1_000;
/// The last items have no training event.
pub const NEW: usize = 100;
/// Width of a content vector.
pub const CONTENT: usize = 8;

/// How large a world is.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Users.
    pub users: usize,
    /// Items, the last `new` of which have no training event.
    pub items: usize,
    /// Items without training events.
    pub new: usize,
    /// Events per user, the last two of which are not for training.
    pub events: i64,
    /// Width of a content vector.
    pub content: usize,
    /// Width of item vectors.
    pub dim: usize,
    /// Events that the network reads.
    pub history: usize,
}

/// Hash buckets of an item's words.
pub fn words_of(item: u32) -> Vec<u32> {
    (0..24).filter(|bucket| (item * 7 + bucket * bucket).is_multiple_of(5)).collect()
}

/// Random histories over items with random contents.
pub struct World {
    /// All events.
    pub events: EventLog,
    /// `[items x content]`.
    pub content: Vec<f32>,
    /// The model.
    pub servable: Servable,
}

impl World {
    /// A network that was not trained, with terms that were fitted or drawn.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self::of(Sizes {
            users: USERS,
            items: ITEMS,
            new: NEW,
            events: 12,
            content: CONTENT,
            dim: 16,
            history: 8,
        })
    }

    /// The same of other sizes.
    pub fn of(sizes: Sizes) -> Self {
        let (mut log, mut rng) = (EventLogBuilder::default(), Rng::new(8, "world"));
        let mut counts = vec![0; sizes.items];
        for user in 0..sizes.users as u32 {
            for time in 0..sizes.events {
                // The newest events may be of new items.
                let is_training = time < sizes.events - 2;
                let item = rng.below(if is_training { sizes.items - sizes.new } else { sizes.items });
                counts[item] += u32::from(is_training);
                log.push(UserId(user), Event { item: ItemId(item as u32), action: ActionId(0), time });
            }
        }
        let events = log.finish(sizes.users, true);
        let train_ends: Vec<usize> =
            (0..sizes.users).map(|user| events.range(UserId(user as u32)).end - 2).collect();
        let content: Vec<f32> = (0..sizes.items * sizes.content).map(|_| rng.normal() as f32).collect();
        let model = ModelSettings { dim: sizes.dim, history: sizes.history, ..ModelSettings::default() };
        let shape = Shape { items: sizes.items, content: sizes.content, actions: 1, timed: true };
        let trained: Vec<bool> = counts.iter().map(|&count| count > 0).collect();
        let known = KnownItems { trained: &trained, tokens: None };
        let network = Network::new(&model, shape, known, 5);
        let settings = BlendSettings::default();
        let similar = SimilarContent::new(content.clone(), sizes.content, &settings);
        let items: Vec<u32> = (0..sizes.items as u32).filter(|&item| counts[item as usize] == 0).collect();
        let prior = (0..sizes.items).map(|_| rng.unit() as f32).collect();
        let data = TrainingData::new(&events, &train_ends, &counts);
        let item_item = ItemItem::fit(&data, &settings);
        let facts = TrainedFacts {
            model,
            shape,
            blend: Blend { alpha: 8.0, content: 4.0, beta: 0.4, ..Blend::network_alone() },
            validation_ndcg_10: 0.0,
            masks_seen_in_training: false,
            best_epoch: 1,
            live: None,
            curve: Vec::new(),
        };
        let words = WordWeights {
            buckets: (0..20).collect(),
            weights: (0..3 * 21).map(|_| rng.normal() as f32).collect(),
            scales: vec![0.1, 0.9, 0.0, 1.0, -0.2, 1.1],
        };
        let mut new_items = NewItems { in_catalogue: 0, items: Vec::new(), predicted: Vec::new(), words };
        items.iter().for_each(|&item| new_items.put(item, &words_of(item)));
        new_items.in_catalogue = items.len();
        let trained = Trained { network, item_item, prior, new_items: Some(new_items), content: None, facts };
        let servable = Servable::new(Arc::new(trained), &content, similar);
        Self { events, content, servable }
    }

    /// The same with another policy and another number of kept places.
    #[must_use]
    pub fn with(mut self, seen: SeenPolicy, new_places: u32) -> Self {
        let blend = &mut Arc::make_mut(&mut self.servable.model).facts.blend;
        (blend.seen, blend.new_places) = (seen, new_places);
        self
    }

    /// The users' histories, all events counted.
    pub fn histories(&self) -> Vec<History<'_>> {
        (0..self.events.users()).map(|user| self.events.of(UserId(user as u32))).collect()
    }
}
