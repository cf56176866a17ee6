//! What every index promises (`promises`), of those within the process.

mod promises;

use promises::{Recall, WIDTH, check, steps};
use proptest::prelude::*;
use semrank_retrieve::{Flat, IndexUrl, Precision};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn flat_in_f32(steps in steps(), seed: u64) {
        check(&Flat::new(WIDTH, Precision::F32), &steps, seed, true, &mut Recall::default())?;
    }

    #[test]
    fn flat_in_integers(steps in steps(), seed: u64) {
        check(&Flat::new(WIDTH, Precision::Int8), &steps, seed, true, &mut Recall::default())?;
    }
}

#[test]
fn flat_by_url_while_items_change() {
    let url: IndexUrl = "flat://".parse().expect("an address");
    let index = url.open(WIDTH, Precision::fastest()).expect("an index");
    assert!(index.is_exact());
    promises::searches_go_on_while_items_change(&*index, 300);
    promises::vectors_that_do_not_fit_are_refused(&Flat::new(2, Precision::F32));
}

#[cfg(feature = "hnsw")]
mod hnsw {
    use super::*;
    use semrank_core::Rng;
    use semrank_retrieve::index::{Hnsw, HnswSettings};
    use semrank_retrieve::{Bitmap, Index};
    use std::sync::Mutex;

    /// A graph of everything, at any size and share.
    const SMALL: HnswSettings = HnswSettings {
        least_rows: 20,
        least_share: 0.0,
        dead_share: 0.2,
        neighbours: 16,
        build_candidates: 64,
        candidates_per_item: 2,
    };

    #[test]
    fn a_small_one_is_exact() {
        let index =
            "hnsw://".parse::<IndexUrl>().expect("an address").open(WIDTH, Precision::F32).expect("an index");
        assert!(!index.is_exact(), "it is not always");
        promises::searches_go_on_while_items_change(&*index, 100);
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(20));
        let tried = runner.run(&(steps(), any::<u64>()), |(steps, seed)| {
            check(&*index, &steps, seed, true, &mut Recall::default())
        });
        tried.expect("as the flat index");
    }

    #[test]
    fn the_graph_keeps_the_promises() {
        let recall = Mutex::new(Recall::default());
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(100));
        let tried = runner.run(&(steps(), any::<u64>()), |(steps, seed)| {
            let index = Hnsw::new(WIDTH, Precision::F32, SMALL);
            check(&index, &steps, seed, false, &mut recall.lock().expect("no panic"))
        });
        tried.expect("as many items as there are, with their scores");
        let Recall { wanted, found } = recall.into_inner().expect("no panic");
        assert!(found as f64 > 0.95 * wanted as f64, "{found} of {wanted}");
        promises::searches_go_on_while_items_change(&Hnsw::new(WIDTH, Precision::F32, SMALL), 100);
        promises::vectors_that_do_not_fit_are_refused(&Hnsw::new(2, Precision::F32, SMALL));
    }

    #[test]
    fn what_changed_since_the_graph_was_built_counts() {
        let (index, mut rng) = (
            Hnsw::new(WIDTH, Precision::F32, HnswSettings { dead_share: 0.5, ..SMALL }),
            Rng::new(1, "graph"),
        );
        let mut draw = || -> Vec<f32> { (0..WIDTH).map(|_| rng.normal() as f32).collect() };
        (0..5_000).for_each(|item| index.put(item, &draw(), 0.0).expect("a vector"));
        index.settle();
        assert!(index.bytes().0 > 0, "there is a graph");
        let query = draw();
        let long: Vec<f32> = query.iter().map(|value| 10.0 * value).collect();
        (4_990..5_010).for_each(|item| index.put(item, &long, 0.0).expect("a vector"));
        (0..1_000).for_each(|item| assert!(index.delete(item).expect("a deletion")));
        let half: Bitmap = (0..6_000u32).map(|item| item % 2 == 0).collect();
        let hits = index.search(&query, 100, None, Some(&half)).expect("a search");
        assert_eq!(hits.len(), 100);
        assert!(hits.iter().all(|hit| hit.row >= 1_000 && hit.row % 2 == 0));
        let first: Vec<u32> = hits[..10].iter().map(|hit| hit.row).collect();
        assert_eq!(first, (4_990..5_010).step_by(2).collect::<Vec<_>>());
        index.clear().expect("an empty index");
        assert_eq!(index.search(&query, 5, None, None).expect("a search"), []);
    }
}
