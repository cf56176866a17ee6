//! Times in any unit to ms UTC, with the unit found from the size of the first value when none is given.
//!
//! The units' plausible ranges (1971 to 2099) do not overlap, so a plausible number has one unit.

use super::header::is_scientific;
use super::rows::CellKind;
use super::time_format::TimeFormat;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// 1971-01-01 and 2100-01-01 in ms UTC.
const PLAUSIBLE_MS: std::ops::Range<i64> = 31_536_000_000..4_102_444_800_000;
/// Formats that are read without an option, for messages.
const FORMATS: &str =
    "s, ms, us or ns since 1970, or text such as 2019-11-24T00:00:17Z, 2019-11-24 00:00:17 UTC or 2019-11-24";
/// 9999-12-31 and its last second, in seconds since 1970: in milliseconds they would be plausible.
const END_OF_TIME_S: [i64; 3] = [253_402_214_400, 253_402_300_799, 253_402_300_800];

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
            return date(text).map(|moment| moment.ms);
        }
        let (times, divided_by) = match self {
            TimeUnit::S => (1000, 1),
            TimeUnit::Ms | TimeUnit::Rfc3339 => (1, 1),
            TimeUnit::Us => (1, 1000),
            TimeUnit::Ns => (1, 1_000_000),
        };
        match text.parse::<i64>() {
            Ok(number) => number.checked_mul(times).map(|ms| ms.div_euclid(divided_by)),
            Err(_) if is_scientific(text) => None,
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

/// A moment that a text names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moment {
    pub(crate) ms: i64,
    /// Whether the text says in which zone.
    pub(crate) zoned: bool,
}

fn date(text: &str) -> Option<Moment> {
    let zoned = |ms| Moment { ms, zoned: true };
    if let Some(utc) = without_utc(text) {
        return Some(zoned(utc_ms(utc.parse().ok()?)?));
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(zoned(timestamp.as_millisecond()));
    }
    // A bare number would be read as a compact date such as 20191124.
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    Some(Moment { ms: utc_ms(text.parse::<DateTime>().ok()?)?, zoned: false })
}

/// What stands before the name of UTC, as BigQuery and Trino write it.
fn without_utc(text: &str) -> Option<&str> {
    let names = [" UTC", " utc", " GMT", " Z"];
    names.iter().find_map(|name| text.strip_suffix(name)).map(str::trim_end)
}

/// A time that is written as a date, with or without an offset, in ms UTC.
pub(crate) fn written_ms(text: &str) -> Option<i64> {
    date(text).map(|moment| moment.ms)
}

/// A date and time without an offset, taken as UTC.
pub(crate) fn utc_ms(time: DateTime) -> Option<i64> {
    Some(TimeZone::UTC.to_timestamp(time).ok()?.as_millisecond())
}

/// Unit and format of times, as far as options give them.
#[derive(Debug, Clone, Default)]
pub(crate) struct TimeRules {
    pub(crate) unit: Option<TimeUnit>,
    pub(crate) format: Option<TimeFormat>,
}

/// Why a text is not a time.
#[derive(Debug, PartialEq)]
pub(crate) struct NoTime {
    pub(crate) expected: String,
    pub(crate) help: Option<String>,
}

/// A placeholder time for no start or no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// 1970 or before.
    Start,
    /// 2100 or later.
    End,
}

/// Reads the times of one column.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    unit: Option<TimeUnit>,
    format: Option<TimeFormat>,
    // The value that the unit was inferred from.
    inferred_from: Option<String>,
    // Whether a time without a zone was read.
    zoneless: bool,
}

impl Clock {
    /// A typed time column is in ms already; otherwise the rules count, or else the first value.
    pub(crate) fn new(rules: &TimeRules, kind: &CellKind) -> Clock {
        let clock = Clock { unit: None, format: None, inferred_from: None, zoneless: false };
        match kind {
            CellKind::Time { zoned } => Clock { unit: Some(TimeUnit::Ms), zoneless: !zoned, ..clock },
            _ => Clock { unit: rules.unit, format: rules.format.clone(), ..clock },
        }
    }

    /// `text` in ms UTC.
    pub(crate) fn parse(&mut self, text: &str) -> Result<i64, NoTime> {
        let text = text.trim();
        if let Some(format) = &self.format {
            let moment = format.parse(text).filter(|moment| PLAUSIBLE_MS.contains(&moment.ms));
            let moment = moment.ok_or_else(|| format.no_time())?;
            self.zoneless |= !moment.zoned;
            return Ok(moment.ms);
        }
        let unit = match self.unit {
            Some(unit) => unit,
            None => {
                let unit = TimeUnit::plausible(text).ok_or_else(|| no_time(text, None))?;
                self.inferred_from = Some(text.to_owned());
                *self.unit.insert(unit)
            }
        };
        if unit == TimeUnit::Rfc3339 {
            self.zoneless |= date(text).is_some_and(|moment| !moment.zoned);
        }
        match unit.to_ms(text) {
            Some(ms) if PLAUSIBLE_MS.contains(&ms) => Ok(ms),
            _ => Err(no_time(text, Some(unit))),
        }
    }

    /// Whether `text` is a placeholder such as 9999-12-31 or 1970-01-01.
    pub(crate) fn beyond(&self, text: &str) -> Option<Beyond> {
        let text = text.trim();
        let of_ms = |ms: i64| match ms {
            _ if ms < PLAUSIBLE_MS.start => Some(Beyond::Start),
            _ if ms >= PLAUSIBLE_MS.end => Some(Beyond::End),
            _ => None,
        };
        if let Some(format) = &self.format {
            return format.parse(text).and_then(|moment| of_ms(moment.ms));
        }
        if let Some(year) = year(text) {
            return if year <= 1970 { Some(Beyond::Start) } else { (year >= 2100).then_some(Beyond::End) };
        }
        match text.to_ascii_lowercase().as_str() {
            "infinity" => return Some(Beyond::End),
            "-infinity" => return Some(Beyond::Start),
            _ => {}
        }
        let number: i64 = text.parse().ok()?;
        match self.unit {
            _ if number == i64::MAX => Some(Beyond::End),
            Some(TimeUnit::Rfc3339) => None,
            Some(unit) => unit.to_ms(text).and_then(of_ms),
            None if [1, 1000, 1_000_000].iter().any(|times| END_OF_TIME_S.contains(&(number / times))) => {
                Some(Beyond::End)
            }
            None if TimeUnit::plausible(text).is_some() => None,
            None => of_ms(number.saturating_mul(1000)),
        }
    }

    /// The unit and how it was found, for `dataset.toml`.
    pub(crate) fn describe(&self) -> Option<String> {
        let unit = match (&self.format, self.unit, &self.inferred_from) {
            (Some(format), ..) => format!("as --time-format {format}"),
            (None, None, _) => return None,
            (None, Some(unit), Some(value)) => {
                format!("{} (inferred from the first value, {value})", unit.name())
            }
            (None, Some(unit), None) => unit.name().to_owned(),
        };
        Some(if self.zoneless { unit + "; no zone: taken as UTC" } else { unit })
    }
}

/// The year of a date that is written as a year, a month and a day, whatever follows.
fn year(text: &str) -> Option<i16> {
    let date = text.get(..10).filter(|date| date.as_bytes()[4] == b'-')?;
    date.parse::<Date>().ok().map(Date::year)
}

fn no_time(text: &str, unit: Option<TimeUnit>) -> NoTime {
    let expected = match unit {
        Some(unit) => format!("a time between 1971 and 2099 in unit {}", unit.name()),
        None => format!("a time between 1971 and 2099: {FORMATS}"),
    };
    let plausible = TimeUnit::plausible(text).filter(|&other| Some(other) != unit);
    let help = match plausible {
        Some(other) => Some(format!("it is plausible in unit {0}: --timestamp-unit {0}", other.name())),
        None => TimeFormat::advice(text),
    };
    NoTime { expected, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock::new(&TimeRules::default(), &CellKind::Text)
    }

    fn parse(text: &str) -> Result<(i64, &'static str), NoTime> {
        let mut clock = clock();
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
            ("2000-07-30 20:45:03+02", ms, "rfc3339"),
            ("2000-07-30 20:45:03+0200", ms, "rfc3339"),
            ("2000-07-30 18:45:03", ms, "rfc3339"),
            ("2000-07-30 18:45:03 UTC", ms, "rfc3339"),
            ("2000-07-30 18:45:03.123456 UTC", ms + 123, "rfc3339"),
            ("2000-07-30T18:45:03 GMT", ms, "rfc3339"),
            (" 2000-07-30 18:45:03 Z", ms, "rfc3339"),
            ("2000-07-30", 964_915_200_000, "rfc3339"),
        ] {
            assert_eq!(parse(text), Ok((ms, unit)), "{text}");
        }
    }

    #[test]
    fn absurd_times_are_refused_with_the_probable_unit() {
        let absurd = [
            "",
            "-5",
            "0",
            "NaN",
            "inf",
            "1e300",
            "yesterday",
            "99999999999999999999",
            "20191124",
            "1.7E+09",
        ];
        for text in absurd {
            assert!(parse(text).is_err(), "{text}");
        }
        let seconds = TimeRules { unit: Some(TimeUnit::S), format: None };
        let error = Clock::new(&seconds, &CellKind::Text).parse("964982703000").unwrap_err();
        assert_eq!(error.help.unwrap(), "it is plausible in unit ms: --timestamp-unit ms");
        assert!(error.expected.contains("in unit s"), "{}", error.expected);
    }

    #[test]
    fn times_without_a_zone_are_told() {
        for (text, told) in
            [("2000-07-30 18:45:03", true), ("2000-07-30 18:45:03 UTC", false), ("964982703", false)]
        {
            let mut clock = clock();
            clock.parse(text).unwrap();
            assert_eq!(clock.describe().unwrap().contains("no zone: taken as UTC"), told, "{text}");
        }
    }

    #[test]
    fn open_ends_are_told_from_times() {
        use Beyond::{End, Start};
        for (text, beyond) in [
            ("9999-12-31", Some(End)),
            ("9999-12-31T23:59:59.999Z", Some(End)),
            ("9999-12-31 23:59:59 UTC", Some(End)),
            ("2262-04-11 23:47:16", Some(End)),
            ("253402300799", Some(End)),
            ("253402300799000", Some(End)),
            ("9223372036854775807", Some(End)),
            ("infinity", Some(End)),
            ("1970-01-01", Some(Start)),
            ("0001-01-01 00:00:00", Some(Start)),
            ("0", Some(Start)),
            ("-62135596800", Some(Start)),
            ("2099-12-31", None),
            ("1700000000", None),
            ("soon", None),
        ] {
            assert_eq!(clock().beyond(text), beyond, "{text}");
        }
        let typed = Clock::new(&TimeRules::default(), &CellKind::Time { zoned: true });
        assert_eq!(typed.beyond("253402214400000"), Some(End));
        assert_eq!(typed.beyond("0"), Some(Start));
    }
}
