//! The promise that a server reads what training read: on a simulated market whose log has labels late, a server that starts from the
//! saved state and receives events, requests and labels one by one, in time order, has the features of the test rows to the bit
//! and their scores.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::succeed;
use semrank_core::{ActionId, History, ItemId, Rng};
use semrank_data::{Dataset, Examples, FitScope, Labels, Part};
use semrank_response::{
    Contexts, Events, FeatureState, Goal, Items, Known, Label, LabelEvent, NO_SLOT, PointwiseSettings,
    PointwiseTask, PointwiseTrainer, Position, Request, ResponseModel,
};
use semrank_tower::{ModelSettings, TrainSettings};
use std::path::Path;
use std::sync::Arc;

const WIDTH: usize = 16;
const ADVERTISERS: u32 = 20;

/// Examples of a market: a tenth of the log arrives late, and all of it an hour later.
fn market(dir: &Path) -> (Dataset, Examples) {
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let (raw, out) = (path("raw"), path("data"));
    let sizes = ["--impressions", "36000", "--users", "600", "--disordered", "0.1"];
    succeed(["simulate", "--out", &raw].into_iter().chain(sizes));
    succeed(["prep", "--data", &raw, "--out", &out, "--logging-delay-seconds", "3600"]);
    let dataset = Dataset::open(Path::new(&out)).unwrap();
    let examples = Examples::open(Path::new(&out), &dataset).unwrap();
    (dataset, examples)
}

/// Items with made-up contents and advertisers.
fn items(dataset: &Dataset) -> Items {
    let mut rng = Rng::new(1, "contents");
    let count = dataset.catalog.len();
    let mut content: Vec<f32> = (0..count * WIDTH).map(|_| rng.normal() as f32).collect();
    for vector in content.chunks_exact_mut(WIDTH) {
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|x| *x /= length);
    }
    Items {
        content,
        advertisers: (0..count as u32).map(|item| item % ADVERTISERS).collect(),
        prefixes: None,
        kinds: dataset.catalog.kinds.clone(),
        known: vec![true; count],
    }
}

/// What a server remembers of a user, event by event.
#[derive(Default, Clone)]
struct Memory {
    items: Vec<ItemId>,
    actions: Vec<ActionId>,
    times: Vec<i64>,
    dwells: Vec<i32>,
}

impl Memory {
    fn push(&mut self, dataset: &Dataset, at: usize) {
        let event = dataset.events.event(at);
        self.items.push(event.item);
        self.actions.push(event.action);
        self.times.push(event.time);
        self.dwells.push(dataset.events.dwells().get(at).copied().unwrap_or(-1));
    }

    fn events(&self) -> Events<'_> {
        let history = History { items: &self.items, actions: &self.actions, times: &self.times };
        Events { history, dwells: &self.dwells, ..Events::NONE }
    }
}

/// Labels of a row with the times at which they are known, in their order.
fn labels_of(labels: &Labels, row: usize) -> Vec<(i64, usize, u8, Label)> {
    let clicked = Label::Clicked { convertible: labels.may_convert(row) };
    let (known, click) = labels.click_known(row);
    let mut out = vec![(known, row, 0, if click { clicked } else { Label::NotClicked })];
    out.extend(labels.late_click(row).map(|known| (known, row, 1, clicked)));
    if labels.may_convert(row) {
        out.extend(labels.conversion_known(row).map(|known| (known, row, 2, Label::Converted)));
        out.push((labels.matured_known(row), row, 3, Label::Matured));
    }
    out
}

#[test]
fn a_server_reads_of_ten_thousand_requests_what_the_evaluation_read() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, examples) = market(dir.path());
    let items = Arc::new(items(&dataset));
    let settings =
        PointwiseSettings { known: Known::Past, epochs: 1, min_steps: 0, ..PointwiseSettings::default() };
    let contexts = Contexts::new(&examples, &dataset.catalog, &settings);
    let (scope, model) = (FitScope::of_examples(&dataset, &examples), ModelSettings::default());
    let train = TrainSettings::default();
    let mut trainer = PointwiseTrainer::new(&PointwiseTask {
        dataset: &dataset,
        examples: &examples,
        scope: &scope,
        items: &items,
        contexts: &contexts,
        model: &model,
        train: &train,
        settings: &settings,
        goal: Goal::Oc,
        seed: 1,
    });
    trainer.fit(&mut |_, _| true).unwrap();
    trainer.save(dir.path()).unwrap();
    let rows: Vec<usize> = examples.rows(Part::Test).collect();
    assert!(rows.len() >= 10_000 && rows.iter().copied().eq(rows[0]..examples.len()), "{}", rows.len());
    let scores = trainer.score(&rows, Position::Logged).unwrap();

    let mut state = FeatureState::load(dir.path(), items.clone()).unwrap();
    let model = ResponseModel::load(dir.path(), items.clone()).unwrap().with_position(Position::Logged);
    let labels = Labels::new(&dataset, &examples);
    let mut told: Vec<_> = (0..examples.len()).flat_map(|row| labels_of(&labels, row)).collect();
    told.sort_by_key(|&(known, row, order, _)| (known, row, order));
    let mut told = told.into_iter().filter(|label| label.0 >= examples.times[rows[0]]).peekable();
    let (mut users, mut observed) = (vec![Memory::default(); examples.user_names.len()], 0);
    for (&row, score) in rows.iter().zip(&scores) {
        while let Some((_, of, _, label)) = told.next_if(|label| label.0 < examples.times[row]) {
            assert!(state.observe(LabelEvent { impression: of as u64, label }), "{label:?} of row {of}");
            observed += 1;
        }
        state.refresh();
        let user = examples.users[row];
        let memory = &mut users[user.index()];
        for event in memory.items.len()..examples.history_ends[row] as usize {
            memory.push(&dataset, dataset.events.range(user).start + event);
        }
        let request = Request {
            user,
            item: examples.items[row],
            time: examples.times[row],
            slot: examples.slots.get(row).copied().unwrap_or(NO_SLOT),
            events: memory.events(),
            contexts: contexts.codes(row),
            related: contexts.related(row),
        };
        let mut features = Vec::new();
        state.features(&[request], &mut features);
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&features), bits(trainer.features_of(row)), "features of row {row}");
        assert_eq!(model.predict(&state, &[request])[0], *score, "score of row {row}");
        state.shown(&request, Some(row as u64));
    }
    let late = rows.iter().filter(|&&row| labels.late_click(row).is_some()).count();
    println!("{} requests, {observed} labels on the way, {late} late clicks", rows.len());
    assert!(observed > 10_000 && late > 0, "{observed} labels, {late} late");
}
