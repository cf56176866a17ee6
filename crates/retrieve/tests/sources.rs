//! What every source promises: eligible items only, at most as many as asked for, each once, best first; and what each one is for.

#[cfg(feature = "http")]
mod common;

use semrank_core::{ActionId, Dictionary, Event, History, ItemId, Rng};
use semrank_retrieve::sourcer::{
    Cached, CoEngagement, Content, ContentSettings, Engagement, Fresh, Popular, SemanticId, Sequence,
    Sourcer, Text,
};
use semrank_retrieve::{Bitmap, Flat, Precision, Request, Scored};
use semrank_sequence::testing::{CONTENT, ITEMS, NEW, World};
use semrank_sequence::{Servable, UserState};
use semrank_tokens::SemanticIds;
use std::collections::BTreeSet;
use std::sync::Arc;

struct Setting {
    servable: Servable,
    users: Vec<UserState>,
    sources: Vec<Arc<dyn Sourcer>>,
}

fn setting() -> Setting {
    let world = World::new();
    let users = world.servable.users(&world.histories());
    let servable = world.servable;
    let index = Box::new(Flat::new(CONTENT, Precision::fastest()));
    let counts: Vec<u32> =
        (0..ITEMS).map(|item| if item >= ITEMS - NEW { 0 } else { 1 + item as u32 % 9 }).collect();
    let content = Content::new(index, Engagement::new(&counts), ContentSettings::default());
    let rows = (0..).zip(world.content.chunks(CONTENT));
    rows.for_each(|(item, row)| content.put(item, row).expect("a row"));
    let mut rng = Rng::new(4, "ids");
    let ids = SemanticIds::new(3, 4, (0..3 * ITEMS).map(|_| rng.below(4) as u16).collect());
    let popularity: Vec<f32> = (0..ITEMS).map(|item| (item % 50) as f32).collect();
    let new = (0..ITEMS).map(|item| item >= ITEMS - NEW).collect();
    let mut sources: Vec<Arc<dyn Sourcer>> = vec![
        Arc::new(Sequence::new(&servable, Precision::fastest()).expect("finite rows")),
        Arc::new(content),
        Arc::new(SemanticId::new(ids)),
        Arc::new(CoEngagement),
        Arc::new(Popular::new(&popularity)),
        Arc::new(Fresh::new(new)),
    ];
    let texts = (0..ITEMS).map(|item| format!("{} {} rest", item % 7, item % 31));
    sources.extend(Text::new(texts).expect("memory").map(|text| Arc::new(text) as Arc<dyn Sourcer>));
    #[cfg(feature = "http")]
    sources.push(Arc::new(somebody_else()));
    Setting { servable, users, sources }
}

/// A service that names every item, some twice, in no order, and items that nobody knows.
#[cfg(feature = "http")]
fn somebody_else() -> semrank_retrieve::sourcer::Http {
    let item =
        |item: usize| format!("{{\"item\": \"i{}\", \"score\": {}}}", item % (ITEMS + 9), item * 37 % 100);
    let items: Vec<String> = (0..ITEMS + 200).map(item).collect();
    let body = format!("{{\"items\": [{}]}}", items.join(", "));
    let (url, _) = common::serve(move |stream| common::reply(stream, "200 OK", "", body.as_bytes()));
    semrank_retrieve::sourcer::Http::open(
        &format!("graph={url}").parse().expect("a source"),
        std::time::Duration::from_secs(30),
    )
    .expect("an address")
}

fn names() -> Dictionary {
    let mut out = Dictionary::new();
    (0..ITEMS).for_each(|item| _ = out.insert(&format!("i{item}")));
    out
}

fn ask(
    servable: &Servable,
    source: &dyn Sourcer,
    user: &UserState,
    eligible: &Bitmap,
    n: usize,
) -> Vec<Scored> {
    let (mut out, names) = (Vec::new(), names());
    let request =
        Request { user_id: Some("u"), names: Some(&names), ..Request::new(servable, user, eligible) };
    source.candidates(&request, n, &mut out).expect("candidates");
    out
}

#[test]
fn every_source_keeps_to_the_eligible_items() {
    let Setting { servable, users, sources } = setting();
    let mut rng = Rng::new(9, "eligible");
    for chance in [1, 2, 10, 200] {
        let eligible: Bitmap = (0..ITEMS).map(|_| rng.below(chance) == 0).collect();
        for source in &sources {
            for (user, n) in users.iter().zip([0, 1, 7, 100, 2 * ITEMS]) {
                let found = ask(&servable, &**source, user, &eligible, n);
                let distinct: BTreeSet<u32> = found.iter().map(|scored| scored.item).collect();
                assert_eq!(distinct.len(), found.len(), "{}: each once", source.name());
                assert!(found.len() <= n, "{}", source.name());
                assert!(distinct.iter().all(|&item| eligible.contains(item)), "{}", source.name());
                assert!(found.is_sorted_by(|a, b| a.score >= b.score), "{}: best first", source.name());
            }
        }
    }
}

#[test]
fn sources_that_know_every_item_find_as_many_as_there_are() {
    let Setting { servable, users, sources } = setting();
    let eligible: Bitmap = (0..ITEMS).map(|item| item % 3 == 0 || item >= ITEMS - NEW).collect();
    let [sequence, fresh] = [&sources[0], &sources[5]];
    assert_eq!(ask(&servable, &**sequence, &users[0], &eligible, ITEMS).len(), eligible.count());
    assert_eq!(ask(&servable, &**fresh, &users[0], &eligible, ITEMS).len(), NEW);
    // Items that were put in since are eligible and not known to the ranker yet.
    assert_eq!(ask(&servable, &**sequence, &users[0], &Bitmap::full(ITEMS + 70), 10).len(), 10);
    let content = &sources[1];
    assert_eq!(
        ask(&servable, &**content, &users[0], &eligible, 100).len(),
        100,
        "interests that find the same look further"
    );
    let [a, b] = [0, 1].map(|user| ask(&servable, &**fresh, &users[user], &eligible, 10));
    assert_ne!(a, b, "another user tries other new items");
}

/// Someone who has only seen items without training events is known by content alone; what is found is what is near.
#[test]
fn the_content_source_finds_neighbours_of_items_that_nobody_took() {
    let Setting { servable, sources, .. } = setting();
    let seen = ItemId(ITEMS as u32 - 1);
    let user = servable.user(History { items: &[seen], actions: &[ActionId(0)], times: &[0] });
    let found = ask(&servable, &*sources[1], &user, &Bitmap::full(ITEMS), 5);
    assert_eq!((found[0].item, found.len()), (seen.0, 5), "nothing is nearer to an item than itself");
}

/// Half of what content finds has no training events, half has few; what comes later is new. Each beginning of a list is the shorter list.
#[test]
fn the_content_source_finds_what_clicks_do_not_know_yet() {
    let unit = |angle: f32| [angle.cos(), angle.sin()];
    let counts = [9, 9, 0, 1, 9, 0, 1, 9];
    let source = Content::new(
        Box::new(Flat::new(2, Precision::F32)),
        Engagement::new(&counts),
        ContentSettings::default(),
    );
    (0..9).for_each(|item| source.put(item, &unit(0.1 * item as f32)).expect("a row"));
    let Setting { servable, .. } = setting();
    let user = servable.user(History { items: &[ItemId(0)], actions: &[ActionId(0)], times: &[0] });
    let found = |n| -> Vec<u32> {
        ask(&servable, &source, &user, &Bitmap::full(9), n).iter().map(|found| found.item).collect()
    };
    // New: 2, 5, 8; rare: 3, 6; the others by nearness.
    assert_eq!(found(9), [2, 3, 5, 6, 8, 0, 1, 4, 7]);
    (0..9).for_each(|n| assert_eq!(found(n), found(9)[..n]));
    source.put(5, &[0.0; 2]).expect("a deletion");
    assert_eq!(found(9), [2, 3, 8, 6, 0, 1, 4, 7], "an item without content is near nothing");
}

#[test]
fn items_that_share_a_longer_prefix_come_first() {
    let ids = SemanticIds::new(2, 3, vec![0, 0, 0, 0, 0, 1, 1, 0, 2, 2]);
    let source = SemanticId::new(ids);
    let Setting { servable, .. } = setting();
    let mut user = UserState::default();
    servable.push(&mut user, Event { item: ItemId(0), action: ActionId(0), time: 0 });
    let found = ask(&servable, &source, &user, &Bitmap::full(5), 10);
    assert_eq!(found.iter().map(|scored| scored.item).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(found[2].score, 0.5);
}

#[test]
fn a_cache_of_rankings_forgets_whoever_came_first() {
    let cached = Cached::new(2);
    let ranking = |item| vec![Scored { item, score: 1.0 }];
    let (servable, user, eligible) = (World::new().servable, UserState::default(), Bitmap::full(9));
    let found = |id: &str| {
        let mut out = Vec::new();
        let request = Request { user_id: Some(id), ..Request::new(&servable, &user, &eligible) };
        cached.candidates(&request, 5, &mut out).expect("candidates");
        out.first().map(|scored| scored.item)
    };
    for (id, item) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
        cached.remember(id, ranking(item));
    }
    assert_eq!(["a", "b", "c"].map(found), [Some(3), None, Some(4)]);
    cached.forget("a");
    assert_eq!(found("a"), None);
}
