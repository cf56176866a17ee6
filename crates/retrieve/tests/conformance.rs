//! What every index promises, run on every backend: results depend on the eligible set only, always min(k, eligible) items, what was
//! deleted never comes back, what was put is found at once.

use proptest::prelude::*;
use semrank_core::Rng;
use semrank_retrieve::{Bitmap, Flat, Index, Precision};
use std::collections::BTreeMap;

const WIDTH: usize = 9;
const ITEMS: u32 = 600;

#[derive(Debug, Clone)]
enum Step {
    Put(u32),
    Delete(u32),
    Search { k: usize, chance: usize, slack: Option<f32> },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let search = (0usize..50, prop::sample::select(vec![1usize, 2, 20, 500]), prop::option::of(0f32..0.5))
        .prop_map(|(k, chance, slack)| Step::Search { k, chance, slack });
    let step =
        prop_oneof![4 => (0..ITEMS).prop_map(Step::Put), 2 => (0..ITEMS).prop_map(Step::Delete), 1 => search];
    prop::collection::vec(step, 1..300)
}

fn vector(rng: &mut Rng) -> Vec<f32> {
    (0..WIDTH).map(|_| rng.below(5) as f32 - 2.0 + 0.1 * rng.below(3) as f32).collect()
}

/// The index against a map that is sorted anew for every search. Scores are whole tenths, so that there are many ties and no rounding
/// decides.
fn check(index: &dyn Index, steps: &[Step], seed: u64) -> Result<(), TestCaseError> {
    let mut rng = Rng::new(seed, "conformance");
    let mut naive: BTreeMap<u32, (Vec<f32>, f32)> = BTreeMap::new();
    for step in steps {
        match *step {
            Step::Put(item) => {
                let (vector, bias) = (vector(&mut rng), rng.below(3) as f32);
                index.put(item, &vector, bias).expect("a vector");
                naive.insert(item, (vector, bias));
            }
            Step::Delete(item) => {
                let was_there = index.delete(item).expect("a deletion");
                prop_assert_eq!(was_there, naive.remove(&item).is_some());
            }
            Step::Search { k, chance, slack } => {
                let query = vector(&mut rng);
                let eligible: Bitmap = (0..ITEMS).map(|_| rng.below(chance) == 0).collect();
                let eligible = (chance > 1).then_some(&eligible);
                let got = index.search(&query, k, slack, eligible).expect("a search");
                let allowed =
                    naive.iter().filter(|(item, _)| eligible.is_none_or(|set| set.contains(**item)));
                let mut want: Vec<(f32, u32)> = allowed
                    .map(|(&item, (vector, bias))| (semrank_nn::kernel::dot(&query, vector) + bias, item))
                    .collect();
                want.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                let least = want.get(k.wrapping_sub(1)).map_or(f32::NEG_INFINITY, |worst| worst.0);
                match slack {
                    _ if k == 0 => want.clear(),
                    Some(slack) => want.retain(|entry| entry.0 >= least - slack),
                    None => want.truncate(k),
                }
                let got: Vec<(f32, u32)> = got.iter().map(|hit| (hit.score, hit.row)).collect();
                prop_assert_eq!(got, want);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn flat_in_f32(steps in steps(), seed: u64) {
        check(&Flat::new(WIDTH, Precision::F32), &steps, seed)?;
    }

    #[test]
    fn flat_in_integers(steps in steps(), seed: u64) {
        check(&Flat::new(WIDTH, Precision::Int8), &steps, seed)?;
    }
}

#[test]
fn searches_go_on_while_items_change() {
    let index = Flat::new(WIDTH, Precision::fastest());
    (0..2_000).for_each(|item| index.put(item, &[1.0; WIDTH], item as f32).expect("a vector"));
    std::thread::scope(|scope| {
        for thread in 0..3u32 {
            let index = &index;
            scope.spawn(move || {
                for round in 0..300u32 {
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

#[test]
fn vectors_that_do_not_fit_are_refused() {
    let index = Flat::new(2, Precision::F32);
    let message = |done: Result<(), semrank_retrieve::Error>| done.expect_err("refused").to_string();
    assert_eq!(message(index.put(0, &[1.0], 0.0)), "a vector of width 1; the index holds vectors of width 2");
    assert!(message(index.put(3, &[1.0, f32::NAN], 0.0)).contains("item row 3"));
    assert!(message(index.put(3, &[1.0, 1.0], f32::INFINITY)).contains("item row 3"));
    assert!(index.search(&[1.0; 3], 1, None, None).is_err());
    assert!(!index.delete(7).expect("a deletion"));
}
