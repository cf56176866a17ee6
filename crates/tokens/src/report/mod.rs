//! Quality of ids: how evenly codes are used, how many items share an id, and how much of the vectors' meaning is
//! left.
//!
//! Ids are enough for the first; with vectors the report says whether near items share a prefix, so ids that were published
//! elsewhere can be measured too; with the tokenizer also what their vectors lose.
//!
//! ```
//! use semrank_tokens::{SemanticIds, measures};
//! let ids = SemanticIds::new(2, 2, vec![0, 0, 0, 1, 0, 1, 1, 0]); // items 1 and 2 share (0, 1)
//! let report = measures(&ids, None, None)?;
//! assert_eq!((report.unique_share, report.levels[1].entropy_bits), (0.5, 1.0));
//! assert_eq!(report.largest[0].first, [1, 2]);
//! assert_eq!(report.shared_by_prefix, [0.75, 0.5]);
//! # Ok::<(), semrank_tokens::Error>(())
//! ```

mod neighbours;
mod reconstruction;

use crate::vectors::check_width;
use crate::{Error, SemanticIds, Tokenizer, VectorSource};
use rayon::prelude::*;
use semrank_core::counted;
use serde::Serialize;
use std::cmp::Reverse;

pub use neighbours::Neighbours;

/// Buckets that are shown.
const SHOWN: usize = 10;
/// Prefixes of a length that are shown.
const PREFIXES: usize = 3;
/// Items of a bucket that are shown.
const ITEMS: usize = 10;

/// Measures of a catalogue's ids.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measures {
    /// Number of items.
    pub items: usize,
    /// Level by level, coarse to fine.
    pub levels: Vec<LevelMeasures>,
    /// Share of items that have their full id alone.
    pub unique_share: f64,
    /// Share of items that share their full id: `1 - unique_share`.
    pub collision_share: f64,
    /// Share of items that share their first 1, 2, … L codes with another item.
    pub shared_by_prefix: Vec<f64>,
    /// Different prefixes of length 1, 2, … L.
    pub prefixes: Vec<usize>,
    /// The ids that most items share; only ids of at least two.
    pub largest: Vec<Bucket>,
    /// The prefixes that most items share, of each length.
    pub examples: Vec<Bucket>,
    /// Mean `|x - x̂|²` over mean `|x - mean|²`; needs vectors and the tokenizer.
    pub reconstruction_error: Option<f64>,
    /// Whether near items have near ids; needs vectors.
    pub neighbours: Option<Neighbours>,
}

/// Use of the codes of a level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelMeasures {
    /// Codes there are, K.
    pub codes: usize,
    /// Codes that an item has.
    pub used: usize,
    /// Codes that no item has.
    pub dead: usize,
    /// Entropy of the codes' shares; at most log2 K, where all are equally frequent.
    pub entropy_bits: f64,
    /// Share of the most frequent code.
    pub largest_share: f64,
}

/// Items that share a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// The codes they share.
    pub prefix: Vec<u16>,
    /// How many they are.
    pub items: usize,
    /// Rows of the first of them, at most ten.
    pub first: Vec<usize>,
}

/// Measures ids, as far as what is given allows. The same input gives the same measures.
///
/// # Errors
/// [`Error::Ids`] where ids are not one per vector or not the tokenizer's, [`Error::NotFinite`], and those of the source.
pub fn measures(
    ids: &SemanticIds,
    vectors: Option<&dyn VectorSource>,
    tokenizer: Option<&dyn Tokenizer>,
) -> Result<Measures, Error> {
    if let Some(vectors) = vectors {
        check_vectors(ids, vectors, tokenizer)?;
    }
    let order = sorted(ids);
    let by_prefix = |len| groups(ids, &order, len);
    let lengths = 1..=ids.levels();
    let shared_by_prefix: Vec<f64> = lengths
        .clone()
        .map(|len| by_prefix(len).filter(|group| group.len() > 1).map(<[usize]>::len).sum::<usize>())
        .map(|shared| shared as f64 / ids.len().max(1) as f64)
        .collect();
    let collision_share = shared_by_prefix[ids.levels() - 1];
    let reconstruction_error = match (vectors, tokenizer) {
        (Some(vectors), Some(tokenizer)) => reconstruction::error(ids, vectors, tokenizer)?,
        _ => None,
    };
    Ok(Measures {
        items: ids.len(),
        levels: (0..ids.levels()).map(|level| level_measures(ids, level)).collect(),
        unique_share: 1.0 - collision_share,
        collision_share,
        prefixes: lengths.clone().map(|len| by_prefix(len).count()).collect(),
        largest: largest(ids, by_prefix(ids.levels()).filter(|group| group.len() > 1), ids.levels(), SHOWN),
        examples: lengths.flat_map(|len| largest(ids, by_prefix(len), len, PREFIXES)).collect(),
        shared_by_prefix,
        reconstruction_error,
        neighbours: vectors
            .map(|vectors| neighbours::measure(ids, vectors, tokenizer))
            .transpose()?
            .flatten(),
    })
}

fn check_vectors(
    ids: &SemanticIds,
    vectors: &dyn VectorSource,
    tokenizer: Option<&dyn Tokenizer>,
) -> Result<(), Error> {
    if vectors.len() != ids.len() {
        let (got, expected) =
            (counted(ids.len(), "id", "ids"), format!("one for each vector, {} in all", vectors.len()));
        return Err(Error::Ids { what: "ids to measure", got, expected });
    }
    tokenizer.map_or(Ok(()), |tokenizer| check_width("a vector", vectors.dim(), tokenizer.dim()))
}

/// Items in the order of their ids, then of their rows: items of one prefix are neighbours.
fn sorted(ids: &SemanticIds) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.par_sort_unstable_by(|&a, &b| ids.of(a).cmp(ids.of(b)).then(a.cmp(&b)));
    order
}

/// Items of each prefix of length `len`.
fn groups<'a>(ids: &'a SemanticIds, order: &'a [usize], len: usize) -> impl Iterator<Item = &'a [usize]> {
    order.chunk_by(move |&a, &b| ids.of(a)[..len] == ids.of(b)[..len])
}

/// The largest of some groups; equal ones in the order of their prefix.
fn largest<'a>(
    ids: &SemanticIds,
    groups: impl Iterator<Item = &'a [usize]>,
    len: usize,
    most: usize,
) -> Vec<Bucket> {
    let mut groups: Vec<&[usize]> = groups.collect();
    groups.sort_by_key(|group| Reverse(group.len()));
    groups.truncate(most);
    let bucket = |group: &[usize]| Bucket {
        prefix: ids.of(group[0])[..len].to_vec(),
        items: group.len(),
        first: group[..group.len().min(ITEMS)].to_vec(),
    };
    groups.into_iter().map(bucket).collect()
}

fn level_measures(ids: &SemanticIds, level: usize) -> LevelMeasures {
    let mut counts = vec![0usize; ids.codes()];
    ids.values().iter().skip(level).step_by(ids.levels()).for_each(|&code| counts[usize::from(code)] += 1);
    let share = |count: usize| count as f64 / ids.len().max(1) as f64;
    let used = counts.iter().filter(|&&count| count > 0);
    LevelMeasures {
        codes: ids.codes(),
        used: used.clone().count(),
        dead: ids.codes() - used.clone().count(),
        entropy_bits: -used.map(|&count| share(count) * share(count).log2()).sum::<f64>() + 0.0,
        largest_share: counts.iter().map(|&count| share(count)).fold(0.0, f64::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_buckets_by_hand() {
        let ids = SemanticIds::new(2, 4, vec![0, 3, 0, 3, 1, 0, 0, 1, 0, 3]);
        let report = measures(&ids, None, None).unwrap();
        let LevelMeasures { codes, used, dead, entropy_bits, largest_share } = report.levels[0];
        assert_eq!((codes, used, dead, largest_share), (4, 2, 2, 0.8));
        assert!((entropy_bits - 0.721_928).abs() < 1e-6);
        assert_eq!((report.prefixes, report.shared_by_prefix), (vec![2, 3], vec![0.8, 0.6]));
        assert_eq!(report.largest, [Bucket { prefix: vec![0, 3], items: 3, first: vec![0, 1, 4] }]);
        assert_eq!(report.examples[0], Bucket { prefix: vec![0], items: 4, first: vec![3, 0, 1, 4] });
        assert!(report.reconstruction_error.is_none() && report.neighbours.is_none());
    }

    #[test]
    fn no_item_at_all_is_no_trouble() {
        let report = measures(&SemanticIds::new(2, 4, vec![]), None, None).unwrap();
        assert_eq!((report.items, report.collision_share, report.levels[1].entropy_bits), (0, 0.0, 0.0));
    }

    #[test]
    fn ids_of_other_items_are_refused() {
        let ids = SemanticIds::new(1, 4, vec![0, 3]);
        let said = measures(&ids, Some(&crate::Rows::new(&[1.0; 3], 1)), None).unwrap_err().to_string();
        assert_eq!(said, "ids to measure: got 2 ids, expected one for each vector, 3 in all");
    }
}
