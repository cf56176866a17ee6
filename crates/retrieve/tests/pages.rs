//! Pages of any size: none repeats an item, and together they have every item that may be shown, whatever is put in, deleted or scored anew in
//! between.

use proptest::prelude::*;
use semrank_core::Rng;
use semrank_retrieve::{
    Cursor, CursorKey, Eligibility, Error, Funnel, Items, Quota, Request, Scope, Scored, Sourcer,
};
use semrank_sequence::testing::World;
use semrank_sequence::{Servable, UserState};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Items by scores that change; it knows them all or those with even numbers, and fails on demand.
struct Scores {
    name: &'static str,
    scores: Mutex<Vec<f32>>,
    every: usize,
    fails: Mutex<bool>,
}

impl Sourcer for Scores {
    fn name(&self) -> &'static str {
        self.name
    }

    fn candidates(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
        if *self.fails.lock().expect("no panic") {
            return Err(Error::NotFinite(0));
        }
        let scores = self.scores.lock().expect("no panic");
        let known = (0..).zip(scores.iter()).step_by(self.every);
        out.extend(known.map(|(item, &score)| Scored { item, score }));
        out.retain(|scored| request.eligible.contains(scored.item));
        out.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item)));
        out.truncate(n);
        Ok(())
    }
}

fn servable() -> &'static Servable {
    static SERVABLE: OnceLock<Servable> = OnceLock::new();
    SERVABLE.get_or_init(|| World::new().servable)
}

#[derive(Debug, Clone)]
enum Change {
    Put,
    Delete(u32),
    Score(u64),
    Fail,
}

fn changes() -> impl Strategy<Value = Vec<(usize, Vec<Change>)>> {
    let change = prop_oneof![
        3 => Just(Change::Put),
        3 => (0..60u32).prop_map(Change::Delete),
        2 => any::<u64>().prop_map(Change::Score),
        1 => Just(Change::Fail),
    ];
    prop::collection::vec((1usize..12, prop::collection::vec(change, 0..4)), 1..12)
}

fn key() -> CursorKey {
    CursorKey::new([1; 32])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn pages_repeat_nothing_and_miss_nothing(count in 1usize..50, quota in 1usize..20, pages in changes(), seed: u64) {
        let mut items = Items::new(count);
        let draw = |seed, count| {
            let mut rng = Rng::new(seed, "scores");
            (0..count).map(|_| rng.below(20) as f32).collect::<Vec<f32>>()
        };
        let source = |name, every, seed| {
            Arc::new(Scores { name, scores: Mutex::new(draw(seed, count)), every, fails: Mutex::new(false) })
        };
        let sources = [source("all", 1, seed), source("even", 2, seed ^ 1)];
        let quota = |source: &Arc<Scores>| Quota { source: source.clone(), items: quota, deadline: Duration::MAX };
        let funnel = Funnel::new(sources.iter().map(quota).collect());
        let (user, scope) = (UserState::default(), Scope::of([("user", "a")]));
        let mut text = Cursor::first(0).seal(&key(), scope).expect("few items");
        let mut shown: BTreeSet<u32> = BTreeSet::new();
        let mut more = true;
        // After the changes pages go on until there are no more.
        let ending = std::iter::repeat((5, Vec::new()));
        for (size, changes) in pages.into_iter().chain(ending) {
            if !more {
                break;
            }
            let eligible = items.which(&Eligibility::default()).expect("no filter");
            let mut cursor = Cursor::open(&text, &key(), scope).expect("our own");
            let request = Request::new(servable(), &user, &eligible);
            let (answer, has_more) = funnel.page(&request, size, &mut cursor);
            prop_assert!(answer.items.len() <= size);
            let has_failed = answer.sources.iter().any(|source| source.error.is_some());
            prop_assert!(has_failed || answer.items.len() == size || !has_more, "a short page is the last");
            for found in &answer.items {
                prop_assert!(eligible.contains(found.item) && shown.insert(found.item), "{} again", found.item);
            }
            more = has_more;
            if !more {
                let missed: Vec<u32> = eligible.iter().filter(|item| !shown.contains(item)).collect();
                prop_assert!(missed.is_empty(), "missed {missed:?}");
            }
            text = cursor.seal(&key(), scope).expect("few items");
            sources.iter().for_each(|source| *source.fails.lock().expect("no panic") = false);
            for change in changes {
                match change {
                    Change::Put => {
                        items.push();
                        sources.iter().for_each(|source| source.scores.lock().expect("no panic").push(seed as u8 as f32 % 23.0));
                    }
                    Change::Delete(item) => _ = (item as usize) < items.len() && items.delete(item),
                    Change::Score(seed) => sources.iter().for_each(|source| {
                        let mut scores = source.scores.lock().expect("no panic");
                        *scores = draw(seed, scores.len());
                    }),
                    Change::Fail => *sources[0].fails.lock().expect("no panic") = true,
                }
            }
        }
    }
}
