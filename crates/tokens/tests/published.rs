//! Promise: an id that was published in a generation never moves, whatever is appended later, in whatever order and parts.

mod common;

use common::{DIM, FEATURES, append, codebook, create, dir, first, names, vectors};
use proptest::prelude::*;
use semrank_core::Rng;
use semrank_tokens::{Collisions, Error, Generation, Rows, Tokenizer, align};
use std::collections::BTreeMap;

const ITEMS: usize = 60;

/// Published ids by item.
fn published(generation: &Generation) -> BTreeMap<String, Vec<u16>> {
    let ids = generation.ids();
    let items = generation.items().names().enumerate();
    items.map(|(row, item)| (item.to_owned(), ids.of(row).to_vec())).collect()
}

/// Appends all items in a random order, in random parts, some items twice; checks after each that nothing moved.
fn append_in_parts(collisions: Collisions, rng: &mut Rng) -> BTreeMap<String, Vec<u16>> {
    let (folder, names, vectors) = (dir(), names(ITEMS), vectors(ITEMS));
    let mut generation = create(&folder.path().join("ids"), collisions);
    let mut order: Vec<usize> = (0..ITEMS).collect();
    rng.shuffle(&mut order);
    let (mut rest, mut before) = (&order[..], BTreeMap::new());
    while !rest.is_empty() {
        let (part, after) = rest.split_at((1 + rng.below(30)).min(rest.len()));
        let mut rows = part.to_vec();
        let known = ITEMS - rest.len();
        rows.extend(&order[..rng.below(known + 1)]);
        rng.shuffle(&mut rows);
        append(&mut generation, &names, &vectors, &rows);
        let now = published(&generation);
        assert!(before.iter().all(|(item, id)| now[item] == *id), "an id moved");
        assert_eq!(now.len(), known + part.len());
        (rest, before) = (after, now);
        if rng.below(4) == 0 {
            generation = Generation::open(&folder.path().join("ids")).expect("a whole folder");
            assert_eq!(published(&generation), before);
        }
    }
    before
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_order_gives_the_same_ids_where_they_are_shared(seed: u64) {
        let found = append_in_parts(Collisions::Share, &mut Rng::new(seed, "order"));
        let (names, vectors) = (names(ITEMS), vectors(ITEMS));
        let ids = first().tokenizer().encode(&vectors).unwrap();
        prop_assert!(names.iter().enumerate().all(|(row, name)| found[name] == ids.of(row)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn reassigned_ids_stay_and_are_one_to_one(seed: u64) {
        let found = append_in_parts(Collisions::Reassign, &mut Rng::new(seed, "order"));
        let distinct: std::collections::BTreeSet<_> = found.values().collect();
        prop_assert_eq!(distinct.len(), ITEMS);
    }
}

#[test]
fn a_new_generation_keeps_the_names_of_its_codes() {
    let (folder, names, vectors) = (dir(), names(ITEMS), vectors(ITEMS));
    let mut last = create(&folder.path().join("1"), Collisions::Share);
    append(&mut last, &names, &vectors, &(0..ITEMS).collect::<Vec<_>>());
    let (rows, other) = (Rows::new(&vectors, DIM), codebook(&vectors, 1, 99));
    let (aligned, alignment) = align(&last, &other, &names, &rows).unwrap();
    let mut next = Generation::create(&folder.path().join("2"), aligned, Collisions::Share).unwrap();
    assert_eq!(next.codebook().generation(), 2);
    next.append(&names, &rows, FEATURES).unwrap();
    assert_eq!(next.changed_since(&last).unwrap(), (ITEMS, alignment.changed.clone()));
    assert!(alignment.changed[0] < alignment.changed_before[0], "{alignment:?}");
    // The same codebook fitted again: nothing changes.
    let (_, same) = align(&last, &first(), &names, &rows).unwrap();
    assert_eq!(same.changed, [0.0; 3]);
}

#[test]
fn bad_appends_are_refused_and_publish_nothing() {
    let (folder, vectors) = (dir(), vectors(2));
    let path = folder.path().join("ids");
    let mut generation = create(&path, Collisions::Share);
    let mut said = |items: &[&str], vectors: &[f32], dim, features| {
        let error = generation.append(items, &Rows::new(vectors, dim), features).unwrap_err();
        assert!(generation.is_empty());
        error.to_string()
    };
    assert_eq!(
        said(&["a", "a"], &vectors, DIM, FEATURES),
        "item `a` is given twice, in rows 0 and 1; expected every item once"
    );
    assert!(said(&["a", "b"], &vectors, DIM, "other").contains("these features have other"));
    assert_eq!(said(&["a", "b", "c"], &vectors, 2, FEATURES), "a vector is 2 wide, the codebook expects 3");
    let bad = [0.0, 0.0, 0.0, 1.0, f32::INFINITY, 0.0];
    assert!(said(&["a", "b"], &bad, DIM, FEATURES).contains("item row 1 has inf in column 1"));
    let again = Generation::create(&path, first(), Collisions::Share);
    assert!(matches!(again, Err(Error::Published { .. })));
}
