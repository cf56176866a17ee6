//! The promise that a server reads what training read: on a simulated market whose log has labels late, a server that starts from the
//! saved state and receives events, requests and labels one by one, in time order, has the features of the test rows to the bit
//! and their scores.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::succeed;
use semrank_core::Rng;
use semrank_data::{Dataset, Examples, Labels, Part};
use semrank_response::{
    FeatureState, Items, Known, PointwiseSettings, PointwiseTrainer, Position, ResponseModel, testing,
};
use semrank_tower::TrainSettings;
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
    let count = dataset.catalog.len();
    Items {
        content: testing::contents(count, WIDTH, &mut Rng::new(1, "contents")),
        advertisers: (0..count as u32).map(|item| item % ADVERTISERS).collect(),
        prefixes: None,
        kinds: dataset.catalog.kinds.clone(),
        known: vec![true; count],
    }
}

#[test]
fn a_server_reads_of_ten_thousand_requests_what_the_evaluation_read() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, examples) = market(dir.path());
    let items = Arc::new(items(&dataset));
    let settings =
        PointwiseSettings { known: Known::Past, epochs: 1, min_steps: 0, ..PointwiseSettings::default() };
    let train = TrainSettings::default();
    testing::with_task((&dataset, &examples, &items), (&settings, &train), 1, |task| {
        let mut trainer = PointwiseTrainer::new(task);
        trainer.fit(&mut |_, _| true).unwrap();
        trainer.save(dir.path()).unwrap();
        let rows: Vec<usize> = examples.rows(Part::Test).collect();
        let first = rows[0];
        assert!(rows.len() >= 10_000 && rows.iter().copied().eq(first..examples.len()), "{}", rows.len());
        let scores = trainer.score(&rows, Position::Logged).unwrap();

        let mut state = FeatureState::load(dir.path(), items.clone()).unwrap();
        let model = ResponseModel::load(dir.path(), items.clone()).unwrap().with_position(Position::Logged);
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        let (log, served) = ((&dataset, &examples), (first..examples.len(), Known::Past));
        let observed = testing::serve(log, task.contexts, &mut state, served, |row, state, request| {
            let mut features = Vec::new();
            state.features(&[*request], &mut features);
            assert_eq!(bits(&features), bits(trainer.features_of(row)), "features of row {row}");
            assert_eq!(model.predict(state, &[*request])[0], scores[row - first], "score of row {row}");
        });
        let labels = Labels::new(&dataset, &examples);
        let late = rows.iter().filter(|&&row| labels.late_click(row).is_some()).count();
        println!("{} requests, {observed} labels on the way, {late} late clicks", rows.len());
        assert!(observed > 10_000 && late > 0, "{observed} labels, {late} late");
    });
}
