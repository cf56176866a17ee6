//! Bodies of requests: JSON whose mistakes are named by their path.

use crate::{Event, Problem, Service};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A body of JSON.
pub(crate) struct Body<T>(pub(crate) T);

/// A body of events: an object, an array of objects, or one object a line.
pub(crate) struct EventsBody(pub(crate) Vec<Event>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        parse(&read(request, state).await?).map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for EventsBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        events(&read(request, state).await?, Service::wall_ms()).map(Self)
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let body = Bytes::from_request(request, state).await;
    body.map_err(|error| {
        let status = error.status();
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(status, "the body is larger than this server takes")
            }
            _ => Problem::bad(format!("the body could not be read: {error}")),
        }
    })
}

pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // A list of the fields' values would be taken as well, in an order that nobody knows.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(Problem::at("$", "an object is expected"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // A body that ends early ends at a key that is not there.
        let path = match error.path().to_string().trim_end_matches('?').trim_end_matches('.') {
            "" => "$".to_owned(),
            path => format!("$.{path}"),
        };
        Problem::at(path, error.into_inner().to_string())
    })?;
    json.end().map_err(|error| Problem::at("$", error.to_string()))?;
    Ok(value)
}

/// Reads events: JSON values one after another, arrays among them.
pub(crate) fn events(body: &[u8], now_ms: i64) -> Result<Vec<Event>, Problem> {
    let mut out = Vec::new();
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    let mut number = 0;
    while let Some(value) = values.next() {
        number += 1;
        let value = value.map_err(|error| Problem::at("$", format!("value {number} is no JSON: {error}")))?;
        // A body of one value needs no number.
        let is_only = number == 1 && body[values.byte_offset()..].iter().all(u8::is_ascii_whitespace);
        let path = if is_only { "$".to_owned() } else { format!("$[{}]", number - 1) };
        match value {
            Value::Array(list) => {
                for (at, value) in list.into_iter().enumerate() {
                    out.push(Event::from_json(value, &format!("{path}[{at}]"), now_ms)?);
                }
            }
            value => out.push(Event::from_json(value, &path, now_ms)?),
        }
    }
    if number == 0 {
        return Err(Problem::at(
            "$",
            "the body is empty; an event, an array of events or one event a line is expected",
        ));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"user_id":"u","item_id":"i","action":"a","timestamp":1}"#;

    #[test]
    fn events_come_alone_in_arrays_and_in_lines() {
        let count = |body: &str| events(body.as_bytes(), 5).map(|events| events.len());
        assert_eq!(count(EVENT), Ok(1));
        assert_eq!(count(&format!("[{EVENT},{EVENT}]")), Ok(2));
        assert_eq!(count(&format!("{EVENT}\n{EVENT}\n\n{EVENT}\n")), Ok(3));
        assert_eq!(count("[]"), Ok(0));
        for (body, path) in [
            ("", "$"),
            ("nonsense", "$"),
            ("7", "$"),
            ("[7]", "$[0]"),
            ("{}", "$.user_id"),
            (&format!("{EVENT}\n{{}}"), "$[1].user_id"),
            (&format!("[{EVENT},{{}}]"), "$[1].user_id"),
            (&format!("{EVENT}\n{{"), "$"),
        ] {
            assert_eq!(count(body).unwrap_err().path.as_deref(), Some(path), "{body}");
        }
        let deep = "[".repeat(100_000);
        assert!(count(&deep).is_err());
    }

    #[test]
    fn mistakes_of_other_bodies_are_named_by_their_path() {
        let problem = parse::<crate::RankRequest>(br#"{"candidates":["a",7]}"#).unwrap_err();
        assert_eq!(problem.path.as_deref(), Some("$.candidates[1]"));
        assert!(parse::<crate::RankRequest>(br#"{"kk":1}"#).unwrap_err().detail.contains("kk"));
        assert!(parse::<crate::RankRequest>(b"{} {}").is_err() && parse::<crate::RankRequest>(b"").is_err());
    }
}
