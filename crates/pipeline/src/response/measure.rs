//! Quality of the predicted probabilities: over all rows, within users and requests, by segment, and beside baselines.

use super::inputs::Inputs;
use super::scores::ScoredRows;
use crate::data::Data;
use semrank_core::Segment;
use semrank_measure::{
    label_baselines::{Baseline, Label, LabelledRows, baselines},
    probabilities::{
        BINS, Bin, Bootstrap, BootstrapSettings, Interval, Measure, NO_GROUP, Scores, by_segment,
        grouped_auc, reliability, worst_calibration,
    },
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rows up to which intervals are drawn: 1000 draws take two seconds for every million.
const MOST_DRAWN: usize = 2_000_000;
/// Advertisers that are shown, and the positives that one needs for it.
const ADVERTISERS: usize = 20;
const LEAST_POSITIVES: f64 = 20.0;

/// Scores against labels.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// Over all rows.
    #[serde(flatten)]
    pub scores: Scores,
    /// Mean AUC of users with both labels.
    pub uauc: Option<f64>,
    /// Users with both labels.
    pub users_in_uauc: usize,
    /// Mean AUC of requests with both labels.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_auc: Option<f64>,
    /// 95 % intervals over users.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub intervals: BTreeMap<String, Interval>,
    /// Predicted and observed, by bins of equal rows.
    pub reliability: Vec<Bin>,
    /// `items`, `surface`, `slot`, `advertiser`: the part's name and its scores.
    pub segments: BTreeMap<String, Vec<Part>>,
    /// The same rows by simple baselines; of test rows only, as the stage `report` found them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub baselines: Vec<BaselineScores>,
}

/// Quality of a baseline's probabilities.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BaselineScores {
    /// Of the baseline.
    pub name: String,
    /// Over all rows.
    #[serde(flatten)]
    pub scores: Scores,
    /// Mean AUC of users with both labels.
    pub uauc: Option<f64>,
}

/// One part of the rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    /// Of the part.
    pub name: String,
    /// Over its rows.
    #[serde(flatten)]
    pub scores: Scores,
}

/// Measures scores of rows.
pub(crate) fn measure(inputs: &Inputs, scored: &ScoredRows) -> Measured {
    let (examples, ScoredRows { rows, users, labels, scores }) = (inputs.examples, scored);
    let within = grouped_auc(users, scores, labels);
    let requests = (!examples.requests.is_empty()).then(|| {
        let requests: Vec<u32> = rows.iter().map(|&row| examples.requests[row as usize]).collect();
        grouped_auc(&requests, scores, labels).mean
    });
    Measured {
        scores: Scores::of(scores, labels),
        uauc: within.mean,
        users_in_uauc: within.groups,
        request_auc: requests.flatten(),
        intervals: intervals(scores, labels, users),
        reliability: reliability(scores, labels, BINS),
        segments: segments(inputs, scored),
        baselines: Vec::new(),
    }
}

/// Every baseline that the data has columns for, on rows that were measured.
pub(crate) fn of_baselines(inputs: &Inputs, label: Label, rows: &ScoredRows) -> Vec<BaselineScores> {
    let Data { dataset, scope, .. } = inputs.data;
    let data = LabelledRows::new(dataset, inputs.examples, scope, label);
    let found = baselines(data, &rows.rows);
    found
        .into_iter()
        .map(|Baseline { name, scores }| BaselineScores {
            name,
            uauc: grouped_auc(&rows.users, &scores, &rows.labels).mean,
            scores: Scores::of(&scores, &rows.labels),
        })
        .collect()
}

fn intervals(scores: &[f64], labels: &[bool], users: &[u32]) -> BTreeMap<String, Interval> {
    if scores.is_empty() || scores.len() > MOST_DRAWN {
        return BTreeMap::new();
    }
    let bootstrap = Bootstrap::new(&[scores], labels, users, BootstrapSettings::default());
    let measures = [("auc", Measure::Auc), ("uauc", Measure::UserAuc), ("ne", Measure::Ne)];
    let found = measures.into_iter();
    found.filter_map(|(name, measure)| Some((name.to_owned(), bootstrap.interval(measure, 0)?))).collect()
}

fn segments(inputs: &Inputs, scored: &ScoredRows) -> BTreeMap<String, Vec<Part>> {
    let (examples, ScoredRows { scores, labels, .. }) = (inputs.examples, scored);
    let rows: Vec<usize> = scored.rows.iter().map(|&row| row as usize).collect();
    let mut out = BTreeMap::new();
    let mut add = |name: &str, keys: Vec<u32>, names: &dyn Fn(u32) -> String, worst: bool| {
        let mut table = by_segment(&keys, scores, labels);
        if worst {
            table = worst_calibration(&table, LEAST_POSITIVES);
            table.truncate(ADVERTISERS);
        }
        let parts: Vec<Part> =
            table.into_iter().map(|(key, scores)| Part { name: names(key), scores }).collect();
        if !parts.is_empty() {
            out.insert(name.to_owned(), parts);
        }
    };
    let of_item = inputs.segments();
    let item = |row: usize| examples.items[row].index();
    let segment = |&row: &usize| Segment::ALL.iter().position(|s| *s == of_item[item(row)]);
    let keys = rows.iter().map(|row| segment(row).map_or(NO_GROUP, |at| at as u32)).collect();
    add("items", keys, &|key| Segment::ALL[key as usize].name().to_owned(), false);
    if !examples.surfaces.is_empty() {
        let key = |&row: &usize| match examples.surfaces[row] {
            u8::MAX => NO_GROUP,
            surface => u32::from(surface),
        };
        let name = |key| examples.surface_names.name(key).to_owned();
        add("surface", rows.iter().map(key).collect(), &name, false);
    }
    if !examples.slots.is_empty() {
        let key = |&row: &usize| match examples.slots[row] {
            u16::MAX => NO_GROUP,
            slot => u32::from(slot),
        };
        add("slot", rows.iter().map(key).collect(), &|key| key.to_string(), false);
    }
    let advertisers = &inputs.advertisers;
    if !advertisers.codes.is_empty() {
        let keys = rows.iter().map(|&row| advertisers.codes[item(row)]).collect();
        add("advertiser", keys, &|key| advertisers.names.name(key).to_owned(), true);
    }
    out
}
