//! Scores of some items against whole rows, on a small random market.

use super::*;
use crate::{BlendSettings, Network, Shape, TrainingData};
use semrank_core::{ActionId, Event, EventLog, EventLogBuilder, Rng, UserId};
use semrank_tower::{KnownItems, ModelSettings};

pub(crate) const USERS: usize = 70;
pub(crate) const ITEMS: usize = 1_000;
/// The last items have no training event.
const NEW: usize = 100;
const CONTENT: usize = 8;

/// Random histories of 12 events, of which 10 are for training, over items with random contents.
pub(crate) struct World {
    pub(crate) events: EventLog,
    content: Vec<f32>,
    network: Network<f32>,
    pub(crate) item_item: ItemItem,
    pub(crate) similar: SimilarContent,
    new_items: NewItems,
    prior: Vec<f32>,
}

impl World {
    pub(crate) fn new() -> Self {
        let (mut log, mut rng) = (EventLogBuilder::default(), Rng::new(8, "world"));
        let mut counts = vec![0; ITEMS];
        for user in 0..USERS as u32 {
            for time in 0..12 {
                // The newest events may be of new items.
                let item = rng.below(if time < 10 { ITEMS - NEW } else { ITEMS });
                counts[item] += u32::from(time < 10);
                log.push(UserId(user), Event { item: ItemId(item as u32), action: ActionId(0), time });
            }
        }
        let events = log.finish(USERS, true);
        let train_ends: Vec<usize> =
            (0..USERS).map(|user| events.range(UserId(user as u32)).end - 2).collect();
        let content: Vec<f32> = (0..ITEMS * CONTENT).map(|_| rng.normal() as f32).collect();
        let model = ModelSettings { dim: 16, history: 8, ..ModelSettings::default() };
        let shape = Shape { items: ITEMS, content: CONTENT, actions: 1, timed: true };
        let trained: Vec<bool> = counts.iter().map(|&count| count > 0).collect();
        let network = Network::new(&model, shape, KnownItems { trained: &trained, tokens: None }, 5);
        let settings = BlendSettings::default();
        let similar = SimilarContent::new(&content, CONTENT, &settings);
        let items: Vec<u32> = (0..ITEMS as u32).filter(|&item| counts[item as usize] == 0).collect();
        let worth = (0..3 * items.len()).map(|_| rng.normal() as f32).collect();
        let prior = (0..ITEMS).map(|_| rng.unit() as f32).collect();
        let data = TrainingData {
            events: &events,
            train_ends: &train_ends,
            target: None,
            counts: &counts,
            content: &[],
            tokens: None,
            actions: 1,
            active: &[],
        };
        let item_item = ItemItem::fit(&data, &settings);
        let new_items = NewItems { items, worth };
        Self { events, content, network, item_item, similar, new_items, prior }
    }

    pub(crate) fn encoded(&self) -> Encoded<'_> {
        Encoded::new(&self.network, &self.events, ITEMS, &self.content)
    }

    pub(crate) fn terms<'a>(&'a self, encoded: &'a Encoded<'a>) -> Terms<'a> {
        let (item_item, similar) = (&self.item_item, &self.similar);
        Terms { encoded, item_item, similar, new_items: Some(&self.new_items) }
    }
}

fn query(world: &World, user: usize) -> Query {
    let user = UserId(user as u32);
    Query { user, end: world.events.range(user).end }
}

#[test]
fn scores_of_some_items_are_those_of_whole_rows() {
    let world = World::new();
    let encoded = world.encoded();
    let queries: Vec<Query> = (0..USERS).map(|user| query(&world, user)).collect();
    let mut rng = Rng::new(3, "items");
    for (seen, new_places) in
        [(SeenPolicy::Mask, 0), (SeenPolicy::Mask, 3), (SeenPolicy::Learned, 2), (SeenPolicy::None, 1)]
    {
        let prior = Prior::Popularity;
        let blend = Blend { alpha: 8.0, content: 4.0, beta: 0.4, new_places, prior, seen };
        let ranker = Ranker { terms: world.terms(&encoded), prior: &world.prior, blend };
        let mut rows = vec![0.0; USERS * ITEMS];
        ranker.score(&queries, &mut rows);
        // Some items twice, some of the history, some new ones; a query that asks for nothing.
        let wanted: Vec<(Query, Vec<ItemId>)> = queries
            .iter()
            .enumerate()
            .map(|(user, query)| {
                let mut items: Vec<ItemId> =
                    (0..user % 30).map(|_| ItemId(rng.below(ITEMS) as u32)).collect();
                items.extend(&world.events.of(query.user).items[..user % 12]);
                items.extend((0..user % 7).map(|at| ItemId((ITEMS - 1 - at) as u32)));
                (*query, items)
            })
            .collect();
        let found = ranker.score_items(&wanted);
        let mut lifted = 0;
        for ((scores, (query, items)), row) in found.iter().zip(&wanted).zip(rows.chunks(ITEMS)) {
            assert_eq!(scores.len(), items.len());
            let parts = ranker.explain(query, items);
            for ((&score, item), parts) in scores.iter().zip(items).zip(parts) {
                let expected = row[item.index()];
                assert_eq!(score, expected);
                let own: f32 = parts.iter().sum();
                let is_new = world.new_items.items.binary_search(&item.0).is_ok();
                lifted += usize::from(is_new && score > own + 1e-4);
                assert!(score == own || (score - own).abs() < 1e-4 || is_new && score > own, "{parts:?}");
            }
        }
        assert_eq!(lifted > 0, new_places > 0, "places are kept");
    }
}

#[test]
fn a_pair_costs_its_items_and_not_the_catalogue() {
    let world = World::new();
    let wanted = [(query(&world, 1), (10..20).map(ItemId).collect())];
    let needed = (&[wanted[0].0, query(&world, 2)][..], (10..20).map(ItemId));
    let encoded = Encoded::some(&world.network, &world.events, ITEMS, needed, &world.content);
    let blend = Blend {
        alpha: 8.0,
        content: 4.0,
        beta: 0.4,
        new_places: 0,
        prior: Prior::Popularity,
        seen: SeenPolicy::Mask,
    };
    // A prior and vectors of these items only, besides vectors of histories: who looked at another one would fail.
    let ranker = Ranker { terms: world.terms(&encoded), prior: &world.prior[..20], blend };
    let all = world.encoded();
    let of_all = Ranker { terms: world.terms(&all), prior: &world.prior, blend };
    let (found, expected) = (ranker.score_items(&wanted), of_all.score_items(&wanted));
    assert!(found[0].len() == 10 && found == expected, "{found:?} {expected:?}");
    assert!(ranker.score_items(&[]).is_empty());
    assert_eq!(ranker.score_items(&[(query(&world, 2), Vec::new())]), [Vec::<f32>::new()]);
}
