//! Times in a format that the user gives: `DD/MM/YYYY HH:MM`, or `%d/%m/%Y %H:%M` as in strptime(3).

use super::time::{Moment, NoTime, utc_ms};
use jiff::fmt::strtime::parse;
use std::fmt;

/// A description of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimeFormat {
    given: String,
    strptime: String,
}

/// Letters that stand for a part of a time, and strptime's name for it.
const WORDS: [(&str, &str); 7] =
    [("YYYY", "%Y"), ("YY", "%y"), ("DD", "%d"), ("HH", "%H"), ("mm", "%M"), ("SS", "%S"), ("ss", "%S")];

impl TimeFormat {
    pub(crate) fn new(given: &str) -> TimeFormat {
        let strptime = if given.contains('%') { given.to_owned() } else { to_strptime(given) };
        TimeFormat { given: given.to_owned(), strptime }
    }

    /// A text that is written so; a date alone is its midnight, a time without an offset is UTC.
    pub(crate) fn parse(&self, text: &str) -> Option<Moment> {
        let parts = parse(&self.strptime, text).ok()?;
        if parts.offset().is_some() || parts.timestamp().is_some() {
            return Some(Moment { ms: parts.to_timestamp().ok()?.as_millisecond(), zoned: true });
        }
        Some(Moment { ms: utc_ms(parts.to_datetime().ok()?)?, zoned: false })
    }

    pub(crate) fn no_time(&self) -> NoTime {
        NoTime {
            expected: format!("a time between 1971 and 2099 as {self}"),
            help: Some(
                "--time-format says how times are written, e.g. DD/MM/YYYY or '%d.%m.%Y %H:%M'".into(),
            ),
        }
    }

    /// Advice on a text that is not a time in a usual format.
    pub(crate) fn advice(text: &str) -> Option<String> {
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        let format = match shape.get(..10).unwrap_or(&shape) {
            "99/99/9999" => "DD/MM/YYYY (or MM/DD/YYYY)",
            "99.99.9999" => "DD.MM.YYYY",
            "99-99-9999" => "DD-MM-YYYY (or MM-DD-YYYY)",
            "9999/99/99" => "YYYY/MM/DD",
            "99999999" => "YYYYMMDD",
            _ if shape == "99999999999999" => "YYYYMMDDHHMMSS",
            _ if text.is_empty() => return None,
            _ => {
                return Some(
                    "--time-format says how times are written, e.g. DD/MM/YYYY or '%d.%m.%Y %H:%M'".into(),
                );
            }
        };
        Some(format!(
            "--time-format {format} reads it; what follows the date is written likewise, e.g. HH:MM:SS"
        ))
    }
}

impl fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}

/// `MM` is a month, and minutes after the hours.
fn to_strptime(given: &str) -> String {
    let (mut rest, mut out) = (given, String::new());
    while let Some(first) = rest.chars().next() {
        let (length, name) = match WORDS.iter().find(|(word, _)| rest.starts_with(word)) {
            Some((word, name)) => (word.len(), *name),
            None if rest.starts_with("MM") => (2, if out.contains("%H") { "%M" } else { "%m" }),
            None => (first.len_utf8(), ""),
        };
        if name.is_empty() {
            out.push(first)
        } else {
            out.push_str(name)
        }
        rest = &rest[length..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_are_read() {
        let day = 1_700_265_600_000; // 2023-11-18
        let minute = day + (9 * 60 + 2) * 60_000;
        for (format, text, ms, zoned) in [
            ("YYYYMMDD", "20231118", day, false),
            ("DD/MM/YYYY", "18/11/2023", day, false),
            ("MM/DD/YYYY HH:MM", "11/18/2023 09:02", minute, false),
            ("DD.MM.YYYY HH:MM:SS", "18.11.2023 09:02:00", minute, false),
            ("YYYYMMDDHHMMSS", "20231118090200", minute, false),
            ("YYYY-MM-DDTHH:mm", "2023-11-18T09:02", minute, false),
            ("%d.%m.%Y %H:%M", "18.11.2023 09:02", minute, false),
            ("%d/%b/%Y:%H:%M:%S %z", "18/Nov/2023:11:02:00 +0200", minute, true),
        ] {
            assert_eq!(TimeFormat::new(format).parse(text), Some(Moment { ms, zoned }), "{format}");
        }
        assert_eq!(TimeFormat::new("DD/MM/YYYY").parse("11/18/2023"), None);
        assert_eq!(TimeFormat::new("DD/MM/YYYY").parse("18/11/2023 09:02"), None);
    }
}
