//! Records of the log: one byte that says what it is, then JSON.
//!
//! A log is rewritten when a user is forgotten: [`Record::Rewriting`], copies of everything that stays, [`Record::Rewritten`]. What a
//! kill leaves of it counts for nothing: copies count only when they are complete, and then what was before them does not.

use crate::experiments::Placed;
use crate::explore::Explored;
use crate::{Event, Problem};
use semrank_experiment::log::LoggedExposure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const EVENT: u8 = b'E';
const ANSWER: u8 = b'A';
const FORGET: u8 = b'F';
const REWRITING: u8 = b'B';
const REWRITTEN: u8 = b'D';
const EXPOSURE: u8 = b'P';
/// Set in the first byte of a copy.
const COPY: u8 = 0x20;

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// Something that a user did.
    Event(Event),
    /// A ranking that was served.
    Answer(Answer),
    /// A user who is to be forgotten: records before are of nobody.
    Forget(String),
    /// A unit's request in an arm of a test, with whose it was.
    Exposure(Option<String>, Box<LoggedExposure>),
    /// Copies of the records before begin.
    Rewriting,
    /// They are complete.
    Rewritten,
}

/// A ranking that was served: what the next model learns from, and what `semrank replay` compares with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// As the answer has it.
    pub request_id: String,
    /// For whom; none for somebody without an id.
    pub user: Option<String>,
    /// When it was made, in milliseconds since 1970 (UTC).
    pub time: i64,
    /// The moment at which items had to be within their time windows.
    pub now: Option<i64>,
    /// What was asked for, as it was received.
    pub request: Value,
    /// The run that ranked.
    pub run: String,
    /// The click run that ranked what it found, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clicks: Option<String>,
    /// The click model saw labels that were known before this moment (ms UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_before: Option<i64>,
    /// Whether its features were those of the log up to `as_of`: they did not change while it ranked, and have nothing of users who were
    /// forgotten.
    pub is_exact: bool,
    /// Number of the first record that the answer lacks.
    pub as_of: u64,
    /// Number of the first change of items that it lacks; none where items changed while it was made.
    pub items_as_of: Option<u64>,
    /// Candidates that were ranked.
    pub candidates: usize,
    /// What was shown, best first.
    pub items: Vec<Shown>,
    /// What was left away to be in time.
    pub degraded: Vec<String>,
    /// Where it was in a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Placed>,
    /// Where lists are explored, by what policy, from which items and with what probabilities; none in a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explored: Option<Box<Explored>>,
}

/// An item that was shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// The item.
    pub item: String,
    /// From 1.
    pub slot: usize,
    /// Of the ranker.
    pub score: f32,
    /// Sources that found it.
    pub sources: Vec<String>,
    /// Probability of the item in its slot given those above it, with the share of the lists that are drawn; none in slots that never are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propensity: Option<f64>,
}

impl Record {
    /// The bytes of an event.
    pub fn event(event: &Event) -> Vec<u8> {
        bytes(EVENT, event)
    }

    /// The bytes of an answer.
    pub fn answer(answer: &Answer) -> Vec<u8> {
        bytes(ANSWER, answer)
    }

    /// The bytes of an exposure of a user.
    pub fn exposure(user: Option<&str>, exposure: &LoggedExposure) -> Vec<u8> {
        bytes(EXPOSURE, &(user, exposure))
    }

    /// The bytes of a forgotten user.
    pub fn forget(user: &str) -> Vec<u8> {
        bytes(FORGET, &user)
    }

    /// The bytes of [`Record::Rewriting`] and [`Record::Rewritten`].
    pub fn rewriting() -> [Vec<u8>; 2] {
        [vec![REWRITING], vec![REWRITTEN]]
    }

    /// The bytes of a copy of a record.
    pub fn copy(payload: &[u8]) -> Vec<u8> {
        let mut out = payload.to_vec();
        out.iter_mut().take(1).for_each(|kind| *kind |= COPY);
        out
    }

    /// Whether these are the bytes of a copy.
    pub fn is_copy(payload: &[u8]) -> bool {
        payload.first().is_some_and(|kind| kind & COPY != 0)
    }

    /// Reads a record, or a copy of one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(payload: &[u8]) -> Result<Self, Problem> {
        let (&kind, json) = payload.split_first().ok_or_else(|| Problem::bad("an empty record"))?;
        let bad = |error: serde_json::Error| Problem::bad(error.to_string());
        match kind & !COPY {
            EVENT => {
                let value = serde_json::from_slice(json).map_err(bad)?;
                // What was accepted once is accepted: clocks may have been set back since.
                Event::from_json(value, "$", i64::MAX).map(Self::Event)
            }
            ANSWER => serde_json::from_slice(json).map(Self::Answer).map_err(bad),
            EXPOSURE => serde_json::from_slice(json)
                .map(|(user, exposure)| Self::Exposure(user, exposure))
                .map_err(bad),
            FORGET => serde_json::from_slice(json).map(Self::Forget).map_err(bad),
            REWRITING => Ok(Self::Rewriting),
            REWRITTEN => Ok(Self::Rewritten),
            _ => Err(Problem::bad(format!("a record of kind {kind}, which this semrank does not know"))),
        }
    }

    /// Whose record it is; none where it is of nobody.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Event(event) => Some(&event.user_id),
            Self::Answer(answer) => answer.user.as_deref(),
            Self::Forget(user) => Some(user),
            Self::Exposure(user, _) => user.as_deref(),
            Self::Rewriting | Self::Rewritten => None,
        }
    }
}

fn bytes(kind: u8, value: &impl Serialize) -> Vec<u8> {
    let mut out = vec![kind];
    // Writing to memory fails for values that are no JSON, and these are texts, numbers and lists.
    let _ = serde_json::to_writer(&mut out, value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::InPool;
    use semrank_experiment::explore::Exploration;

    #[test]
    fn records_and_their_copies_read_back() {
        let value = serde_json::json!({"user_id": "u", "item_id": "i", "action": "a", "timestamp": 1, "received_at": 2, "slot": 1});
        let event = Event::from_json(value, "$", 5).unwrap();
        let shown = Shown {
            item: "i".into(),
            slot: 0,
            score: 0.1 + 0.2,
            sources: vec!["sequence".into()],
            propensity: Some(0.1 + 0.2),
        };
        let policy = Exploration { share: 0.1, slots: 1, pool: 2, temperature: 1.0, seed: u64::MAX };
        let pool = vec![InPool { item: "i".into(), score: 0.1 + 0.2 }];
        let explored =
            Explored { policy, drawn: true, pool, given_drawn: vec![0.1 + 0.2], propensity: 1.0 / 3.0 };
        let answer = Answer {
            request_id: "r".into(),
            user: None,
            time: 3,
            now: None,
            request: serde_json::json!({"user": "u"}),
            run: "run".into(),
            clicks: Some("clicks".into()),
            known_before: Some(5),
            is_exact: true,
            as_of: 7,
            items_as_of: Some(0),
            candidates: 9,
            items: vec![shown],
            degraded: vec![],
            test: Some(Placed {
                experiment: "t".into(),
                phase: 1,
                fingerprint: "f".into(),
                arm: 1,
                would_differ: None,
            }),
            explored: Some(Box::new(explored)),
        };
        let exposure = LoggedExposure {
            unit: "u".into(),
            segments: [("a".into(), "b".into())].into(),
            ..Default::default()
        };
        let [rewriting, rewritten] = Record::rewriting();
        for (bytes, record) in [
            (Record::event(&event), Record::Event(event)),
            (Record::answer(&answer), Record::Answer(answer)),
            (Record::exposure(Some("u"), &exposure), Record::Exposure(Some("u".into()), Box::new(exposure))),
            (Record::forget("ü"), Record::Forget("ü".into())),
            (rewriting, Record::Rewriting),
            (rewritten, Record::Rewritten),
        ] {
            assert_eq!((Record::read(&bytes), Record::is_copy(&bytes)), (Ok(record.clone()), false));
            let copy = Record::copy(&bytes);
            assert_eq!((Record::read(&copy), Record::is_copy(&copy)), (Ok(record), true));
        }
        for damaged in [&b""[..], b"E", b"E{}", b"X1", b"P{}", b"A[]", b"F{}"] {
            assert!(Record::read(damaged).is_err(), "{damaged:?}");
        }
    }
}
