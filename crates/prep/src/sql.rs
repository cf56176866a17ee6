//! The queries, one file each, and the numbers that take the place of `{names}` in them.
//!
//! The files are plain SQL that other engines run unchanged (`benches/prep.py` gives them to DuckDB): windows with an `ORDER BY`
//! and a frame, `count` to number groups and `max` within a group; no `IGNORE NULLS`, no `ASOF` join, no function of one engine.
//! No join pairs an impression with more than one row.

use crate::settings::DAY_MS;
use crate::{Attribution, PrepSettings};
use semrank_data::TIMES_MS;
use std::borrow::Cow;

/// One query.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// The file's name, which is also that of the table it makes.
    pub(crate) name: &'static str,
    pub(crate) text: Cow<'static, str>,
}

macro_rules! queries {
    ($($(#[doc = $doc:literal])+ $constant:ident = $name:literal),+ $(,)?) => {
        $($(#[doc = $doc])+ pub(crate) const $constant: Query =
            Query { name: $name, text: Cow::Borrowed(include_str!(concat!("sql/", $name, ".sql"))) };)+
    };
}

queries! {
    /// Limits of the columns of the log.
    CHECK = "check",
    /// Whether two rows have one number.
    REPEATED_SEQ = "repeated_seq",
    /// Rows per day.
    DAYS = "days",
    /// Rows that repeat another.
    DUPLICATES = "duplicates",
    /// Every event once.
    EVENTS = "events",
    /// What lies outside of the span.
    STRAYS = "strays",
    /// Clicks and conversions.
    ACTS = "acts",
    /// The last impressions before them.
    LAST_SEEN = "last_seen",
    /// Clicks with their impressions.
    LINKS = "links",
    /// Impressions with their first clicks.
    CLICKED = "clicked",
    /// Conversions with the clicks they are attributed to.
    CONVERSIONS = "conversions",
    /// Conversions of impressions without a click.
    VIEW_THROUGH = "view_through",
    /// What followed an impression.
    LABELS = "labels",
    /// What users did, and when it is known.
    KNOWN = "known",
    /// Impressions per bin of time.
    SHOWN = "shown",
    /// Sizes of the log.
    COUNTS = "counts",
    /// What happened to clicks and conversions.
    OUTCOMES = "outcomes",
    /// The events of the output.
    HISTORY = "history",
    /// The examples of the output.
    EXAMPLES = "examples",
}

/// What takes the place of `{names}`.
#[derive(Debug, Clone)]
pub(crate) struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Of these settings, for a log with so many context columns, in the queries `context_0`, `context_1` …; `anonymous` says whether
    /// any of its rows has no `event_id`.
    pub(crate) fn new(settings: &PrepSettings, context: usize, anonymous: bool) -> Parameters {
        let conversion_ms = settings.conversion_days * DAY_MS;
        let first_touch = i64::from(settings.attribution == Attribution::FirstTouch);
        let numbers = [
            ("origin_ms", *TIMES_MS.start()),
            ("never_ms", *TIMES_MS.end()),
            ("day_ms", DAY_MS),
            ("clock_tolerance_ms", settings.clock_tolerance_seconds * 1000),
            ("late_ms", settings.late_seconds * 1000),
            ("click_ms", settings.click_minutes * 60_000),
            ("conversion_ms", conversion_ms),
            ("conversion_over_ms", conversion_ms + 1),
            ("view_through_ms", settings.view_through_days * DAY_MS),
            ("logging_delay_ms", settings.logging_delay_seconds * 1000),
            ("first_touch", first_touch),
            ("ignore_parents", settings.ignore_parents.into()),
            ("anonymous", anonymous.into()),
        ];
        let columns = |value: &dyn Fn(usize) -> String| (0..context).map(value).collect::<String>();
        let mut all: Vec<_> = numbers.into_iter().map(|(name, value)| (name, value.to_string())).collect();
        all.push(("context", columns(&|at| format!(", context_{at}"))));
        all.push(("no_context", columns(&|at| format!(", NULL AS context_{at}"))));
        Parameters(all)
    }

    /// The same for bins of this width.
    pub(crate) fn binned(&self, bin_ms: i64) -> Parameters {
        Parameters(self.0.iter().cloned().chain([("bin_ms", bin_ms.to_string())]).collect())
    }

    /// The same for events from `first_ms` on and before `over_ms`.
    pub(crate) fn within(&self, first_ms: i64, over_ms: i64) -> Parameters {
        let span = [("first_ms", first_ms.to_string()), ("over_ms", over_ms.to_string())];
        Parameters(self.0.iter().cloned().chain(span).collect())
    }
}

impl Query {
    /// The query with its parameters.
    pub(crate) fn with(&self, parameters: &Parameters) -> Query {
        let fill = |text: String, (name, value): &(&str, String)| text.replace(&format!("{{{name}}}"), value);
        let text = parameters.0.iter().fold(self.text.clone().into_owned(), fill);
        Query { name: self.name, text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_filled_in() {
        let parameters = Parameters::new(&PrepSettings::default(), 2, true).within(0, 1).binned(1);
        let first = [DUPLICATES, EVENTS, ACTS, LAST_SEEN, LINKS, CLICKED, CONVERSIONS, VIEW_THROUGH];
        for query in
            first.into_iter().chain([DAYS, STRAYS, SHOWN, LABELS, KNOWN, COUNTS, OUTCOMES, HISTORY, EXAMPLES])
        {
            assert!(!query.with(&parameters).text.contains('{'), "{}", query.name);
        }
        assert!(EXAMPLES.with(&parameters).text.contains("propensity, context_0, context_1,"));
        assert!(LINKS.with(&parameters).text.contains("<= 1800000 "));
    }
}
