//! What a next-item run shows: training curve, model beside baselines, segments, and a few users with what they are
//! recommended.

use super::content::{
    DatasetFacts, Epoch, MODEL, Past, Recommended, Report, ResultRow, SegmentFacts, UserExample,
};
use super::words::{policy, shown_settings, when};
use crate::next_item::{Evaluation, Extra, ModelView, Recommendation, Recommender, kind};
use crate::{Data, Done, Error, Run};
use semrank_core::{ItemId, Kind, Segment};
use semrank_data::{Case, SplitKind};
use semrank_measure::ranking as metrics;

/// Users shown, and how much of them.
const USERS: usize = 6;
const SHOWN_EVENTS: usize = 8;
const SHOWN_ITEMS: usize = 8;

/// Of a run of `task=next-item`, with `extra` rows beside those of the evaluation.
///
/// # Errors
/// Scores that are not numbers.
pub fn of_next_item(run: &Run, evaluation: &Evaluation, extra: &[Extra]) -> Result<Report, Error> {
    let (view, stages) = (run.model()?, run.stages());
    let facts = &view.model.facts;
    let mut rows: Vec<ResultRow> = evaluation.rows.iter().map(|of| row(evaluation, of)).collect();
    rows.extend(extra.iter().map(|extra| ResultRow {
        name: extra.name.clone(),
        protocol: "strict".into(),
        metrics: extra.metrics,
        segments: Vec::new(),
        intervals: None,
    }));
    let differences = evaluation.differences.iter();
    let mut notes = evaluation.warnings.clone();
    notes.push(policy(&facts.blend));
    notes.extend(evaluation.protocol.iter().cloned());
    if evaluation.without_history > 0 {
        notes.push(format!("{} targets have no history and are left out.", evaluation.without_history));
    }
    Ok(Report {
        title: view.data.dataset.meta.name.clone(),
        subtitle: "A sequence model over ids and texts, next to simple baselines.".into(),
        footer: format!("semrank {}", env!("CARGO_PKG_VERSION")),
        dataset: dataset(view.data),
        settings: settings(run),
        curve: facts.curve.iter().enumerate().map(|(at, epoch)| curve(&stages, at, epoch)).collect(),
        best_epoch: (facts.best_epoch > 0).then_some(facts.best_epoch as usize),
        rows,
        differences: differences.filter_map(|of| Some((of.baseline.clone(), of.ndcg_10?))).collect(),
        tokens: None,
        users: examples(view)?,
        timings: timings(&stages),
        notes,
    })
}

fn row(evaluation: &Evaluation, row: &metrics::ResultRow) -> ResultRow {
    let of_model = evaluation.intervals.iter().find(|of| row.name == MODEL && of.protocol == row.protocol);
    let segment = |segment: &Segment| (segment.name().to_owned(), *row.segments.of(*segment));
    ResultRow {
        name: row.name.clone(),
        protocol: match row.protocol {
            metrics::Protocol::Strict => "strict".into(),
            metrics::Protocol::Filtered => "filtered".into(),
        },
        metrics: row.all,
        segments: Segment::ALL.iter().map(segment).collect(),
        intervals: of_model.map(|found| found.of),
    }
}

fn curve(stages: &[Done], at: usize, epoch: &semrank_sequence::EpochReport) -> Epoch {
    let times = stages.iter().find_map(|done| done.timing.epochs.get(at));
    Epoch {
        epoch: epoch.epoch as usize,
        train_loss: epoch.loss,
        ndcg_10: epoch.ndcg_10,
        recall_10: epoch.recall_10,
        seconds: times.map_or(0.0, |[train, validation]| train + validation),
    }
}

fn dataset(data: &Data) -> DatasetFacts {
    let (dataset, split) = (&data.dataset, &data.split);
    let segments = data.segments();
    let facts = |segment: &Segment| SegmentFacts {
        name: segment.name().into(),
        items: segments.iter().filter(|of| *of == segment).count(),
        targets: split.test.iter().filter(|case| segments[case.target.index()] == *segment).count(),
    };
    DatasetFacts {
        name: dataset.meta.name.clone(),
        users: dataset.users.len(),
        items: dataset.catalog.len(),
        ads: dataset.catalog.kinds.iter().filter(|kind| **kind == Kind::Ad).count(),
        events: dataset.events.len(),
        split: match split.kind {
            SplitKind::LeaveOneOut => "leave-one-out: last event = test, second last = validation".into(),
            SplitKind::Time => "time: cuts at the 80 % and 90 % quantiles of event time".into(),
        },
        segments: Segment::ALL.iter().map(facts).collect(),
    }
}

fn settings(run: &Run) -> Vec<(String, String)> {
    let keys = [
        ("model", "dim"),
        ("model", "blocks"),
        ("model", "history"),
        ("model", "dropout"),
        ("train", "loss"),
        ("train", "negatives"),
        ("train", "batch"),
        ("train", "rate"),
        ("features", "dim"),
    ];
    shown_settings(run.config(), run.seed(), &keys)
}

fn timings(stages: &[Done]) -> Vec<(String, f64)> {
    let mut out = Vec::new();
    for done in stages {
        if done.timing.parts.is_empty() {
            out.push((done.stage.to_owned(), done.timing.seconds));
        }
        out.extend(done.timing.parts.iter().map(|(part, seconds)| (part.clone(), *seconds)));
    }
    out
}

/// Test users spread evenly over all of them.
fn examples(view: ModelView) -> Result<Vec<UserExample>, Error> {
    let cases = &view.data.split.test;
    let step = (cases.len() / USERS).max(1);
    let recommender = Recommender::new(view);
    cases.iter().step_by(step).take(USERS).map(|case| example(view.data, &recommender, case)).collect()
}

fn example(data: &Data, recommender: &Recommender, case: &Case) -> Result<UserExample, Error> {
    let dataset = &data.dataset;
    let history = case.history(&dataset.events).last(SHOWN_EVENTS);
    let past = |at: usize| {
        let item = history.items[at];
        Past {
            item: dataset.catalog.name(item).to_owned(),
            text: dataset.catalog.label(item),
            kind: kind(dataset.catalog.kinds[item.index()]).into(),
            action: dataset.actions.name(u32::from(history.actions[at].0)).to_owned(),
            when: if dataset.events.timed() { when(history.times[at]) } else { String::new() },
        }
    };
    let whole = case.history(&dataset.events);
    let found = recommender.best((case.user, whole), SHOWN_ITEMS, |_| true)?;
    Ok(UserExample {
        user: dataset.users.name(case.user.0).to_owned(),
        history: (0..history.len()).map(past).collect(),
        recommendations: found.into_iter().map(|found| recommended(found, case.target)).collect(),
    })
}

fn recommended(found: Recommendation, target: ItemId) -> Recommended {
    let parts = found.parts.unwrap_or_default();
    let mut sources = vec![("network".to_owned(), f64::from(parts.network))];
    for (name, share) in [
        ("item-item", parts.item_item),
        ("content", parts.content),
        ("popularity", parts.popularity),
        ("seen", parts.seen),
    ] {
        if share != 0.0 {
            sources.push((name.into(), f64::from(share)));
        }
    }
    Recommended {
        rank: found.rank,
        hit: found.row == target,
        item: found.item,
        text: found.text,
        kind: found.kind.into(),
        score: f64::from(found.score),
        sources,
    }
}
