//! The definition of a test, in TOML: arms, unit, metrics, stopping rule. Checked before anything runs on it.
//!
//! ```
//! use semrank_experiment::definition::Definition;
//! let text = r#"
//!     name = "content-sourcer"
//!     start = 2026-01-05T00:00:00Z
//!     days = 14
//!
//!     [[arms]]
//!     name = "control"
//!     weight = 0.5
//!     set = { "retrieve.content.quota" = 0 }
//!
//!     [[arms]]
//!     name = "treatment"
//!     weight = 0.5
//!
//!     [[metrics]]
//!     name = "conversions per user"
//!     role = "primary"
//!     numerator = { action = "conversion" }
//!     window_days = 7
//! "#;
//! let definition = Definition::from_toml(text)?;
//! assert_eq!(definition.end_ms() - definition.start, 14 * 86_400_000);
//! assert!(Definition::from_toml(&text.replace("0.5", "0.7")).unwrap_err().to_string().contains("sums to 1.4"));
//! # Ok::<(), semrank_experiment::definition::DefinitionError>(())
//! ```

mod check;
mod metric;
mod time;

pub use check::DefinitionError;
pub use metric::{Cap, Covariate, Denominator, Metric, Role, Selector, Value};

use crate::assign::{Assignment, Hash, Namespace};
use crate::multiplicity::Method;
use crate::power::Rule;
use crate::spending::Spending;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// A test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Name; letters, digits, `-` and `_`.
    pub name: String,
    /// What is expected and why, for the report.
    #[serde(default)]
    pub hypothesis: String,
    /// Number of the phase; a phase assigns anew.
    #[serde(default = "one")]
    pub phase: u32,
    /// What is randomised.
    #[serde(default)]
    pub unit: Unit,
    /// How arms share users, budgets and time.
    #[serde(default)]
    pub design: Design,
    /// First exposure time (ms UTC; in TOML a date and time).
    #[serde(deserialize_with = "time::ms")]
    pub start: i64,
    /// Days in which units are exposed.
    pub days: f64,
    /// Hours in which rows still arrive after a window is over.
    #[serde(default)]
    pub settle_hours: f64,
    /// Share of the units that take part.
    #[serde(default = "whole")]
    pub traffic: f64,
    /// Share of the units for which the slate of the other arms is found as well.
    #[serde(default = "whole")]
    pub shadow: f64,
    /// Share of the units that take part in no test at all.
    #[serde(default)]
    pub holdout: f64,
    /// How a unit becomes a bucket.
    #[serde(default)]
    pub hash: Hash,
    /// Salt of the buckets; by default name and phase.
    #[serde(default)]
    pub salt: Option<String>,
    /// Tests of one namespace never share a unit when their ranges are disjoint.
    #[serde(default)]
    pub namespace: Option<Namespace>,
    /// Columns of a request and the values that take part, such as `surface = ["search"]`.
    #[serde(default)]
    pub targeting: BTreeMap<String, Vec<String>>,
    /// Error rate of the primary metric.
    #[serde(default = "five_per_cent")]
    pub alpha: f64,
    /// Wanted probability to detect `effect`.
    #[serde(default = "four_fifths")]
    pub power: f64,
    /// Smallest relative effect on the primary metric that is worth detecting.
    #[serde(default)]
    pub effect: Option<f64>,
    /// When the test may end.
    #[serde(default)]
    pub stop: Stop,
    /// Correction of the primary metric over arms.
    #[serde(default = "holm")]
    pub correction: Method,
    /// Correction of the secondary metrics.
    #[serde(default = "bh")]
    pub secondary_correction: Method,
    /// Who is left out of every arm.
    #[serde(default)]
    pub bots: Bots,
    /// Blocks of time, for `design = "switchback"`.
    #[serde(default)]
    pub switchback: Option<Switchback>,
    /// What is known of budgets.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// Columns of a request by which effects are shown.
    #[serde(default)]
    pub segments: Vec<String>,
    /// Control first.
    pub arms: Vec<Arm>,
    /// Exactly one is primary.
    pub metrics: Vec<Metric>,
}

/// What is randomised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Everything of a user.
    #[default]
    User,
    /// A session (column `session_id`).
    Session,
    /// One request (column `request_id`).
    Request,
    /// An advertiser (column `advertiser_id`).
    Advertiser,
    /// An item.
    Item,
}

impl Unit {
    /// The column of events that holds the unit.
    pub fn column(self) -> &'static str {
        match self {
            Self::User => "user_id",
            Self::Session => "session_id",
            Self::Request => "request_id",
            Self::Advertiser => "advertiser_id",
            Self::Item => "item_id",
        }
    }
}

/// How arms share users, budgets and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Design {
    /// Units are split; budgets are shared.
    #[default]
    User,
    /// Units are split, and every campaign has its budget once an arm; campaigns are pairs.
    BudgetSplit,
    /// Advertisers are split.
    Advertiser,
    /// All traffic changes the arm together, by blocks of time, which are the units.
    Switchback,
    /// The lists of both arms are mixed for every unit, and what is clicked is credited to the arm that contributed it.
    Interleaving,
}

/// When a test may end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Stop {
    /// Once, when the last unit has matured.
    #[default]
    Fixed,
    /// At any time.
    ConfidenceSequence {
        /// Matured units of the two arms that are compared at which the sequence is tightest.
        tuned_for: f64,
    },
    /// At planned shares of the planned units.
    GroupSequential {
        /// Matured units of the two arms that are compared at the last look.
        planned_units: f64,
        /// Shares of them, growing, the last 1.
        looks: Vec<f64>,
        /// How alpha is spent.
        spending: Spending,
    },
}

impl Stop {
    /// The rule, as power calculations know it.
    pub fn power_rule(&self) -> Rule {
        match self {
            Self::Fixed => Rule::Fixed,
            Self::ConfidenceSequence { tuned_for } => Rule::ConfidenceSequence(*tuned_for),
            Self::GroupSequential { looks, spending, .. } => Rule::GroupSequential(*spending, looks.clone()),
        }
    }
}

/// Who is left out of every arm, by nothing that happens after exposure.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bots {
    /// Column of the request's context that is true for a bot.
    #[serde(default)]
    pub flag: Option<String>,
    /// Events before the first exposure above which a unit is a bot.
    #[serde(default)]
    pub most_events_before: Option<f64>,
}

/// Blocks of time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switchback {
    /// Length of a block.
    pub block_minutes: f64,
    /// Beginning of a block that does not count: it still shows the effects of the block before.
    #[serde(default)]
    pub burn_in_minutes: f64,
}

/// What is known of budgets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// What is spent: the sum of a column.
    pub spend: Selector,
    /// Column of the campaign.
    #[serde(default = "campaign")]
    pub campaign: String,
    /// Action that says that a campaign has run out.
    #[serde(default = "exhausted")]
    pub exhausted: String,
}

/// One arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// Its name.
    pub name: String,
    /// Its share of the units that take part.
    pub weight: f64,
    /// Settings that differ from those of the server, such as `"retrieve.content.quota" = 0`.
    #[serde(default)]
    pub set: BTreeMap<String, serde_json::Value>,
}

impl Definition {
    /// Reads and checks a definition.
    ///
    /// # Errors
    /// [`DefinitionError`] with the line or the key.
    pub fn from_toml(text: &str) -> Result<Self, DefinitionError> {
        let definition: Self =
            toml::from_str(text).map_err(|error| DefinitionError::Toml(error.to_string()))?;
        definition.check()?;
        Ok(definition)
    }

    /// First moment after the phase (ms UTC).
    pub fn end_ms(&self) -> i64 {
        self.start.saturating_add((self.days * DAY_MS as f64).round() as i64)
    }

    /// Milliseconds in which rows still arrive.
    pub fn settle_ms(&self) -> i64 {
        (self.settle_hours * DAY_MS as f64 / 24.0).round() as i64
    }

    /// When the last unit has matured for a metric.
    pub fn matured_ms(&self, metric: &Metric) -> i64 {
        self.end_ms().saturating_add(metric.window_ms() + self.settle_ms())
    }

    /// What tells this definition from every other: 40 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let text = serde_json::json!(self).to_string();
        Sha1::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// How units are assigned.
    pub fn assignment(&self) -> Assignment {
        Assignment {
            salt: self.salt.clone().unwrap_or_else(|| format!("{}:{}", self.name, self.phase)),
            hash: self.hash,
            weights: self.weights(),
            coverage: self.traffic,
            namespace: self.namespace.clone(),
        }
    }

    /// Weights of the arms.
    pub fn weights(&self) -> Vec<f64> {
        self.arms.iter().map(|arm| arm.weight).collect()
    }

    /// The arm of a unit; none when it does not take part.
    pub fn arm(&self, unit: &str) -> Option<usize> {
        self.arm_by(&self.assignment(), unit)
    }

    /// The same by the definition's [`assignment`](Definition::assignment), made once.
    pub fn arm_by(&self, assignment: &Assignment, unit: &str) -> Option<usize> {
        let is_held_out = self.holdout > 0.0 && Hash::Wide.bucket("holdout", unit) < self.holdout;
        if is_held_out { None } else { assignment.arm(unit) }
    }

    /// Arms that are compared with control: those with units.
    pub fn comparisons(&self) -> f64 {
        self.arms[1..].iter().filter(|arm| arm.weight > 0.0).count().max(1) as f64
    }

    /// Whether the slates of all arms are found for a unit.
    pub fn is_shadowed(&self, unit: &str) -> bool {
        Hash::Wide.bucket(&format!("{}:{}:shadow", self.name, self.phase), unit) < self.shadow
    }

    /// The block of time that holds a moment, with `true` where it is burnt in; none for other designs.
    pub fn block(&self, time_ms: i64) -> Option<(String, bool)> {
        let switchback = self.switchback.filter(|_| self.design == Design::Switchback)?;
        let minute = |minutes: f64| (minutes * 60_000.0) as i64;
        let (length, since) = (minute(switchback.block_minutes).max(1), time_ms.saturating_sub(self.start));
        let (block, within) = (since.div_euclid(length), since.rem_euclid(length));
        Some((format!("block-{block}"), within >= minute(switchback.burn_in_minutes)))
    }

    /// The metric that decides.
    pub fn primary(&self) -> &Metric {
        self.metrics.iter().find(|metric| metric.role == Role::Primary).unwrap_or(&self.metrics[0])
    }
}

fn one() -> u32 {
    1
}

fn whole() -> f64 {
    1.0
}

fn five_per_cent() -> f64 {
    0.05
}

fn four_fifths() -> f64 {
    0.8
}

fn holm() -> Method {
    Method::Holm
}

fn bh() -> Method {
    Method::Bh
}

fn campaign() -> String {
    "campaign_id".into()
}

fn exhausted() -> String {
    "budget_exhausted".into()
}
