//! Items that come after training: what the run makes of their texts is what it has of its own items, and every source finds them at once.

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use common::trained as run;
use semrank_core::{History, ItemId};
use semrank_embed::{Document, Source};
use semrank_pipeline::next_item::EncodedItem;
use semrank_pipeline::{Context, Run};
use semrank_retrieve::{Eligibility, Items, Value};

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
        let (found, sources) = retrieval.retrieve((history, &funnel), &asked, 5).unwrap();
        assert_eq!(sources[0].error, None);
        found.into_iter().map(|found| found.item).collect()
    };
    let by_text = ["sequence", "content", "semantic-id"];
    for source in by_text {
        assert!(found(source).is_empty());
    }
    // The text of what was liked, by another advertiser.
    let late = |items: &mut Items, item| items.set(item, "advertiser_id", Value::Text("late")).unwrap();
    assert_eq!(retrieval.put("late ad", &items[liked.index()], late).unwrap().index(), count);
    for source in by_text {
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
