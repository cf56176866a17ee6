//! All parts together.

use super::collect::Collector;
use super::table::Table;
use super::{Analysis, Budgets, MetricResult, UnitCounts, Verdict};
use super::{budgets, calibration, checks, delays, interleaving, metric, verdict};
use crate::definition::{Definition, Design, Role, Stop};
use crate::error::Result;
use crate::log::Used;
use crate::multiplicity::{Method, adjust};

impl Collector {
    /// What the rows so far say.
    ///
    /// # Errors
    /// [`Error::NotFinite`](crate::Error::NotFinite) when sums overflow.
    pub fn analyze(mut self) -> Result<Analysis> {
        let mut table = Table::new(&mut self)?;
        let definition = &self.definition;
        let mut metrics: Vec<MetricResult> = match definition.design {
            Design::Interleaving => vec![interleaving::result(&self, &table)?],
            _ => (0..definition.metrics.len())
                .map(|at| metric::result(definition, at, &mut table))
                .collect::<Result<_>>()?,
        };
        metrics.sort_by_key(|metric| metric.role != Role::Primary);
        let budgets = budgets::budgets(&self, &table);
        if definition.design == Design::BudgetSplit
            && let Some(budgets) = &budgets
        {
            by_campaigns(&mut metrics[0], budgets);
        }
        correct(definition, &mut metrics)?;
        let delays = delays::delays(&self, &table).filter(|_| definition.design != Design::Interleaving);
        let calibration = calibration::calibration(&self);
        let checks = checks::checks(&self, &table, (&metrics, budgets.as_ref(), &calibration));
        let mut used: Vec<Used> = self.used.iter().filter(|used| used.time <= self.as_of).cloned().collect();
        used.sort_by(|a, b| (a.time, &a.fingerprint).cmp(&(b.time, &b.fingerprint)));
        used.dedup_by(|a, b| a.fingerprint == b.fingerprint);
        let mut analysis = Analysis {
            verdict: Verdict::default(),
            fingerprint: definition.fingerprint(),
            used,
            as_of: self.as_of,
            counts: counts(&table, definition.arms.len()),
            checks,
            metrics,
            delays,
            budgets,
            calibration,
            latency: calibration::latency(&self),
            definition: self.definition,
        };
        analysis.verdict = verdict::verdict(&analysis);
        Ok(analysis)
    }
}

/// Where every campaign has its own budget in each arm, campaigns are the pairs that decide.
fn by_campaigns(primary: &mut MetricResult, budgets: &Budgets) {
    primary.method = "difference of pairs of campaigns, Student".into();
    let pairs = budgets.pairs.iter().zip(&budgets.pair_lifts);
    for (found, (pair, lift)) in primary.comparisons.iter_mut().zip(pairs) {
        found.absolute = *pair;
        found.relative = lift.map(|lift| super::Relative {
            value: lift.value,
            interval: Some(lift.interval),
            method: "delta method over campaigns".into(),
        });
        if pair.is_none() {
            found.missing = Some("fewer than two campaigns have the primary metric".into());
        }
    }
}

fn counts(table: &Table, arms: usize) -> UnitCounts {
    let mut exposed = vec![0; arms];
    table.units.values().for_each(|(arm, _)| exposed[*arm] += 1);
    let left_out = table.left_out;
    UnitCounts {
        exposed,
        triggered: table.triggered.clone(),
        shadowed: table.shadowed.clone(),
        duplicates: left_out.duplicates,
        outside: left_out.outside,
        bots: left_out.bots,
        crossovers: left_out.crossovers,
        received_after_as_of: left_out.received_after_as_of,
        without_exposure: left_out.without_exposure,
        events: table.events,
        by_day: table.by_day.clone(),
    }
}

/// Corrects p-values, and says which effects differ from nothing.
fn correct(definition: &Definition, metrics: &mut [MetricResult]) -> Result<()> {
    for (role, method) in
        [(Role::Primary, definition.correction), (Role::Secondary, definition.secondary_correction)]
    {
        let p = |metric: &MetricResult| -> Vec<Option<f64>> {
            metric.comparisons.iter().map(|found| found.absolute.map(|absolute| absolute.p)).collect()
        };
        let all: Vec<Option<f64>> = metrics.iter().filter(|metric| metric.role == role).flat_map(p).collect();
        let mut corrected = adjust(&all, method)?.into_iter();
        let tests = all.iter().flatten().count();
        for found in
            metrics.iter_mut().filter(|metric| metric.role == role).flat_map(|metric| &mut metric.comparisons)
        {
            found.corrected_p = corrected.next().flatten();
            found.correction = (tests > 1).then(|| name(method).to_owned());
            let is_below = found.corrected_p.is_some_and(|p| p <= definition.alpha);
            // Group-sequential bounds are for one metric; a secondary one has to pass its correction too.
            found.is_significant = match (&definition.stop, role) {
                (Stop::GroupSequential { .. }, Role::Primary) => found.crossed.is_some(),
                (Stop::GroupSequential { .. }, _) => found.crossed.is_some() && is_below,
                _ => is_below,
            };
        }
    }
    let others = metrics.iter_mut().filter(|metric| matches!(metric.role, Role::Guardrail | Role::Debug));
    for found in others.flat_map(|metric| &mut metric.comparisons) {
        found.is_significant = found.absolute.is_some_and(|absolute| absolute.p <= definition.alpha);
    }
    Ok(())
}

fn name(method: Method) -> &'static str {
    match method {
        Method::Bonferroni => "Bonferroni",
        Method::Sidak => "Sidak",
        Method::Holm => "Holm",
        Method::HolmSidak => "Holm-Sidak",
        Method::Hochberg => "Hochberg",
        Method::Hommel => "Hommel",
        Method::Bh => "Benjamini-Hochberg",
        Method::By => "Benjamini-Yekutieli",
    }
}
