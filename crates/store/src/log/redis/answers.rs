//! Answers of Redis -> what they say, or why it cannot be.

use redis::{Pipeline, Value};
use std::collections::BTreeMap;

/// What is wrong, and what to do.
type Wrong = (String, &'static str);

/// Advice for a log that somebody has changed.
pub(super) const DAMAGED: &str =
    "somebody has changed its keys: put them back from a backup, or name another key for a new log";
const FOREIGN: &str = "name another key, which nothing else uses";
const FORMAT: &str = "1";

/// Settings by which an answer says that something is on the disk.
pub(super) struct Durability(BTreeMap<String, String>);

impl Durability {
    pub(super) fn ask(commands: &mut Pipeline) {
        for name in ["append*", "no-appendfsync-on-rewrite", "maxmemory-policy"] {
            commands.cmd("CONFIG").arg("GET").arg(name);
        }
    }

    pub(super) fn read(answers: &[Value]) -> Self {
        Self(answers.iter().flat_map(map).collect())
    }

    pub(super) fn check(&self) -> Result<(), Wrong> {
        let wanted = [
            ("appendonly", "yes", "CONFIG SET appendonly yes, and the same in redis.conf"),
            ("appendfsync", "always", "CONFIG SET appendfsync always, and the same in redis.conf"),
            (
                "no-appendfsync-on-rewrite",
                "no",
                "CONFIG SET no-appendfsync-on-rewrite no, and the same in redis.conf",
            ),
            (
                "maxmemory-policy",
                "noeviction",
                "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
            ),
        ];
        for (name, expected, advice) in wanted {
            let got = self.0.get(name).map_or("nothing", String::as_str);
            if got != expected {
                return Err((
                    format!("would not be durable: the server says {name} {got}, not {expected}"),
                    advice,
                ));
            }
        }
        Ok(())
    }
}

/// What the keys of a log hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    /// 0 where nobody has written it.
    pub(super) term: u64,
    pub(super) first: u64,
    pub(super) next: u64,
}

impl About {
    /// Of `HGETALL NAME:about` and, where there is a stream, `XINFO STREAM NAME`.
    pub(super) fn read(answers: &[Value], has_records: bool, has_about: bool) -> Result<Self, Wrong> {
        let about = answers.first().map(map).unwrap_or_default();
        if !has_about {
            return match has_records {
                true => Err(("cannot be there: the key holds a stream of another program".into(), FOREIGN)),
                false => Ok(Self::default()),
            };
        }
        match about.get("format").map(String::as_str) {
            Some(FORMAT) => {}
            Some(other) => {
                return Err((
                    format!("is in format {other}; this program reads {FORMAT}"),
                    "open it with a newer one",
                ));
            }
            None => return Err(("cannot be there: its keys are of another program".into(), FOREIGN)),
        }
        let number = |name: &str| about.get(name).map_or(Some(0), |text| text.parse().ok());
        let (Some(term), Some(first), Some(next)) = (number("term"), number("first"), number("next")) else {
            return Err(("has numbers that cannot be read".into(), DAMAGED));
        };
        let stream = answers.get(1).map(map).unwrap_or_default();
        let last = stream.get("last-generated-id").and_then(|id| id.split_once('-'));
        let found = match last {
            Some((number, "1")) => number.parse::<u64>().ok().map(|number| number + 1),
            Some(("0", "0")) | None => Some(0),
            Some(_) => None,
        };
        if found != Some(next) || first > next {
            let found =
                found.map_or("has ids of another program".to_owned(), |found| format!("ends before {found}"));
            return Err((format!("has lost records: {next} were written, and its stream {found}"), DAMAGED));
        }
        Ok(Self { term, first, next })
    }
}

/// Names and values of a map, or of a list of both in turn; what is no text is left out.
fn map(value: &Value) -> BTreeMap<String, String> {
    let pairs: Vec<(String, &Value)> = match value {
        Value::Map(pairs) => pairs.iter().map(|(name, value)| (text(Some(name)), value)).collect(),
        Value::Array(list) => {
            let pairs = list.chunks_exact(2);
            pairs.map(|pair| (text(Some(&pair[0])), &pair[1])).collect()
        }
        _ => Vec::new(),
    };
    pairs.into_iter().map(|(name, value)| (name, text(Some(value)))).collect()
}

/// A text or number; nothing for what is neither.
pub(super) fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::BulkString(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(Value::SimpleString(text)) => text.clone(),
        Some(Value::Okay) => "OK".into(),
        Some(Value::Int(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// Two numbers, the first of them 1 or not.
pub(super) fn pair(value: Option<&Value>) -> (bool, i64) {
    match value {
        Some(Value::Array(list)) => {
            let number = |at: usize| text(list.get(at)).parse().unwrap_or(0);
            (number(0) == 1, number(1))
        }
        _ => (false, 0),
    }
}

/// Entries of a range of a stream.
pub(super) fn entries(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(list)) => list,
        _ => &[],
    }
}

/// The record of an entry, which is to have a number.
pub(super) fn record(entry: &Value, number: u64) -> Result<&[u8], Wrong> {
    let Value::Array(parts) = entry else { return Err((missing(number), DAMAGED)) };
    let id = text(parts.first());
    if id != format!("{number}-1") {
        return Err((format!("{}: entry {id} stands in its place", missing(number)), DAMAGED));
    }
    match parts.get(1) {
        Some(Value::Array(fields)) => match fields.as_slice() {
            [Value::BulkString(name), Value::BulkString(record)] if name == b"r" => Ok(record),
            _ => Err((format!("is damaged: entry {id} has other fields"), DAMAGED)),
        },
        _ => Err((format!("is damaged: entry {id} has no fields"), DAMAGED)),
    }
}

/// What is wrong where a record is not there.
pub(super) fn missing(number: u64) -> String {
    format!("is damaged: record {number} is missing")
}
