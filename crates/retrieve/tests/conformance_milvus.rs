//! What every index promises (`promises`), of `milvus://`: on a server within the test that speaks its protocol (`fake_milvus`), and on a
//! real one where `SEMRANK_TEST_MILVUS` is its address.

#![cfg(feature = "milvus")]

mod fake_milvus;
mod promises;

use promises::{Recall, WIDTH, check, steps};
use proptest::prelude::*;
use semrank_retrieve::{Index, IndexUrl, Precision};
use std::net::TcpListener;

const TOKEN: &str = "root:Mil/vus";

fn open(url: &str, width: usize) -> Result<Box<dyn Index>, String> {
    let url: IndexUrl = url.parse()?;
    url.open(width, Precision::F32).map_err(|error| error.to_string())
}

fn keeps_the_promises(url: &str, cases: u32, rounds: u32) {
    let index = open(&format!("{url}?table=promises"), WIDTH).expect("a collection");
    assert!(index.is_exact());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases));
    let tried = runner.run(&(steps(), any::<u64>()), |(steps, seed)| {
        check(&*index, &steps, seed, true, &mut Recall::default())
    });
    tried.expect("what a plain sort finds");
    promises::searches_go_on_while_items_change(&*index, rounds);
    promises::vectors_that_do_not_fit_are_refused(
        &*open(&format!("{url}?table=narrow"), 2).expect("a collection"),
    );
    index.clear().expect("an empty collection");
    index.put(7, &[1.0; WIDTH], 0.5).expect("a vector");
    let again = open(&format!("{url}?table=promises"), WIDTH).expect("the same collection");
    let hits = again.search(&[1.0; WIDTH], 3, None, None).expect("a search");
    assert_eq!(hits.iter().map(|hit| (hit.row, hit.score)).collect::<Vec<_>>(), [(7, 9.5)]);
    let message = open(&format!("{url}?table=promises"), 5).err().expect("refused");
    assert!(message.contains("width 10") && message.contains("6 is needed"), "{message}");
}

#[test]
fn the_protocol_keeps_the_promises() {
    let host = fake_milvus::serve(TOKEN);
    keeps_the_promises(&format!("milvus://root:Mil%2Fvus@{host}/ads"), 30, 30);
}

#[test]
fn a_server_keeps_the_promises() {
    match std::env::var("SEMRANK_TEST_MILVUS") {
        Ok(url) => keeps_the_promises(&url, 3, 5),
        Err(_) => eprintln!("skipped: SEMRANK_TEST_MILVUS is not the address of a server"),
    }
}

#[test]
fn what_the_server_says_is_an_error_without_the_password() {
    let host = fake_milvus::serve(TOKEN);
    let message = open(&format!("milvus://root:wrong-secret@{host}"), 2).err().expect("refused");
    assert!(
        message.contains("401") && message.contains("authenticated") && !message.contains("wrong-secret"),
        "{message}"
    );
    let index = open(&format!("milvus://root:Mil%2Fvus@{host}"), 2).expect("a collection");
    let message = index.search(&[1.0, 1.0], 20_000, None, None).expect_err("too many").to_string();
    assert!(message.contains("16384") && message.contains("collection semrank"), "{message}");
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let message = open(&format!("milvus://me:secret@{free}"), 2).err().expect("refused");
    assert!(message.contains("no connection") && !message.contains("secret"), "{message}");
}
