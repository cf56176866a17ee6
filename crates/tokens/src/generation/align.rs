//! A new generation whose codes agree with the last one's as far as possible, so that what a ranker learned about a code stays
//! valid.
//!
//! A code's label is arbitrary: fitting again gives other labels even where the codes are the same. Level by level the new
//! labels are the one-to-one matching that keeps most items' codes, first of those items whose codes of all levels before
//! were kept too, then of all. A level has one matching for all prefixes, since a residual code means the same under each.

use super::Generation;
use super::matching::{Weights, matching};
use crate::vectors::Chosen;
use crate::{Codebook, Error, SemanticIds, VectorSource, encode_all};
use semrank_core::counted;
use serde::Serialize;

/// New labels, and how much changes for items that have an id already.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alignment {
    /// The label of each code, level by level, `[L][K]`.
    #[serde(skip)]
    pub labels: Vec<Vec<u16>>,
    /// Items of both generations.
    pub items: usize,
    /// Share of them whose first 1, 2, … L codes would change without new labels.
    pub changed_before: Vec<f64>,
    /// The same with them.
    pub changed: Vec<f64>,
}

impl Alignment {
    /// Finds labels for `new` such that it agrees with `last`, the ids of the same items.
    ///
    /// # Errors
    /// [`Error::Ids`] where levels, codes or numbers of items differ.
    pub fn new(last: &SemanticIds, new: &SemanticIds) -> Result<Self, Error> {
        let shape = |ids: &SemanticIds| (ids.len(), ids.levels(), ids.codes());
        if shape(last) != shape(new) {
            let say = |ids: &SemanticIds| {
                let items = counted(ids.len(), "item", "items");
                format!("{items}, {} of {} codes", counted(ids.levels(), "level", "levels"), ids.codes())
            };
            return Err(Error::Ids { what: "ids to align", got: say(new), expected: say(last) });
        }
        let mut renamed = new.values().to_vec();
        let levels = new.levels();
        let mut labels = Vec::new();
        for level in 0..levels {
            let mut weights = Weights::new();
            for (last, codes) in last.values().chunks_exact(levels).zip(renamed.chunks_exact(levels)) {
                let kept = last[..level] == codes[..level];
                // No number of other items outweighs one whose prefix was kept.
                let weight = if kept { new.len() as u64 + 1 } else { 1 };
                *weights.entry((codes[level], last[level])).or_default() += weight;
            }
            let found = matching(new.codes(), &weights);
            renamed.iter_mut().skip(level).step_by(levels).for_each(|code| *code = found[usize::from(*code)]);
            labels.push(found);
        }
        let renamed = SemanticIds::new(levels, new.codes(), renamed);
        let (changed_before, changed) = (changed(last, new), changed(last, &renamed));
        Ok(Self { labels, items: new.len(), changed_before, changed })
    }
}

/// Share of items whose first 1, 2, … L codes differ.
fn changed(last: &SemanticIds, new: &SemanticIds) -> Vec<f64> {
    let differ =
        |len: usize| (0..new.len()).filter(|&item| last.of(item)[..len] != new.of(item)[..len]).count();
    (1..=new.levels()).map(|len| differ(len) as f64 / new.len().max(1) as f64).collect()
}

/// `codebook` as the generation after `last`, its codes named such that the items that `last` knows keep their codes as far
/// as possible. Their vectors are given in the features of the new codebook; other items are passed over.
///
/// # Errors
/// [`Error::Ids`] where levels or codes differ from the last generation's, and those of encoding.
///
/// # Panics
/// When there are not as many vectors as items.
pub fn align(
    last: &Generation,
    codebook: &Codebook,
    items: &[impl AsRef<str>],
    vectors: &dyn VectorSource,
) -> Result<(Codebook, Alignment), Error> {
    assert_eq!(items.len(), vectors.len(), "one vector per item");
    let rows: Vec<usize> = (0..items.len()).filter(|&row| last.of(items[row].as_ref()).is_some()).collect();
    let new = encode_all(codebook.tokenizer(), &Chosen { source: vectors, rows: &rows })?;
    let codes = rows.iter().filter_map(|&row| last.of(items[row].as_ref())).flatten().copied().collect();
    let table = last.ids();
    let last_ids = SemanticIds::new(table.levels(), table.codes(), codes);
    let alignment = Alignment::new(&last_ids, &new)?;
    let next = last.codebook().generation() + 1;
    Ok((codebook.relabelled(&alignment.labels, next), alignment))
}

impl Generation {
    /// Share of the items of both generations whose first 1, 2, … L codes differ from those in `last`, and their number.
    ///
    /// # Errors
    /// [`Error::Ids`] where levels or codes differ.
    pub fn changed_since(&self, last: &Generation) -> Result<(usize, Vec<f64>), Error> {
        let (old, new) = (last.ids(), self.ids());
        let shape = |ids: &SemanticIds| {
            format!("{} of {} codes", counted(ids.levels(), "level", "levels"), ids.codes())
        };
        if shape(&old) != shape(&new) {
            return Err(Error::Ids { what: "ids to compare", got: shape(&new), expected: shape(&old) });
        }
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for item in self.items().names() {
            if let (Some(last), Some(new)) = (last.of(item), self.of(item)) {
                before.extend_from_slice(last);
                after.extend_from_slice(new);
            }
        }
        let ids = |codes| SemanticIds::new(new.levels(), new.codes(), codes);
        let (before, after) = (ids(before), ids(after));
        Ok((after.len(), changed(&before, &after)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(values: &[u16]) -> SemanticIds {
        SemanticIds::new(2, 3, values.to_vec())
    }

    #[test]
    fn other_names_of_the_same_codes_are_undone() {
        let last = ids(&[0, 1, 0, 2, 1, 0, 2, 2]);
        let names: [[u16; 3]; 2] = [[2, 0, 1], [1, 2, 0]];
        let renamed: Vec<u16> =
            last.values().iter().enumerate().map(|(i, &code)| names[i % 2][usize::from(code)]).collect();
        let alignment = Alignment::new(&last, &ids(&renamed)).unwrap();
        assert_eq!((alignment.changed_before[1], &alignment.changed[..]), (1.0, &[0.0, 0.0][..]));
        assert_eq!(alignment.labels, [[1, 2, 0], [2, 0, 1]]);
    }

    #[test]
    fn items_whose_prefix_is_kept_decide_over_more_that_are_not() {
        // The first four keep their code of level 1, the other three do not, and would swap codes 1 and 2 of level 2.
        let last = ids(&[0, 0, 0, 0, 0, 1, 0, 2, 1, 1, 1, 1, 1, 2]);
        let new = ids(&[0, 0, 0, 0, 0, 1, 0, 2, 0, 2, 0, 2, 0, 1]);
        let alignment = Alignment::new(&last, &new).unwrap();
        assert_eq!(alignment.labels[1], [0, 1, 2]);
    }

    #[test]
    fn other_shapes_are_refused() {
        let said = Alignment::new(&ids(&[0, 1]), &SemanticIds::new(1, 3, vec![0])).unwrap_err().to_string();
        assert_eq!(
            said,
            "ids to align: got 1 item, 1 level of 3 codes, expected 1 item, 2 levels of 3 codes"
        );
    }
}
