//! Words for an interest: items in, the n-grams that set their texts apart from the rest of the catalogue out.
//!
//! A gram's weight is the sum over the items of its share in their TF-IDF rows, `(1 + ln tf) · ln(n / df)` brought to length
//! 1, as content vectors are made ([`semrank_embed::hash`]). Rare grams name an item, not an interest: those of fewer than
//! one in a thousand items are left out.

use rayon::prelude::*;
use semrank_core::{Catalog, ItemId, narrow};
use semrank_embed::hash::words;
use std::collections::{BTreeMap, BTreeSet};

/// Longest run of words.
const LONGEST: usize = 2;
/// Fewest items of a gram, and one in how many of them.
const LEAST: usize = 2;
const ONE_IN: usize = 1000;

/// The n-grams of some items, and how many items of the catalogue hold each.
#[derive(Debug, Clone)]
pub struct Labels<'a> {
    catalog: &'a Catalog,
    frequencies: BTreeMap<String, usize>,
}

impl<'a> Labels<'a> {
    /// Counts the grams of `items` in all of the catalogue: labels can be made of these items.
    pub fn new(catalog: &'a Catalog, items: &[ItemId]) -> Self {
        let of_items: BTreeSet<String> = items.iter().flat_map(|&item| grams(catalog, item)).collect();
        let counted = narrow::indices(catalog.len())
            .into_par_iter()
            .fold(BTreeMap::new, |mut counts: BTreeMap<&str, usize>, item| {
                let held: BTreeSet<String> = grams(catalog, ItemId(item)).into_iter().collect();
                held.iter()
                    .filter_map(|gram| of_items.get(gram))
                    .for_each(|gram| *counts.entry(gram).or_default() += 1);
                counts
            })
            .reduce(BTreeMap::new, |mut all, part| {
                part.into_iter().for_each(|(gram, count)| *all.entry(gram).or_default() += count);
                all
            });
        let least = LEAST.max(catalog.len() / ONE_IN);
        let kept = counted.into_iter().filter(|&(_, count)| count >= least);
        Self { catalog, frequencies: kept.map(|(gram, count)| (gram.to_owned(), count)).collect() }
    }

    /// At most `count` grams that describe `items` (each counted as often as it stands there), the strongest first; none
    /// holds another.
    pub fn of(&self, items: &[ItemId], count: usize) -> Vec<String> {
        let mut weights: BTreeMap<String, f64> = BTreeMap::new();
        for &item in items {
            self.row(item).into_iter().for_each(|(gram, share)| *weights.entry(gram).or_default() += share);
        }
        let mut ranked: Vec<(String, f64)> =
            weights.into_iter().filter(|(_, weight)| *weight > 0.0).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let mut out: Vec<String> = Vec::new();
        for (gram, _) in ranked {
            if out.len() == count {
                break;
            }
            if !out.iter().any(|other| holds(other, &gram) || holds(&gram, other)) {
                out.push(gram);
            }
        }
        out
    }

    /// An item's TF-IDF row of length 1.
    fn row(&self, item: ItemId) -> Vec<(String, f64)> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        grams(self.catalog, item).into_iter().for_each(|gram| *counts.entry(gram).or_default() += 1);
        let items = self.catalog.len() as f64;
        let mut row: Vec<(String, f64)> = counts
            .into_iter()
            .filter_map(|(gram, count)| {
                let idf = (items / *self.frequencies.get(&gram)? as f64).ln();
                Some((gram, (1.0 + (count as f64).ln()) * idf))
            })
            .collect();
        let length = row.iter().map(|(_, value)| value * value).sum::<f64>().sqrt();
        row.iter_mut().for_each(|(_, value)| *value /= length.max(f64::MIN_POSITIVE));
        row
    }
}

/// All runs of words of an item's texts that say something, repeats included: not those of numbers alone.
fn grams(catalog: &Catalog, item: ItemId) -> Vec<String> {
    let mut out = Vec::new();
    for text in catalog.texts_of(item) {
        let words = words(text);
        for length in 1..=LONGEST {
            out.extend(words.windows(length).map(|run| run.join(" ")));
        }
    }
    out.retain(|gram| gram.chars().any(char::is_alphabetic));
    out
}

/// Whether `gram` is a run of the words of `longer`.
fn holds(longer: &str, gram: &str) -> bool {
    format!(" {longer} ").contains(&format!(" {gram} "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::TextColumn;

    #[test]
    fn labels_are_what_sets_texts_apart() {
        let texts = [
            "the green tea set 500",
            "the green tea cup 500",
            "the cordless drill",
            "the cordless drill kit",
            "the lamp",
            "the mat",
            "",
        ];
        let catalog = Catalog {
            ids: ["a", "b", "c", "d", "e", "f", "g"].into_iter().collect(),
            texts: vec![TextColumn { name: "title".into(), values: texts.map(String::from).to_vec() }],
            ..Catalog::default()
        };
        let all: Vec<ItemId> = (0..7).map(ItemId).collect();
        let labels = Labels::new(&catalog, &all);
        let tea = labels.of(&all[..2], 2);
        assert!(
            tea.iter()
                .all(|gram| ["green", "tea", "green tea", "tea green", "the green"].contains(&gram.as_str()))
        );
        assert_eq!(tea.len(), 2, "{tea:?}");
        let drills = labels.of(&all[2..4], 5).join(", ");
        assert!(
            drills.contains("cordless") && drills.contains("drill") && !drills.contains("kit"),
            "{drills}"
        );
        assert!(labels.of(&[], 3).is_empty() && labels.of(&all[6..], 3).is_empty());
        assert!(holds("green tea", "tea") && !holds("green teas", "tea"));
    }
}
