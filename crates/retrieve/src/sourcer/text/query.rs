//! What is looked for: words and what each weighs.

use semrank_embed::hash::words;
use std::collections::BTreeMap;

/// Bytes of a search string that are read.
const SEARCH_BYTES: usize = 8 << 10;
/// Bytes of an event's text that are read: a title and the beginning of a description.
const EVENT_BYTES: usize = 512;

/// Words, ascending, each once, with their weights.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Query {
    pub(super) words: BTreeMap<String, f32>,
}

impl Query {
    /// Each word weighs as often as it stands there.
    pub(super) fn of_search(search: &str) -> Self {
        let mut out = Self::default();
        words(beginning(search, SEARCH_BYTES)).into_iter().for_each(|word| out.add(word, 1.0));
        out
    }

    /// Each word weighs 1 for every text that has it, a text `decay` times the one before it.
    pub(super) fn of_events<'a>(texts: impl Iterator<Item = &'a str>, decay: f32) -> Self {
        let (mut out, mut weight) = (Self::default(), 1.0);
        for text in texts {
            let mut distinct = words(beginning(text, EVENT_BYTES));
            distinct.sort_unstable();
            distinct.dedup();
            distinct.into_iter().for_each(|word| out.add(word, weight));
            weight *= decay;
        }
        out
    }

    fn add(&mut self, word: String, weight: f32) {
        *self.words.entry(word).or_default() += weight;
    }
}

/// At most so many bytes, whole letters.
fn beginning(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(query: &Query) -> Vec<(&str, f32)> {
        query.words.iter().map(|(word, &weight)| (word.as_str(), weight)).collect()
    }

    #[test]
    fn newer_texts_weigh_more_and_signs_are_no_operators() {
        let newest = ["Nail file, nail!", "", "File (OR) +x"];
        let query = Query::of_events(newest.into_iter(), 0.5);
        assert_eq!(weights(&query), [("file", 1.25), ("nail", 1.0), ("or", 0.25), ("x", 0.25)]);
        let query = Query::of_search("title:\"red -shoe\" AND [* TO red]~2^9");
        let all =
            [("2", 1.0), ("9", 1.0), ("and", 1.0), ("red", 2.0), ("shoe", 1.0), ("title", 1.0), ("to", 1.0)];
        assert_eq!(weights(&query), all);
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let long = "é".repeat(SEARCH_BYTES);
        assert_eq!(Query::of_search(&long).words.keys().map(String::len).collect::<Vec<_>>(), [SEARCH_BYTES]);
    }
}
