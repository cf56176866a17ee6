//! What the page of a ranking task says beside its figures: the data, the settings, and the rows with the highest predictions.

use super::ranking::{Example, Facts, PointwiseReport};
use super::words::{shown_settings, when};
use crate::Done;
use crate::response::{Found, Inputs, ScoredRows};
use semrank_core::counted;
use semrank_data::Part;
use semrank_response::PointwiseFacts;

/// Rows shown.
const SHOWN: usize = 12;

/// Of a run of `task=ctr` or `task=oc`; `stages` are those before the report.
pub fn of_response<'a>(
    inputs: &Inputs,
    model: &'a PointwiseFacts,
    found: &'a Found,
    stages: &[Done],
) -> PointwiseReport<'a> {
    PointwiseReport {
        evaluation: &found.evaluation,
        curve: &model.curve,
        days: &model.days,
        facts: Facts {
            data: data(inputs),
            settings: settings(inputs),
            examples: examples(inputs, &found.scores.all),
        },
        timings: stages.iter().map(|done| (done.stage.to_owned(), done.timing.seconds)).collect(),
    }
}

fn data(inputs: &Inputs) -> Vec<(String, String)> {
    let (dataset, examples) = (&inputs.data.dataset, inputs.examples);
    let mut out = vec![
        ("data set".into(), dataset.meta.name.clone()),
        ("content hash".into(), inputs.data.hash.clone()),
        ("users".into(), examples.user_names.len().to_string()),
        ("items".into(), dataset.catalog.len().to_string()),
        ("events in histories".into(), dataset.events.len().to_string()),
    ];
    for part in Part::ALL {
        let rows: Vec<usize> = examples.rows(part).collect();
        let Some((&first, &last)) = rows.first().zip(rows.last()) else { continue };
        let clicks = rows.iter().filter(|&&row| examples.clicks[row]).count();
        let mut value = format!("{}, {clicks} positive", counted(rows.len(), "row", "rows"));
        if dataset.events.timed() {
            value += &format!(", {} to {}", when(examples.times[first]), when(examples.times[last]));
        }
        out.push((part.name().into(), value));
    }
    out
}

/// The seed, and what a reader wants to know first; the run's manifest has everything.
fn settings(inputs: &Inputs) -> Vec<(String, String)> {
    let keys = [
        ("content", "encoder"),
        ("model", "content"),
        ("pointwise", "prefixes"),
        ("pointwise", "dim"),
        ("pointwise", "rate"),
        ("train", "delay"),
    ];
    shown_settings(inputs.config(), inputs.seed(), &keys)
}

fn examples(inputs: &Inputs, measured: &ScoredRows) -> Vec<Example> {
    let (dataset, examples) = (&inputs.data.dataset, inputs.examples);
    let mut order: Vec<usize> = (0..measured.rows.len()).collect();
    order.sort_by(|&a, &b| measured.scores[b].total_cmp(&measured.scores[a]).then(a.cmp(&b)));
    let mut seen = std::collections::BTreeSet::new();
    let of_new_user = order.into_iter().filter(|&at| seen.insert(measured.users[at])).take(SHOWN);
    let example = |at: usize| {
        let row = measured.rows[at] as usize;
        let item = examples.items[row];
        Example {
            user: examples.user_names.name(examples.users[row].0).to_owned(),
            item: dataset.catalog.name(item).to_owned(),
            text: dataset.catalog.label(item),
            when: if dataset.events.timed() { when(examples.times[row]) } else { String::new() },
            score: measured.scores[at],
            label: measured.labels[at],
        }
    };
    of_new_user.map(example).collect()
}
