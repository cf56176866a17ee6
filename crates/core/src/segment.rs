//! Head, torso, tail and new: items by how much of the training events they hold.
//!
//! Items are ordered by training events (most first, ties by id string). Those that hold the first 50 % are the head,
//! the next 30 % the torso, the last 20 % the tail; the item that crosses a boundary belongs to the part it starts
//! in. An item without training events is new.

use serde::{Deserialize, Serialize};

/// Where an item stands by its training events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Segment {
    /// Items that hold the first 50 % of the training events.
    Head,
    /// The next 30 %.
    Torso,
    /// The last 20 %.
    Tail,
    /// No training event.
    New,
}

impl Segment {
    /// All segments, most popular first.
    pub const ALL: [Segment; 4] = [Segment::Head, Segment::Torso, Segment::Tail, Segment::New];

    /// The lower-case name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Segment::Head => "head",
            Segment::Torso => "torso",
            Segment::Tail => "tail",
            Segment::New => "new",
        }
    }
}

/// A value for each segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct BySegment<T> {
    /// Of [`Segment::Head`].
    pub head: T,
    /// Of [`Segment::Torso`].
    pub torso: T,
    /// Of [`Segment::Tail`].
    pub tail: T,
    /// Of [`Segment::New`].
    pub new: T,
}

impl<T> BySegment<T> {
    /// The values that `of` gives.
    pub fn new(of: impl Fn(Segment) -> T) -> Self {
        let [head, torso, tail, new] = Segment::ALL.map(of);
        Self { head, torso, tail, new }
    }

    /// The value of a segment.
    pub fn of(&self, segment: Segment) -> &T {
        match segment {
            Segment::Head => &self.head,
            Segment::Torso => &self.torso,
            Segment::Tail => &self.tail,
            Segment::New => &self.new,
        }
    }
}

/// The segment of every item, from its training events and its id (which breaks ties).
///
/// ```
/// use semrank_core::{Segment, segments};
/// let got = segments(&[6, 0, 3, 1], |item| ["a", "b", "c", "d"][item]);
/// assert_eq!(got, [Segment::Head, Segment::New, Segment::Torso, Segment::Tail]);
/// ```
pub fn segments<'a>(training_events: &[u32], name: impl Fn(usize) -> &'a str) -> Vec<Segment> {
    let total: u64 = training_events.iter().map(|&n| u64::from(n)).sum();
    let mut order: Vec<usize> =
        (0..training_events.len()).filter(|&item| training_events[item] > 0).collect();
    order.sort_by(|&a, &b| training_events[b].cmp(&training_events[a]).then_with(|| name(a).cmp(name(b))));
    let mut out = vec![Segment::New; training_events.len()];
    let mut before = 0u64;
    for item in order {
        out[item] = match before {
            n if n * 10 < total * 5 => Segment::Head,
            n if n * 10 < total * 8 => Segment::Torso,
            _ => Segment::Tail,
        };
        before += u64::from(training_events[item]);
    }
    out
}
