//! Numbers and dates as people read them: as many digits as the standard error carries, `–` for what is not finite.

use crate::analysis::{Estimate, Relative};
use crate::definition::DAY_MS;
use crate::estimate::Interval;
use semrank_page::{UNKNOWN, count, escape};

/// A value of a metric: `0.0213`, `3.47`, `152.3`, `12,408`.
pub(super) fn value(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => UNKNOWN.into(),
        0.0 => "0".into(),
        s if s < 1e-6 => format!("{value:.2e}").replace('-', "−"),
        s if s < 1.0 => grouped(value, decimals(s) + 1),
        s if s < 100.0 => grouped(value, 2),
        s if s < 1000.0 => grouped(value, 1),
        _ => grouped(value, 0),
    }
}

/// A mean with the digits that its error of `se` leaves certain: `0.1834`.
pub(super) fn mean(mean: f64, se: Option<f64>) -> String {
    match se.filter(|se| *se > 0.0 && se.is_finite()) {
        Some(se) => grouped(mean, decimals(se).saturating_sub(1)),
        None => value(mean),
    }
}

/// Money, or what else is spent: `1,204.50`, `1,204,503`.
pub(super) fn money(value: f64) -> String {
    grouped(value, if value.abs() < 10_000.0 { 2 } else { 0 })
}

/// A difference with its sign and the digits that an error of `se` carries: `+0.00121`.
pub(super) fn difference(value: f64, se: f64) -> String {
    signed(value, if se > 0.0 && se.is_finite() { decimals(se) } else { decimals(value.abs()) + 1 })
}

/// An estimate and, in small letters, its interval; HTML.
pub(super) fn estimate(found: &Estimate) -> String {
    let ends = ends(found.interval, |end| difference(end, found.se));
    format!("{}<small>{ends}</small>", difference(found.value, found.se))
}

/// An estimate with its interval and p-value, where there is one; HTML.
pub(super) fn with_p(found: Option<&Estimate>) -> String {
    found.map_or(UNKNOWN.into(), |found| {
        format!("{}<small>{}</small>", estimate(found), escape(&p_text(found.p)))
    })
}

/// Both ends of an interval: `+0.4 to +3.8`.
pub(super) fn ends(interval: Interval, text: impl Fn(f64) -> String) -> String {
    if interval.low.is_finite() || interval.high.is_finite() {
        format!("{} to {}", text(interval.low), text(interval.high))
    } else {
        "no bounds yet".into()
    }
}

/// A relative effect, and its interval: `+2.1 %` and `+0.4 to +3.8 %`.
pub(super) fn relative(found: &Relative) -> (String, Option<String>) {
    let half = found.interval.map_or(f64::NAN, |interval| (interval.high - interval.low) / 2.0);
    let places = percent_places(if half.is_finite() { half } else { found.value });
    let interval = found.interval.map(|interval| ends(interval, |end| signed(100.0 * end, places)));
    let unit = |text: String| if text.contains(" to ") { text + " %" } else { text };
    (signed_percent(found.value, places), interval.map(unit))
}

/// A relative effect and, in small letters, its interval; HTML.
pub(super) fn relative_cell(found: &Relative) -> String {
    let (value, interval) = relative(found);
    format!("{value}<small>{}</small>", interval.unwrap_or_else(|| "no bounds".into()))
}

/// A share: `43.2 %`.
pub(super) fn share(value: f64) -> String {
    let places = if value.abs() < 0.01 { 2 } else { 1 };
    if value.is_finite() { format!("{} %", grouped(100.0 * value, places)) } else { UNKNOWN.into() }
}

/// A share with at most three digits and no zeros that say nothing: `2 %`, `0.5 %`, `1.43 %`.
pub(super) fn short_share(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.into();
    }
    let percent = 100.0 * value;
    let text = grouped(percent, decimals(percent.abs()) + 1);
    format!("{} %", if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text })
}

/// A number of a definition, as it was written: `0.05`, `7`, `0.5`.
pub(super) fn short(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { UNKNOWN.into() }
}

/// A p-value: `<0.0001`, `0.0132`, `0.21`.
pub(super) fn p(value: f64) -> String {
    match value {
        v if !v.is_finite() => UNKNOWN.into(),
        v if v < 0.0001 => "<0.0001".into(),
        v if v < 0.1 => format!("{v:.4}"),
        v => format!("{v:.2}"),
    }
}

/// A p-value, where there is one; HTML.
pub(super) fn maybe_p(value: Option<f64>) -> String {
    value.map_or(UNKNOWN.into(), |value| escape(&p(value)))
}

/// A p-value within a sentence, which does not break: `p = 0.0132`, `p < 0.0001`.
pub(super) fn p_text(value: f64) -> String {
    let text = p(value);
    text.strip_prefix('<')
        .map_or_else(|| format!("p\u{a0}=\u{a0}{text}"), |least| format!("p\u{a0}<\u{a0}{least}"))
}

/// A span of days: `7 days`, `1 day`, `0.5 days`.
pub(super) fn days(value: f64) -> String {
    format!("{} {}", short(value), if value == 1.0 { "day" } else { "days" })
}

/// A number of units or rows.
pub(super) fn whole(value: u64) -> String {
    count(usize::try_from(value).unwrap_or(usize::MAX))
}

/// A day (UTC): `2026-01-05`.
pub(super) fn day(ms: i64) -> String {
    let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
    format!("{year:04}-{month:02}-{day:02}")
}

/// A moment: `2026-01-05 14:30 UTC`.
pub(super) fn moment(ms: i64) -> String {
    let minutes = ms.rem_euclid(DAY_MS) / 60_000;
    format!("{} {:02}:{:02} UTC", day(ms), minutes / 60, minutes % 60)
}

/// A value with its sign and a fixed number of decimals.
pub(super) fn signed(value: f64, decimals: usize) -> String {
    match grouped(value, decimals) {
        text if !value.is_finite() || text.starts_with('−') => text,
        text => format!("+{text}"),
    }
}

fn signed_percent(value: f64, places: usize) -> String {
    let text = signed(100.0 * value, places);
    if value.is_finite() { text + " %" } else { text }
}

/// Decimals of a percentage whose interval is `half` wide to each side: two digits of it.
fn percent_places(half: f64) -> usize {
    decimals((100.0 * half).abs()).min(3)
}

/// Decimals that show two digits of a number.
fn decimals(size: f64) -> usize {
    if size > 0.0 && size.is_finite() { (1.0 - size.log10().floor()).clamp(0.0, 9.0) as usize } else { 2 }
}

/// A number in groups of three with a fixed number of decimals; no sign before a zero.
fn grouped(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return UNKNOWN.into();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), count);
    let is_zero = text.bytes().all(|digit| digit == b'0' || digit == b'.');
    format!("{}{whole}{rest}", if value < 0.0 && !is_zero { "−" } else { "" })
}

/// Year, month and day of a number of days since 1970 (Hinnant, chrono-compatible low-level date algorithms).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day = of_era - (365 * of_year + of_year / 4 - of_year / 100);
    let month = (5 * day + 2) / 153;
    let (first, month) = ((153 * month + 2) / 5, if month < 10 { month + 3 } else { month - 9 });
    (of_year + era * 400 + i64::from(month <= 2), month, day - first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_they_carry() {
        let values = [0.02134, 3.4711, 152.31, 12_408.4, 0.0, f64::INFINITY, -0.5, 0.000_213_4, 2.13e-8];
        let texts = ["0.0213", "3.47", "152.3", "12,408", "0", "–", "−0.500", "0.000213", "2.13e−8"];
        assert_eq!(values.map(value), texts);
        assert_eq!((mean(0.18341, Some(0.000_9)), mean(0.18341, None)), ("0.1834".into(), "0.183".into()));
        assert_eq!((money(1204.5), money(1_204_503.2)), ("1,204.50".into(), "1,204,503".into()));
        assert_eq!(
            [0.00121, -4e-9, f64::NAN].map(|value| difference(value, 0.0005)),
            ["+0.00121", "+0.00000", "–"]
        );
        assert_eq!(difference(-1204.0, 31.0), "−1,204");
        assert_eq!([2e-7, 0.0132, 0.214, f64::NAN].map(p), ["<0.0001", "0.0132", "0.21", "–"]);
        assert_eq!(
            [0.02, 0.005, 1.0, 0.1234, f64::NAN].map(short_share),
            ["2 %", "0.5 %", "100 %", "12.3 %", "–"]
        );
    }

    #[test]
    fn intervals_without_bounds_are_said_to_have_none() {
        let found = |low, high| {
            relative(&Relative {
                value: 0.0213,
                interval: Some(Interval { low, high }),
                method: String::new(),
            })
        };
        assert_eq!(found(0.004, 0.038), ("+2.1 %".into(), Some("+0.4 to +3.8 %".into())));
        assert_eq!(found(f64::NEG_INFINITY, 0.04).1.as_deref(), Some("– to +4.0 %"));
        assert_eq!(found(f64::NEG_INFINITY, f64::INFINITY).1.as_deref(), Some("no bounds yet"));
    }

    #[test]
    fn days_turn_back_into_dates() {
        assert_eq!(moment(1_767_225_600_000 + 52_260_000), "2026-01-01 14:31 UTC");
        assert_eq!(
            [day(-1), day(951_782_400_000), day(1_709_164_800_000)],
            ["1969-12-31", "2000-02-29", "2024-02-29"]
        );
    }
}
