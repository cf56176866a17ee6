//! Resolves collisions, items with the same id: the nearest item keeps it, each other one moves to the free id that is next nearest to it.
//!
//! First all items ask for the id of their vector. Of those that ask for the same one, a published item keeps it; among new
//! ones the item of least distance does, then the one whose name comes first. The others move, in the order of distance and
//! name: to the nearest free code of the last level under the same prefix, or, where that is full, under the nearest prefix
//! that is not. In the end every id has one item, and the result does not depend on the order in which the items were given.

use crate::{Error, Fitted, SemanticIds, Tokenizer, VectorSource};
use std::collections::{HashMap, HashSet};

/// Ids that have an item.
#[derive(Debug, Default)]
pub(super) struct Taken {
    ids: HashSet<Box<[u16]>>,
    /// Items under each prefix that is shorter than an id.
    under: HashMap<Box<[u16]>, u128>,
}

/// New items: name, vector and the id of the vector.
pub(super) struct Asking<'a> {
    pub(super) names: &'a [&'a str],
    pub(super) vectors: &'a dyn VectorSource,
    pub(super) ids: SemanticIds,
}

impl Taken {
    /// Ids of published items, `[items x L]`.
    pub(super) fn of(published: &[u16], levels: usize) -> Self {
        let mut out = Self::default();
        published.chunks_exact(levels).for_each(|id| out.add(id));
        out
    }

    fn add(&mut self, id: &[u16]) {
        self.ids.insert(id.into());
        (0..id.len()).for_each(|len| *self.under.entry(id[..len].into()).or_default() += 1);
    }
}

/// Ids of the new items, one item each, and how many moved. They are added to `taken`, whose other ids stay.
///
/// # Errors
/// [`Error::NoFreeId`], and those of the source; `taken` is of no use then.
pub(super) fn settle(
    tokenizer: &Fitted,
    taken: &mut Taken,
    asking: Asking,
) -> Result<(SemanticIds, usize), Error> {
    let (levels, codes) = (tokenizer.levels(), tokenizer.codes());
    let (items, ids) = (taken.ids.len() + asking.names.len(), count_ids(codes, levels));
    if items as u128 > ids {
        return Err(Error::NoFreeId { items, levels, codes, ids: ids.to_string() });
    }
    let contested = contested(&asking.ids, taken);
    let alone = (0..contested.len()).filter(|&row| !contested[row]);
    alone.for_each(|row| taken.add(asking.ids.of(row)));
    let mut moving = Vec::new();
    for row in by_distance(tokenizer, &asking, &contested)? {
        if taken.ids.contains(asking.ids.of(row)) {
            moving.push(row);
        } else {
            taken.add(asking.ids.of(row));
        }
    }
    let mut values = asking.ids.values().to_vec();
    for &row in &moving {
        let id = &mut values[row * levels..][..levels];
        let free = nearest_free(tokenizer, taken, &asking.vectors.rows(row..row + 1)?, id);
        id.copy_from_slice(&free);
        taken.add(&free);
    }
    Ok((SemanticIds::new(levels, codes, values), moving.len()))
}

/// Contested rows, nearest to their code first, then by name.
fn by_distance(tokenizer: &Fitted, asking: &Asking, contested: &[bool]) -> Result<Vec<usize>, Error> {
    let last = tokenizer.levels() - 1;
    let mut order = Vec::new();
    for row in (0..contested.len()).filter(|&row| contested[row]) {
        let id = asking.ids.of(row);
        let distances = tokenizer.distances(&asking.vectors.rows(row..row + 1)?, &id[..last]);
        order.push((distances[usize::from(id[last])], row));
    }
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| asking.names[a.1].cmp(asking.names[b.1])));
    Ok(order.into_iter().map(|(_, row)| row).collect())
}

/// Whether each row's id is taken, or asked for by another row too.
fn contested(ids: &SemanticIds, taken: &Taken) -> Vec<bool> {
    let mut asked: HashMap<&[u16], u32> = HashMap::new();
    (0..ids.len()).for_each(|row| *asked.entry(ids.of(row)).or_default() += 1);
    (0..ids.len()).map(|row| asked[ids.of(row)] > 1 || taken.ids.contains(ids.of(row))).collect()
}

/// The free id nearest to a vector that keeps as long a prefix of `id` as possible. There is one.
fn nearest_free(tokenizer: &Fitted, taken: &Taken, vector: &[f32], id: &[u16]) -> Vec<u16> {
    let mut kept = (0..id.len()).rev().map(|len| id[..len].to_vec());
    kept.find_map(|mut prefix| {
        let found = descend(tokenizer, taken, vector, &mut prefix);
        found.then_some(prefix)
    })
    .unwrap_or_else(|| id.to_vec())
}

/// Completes `prefix` to the nearest free id, code by code; `false` where all are taken.
fn descend(tokenizer: &Fitted, taken: &Taken, vector: &[f32], prefix: &mut Vec<u16>) -> bool {
    let left = tokenizer.levels() - prefix.len();
    if left == 0 {
        return !taken.ids.contains(&prefix[..]);
    }
    let used = taken.under.get(&prefix[..]).copied().unwrap_or(0);
    if used >= count_ids(tokenizer.codes(), left) {
        return false;
    }
    let distances = tokenizer.distances(vector, prefix);
    let mut order: Vec<u16> = (0..=u16::MAX).take(distances.len()).collect();
    let at = |code: u16| distances[usize::from(code)];
    order.sort_by(|&a, &b| at(a).total_cmp(&at(b)).then(a.cmp(&b)));
    order.into_iter().any(|code| {
        prefix.push(code);
        let found = descend(tokenizer, taken, vector, prefix);
        if !found {
            prefix.pop();
        }
        found
    })
}

/// Ids of so many levels.
fn count_ids(codes: usize, levels: usize) -> u128 {
    (codes as u128).saturating_pow(levels as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ResidualKmeans, Rows};
    use proptest::prelude::*;
    use semrank_core::Rng;

    /// Two levels of `codes` codes on a line: ids are numbers in base `codes`.
    fn line(codes: usize) -> Fitted {
        let coarse = (0..codes).map(|code| (code * codes) as f32 + (codes - 1) as f32 / 2.0);
        let fine = (0..codes).map(|code| code as f32 - (codes - 1) as f32 / 2.0);
        Fitted::ResidualKmeans(ResidualKmeans::from_parts(
            1,
            codes,
            &coarse.chain(fine).collect::<Vec<_>>(),
            None,
        ))
    }

    fn run(tokenizer: &Fitted, published: &[u16], names: &[&str], vectors: &[f32]) -> (Vec<u16>, usize) {
        let ids = tokenizer.encode(vectors).unwrap();
        let vectors = &Rows::new(vectors, 1);
        let mut taken = Taken::of(published, tokenizer.levels());
        let (ids, moved) = settle(tokenizer, &mut taken, Asking { names, vectors, ids }).unwrap();
        (ids.values().to_vec(), moved)
    }

    #[test]
    fn the_nearest_item_keeps_the_id_and_others_move_nearby() {
        let line = line(3);
        // All three round to 4 = (1, 1); b is nearest, a is above it and c below.
        let (ids, moved) = run(&line, &[], &["a", "b", "c"], &[4.3, 4.1, 3.8]);
        assert_eq!((ids, moved), (vec![1, 2, 1, 1, 1, 0], 2));
        // The published item stays, though the new one is nearer.
        let (ids, moved) = run(&line, &[1, 1], &["a"], &[4.0]);
        assert_eq!((ids[0], moved), (1, 1));
        // A full prefix: the next nearest one.
        let (ids, _) = run(&line, &[1, 0, 1, 1, 1, 2], &["a"], &[4.6]);
        assert_eq!(ids, [2, 0]);
    }

    #[test]
    fn more_items_than_ids_are_refused() {
        let (line, vectors) = (line(2), [0.0; 5]);
        let ids = line.encode(&vectors).unwrap();
        let vectors = &Rows::new(&vectors, 1);
        let asking = Asking { names: &["a", "b", "c", "d", "e"], vectors, ids };
        let said = settle(&line, &mut Taken::default(), asking).unwrap_err().to_string();
        assert_eq!(said, "5 items cannot have an id each: 2 levels of 2 codes make 4 ids");
    }

    proptest! {
        #[test]
        fn every_id_has_one_item_in_any_order(seed: u64, codes in 2usize..6, fill in 0.1f64..1.0) {
            let mut rng = Rng::new(seed, "test");
            let items = ((codes * codes) as f64 * fill) as usize;
            let names: Vec<String> = (0..items).map(|i| i.to_string()).collect();
            let span = (codes * codes) as f64;
            // Some items share a vector.
            let vectors: Vec<f32> = (0..items).map(|_| (rng.unit() * span * 2.0).round() as f32 / 2.0).collect();
            let line = line(codes);
            let mut order: Vec<usize> = (0..items).collect();
            let of_order = |order: &[usize]| {
                let names: Vec<&str> = order.iter().map(|&i| names[i].as_str()).collect();
                let vectors: Vec<f32> = order.iter().map(|&i| vectors[i]).collect();
                let (ids, _) = run(&line, &[], &names, &vectors);
                let mut out: Vec<(usize, Vec<u16>)> =
                    order.iter().copied().zip(ids.chunks(2).map(<[u16]>::to_vec)).collect();
                out.sort();
                out
            };
            let first = of_order(&order);
            let distinct: HashSet<&Vec<u16>> = first.iter().map(|(_, id)| id).collect();
            prop_assert_eq!(distinct.len(), items);
            rng.shuffle(&mut order);
            prop_assert_eq!(of_order(&order), first);
        }
    }
}
