//! Metrics, as a definition names them.

use super::DAY_MS;
use crate::non_inferiority::Direction;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a metric is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It decides.
    Primary,
    /// It explains.
    Secondary,
    /// It must not get worse by more than its margin.
    Guardrail,
    /// It is shown.
    Debug,
}

/// What is added up of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// 1 for each event.
    #[default]
    Count,
    /// The number in a column.
    Sum,
    /// 1 for a unit with at least one event.
    Any,
}

/// Which events count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    /// The action.
    pub action: String,
    /// What is added up.
    #[serde(default)]
    pub value: Value,
    /// The column of `value = "sum"`.
    #[serde(default = "value_column")]
    pub column: String,
    /// Columns and the values that count, such as `surface = ["search"]`.
    #[serde(default, rename = "where")]
    pub filter: BTreeMap<String, Vec<String>>,
}

/// What a metric divides by.
pub type Denominator = Selector;

/// One cap over all arms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// The quantile of the units' values that becomes the cap.
    #[serde(default)]
    pub quantile: Option<f64>,
    /// The cap itself.
    #[serde(default)]
    pub value: Option<f64>,
    /// Whether zeros count for the quantile.
    #[serde(default)]
    pub zeros: bool,
}

/// What is known of a unit before its first exposure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Covariate {
    /// The metric's numerator in the days before.
    Before,
    /// What the ranker predicted of the first slate of control.
    Predicted,
    /// Events of the unit before.
    Events,
    /// 1 for a unit without events before.
    NoHistory,
}

/// A metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// What is good.
    #[serde(default = "increase")]
    pub direction: Direction,
    /// What is added up.
    pub numerator: Selector,
    /// What is divided by; without it, the number of units.
    #[serde(default)]
    pub denominator: Option<Denominator>,
    /// From a unit's first exposure, days in which events count.
    pub window_days: f64,
    /// The quantile of the events' values, instead of their mean.
    #[serde(default)]
    pub quantile: Option<f64>,
    /// Values of units above are cut.
    #[serde(default)]
    pub cap: Option<Cap>,
    /// Variance reduction.
    #[serde(default)]
    pub covariates: Vec<Covariate>,
    /// Days of the covariate `before`.
    #[serde(default = "fortnight")]
    pub before_days: f64,
    /// The relative loss that a guardrail allows.
    #[serde(default)]
    pub margin: Option<f64>,
}

impl Metric {
    /// Milliseconds of the window.
    pub fn window_ms(&self) -> i64 {
        (self.window_days * DAY_MS as f64).round() as i64
    }

    /// Milliseconds of the covariate `before`.
    pub fn before_ms(&self) -> i64 {
        (self.before_days * DAY_MS as f64).round() as i64
    }
}

fn value_column() -> String {
    "value".into()
}

fn increase() -> Direction {
    Direction::Increase
}

fn fortnight() -> f64 {
    14.0
}
