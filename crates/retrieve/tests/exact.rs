//! The `sequence` source is the ranker: for any user, filter and k it finds the items and scores of [`Servable::top_k`], which scores the whole
//! catalogue, bit by bit, in both precisions.

use proptest::prelude::*;
use semrank_core::{ItemId, Rng};
use semrank_retrieve::{Bitmap, Precision, Request, sourcer::Sequence};
use semrank_sequence::testing::{ITEMS, NEW, USERS, World};
use semrank_sequence::{Arena, SeenPolicy, Servable};

const BLENDS: [(SeenPolicy, u32); 4] =
    [(SeenPolicy::Mask, 0), (SeenPolicy::Mask, 3), (SeenPolicy::Learned, 2), (SeenPolicy::None, 1)];

/// A servable of each policy, and its sources.
fn sources() -> Vec<(Servable, Vec<Sequence>, Vec<semrank_sequence::UserState>)> {
    let build = |(seen, places)| {
        let world = World::new().with(seen, places);
        let users = world.servable.users(&world.histories());
        let servable = world.servable;
        let sources = [Precision::F32, Precision::Int8].map(|precision| Sequence::new(&servable, precision));
        (servable, sources.into_iter().map(|source| source.expect("finite rows")).collect(), users)
    };
    BLENDS.into_iter().map(build).collect()
}

/// Random sets of items, of every size, with and without new items.
fn eligible(rng: &mut Rng, share: usize) -> Bitmap {
    let chance = [1, 1, 2, 10, 100, 1000][share];
    let new = rng.below(3);
    (0..ITEMS)
        .map(|item| {
            let is_new = item >= ITEMS - NEW;
            rng.below(chance) == 0 && (new != 0 || !is_new) && (new != 1 || is_new || rng.below(4) > 0)
        })
        .collect()
}

#[test]
fn the_sequence_source_is_the_ranker() {
    let sources = sources();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(2_000));
    let cases = (0..BLENDS.len(), 0..2usize, 0..USERS, 0..80usize, 0..6usize, any::<u64>());
    let done = runner.run(&cases, |(blend, precision, user, k, share, seed)| {
        let (servable, sources, users) = &sources[blend];
        let eligible = eligible(&mut Rng::new(seed, "eligible"), share);
        let request = Request::new(servable, &users[user], &eligible);
        let got = sources[precision].top_k(&request, k).expect("scores");
        let (allows, mut arena) = (|item: ItemId| eligible.contains(item.0), Arena::default());
        let want = servable.top_k(&users[user], k, &allows, &mut arena).expect("scores");
        prop_assert_eq!(got, want);
        Ok(())
    });
    done.unwrap_or_else(|error| panic!("{error}"));
}
