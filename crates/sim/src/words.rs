//! The project's word lists: `words.txt` in, topics with brands and parts out.
//!
//! A topic is a lasting interest (outdoor), a part is what a user needs at one time (tents).

use std::sync::LazyLock;

/// Colours of things; a user has a favourite.
pub(crate) const COLOURS: [&str; 8] =
    ["slate blue", "moss green", "charcoal", "terracotta", "ivory", "mustard", "plum", "sand"];

/// How a thing is made; a user has a favourite.
pub(crate) const STYLES: [&str; 8] =
    ["lightweight", "recycled", "hand-finished", "budget", "premium", "compact", "heavy-duty", "classic"];

/// All topics.
pub(crate) struct Words {
    pub(crate) topics: Vec<Topic>,
}

/// A field of interest.
pub(crate) struct Topic {
    pub(crate) name: &'static str,
    pub(crate) brands: Vec<&'static str>,
    pub(crate) parts: Vec<Part>,
}

/// A need within a topic.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// What is sold.
    pub(crate) products: Vec<&'static str>,
    /// What is written about, after "How to choose".
    pub(crate) reads: Vec<&'static str>,
    /// What it is good for, after "made to".
    pub(crate) perks: Vec<&'static str>,
}

impl Words {
    /// The word lists, parsed once.
    pub(crate) fn get() -> &'static Words {
        static WORDS: LazyLock<Words> = LazyLock::new(|| Words::parse(include_str!("words.txt")));
        &WORDS
    }

    /// Reads the format that the head of `words.txt` describes.
    ///
    /// # Panics
    /// When the built-in list is malformed, which a test would show first.
    fn parse(text: &'static str) -> Words {
        let mut topics: Vec<Topic> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, rest) = line.split_once(' ').expect("a line is a key and its words");
            if key == "topic" {
                topics.push(Topic { name: rest, brands: Vec::new(), parts: Vec::new() });
                continue;
            }
            topics.last_mut().expect("a topic comes first").add(key, rest);
        }
        Words { topics }
    }
}

impl Topic {
    fn add(&mut self, key: &str, rest: &'static str) {
        match key {
            "brands" => self.brands = list(rest),
            "part" => self.parts.push(Part {
                name: rest,
                products: Vec::new(),
                reads: Vec::new(),
                perks: Vec::new(),
            }),
            _ => self.parts.last_mut().expect("a part comes first").add(key, rest),
        }
    }
}

impl Part {
    fn add(&mut self, key: &str, rest: &'static str) {
        match key {
            "products" => self.products = list(rest),
            "reads" => self.reads = list(rest),
            "perks" => self.perks = list(rest),
            _ => panic!("words.txt has an unknown key {key}"),
        }
    }
}

fn list(words: &'static str) -> Vec<&'static str> {
    words.split(", ").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_list_is_filled_and_no_brand_or_product_is_shared() {
        let words = Words::get();
        assert_eq!(words.topics.len(), 12);
        let mut seen = BTreeSet::new();
        for topic in &words.topics {
            assert_eq!((topic.brands.len(), topic.parts.len()), (6, 5), "{}", topic.name);
            assert!(topic.brands.iter().all(|brand| seen.insert(*brand)), "{}", topic.name);
            for part in &topic.parts {
                assert_eq!(part.products.len(), 4, "{}", part.name);
                assert_eq!((part.reads.len(), part.perks.len()), (3, 3), "{}", part.name);
                assert!(part.products.iter().all(|product| seen.insert(*product)), "{}", part.name);
            }
        }
    }

    #[test]
    fn words_are_clean() {
        let words = Words::get();
        let all = words.topics.iter().flat_map(|topic| {
            let parts = topic.parts.iter().flat_map(|p| p.products.iter().chain(&p.reads).chain(&p.perks));
            topic.brands.iter().chain(parts)
        });
        for word in all {
            assert!(!word.is_empty() && word.trim() == *word && word.is_ascii(), "{word:?}");
        }
    }
}
