//! The whole ranking model on small data: gradients, batches, threads, points in time, streams.

use super::counts::Counts;
use super::items::ItemTables;
use super::labels::{DAY_MS, Labels};
use super::network::{Drops, Inputs, NONE, PointwiseNetwork, PointwiseShape, Saved, Sizes};
use super::*;
use crate::{ModelSettings, PrefixRows, TrainSettings};
use proptest::prelude::*;
use semrank_core::{ActionId, Catalog, Dictionary, Event, EventLogBuilder, ItemId, Kind, Rng, UserId};
use semrank_data::{Dataset, Examples, Meta, Part};
use semrank_nn::gradient_check::{compare, compare_all, slope_at};
use semrank_tokens::SemanticIds;

const ITEMS: usize = 12;
const USERS: usize = 8;
const WIDTH: usize = 4;
const HOUR_MS: i64 = 3_600_000;

/// A small market: users with histories, and impressions with slots, surfaces, clicks and late conversions. A click is likelier
/// where item and user have the same parity.
pub(super) struct World {
    pub(super) dataset: Dataset,
    pub(super) examples: Examples,
    content: Vec<f32>,
    advertisers: Vec<u32>,
}

impl World {
    pub(super) fn new(rows: usize, seed: u64) -> World {
        let mut rng = Rng::new(seed, "world");
        let names = |prefix: &str, count: usize| (0..count).map(|at| format!("{prefix}{at}")).collect();
        let (ids, users): (Dictionary, Dictionary) = (names("i", ITEMS), names("u", USERS));
        let kinds = (0..ITEMS).map(|item| if item < 8 { Kind::Ad } else { Kind::Organic }).collect();
        let catalog = Catalog {
            ids,
            kinds,
            active_from: vec![i64::MIN; ITEMS],
            active_to: vec![i64::MAX; ITEMS],
            ..Catalog::default()
        };
        let mut log = EventLogBuilder::default();
        for user in 0..USERS as u32 - 1 {
            for at in 0..6 + i64::from(user) {
                let event = Event {
                    item: ItemId(rng.below(ITEMS) as u32),
                    action: ActionId(rng.below(2) as u8),
                    time: at * 5 * HOUR_MS,
                };
                log.push_with_dwell(UserId(user), event, rng.below(60_000) as i32);
            }
        }
        let mut meta = Meta { name: "world".into(), ..Meta::default() };
        meta.windows.insert("click_minutes".into(), 30.into());
        meta.windows.insert("conversion_days".into(), 2.into());
        let dataset = Dataset {
            meta,
            users: users.clone(),
            actions: ["view", "click"].into_iter().collect(),
            catalog,
            events: log.finish(USERS - 1, true),
        };
        let mut examples = Examples {
            user_names: users,
            surface_names: ["feed", "search"].into_iter().collect(),
            ..Examples::default()
        };
        for row in 0..rows {
            let (user, item, slot) = (rng.below(USERS), rng.below(8), rng.below(3));
            let time = 20 * HOUR_MS + row as i64 * 6 * DAY_MS / rows as i64;
            let seen = match user == USERS - 1 {
                true => 0,
                false => {
                    let range = dataset.events.range(UserId(user as u32));
                    dataset.events.times()[range].iter().filter(|&&event| event < time).count()
                }
            };
            let like = if user % 2 == item % 2 { 0.6 } else { 0.1 };
            let click = rng.unit() < like / (1.0 + slot as f64 / 2.0);
            let converts = click && rng.unit() < 0.4;
            let click_time = time + 60_000;
            let delay = (-(1.0 - rng.unit()).ln() * 0.7 * DAY_MS as f64) as i64;
            let part = match row * 10 / rows {
                8 => Part::Valid,
                9 => Part::Test,
                _ => Part::Train,
            };
            examples.parts.push(part);
            examples.users.push(UserId(user as u32));
            examples.items.push(ItemId(item as u32));
            examples.times.push(time);
            examples.history_ends.push(seen as u32);
            examples.clicks.push(click);
            let converts = converts && delay < 2 * DAY_MS;
            examples.conversions.push(Some(converts));
            examples.click_times.push(if click { click_time } else { i64::MIN });
            examples.conversion_times.push(if converts { click_time + delay } else { i64::MIN });
            examples.dwell_ms.push(if click { rng.below(90_000) as i32 } else { -1 });
            examples.surfaces.push(rng.below(2) as u8);
            examples.slots.push(slot as u16);
        }
        examples.log_end = Some(20 * HOUR_MS + 8 * DAY_MS);
        let mut content: Vec<f32> = (0..ITEMS * WIDTH).map(|_| rng.normal() as f32).collect();
        for row in content.chunks_exact_mut(WIDTH) {
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            row.iter_mut().for_each(|x| *x /= length);
        }
        let advertisers = (0..ITEMS as u32).map(|item| if item < 8 { item / 3 } else { u32::MAX }).collect();
        World { dataset, examples, content, advertisers }
    }

    fn tables(&self) -> ItemTables<'_> {
        let kinds = &self.dataset.catalog.kinds;
        ItemTables { content: &self.content, advertisers: &self.advertisers, prefixes: None, kinds }
    }

    fn labels(&self) -> Labels<'_> {
        Labels::new(&self.dataset, &self.examples)
    }

    /// What `run` makes of a training with these settings.
    fn with_trainer<R>(
        &self,
        (settings, train): (&PointwiseSettings, &TrainSettings),
        run: impl FnOnce(PointwiseTrainer) -> R,
    ) -> R {
        self.with_task((settings, train), |task| run(PointwiseTrainer::new(task)))
    }

    /// The same of the task itself.
    fn with_task<R>(
        &self,
        (settings, train): (&PointwiseSettings, &TrainSettings),
        run: impl FnOnce(&PointwiseTask) -> R,
    ) -> R {
        let contexts = Contexts::new(&self.examples, &self.dataset.catalog, settings);
        let model = ModelSettings::default();
        run(&PointwiseTask {
            dataset: &self.dataset,
            examples: &self.examples,
            tables: self.tables(),
            contexts: &contexts,
            model: &model,
            train,
            settings,
            goal: Goal::Oc,
            seed: 3,
        })
    }
}

fn small() -> PointwiseSettings {
    PointwiseSettings {
        dim: 6,
        hidden: 10,
        hidden_2: 6,
        batch: 32,
        epochs: 3,
        ..PointwiseSettings::default()
    }
}

fn once(delay: Delay) -> TrainSettings {
    TrainSettings { delay, stream: Stream::Fixed(true), ..TrainSettings::default() }
}

fn shape() -> PointwiseShape {
    PointwiseShape {
        items: 5,
        content: 3,
        advertisers: 2,
        actions: 2,
        features: 2,
        contexts: vec![3, 2],
        related: 1,
        slots: 3,
        conversions: true,
        dwell: true,
        hazards: 3,
    }
}

fn inputs() -> Inputs {
    Inputs {
        items: vec![4, 1, 0],
        event_items: vec![0, 2, 1],
        event_parts: vec![[0, 1, 2, 0], [1, 3, 0, 1], [1, 0, 5, 1]],
        candidates: vec![1, 0, 1],
        offsets: vec![0, 2, 2, 5],
        reads: vec![0, 1, 0, 1, 2],
        ages: vec![3, 1, 4, 0, 0],
        features: vec![0.3, -1.0, 0.5, 0.2, -0.7, 0.9],
        contexts: vec![0, 1, 2, 0, 1, 1],
        related: vec![2, NONE, 1],
        slots: vec![0, 2, 1],
    }
}

#[test]
fn which_rows_are_measured_depends_on_their_times_only() {
    let world = World::new(900, 6);
    let (settings, train) = (PointwiseSettings::default(), TrainSettings::default());
    world.with_trainer((&settings, &train), |trainer| {
        let times = &world.examples.times;
        let known = |row: &usize| trainer.conversion_is_known(*row);
        let (known, open): (Vec<usize>, Vec<usize>) = (0..times.len()).partition(known);
        let newest = known.iter().map(|&row| times[row]).max().unwrap();
        assert!(!open.is_empty() && open.iter().all(|&row| times[row] > newest));
        assert!(open.iter().any(|&row| !world.examples.clicks[row]), "rows without a click wait as well");
    });
}

#[test]
fn every_gradient_agrees_with_finite_differences() {
    let ids = SemanticIds::new(2, 4, vec![0, 3, 0, 1, 2, 2, 1, 1, 2, 0]);
    let prefixes = PrefixRows::new(&ids, &[true; 5], 100);
    let content: Vec<f32> = (0..15).map(|at| ((at * 7 % 11) as f32 - 5.0) / 6.0).collect();
    let tables = ItemTables {
        content: &content,
        advertisers: &[0, 1, u32::MAX, 0, 1],
        prefixes: Some(&prefixes),
        kinds: &[Kind::Ad; 5],
    };
    let sizes = Sizes {
        dim: 5,
        heads: 2,
        hidden: [7, 6],
        context: 2,
        id_rows: 100,
        ids: true,
        content: true,
        weibull: false,
    };
    let mut network = PointwiseNetwork::<f64>::new(shape(), sizes, Some(&prefixes), 1);
    let mut rng = Rng::new(2, "gradients");
    network.params.iter_mut().for_each(|value| *value += 0.2 * rng.normal());
    for table in [&mut network.ids, &mut network.advertisers, &mut network.prefixes].into_iter().flatten() {
        table.values.iter_mut().for_each(|value| *value = 0.3 * rng.normal());
    }
    let inputs = inputs();
    let dy: Vec<f64> = (0..3 * network.columns.count).map(|_| rng.normal()).collect();
    let loss = |network: &PointwiseNetwork<f64>| {
        let mut saved = Saved::default();
        network.forward(&tables, &inputs, Drops::off(), None, &mut saved);
        saved.logits.iter().zip(&dy).map(|(y, d)| y * d).sum::<f64>()
    };
    let (mut saved, mut grads) = (Saved::default(), vec![0.0; network.params.len()]);
    network.forward(&tables, &inputs, Drops::off(), None, &mut saved);
    network.backward(&tables, &inputs, Drops::off(), (&dy, &mut saved), &mut grads);

    let (layout, mut params) = (network.layout.clone(), network.params.clone());
    compare_all(&layout, &mut params, &grads, |params| {
        let mut network = network.clone();
        network.params.copy_from_slice(params);
        loss(&network)
    });
    // An item's gradient is that of each row it is summed from.
    let with = |table: usize, values: &[f64]| {
        let mut network = network.clone();
        let table = if table == 0 { &mut network.ids } else { &mut network.advertisers };
        table.as_mut().unwrap().values.copy_from_slice(values);
        loss(&network)
    };
    let mut ids = network.ids.as_ref().unwrap().values.clone();
    for (slot, &item) in inputs.items.iter().enumerate() {
        for i in 0..5 {
            let slope = slope_at(&mut ids, item as usize * 5 + i, |values| with(0, values));
            compare(&format!("item {item}[{i}]"), saved.dvectors[slot * 5 + i], slope);
        }
    }
    let mut advertisers = network.advertisers.as_ref().unwrap().values.clone();
    let slope = slope_at(&mut advertisers, 5, |values| with(1, values));
    compare("advertiser 1[0]", saved.dvectors[0] + saved.dvectors[5], slope);
}

#[test]
fn a_score_depends_on_its_own_row_only() {
    let world = World::new(400, 1);
    world.with_trainer((&small(), &once(Delay::Window)), |mut trainer| {
        trainer.train_to(i64::MAX);
        let rows: Vec<usize> = (320..400).collect();
        let together = trainer.score(&rows, Position::Logged);
        for (&row, together) in rows.iter().zip(&together).step_by(7) {
            let alone = trainer.score(&[row], Position::Logged)[0];
            let off = (alone.click - together.click).abs() + (alone.conversion - together.conversion).abs();
            assert!(off < 1e-6, "row {row}: {alone:?} alone, {together:?} among others");
        }
        let mut turned = rows.clone();
        turned.reverse();
        let turned = trainer.score(&turned, Position::Logged);
        assert!(turned.iter().rev().eq(&together), "order of rows");
    });
}

#[test]
fn threads_change_no_byte() {
    let world = World::new(600, 2);
    let run = |threads: usize, train: &TrainSettings| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            world.with_trainer((&small(), train), |mut trainer| {
                trainer.fit(&mut |_, _| true);
                let params: Vec<u32> = trainer.network().params.iter().map(|p| p.to_bits()).collect();
                let ids = trainer.network().ids.as_ref().unwrap().values.clone();
                (params, ids.iter().map(|p| p.to_bits()).collect::<Vec<_>>())
            })
        })
    };
    for train in [once(Delay::Elapsed), TrainSettings::default()] {
        assert_eq!(run(1, &train), run(3, &train));
    }
}

#[test]
fn a_loaded_model_scores_as_the_trained_one_and_keeps_no_training_row() {
    let world = World::new(900, 10);
    let rows: Vec<usize> = world.examples.rows(Part::Test).collect();
    let dir = tempfile::tempdir().unwrap();
    let trained = world.with_trainer((&small(), &once(Delay::DelayModel)), |mut trainer| {
        assert!(trainer.fit(&mut |_, _| true));
        trainer.save(dir.path()).unwrap();
        trainer.score(&rows, Position::Logged)
    });
    let others = world.examples.len() - world.examples.rows(Part::Train).count();
    world.with_task((&small(), &once(Delay::DelayModel)), |task| {
        let (mut loaded, _) = PointwiseTrainer::load(task, dir.path()).unwrap();
        assert_eq!(loaded.score(&rows, Position::Logged), trained);
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
            assert!(trainer.fit(&mut |_, _| true));
            let of = |item: u32| (0..rows).find(|&row| world.examples.items[row].0 == item).unwrap();
            trainer
                .score(&[of(0), of(1)], Position::Logged)
                .iter()
                .map(|score| score.click)
                .collect::<Vec<_>>()
        })
    };
    let (plain, weighted) = (learned(false), learned(true));
    // 0.9 of item 0's rows are fans': 0.55. Shown to all alike it is clicked by 0.35; item 1 by 0.1 either way.
    assert!((plain[0] - 0.55).abs() < 0.05, "{plain:?}");
    assert!((weighted[0] - 0.35).abs() < 0.05 && (weighted[1] - 0.1).abs() < 0.04, "{weighted:?}");
}

/// Epochs and one pass, stopped after each report in turn and continued by another trainer.
#[test]
fn a_training_goes_on_from_its_state_to_the_same_bytes() {
    let world = World::new(900, 8);
    let bits = |trainer: &PointwiseTrainer| {
        let network = trainer.network();
        let tables = network.tables().flat_map(|(_, table)| table.values.iter().map(|value| value.to_bits()));
        network.params.iter().map(|value| value.to_bits()).chain(tables).collect::<Vec<u32>>()
    };
    for train in [once(Delay::Elapsed), TrainSettings::default()] {
        let settings = PointwiseSettings { rate: 3e-3, patience: 2, epochs: 5, ..small() };
        let (whole, facts, reports) = world.with_trainer((&settings, &train), |mut trainer| {
            let mut reports = 0;
            assert!(trainer.fit(&mut |_, _| {
                reports += 1;
                true
            }));
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
                assert!(!finished);
            });
            world.with_trainer((&settings, &train), |mut trainer| {
                trainer.restore_state(dir.path()).unwrap();
                assert!(trainer.step() > 0 && trainer.fit(&mut |_, _| true));
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
    let world = World::new(6000, 4);
    let settings = PointwiseSettings { rate: 3e-3, epochs: 6, ..small() };
    world.with_trainer((&settings, &TrainSettings::default()), |mut trainer| {
        assert!(trainer.fit(&mut |_, _| true));
        let rows: Vec<usize> = world.examples.rows(Part::Test).collect();
        let scores = trainer.score(&rows, Position::Logged);
        let mean = |like: bool| {
            let alike = |row: usize| world.examples.users[row].0 % 2 == world.examples.items[row].0 % 2;
            let of = rows.iter().zip(&scores).filter(|(row, _)| alike(**row) == like);
            let clicks: Vec<f64> = of.map(|(_, score)| score.click).collect();
            clicks.iter().sum::<f64>() / clicks.len() as f64
        };
        assert!(mean(true) > mean(false) + 0.15, "{} {}", mean(true), mean(false));
        let effects = trainer.network().slot_effects();
        assert!(effects[1] > effects[3], "the first slot is the best: {effects:?}");
        let neutral = trainer.score(&rows[..1], Position::Neutral)[0];
        assert!(neutral.click > 0.0 && neutral.click < 1.0);
        let last = trainer.curve().last().unwrap();
        let names: Vec<&str> = last.heads.iter().map(|head| head.head.as_str()).collect();
        assert_eq!(names, ["click", "conversion", "dwell"]);
        assert!(last.heads.iter().all(|head| head.gradient > 0.0));
    });
}

#[test]
fn one_pass_reports_each_day_and_every_delay_method_learns() {
    let world = World::new(3000, 5);
    for delay in [
        Delay::Window,
        Delay::Naive,
        Delay::FakeNegativeWeighted,
        Delay::DelayModel,
        Delay::Elapsed,
        Delay::Oracle,
    ] {
        for stream in [true, false] {
            let train = TrainSettings { delay, stream: Stream::Fixed(stream), ..TrainSettings::default() };
            world.with_trainer((&small(), &train), |mut trainer| {
                let before = trainer.score(&[2999], Position::Logged)[0];
                assert!(trainer.fit(&mut |_, _| true));
                let after = trainer.score(&[2999], Position::Logged)[0];
                assert_ne!(before.conversion, after.conversion, "{delay:?} learns of conversions");
                assert!(after.conversion.is_finite() && after.click.is_finite(), "{delay:?}");
                if stream {
                    let clicks: usize = trainer.days().iter().map(|day| day.clicks.rows).sum();
                    assert_eq!(clicks, world.examples.rows(Part::Train).count(), "{delay:?}");
                    assert!(trainer.days().iter().all(|day| day.clicks.normalised_entropy().is_some()));
                }
            });
        }
    }
}

#[test]
fn a_snapshot_knows_only_what_came_before_it() {
    let (world, mut other) = (World::new(800, 6), World::new(800, 6));
    let cut = world.examples.times[400];
    // Everything that is known at the cut or later is turned around.
    for row in 0..800 {
        let conversion = other.examples.conversion_times[row];
        if other.labels().click_known(row) >= cut {
            other.examples.clicks[row] = !other.examples.clicks[row];
            other.examples.click_times[row] = cut.max(other.examples.times[row]) + HOUR_MS;
        } else if conversion != i64::MIN && conversion >= cut {
            other.examples.conversions[row] = Some(false);
            other.examples.conversion_times[row] = i64::MIN;
        }
    }
    let settings = PointwiseSettings { known: Known::Past, ..small() };
    for delay in [Delay::Window, Delay::Naive, Delay::FakeNegativeWeighted, Delay::DelayModel, Delay::Elapsed]
    {
        let snapshot = |world: &World| {
            world.with_trainer((&settings, &once(delay)), |mut trainer| {
                trainer.train_to(cut);
                trainer.network().params.clone()
            })
        };
        assert_eq!(snapshot(&world), snapshot(&other), "{delay:?}");
    }
}

#[test]
fn test_labels_leave_everything_as_it_is() {
    let (world, mut other) = (World::new(500, 7), World::new(500, 7));
    for row in 450..500 {
        other.examples.clicks[row] = !other.examples.clicks[row];
        other.examples.conversions[row] = Some(false);
        (other.examples.click_times[row], other.examples.conversion_times[row]) = (i64::MIN, i64::MIN);
    }
    let scores = |world: &World| {
        world.with_trainer((&small(), &TrainSettings::default()), |mut trainer| {
            trainer.fit(&mut |_, _| true);
            trainer.score(&(0..500).collect::<Vec<_>>(), Position::Logged)
        })
    };
    assert_eq!(scores(&world), scores(&other));
}

fn counted(world: &World, known: Known) -> Vec<Vec<f32>> {
    let settings = PointwiseSettings { known, ..PointwiseSettings::default() };
    let mut counts = Counts::new(world.labels(), &world.advertisers, ITEMS, &settings);
    let rows = (0..world.examples.len()).map(|row| {
        let mut out = Vec::new();
        counts.push(row, &mut out, |_, _| {});
        assert_eq!(out.len(), counts.width());
        assert!(out.iter().all(|value| value.is_finite()));
        out
    });
    rows.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn later_labels_change_no_earlier_count(seed in 0u64..1000, at in 0usize..200) {
        let (world, mut other) = (World::new(200, seed), World::new(200, seed));
        let now = world.examples.times[at];
        for row in 0..200 {
            if other.labels().click_known(row) >= now {
                other.examples.clicks[row] = !other.examples.clicks[row];
                other.examples.click_times[row] = now.max(other.examples.times[row]) + 1;
            } else if other.examples.conversion_times[row] >= now {
                other.examples.conversions[row] = Some(false);
                other.examples.conversion_times[row] = i64::MIN;
            }
        }
        for known in [Known::Train, Known::Earlier, Known::Past] {
            let (a, b) = (counted(&world, known), counted(&other, known));
            prop_assert_eq!(&a[..=at], &b[..=at], "row {} of seed {}, {:?}", at, seed, known);
        }
    }
}

#[test]
fn counts_by_hand() {
    let mut world = World::new(4, 1);
    world.advertisers = Vec::new();
    let examples = &mut world.examples;
    examples.parts = vec![Part::Train; 4];
    examples.users = vec![UserId(0); 4];
    examples.items = vec![ItemId(0); 4];
    examples.times = vec![0, 1_000, 2_000, 40 * 60_000];
    examples.clicks = vec![true, false, true, false];
    examples.click_times = vec![500, i64::MIN, 2_500, i64::MIN];
    examples.conversions = Vec::new();
    (examples.slots, examples.conversion_times) = (Vec::new(), Vec::new());
    let rows = counted(&world, Known::Past);
    // Base log-odds; user and item each: log-odds beyond the base, share known; two residuals.
    assert_eq!(rows[0].len(), 7);
    let known = |n: f32, base: f32| n / (n + 2.5 / base);
    let counts: Vec<f32> = rows.iter().map(|row| row[2]).collect();
    // The absence of a click is known 30 minutes later only.
    let expected = [0.0, known(1.0, 2.0 / 11.0), known(1.0, 2.0 / 11.0), known(3.0, 3.0 / 13.0)];
    counts.iter().zip(expected).for_each(|(got, want)| assert!((got - want).abs() < 1e-6, "{counts:?}"));
    assert_eq!(rows[0][1], 0.0);
    assert!(rows[1][1] > 0.0 && rows[3][1] > 0.0);
    assert!((rows[1][0] - (2.0f32 / 9.0).ln()).abs() < 1e-6, "2 of 11: {}", rows[1][0]);
}
