//! The source `text` is BM25 over the words that items have now: exactly, for any filter, whatever was put in before.
#![cfg(feature = "text")]

use proptest::prelude::*;
use semrank_core::{ActionId, Event, ItemId};
use semrank_embed::hash::words;
use semrank_retrieve::sourcer::{Sourcer, Text};
use semrank_retrieve::{Bitmap, Request};
use semrank_sequence::testing::World;
use semrank_sequence::{Servable, UserState};
use std::collections::BTreeMap;
use std::sync::OnceLock;

fn servable() -> &'static Servable {
    static SERVABLE: OnceLock<Servable> = OnceLock::new();
    SERVABLE.get_or_init(|| World::new().servable)
}

fn text(texts: &[&str]) -> Text {
    Text::new(texts.iter().map(|text| (*text).to_owned())).expect("memory").expect("the feature is on")
}

fn search(source: &Text, search: &str, eligible: &Bitmap, n: usize) -> Vec<(u32, f32)> {
    let (user, mut out) = (UserState::default(), Vec::new());
    let request = Request { search: Some(search), ..Request::new(servable(), &user, eligible) };
    source.candidates(&request, n, &mut out).expect("an index");
    out.iter().map(|scored| (scored.item, scored.score)).collect()
}

fn items(found: &[(u32, f32)]) -> Vec<u32> {
    found.iter().map(|found| found.0).collect()
}

/// Every item's score, in double precision.
fn bm25(texts: &[String], query: &str) -> BTreeMap<u32, f64> {
    let documents: Vec<Vec<String>> = texts.iter().map(|text| words(text)).collect();
    let count = documents.iter().filter(|document| !document.is_empty()).count() as f64;
    let average = documents.iter().map(Vec::len).sum::<usize>() as f64 / count;
    let mut out: BTreeMap<u32, f64> = BTreeMap::new();
    for word in words(query) {
        let with = documents.iter().filter(|document| document.contains(&word)).count() as f64;
        let idf = (1.0 + (count - with + 0.5) / (with + 0.5)).ln();
        for (item, document) in (0..).zip(&documents).filter(|(_, document)| document.contains(&word)) {
            let often = document.iter().filter(|other| **other == word).count() as f64;
            let length = 1.2 * (0.25 + 0.75 * document.len() as f64 / average);
            *out.entry(item).or_default() += idf * often * 2.2 / (often + length);
        }
    }
    out
}

#[test]
fn words_of_any_script_are_found_and_signs_mean_nothing() {
    let source = text(&["Red shoe, size 42", "赤い靴", "กาแฟสด", "CAFÉ (red)", "", "title:red AND -shoe"]);
    let all = Bitmap::full(6);
    assert_eq!(items(&search(&source, "shoe", &all, 9)), [0, 5]);
    assert_eq!(items(&search(&source, "靴", &all, 9)), [1]);
    assert_eq!(items(&search(&source, "กาแฟ", &all, 9)), [2]);
    assert_eq!(items(&search(&source, "cafe\u{301}", &all, 9)), [3]);
    let mut found = items(&search(&source, "-shoe +title:\"red* OR NOT (x", &all, 9));
    found.sort_unstable();
    assert_eq!(found, [0, 3, 5], "- excludes nothing, and no quotes are open");
    for nothing in ["", " \0 ", "unknown", "*", "\"", "shoes"] {
        assert!(search(&source, nothing, &all, 9).is_empty(), "{nothing}");
    }
    assert!(search(&source, "red", &all, 0).is_empty());
}

#[test]
fn equal_scores_come_by_item_number_and_repeats_weigh() {
    let source = text(&["b a", "a b", "a a", "c b"]);
    let all = Bitmap::full(4);
    assert_eq!(items(&search(&source, "a", &all, 2)), [2, 0]);
    assert_eq!(items(&search(&source, "b", &all, 9)), [0, 1, 3]);
    let [once, twice] = ["b", "b b"].map(|query| search(&source, query, &all, 1)[0].1);
    assert_eq!(twice, 2.0 * once);
}

#[test]
fn an_item_is_found_by_the_words_that_it_has_now() {
    let source = text(&["red shoe", "blue hat"]);
    let all = Bitmap::full(4);
    assert_eq!(items(&search(&source, "red", &all, 9)), [0]);
    source.put(2, "red scarf").expect("an index");
    assert_eq!(items(&search(&source, "red", &all, 9)), [0, 2], "found by the next request");
    source.put(0, "green shoe").expect("an index");
    source.put(1, "").expect("an index");
    source.put(1, "").expect("an index");
    assert_eq!(items(&search(&source, "red", &all, 9)), [2]);
    assert_eq!(items(&search(&source, "green blue", &all, 9)), [0]);
    for round in 0..40 {
        source.put(3, &format!("round{round}")).expect("an index");
        assert_eq!(items(&search(&source, &format!("round{round}"), &all, 9)), [3]);
    }
    assert!(search(&source, "round1", &all, 9).is_empty());
}

/// Without a search string the newest events speak, the newest loudest; items without a text say nothing.
#[test]
fn a_history_is_searched_by_its_texts() {
    let source = text(&["wool hat", "oak table", "", "wool scarf", "oak chair"]);
    let mut user = UserState::default();
    for item in [1, 0, 2] {
        servable().push(&mut user, Event { item: ItemId(item), action: ActionId(0), time: 0 });
    }
    let (mut eligible, mut out) = (Bitmap::full(5), Vec::new());
    [0, 1].into_iter().for_each(|item| _ = eligible.set(item, false));
    source.candidates(&Request::new(servable(), &user, &eligible), 9, &mut out).expect("an index");
    assert_eq!(out.iter().map(|scored| scored.item).collect::<Vec<_>>(), [3, 4]);
    // The older event has 0.9 times the weight.
    assert!((out[1].score / out[0].score - 0.9).abs() < 1e-5);
    out.clear();
    source
        .candidates(&Request::new(servable(), &UserState::default(), &eligible), 9, &mut out)
        .expect("an index");
    assert!(out.is_empty(), "nobody has said anything");
}

#[test]
fn a_filter_leaves_no_answer_short() {
    let texts: Vec<String> = (0..5_000).map(|item| format!("common word{} x{item}", item % 10)).collect();
    let source = Text::new(texts).expect("memory").expect("the feature is on");
    let eligible: Bitmap = (0..5_000).map(|item| item > 4_000 && item % 97 == 0).collect();
    let found = search(&source, "common word1 word2 word3", &eligible, 500);
    assert_eq!(found.len(), eligible.count(), "all of them have a word");
    assert_eq!(search(&source, "common", &eligible, 3).len(), 3);
}

fn texts() -> impl Strategy<Value = Vec<(u32, String)>> {
    let word = prop::sample::select(&["a", "b", "c", "d", "e", "靴"][..]);
    let text = prop::collection::vec(word, 0..8).prop_map(|words| words.join(" "));
    prop::collection::vec((0..30u32, text), 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Puts, with searches in between that make segments; then the same texts in a fresh index, and a plain loop.
    #[test]
    fn scores_do_not_depend_on_what_was_there_before(puts in texts(), asked in "[a-f ]{1,9}", every in 1usize..9, seed: u64) {
        let source = text(&[]);
        let mut now = vec![String::new(); 30];
        for (at, (item, words)) in puts.iter().enumerate() {
            source.put(*item, words).expect("an index");
            now[*item as usize].clone_from(words);
            if at % every == 0 {
                search(&source, "a", &Bitmap::full(30), 1);
            }
        }
        let asked: String = asked.chars().flat_map(|letter| [letter, ' ']).collect();
        let eligible: Bitmap = (0..30).map(|item| seed >> item & 1 == 1).collect();
        let found = search(&source, &asked, &eligible, 7);
        let fresh = text(&now.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert_eq!(&found, &search(&fresh, &asked, &eligible, 7));
        let mut want: Vec<(u32, f64)> = bm25(&now, &asked).into_iter().filter(|(item, _)| eligible.contains(*item)).collect();
        want.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        prop_assert_eq!(found.len(), want.len().min(7));
        for (got, want) in found.iter().zip(&want) {
            prop_assert!((f64::from(got.1) - want.1).abs() < 1e-4 * want.1, "{got:?} {want:?}");
        }
    }
}

#[test]
fn searches_go_on_while_texts_change() {
    let source = text(&["here"; 50]);
    let all = Bitmap::full(400);
    std::thread::scope(|scope| {
        for thread in 0..3u32 {
            let (source, all) = (&source, &all);
            scope.spawn(move || {
                for round in 0..30u32 {
                    let (item, word) = (100 * (thread + 1) + round % 5, format!("t{thread}r{round}"));
                    source.put(item, &word).expect("an index");
                    assert_eq!(items(&search(source, &word, all, 9)), [item]);
                    assert_eq!(search(source, "here", all, 99).len(), 50);
                }
            });
        }
    });
}
