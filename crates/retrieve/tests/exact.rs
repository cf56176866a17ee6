//! The `sequence` source is the ranker: for any user, filter and k it finds the items and scores of [`Servable::top_k`], which scores the whole
//! catalogue, bit by bit, in both precisions. The
//! `early-stage` source is a plain scan of the same rows by another query.

use proptest::prelude::*;
use semrank_core::{ItemId, Rng};
use semrank_retrieve::sourcer::{EarlyStage, Sequence};
use semrank_retrieve::{Bitmap, Early, Precision, Request, Scored, Sourcer};
use semrank_sequence::testing::{ITEMS, NEW, USERS, World};
use semrank_sequence::{Arena, SeenPolicy, Servable};
use std::sync::Arc;

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

#[test]
fn the_early_stage_source_is_a_plain_scan_by_its_query() {
    let (servable, width) = (World::new().servable, World::new().servable.fused_width());
    let mut rng = Rng::new(3, "early");
    let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.normal() as f32).collect() };
    let model = Arc::new(Early { matrix: draw(width * width), offset: draw(width), prior: 0.3 });
    let users = servable.users(&World::new().histories());
    for precision in [Precision::F32, Precision::Int8] {
        let index = Arc::new(Sequence::new(&servable, precision).expect("finite rows"));
        let source = EarlyStage::new(index, model.clone());
        for (number, user) in users.iter().enumerate() {
            let eligible = eligible(&mut Rng::new(number as u64, "eligible"), number % 5);
            let query = model.query(&servable.fused_query(user, 0.0).values);
            let mut row = vec![0.0; width];
            let scored = eligible.iter().map(|item| {
                let bias = servable.fused_row(ItemId(item), &mut row);
                Scored { item, score: semrank_nn::kernel::dot(&query, &row) + bias }
            });
            let mut want: Vec<Scored> = scored.collect();
            want.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item)));
            want.truncate(40);
            let mut got = Vec::new();
            source.candidates(&Request::new(&servable, user, &eligible), 40, &mut got).expect("scores");
            assert_eq!(got, want, "user {number}");
        }
    }
}
