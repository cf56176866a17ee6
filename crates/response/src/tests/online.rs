//! Offline = online: a server that receives requests and labels one by one reads what training read; a saved state goes on with
//! the same bits; a score depends on its request and the state alone; unknown users and items have defined results.

use super::*;
use crate::testing::serve;

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn world(rows: usize) -> World {
    World::new(rows, 4).logging_hours(3).disordered(4)
}

#[test]
fn ten_thousand_requests_with_late_labels_read_what_training_read() {
    let world = world(10_000);
    let settings = PointwiseSettings { known: Known::Past, epochs: 1, min_steps: 0, ..small() };
    let contexts = Contexts::new(&world.examples, &world.dataset.catalog, &settings);
    world.with_trainer((&settings, &TrainSettings::default()), |mut trainer| {
        let mut state = trainer.features.state().clone();
        trainer.fit(&mut |_, _| true).unwrap();
        let rows: Vec<usize> = (0..10_000).collect();
        let scores = trainer.score(&rows, Position::Logged).unwrap();
        let model = trainer.model().with_position(Position::Logged);
        let mut late = 0;
        serve(world.log(), &contexts, &mut state, (0..10_000, Known::Past), |row, state, request| {
            let mut features = Vec::new();
            state.features(&[*request], &mut features);
            assert_eq!(bits(&features), bits(trainer.features.of(row)), "features of row {row}");
            let (got, want) = (model.predict(state, &[*request])[0], scores[row]);
            let apart = (got.click() - want.click()).abs().max((got.conversion() - want.conversion()).abs());
            assert!(apart < 1e-6, "row {row}: {got:?}, {want:?}");
            late += usize::from(world.labels().late_click(row).is_some());
        });
        assert!(late > 100, "{late} late clicks");
    });
}

#[test]
fn a_saved_state_goes_on_with_the_same_bits() {
    let world = world(3000);
    for (known, train) in [
        (Known::Earlier, TrainSettings::default()),
        (Known::Past, once(Delay::Window)),
        (Known::Past, TrainSettings::default()),
    ] {
        let settings = PointwiseSettings { known, epochs: 1, min_steps: 0, ..small() };
        let contexts = Contexts::new(&world.examples, &world.dataset.catalog, &settings);
        world.with_trainer((&settings, &train), |mut trainer| {
            trainer.fit(&mut |_, _| true).unwrap();
            let dir = tempfile::tempdir().unwrap();
            trainer.save(dir.path()).unwrap();
            let items = Arc::new(world.items.clone());
            let mut state = FeatureState::load(dir.path(), items.clone()).unwrap();
            let model = ResponseModel::load(dir.path(), items.clone()).unwrap();
            let rows: Vec<usize> = world.examples.rows(Part::Test).collect();
            let scores = trainer.score(&rows, Position::Neutral).unwrap();
            serve(world.log(), &contexts, &mut state, (rows[0]..3000, known), |row, state, request| {
                let mut features = Vec::new();
                state.features(&[*request], &mut features);
                assert_eq!(bits(&features), bits(trainer.features.of(row)), "row {row}, {known:?}");
                assert_eq!(model.predict(state, &[*request])[0], scores[row - rows[0]]);
                // In the middle of everything, too.
                if row == rows[0] + 130 {
                    state.save(dir.path()).unwrap();
                }
            });
            let again = FeatureState::load(dir.path(), items).unwrap();
            let mut features = [Vec::new(), Vec::new()];
            let rest = rows[0] + 130..3000;
            serve(world.log(), &contexts, &mut again.clone(), (rest, known), |_, state, request| {
                state.features(&[*request], &mut features[0]);
            });
            (rows[0] + 130..3000).for_each(|row| features[1].extend_from_slice(trainer.features.of(row)));
            assert_eq!(bits(&features[0]), bits(&features[1]), "{known:?}");
        });
    }
}

#[test]
fn three_hundred_candidates_score_as_each_alone() {
    let world = world(2000);
    let settings = PointwiseSettings { epochs: 1, min_steps: 0, ..small() };
    world.with_trainer((&settings, &TrainSettings::default()), |mut trainer| {
        trainer.fit(&mut |_, _| true).unwrap();
        let (model, state) = (trainer.model(), trainer.snapshot().clone());
        let row = trainer.data.request(1999);
        let candidate = |at: usize| {
            let (item, user) = (ItemId((at % ITEMS) as u32), UserId((at / 100) as u32));
            Request { user, item, slot: (at % 5) as u16, time: row.time + at as i64, ..row }
        };
        let requests: Vec<Request> = (0..300).map(candidate).collect();
        let together = model.predict(&state, &requests);
        for (request, together) in requests.iter().zip(&together) {
            assert_eq!(model.predict(&state, &[*request])[0], *together, "{request:?}");
        }
        let clicks: Vec<f64> = together.iter().map(Score::click).collect();
        assert!(clicks.iter().any(|click| *click != clicks[0]));
    });
}

#[test]
fn users_and_items_that_nobody_knows_have_defined_scores() {
    let world = world(2000);
    let settings = PointwiseSettings { known: Known::Past, epochs: 1, min_steps: 0, ..small() };
    world.with_trainer((&settings, &TrainSettings::default()), |mut trainer| {
        trainer.fit(&mut |_, _| true).unwrap();
        let (mut model, mut state) = (trainer.model(), trainer.snapshot().clone());
        let known = trainer.data.request(1999);
        let features = |state: &FeatureState, request: &Request| {
            let mut out = Vec::new();
            state.features(&[*request], &mut out);
            assert!(out.iter().all(|value| value.is_finite()), "{out:?}");
            out
        };
        // All that is unknown is alike, and is not counted for anyone.
        let [one, other] = [99, u32::MAX].map(|user| Request { user: UserId(user), ..known });
        assert_eq!(features(&state, &one), features(&state, &other));
        assert_ne!(features(&state, &one), features(&state, &known));
        let [strange, stranger] = [77, u32::MAX].map(|item| Request { item: ItemId(item), ..known });
        assert_eq!(model.predict(&state, &[strange]), model.predict(&state, &[stranger]));
        let nothing = Request { events: Events::NONE, contexts: &[], slot: NO_SLOT, ..stranger };
        let unheard = Request { contexts: &[999, 999], ..nothing };
        let scores = model.predict(&state, &[nothing, unheard]);
        assert!(scores[0].not_finite().is_none() && scores[0] == scores[1], "{scores:?}");
        let mut told = state.clone();
        told.shown(&other, Some(9000));
        assert!(told.observe(LabelEvent { impression: 9000, label: Label::Clicked { convertible: false } }));
        let label = LabelEvent { impression: 9000, label: Label::NotClicked };
        assert!(!told.observe(label), "it was clicked");
        assert!(!told.observe(LabelEvent { impression: 9001, ..label }), "it was not shown");
        told.forget(9000);
        assert_eq!(features(&told, &one)[1..3], features(&state, &one)[1..3], "still nothing of the user");

        // An item that is put in later is its content, as an item that training knew would be.
        let mut more = world.items.clone();
        more.content.extend_from_within(..WIDTH);
        more.advertisers.push(more.advertisers[0]);
        more.kinds.push(more.kinds[0]);
        more.known.push(false);
        let more = Arc::new(more);
        state.grow(100, more.clone());
        model.set_items(more);
        let [old, new] = [0, ITEMS as u32].map(|item| Request { item: ItemId(item), ..known });
        let (of_old, of_new) = (features(&state, &old), features(&state, &new));
        let compared = state.counted_width();
        assert_eq!(of_old[compared..], of_new[compared..], "taste, similarities and history");
        assert_ne!(of_old[..compared], of_new[..compared], "labels of its own");
        assert!(model.predict(&state, &[new])[0].not_finite().is_none());
        state.shown(&one, Some(9000));
        assert!(state.observe(LabelEvent { impression: 9000, label: Label::Clicked { convertible: false } }));
        let after = features(&state, &one);
        assert_ne!(after[1..3], features(&told, &one)[1..3], "there is room for the user now");
    });
}

#[test]
fn a_state_of_another_catalogue_or_a_damaged_one_is_refused() {
    let world = world(600);
    let settings = PointwiseSettings { epochs: 1, min_steps: 0, ..small() };
    world.with_trainer((&settings, &TrainSettings::default()), |mut trainer| {
        let dir = tempfile::tempdir().unwrap();
        trainer.save(dir.path()).unwrap();
        let mut fewer = world.items.clone();
        fewer.kinds.pop();
        fewer.content.truncate(fewer.kinds.len() * WIDTH);
        let said = FeatureState::load(dir.path(), Arc::new(fewer)).unwrap_err().to_string();
        assert!(said.contains("the number of items is 12, expected 11"), "{said}");
        let items = Arc::new(world.items.clone());
        let path = dir.path().join("features.json");
        let facts = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, facts.replace("\"affinity\": 100", "\"affinity\": 0")).unwrap();
        let said = FeatureState::load(dir.path(), items.clone()).unwrap_err().to_string();
        assert!(said.contains("past.lengths"), "{said}");
        std::fs::write(&path, facts).unwrap();
        let path = dir.path().join("features.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let said = FeatureState::load(dir.path(), items).unwrap_err().to_string();
        assert!(said.contains("cut short"), "{said}");
    });
}
