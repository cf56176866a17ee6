//! Dates and times of TOML as milliseconds since 1970.

use super::DAY_MS;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use toml::value::{Datetime, Offset};

#[derive(Deserialize)]
#[serde(untagged)]
enum Moment {
    Ms(i64),
    Date(Datetime),
}

/// Milliseconds (UTC) as a number, or a date with or without a time; without an offset, UTC.
pub(super) fn ms<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    match Moment::deserialize(from)? {
        Moment::Ms(ms) => Ok(ms),
        Moment::Date(date) => {
            of_date(&date).ok_or_else(|| D::Error::custom("a date is expected, such as 2026-01-05T00:00:00Z"))
        }
    }
}

fn of_date(date: &Datetime) -> Option<i64> {
    let day = date.date?;
    let days = days_from_civil(i64::from(day.year), i64::from(day.month), i64::from(day.day));
    let within = date.time.map_or(0, |time| {
        let seconds = time.second.map_or(0, i64::from);
        let fraction = time.nanosecond.map_or(0, i64::from);
        ((i64::from(time.hour) * 60 + i64::from(time.minute)) * 60 + seconds) * 1_000 + fraction / 1_000_000
    });
    let ahead = match date.offset {
        Some(Offset::Custom { minutes }) => i64::from(minutes) * 60_000,
        _ => 0,
    };
    Some(days * DAY_MS + within - ahead)
}

/// Days since 1970-01-01 (Hinnant, chrono-compatible low-level date algorithms).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_with_times_and_offsets() {
        let ms = |text: &str| of_date(&text.parse().unwrap()).unwrap();
        assert_eq!(ms("2026-01-01"), 1_767_225_600_000);
        assert_eq!(ms("2026-01-01T01:30:00+01:30"), 1_767_225_600_000);
        assert_eq!(ms("1969-12-31T23:59:59.5Z"), -500);
        assert_eq!(ms("2024-02-29T00:00:00Z") + DAY_MS, ms("2024-03-01T00:00:00Z"));
    }
}
