//! What the page of a ranking task says beside its figures: the data, the settings, and the rows with the highest predictions.

use super::super::page::shown_settings;
use super::Prepared;
use super::scores::ScoredRows;
use crate::recommend::when;
use semrank_data::Part;

/// Rows shown.
const SHOWN: usize = 12;

/// The facts of one run.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Name and value.
    pub(crate) data: Vec<(String, String)>,
    /// Name and value.
    pub(crate) settings: Vec<(String, String)>,
    /// The measured rows with the highest predictions, one per user.
    pub(crate) examples: Vec<Example>,
}

/// A row with its prediction.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) user: String,
    pub(crate) item: String,
    pub(crate) text: String,
    pub(crate) when: String,
    pub(crate) score: f64,
    pub(crate) label: bool,
}

impl Facts {
    pub(super) fn of(prepared: &Prepared, measured: &ScoredRows) -> Facts {
        Facts { data: data(prepared), settings: settings(prepared), examples: examples(prepared, measured) }
    }
}

fn data(prepared: &Prepared) -> Vec<(String, String)> {
    let (dataset, examples) = (&prepared.data.dataset, &prepared.examples);
    let mut out = vec![
        ("data set".into(), dataset.meta.name.clone()),
        ("content hash".into(), prepared.data.hash.clone()),
        ("users".into(), examples.user_names.len().to_string()),
        ("items".into(), dataset.catalog.len().to_string()),
        ("events in histories".into(), dataset.events.len().to_string()),
    ];
    for part in Part::ALL {
        let rows: Vec<usize> = examples.rows(part).collect();
        let Some((&first, &last)) = rows.first().zip(rows.last()) else { continue };
        let clicks = rows.iter().filter(|&&row| examples.clicks[row]).count();
        let mut value = format!("{} rows, {clicks} positive", rows.len());
        if dataset.events.timed() {
            value += &format!(", {} to {}", when(examples.times[first]), when(examples.times[last]));
        }
        out.push((part.name().into(), value));
    }
    out
}

/// The seed, and what a reader wants to know first; the run's manifest has everything.
fn settings(prepared: &Prepared) -> Vec<(String, String)> {
    let keys = [
        ("content", "encoder"),
        ("model", "content"),
        ("model", "prefixes"),
        ("pointwise", "dim"),
        ("pointwise", "rate"),
        ("train", "delay"),
    ];
    shown_settings(&prepared.config, prepared.seed, &keys)
}

fn examples(prepared: &Prepared, measured: &ScoredRows) -> Vec<Example> {
    let (dataset, examples) = (&prepared.data.dataset, &prepared.examples);
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
