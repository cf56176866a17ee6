//! What is particular to Redis: settings that are not durable, keys of others, and what somebody did to the log's own.

use super::place::{Place, open};
use super::promises::{all, payload};
use semrank_store::Error;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;

/// Gives the server a command; returns the first line of its answer.
fn tell(place: &Place, command: &str) -> String {
    let mut stream = place.connect();
    stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(!line.starts_with('-'), "{command}: {line}");
    line
}

fn refused(place: &Place) -> String {
    let error = place.try_open().err().unwrap();
    assert!(matches!(error, Error::LogRefused { .. }) && error.help().is_some(), "{error}");
    error.to_string()
}

#[test]
fn a_server_that_does_not_sync_is_refused() {
    let Some(place) = Place::redis() else { return };
    for (name, bad, good) in [
        ("appendonly", "no", "yes"),
        ("appendfsync", "everysec", "always"),
        ("no-appendfsync-on-rewrite", "yes", "no"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
    ] {
        tell(&place, &format!("CONFIG SET {name} {bad}"));
        let error = refused(&place);
        assert!(error.contains(name) && error.contains(bad) && error.contains(good), "{error}");
        tell(&place, &format!("CONFIG SET {name} {good}"));
    }
    assert_eq!(tell(&place, "DBSIZE"), ":0\r\n", "nothing was written");
    let log = place.open();
    log.append(b"a").and_then(|sequence| log.commit(sequence)).unwrap();
    tell(&place, "CONFIG SET appendfsync everysec");
    let error = log.append(b"b").and_then(|sequence| log.commit(sequence)).unwrap_err();
    assert!(error.to_string().contains("appendfsync everysec"), "{error}");
    assert_eq!(log.durable_end(), 1);
}

#[test]
fn keys_of_others_are_refused_and_left_alone() {
    let Some(place) = Place::redis() else { return };
    for (command, part) in [
        ("SET events 1", "holds a string"),
        ("XADD events * field value", "stream of another program"),
        ("SET events:about 1", "holds a string"),
        ("HSET events:about a b", "of another program"),
        ("HSET events:about format 2", "format 2"),
    ] {
        tell(&place, command);
        let keys = tell(&place, "DBSIZE");
        let error = refused(&place);
        assert!(error.contains(part), "{command}: {error}");
        assert_eq!(tell(&place, "DBSIZE"), keys);
        tell(&place, "FLUSHALL");
    }
    tell(&place, "CONFIG SET requirepass secret");
    let error = place.try_open().err().unwrap();
    assert!(!error.to_string().contains("secret"), "{error}");
    let with_password = place.url().replace("redis://", "redis://:secret@");
    open(&with_password).unwrap();
}

#[test]
fn records_that_somebody_removed_are_missed() {
    let Some(place) = Place::redis() else { return };
    let log = place.open();
    (0..10).for_each(|number| _ = log.append(&payload(number)).unwrap());
    log.commit_all().unwrap();
    tell(&place, "XDEL events 4-1");
    let read = || log.read(0, &mut |_, _| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(read().contains("record 4 is missing"), "{}", read());
    assert_eq!(all(&*log, 5).len(), 5);
    tell(&place, "XTRIM events MAXLEN 3");
    assert!(read().contains("record 0 is missing"), "{}", read());
    drop(log);
    tell(&place, "DEL events");
    assert!(refused(&place).contains("lost records: 10 were written"));
}

#[test]
fn a_writer_whose_keys_are_gone_says_so() {
    let Some(place) = Place::redis() else { return };
    let log = place.open();
    log.append(b"a").and_then(|sequence| log.commit(sequence)).unwrap();
    tell(&place, "FLUSHALL");
    let error = log.append(b"b").and_then(|sequence| log.commit(sequence)).unwrap_err();
    assert!(error.to_string().contains("lost records"), "{error}");
}

#[test]
fn a_server_without_room_is_waited_for() {
    let Some(place) = Place::redis() else { return };
    let log = open(&place.url_with("&timeout_ms=300")).unwrap();
    tell(&place, "CONFIG SET maxmemory 1");
    let error = log.append(b"a").and_then(|sequence| log.commit(sequence)).unwrap_err();
    assert!(error.is_temporary(), "{error}");
    tell(&place, "CONFIG SET maxmemory 0");
    log.commit_all().unwrap();
    assert_eq!(all(&*log, 0), [(0, b"a".to_vec())]);
}
