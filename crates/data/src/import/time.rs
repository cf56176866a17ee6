//! Times in any unit to ms UTC, with the unit found from the size of the first value when none is given.
//!
//! The units' plausible ranges (1971 to 2099) do not overlap, so a plausible number has one unit.

use super::rows::CellKind;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// 1971-01-01 and 2100-01-01 in ms UTC.
const PLAUSIBLE_MS: std::ops::Range<i64> = 31_536_000_000..4_102_444_800_000;

/// The unit of a time column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeUnit {
    /// Seconds since 1970 UTC.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
    /// Text such as `2019-11-24T00:00:17Z`; without an offset it is UTC.
    Rfc3339,
}

impl TimeUnit {
    /// All units.
    pub const ALL: [TimeUnit; 5] = [TimeUnit::S, TimeUnit::Ms, TimeUnit::Us, TimeUnit::Ns, TimeUnit::Rfc3339];

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            TimeUnit::S => "s",
            TimeUnit::Ms => "ms",
            TimeUnit::Us => "us",
            TimeUnit::Ns => "ns",
            TimeUnit::Rfc3339 => "rfc3339",
        }
    }

    fn to_ms(self, text: &str) -> Option<i64> {
        if self == TimeUnit::Rfc3339 {
            return date(text);
        }
        let (times, divided_by) = match self {
            TimeUnit::S => (1000, 1),
            TimeUnit::Ms | TimeUnit::Rfc3339 => (1, 1),
            TimeUnit::Us => (1, 1000),
            TimeUnit::Ns => (1, 1_000_000),
        };
        match text.parse::<i64>() {
            Ok(number) => number.checked_mul(times).map(|ms| ms.div_euclid(divided_by)),
            Err(_) => {
                let ms = text.parse::<f64>().ok()? * times as f64 / divided_by as f64;
                // Casting would saturate; what is out of range here is out of the plausible range anyway.
                ms.is_finite().then(|| ms.round() as i64)
            }
        }
    }

    /// The unit in which `text` lies between 1971 and 2099.
    fn plausible(text: &str) -> Option<TimeUnit> {
        Self::ALL.into_iter().find(|unit| unit.to_ms(text).is_some_and(|ms| PLAUSIBLE_MS.contains(&ms)))
    }
}

fn date(text: &str) -> Option<i64> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_millisecond());
    }
    // A bare number would be read as a compact date such as 20191124.
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    utc_ms(text.parse::<DateTime>().ok()?)
}

/// A date and time without an offset, taken as UTC.
pub(crate) fn utc_ms(time: DateTime) -> Option<i64> {
    Some(TimeZone::UTC.to_timestamp(time).ok()?.as_millisecond())
}

/// Why a text is no time.
#[derive(Debug, PartialEq)]
pub(crate) struct NoTime {
    pub(crate) expected: String,
    pub(crate) help: Option<String>,
}

/// Reads the times of one column.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    unit: Option<TimeUnit>,
    // The value that gave the unit away.
    inferred_from: Option<String>,
}

impl Clock {
    /// A typed time column is in ms already; otherwise `unit` counts, or else the first value.
    pub(crate) fn new(unit: Option<TimeUnit>, kind: &CellKind) -> Clock {
        let unit = if *kind == CellKind::Time { Some(TimeUnit::Ms) } else { unit };
        Clock { unit, inferred_from: None }
    }

    /// `text` in ms UTC.
    pub(crate) fn parse(&mut self, text: &str) -> Result<i64, NoTime> {
        let unit = match self.unit {
            Some(unit) => unit,
            None => {
                let unit = TimeUnit::plausible(text).ok_or_else(|| no_time(text, None))?;
                self.inferred_from = Some(text.to_owned());
                *self.unit.insert(unit)
            }
        };
        match unit.to_ms(text) {
            Some(ms) if PLAUSIBLE_MS.contains(&ms) => Ok(ms),
            _ => Err(no_time(text, Some(unit))),
        }
    }

    /// The unit and how it was found, for `dataset.toml`.
    pub(crate) fn describe(&self) -> Option<String> {
        let unit = self.unit?.name();
        Some(match &self.inferred_from {
            Some(value) => format!("{unit} (inferred from the first value, {value})"),
            None => unit.to_owned(),
        })
    }
}

fn no_time(text: &str, unit: Option<TimeUnit>) -> NoTime {
    let expected = match unit {
        Some(unit) => format!("a time between 1971 and 2099 in unit {}", unit.name()),
        None => "a time between 1971 and 2099".into(),
    };
    let help = TimeUnit::plausible(text)
        .filter(|&other| Some(other) != unit)
        .map(|other| format!("it is plausible in unit {0}: --timestamp-unit {0}", other.name()));
    NoTime { expected, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(i64, &'static str), NoTime> {
        let mut clock = Clock::new(None, &CellKind::Text);
        clock.parse(text).map(|ms| (ms, clock.unit.unwrap().name()))
    }

    #[test]
    fn units_are_found_from_the_size() {
        let ms = 964_982_703_000;
        for (text, ms, unit) in [
            ("964982703", ms, "s"),
            ("964982703.5", ms + 500, "s"),
            ("964982703000", ms, "ms"),
            ("964982703000000", ms, "us"),
            ("964982703000000999", ms, "ns"),
            ("2000-07-30T18:45:03Z", ms, "rfc3339"),
            ("2000-07-30 18:45:03.000+00:00", ms, "rfc3339"),
            ("2000-07-30 18:45:03", ms, "rfc3339"),
            ("2000-07-30", 964_915_200_000, "rfc3339"),
        ] {
            assert_eq!(parse(text), Ok((ms, unit)), "{text}");
        }
    }

    #[test]
    fn absurd_times_are_refused_with_the_probable_unit() {
        for text in ["", "-5", "0", "NaN", "inf", "1e300", "yesterday", "99999999999999999999", "20191124"] {
            assert!(parse(text).is_err(), "{text}");
        }
        let error = Clock::new(Some(TimeUnit::S), &CellKind::Text).parse("964982703000").unwrap_err();
        assert_eq!(error.help.unwrap(), "it is plausible in unit ms: --timestamp-unit ms");
        assert!(error.expected.contains("in unit s"), "{}", error.expected);
    }
}
