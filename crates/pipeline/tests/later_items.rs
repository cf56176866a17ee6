//! Items that come after training: what the run makes of their texts is what it has of its own items, and every source finds them at once.

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use common::trained as run;
use semrank_core::{History, ItemId};
use semrank_embed::{Document, Source};
use semrank_pipeline::next_item::EncodedItem;
use semrank_pipeline::retrieval::Ask;
use semrank_pipeline::{Context, Run};
use semrank_retrieve::{Eligibility, Items, Value};

/// Sources that know an item by its texts; `text` where the feature is on.
const SOURCES: [&str; 4] = ["sequence", "content", "semantic-id", "text"];

/// What the run's encoder makes of the texts of its own catalogue.
fn encoded(run: &Run) -> Vec<EncodedItem> {
    let (mut encoder, mut out) = (run.item_encoder().unwrap(), Vec::new());
    let mut take = |documents: &[Document]| {
        out.extend(encoder.encode(documents, &Context::default()).unwrap());
        Ok(())
    };
    run.data().unwrap().dataset.catalog.each_chunk(&mut take).unwrap();
    out
}

#[test]
fn the_texts_of_an_item_give_what_the_run_has_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let run = run(dir.path());
    let (content, items) = (run.content().unwrap(), encoded(&run));
    assert!(content.is_aligned(), "so that the alignment is looked at, too");
    let ids = content.tokens.as_ref().unwrap();
    let (similar, width) = content.quantised();
    for (at, item) in items.iter().enumerate() {
        assert_eq!(item.content, content.features.of(at), "item row {at}");
        assert_eq!(item.similar, similar[at * width..][..width], "item row {at}");
        assert_eq!(item.codes, ids.of(at), "item row {at}");
        assert!(!item.words.is_empty() && item.words.is_sorted_by(|a, b| a < b));
    }
}

#[test]
fn an_item_is_found_when_it_has_been_put_in_and_not_when_it_is_paused() {
    let dir = tempfile::tempdir().unwrap();
    let run = run(dir.path());
    let (retrieval, items) = (run.retrieval().unwrap(), encoded(&run));
    let (count, liked) = (items.len(), ItemId(3));
    let history = History { items: &[liked], actions: &[semrank_core::ActionId(0)], times: &[0] };
    let found = |source: &str| -> Vec<String> {
        let funnel = retrieval.only(source, 5).unwrap();
        let asked = Eligibility { now_ms: None, filter: Some("advertiser_id = late".parse().unwrap()) };
        let found = retrieval.retrieve(&Ask::new(history, &asked), &funnel, 5).unwrap();
        assert_eq!(found.sources[0].error, None);
        found.items.into_iter().map(|found| found.item).collect()
    };
    let by_text: Vec<&str> =
        SOURCES.into_iter().filter(|source| retrieval.names().contains(source)).collect();
    for source in &by_text {
        assert!(found(source).is_empty());
    }
    // The text of what was liked, by another advertiser.
    let late = |items: &mut Items, item| items.set(item, "advertiser_id", Value::Text("late")).unwrap();
    assert_eq!(retrieval.put("late ad", &items[liked.index()], late).unwrap().index(), count);
    for source in &by_text {
        assert_eq!(found(source), ["late ad"], "{source}");
    }
    retrieval.set("late ad", |items, item| items.set_paused(item, true));
    assert!(found("sequence").is_empty() && found("content").is_empty());
    retrieval.set("late ad", |items, item| items.set_paused(item, false));
    // Put in again: the same row, another content, and the id that it was given.
    assert_eq!(retrieval.put("late ad", &items[40], |_, _| ()).unwrap().index(), count);
    assert_eq!(found("sequence"), ["late ad"]);
    let broken = EncodedItem { content: vec![f32::NAN; items[0].content.len()], ..items[0].clone() };
    assert!(retrieval.put("broken", &broken, |_, _| ()).is_err());
    assert_eq!(retrieval.live().names.get("broken"), None);
    assert!(!retrieval.set("nobody", |_, _| panic!("there is no such item")));
}

#[test]
fn what_was_ranked_for_a_user_is_a_source_of_their_next_request() {
    let dir = tempfile::tempdir().unwrap();
    let run = run(dir.path());
    let (retrieval, items) = (run.retrieval().unwrap(), [ItemId(3), ItemId(7)]);
    let history = History { items: &items, actions: &[semrank_core::ActionId(0); 2], times: &[0; 2] };
    let funnel = retrieval.serving(&run.quotas(&retrieval).unwrap());
    let all = Eligibility::default();
    let ask = |user_id| Ask { user_id, ..Ask::new(history, &all) };
    let cached = |user_id| {
        let page = retrieval.retrieve(&ask(user_id), &funnel, 100).unwrap();
        let report = page.sources.last().unwrap();
        assert_eq!((report.name, &report.error), ("cached", &None));
        report.items
    };
    assert_eq!(cached(Some("ann")), 0);
    let ranked = retrieval.rank(&ask(Some("ann")), &funnel, 5).unwrap();
    // The funnel holds what the ranker wants: its list is that of the whole catalogue.
    let (user, mut arena) = (retrieval.live().servable.user(history), semrank_sequence::Arena::default());
    let best = retrieval.live().servable.top_k(&user, 5, &|_| true, &mut arena).unwrap();
    let names = |best: &[(f32, u32)]| -> Vec<(String, f32)> {
        best.iter().map(|&(score, item)| (retrieval.live().names.name(item).to_owned(), score)).collect()
    };
    let got: Vec<(String, f32)> = ranked.items.iter().map(|item| (item.item.clone(), item.score)).collect();
    assert_eq!(got, names(best));
    assert!(ranked.items.iter().all(|item| !item.sources.is_empty()));
    let known = cached(Some("ann"));
    assert!(known > 5, "more than was shown is remembered: {known}");
    assert_eq!((cached(Some("bob")), cached(None)), (0, 0));
    // Deleted and paused items do not come back.
    let first = ranked.items[0].item.as_str();
    retrieval.set(first, |items, item| assert!(items.delete(item)));
    let page = retrieval.retrieve(&ask(Some("ann")), &funnel, 100).unwrap();
    assert!(page.items.iter().all(|item| item.item != first));
    assert_eq!(cached(Some("ann")), known - 1);
    // A list that was narrowed says nothing of the others.
    let narrow = Eligibility { now_ms: None, filter: Some("kind = ad".parse().unwrap()) };
    let asked = Ask { user_id: Some("eve"), ..Ask::new(history, &narrow) };
    retrieval.rank(&asked, &funnel, 5).unwrap();
    assert_eq!(cached(Some("eve")), 0);
    retrieval.forget("ann");
    assert_eq!(cached(Some("ann")), 0);
}
