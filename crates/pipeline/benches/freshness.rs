//! How long it takes until a change of an item is durable and seen by every request: milliseconds of putting in, changing the text, pausing
//! and deleting, one item at a time.
//!
//! `cargo bench -p semrank-pipeline --bench freshness -- RUN [CHANGES]`

use semrank_core::{History, Rng};
use semrank_pipeline::retrieval::{Ask, Catalogue, Change, FieldValue, Fields};
use semrank_pipeline::{Context, Run};
use semrank_retrieve::{Eligibility, Filter};
use semrank_store::journal::{Journal, Options};
use std::path::Path;
use std::time::Instant;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let Some(run) = args.first() else {
        println!("name a run: cargo bench -p semrank-pipeline --bench freshness -- RUN [CHANGES]");
        return;
    };
    let changes = args.get(1).and_then(|arg| arg.parse().ok()).unwrap_or(300);
    let folder = std::env::temp_dir().join(format!("semrank-freshness-{}", std::process::id()));
    let journal = Journal::open(&folder.join("journal"), Options::default()).expect("a journal");
    let begin = Instant::now();
    let catalogue =
        Catalogue::open(Run::open(Path::new(run)).expect("a run"), journal.into(), &Context::default())
            .expect("a trained run");
    println!(
        "opened in {:.2} s, {} items",
        begin.elapsed().as_secs_f64(),
        catalogue.retrieval().live().items.len()
    );
    let catalog = &catalogue.run().data().expect("its data").dataset.catalog;
    let mut rng = Rng::new(1, "freshness");
    // A text that nobody has: the words of one item, and then those of another.
    let mut text = || {
        let mut half =
            |column: &semrank_core::TextColumn| column.values[rng.below(column.values.len())].clone();
        let column = catalog.texts.first().expect("texts");
        FieldValue::Text(format!("{} {}", half(column), half(column)))
    };
    let name = catalog.texts.first().expect("texts").name.clone();
    let word = |text: &str| FieldValue::Text(text.to_owned());
    let id = |at: usize| format!("fresh {at}");
    let one = |name: &str, value| Fields::from([(name.to_owned(), value)]);
    timed(
        "put in",
        changes,
        |at| {
            let mut fields = one(&name, text());
            fields.insert("mark".into(), word(&id(at)));
            (Change::Put(id(at), fields), true)
        },
        &catalogue,
    );
    timed("text changed", changes, |at| (Change::Patch(id(at), one(&name, text())), true), &catalogue);
    timed("paused", changes, |at| (Change::Patch(id(at), one("status", word("paused"))), false), &catalogue);
    timed(
        "let go on",
        changes,
        |at| (Change::Patch(id(at), one("status", word("active"))), true),
        &catalogue,
    );
    timed("deleted", changes, |at| (Change::Delete(id(at)), false), &catalogue);
    drop(catalogue);
    std::fs::remove_dir_all(folder).expect("the journal's folder");
}

/// Times changes, and asks after each whether the next request sees it.
fn timed(what: &str, changes: usize, mut change: impl FnMut(usize) -> (Change, bool), catalogue: &Catalogue) {
    let funnel = catalogue.retrieval().only("sequence", 1).expect("the source");
    let nobody = History { items: &[], actions: &[], times: &[] };
    let mut times: Vec<f64> = Vec::new();
    for at in 0..changes {
        let (change, is_there) = change(at);
        let begin = Instant::now();
        catalogue.apply(std::slice::from_ref(&change), &Context::default()).expect("a change");
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        let filter: Filter = format!("mark = \"{}\"", change.item()).parse().expect("a filter");
        let asked = Eligibility { now_ms: None, filter: Some(filter) };
        let found = catalogue.retrieval().retrieve(&Ask::new(nobody, &asked), &funnel, 1).expect("an answer");
        assert_eq!(found.items.len(), usize::from(is_there), "{what}: {}", change.item());
    }
    times.sort_by(f64::total_cmp);
    let of = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{what:<14} p50 {:.2} ms, p99 {:.2} ms", of(0.5), of(0.99));
}
