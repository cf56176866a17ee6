//! What makes a definition impossible.

use super::{Covariate, Definition, Design, Metric, Role, Selector, Stop, Unit, Value};
use crate::multiplicity::Method;
use crate::spending::Spending;
use std::collections::BTreeSet;

/// Why a definition is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DefinitionError {
    /// Not the TOML of a definition.
    #[error("{0}")]
    Toml(String),
    /// A value that cannot be.
    #[error("`{key}` is {got}, expected {expected}")]
    Value {
        /// The key.
        key: String,
        /// What was found.
        got: String,
        /// What is possible.
        expected: &'static str,
    },
    /// Keys that do not fit each other.
    #[error("`{key}`: {why}")]
    Together {
        /// The key.
        key: String,
        /// Why.
        why: &'static str,
    },
}

/// Longest name of a test, an arm or a metric, in bytes.
const LONGEST_NAME: usize = 64;
/// Longest phase, window or period before, in days.
const MOST_DAYS: f64 = 3_650.0;
/// Most planned looks.
const MOST_LOOKS: usize = 50;
/// Most different sorts of events that metrics count.
const MOST_METRICS: usize = 40;

fn value<T>(
    key: impl Into<String>,
    got: impl ToString,
    expected: &'static str,
) -> Result<T, DefinitionError> {
    Err(DefinitionError::Value { key: key.into(), got: got.to_string(), expected })
}

fn together<T>(key: impl Into<String>, why: &'static str) -> Result<T, DefinitionError> {
    Err(DefinitionError::Together { key: key.into(), why })
}

fn within(
    key: impl Into<String>,
    got: f64,
    low: f64,
    high: f64,
    expected: &'static str,
) -> Result<(), DefinitionError> {
    if (low..=high).contains(&got) { Ok(()) } else { value(key, got, expected) }
}

fn name(key: impl Into<String>, text: &str) -> Result<(), DefinitionError> {
    if text.trim().is_empty() || text.len() > LONGEST_NAME || text.chars().any(char::is_control) {
        return value(key, format!("{text:?}"), "1 to 64 bytes without control characters");
    }
    Ok(())
}

impl Definition {
    /// Checks everything that TOML cannot.
    ///
    /// # Errors
    /// The first key that cannot be.
    pub(super) fn check(&self) -> Result<(), DefinitionError> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.is_empty() || self.name.len() > LONGEST_NAME || !self.name.chars().all(is_word) {
            return value("name", format!("{:?}", self.name), "1 to 64 letters, digits, - and _");
        }
        let earliest_and_latest = -8_000_000_000_000_000..=8_000_000_000_000_000_i64;
        if !earliest_and_latest.contains(&self.start) {
            return value("start", self.start, "milliseconds since 1970, or a date");
        }
        within("days", self.days, 1e-6, MOST_DAYS, "more than 0 and at most 3650")?;
        within("settle_hours", self.settle_hours, 0.0, MOST_DAYS * 24.0, "0 to 87600")?;
        within("traffic", self.traffic, 1e-9, 1.0, "above 0, at most 1")?;
        within("shadow", self.shadow, 0.0, 1.0, "0 to 1")?;
        within("holdout", self.holdout, 0.0, 1.0 - 1e-9, "0 to less than 1")?;
        if let Some(most) = self.bots.most_events_before {
            within("bots.most_events_before", most, 0.0, 1e15, "a number from 0")?;
        }
        for (column, values) in &self.targeting {
            if values.is_empty() {
                return together(format!("targeting.{column}"), "no request has one of no values");
            }
        }
        if matches!(self.correction, Method::Bh | Method::By) {
            return value(
                "correction",
                "a false discovery rate",
                "a method for the primary metric: holm, hochberg, hommel, bonferroni, sidak",
            );
        }
        within("alpha", self.alpha, 1e-6, 0.5, "0.000001 to 0.5")?;
        within("power", self.power, 0.05, 0.999_999, "0.05 to 0.999999")?;
        if let Some(effect) = self.effect {
            within("effect", effect, 1e-9, 1e9, "a positive share of control's value, such as 0.02")?;
        }
        if let Some(namespace) = &self.namespace
            && !(0.0 <= namespace.start && namespace.start < namespace.end && namespace.end <= 1.0)
        {
            return value(
                "namespace",
                format!("{}..{}", namespace.start, namespace.end),
                "a range within 0 to 1",
            );
        }
        self.check_arms()?;
        self.check_stop()?;
        self.check_metrics()?;
        self.check_budget()?;
        self.check_design()
    }

    fn check_arms(&self) -> Result<(), DefinitionError> {
        if !(2..=20).contains(&self.arms.len()) {
            return value("arms", self.arms.len(), "2 to 20 arms, control first");
        }
        let mut names = BTreeSet::new();
        for (at, arm) in self.arms.iter().enumerate() {
            name(format!("arms[{at}].name"), &arm.name)?;
            within(format!("arms[{at}].weight"), arm.weight, 0.0, 1.0, "0 to 1")?;
            if !names.insert(&arm.name) {
                return together(format!("arms[{at}].name"), "two arms have the same name");
            }
        }
        let sum: f64 = self.weights().iter().sum();
        if !((sum - 1.0).abs() < 1e-6) {
            return value(
                "weights of the arms",
                format!("a list that sums to {sum}"),
                "weights that sum to 1",
            );
        }
        if self.arms[0].weight == 0.0 || self.arms[1..].iter().all(|arm| arm.weight == 0.0) {
            return together("arms", "control, the first, and one of the others need units");
        }
        Ok(())
    }

    fn check_stop(&self) -> Result<(), DefinitionError> {
        match &self.stop {
            Stop::Fixed => Ok(()),
            Stop::ConfidenceSequence { tuned_for } => within(
                "stop.tuned_for",
                *tuned_for,
                1.0,
                1e15,
                "a number of units, such as `semrank experiment plan` gives",
            ),
            Stop::GroupSequential { planned_units, looks, spending } => {
                if let Spending::Power { phi } = spending {
                    within("stop.spending.phi", *phi, 1e-3, 1e3, "a number above 0")?;
                }
                within("stop.planned_units", *planned_units, 1.0, 1e15, "a number of units")?;
                let grows = looks.windows(2).all(|pair| pair[0] < pair[1]);
                if looks.len() > MOST_LOOKS
                    || looks.last() != Some(&1.0)
                    || !grows
                    || !looks.iter().all(|look| *look > 0.0)
                {
                    return value(
                        "stop.looks",
                        format!("{looks:?}"),
                        "at most 50 growing shares above 0, the last 1",
                    );
                }
                Ok(())
            }
        }
    }

    fn check_design(&self) -> Result<(), DefinitionError> {
        match (self.design, self.switchback) {
            (Design::Switchback, None) => {
                together("switchback", "`design = \"switchback\"` needs block_minutes")
            }
            (Design::Switchback, _)
                if self.metrics.iter().any(|one| one.covariates.contains(&Covariate::Before)) =>
            {
                together("metrics", "a block of time has no days before: no covariate `before`")
            }
            (Design::Switchback, Some(blocks)) => {
                within(
                    "switchback.block_minutes",
                    blocks.block_minutes,
                    0.01,
                    MOST_DAYS * 1440.0,
                    "minutes above 0",
                )?;
                let most = blocks.block_minutes * 0.999;
                within(
                    "switchback.burn_in_minutes",
                    blocks.burn_in_minutes,
                    0.0,
                    most,
                    "less than block_minutes",
                )
            }
            (_, Some(_)) => together("switchback", "blocks need `design = \"switchback\"`"),
            (Design::Interleaving, _) if self.metrics.len() != 1 || !self.primary().is_plain_sum() => {
                together(
                    "metrics",
                    "`interleaving` has one metric, whose events are credited: no denominator, cap, quantile or covariate",
                )
            }
            (Design::Interleaving, _)
                if self.arms.len() != 2
                    || self.stop != Stop::Fixed
                    || !matches!(self.unit, Unit::User | Unit::Session) =>
            {
                together(
                    "design",
                    "`interleaving` compares two arms, by user or session, with `stop = { rule = \"fixed\" }`",
                )
            }
            (Design::Advertiser, _) if self.unit != Unit::Advertiser => {
                together("unit", "`design = \"advertiser\"` needs `unit = \"advertiser\"`")
            }
            (Design::BudgetSplit, _) if self.stop != Stop::Fixed => {
                together("stop", "pairs of campaigns are looked at once: `stop = { rule = \"fixed\" }`")
            }
            (Design::BudgetSplit, _) if self.budget.is_none() => {
                together("budget", "`design = \"budget-split\"` needs a table `budget`")
            }
            (Design::BudgetSplit, _) if !self.primary().is_plain_sum() => together(
                "metrics",
                "campaigns are pairs of sums: the primary metric has no denominator, cap, quantile, covariate or `any`",
            ),
            _ => Ok(()),
        }
    }

    fn check_budget(&self) -> Result<(), DefinitionError> {
        match &self.budget {
            Some(budget) if budget.spend.value != Value::Sum => {
                together("budget.spend.value", "what is spent is the sum of a column: `value = \"sum\"`")
            }
            Some(budget) => budget.spend.check("budget.spend"),
            None => Ok(()),
        }
    }

    fn check_metrics(&self) -> Result<(), DefinitionError> {
        let decides = |metric: &&Metric| matches!(metric.role, Role::Primary | Role::Guardrail);
        if matches!(self.stop, Stop::GroupSequential { .. })
            && self.metrics.iter().filter(decides).any(|metric| metric.quantile.is_some())
        {
            return together(
                "stop",
                "planned looks are at means and ratios: no quantile as primary metric or guardrail",
            );
        }
        let primaries = self.metrics.iter().filter(|metric| metric.role == Role::Primary).count();
        if primaries != 1 {
            return value(
                "metrics",
                format!("{primaries} primary metrics"),
                "one metric with `role = \"primary\"`",
            );
        }
        if self.metrics.len() > MOST_METRICS {
            return value("metrics", self.metrics.len(), "at most 40 metrics");
        }
        let mut names = BTreeSet::new();
        for (at, metric) in self.metrics.iter().enumerate() {
            let key = |field: &str| format!("metrics[{at}].{field}");
            name(key("name"), &metric.name)?;
            if !names.insert(&metric.name) {
                return together(key("name"), "two metrics have the same name");
            }
            metric.check(&key)?;
        }
        Ok(())
    }
}

impl Metric {
    fn is_plain_sum(&self) -> bool {
        let has_more = self.denominator.is_some() || self.cap.is_some() || self.quantile.is_some();
        !has_more && self.covariates.is_empty() && self.numerator.value != Value::Any
    }

    fn check(&self, key: &impl Fn(&str) -> String) -> Result<(), DefinitionError> {
        within(key("window_days"), self.window_days, 1e-6, MOST_DAYS, "more than 0 and at most 3650")?;
        within(key("before_days"), self.before_days, 1e-6, MOST_DAYS, "more than 0 and at most 3650")?;
        self.numerator.check(&key("numerator"))?;
        if let Some(denominator) = &self.denominator {
            denominator.check(&key("denominator"))?;
        }
        match (self.role, self.margin) {
            (Role::Guardrail, None) => {
                return together(
                    key("margin"),
                    "a guardrail needs the relative loss that it allows, such as 0.01",
                );
            }
            (Role::Guardrail, Some(margin)) => within(key("margin"), margin, 0.0, 1.0, "0 to 1")?,
            (_, Some(_)) => return together(key("margin"), "only a guardrail has a margin"),
            _ => {}
        }
        if let Some(quantile) = self.quantile {
            within(key("quantile"), quantile, 1e-6, 1.0 - 1e-6, "between 0 and 1")?;
            if self.denominator.is_some() || self.cap.is_some() || !self.covariates.is_empty() {
                return together(key("quantile"), "a quantile has no denominator, cap or covariate");
            }
            if self.numerator.value != Value::Sum {
                return together(
                    key("numerator.value"),
                    "a quantile is of the numbers in a column: `value = \"sum\"`",
                );
            }
        }
        if let Some(cap) = self.cap {
            match (cap.quantile, cap.value) {
                (Some(quantile), None) => {
                    within(key("cap.quantile"), quantile, 1e-6, 1.0, "above 0, at most 1")?
                }
                (None, Some(limit)) => within(key("cap.value"), limit, 1e-300, 1e300, "a number above 0")?,
                _ => return together(key("cap"), "either `quantile` or `value`"),
            }
        }
        let covariates: BTreeSet<String> =
            self.covariates.iter().map(|covariate| format!("{covariate:?}")).collect();
        if covariates.len() != self.covariates.len() {
            return together(key("covariates"), "a covariate stands there twice");
        }
        Ok(())
    }
}

impl Selector {
    fn check(&self, key: &str) -> Result<(), DefinitionError> {
        name(format!("{key}.action"), &self.action)?;
        if let Some((column, _)) = self.filter.iter().find(|(_, values)| values.is_empty()) {
            return together(format!("{key}.where.{column}"), "no event has one of no values");
        }
        name(format!("{key}.column"), &self.column)
    }
}
