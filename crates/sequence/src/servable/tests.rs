//! What a servable says of users and items, on a small random market.

use super::*;
use crate::testing::{CONTENT, ITEMS, USERS, World, words_of};
use semrank_core::{ActionId, EventLogBuilder, Rng, UserId};

const BLENDS: [(SeenPolicy, u32); 4] =
    [(SeenPolicy::Mask, 0), (SeenPolicy::Mask, 3), (SeenPolicy::Learned, 2), (SeenPolicy::None, 1)];

#[test]
fn scores_of_some_items_are_those_of_whole_rows() {
    let mut rng = Rng::new(3, "items");
    for (seen, new_places) in BLENDS {
        let world = World::new().with(seen, new_places);
        let servable = &world.servable;
        let histories = world.histories();
        let mut rows = vec![0.0; USERS * ITEMS];
        servable.score(&histories, &mut rows);
        // Some items twice, some of the history, some new ones; a history that asks for nothing.
        let wanted: Vec<(History, Vec<ItemId>)> = histories
            .iter()
            .enumerate()
            .map(|(user, history)| {
                let mut items: Vec<ItemId> =
                    (0..user % 30).map(|_| ItemId(rng.below(ITEMS) as u32)).collect();
                items.extend(&history.items[..user % 12]);
                items.extend((0..user % 7).map(|at| ItemId((ITEMS - 1 - at) as u32)));
                (*history, items)
            })
            .collect();
        let found = servable.score_lists(&wanted);
        let mut lifted = 0;
        for ((scores, (history, items)), row) in found.iter().zip(&wanted).zip(rows.chunks(ITEMS)) {
            let user = servable.user(*history);
            let mut alone = vec![0.0; items.len()];
            servable.score_items(&user, items, &mut alone);
            let expected: Vec<f32> = items.iter().map(|item| row[item.index()]).collect();
            assert_eq!((scores, &alone), (&expected, &expected));
            let ranked: Vec<(f32, u32)> =
                scores.iter().zip(items).map(|(&score, item)| (score, item.0)).collect();
            for ((score, _), parts) in ranked.iter().zip(servable.explain(&user, &ranked)) {
                lifted += usize::from(parts.kept_place > 1e-4);
                assert!(*score == parts.sum() || (score - parts.sum()).abs() < 1e-4, "{score} {parts:?}");
            }
        }
        assert_eq!(lifted > 0, new_places > 0, "places are kept");
    }
}

#[test]
fn a_state_built_event_by_event_is_that_of_the_whole_history() {
    for (seen, new_places) in BLENDS {
        let world = World::new().with(seen, new_places);
        let servable = &world.servable;
        let mut row = vec![0.0; ITEMS];
        for history in world.histories() {
            let mut user = servable.user(history.last(0));
            for at in 0..history.len() {
                let event =
                    Event { item: history.items[at], action: history.actions[at], time: history.times[at] };
                servable.push(&mut user, event);
            }
            assert_eq!(user, servable.user(history));
            servable.score(&[history], &mut row);
            let (mut arena, mut best) = (Arena::default(), semrank_core::best_items(&row, 20, |_| true));
            best.retain(|item| row[item.index()] > f32::NEG_INFINITY);
            let top = servable.top_k(&user, 20, &|_: ItemId| true, &mut arena).unwrap();
            let expected: Vec<(f32, u32)> = best.iter().map(|item| (row[item.index()], item.0)).collect();
            assert_eq!(top, expected);
        }
    }
}

#[test]
fn the_best_depend_on_what_is_eligible_only() {
    let world = World::new().with(SeenPolicy::Mask, 3);
    let (servable, mut arena) = (&world.servable, Arena::default());
    let user = servable.user(world.events.of(UserId(7)));
    let even = |item: ItemId| item.0.is_multiple_of(2);
    let top = servable.top_k(&user, 2 * ITEMS, &even, &mut arena).unwrap().to_vec();
    let seen = user.seen.iter().filter(|item| even(**item)).count();
    assert_eq!(top.len(), ITEMS / 2 - seen, "all that are eligible and not masked");
    assert!(top.iter().all(|&(_, item)| even(ItemId(item))));
    // Seven of the first ten are no new items, and three are.
    let new = servable.new_items.as_ref().unwrap();
    assert!(top[..10].iter().filter(|one| new.items.contains(&one.1)).count() >= 3);
    assert!(servable.top_k(&user, 5, &|_: ItemId| false, &mut arena).unwrap().is_empty());
}

#[test]
fn events_that_the_model_does_not_know_are_left_out() {
    let world = World::new();
    let servable = &world.servable;
    let [known, item, action] = [(3, 0), (ITEMS as u32, 0), (4, 9)].map(|(item, action)| Event {
        item: ItemId(item),
        action: ActionId(action),
        time: 5,
    });
    let of = |events: &[Event]| {
        let mut log = EventLogBuilder::default();
        events.iter().for_each(|event| log.push(UserId(0), *event));
        let log = log.finish(1, true);
        let mut pushed = servable.user(log.of(UserId(0)).last(0));
        events.iter().for_each(|event| servable.push(&mut pushed, *event));
        let whole = servable.user(log.of(UserId(0)));
        assert_eq!(whole, pushed);
        whole
    };
    assert_eq!(of(&[item, known, action]), of(&[known]));
    let nobody = of(&[item, action]);
    assert_eq!(nobody, of(&[]));
    // Of nobody nothing but the prior speaks.
    let (mut scores, items) = ([0.0; 3], [5, 6, 7].map(ItemId));
    servable.score_items(&nobody, &items, &mut scores);
    assert_eq!(scores, [5, 6, 7].map(|item: usize| servable.model.prior[item]));
}

#[test]
fn a_pair_costs_its_items_and_not_the_catalogue() {
    let world = World::new();
    let [one, two] = [1, 2].map(|user| world.events.of(UserId(user)));
    let wanted = [(one, (10..20).map(ItemId).collect())];
    let needed = ([one, two].into_iter(), (10..20).map(ItemId));
    // A prior and vectors of these items only, besides vectors of histories: who looked at another one would fail.
    let mut model = world.servable.model().clone();
    Arc::make_mut(&mut model).prior.truncate(20);
    let vectors = ItemVectors::some(&model.network, ITEMS, needed, &world.content);
    let few = Servable::with_vectors(model, vectors, world.servable.similar().clone());
    let (found, expected) = (few.score_lists(&wanted), world.servable.score_lists(&wanted));
    assert!(found[0].len() == 10 && found == expected, "{found:?} {expected:?}");
    assert!(few.score_lists(&[]).is_empty());
    assert_eq!(few.score_lists(&[(two, Vec::new())]), [Vec::<f32>::new()]);
}

/// An item that is put in with the parts of one without training events is scored as that one, in every way there is.
#[test]
fn an_item_put_in_later_is_scored_as_an_item_of_the_catalogue() {
    for (seen, new_places) in BLENDS {
        let world = World::new().with(seen, new_places);
        let (mut servable, mut arena) = (world.servable, Arena::default());
        let (twin, later) = (ItemId(ITEMS as u32 - 3), ItemId(ITEMS as u32));
        let content = &world.content[twin.index() * CONTENT..][..CONTENT];
        let words = words_of(twin.0);
        let before: Vec<Vec<f32>> = histories_of(&world.events)
            .map(|history| scores(&servable, &servable.user(history), ITEMS as u32))
            .collect();
        Arc::make_mut(&mut servable.model).prior[twin.index()] = 0.0;
        servable.prior[twin.index()] = 0.0;
        servable.put(later, &ItemInput { content, similar: content, codes: &[], words: &words });
        let without_twin = |item: ItemId| item != twin;
        let is_new = servable.new_items.as_ref().unwrap().items.clone();
        for (history, before) in histories_of(&world.events).zip(before) {
            let user = servable.user(history);
            let all = scores(&servable, &user, later.0 + 1);
            for item in 0..ITEMS {
                let may_move = item == twin.index() || new_places > 0 && is_new.contains(&(item as u32));
                assert!(may_move || all[item] == before[item], "item {item}: no other score moves");
            }
            if new_places > 0 || user.seen.contains(&twin) {
                continue;
            }
            assert_eq!(all[later.index()], all[twin.index()]);
            let top = servable.top_k(&user, ITEMS + 1, &without_twin, &mut arena).unwrap();
            assert!(top.contains(&(all[later.index()], later.0)));
        }
        // Who has taken it is near what it is near to.
        let event = |item| Event { item, action: ActionId(0), time: 7 };
        let [mut of_later, mut of_twin] = [UserState::default(), UserState::default()];
        servable.push(&mut of_later, event(later));
        servable.push(&mut of_twin, event(twin));
        assert_eq!((of_later.hidden, of_later.profile), (of_twin.hidden, of_twin.profile));
        // What is known of it can be replaced.
        servable.put(
            later,
            &ItemInput { content: &[0.5; CONTENT], similar: &[0.5; CONTENT], codes: &[], words: &[] },
        );
        assert_eq!(servable.items(), ITEMS + 1);
        assert_ne!(servable.content_row(later), servable.content_row(twin));
    }
}

fn histories_of(events: &semrank_core::EventLog) -> impl Iterator<Item = History<'_>> {
    (0..20).map(|user| events.of(UserId(user)))
}

fn scores(servable: &Servable, user: &UserState, items: u32) -> Vec<f32> {
    let items: Vec<ItemId> = (0..items).map(ItemId).collect();
    let mut out = vec![0.0; items.len()];
    servable.score_items(user, &items, &mut out);
    out
}
