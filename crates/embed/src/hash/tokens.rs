//! Text in, hashed tokens out: words, runs of words, and character n-grams inside words.
//!
//! A text is brought to compatibility form (NFKC) and lower case, then cut into words: runs of letters and digits of
//! any script ("e55" stays whole, "T-shirt" becomes "t", "shirt"). An ideograph or kana is a word of its own, so that
//! pairs of words are character bigrams there. No language-specific list of stop words: idf does that work.
//! Character n-grams follow fastText (Bojanowski et al. 2017, arXiv 1607.04606): `<word>` with its boundary marks.
//! Hashes are FNV-1a with a MurmurHash3 finaliser, written out here so that they never change between versions.
//!
//! ```
//! use semrank_embed::hash::words;
//! assert_eq!(words("Café №5, e55!"), ["café", "no5", "e55"]);
//! ```

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Which tokens a text is cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Grams {
    /// Longest run of words; 1 = single words, 0 = no words at all.
    pub words: usize,
    /// Shortest character n-gram, counted with the word's boundary marks.
    pub char_min: usize,
    /// Longest character n-gram; 0 = none.
    pub char_max: usize,
}

// One hash namespace a kind of token, so that the word "ab", the pair "a b" and the characters "ab" differ.
const WORDS: u64 = 0x5851_f42d_4c95_7f2d;
const CHARACTERS: u64 = 0x1405_7b7e_f767_814f;

/// The words of a text, normalised and in order.
pub fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    each_word(text, |word| out.push(word.to_owned()));
    out
}

/// Calls `emit` with the 64-bit hash of every token of one text field, repeats included.
///
/// Runs of words never leave the field: call it once a field.
pub fn each_token(text: &str, grams: Grams, mut emit: impl FnMut(u64)) {
    let mut hashes = Vec::new();
    each_word(text, |word| {
        hashes.push(hash_bytes(word.as_bytes()));
        if grams.char_max > 0 {
            each_character_gram(word, grams, &mut emit);
        }
    });
    for length in 1..=grams.words.min(hashes.len()) {
        for run in hashes.windows(length) {
            emit(run.iter().fold(finish(WORDS ^ length as u64), |hash, &word| finish(hash ^ word)));
        }
    }
}

fn each_character_gram(word: &str, grams: Grams, emit: &mut impl FnMut(u64)) {
    let marked = format!("<{word}>");
    let starts: Vec<usize> = marked.char_indices().map(|(at, _)| at).chain([marked.len()]).collect();
    for length in grams.char_min..=grams.char_max.min(starts.len() - 1) {
        for ends in starts.windows(length + 1) {
            let gram = &marked.as_bytes()[ends[0]..ends[length]];
            emit(finish(hash_bytes(gram) ^ CHARACTERS));
        }
    }
}

fn each_word(text: &str, mut emit: impl FnMut(&str)) {
    let mut word = String::new();
    let mut take = |c: char| {
        if is_ideograph(c) || !(c.is_alphanumeric() || is_combining_mark(c) && !word.is_empty()) {
            if !word.is_empty() {
                emit(&word);
                word.clear();
            }
            if is_ideograph(c) {
                emit(c.encode_utf8(&mut [0; 4]));
            }
        } else {
            word.push(c);
        }
    };
    if text.is_ascii() {
        text.chars().for_each(|c| take(c.to_ascii_lowercase()));
    } else {
        // Lower-casing can decompose ("İ"), so it comes before the normal form.
        text.chars().flat_map(char::to_lowercase).nfkc().flat_map(char::to_lowercase).for_each(&mut take);
    }
    take(' ');
}

/// Scripts written without spaces in which one character carries about a word: Han and kana.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        && c.is_alphabetic()
}

fn hash_bytes(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// MurmurHash3's 64-bit finaliser: FNV's low bits alone are too regular for a power-of-two table.
fn finish(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(text: &str, words: usize, char_min: usize, char_max: usize) -> Vec<u64> {
        let mut out = Vec::new();
        each_token(text, Grams { words, char_min, char_max }, |hash| out.push(hash));
        out
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(words(text), expected, "of {text:?}");
    }

    #[test]
    fn words_of_many_scripts() {
        check("", &[]);
        check("  🔥🔥 -- ", &[]);
        check("Red-Shatter CRACKLE e55", &["red", "shatter", "crackle", "e55"]);
        check("cafe\u{301}s", &["cafés"]);
        check("CAFÉS", &["cafés"]);
        check("\u{301}a", &["a"]);
        check("ﬁne ＡＢＣ", &["fine", "abc"]);
        check("हिन्दी भाषा", &["हिन्दी", "भाषा"]);
        check("赤いシャツL", &["赤", "い", "シ", "ャ", "ツ", "l"]);
        check("İstanbul ΟΔΟΣ", &["i\u{307}stanbul", "οδοσ"]);
    }

    #[test]
    fn counts_of_tokens() {
        assert_eq!(tokens("a b c", 1, 0, 0).len(), 3);
        assert_eq!(tokens("a b c", 2, 0, 0).len(), 5);
        assert_eq!(tokens("a b c", 0, 3, 3).len(), 3, "<a> <b> <c>");
        assert_eq!(tokens("ab", 0, 3, 5).len(), 2 + 1, "<ab ab> <ab>");
        assert_eq!(tokens("été", 0, 3, 3).len(), 3, "n-grams count characters, not bytes");
    }

    #[test]
    fn runs_and_n_grams_longer_than_the_text_cost_nothing() {
        assert_eq!(tokens("a b c", usize::MAX, 3, usize::MAX).len(), 6 + 3, "runs of 1 to 3; <a> <b> <c>");
    }

    #[test]
    fn the_kinds_of_token_do_not_share_hashes() {
        let word = tokens("ab", 1, 0, 0)[0];
        assert!(!tokens("a b", 2, 0, 0).contains(&word));
        assert!(!tokens("ab", 0, 2, 4).contains(&word));
        assert_ne!(tokens("a b", 2, 0, 0)[2], tokens("b a", 2, 0, 0)[2], "a pair is ordered");
    }

    #[test]
    fn hashes_never_change() {
        // Written into features of stored runs: a new value here is a new format.
        assert_eq!(
            tokens("red nail", 2, 0, 0),
            [3280624760478118194, 10391242660908777201, 11689877342549641485]
        );
        assert_eq!(tokens("a", 0, 3, 3), [6004027829474203076]);
    }

    proptest! {
        #[test]
        fn any_text_has_tokens_without_panic(text in "\\PC*|[a\u{301}\u{1f525}\u{200d}\u{fe0f} İß]{0,20}") {
            let once = words(&text);
            prop_assert!(once.iter().all(|word| !word.is_empty() && !word.contains(char::is_whitespace)));
            prop_assert_eq!(words(&once.join(" ")), once, "normalising twice changes nothing");
            tokens(&text, 3, 1, 6);
        }
    }
}
