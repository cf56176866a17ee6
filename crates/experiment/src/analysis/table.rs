//! Units -> their values for every metric.

use super::collect::{Collector, First};
use crate::counts::{LeftOut, Unit};
use crate::definition::{Covariate, DAY_MS, Definition, Design, Metric, Role, Value};
use crate::error::Result;
use crate::moments::Moments;
use std::collections::{BTreeMap, HashMap};

/// A matured unit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) unit: u64,
    pub(super) arm: usize,
    pub(super) numerator: f64,
    /// 1 for a metric without a denominator.
    pub(super) denominator: f64,
    pub(super) covariates: Vec<f64>,
    /// Day on which it matured, since the start.
    pub(super) day: i64,
    /// Whether it triggered; none where that is not known.
    pub(super) triggered: Option<bool>,
    /// Places in [`Table::segments`].
    pub(super) segments: Vec<Option<usize>>,
}

/// The units of a metric, in the order of their hashes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Units {
    pub(super) rows: Vec<Row>,
    /// Units that have not matured, by arm.
    pub(super) left_out: Vec<u64>,
}

/// All that one metric needs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct OfMetric {
    /// From the first exposure.
    pub(super) all: Units,
    /// From the first exposure that would differ.
    pub(super) triggered: Units,
    /// Values of single events, for a quantile: unit and value by arm.
    pub(super) values: Vec<Vec<(u64, f64)>>,
    /// Numerator and denominator by day since exposure and arm.
    pub(super) days: Vec<Vec<Moments>>,
}

/// The units of a test.
pub(super) struct Table {
    pub(super) metrics: Vec<OfMetric>,
    /// Arm and first exposure of every unit that counts.
    pub(super) units: HashMap<u64, (usize, i64)>,
    pub(super) triggered: Vec<u64>,
    pub(super) shadowed: Vec<u64>,
    pub(super) by_day: BTreeMap<i64, Vec<u64>>,
    pub(super) events: u64,
    pub(super) left_out: LeftOut,
    /// Values of every segment column, sorted.
    pub(super) segments: Vec<Vec<String>>,
    /// Of every unit: arm, events before the first exposure, prediction at it.
    pub(super) before: Vec<(usize, f64, Option<f64>)>,
    /// Mean prediction, for units that have none.
    mean_predicted: f64,
    pub(super) as_of: i64,
}

/// Streams of a metric.
struct Streams {
    numerator: usize,
    denominator: Option<usize>,
}

impl Table {
    /// Visits the units of a log.
    pub(super) fn new(collector: &mut Collector) -> Result<Self> {
        collector.settle_blocks()?;
        let counter = collector.take_counter()?;
        let collector = &*collector;
        let definition = &collector.definition;
        let arms = definition.arms.len();
        let streams: Vec<Streams> = definition
            .metrics
            .iter()
            .map(|metric| Streams {
                numerator: collector.stream(&metric.numerator),
                denominator: metric.denominator.as_ref().map(|selector| collector.stream(selector)),
            })
            .collect();
        let empty = OfMetric {
            all: Units { rows: Vec::new(), left_out: vec![0; arms] },
            triggered: Units { rows: Vec::new(), left_out: vec![0; arms] },
            values: vec![Vec::new(); arms],
            days: Vec::new(),
        };
        let mut table = Self {
            metrics: vec![empty; definition.metrics.len()],
            units: HashMap::new(),
            triggered: vec![0; arms],
            shadowed: vec![0; arms],
            by_day: BTreeMap::new(),
            events: 0,
            left_out: LeftOut::default(),
            segments: segments(definition, &collector.first),
            before: Vec::new(),
            mean_predicted: mean_predicted(&collector.first),
            as_of: collector.as_of,
        };
        let most_before =
            definition.bots.most_events_before.filter(|_| definition.design != Design::Switchback);
        let mut bots = 0;
        let until = collector.as_of.saturating_sub(definition.settle_ms());
        table.left_out = counter.units(|unit| {
            let Some(first) = collector.first.get(&unit.hash) else { return Ok(()) };
            if most_before.is_some_and(|most| first.events_before > most) {
                bots += 1;
                return Ok(());
            }
            table.unit(unit, first, (definition, &streams, until))
        })?;
        table.left_out.bots += bots;
        table.left_out.received_after_as_of += collector.received_after_as_of;
        Ok(table)
    }

    fn unit(
        &mut self,
        unit: &Unit,
        first: &First,
        (definition, streams, until): (&Definition, &[Streams], i64),
    ) -> Result<()> {
        let (index, triggered) = (unit.index_ms(), unit.triggered_ms());
        self.units.insert(unit.hash, (unit.arm, index));
        self.before.push((unit.arm, first.events_before, first.predicted));
        let day = (index - definition.start).div_euclid(DAY_MS);
        self.by_day.entry(day).or_insert_with(|| vec![0; definition.arms.len()])[unit.arm] += 1;
        self.triggered[unit.arm] += u64::from(first.is_shadowed && triggered.is_some());
        self.shadowed[unit.arm] += u64::from(first.is_shadowed);
        self.events += unit.events().filter(|event| event.time_ms >= index).count() as u64;
        let segments: Vec<Option<usize>> = first
            .segments
            .iter()
            .zip(&self.segments)
            .map(|(value, known)| value.as_ref().and_then(|value| known.binary_search(value).ok()))
            .collect();
        let is_triggered = first.is_shadowed.then_some(triggered.is_some());
        for (at, metric) in definition.metrics.iter().enumerate() {
            let of =
                Of { unit, metric, streams: &streams[at], until, first, mean_predicted: self.mean_predicted };
            let metric_table = &mut self.metrics[at];
            let matured = index.saturating_add(metric.window_ms()) <= until;
            match matured {
                false => metric_table.all.left_out[unit.arm] += 1,
                true => {
                    let row = of.row(index, definition, (is_triggered, segments.clone()));
                    metric_table.all.rows.push(row);
                    if metric.quantile.is_some() {
                        metric_table.values[unit.arm].extend(of.values(index));
                    }
                }
            }
            if metric.role == Role::Primary {
                of.days(index, (definition.arms.len(), &mut metric_table.days))?;
            }
            if let Some(index) = triggered.filter(|_| first.is_shadowed) {
                match index.saturating_add(metric.window_ms()) <= until {
                    false => metric_table.triggered.left_out[unit.arm] += 1,
                    true => {
                        let row = of.row(index, definition, (Some(true), Vec::new()));
                        metric_table.triggered.rows.push(row);
                    }
                }
            }
        }
        Ok(())
    }
}

/// One unit and one metric.
struct Of<'a> {
    unit: &'a Unit<'a>,
    metric: &'a Metric,
    streams: &'a Streams,
    until: i64,
    first: &'a First,
    mean_predicted: f64,
}

impl Of<'_> {
    /// Sum of a stream in `[from, to)`.
    fn sum(&self, stream: usize, value: Value, (from, to): (i64, i64)) -> f64 {
        let inside =
            self.unit.events().filter(|event| event.action == stream && (from..to).contains(&event.time_ms));
        match value {
            Value::Any => f64::from(u8::from(inside.count() > 0)),
            _ => inside.map(|event| event.value).sum(),
        }
    }

    fn numerator(&self, span: (i64, i64)) -> f64 {
        self.sum(self.streams.numerator, self.metric.numerator.value, span)
    }

    fn denominator(&self, span: (i64, i64)) -> f64 {
        match (&self.metric.denominator, self.streams.denominator) {
            (Some(selector), Some(stream)) => self.sum(stream, selector.value, span),
            _ => 1.0,
        }
    }

    fn row(
        &self,
        index: i64,
        definition: &Definition,
        (triggered, segments): (Option<bool>, Vec<Option<usize>>),
    ) -> Row {
        let end = index.saturating_add(self.metric.window_ms());
        Row {
            unit: self.unit.hash,
            arm: self.unit.arm,
            numerator: self.numerator((index, end)),
            denominator: self.denominator((index, end)),
            covariates: self.covariates(index),
            day: (end + definition.settle_ms() - definition.start).div_euclid(DAY_MS),
            triggered,
            segments,
        }
    }

    fn covariates(&self, index: i64) -> Vec<f64> {
        let before = (index.saturating_sub(self.metric.before_ms()), index);
        let one = |covariate: &Covariate| match covariate {
            Covariate::Before => self.numerator(before),
            Covariate::Predicted => self.first.predicted.unwrap_or(self.mean_predicted),
            Covariate::Events => self.first.events_before,
            Covariate::NoHistory => f64::from(u8::from(self.first.events_before == 0.0)),
        };
        let mut out: Vec<f64> = self.metric.covariates.iter().map(one).collect();
        if self.metric.denominator.is_some() && self.metric.covariates.contains(&Covariate::Before) {
            out.push(self.denominator(before));
        }
        out
    }

    fn values(&self, index: i64) -> impl Iterator<Item = (u64, f64)> {
        let end = index.saturating_add(self.metric.window_ms());
        let (stream, hash) = (self.streams.numerator, self.unit.hash);
        let inside = self
            .unit
            .events()
            .filter(move |event| event.action == stream && (index..end).contains(&event.time_ms));
        inside.map(move |event| (hash, event.value))
    }

    /// Adds the days since exposure that are complete.
    fn days(&self, index: i64, (arms, days): (usize, &mut Vec<Vec<Moments>>)) -> Result<()> {
        let whole = self.metric.window_ms().div_euclid(DAY_MS).min(i64::from(u16::MAX));
        for day in 0..whole {
            let (from, to) = (index + day * DAY_MS, index + (day + 1) * DAY_MS);
            if to > self.until {
                break;
            }
            if days.len() <= day as usize {
                days.push(vec![Moments::new(2); arms]);
            }
            days[day as usize][self.unit.arm]
                .push(&[self.numerator((from, to)), self.denominator((from, to))])?;
        }
        Ok(())
    }
}

/// Over all units that have one, in an order that does not depend on the rows'.
fn mean_predicted(first: &HashMap<u64, First>) -> f64 {
    let mut known: Vec<(u64, f64)> =
        first.iter().filter_map(|(unit, first)| Some((*unit, first.predicted?))).collect();
    known.sort_unstable_by_key(|(unit, _)| *unit);
    known.iter().map(|(_, predicted)| predicted).sum::<f64>() / known.len().max(1) as f64
}

/// The values of every segment column, sorted.
fn segments(definition: &Definition, first: &HashMap<u64, First>) -> Vec<Vec<String>> {
    (0..definition.segments.len())
        .map(|at| {
            let mut values: Vec<String> =
                first.values().filter_map(|first| first.segments[at].clone()).collect();
            values.sort_unstable();
            values.dedup();
            values
        })
        .collect()
}
