//! Text in, hashed tokens out: words, runs of words, and character n-grams inside words.
//!
//! A text is brought to compatibility form (NFKC) and lower case, then cut into words: runs of letters and digits of
//! any script ("e55" stays whole, "T-shirt" becomes "t", "shirt"). An ideograph or kana is a word of its own, so that
//! pairs of words are character bigrams there. Thai, Lao, Khmer, Burmese and their relatives write no space between words
//! either, but a letter says little there: a run of letters is cut into its overlapping pairs, each of which counts as a
//! word, so that pairs of words are trigrams. A letter keeps the marks that it carries.
//! No language-specific list of stop words: idf does that work.
//! Character n-grams follow fastText (Bojanowski et al. 2017, arXiv 1607.04606): `<word>` with its boundary marks.
//! Hashes are FNV-1a with a MurmurHash3 finaliser, written out here so that they never change between versions.
//!
//! ```
//! use semrank_embed::hash::words;
//! assert_eq!(words("Café №5, e55!"), ["café", "no5", "e55"]);
//! assert_eq!(words("กาแฟสด 250g"), ["กา", "าแ", "แฟ", "ฟส", "สด", "250g"]); // fresh coffee
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

// One hash namespace per kind of token, so that the word "ab", the pair "a b" and the characters "ab" differ.
const WORDS: u64 = 0x5851_f42d_4c95_7f2d;
const CHARACTERS: u64 = 0x1405_7b7e_f767_814f;

/// Letters, with their marks, of a word in a script that writes no space between words. Coffee is four letters in Thai and
/// Lao, three in Khmer, two in Burmese: longer n-grams would lie across its end.
const UNSPACED_LETTERS: usize = 2;

/// The words of a text, normalised and in order.
pub fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    each_run(text, |run| each_word(run, |word| out.push(word.to_owned())));
    out
}

/// Calls `emit` with the 64-bit hash of every token of one text field, repeats included.
///
/// Runs of words never leave the field: call it once a field.
pub fn each_token(text: &str, grams: Grams, mut emit: impl FnMut(u64)) {
    let mut hashes = Vec::new();
    each_run(text, |run| {
        each_word(run, |word| hashes.push(hash_bytes(word.as_bytes())));
        if grams.char_max > 0 {
            each_character_gram(run, grams, &mut emit);
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

/// Calls `emit` with the runs of letters and digits of a text, normalised; one that is written without spaces between words
/// holds nothing else.
fn each_run(text: &str, mut emit: impl FnMut(&str)) {
    let mut run = String::new();
    let mut is_run_unspaced = false;
    let mut take = |c: char| {
        let is_letter = !is_ideograph(c) && (c.is_alphanumeric() || is_combining_mark(c) && !run.is_empty());
        let is_other_script = is_unspaced(c) != is_run_unspaced && !is_combining_mark(c);
        if !run.is_empty() && (!is_letter || is_other_script) {
            emit(&run);
            run.clear();
        }
        if is_letter {
            if run.is_empty() {
                is_run_unspaced = is_unspaced(c);
            }
            run.push(c);
        } else if is_ideograph(c) {
            emit(c.encode_utf8(&mut [0; 4]));
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

/// Calls `emit` with the words of a run: itself, or its overlapping n-grams where no space parts words.
fn each_word(run: &str, mut emit: impl FnMut(&str)) {
    if !run.starts_with(is_unspaced) {
        return emit(run);
    }
    let letters = run.char_indices().filter(|(at, c)| *at == 0 || !is_combining_mark(*c));
    let starts: Vec<usize> = letters.map(|(at, _)| at).chain([run.len()]).collect();
    for ends in starts.windows((UNSPACED_LETTERS + 1).min(starts.len())) {
        emit(&run[ends[0]..ends[ends.len() - 1]]);
    }
}

/// Scripts written without spaces in which one character carries about a word: Han and kana.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        && c.is_alphabetic()
}

/// Scripts written without spaces in which a word takes several letters: those of Unicode's line breaking class SA.
fn is_unspaced(c: char) -> bool {
    c >= '\u{e00}'
        && matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
            | '\u{1950}'..='\u{19ff}' | '\u{1a20}'..='\u{1aaf}' | '\u{a9e0}'..='\u{a9ff}'
            | '\u{aa60}'..='\u{aadf}' | '\u{11700}'..='\u{1174f}')
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
        check("Рюкзак 35л 배낭", &["рюкзак", "35л", "배낭"]);
    }

    #[test]
    fn scripts_without_spaces_give_overlapping_letters_with_their_marks() {
        check("กาแฟสด", &["กา", "าแ", "แฟ", "ฟส", "สด"]);
        check("เครื่อง", &["เค", "ครื่", "รื่อ", "อง"]);
        check("สีiPhone15ดำ", &["สี", "iphone15", "ด\u{e4d}า"]);
        check("๑๒๓ก", &["๑๒๓", "ก"]);
        check("ກາເຟ", &["ກາ", "າເ", "ເຟ"]);
        check("កាហ្វេ", &["កាហ្", "ហ្វេ"]);
        check("ကော်ဖီမှုန့်", &["ကော်ဖီ", "ဖီမှု", "မှုန့်"]);
        // A space that cannot be seen parts words, as writers of these scripts mean it.
        check("กาแฟ\u{200b}สด", &["กา", "าแ", "แฟ", "สด"]);
        check("\u{e31}", &["\u{e31}"]);
    }

    #[test]
    fn titles_without_spaces_that_share_a_word_share_tokens() {
        for (a, b, other) in [
            ("เครื่องบดกาแฟ", "กาแฟคั่วบดละเอียด", "รองเท้าวิ่งผู้หญิง"),
            ("ເຄື່ອງບົດກາເຟ", "ກາເຟຂົ້ວ", "ເກີບແລ່ນ"),
            ("ម៉ាស៊ីនកិនកាហ្វេ", "កាហ្វេលីង", "ស្បែកជើងរត់"),
            ("ကော်ဖီကြိတ်စက်", "ကော်ဖီမှုန့်", "ပြေးဖိနပ်"),
        ] {
            let shared = |a: &str, b: &str| {
                let b = tokens(b, 2, 0, 0);
                tokens(a, 2, 0, 0).iter().filter(|token| b.contains(token)).count()
            };
            assert!(
                shared(a, b) > shared(a, other),
                "{a}: {b} {} {other} {}",
                shared(a, b),
                shared(a, other)
            );
        }
    }

    #[test]
    fn characters_of_a_run_without_spaces_are_those_of_the_whole_run() {
        assert_eq!(tokens("กาแฟสด", 0, 3, 3).len(), 6, "<กา กาแ าแฟ แฟส ฟสด สด>");
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
        fn any_text_has_tokens_without_panic(text in "\\PC*|[กาีน้ำ5ကោ្\u{301}a ]{0,20}|[a\u{301}\u{1f525}\u{200d}\u{fe0f} İß]{0,20}") {
            let once = words(&text);
            prop_assert!(once.iter().all(|word| !word.is_empty() && !word.contains(char::is_whitespace)));
            prop_assert_eq!(words(&once.join(" ")), once, "normalising twice changes nothing");
            tokens(&text, 3, 1, 6);
        }
    }
}
