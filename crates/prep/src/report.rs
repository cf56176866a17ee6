//! What a preparation found and made, in numbers.

use crate::error::date;
use crate::input::number;
use crate::parts::Cuts;
use crate::{Error, PrepSettings};
use semrank_core::{counted, plural};
use semrank_data::Part;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Counts of a finished preparation. Every click and every conversion is in exactly one of its groups.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct PrepReport {
    /// The data set that was made.
    pub dataset: PathBuf,
    /// Rows of the log.
    pub log_rows: u64,
    /// Of them, repetitions of an earlier received row, which do not count.
    pub duplicates: u64,
    /// Events whose timestamp was ahead of `received_at` and was replaced by it.
    pub skewed: u64,
    /// Events received late; they count.
    pub late: u64,
    /// Impressions: examples of the output.
    pub impressions: u64,
    /// Events of the output: everything but impressions.
    pub history_events: u64,
    /// Clicks and how they were attributed.
    pub clicks: ClickCounts,
    /// Conversions and how they were attributed.
    pub conversions: ConversionCounts,
    /// Where validation and test begin.
    pub cuts: Cuts,
    /// Examples by part.
    pub examples: BTreeMap<String, u64>,
    /// Examples with a click.
    pub clicked: u64,
    /// Examples with a conversion.
    pub converted: u64,
    /// Examples whose labels can no longer change.
    pub matured: u64,
    /// First moment of the log (ms UTC).
    pub log_start_ms: i64,
    /// Last moment that the log knows of (ms UTC).
    pub log_end_ms: i64,
    /// Events before the span of the log, which were left out.
    pub before_log: Option<Strays>,
    /// Events that happened or were received after it, which were left out.
    pub after_log: Option<Strays>,
    /// Times without events inside it that are longer than usual.
    pub pauses: Vec<Pause>,
    /// Content hash of the output.
    pub hash: String,
    /// What sorts wrote to disk because of the memory limit.
    pub spilled_bytes: u64,
    /// Wall time.
    pub seconds: f64,
    /// Rows of the log per second.
    pub rows_per_second: f64,
}

/// Events outside of the span of a log: of wrong clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Strays {
    /// Their number, duplicates not counted.
    pub rows: u64,
    /// The lowest `seq` among them, to find one.
    pub seq: i64,
    /// The moment of them that is farthest from the log (ms UTC).
    pub moment_ms: i64,
}

/// A time without events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// Its first day's beginning (ms UTC).
    pub from_ms: i64,
    /// The end of its last day (ms UTC).
    pub until_ms: i64,
}

/// Clicks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ClickCounts {
    /// All.
    pub total: u64,
    /// The first of their impressions: labels.
    pub attributed: u64,
    /// Within the window of an impression that has an earlier click.
    pub repeated: u64,
    /// Too long after their impression, or, by clocks that contradict each other, before it.
    pub out_of_window: u64,
    /// They name an impression that the log does not have for their user and item.
    pub orphaned: u64,
    /// They name none, and their user saw no impression of their item before.
    pub unattributed: u64,
}

/// Conversions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ConversionCounts {
    /// All.
    pub total: u64,
    /// Within the window of a click; several may be of one click.
    pub attributed: u64,
    /// Without such a click, but within the window of an impression that was not clicked.
    pub view_through: u64,
    /// Too long after their click, or, by clocks that contradict each other, before it.
    pub out_of_window: u64,
    /// They name a click that the log does not have for their user and item.
    pub orphaned: u64,
    /// Without an attributed click on their item before them.
    pub unattributed: u64,
}

type Row = BTreeMap<String, Option<i64>>;

/// A warning where a tenth of the clicks or conversions, or more, name nothing.
fn orphans([one, many]: [&str; 2], orphaned: u64, total: u64, parent: &str) -> Option<String> {
    (orphaned > 0 && orphaned * 10 >= total).then(|| {
        format!(
            "{orphaned} of {} {} not count: the column `parent_event_id` names {parent} that no row of the same user and item has \
             in the column `event_id`. Correct the ids, or attribute by user, item and time: --ignore-parents",
            counted(total, one, many),
            plural(orphaned, "does", "do")
        )
    })
}

impl PrepReport {
    /// What the queries counted.
    pub(crate) fn new(log_rows: u64, counts: &Row, outcomes: &Row) -> PrepReport {
        let count = |name| u64::try_from(number(counts, name)).unwrap_or(0);
        let outcome = |name| u64::try_from(number(outcomes, name)).unwrap_or(0);
        PrepReport {
            log_rows,
            duplicates: outcome("duplicates"),
            skewed: count("skewed"),
            late: count("late"),
            impressions: count("impressions"),
            clicks: ClickCounts {
                total: outcome("clicks"),
                attributed: outcome("clicked_impressions"),
                repeated: outcome("clicks_in_window") - outcome("clicked_impressions"),
                out_of_window: outcome("clicks_out_of_window"),
                orphaned: outcome("clicks_orphaned"),
                unattributed: outcome("clicks_unattributed"),
            },
            conversions: ConversionCounts {
                total: outcome("conversions"),
                attributed: outcome("conversions_in_window"),
                view_through: outcome("view_through"),
                out_of_window: outcome("conversions_out_of_window"),
                orphaned: outcome("conversions_orphaned"),
                unattributed: outcome("conversions_unattributed"),
            },
            log_start_ms: number(counts, "log_start_ms"),
            log_end_ms: number(counts, "log_end_ms"),
            ..PrepReport::default()
        }
    }

    /// Refuses days that leave a part without a row.
    pub(crate) fn check_parts(&self, settings: &PrepSettings) -> Result<(), Error> {
        if settings.valid_days + settings.test_days == 0 {
            return Ok(());
        }
        let asked = [true, settings.valid_days > 0, settings.test_days > 0];
        match Part::ALL.into_iter().zip(asked).find(|&(part, asked)| asked && self.rows_of(part) == 0) {
            Some((part, _)) => Err(Error::EmptyPart {
                part: part.name(),
                valid_days: settings.valid_days,
                test_days: settings.test_days,
                start_ms: self.log_start_ms,
                end_ms: self.log_end_ms,
            }),
            None => Ok(()),
        }
    }

    fn rows_of(&self, part: Part) -> u64 {
        self.examples.get(part.name()).copied().unwrap_or(0)
    }

    /// What the user should know: events that were left out, pauses, parts that came out empty.
    pub fn warnings(&self) -> Vec<String> {
        let stray = |strays: Option<Strays>, which: &str, limit_ms: i64| {
            let Strays { rows, seq, moment_ms } = strays?;
            Some(format!(
                "{} left out: {which} ({}), as far as {}; one has seq {seq}. Clocks are wrong, or the log has holes",
                counted(rows, "event was", "events were"),
                date(limit_ms),
                date(moment_ms)
            ))
        };
        let early = stray(self.before_log, "happened days before the log starts", self.log_start_ms);
        let late = stray(self.after_log, "happened or received days after the log ends", self.log_end_ms);
        let pause = |pause: &Pause| {
            format!("the log has no usual day from {} to {}", date(pause.from_ms), date(pause.until_ms))
        };
        let pauses = self.pauses.iter().map(pause);
        let empty = Part::ALL.into_iter().filter(|&part| self.rows_of(part) == 0);
        let empty = empty.map(|part| format!("no example is for the part `{}`", part.name()));
        let orphans = [
            orphans(["click", "clicks"], self.clicks.orphaned, self.clicks.total, "an impression"),
            orphans(
                ["conversion", "conversions"],
                self.conversions.orphaned,
                self.conversions.total,
                "a click or impression",
            ),
        ];
        let orphans = orphans.into_iter().flatten();
        let unknown = self.unknown_labels().into_iter();
        early.into_iter().chain(late).chain(pauses).chain(orphans).chain(empty).chain(unknown).collect()
    }

    /// Parts whose labels are not known in time.
    fn unknown_labels(&self) -> Vec<String> {
        let mut out = Vec::new();
        if self.rows_of(Part::Test) > 0 && !self.cuts.test_matures {
            out.push(
                "the windows of all test rows are still open when the log ends, so clicks without a conversion may yet get one: \
                 task=oc has nothing to measure. Use a longer log, more --test-days or fewer --conversion-days"
                    .to_owned(),
            );
        }
        if self.rows_of(Part::Valid) > 0 && !self.cuts.valid_matures {
            out.push(
                "the windows of all validation rows are still open when the test begins: task=oc will not be calibrated. \
                 Use a longer log, more --valid-days or fewer --conversion-days"
                    .to_owned(),
            );
        }
        out
    }
}
