//! An encoder behind an endpoint, against a small server: protocols, attempts, time-outs and bad answers.

use super::*;
use crate::testing::as_documents;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;

/// What the server answers.
struct Reply {
    status: u16,
    headers: &'static str,
    body: String,
    delay: Duration,
}

fn ok(body: impl ToString) -> Reply {
    Reply { status: 200, headers: "", body: body.to_string(), delay: Duration::ZERO }
}

fn status(status: u16, headers: &'static str) -> Reply {
    Reply { status, headers, ..ok("no") }
}

/// What the server saw.
#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    active: AtomicUsize,
    most_active: AtomicUsize,
    heads: Mutex<String>,
}

type Handler = dyn Fn(usize, &Value) -> Reply + Send + Sync;

/// A server on a free port; `handler` gets the number of the request, from 0, and its body.
fn serve(handler: impl Fn(usize, &Value) -> Reply + Send + Sync + 'static) -> (String, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = format!("http://{}", listener.local_addr().expect("an address"));
    let (seen, handler) = (Arc::new(Seen::default()), Arc::new(handler));
    let outer = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (seen, handler) = (seen.clone(), handler.clone());
            // A client that gave up breaks the connection: nothing to report.
            std::thread::spawn(move || answer(stream, &seen, &*handler).ok());
        }
    });
    (host, outer)
}

fn answer(stream: TcpStream, seen: &Seen, handler: &Handler) -> std::io::Result<()> {
    let mut reader = BufReader::new(&stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head)?;
    }
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let active = seen.active.fetch_add(1, Ordering::SeqCst) + 1;
    seen.most_active.fetch_max(active, Ordering::SeqCst);
    seen.heads.lock().expect("heads").push_str(&head);
    let number = seen.requests.fetch_add(1, Ordering::SeqCst);
    let Reply { status, headers, body, delay } =
        handler(number, &serde_json::from_slice(&body).expect("JSON"));
    std::thread::sleep(delay);
    seen.active.fetch_sub(1, Ordering::SeqCst);
    let length = body.len();
    write!(
        &stream,
        "HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn texts(request: &Value, key: &str) -> Vec<String> {
    serde_json::from_value(request[key].clone()).expect("texts")
}

/// The vector of a text: its length and its first byte.
fn vector(text: &str) -> Value {
    json!([text.len() as f32 + 0.5, f32::from(text.as_bytes()[0])])
}

fn tei(request: &Value) -> Vec<Value> {
    assert_eq!(request["truncate"], true);
    texts(request, "inputs").iter().map(|text| vector(text)).collect()
}

fn encoder(host: &str, rest: &str) -> Result<Box<dyn TextEncoder>, Error> {
    open(Spec::parse(&format!("{host}{rest}&backoff_ms=5")).expect("a name"))
}

fn encode(encoder: &dyn TextEncoder, texts: &[&str]) -> Result<Vec<f32>, Error> {
    let mut out = vec![0.0; texts.len() * encoder.width()];
    as_documents(texts, |documents| encoder.encode(documents, &mut out)).map(|()| out)
}

#[track_caller]
fn fails(host: &str, options: &str, parts: &[&str]) {
    let encoder = encoder(host, &format!("/embed?width=2&{options}")).expect("an encoder");
    let message = encode(&*encoder, &["a", "b"]).expect_err("an error").to_string();
    assert!(parts.iter().all(|part| message.contains(part)), "{message}\nlacks one of {parts:?}");
    assert!(message.contains(host), "{message}");
}

#[test]
fn text_embeddings_inference_is_spoken() {
    let (host, seen) = serve(|_, request| ok(json!(tei(request))));
    let encoder = encoder(&host, "/embed?batch=2").expect("an encoder");
    assert_eq!((encoder.width(), seen.requests.load(Ordering::SeqCst)), (2, 1));
    let out = encode(&*encoder, &["a", "", "bcd", "ef", " ", "g"]).expect("vectors");
    assert_eq!(out, [1.5, 97.0, 0.0, 0.0, 3.5, 98.0, 2.5, 101.0, 0.0, 0.0, 1.5, 103.0]);
    assert_eq!(
        seen.requests.load(Ordering::SeqCst),
        3,
        "four texts in batches of two, after the first request"
    );
    assert!(encoder.notes()[0].contains("2 documents without text"), "{:?}", encoder.notes());
    assert!(
        encoder.fingerprint().contains(&format!("url={host}/embed api=tei")),
        "{}",
        encoder.fingerprint()
    );
}

#[test]
fn openai_is_spoken_and_its_order_is_by_index() {
    let (host, seen) = serve(|_, request| {
        assert_eq!(request["model"], "m");
        let texts = texts(request, "input");
        let data =
            texts.iter().enumerate().rev().map(|(i, text)| json!({"index": i, "embedding": vector(text)}));
        ok(json!({"object": "list", "data": data.collect::<Vec<_>>()}))
    });
    // Any variable that is set will do as a token.
    let token = std::env::var("PATH").expect("a variable");
    let encoder = encoder(&host, "/v1/embeddings?model=m&key_env=PATH").expect("an encoder");
    assert_eq!(encode(&*encoder, &["ab", "c", "d"]).expect("vectors"), [2.5, 97.0, 1.5, 99.0, 1.5, 100.0]);
    assert!(seen.heads.lock().expect("heads").contains(&format!("Bearer {token}")));
    assert!(!encoder.fingerprint().contains(&token), "{}", encoder.fingerprint());
}

#[test]
fn failures_that_pass_are_tried_again() {
    let (host, seen) = serve(|number, request| match number {
        0 | 1 => status(503, ""),
        2 => status(429, "retry-after: 1\r\n"),
        _ => ok(json!(tei(request))),
    });
    let encoder = encoder(&host, "/embed?width=2&retries=3").expect("an encoder");
    let start = Instant::now();
    assert_eq!(encode(&*encoder, &["a"]).expect("vectors"), [1.5, 97.0]);
    assert!(start.elapsed() >= Duration::from_secs(1), "retry-after is honoured");
    assert_eq!(seen.requests.load(Ordering::SeqCst), 4);
}

#[test]
fn an_endpoint_that_stays_down_is_named_with_the_attempts() {
    let (host, seen) = serve(|_, _| status(500, ""));
    fails(&host, "retries=2", &["status 500", "after 3 attempts", "items `0` to `1`", "is kept"]);
    assert_eq!(seen.requests.load(Ordering::SeqCst), 3);
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    fails(&format!("http://{port}"), "retries=1", &["no connection", "after 2 attempts"]);
    let (slow, _) = serve(|_, request| Reply { delay: Duration::from_secs(3), ..ok(json!(tei(request))) });
    fails(&slow, "retries=0&timeout_s=1", &["no answer within 1 s", "after 1 attempts"]);
}

#[test]
fn a_refusal_is_final_and_does_not_show_the_token() {
    let token = std::env::var("PATH").expect("a variable");
    let page = format!("no such key {token}");
    let (host, seen) = serve(move |_, _| Reply { status: 401, ..ok(&page) });
    fails(&host, "key_env=PATH", &["status 401", "key_env", "no such key …", "after 1 attempts"]);
    assert_eq!(seen.requests.load(Ordering::SeqCst), 1);
    let (host, _) = serve(|_, _| status(413, ""));
    fails(&host, "", &["a smaller batch"]);
    let (host, _) = serve(|_, _| status(301, "location: http://elsewhere/embed\r\n"));
    fails(&host, "", &["moved to http://elsewhere/embed"]);
}

#[test]
fn an_answer_that_is_no_vectors_is_refused() {
    let check = |body: Value, parts: &[&str]| {
        let (host, _) = serve(move |_, _| ok(&body));
        fails(&host, "", parts);
    };
    check(json!([[1, 2], [1, 2, 3]]), &["item `1`", "width 3, expected 2"]);
    check(json!([[1, 2]]), &["1 vector for 2 texts", "items `0` to `1`"]);
    check(json!([[1, 2], [1, null]]), &["item `1`", "not finite"]);
    check(json!([[1, 2], [1, 1e39]]), &["out of range"]);
    check(json!({"error": "busy"}), &["is not the JSON [[number", "busy"]);
    check(json!("x".repeat(2 << 20)), &["longer than"]);
    let (host, _) = serve(|_, _| ok("[[NaN, 1.0], [1.0, -Infinity]]"));
    fails(&host, "", &["item `0`", "not finite"]);
    let twice = json!({"data": [{"index": 1, "embedding": [1, 2]}, {"index": 1, "embedding": [1, 2]}]});
    let (host, _) = serve(move |_, _| ok(&twice));
    fails(&host, "api=openai", &["index 1, expected 0"]);
}

#[test]
fn no_more_requests_than_allowed_run_at_a_time() {
    let (host, seen) =
        serve(|_, request| Reply { delay: Duration::from_millis(30), ..ok(json!(tei(request))) });
    let encoder = encoder(&host, "/embed?width=2&batch=1&concurrency=3").expect("an encoder");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| encode(&*encoder, &["x"; 12]).expect("vectors"));
        }
    });
    assert_eq!(seen.requests.load(Ordering::SeqCst), 24);
    let most = seen.most_active.load(Ordering::SeqCst);
    assert!((2..=3).contains(&most), "{most} requests at a time");
}

#[test]
fn invalid_names_are_refused_before_any_request() {
    let refused = |name: &str, part: &str| {
        let message = open(Spec::parse(name).expect("a name")).err().expect(name).to_string();
        assert!(message.contains(part), "{message}");
        assert!(!message.contains("secret"), "{message}");
    };
    refused("http://127.0.0.1:9/other", "api=tei or api=openai");
    refused("http://127.0.0.1:9/embed?batch=0", "from 1 to 4096");
    refused("http://127.0.0.1:9/embed?batchsize=9", "no option `batchsize`");
    refused("http://127.0.0.1:9/embed?key_env=SEMRANK_UNSET", "SEMRANK_UNSET of key_env is not set");
    refused("https://user:secret@host/embed", "key_env");
    refused("http:embed", "is needed");
}
