//! Ids that may be one id written in two ways: `12.0` and `12`, `SKU1` and `sku1`, `07` and `7`. They stay two ids, and the
//! import warns about them.

use super::duplicates::hash;
use semrank_core::{Dictionary, counted, narrow};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Normalises one kind of difference.
type Without = fn(&str) -> Cow<'_, str>;

/// Kinds of differences, in the order in which they are normalised.
const DIFFERENCES: [(&str, Without); 5] = [
    ("blanks or invisible marks", without_blanks),
    ("the Unicode form (NFC, NFD)", composed),
    ("letter case", lower),
    ("`.0` at the end", whole),
    ("leading zeros", without_zeros),
];

fn without_blanks(id: &str) -> Cow<'_, str> {
    let invisible =
        |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}');
    if !id.contains(invisible) {
        return Cow::Borrowed(id);
    }
    let words: Vec<&str> = id.split(invisible).filter(|word| !word.is_empty()).collect();
    Cow::Owned(words.join(" "))
}

fn composed(id: &str) -> Cow<'_, str> {
    if is_nfc(id) { Cow::Borrowed(id) } else { Cow::Owned(id.nfc().collect()) }
}

fn lower(id: &str) -> Cow<'_, str> {
    if id.chars().any(char::is_uppercase) { Cow::Owned(id.to_lowercase()) } else { Cow::Borrowed(id) }
}

fn whole(id: &str) -> Cow<'_, str> {
    let whole = id.strip_suffix(".0").filter(|whole| whole.parse::<i128>().is_ok());
    Cow::Borrowed(whole.unwrap_or(id))
}

fn without_zeros(id: &str) -> Cow<'_, str> {
    let number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let rest = id.trim_start_matches('0');
    Cow::Borrowed(match number {
        true if rest.is_empty() => "0",
        true => rest,
        false => id,
    })
}

/// The key that two spellings of an id share.
fn key(id: &str) -> String {
    DIFFERENCES.iter().fold(id.to_owned(), |id, (_, without)| match without(&id) {
        Cow::Owned(changed) => changed,
        Cow::Borrowed(same) if same.len() == id.len() => id,
        Cow::Borrowed(part) => part.to_owned(),
    })
}

/// By what two ids of one key differ first.
fn difference(a: &str, b: &str) -> &'static str {
    let (mut a, mut b) = (a.to_owned(), b.to_owned());
    for (name, without) in DIFFERENCES {
        let (next_a, next_b) = (without(&a).into_owned(), without(&b).into_owned());
        if next_a == next_b {
            return name;
        }
        (a, b) = (next_a, next_b);
    }
    "their writing"
}

/// Warnings about ids that may be the same, one for each kind of difference; `what` names the ids, such as `items`.
pub(crate) fn warnings(ids: &Dictionary, what: &str) -> Vec<String> {
    let mut keys: Vec<(u64, u32)> =
        ids.names().zip(narrow::indices(ids.len())).map(|(id, at)| (hash(key(id)), at)).collect();
    keys.sort_unstable();
    let mut found: BTreeMap<&str, (u64, [u32; 2])> = BTreeMap::new();
    for pair in keys.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        let two = [pair[0].1, pair[1].1];
        let [a, b] = two.map(|at| ids.name(at));
        if key(a) == key(b) {
            found.entry(difference(a, b)).or_insert((0, two)).0 += 1;
        }
    }
    let message = |(kind, (count, two)): (&str, (u64, [u32; 2]))| {
        let [a, b] = two.map(|at| ids.name(at).escape_debug());
        let pairs = counted(count, &format!("pair of {what} differs"), &format!("pairs of {what} differ"));
        format!("{pairs} by {kind} only, such as `{a}` and `{b}`: if they are one, write them alike")
    };
    found.into_iter().map(message).collect()
}

/// Ids by what they may be written for.
#[derive(Debug)]
pub(crate) struct Alike(HashMap<u64, u32>);

impl Alike {
    pub(crate) fn new<'a>(ids: impl Iterator<Item = &'a str>) -> Alike {
        Alike(ids.enumerate().map(|(at, id)| (hash(key(id)), narrow::index(at))).collect())
    }

    /// The row of a known id that `id` may stand for.
    pub(crate) fn find(&self, id: &str) -> Option<u32> {
        self.0.get(&hash(key(id))).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ids: &[&str], parts: &[&str]) {
        let mut dictionary = Dictionary::new();
        for id in ids {
            dictionary.insert(id);
        }
        let found = warnings(&dictionary, "items").join("\n");
        assert_eq!(found.is_empty(), parts.is_empty(), "{found}");
        parts.iter().for_each(|part| assert!(found.contains(part), "no {part} in {found}"));
    }

    #[test]
    fn ids_that_may_be_one_are_told() {
        check(
            &["12", "13", "12.0"],
            &["1 pair of items differs by `.0` at the end only, such as `12` and `12.0`"],
        );
        check(&["SKU1", "sku1", "Sku1"], &["2 pairs of items differ by letter case"]);
        check(&["07", "7"], &["leading zeros"]);
        check(&["a b", "a b ", "c"], &["blanks or invisible marks", "`a b `"]);
        check(&["u1", "\u{feff}u1"], &["`\\u{feff}u1`"]);
        check(&["caf\u{e9}", "cafe\u{301}"], &["Unicode form"]);
        check(&["07", "7", "A", "a"], &["leading zeros", "letter case"]);
        check(&["ab", "a b", "0", "00", "1.0x", "1", "x.0", "x"], &["leading zeros"]);
        check(&["a", "b", "10", "1"], &[]);
    }

    #[test]
    fn an_unknown_id_finds_the_known_one() {
        let alike = Alike::new(["12", "SKU 1"].into_iter());
        assert_eq!([alike.find("012.0"), alike.find(" sku  1"), alike.find("13")], [Some(0), Some(1), None]);
    }
}
