//! What every index promises, as functions that each backend's test file calls: results depend on the eligible set only, always min(k,
//! eligible) items, what was deleted never comes back, what was put is found at once, equal filters give equal results.

#![allow(dead_code, reason = "each test file uses a part")]

use proptest::prelude::*;
use semrank_core::Rng;
use semrank_retrieve::{Bitmap, Error, Hit, Index};
use std::collections::BTreeMap;

pub(crate) const WIDTH: usize = 9;
const ITEMS: u32 = 600;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Put(u32),
    PutAll(u32, u32),
    Delete(u32),
    Search { k: usize, chance: usize, slack: Option<f32> },
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let search = (0usize..50, prop::sample::select(vec![1usize, 2, 20, 500]), prop::option::of(0f32..0.5))
        .prop_map(|(k, chance, slack)| Step::Search { k, chance, slack });
    let step = prop_oneof![
        8 => (0..ITEMS).prop_map(Step::Put),
        1 => (0..ITEMS, 0u32..60).prop_map(|(first, count)| Step::PutAll(first, count)),
        4 => (0..ITEMS).prop_map(Step::Delete),
        3 => search,
    ];
    prop::collection::vec(step, 1..300)
}

/// Quarters, so that sums are exact in any order, and there are many ties.
fn vector(rng: &mut Rng) -> Vec<f32> {
    (0..WIDTH).map(|_| rng.below(5) as f32 - 2.0 + 0.25 * rng.below(3) as f32).collect()
}

/// Items that exact searches found, and how many of these the index found.
#[derive(Debug, Default)]
pub(crate) struct Recall {
    pub(crate) wanted: usize,
    pub(crate) found: usize,
}

/// The index, emptied, against a map that is sorted anew for every search. An exact index equals it; another has as many items, with
/// their right scores and in order.
pub(crate) fn check(
    index: &dyn Index,
    steps: &[Step],
    seed: u64,
    is_exact: bool,
    recall: &mut Recall,
) -> Result<(), TestCaseError> {
    let mut rng = Rng::new(seed, "conformance");
    let mut naive: BTreeMap<u32, (Vec<f32>, f32)> = BTreeMap::new();
    index.clear().expect("an empty index");
    for step in steps {
        match *step {
            Step::Put(item) => {
                let (vector, bias) = (vector(&mut rng), rng.below(3) as f32);
                index.put(item, &vector, bias).expect("a vector");
                naive.insert(item, (vector, bias));
            }
            Step::PutAll(first, count) => {
                let items: Vec<u32> = (first..first + count).collect();
                let rows: Vec<(Vec<f32>, f32)> =
                    items.iter().map(|_| (vector(&mut rng), rng.below(3) as f32)).collect();
                let vectors: Vec<f32> = rows.iter().flat_map(|row| row.0.clone()).collect();
                let biases: Vec<f32> = rows.iter().map(|row| row.1).collect();
                index.put_all(&items, &vectors, &biases).expect("vectors");
                naive.extend(items.into_iter().zip(rows));
            }
            Step::Delete(item) => {
                let was_there = index.delete(item).expect("a deletion");
                prop_assert_eq!(was_there, naive.remove(&item).is_some());
                prop_assert_eq!(index.vector(item).expect("no vector"), None);
            }
            Step::Search { k, chance, slack } => {
                let query = vector(&mut rng);
                let eligible: Bitmap = (0..ITEMS + 60).map(|_| rng.below(chance) == 0).collect();
                let eligible = (chance > 1).then_some(&eligible);
                let got = index.search(&query, k, slack, eligible).expect("a search");
                prop_assert_eq!(&got, &index.search(&query, k, slack, eligible).expect("the same search"));
                let all = best(&naive, &query, eligible);
                let want = cut(&all, k, slack);
                if is_exact {
                    prop_assert_eq!(got, want);
                } else {
                    prop_assert!(slack.is_some() || got.len() == want.len());
                    prop_assert!(got.iter().all(|hit| all.contains(hit)), "right scores of eligible items");
                    prop_assert!(got.windows(2).all(|two| order(&two[0], &two[1]).is_lt()));
                    recall.wanted += want.len();
                    recall.found += got.iter().filter(|hit| want.contains(hit)).count();
                }
            }
        }
    }
    if let Some((&item, (vector, _))) = naive.first_key_value() {
        prop_assert_eq!(index.vector(item).expect("a vector"), Some(vector.clone()));
    }
    Ok(())
}

fn order(a: &Hit, b: &Hit) -> std::cmp::Ordering {
    b.score.total_cmp(&a.score).then(a.row.cmp(&b.row))
}

fn best(naive: &BTreeMap<u32, (Vec<f32>, f32)>, query: &[f32], eligible: Option<&Bitmap>) -> Vec<Hit> {
    let allowed = naive.iter().filter(|(item, _)| eligible.is_none_or(|set| set.contains(**item)));
    let score = |vector: &[f32], bias: f32| semrank_nn::kernel::dot(query, vector) + bias;
    let mut out: Vec<Hit> =
        allowed.map(|(&row, (vector, bias))| Hit { score: score(vector, *bias) + 0.0, row }).collect();
    out.sort_by(order);
    out
}

fn cut(all: &[Hit], k: usize, slack: Option<f32>) -> Vec<Hit> {
    let least = all.get(k.wrapping_sub(1)).map_or(f32::NEG_INFINITY, |worst| worst.score);
    match slack {
        _ if k == 0 => Vec::new(),
        Some(slack) => all.iter().filter(|hit| hit.score >= least - slack).copied().collect(),
        None => all.iter().take(k).copied().collect(),
    }
}

/// Threads that put, search and delete: each finds its own item at once, and not once it is gone.
pub(crate) fn searches_go_on_while_items_change(index: &dyn Index, rounds: u32) {
    index.clear().expect("an empty index");
    let (items, biases): (Vec<u32>, Vec<f32>) = (0..2_000).map(|item| (item, item as f32)).unzip();
    index.put_all(&items, &[1.0; 2_000 * WIDTH], &biases).expect("vectors");
    std::thread::scope(|scope| {
        for thread in 0..3u32 {
            scope.spawn(move || {
                for round in 0..rounds {
                    let item = 10_000 * (thread + 1) + round;
                    index.put(item, &[1.0; WIDTH], 1e6).expect("a vector");
                    let hits = index.search(&[1.0; WIDTH], 900, None, None).expect("a search");
                    assert!(
                        hits.iter().any(|hit| hit.row == item),
                        "an item is found as soon as put returns"
                    );
                    assert!(index.delete(item).expect("a deletion"));
                    let hits = index.search(&[1.0; WIDTH], 900, None, None).expect("a search");
                    assert!(hits.iter().all(|hit| hit.row != item), "and gone as soon as delete returns");
                    assert_eq!(hits.len(), 900);
                }
            });
        }
    });
}

/// Of an empty index of width 2.
pub(crate) fn vectors_that_do_not_fit_are_refused(index: &dyn Index) {
    let message = |done: Result<(), Error>| done.expect_err("refused").to_string();
    assert_eq!(message(index.put(0, &[1.0], 0.0)), "a vector of width 1; the index holds vectors of width 2");
    assert!(message(index.put(3, &[1.0, f32::NAN], 0.0)).contains("item row 3"));
    assert!(message(index.put(3, &[1.0, 1.0], f32::INFINITY)).contains("item row 3"));
    assert!(message(index.put_all(&[4], &[f32::NAN, 0.0], &[0.0])).contains("item row 4"));
    assert!(index.search(&[1.0; 3], 1, None, None).is_err());
    assert!(!index.delete(7).expect("a deletion"));
    assert_eq!(index.search(&[1.0; 2], 5, None, None).expect("a search"), []);
}
