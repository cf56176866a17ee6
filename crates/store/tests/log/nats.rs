//! What is particular to NATS: settings that are not durable, streams of others, and what somebody did to the log's own.

use super::place::{Place, open};
use super::promises::payload;
use semrank_store::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;

/// Sends a message and returns the answer to it.
fn ask(place: &Place, subject: &str, body: &str) -> String {
    let mut stream = place.connect();
    let message = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB inbox 1\r\nPUB {subject} inbox {}\r\n{body}\r\n",
        body.len()
    );
    stream.write_all(message.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "{subject}: no answer");
        if line.starts_with("MSG inbox") {
            let bytes: usize = line.split_whitespace().last().unwrap().parse().unwrap();
            let mut answer = vec![0; bytes];
            lines.read_exact(&mut answer).unwrap();
            let answer = String::from_utf8(answer).unwrap();
            assert!(!answer.contains("\"error\""), "{subject}: {answer}");
            return answer;
        }
    }
}

fn make(place: &Place, settings: &str) {
    let body = format!("{{\"name\":\"events\",\"retention\":\"limits\",{settings}}}");
    ask(place, "$JS.API.STREAM.CREATE.events", &body);
}

fn refused(place: &Place) -> String {
    let error = place.try_open().err().unwrap();
    assert!(matches!(error, Error::LogRefused { .. }) && error.help().is_some(), "{error}");
    error.to_string()
}

#[test]
fn streams_that_do_not_keep_what_they_confirm_are_refused() {
    let Some(place) = Place::nats() else { return };
    for (settings, part) in [
        (r#""subjects":["other"],"storage":"file""#, "of another program"),
        (r#""subjects":["semrank.log.events"],"storage":"memory""#, "in memory"),
        (r#""subjects":["semrank.log.events"],"storage":"file","max_msgs":9"#, "limits"),
        (r#""subjects":["semrank.log.events"],"storage":"file","max_age":1000000000"#, "limits"),
        (r#""subjects":["semrank.log.events"],"storage":"file","no_ack":true"#, "confirms nothing"),
    ] {
        make(&place, settings);
        let error = refused(&place);
        assert!(error.contains(part), "{settings}: {error}");
        ask(&place, "$JS.API.STREAM.DELETE.events", "");
    }
}

#[test]
fn messages_of_others_are_named() {
    let Some(place) = Place::nats() else { return };
    make(&place, r#""subjects":["semrank.log.events"],"storage":"file""#);
    ask(&place, "semrank.log.events", "hello");
    assert!(refused(&place).contains("message 1 is no batch of records"));
}

#[test]
fn records_that_somebody_removed_or_put_there_are_found() {
    let Some(place) = Place::nats() else { return };
    let log = place.open();
    // The first message says that a writer has begun, so record N is in message N + 2.
    for number in 0..6 {
        log.append(&payload(number)).and_then(|sequence| log.commit(sequence)).unwrap();
    }
    ask(&place, "$JS.API.STREAM.MSG.DELETE.events", "{\"seq\":4}");
    let error = log.read(0, &mut |_, _| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(error.contains("message 4 is missing"), "{error}");
    // Another program's message takes the place of the next one.
    ask(&place, "semrank.log.events", "hello");
    let error = log.append(b"x").and_then(|sequence| log.commit(sequence)).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
    drop(log);
    assert!(refused(&place).contains("message 8 is no batch of records"));
}

#[test]
fn a_server_that_does_not_sync_is_found_where_its_settings_can_be_read() {
    let Some(mut place) = Place::nats() else { return };
    let url = place.url_with(&format!("&monitor={}", place.monitor()));
    drop(open(&url).unwrap());
    let error = open(&place.url_with("&monitor=127.0.0.1:1")).err().unwrap();
    assert!(error.to_string().contains("cannot be read"), "{error}");
    place.kill();
    place.start_with("sync_interval: \"2m\"");
    let error = open(&url).err().unwrap();
    assert!(
        error.to_string().contains("does not sync") && error.help().unwrap().contains("always"),
        "{error}"
    );
}
