//! From the log of a test to its report: rows in, [`Analysis`] out; the same rows, in any order, give the same bytes.
//!
//! | file | does |
//! |---|---|
//! | `collect` | [`Collector`]: rows -> what is kept of them |
//! | `table` | units -> their values for every metric |
//! | `metric` | values -> the effect on a metric, with interval, sequence, trigger, days, segments |
//! | `delays` | clicks -> conversion rates that do not wait for the last window |
//! | `calibration` | predictions against clicks, and how long answers took |
//! | `interleaving` | mixed lists -> which arm users prefer |
//! | `budgets` | spend by campaign -> how much of it is limited, and pairs of campaigns |
//! | `checks` | whether the numbers can be trusted |
//! | `verdict` | one word, one sentence |
//! | `analyze` | all parts together |
//! | `plan` | before a test: how long it takes, and what it can detect |

mod analyze;
mod budgets;
mod calibration;
mod checks;
mod collect;
mod delays;
mod interleaving;
mod metric;
mod plan;
mod table;
mod verdict;

pub use collect::Collector;
pub use plan::{Plan, PlannedMetric, plan};
pub use verdict::Word;

use crate::definition::{Definition, Role};
use crate::estimate::{Alternative, Effect, Interval};
use crate::log::Used;
use crate::non_inferiority::Direction;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that is known of a test at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// What is concluded.
    pub verdict: Verdict,
    /// What was tested.
    pub definition: Definition,
    /// What tells it from other definitions.
    pub fingerprint: String,
    /// Definitions that a server used, by time; more than one is a change during the test.
    pub used: Vec<Used>,
    /// Rows received later are not known (ms UTC).
    pub as_of: i64,
    /// Rows and units that were counted or left out.
    pub counts: UnitCounts,
    /// Whether the numbers can be trusted.
    pub checks: Vec<Check>,
    /// The primary metric first, then in the order of the definition.
    pub metrics: Vec<MetricResult>,
    /// Conversions that are still to come; none without clicks and conversions.
    pub delays: Option<Delays>,
    /// Budgets; none where the definition has none.
    pub budgets: Option<Budgets>,
    /// Sum of predictions over clicks.
    pub calibration: Vec<Calibration>,
    /// Milliseconds that answers took.
    pub latency: Vec<Latency>,
}

/// What is concluded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// In a word.
    pub word: Word,
    /// In a sentence.
    pub sentence: String,
    /// What the number says of a launch to everybody, and what it does not.
    pub estimand: String,
    /// Why, one a line.
    pub reasons: Vec<String>,
    /// Days that are still needed, for [`Word::NotYet`], where they can be told.
    pub days: Option<f64>,
    /// For [`Word::NoEffect`], the largest relative effect in the good direction that the test leaves possible, where it has bounds.
    pub most: Option<f64>,
}

/// Rows and units that were counted or left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UnitCounts {
    /// Units that count, by arm.
    pub exposed: Vec<u64>,
    /// Units whose slate would have differed, by arm.
    pub triggered: Vec<u64>,
    /// Units for which that is known, by arm.
    pub shadowed: Vec<u64>,
    /// Rows with a known id; an event counts once for each sort of events of the metrics.
    pub duplicates: u64,
    /// Exposures outside the phase.
    pub outside: u64,
    /// Units left out as bots.
    pub bots: u64,
    /// Units left out for exposures to two arms.
    pub crossovers: u64,
    /// Rows received after `as_of`.
    pub received_after_as_of: u64,
    /// Events of units without an exposure that counts.
    pub without_exposure: u64,
    /// Events that count for units that count.
    pub events: u64,
    /// Units by day of their first exposure, since the start, and arm.
    pub by_day: BTreeMap<i64, Vec<u64>>,
}

/// A condition without which the numbers say nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Whether it holds.
    pub state: State,
    /// The p-value, where it is a test.
    pub p: Option<f64>,
    /// What was found.
    pub detail: String,
}

/// Whether a check holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It does.
    Passed,
    /// To be read; the verdict stands.
    Warning,
    /// The test is invalid.
    Failed,
    /// There was nothing to check.
    Skipped,
}

/// A metric in all arms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricResult {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// What is good.
    pub direction: Direction,
    /// How it is estimated.
    pub method: String,
    /// The cap that was applied, and the share of units above it.
    pub cap: Option<(f64, f64)>,
    /// All arms, control first.
    pub arms: Vec<ArmValue>,
    /// Every treatment against control.
    pub comparisons: Vec<Comparison>,
}

/// A metric in an arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmValue {
    /// The arm.
    pub arm: String,
    /// Units that have matured.
    pub matured: u64,
    /// Units that have not.
    pub left_out: u64,
    /// The metric, without adjustment.
    pub value: f64,
    /// Its standard error.
    pub se: Option<f64>,
    /// Sum of the numerator.
    pub numerator: f64,
    /// Sum of the denominator, or units.
    pub denominator: f64,
}

/// A treatment against control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The treatment.
    pub arm: String,
    /// Why there is no estimate, where there is none.
    pub missing: Option<String>,
    /// Treatment minus control; the verdict comes from it.
    pub absolute: Option<Estimate>,
    /// Over control's unadjusted value.
    pub relative: Option<Relative>,
    /// Without covariates, where there are some.
    pub unadjusted: Option<Estimate>,
    /// Share of the variance that covariates leave.
    pub variance_kept: Option<f64>,
    /// p-value corrected for several arms (primary) or metrics (secondary).
    pub corrected_p: Option<f64>,
    /// By which method.
    pub correction: Option<String>,
    /// Whether it differs from nothing, by the stopping rule and the correction.
    pub is_significant: bool,
    /// For a guardrail.
    pub guardrail: Option<Guardrail>,
    /// For units whose slate would have differed.
    pub triggered: Option<TriggeredResult>,
    /// Cumulative effect by day.
    pub looks: Vec<LookResult>,
    /// Effect by day since exposure; the primary metric has it.
    pub days: Vec<DayResult>,
    /// p-value of its slope.
    pub slope_p: Option<f64>,
    /// Effects by segment; never a verdict.
    pub segments: Vec<SegmentResult>,
    /// Share of the planned units at the last planned look that was taken, and its bound of z, for a group-sequential test.
    pub bound: Option<(f64, f64)>,
    /// z at the first planned look at which it crossed its bound.
    pub crossed: Option<f64>,
    /// Smallest relative effect that these units detect with the wanted power.
    pub detectable: Option<f64>,
    /// Units that must still mature until the wanted effect is detected; 0 when there are enough.
    pub units_to_come: Option<f64>,
}

/// An estimate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Its standard error.
    pub se: f64,
    /// Interval of level `1 - alpha`, valid under the stopping rule; an end may be infinite (null in JSON).
    pub interval: Interval,
    /// p-value, valid under the stopping rule; with a group-sequential rule that of this look alone, which the bound is for.
    pub p: f64,
}

impl Estimate {
    /// For one look at the end: two-sided.
    ///
    /// # Errors
    /// Those of [`Effect::interval`] and [`Effect::p`].
    fn at_the_end(effect: &Effect, alpha: f64) -> crate::Result<Self> {
        let interval = effect.interval(alpha, Alternative::TwoSided)?;
        Ok(Self { value: effect.value, se: effect.se, interval, p: effect.p(Alternative::TwoSided)? })
    }
}

/// A relative effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Relative {
    /// The estimate.
    pub value: f64,
    /// Its interval; none where it has no bounds.
    pub interval: Option<Interval>,
    /// How the interval is made, or why it has no bounds.
    pub method: String,
}

/// A guardrail against its margin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Guardrail {
    /// The loss that is allowed, relative.
    pub margin: f64,
    /// The same in units of the metric.
    pub margin_absolute: f64,
    /// p-value against a loss beyond the margin.
    pub p: f64,
    /// Whether the loss is shown to lie within the margin.
    pub is_held: bool,
    /// Whether the loss is shown to lie beyond it.
    pub is_broken: bool,
}

/// Effects by trigger.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TriggeredResult {
    /// Units that triggered over those for which it is known.
    pub share: f64,
    /// On triggered units, from the first request that would differ.
    pub effect: Estimate,
    /// The same spread over all units.
    pub diluted: Estimate,
    /// On the others; it must be none.
    pub complement: Option<Estimate>,
    /// Variance of the effect on all units over that of the diluted one.
    pub variance_ratio: f64,
}

/// The effect as it was known at the end of a day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LookResult {
    /// Days since the start.
    pub day: i64,
    /// Matured units of both arms.
    pub units: f64,
    /// The effect with the interval of the stopping rule.
    pub effect: Estimate,
}

/// The effect on a day since exposure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DayResult {
    /// Days since the unit's first exposure.
    pub day: usize,
    /// The effect.
    pub value: f64,
    /// Its standard error.
    pub se: f64,
}

/// Effects by the values of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentResult {
    /// The column.
    pub column: String,
    /// Value, matured units of both arms, effect.
    pub effects: Vec<SegmentEffect>,
    /// p-value of the test that all effects are equal.
    pub heterogeneity_p: Option<f64>,
}

/// The effect in a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentEffect {
    /// The column's value.
    pub segment: String,
    /// Matured units of both arms.
    pub units: f64,
    /// The effect.
    pub value: f64,
    /// Its standard error.
    pub se: f64,
}

/// Conversion rates of clicks that do not wait for the last window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delays {
    /// The metric.
    pub metric: String,
    /// Days of the window.
    pub window_days: f64,
    /// All arms, control first.
    pub arms: Vec<ArmDelays>,
    /// Every treatment against control.
    pub comparisons: Vec<DelayComparison>,
}

/// The delays of an arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmDelays {
    /// The arm.
    pub arm: String,
    /// Clicks.
    pub clicks: u64,
    /// Clicks whose window is complete.
    pub matured: u64,
    /// Rate of the matured clicks.
    pub matured_rate: Option<f64>,
    /// Rate from the arm's own hazards.
    pub hazard_rate: Option<f64>,
    /// Share of clicks that have converted by an age in days, from the arm's own hazards.
    pub curve: Vec<(f64, f64)>,
}

/// The delays of a treatment against control.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DelayComparison {
    /// Treatment minus control from matured clicks.
    pub matured: Option<Estimate>,
    /// From own hazards; standard errors by unit.
    pub hazards: Option<Estimate>,
    /// p-value of the test that both arms convert at the same pace.
    pub same_pace_p: Option<f64>,
    /// Whether treatment is slower, where they differ.
    pub is_slower: Option<bool>,
}

/// Spend and campaigns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budgets {
    /// Spend by arm.
    pub spend: Vec<f64>,
    /// Share of the spend that is of campaigns that ran out.
    pub limited_share: f64,
    /// Campaigns that ran out, and all.
    pub limited: (usize, usize),
    /// The primary metric by pairs of campaigns, for the design `budget-split`: every treatment against control.
    pub pairs: Vec<Option<Estimate>>,
    /// The same, relative.
    pub pair_lifts: Vec<Option<Estimate>>,
}

/// Sum of predictions over clicks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The arm.
    pub arm: String,
    /// The first source that found the items; none for all.
    pub source: Option<String>,
    /// Items that were shown.
    pub shown: u64,
    /// Sum of their probabilities.
    pub predicted: f64,
    /// Clicks on them.
    pub clicks: u64,
    /// Predicted over clicks; none without clicks.
    pub ratio: Option<f64>,
}

/// Milliseconds that answers took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The arm.
    pub arm: String,
    /// Whether the lists of the other arms were found as well.
    pub shadowed: bool,
    /// Answers.
    pub answers: u64,
    /// Median.
    pub p50_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
}
