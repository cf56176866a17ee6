//! What every index promises (`promises`), of `postgres://` on a server: `python3 crates/retrieve/tests/postgres_server.py cargo test -p
//! semrank-retrieve --features postgres --test conformance_postgres` starts one. Without `SEMRANK_TEST_POSTGRES` only the tests run that
//! need no server.

#![cfg(feature = "postgres")]

mod promises;

use promises::{Recall, WIDTH, check, steps};
use proptest::prelude::*;
use semrank_core::Rng;
use semrank_retrieve::{Index, IndexUrl, Precision};
use std::net::TcpListener;
use std::time::Instant;
use tokio_postgres::NoTls;

/// A server's address, or a note that the test is skipped.
fn server() -> Option<String> {
    let url = std::env::var("SEMRANK_TEST_POSTGRES").ok();
    if url.is_none() {
        eprintln!("skipped: SEMRANK_TEST_POSTGRES is not the address of a server");
    }
    url
}

fn open(url: &str, width: usize) -> Result<Box<dyn Index>, String> {
    let url: IndexUrl = url.parse()?;
    url.open(width, Precision::F32).map_err(|error| error.to_string())
}

fn run(url: &str, sql: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client.batch_execute(sql).await.expect("a statement");
    });
}

#[test]
fn the_table_keeps_the_promises() {
    let Some(url) = server() else { return };
    let index = open(&format!("{url}?table=exact"), WIDTH).expect("a table");
    assert!(index.is_exact());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(30));
    let tried = runner.run(&(steps(), any::<u64>()), |(steps, seed)| {
        check(&*index, &steps, seed, true, &mut Recall::default())
    });
    tried.expect("what a plain sort finds");
    promises::searches_go_on_while_items_change(&*index, 40);
    promises::vectors_that_do_not_fit_are_refused(
        &*open(&format!("{url}?table=narrow"), 2).expect("a table"),
    );
    index.clear().expect("an empty table");
    index.put(u32::MAX, &[1.0; WIDTH], 0.5).expect("a vector");
    let again = open(&format!("{url}?table=exact"), WIDTH).expect("the same table");
    let hits = again.search(&[1.0; WIDTH], 3, None, None).expect("a search");
    assert_eq!(hits.iter().map(|hit| (hit.row, hit.score)).collect::<Vec<_>>(), [(u32::MAX, 9.5)]);
}

#[test]
fn an_approximate_index_of_the_table_is_used_and_said() {
    let Some(url) = server() else { return };
    let place = format!("{url}?table=approximate");
    let index = open(&place, WIDTH).expect("a table");
    let mut rng = Rng::new(1, "postgres");
    let (items, biases): (Vec<u32>, Vec<f32>) = (0..3_000).map(|item| (item, 0.0)).unzip();
    let vectors: Vec<f32> = (0..3_000 * WIDTH).map(|_| rng.normal() as f32).collect();
    index.put_all(&items, &vectors, &biases).expect("vectors");
    run(&url, "create index on approximate using hnsw (vector vector_ip_ops)");
    let approximate = open(&place, WIDTH).expect("the same table");
    assert!(!approximate.is_exact() && index.is_exact());
    for k in [1, 100, 2_999] {
        let query: Vec<f32> = (0..WIDTH).map(|_| rng.normal() as f32).collect();
        let [want, got] =
            [&index, &approximate].map(|index| index.search(&query, k, None, None).expect("a search"));
        assert_eq!(got.len(), k);
        assert!(want.iter().filter(|hit| got.contains(hit)).count() * 10 >= k * 8);
    }
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(10));
    let tried = runner.run(&(steps(), any::<u64>()), |(steps, seed)| {
        check(&*approximate, &steps, seed, false, &mut Recall::default())
    });
    tried.expect("as many items as there are, with their scores");
}

#[test]
fn a_restarted_server_is_found_again_and_wrong_places_are_named() {
    let Some(url) = server() else { return };
    let index = open(&format!("{url}?table=restart"), 2).expect("a table");
    index.put(1, &[1.0, 0.0], 0.0).expect("a vector");
    run(
        &url,
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'semrank' and query like '%restart%'",
    );
    assert_eq!(index.search(&[1.0, 1.0], 5, None, None).expect("a new connection").len(), 1);

    let refused = |url: &str, width| open(url, width).err().expect("refused");
    let message = refused(&format!("{url}?table=restart"), 5);
    assert!(message.contains("width 3") && message.contains("6 is needed"), "{message}");
    let (start, host) = url.rsplit_once('@').expect("a user");
    let password = start.rsplit_once(':').expect("a password").1;
    let message = refused(&format!("postgres://semrank:wrong-secret@{host}"), 2);
    assert!(
        message.contains("password authentication failed") && !message.contains("wrong-secret"),
        "{message}"
    );
    let message = refused(&url.replace("/postgres", "/nowhere"), 2);
    assert!(message.contains("\"nowhere\" does not exist") && !message.contains(password), "{message}");
    run(&url, "create table other (item text)");
    assert!(refused(&format!("{url}?table=other"), 2).contains("has no vectors"));
}

#[test]
fn nobody_there_is_an_error_within_the_deadline() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let message = open(&format!("postgres://me:secret@{free}/d"), 2).err().expect("refused");
    assert!(message.contains("refused") && !message.contains("secret"), "{message}");
    assert!(open("postgres://h/d?what=1", 2).err().expect("refused").contains("what"));
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let begin = Instant::now();
    let message = open(&format!("postgres://{}/d", silent.local_addr().expect("an address")), 2)
        .err()
        .expect("refused");
    assert!(message.contains("no answer within 10 s") && begin.elapsed().as_secs() < 15, "{message}");
}
