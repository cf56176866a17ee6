//! A source over HTTP asks what its page says, takes what is good of an answer, and survives everything else within its deadline.
#![cfg(feature = "http")]

mod common;

use common::{Asked, reply, serve};
use semrank_core::{ActionId, Dictionary, Event, ItemId};
use semrank_retrieve::sourcer::{Http, Sourcer};
use semrank_retrieve::{Bitmap, Error, Filter, Funnel, Quota, Request, Scored};
use semrank_sequence::testing::World;
use semrank_sequence::{Servable, UserState};
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_millis(400);

struct Setting {
    servable: Servable,
    user: UserState,
    names: Dictionary,
    eligible: Bitmap,
}

/// Six items, the last of which may not be shown; somebody who took two.
fn setting() -> Setting {
    let servable = World::new().servable;
    let (mut user, mut names, mut eligible) = (UserState::default(), Dictionary::new(), Bitmap::full(6));
    for item in [3, 1] {
        servable.push(&mut user, Event { item: ItemId(item), action: ActionId(0), time: 0 });
    }
    (0..servable.items()).for_each(|item| _ = names.insert(&format!("i{item}")));
    eligible.set(5, false);
    Setting { servable, user, names, eligible }
}

fn request(setting: &Setting) -> Request<'_> {
    let Setting { servable, user, names, eligible } = setting;
    Request { user_id: Some("U7"), names: Some(names), ..Request::new(servable, user, eligible) }
}

fn source(url: &str) -> Http {
    Http::open(&format!("graph={url}").parse().expect("a source"), DEADLINE).expect("an address")
}

fn body(text: &str) -> (String, Asked) {
    let text = text.to_owned();
    serve(move |stream| reply(stream, "200 OK", "", text.as_bytes()))
}

/// What comes of an answer: candidates, and how many were left out.
fn ask(url: &str, n: usize) -> Result<(Vec<(u32, f32)>, usize), Error> {
    let (setting, mut out) = (setting(), Vec::new());
    let left_out = source(url).ask(&request(&setting), n, &mut out)?;
    Ok((out.iter().map(|scored: &Scored| (scored.item, scored.score)).collect(), left_out))
}

#[track_caller]
fn fails(answer: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static, part: &str) {
    let begin = Instant::now();
    let (url, _) = serve(answer);
    let message = ask(&url, 3).expect_err("an error").to_string();
    assert!(message.contains(part) && message.contains(&url), "{message}\nlacks {part}");
    assert!(begin.elapsed() < DEADLINE * 4, "{:?}", begin.elapsed());
    assert!(message.len() < 500 && !message.contains('\n'), "{message}");
}

#[test]
fn the_question_is_what_the_page_says() {
    let (url, asked) = body(r#"{"items": []}"#);
    let (setting, mut out) = (setting(), Vec::new());
    let filter: Filter = "kind = ad".parse().expect("a filter");
    let all = Request { filter: Some(&filter), search: Some("red \"shoe"), ..request(&setting) };
    source(&url).candidates(&all, 7, &mut out).expect("an answer");
    let nobody = Request { user_id: None, ..request(&setting) };
    source(&url).candidates(&nobody, 2, &mut out).expect("an answer");
    source(&url).candidates(&nobody, 0, &mut out).expect("nothing to ask");
    let asked: Vec<serde_json::Value> =
        asked.lock().expect("asked").iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
    let history = ["i3", "i1"];
    assert_eq!(asked.len(), 2);
    assert_eq!(
        asked[0],
        serde_json::json!({"user": "U7", "history": history, "n": 7, "filter": filter.to_string(), "search": "red \"shoe"})
    );
    assert_eq!(asked[1], serde_json::json!({"user": null, "history": history, "n": 2}));
}

#[test]
fn the_best_known_items_that_may_be_shown_are_taken_and_the_others_counted() {
    let answer = r#"{"took": {"ms": [1]}, "items": [
        {"item": "i0", "score": 0.5, "why": "x"}, {"item": "i5", "score": 9}, {"item": "nobody", "score": 9},
        {"item": "i2", "score": -1}, {"item": "i0", "score": 0.75}, {"item": "i1", "score": null},
        {"item": "i3", "score": 1e39}, {"item": "i4", "score": 0.75}, {"item": "i2"}]}"#;
    let (url, _) = body(answer);
    assert_eq!(ask(&url, 9).expect("an answer"), (vec![(0, 0.75), (4, 0.75), (2, -1.0)], 5));
    assert_eq!(ask(&url, 1).expect("an answer").0, [(0, 0.75)]);
}

#[test]
fn hostile_answers_are_errors() {
    let with =
        |text: &'static str| move |stream: &mut TcpStream| reply(stream, "200 OK", "", text.as_bytes());
    for text in [
        "",
        "no",
        "[]",
        "null",
        r#"{"items": {}}"#,
        r#"{"items": [3]}"#,
        r#"{"items": [{"item": 3, "score": 1}]}"#,
        r#"{"items": [{"item": "i0", "score": NaN}]}"#,
        r#"{"items": [{"item": "i0", "score": 1e999}]}"#,
        r#"{"items": [{"item": "i0", "score": "1"}]}"#,
        r#"{"items": [{"item": "i0", "score": 1}]"#,
    ] {
        fails(with(text), "the answer is not {\"items\"");
    }
    let deep = format!("{{\"items\": {}", "[".repeat(50_000));
    fails(move |stream| reply(stream, "200 OK", "", deep.as_bytes()), "is not");
    let deep = format!("{{\"more\": {0}1{1}, \"items\": []", "[".repeat(30_000), "]".repeat(30_000));
    fails(move |stream| reply(stream, "200 OK", "", deep.as_bytes()), "is not");
    fails(|stream| reply(stream, "200 OK", "", &b"\xff\xfe\"".repeat(9)), "is not");
    fails(|stream| reply(stream, "200 OK", "", &vec![b' '; 1 << 20]), "longer than");
    // Without a length, for as long as somebody reads.
    let endless = |stream: &mut TcpStream| {
        write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        loop {
            write!(stream, "8000\r\n{}\r\n", " ".repeat(0x8000))?;
        }
    };
    fails(endless, "longer than");
    let page = "no\u{7}\r\n".repeat(500);
    fails(move |stream| reply(stream, "503 Busy", "", page.as_bytes()), "status 503");
    fails(|stream| stream.write_all(b"\0\x01 this is not HTTP\r\n\r\n"), "");
    fails(|stream| stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"), "");
    fails(|_| Ok(()), "");
}

#[test]
fn no_redirect_is_followed() {
    let (elsewhere, asked) = body(r#"{"items": [{"item": "i0", "score": 1}]}"#);
    for status in ["301 x", "302 x", "303 x", "307 x", "308 x"] {
        let to = format!("location: {elsewhere}\r\n");
        fails(move |stream| reply(stream, status, &to, b""), "give that address");
    }
    assert!(asked.lock().expect("asked").is_empty());
}

#[test]
fn slow_answers_end_at_the_deadline() {
    fails(
        |_| {
            std::thread::sleep(DEADLINE * 5);
            Ok(())
        },
        "no answer within 400 ms",
    );
    let drip = |stream: &mut TcpStream| {
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")?;
        (0..1000).try_for_each(|_| {
            std::thread::sleep(Duration::from_millis(20));
            stream.write_all(b" ")
        })
    };
    fails(drip, "no answer within 400 ms");
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    assert!(
        ask(&format!("http://{closed}/"), 3)
            .expect_err("nobody listens")
            .to_string()
            .contains("no connection")
    );
}

#[test]
fn the_funnel_names_what_failed_and_counts_what_was_left_out() {
    let (good, _) = body(r#"{"items": [{"item": "i4", "score": 1}, {"item": "nobody", "score": 2}]}"#);
    let (bad, _) = body("no");
    let quota = |url: &str| Quota { source: Arc::new(source(url)), items: 3, deadline: DEADLINE };
    let setting = setting();
    let answer = Funnel::new(vec![quota(&good), quota(&bad)]).retrieve(&request(&setting), 1);
    assert_eq!(answer.items.iter().map(|item| item.item).collect::<Vec<_>>(), [4]);
    assert_eq!((answer.sources[0].name, answer.sources[0].left_out), ("graph", 1));
    assert!(answer.sources[1].error.as_ref().is_some_and(|error| error.contains("not {\"items\"")));
}
