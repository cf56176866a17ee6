//! Events as clients send them and as the log keeps them: JSON objects with the columns of `events.parquet`.

use crate::Problem;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Longest id, in bytes.
pub(crate) const LONGEST_ID: usize = 512;
/// Longest name of an action or a column, in bytes.
const LONGEST_NAME: usize = 64;
/// Columns of an event beside the known ones, and bytes of their texts.
const MOST_COLUMNS: usize = 64;
const MOST_TEXT: usize = 65_536;
/// Beyond 2^53 JSON numbers of many programs no longer tell milliseconds apart.
pub(crate) const LARGEST_TIME: i64 = 9_007_199_254_740_992;
/// How far ahead of the server's clock an event may be.
const MOST_AHEAD_MS: i64 = 86_400_000;

/// The action of an item that was shown.
pub(crate) const IMPRESSION: &str = "impression";

/// What a user did with an item.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Event {
    /// Events with the same id count once. Without ids, events of the same user, item, action and time count once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 512, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$")]
    pub event_id: Option<String>,
    /// Who.
    #[schema(min_length = 1, max_length = 512, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$")]
    pub user_id: String,
    /// With what; it counts in histories from when the item is known.
    #[schema(min_length = 1, max_length = 512, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$")]
    pub item_id: String,
    /// What was done, such as `click`; one that the model does not know is kept and read by nobody.
    #[schema(min_length = 1, max_length = 64, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$")]
    pub action: String,
    /// When, in milliseconds since 1970 (UTC); without it, when the server received the event.
    #[schema(required = false)]
    pub timestamp: i64,
    /// When the server received it, in milliseconds since 1970 (UTC).
    #[schema(required = false)]
    pub received_at: i64,
    /// Everything else, such as `parent_event_id`, `request_id`, `slot`, `dwell_ms`, `value`, `surface`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub rest: Map<String, Value>,
}

impl Event {
    /// Checks an object that was received at a time, or read from the log.
    ///
    /// # Errors
    /// What is wrong with it, and where: `path` is that of the object.
    pub fn from_json(value: Value, path: &str, now_ms: i64) -> Result<Self, Problem> {
        let Value::Object(mut rest) = value else {
            return Err(Problem::at(path, "an event is an object"));
        };
        let event_id = match rest.remove("event_id") {
            None | Some(Value::Null) => None,
            Some(value) => Some(id(Some(value), path, "event_id")?),
        };
        let user_id = id(rest.remove("user_id"), path, "user_id")?;
        let item_id = id(rest.remove("item_id"), path, "item_id")?;
        let action = id(rest.remove("action"), path, "action")?;
        if action.len() > LONGEST_NAME {
            return Err(Problem::at(format!("{path}.action"), "an action has at most 64 bytes"));
        }
        // Nobody has received anything later than now.
        let received_at =
            time(rest.remove("received_at"), path, "received_at")?.unwrap_or(now_ms).min(now_ms);
        let timestamp = time(rest.remove("timestamp"), path, "timestamp")?.unwrap_or(received_at);
        if timestamp > now_ms.saturating_add(MOST_AHEAD_MS) {
            return Err(Problem::at(
                format!("{path}.timestamp"),
                "the time lies more than a day ahead of this server's clock; milliseconds since 1970 (UTC) are expected",
            ));
        }
        rest.retain(|_, value| !value.is_null());
        for (name, value) in &rest {
            if name.len() > LONGEST_NAME || matches!(value, Value::Object(_) | Value::Array(_)) {
                return Err(Problem::at(
                    format!("{path}.{name}"),
                    "a column has a name of at most 64 bytes and holds a text, a number or true or false",
                ));
            }
        }
        let texts = rest.values().filter_map(Value::as_str).map(str::len).sum::<usize>();
        if texts > MOST_TEXT || rest.len() > MOST_COLUMNS {
            return Err(Problem::at(path, "an event has at most 64 columns, and texts of 64 KiB in all"));
        }
        Ok(Self { event_id, user_id, item_id, action, timestamp, received_at, rest })
    }

    /// What tells equal events from others.
    pub fn key(&self) -> u128 {
        match &self.event_id {
            Some(id) => key_of_id(id),
            None => {
                let time = self.timestamp.to_le_bytes();
                key(&[self.user_id.as_bytes(), self.item_id.as_bytes(), self.action.as_bytes(), &time])
            }
        }
    }

    /// A whole number of a column.
    pub(crate) fn integer(&self, column: &str) -> Option<i64> {
        self.rest.get(column)?.as_i64()
    }

    /// A text of a column.
    pub(crate) fn text(&self, column: &str) -> Option<&str> {
        self.rest.get(column)?.as_str()
    }
}

/// The key of the event with an id.
pub(crate) fn key_of_id(id: &str) -> u128 {
    key(&[b"id", id.as_bytes()])
}

/// A hash of texts that end where they end.
pub(crate) fn key(parts: &[&[u8]]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    parts.iter().for_each(|part| _ = hasher.update(part).update(&[0]));
    let mut key = [0; 16];
    hasher.finalize_xof().fill(&mut key);
    u128::from_le_bytes(key)
}

/// Checks a text that names something.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_id(text: &str, path: &str) -> Result<(), Problem> {
    if text.is_empty() || text.len() > LONGEST_ID || text.contains(|letter: char| letter.is_control()) {
        return Err(Problem::at(path, "a text of 1 to 512 bytes without control characters is expected"));
    }
    Ok(())
}

fn id(value: Option<Value>, path: &str, key: &str) -> Result<String, Problem> {
    let at = format!("{path}.{key}");
    match value {
        Some(Value::String(text)) => check_id(&text, &at).map(|()| text),
        None | Some(Value::Null) => Err(Problem::at(at, format!("`{key}` is missing"))),
        Some(Value::Number(number)) => Err(Problem::at(
            at,
            format!("`{key}` must be a text, as ids are never read as numbers: \"{number}\""),
        )),
        Some(_) => Err(Problem::at(at, format!("`{key}` must be a text"))),
    }
}

fn time(value: Option<Value>, path: &str, key: &str) -> Result<Option<i64>, Problem> {
    let value = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let whole = value.as_i64().or_else(|| value.as_f64().filter(|ms| ms.fract() == 0.0).map(|ms| ms as i64));
    match whole.filter(|ms| ms.abs() <= LARGEST_TIME) {
        Some(ms) => Ok(Some(ms)),
        None => Err(Problem::at(
            format!("{path}.{key}"),
            format!("`{key}` must be a whole number of milliseconds since 1970 (UTC)"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(value: Value) -> Result<Event, Problem> {
        Event::from_json(value, "$[2]", 1_000)
    }

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let sent = json!({"event_id": "e", "user_id": "u", "item_id": "0104257", "action": "click", "slot": 3, "surface": null});
        let read = event(sent).unwrap();
        assert_eq!((read.timestamp, read.received_at, read.rest.len()), (1_000, 1_000, 1));
        assert_eq!(Event::from_json(serde_json::to_value(&read).unwrap(), "$", 2_000).unwrap(), read);
    }

    #[test]
    fn wrong_values_are_named_by_their_path() {
        let good = json!({"user_id": "u", "item_id": "i", "action": "click", "timestamp": 5});
        for (key, value) in [
            ("user_id", json!(7)),
            ("user_id", json!("")),
            ("item_id", json!(null)),
            ("item_id", json!("a\tb")),
            ("action", json!("a".repeat(65))),
            ("timestamp", json!("yesterday")),
            ("timestamp", json!(1.5)),
            ("timestamp", json!(1e300)),
            ("timestamp", json!(86_402_000)),
            ("query", json!({"nested": 1})),
        ] {
            let mut bad = good.clone();
            bad[key] = value.clone();
            let problem = event(bad).expect_err(&format!("{key} = {value}"));
            assert_eq!((problem.status, problem.path), (400, Some(format!("$[2].{key}"))), "{value}");
        }
        assert!(event(json!([1])).is_err() && event(good).is_ok());
    }

    #[test]
    fn keys_are_those_of_ids_or_of_what_was_done() {
        let of = |id: Option<&str>, time: i64| {
            event(json!({"event_id": id, "user_id": "u", "item_id": "i", "action": "a", "timestamp": time}))
                .unwrap()
                .key()
        };
        assert_eq!(of(Some("x"), 1), of(Some("x"), 2));
        assert_ne!(of(Some("x"), 1), of(Some("y"), 1));
        assert_eq!(of(None, 1), of(None, 1));
        assert_ne!(of(None, 1), of(None, 2));
    }
}
