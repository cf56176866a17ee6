//! A small random market.

use semrank_core::{ActionId, Event, EventLog, EventLogBuilder, ItemId, Rng, UserId};
use semrank_sequence::TrainingData;
use semrank_tokens::SemanticIds;
use semrank_tower::gap_bucket;

const USERS: usize = 9;
pub(crate) const ITEMS: usize = 14;
pub(crate) const CONTENT: usize = 3;
const LEVELS: usize = 3;
const CODES: usize = 3;

pub(crate) struct World {
    events: EventLog,
    train_ends: Vec<usize>,
    counts: Vec<u32>,
    pub(crate) content: Vec<f32>,
    tokens: SemanticIds,
}

impl World {
    /// Nine users, histories of 2 to 6 events with repeats, two actions, real times; three codes per item, of three.
    pub(crate) fn new() -> Self {
        let mut rng = Rng::new(4, "world");
        let mut log = EventLogBuilder::default();
        let mut counts = vec![0; ITEMS];
        for user in 0..USERS {
            let mut time = 1_600_000_000_000;
            for _ in 0..2 + rng.below(5) {
                // The last item is never trained.
                let item = rng.below(ITEMS - 1);
                counts[item] += 1;
                time += 1000 * (1 + rng.below(1_000_000)) as i64;
                let event = Event { item: ItemId(item as u32), action: ActionId(rng.below(2) as u8), time };
                log.push(UserId(user as u32), event);
            }
        }
        let events = log.finish(USERS, true);
        let train_ends = (0..USERS).map(|user| events.range(UserId(user as u32)).end).collect();
        let content = (0..ITEMS * CONTENT).map(|_| rng.normal() as f32).collect();
        let codes = (0..ITEMS * LEVELS).map(|_| rng.below(CODES) as u16).collect();
        let tokens = SemanticIds::new(LEVELS, CODES, codes);
        Self { events, train_ends, counts, content, tokens }
    }

    pub(crate) fn data(&self) -> TrainingData<'_> {
        TrainingData {
            content: &self.content,
            tokens: Some(&self.tokens),
            actions: 2,
            ..TrainingData::new(&self.events, &self.train_ends, &self.counts)
        }
    }

    /// The user whose events but the last are `items`: their events with gap buckets, and the last item.
    pub(crate) fn find(&self, items: &[u32]) -> (Vec<(Event, u8)>, u32) {
        for user in 0..USERS {
            let range = self.events.range(UserId(user as u32));
            let events: Vec<Event> = range.map(|at| self.events.event(at)).collect();
            if events.len() == items.len() + 1
                && events.iter().zip(items).all(|(event, item)| event.item.0 == *item)
            {
                let gap = |i: usize| if i == 0 { 0 } else { gap_bucket(events[i].time - events[i - 1].time) };
                let last = events[items.len()].item.0;
                return ((0..items.len()).map(|i| (events[i], gap(i))).collect(), last);
            }
        }
        panic!("no user has the history {items:?}");
    }
}
