//! What a training learns, by epochs and in one pass; that it goes on where it stopped, and that a saved model is the same.

use super::*;

#[test]
fn a_loaded_model_scores_as_the_trained_one_and_keeps_no_training_row() {
    let world = World::new(900, 10);
    let rows: Vec<usize> = world.examples.rows(Part::Test).collect();
    let dir = tempfile::tempdir().unwrap();
    let trained = world.with_trainer((&small(), &once(Delay::DelayModel)), |mut trainer| {
        assert!(trainer.fit(&mut |_, _| true).unwrap());
        trainer.save(dir.path()).unwrap();
        trainer.score(&rows, Position::Logged).unwrap()
    });
    let others = world.examples.len() - world.examples.rows(Part::Train).count();
    world.with_task((&small(), &once(Delay::DelayModel)), |task| {
        let (mut loaded, _) = PointwiseTrainer::load(task, dir.path()).unwrap();
        assert_eq!(loaded.score(&rows, Position::Logged).unwrap(), trained);
        assert_eq!(loaded.features.room(), others, "rows of validation and test");
    });
}

/// A policy that shows item 0 to those who like it: what is learned of it without weights is how they like it, with weights how
/// all do.
#[test]
fn inverse_propensities_undo_what_the_logging_policy_preferred() {
    let rows = 6000;
    let mut world = World::new(rows, 9);
    let mut rng = Rng::new(9, "policy");
    let examples = &mut world.examples;
    examples.slots = Vec::new();
    for row in 0..rows {
        let fan = examples.users[row].0.is_multiple_of(2);
        let shown = rng.unit() < if fan { 0.9 } else { 0.1 };
        examples.items[row] = ItemId(if shown { 0 } else { 1 });
        examples.propensities.push(if shown == fan { 0.9 } else { 0.1 });
        examples.clicks[row] = rng.unit() < if shown && fan { 0.6 } else { 0.1 };
    }
    // Nothing but the item tells rows apart.
    let settings = PointwiseSettings {
        reads_history: false,
        reads_time: false,
        counts: false,
        position: false,
        dropout: 0.0,
        id_dropout: 0.0,
        table_rate: 1e-2,
        ..small()
    };
    world.examples.surfaces = Vec::new();
    let learned = |propensity_weight: bool| {
        let settings = PointwiseSettings { propensity_weight, ..settings.clone() };
        world.with_trainer((&settings, &TrainSettings::default()), |mut trainer| {
            assert!(trainer.fit(&mut |_, _| true).unwrap());
            let of = |item: u32| (0..rows).find(|&row| world.examples.items[row].0 == item).unwrap();
            trainer
                .score(&[of(0), of(1)], Position::Logged)
                .unwrap()
                .iter()
                .map(|score| score.click())
                .collect::<Vec<_>>()
        })
    };
    let (plain, weighted) = (learned(false), learned(true));
    // 0.9 of item 0's rows are fans': 0.55. Shown to all alike it is clicked by 0.35; item 1 by 0.1 either way.
    assert!((plain[0] - 0.55).abs() < 0.05, "{plain:?}");
    assert!((weighted[0] - 0.35).abs() < 0.05 && (weighted[1] - 0.1).abs() < 0.04, "{weighted:?}");
}

#[test]
fn thinned_negatives_are_made_up_for() {
    let world = World::new(6000, 12);
    let settings = PointwiseSettings { keep_negatives: 0.2, rate: 3e-3, epochs: 4, ..small() };
    let clicks = |part| world.examples.rows(part).filter(|&row| world.examples.clicks[row]).count() as f64;
    let of = |part| world.examples.rows(part).count() as f64;
    for train in [once(Delay::DelayModel), TrainSettings::default()] {
        world.with_trainer((&settings, &train), |mut trainer| {
            assert!(trainer.fit(&mut |_, _| true).unwrap());
            let heads = &trainer.curve()[0].heads;
            let samples = heads.iter().find(|head| head.head == "click").unwrap().samples as f64;
            let expected = clicks(Part::Train) + 0.2 * (of(Part::Train) - clicks(Part::Train));
            assert!((samples / expected - 1.0).abs() < 0.05, "{samples} samples, about {expected} expected");
            let rows: Vec<usize> = world.examples.rows(Part::Test).collect();
            let scores = trainer.score(&rows, Position::Logged).unwrap();
            let ratio = scores.iter().map(|score| score.click()).sum::<f64>() / clicks(Part::Test);
            assert!((ratio - 1.0).abs() < 0.2, "{ratio} of the clicks are predicted");
        });
    }
}

/// Epochs and one pass, stopped after each report in turn and continued by another trainer.
#[test]
fn a_training_goes_on_from_its_state_to_the_same_bytes() {
    let world = World::new(900, 8);
    let bits = |trainer: &PointwiseTrainer| {
        let values = trainer.network().weights.values();
        values.flat_map(|(_, values)| values.iter().map(|value| value.to_bits())).collect::<Vec<u32>>()
    };
    for train in [once(Delay::Elapsed), TrainSettings::default()] {
        let settings = PointwiseSettings { rate: 3e-3, patience: 2, epochs: 5, ..small() };
        let (whole, facts, reports) = world.with_trainer((&settings, &train), |mut trainer| {
            let mut reports = 0;
            let finished = trainer.fit(&mut |_, _| {
                reports += 1;
                true
            });
            assert!(finished.unwrap());
            (bits(&trainer), trainer.facts(), reports)
        });
        for stop in 1..=reports {
            let dir = tempfile::tempdir().unwrap();
            world.with_trainer((&settings, &train), |mut trainer| {
                let mut seen = 0;
                let finished = trainer.fit(&mut |trainer, _| {
                    seen += 1;
                    trainer.save_state(dir.path()).unwrap();
                    seen < stop
                });
                assert!(!finished.unwrap());
            });
            world.with_trainer((&settings, &train), |mut trainer| {
                trainer.restore_state(dir.path()).unwrap();
                assert!(trainer.step() > 0 && trainer.fit(&mut |_, _| true).unwrap());
                assert_eq!(
                    bits(&trainer),
                    whole,
                    "stopped after report {stop} of {reports}, {:?}",
                    train.stream
                );
                assert_eq!(trainer.facts(), facts, "stopped after report {stop}");
            });
        }
    }
}

#[test]
fn training_finds_what_pleases_and_where_it_was_shown() {
    let mut world = World::new(6000, 4);
    // The last two rows differ in their slots only.
    let (first, last) = (5998, 5999);
    let examples = &mut world.examples;
    (examples.users[last], examples.items[last]) = (examples.users[first], examples.items[first]);
    (examples.times[last], examples.history_ends[last]) =
        (examples.times[first], examples.history_ends[first]);
    examples.surfaces[last] = examples.surfaces[first];
    (examples.slots[first], examples.slots[last]) = (0, 2);
    let settings = PointwiseSettings { rate: 3e-3, epochs: 6, ..small() };
    world.with_trainer((&settings, &TrainSettings::default()), |mut trainer| {
        assert!(trainer.fit(&mut |_, _| true).unwrap());
        let rows: Vec<usize> = world.examples.rows(Part::Test).collect();
        let scores = trainer.score(&rows, Position::Logged).unwrap();
        let mean = |like: bool| {
            let alike = |row: usize| world.examples.users[row].0 % 2 == world.examples.items[row].0 % 2;
            let of = rows.iter().zip(&scores).filter(|(row, _)| alike(**row) == like);
            let clicks: Vec<f64> = of.map(|(_, score)| score.click()).collect();
            clicks.iter().sum::<f64>() / clicks.len() as f64
        };
        assert!(mean(true) > mean(false) + 0.15, "{} {}", mean(true), mean(false));
        let effects = trainer.network().slot_effects();
        assert!(effects[1] > effects[3], "the first slot is the best: {effects:?}");
        let logged = trainer.score(&[first, last], Position::Logged).unwrap();
        let neutral = trainer.score(&[first, last], Position::Neutral).unwrap();
        assert_eq!(neutral[0], neutral[1]);
        assert!(
            logged[0].click() > neutral[0].click() && neutral[1].click() > logged[1].click(),
            "{logged:?} {neutral:?}"
        );
        let last = trainer.curve().last().unwrap();
        let names: Vec<&str> = last.heads.iter().map(|head| head.head.as_str()).collect();
        assert_eq!(names, ["click", "conversion", "dwell"]);
        assert!(last.heads.iter().all(|head| head.gradient > 0.0));
    });
}

#[test]
fn a_heads_gradient_is_its_own() {
    let world = World::new(900, 4);
    let settings = PointwiseSettings { dwell_weight: 0.0, epochs: 1, ..small() };
    world.with_trainer((&settings, &TrainSettings::default()), |mut trainer| {
        assert!(trainer.fit(&mut |_, _| true).unwrap());
        let heads = &trainer.curve()[0].heads;
        let of = |name: &str| heads.iter().find(|head| head.head == name).unwrap().gradient;
        assert!(of("click") > 0.0 && of("conversion") > 0.0);
        assert_eq!(of("dwell"), 0.0, "a head without weight has no gradient");
    });
}

#[test]
fn the_schedule_ends_with_the_last_sample() {
    let world = World::new(900, 4);
    let settings = PointwiseSettings { patience: 0, ..small() };
    for delay in [Delay::Window, Delay::DelayModel] {
        let train = TrainSettings { delay, ..TrainSettings::default() };
        world.with_trainer((&settings, &train), |mut trainer| {
            assert!(trainer.fit(&mut |_, _| true).unwrap());
            assert_eq!(trainer.step(), trainer.stepper.schedule.total_steps, "{delay:?}");
        });
    }
}

/// A chunk of features ends before the test rows: those of training are all made, and must all be forgotten.
#[test]
fn one_pass_keeps_no_row_after_its_last_sample() {
    let world = World::new(900, 4);
    let others = world.examples.rows(Part::Valid).count();
    let test: Vec<usize> = world.examples.rows(Part::Test).collect();
    for delay in [Delay::Window, Delay::Elapsed, Delay::DelayModel] {
        world.with_trainer((&small(), &once(delay)), |mut trainer| {
            assert!(trainer.fit(&mut |_, _| true).unwrap());
            assert_eq!(trainer.features.kept(), others, "{delay:?}");
            let scores = trainer.score(&test, Position::Logged).unwrap();
            assert_eq!(trainer.score_last(&test, Position::Logged).unwrap(), scores);
            assert_eq!(trainer.features.kept(), 0, "{delay:?}");
        });
    }
}

#[test]
fn one_pass_reports_each_day_and_every_delay_method_learns() {
    let world = World::new(8000, 5);
    let settings = PointwiseSettings { rate: 1e-2, wait_hours: 24.0, batch: 16, ..small() };
    let rows: Vec<usize> = world.examples.rows(Part::Test).collect();
    let delays =
        [Delay::Window, Delay::Naive, Delay::FakeNegativeWeighted, Delay::DelayModel, Delay::Elapsed];
    for delay in delays {
        for stream in [true, false] {
            let train = TrainSettings { delay, stream: Stream::Fixed(stream), ..TrainSettings::default() };
            world.with_trainer((&settings, &train), |mut trainer| {
                let mut told: Vec<Progress> = Vec::new();
                let finished = trainer.fit(&mut |_, progress| {
                    told.push(progress.clone());
                    true
                });
                assert!(finished.unwrap());
                // A third of the clicks convert; the head begins at a twentieth.
                let scores = trainer.score(&rows, Position::Logged).unwrap();
                let mean = scores.iter().map(|score| score.conversion()).sum::<f64>() / rows.len() as f64;
                assert!((0.2..0.55).contains(&mean), "{delay:?}, {stream}: {mean}");
                if stream {
                    told.retain(|progress| *progress != Progress::LateDay);
                    assert!(
                        told.windows(2).all(|pair| pair[0] != pair[1]),
                        "a day is reported once: {told:?}"
                    );
                    let clicks: usize = trainer.days.iter().map(|day| day.clicks.rows).sum();
                    let labels = world.labels();
                    let known = |&row: &usize| match labels.click_known(row) {
                        (time, true) => time.max(labels.dwell_known(row)) < trainer.end(),
                        (time, false) => time < trainer.end(),
                    };
                    assert_eq!(clicks, world.examples.rows(Part::Train).filter(known).count(), "{delay:?}");
                    assert!(trainer.days.iter().all(|day| day.clicks.normalised_entropy().is_some()));
                }
            });
        }
    }
}

#[test]
fn a_training_that_diverges_ends_in_an_error_that_names_its_rates() {
    let world = World::new(400, 2);
    // All within their ranges: every step multiplies the parameters by 1 - rate · weight decay.
    let settings =
        PointwiseSettings { rate: 1.0, table_rate: 1.0, weight_decay: 100.0, epochs: 20, ..small() };
    settings.check().unwrap();
    for train in [once(Delay::DelayModel), once(Delay::Elapsed), TrainSettings::default()] {
        world.with_trainer((&settings, &train), |mut trainer| {
            let said = trainer.fit(&mut |_, _| true).unwrap_err().to_string();
            assert!(said.contains("with pointwise.rate=1 and pointwise.table_rate=1"), "{said}");
            assert!(said.ends_with("training has diverged"), "{said}");
        });
    }
}

#[test]
fn a_network_with_a_number_that_is_none_scores_no_row() {
    let world = World::new(200, 2);
    world.with_trainer((&small(), &once(Delay::Window)), |mut trainer| {
        trainer.stepper.network.set_bias(HeadColumns::CLICK, f64::NAN);
        let said = trainer.score(&[190], Position::Logged).unwrap_err().to_string();
        assert!(said.starts_with("the click score is NaN after 0 steps"), "{said}");
    });
}

#[test]
fn a_probability_that_rounds_to_1_costs_what_its_log_odds_say() {
    let world = World::new(400, 2);
    // So slow that the parameters stay where they are.
    let settings = PointwiseSettings { rate: 1e-30, table_rate: 1e-30, epochs: 1, average: 0.0, ..small() };
    world.with_trainer((&settings, &TrainSettings::default()), |mut trainer| {
        // A training under way does not begin at its base rate again.
        trainer.stepper.optimiser.step = 1;
        trainer.stepper.network.set_bias(HeadColumns::CLICK, 60.0);
        assert!(trainer.fit(&mut |_, _| true).unwrap());
        let rows: Vec<usize> = world.examples.rows(Part::Valid).collect();
        let scores = trainer.score(&rows, Position::Logged).unwrap();
        assert!(scores.iter().all(|score| score.click() == 1.0 && score.click_log_odds < 70.0));
        let missed = rows.iter().filter(|&&row| !world.examples.clicks[row]).count() as f64;
        let least = 50.0 * missed / rows.len() as f64;
        let loss = trainer.curve()[0].validation_loss.unwrap();
        assert!(missed > 0.0 && (least..80.0).contains(&loss), "{loss} with {missed} misses");
    });
}

#[test]
fn likeness_by_shared_labels_ends_where_the_setting_says_and_that_can_be_asked() {
    let world = World::new(200, 2);
    for (neighbour_rows, neighbours) in [(201, true), (200, true), (200, false)] {
        let settings = PointwiseSettings { neighbour_rows, neighbours, ..small() };
        world.with_trainer((&settings, &once(Delay::Window)), |trainer| {
            let lacks = neighbours && neighbour_rows == 200;
            assert_eq!(trainer.lacks_neighbours(), lacks, "{neighbour_rows} rows, {neighbours}");
        });
    }
}

/// The log has everything a day later, and the validation rows end half a day before the first test row.
#[test]
fn where_no_validation_label_is_known_in_time_the_last_epoch_is_kept() {
    let world = World::new(900, 4).logging_hours(24);
    let settings = PointwiseSettings { min_steps: 0, ..small() };
    world.with_trainer((&settings, &TrainSettings::default()), |mut trainer| {
        let valid = world.examples.rows(Part::Valid);
        assert!(valid.into_iter().all(|row| trainer.choosing(row).click.is_none()));
        assert!(trainer.fit(&mut |_, _| true).unwrap());
        assert!(trainer.curve().iter().all(|pass| pass.validation_loss.is_none()));
        assert_eq!(trainer.best_epoch, small().epochs);
    });
}

#[test]
fn a_head_without_weight_chooses_no_epoch() {
    let world = World::new(900, 4);
    let settings = PointwiseSettings { click_weight: 0.0, epochs: 2, ..small() };
    world.with_trainer((&settings, &TrainSettings::default()), |mut trainer| {
        let known = |row| trainer.choosing(row);
        let valid: Vec<Choosing> = world.examples.rows(Part::Valid).map(known).collect();
        assert!(valid.iter().any(|known| known.click.is_some()));
        assert!(valid.iter().all(|known| known.conversion.is_none()), "windows end after the first test row");
        assert!(trainer.fit(&mut |_, _| true).unwrap());
        assert!(trainer.curve().iter().all(|pass| pass.validation_loss.is_none()));
    });
}
