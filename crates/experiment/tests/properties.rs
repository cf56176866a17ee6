//! Properties that hold for every input: merging, order, symmetry, scale, duplicates, ramps, and no panic on bad input.

use proptest::collection::vec;
use proptest::prelude::*;
use semrank_experiment::Error;
use semrank_experiment::assign::{Assignment, Hash};
use semrank_experiment::counts::{
    Counter, Counts, Definition, Event, Exposure, Part, count_in_parts, partition,
};
use semrank_experiment::cuped::{Cuped, Pooling, Term};
use semrank_experiment::distribution::chi_square_upper;
use semrank_experiment::estimate::{Alternative, Effect, Sample, difference, pooled_difference};
use semrank_experiment::few::{permutation, sign_flip};
use semrank_experiment::moments::Moments;
use semrank_experiment::power::{Design, Goal, Rule};
use semrank_experiment::random::Stream;
use semrank_experiment::regression::from_moments;
use semrank_experiment::sequential::ConfidenceSequence;
use semrank_experiment::spending::Spending;
use semrank_experiment::strata::{Cell, post_stratify};
use semrank_experiment::verify::verify;
use semrank_experiment::{proportion, quantile, relative, srm};

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1e-9)
}

fn rows() -> impl Strategy<Value = Vec<[f64; 2]>> {
    vec((-50.0..50.0_f64, 1.0..9.0_f64).prop_map(|(y, x)| [y, x]), 4..40)
}

fn mean_effect(control: &[[f64; 2]], treatment: &[[f64; 2]]) -> Effect {
    let sample =
        |rows: &[[f64; 2]]| Sample::mean(&Moments::of_rows(2, rows).expect("finite"), 0).expect("two units");
    difference(&sample(control), &sample(treatment)).expect("finite")
}

/// The effect of every method that works on moments; the lift, as a logarithm, is that of the positive column.
fn effects(control: &[[f64; 2]], treatment: &[[f64; 2]]) -> Vec<(&'static str, Effect)> {
    let arm = |rows: &[[f64; 2]]| Moments::of_rows(2, rows).expect("finite");
    let (c, t) = (arm(control), arm(treatment));
    let (mean_c, mean_t) = (Sample::mean(&c, 0).expect("units"), Sample::mean(&t, 0).expect("units"));
    let ratio = |arm| Sample::ratio(arm, 0, 1).expect("positive");
    let (model, all) = (Cuped::mean(2), c.merged(&t).expect("columns"));
    let theta = model.theta(&[&c, &t], Pooling::Total).expect("units");
    let adjusted = |arm| model.adjust(arm, &all, &theta).expect("units");
    let positive = |arm| Sample::mean(arm, 1).expect("units");
    let cell = |control: &Moments, treatment: &Moments| Cell {
        control: control.clone(),
        treatment: treatment.clone(),
    };
    let mut found = vec![
        ("mean", difference(&mean_c, &mean_t).expect("finite")),
        ("pooled", pooled_difference(&mean_c, &mean_t).expect("finite")),
        ("ratio", difference(&ratio(&c), &ratio(&t)).expect("finite")),
        ("covariate", difference(&adjusted(&c), &adjusted(&t)).expect("finite")),
        ("strata", post_stratify(&[cell(&c, &t)], false).expect("units").absolute),
        ("lift", relative::log_ratio(&positive(&c), &positive(&t)).expect("positive")),
    ];
    // Random covariates are independent but for the rarest rows.
    found.extend(from_moments(&c, &t).ok().map(|(effect, _)| ("slopes", effect)));
    found
}

fn definition() -> Definition {
    Definition {
        arms: vec!["control".into(), "treatment".into()],
        start_ms: 0,
        end_ms: 1000,
        as_of_ms: 900,
        settle_ms: 20,
        windows_ms: [("click".to_owned(), 50), ("conversion".to_owned(), 200)].into(),
    }
}

#[derive(Debug, Clone)]
enum Row {
    Exposure(Exposure),
    Event(Event),
}

fn row() -> impl Strategy<Value = Row> {
    let exposure = (0..60_u32, 0..12_u32, -50..1100_i64, 0..80_i64, any::<bool>(), 0..20_u32).prop_map(
        |(id, unit, time_ms, late, would_differ, rare)| {
            let arm = if (unit + u32::from(rare == 1)) % 2 == 0 { "control" } else { "treatment" };
            let (event_id, unit) = (format!("x{id}"), format!("u{unit}"));
            Row::Exposure(Exposure {
                event_id,
                unit,
                arm: arm.into(),
                time_ms,
                received_ms: time_ms + late,
                would_differ,
                bot: rare == 0,
            })
        },
    );
    let event = (0..60_u32, 0..14_u32, any::<bool>(), -50..1100_i64, 0..80_i64, 0..5_u32).prop_map(
        |(id, unit, click, time_ms, late, value)| {
            let action = if click { "click" } else { "conversion" };
            let (event_id, unit, value) = (format!("e{id}"), format!("u{unit}"), 0.1 * f64::from(value));
            Row::Event(Event {
                event_id,
                unit,
                action: action.into(),
                time_ms,
                received_ms: time_ms + late,
                value,
            })
        },
    );
    prop_oneof![exposure, event]
}

fn counter(rows: &[Row]) -> Counter {
    filled(Counter::new(definition()).expect("valid"), rows)
}

fn filled(mut counter: Counter, rows: &[Row]) -> Counter {
    for row in rows {
        match row {
            Row::Exposure(row) => counter.exposure(row).expect("known arm"),
            Row::Event(row) => counter.event(row).expect("finite"),
        }
    }
    counter
}

fn bytes(counts: &Counts) -> Vec<u8> {
    serde_json::to_vec(counts).expect("writable")
}

proptest! {
    #[test]
    fn shards_in_any_order_have_the_same_moments(rows in rows(), cut in 0.0..1.0_f64, seed in any::<u64>()) {
        let whole = Moments::of_rows(2, &rows).expect("finite");
        let mut shuffled = rows.clone();
        Stream::new(seed).shuffle(&mut shuffled);
        let (left, right) = shuffled.split_at((cut * rows.len() as f64) as usize);
        let merged = Moments::of_rows(2, right).expect("finite").merged(&Moments::of_rows(2, left).expect("finite")).expect("columns");
        prop_assert_eq!(whole.n(), merged.n());
        for (i, j) in [(0, 0), (0, 1), (1, 1)] {
            let scale = whole.comoment(i, i).sqrt() * whole.comoment(j, j).sqrt();
            prop_assert!((whole.comoment(i, j) - merged.comoment(i, j)).abs() <= 1e-12 * scale.max(1.0));
            prop_assert!((whole.mean(i) - merged.mean(i)).abs() <= 1e-12 * 50.0);
        }
    }

    #[test]
    fn shards_in_any_order_have_the_same_counts(rows in vec(row(), 0..200), cut in 0.0..1.0_f64, seed in any::<u64>()) {
        let whole = counter(&rows).finish().expect("finite");
        let mut shuffled = rows.clone();
        Stream::new(seed).shuffle(&mut shuffled);
        let (left, right) = shuffled.split_at((cut * rows.len() as f64) as usize);
        let mut merged = counter(right);
        merged.merge(counter(left)).expect("one definition");
        prop_assert_eq!(bytes(&whole), bytes(&merged.finish().expect("finite")));
    }

    #[test]
    fn partitions_of_the_units_add_up(rows in vec(row(), 0..200)) {
        let whole = counter(&rows).finish().expect("finite");
        let unit = |row: &Row| match row { Row::Exposure(row) => row.unit.clone(), Row::Event(row) => row.unit.clone() };
        let part = |at| rows.iter().filter(|row| partition(&unit(row), 3) == at).cloned().collect::<Vec<_>>();
        let parts = [0, 1, 2].map(|at| counter(&part(at)).finish().expect("finite"));
        prop_assert_eq!(whole.left_out.crossovers, parts.iter().map(|counts| counts.left_out.crossovers).sum::<u64>());
        for arm in 0..2 {
            prop_assert_eq!(whole.all[arm].matured, parts.iter().map(|counts| counts.all[arm].matured).sum::<u64>());
            prop_assert!(close(whole.triggered[arm].sums[1], parts.iter().map(|counts| counts.triggered[arm].sums[1]).sum(), 1e-12));
        }
    }

    #[test]
    fn duplicates_and_late_exposures_change_nothing(rows in vec(row(), 1..100), picks in vec(any::<prop::sample::Index>(), 0..30)) {
        let plain = counter(&rows).finish().expect("finite");
        let mut more = rows.clone();
        more.extend(picks.iter().map(|pick| rows[pick.index(rows.len())].clone()));
        let mut doubled = counter(&more).finish().expect("finite");
        prop_assert!(doubled.left_out.duplicates >= plain.left_out.duplicates);
        doubled.left_out.duplicates = plain.left_out.duplicates;
        prop_assert_eq!(bytes(&plain), bytes(&doubled));
        let late = |at: usize, row: &Row| match row {
            Row::Exposure(row) => Some(Row::Exposure(Exposure { event_id: format!("late{at}"), time_ms: 950, received_ms: 950, ..row.clone() })),
            Row::Event(_) => None,
        };
        let later: Vec<Row> = rows.iter().cloned().chain(rows.iter().enumerate().filter_map(|(at, row)| late(at, row))).collect();
        prop_assert_eq!(bytes(&plain), bytes(&counter(&later).finish().expect("finite")));
    }

    #[test]
    fn swapping_arms_flips_every_sign(a in rows(), b in rows()) {
        let (forth, back) = (mean_effect(&a, &b), mean_effect(&b, &a));
        prop_assert_eq!(forth.value, -back.value);
        prop_assert!(close(forth.se, back.se, 1e-12));
        prop_assert!(close(forth.p(Alternative::Greater).expect("varies"), back.p(Alternative::Less).expect("varies"), 1e-9));
        let (x, y) = (Sample::proportion(a.len() as f64, 50.0).expect("valid"), Sample::proportion(b.len() as f64, 60.0).expect("valid"));
        let (forth, back) = (proportion::miettinen_nurminen(&x, &y, 0.05).expect("valid"), proportion::miettinen_nurminen(&y, &x, 0.05).expect("valid"));
        prop_assert!((forth.0.low + back.0.high).abs() < 1e-9 && close(forth.1, back.1, 1e-9));
        let column = |rows: &[[f64; 2]]| rows.iter().take(6).map(|row| row[0]).collect::<Vec<_>>();
        let (forth, back) = (permutation(&column(&a), &column(&b), 1).expect("units"), permutation(&column(&b), &column(&a), 1).expect("units"));
        prop_assert!(close(forth.difference, -back.difference, 1e-9) && close(forth.p, back.p, 1e-12));
    }

    #[test]
    fn scale_scales_and_a_constant_covariate_changes_nothing(a in rows(), b in rows(), c in 0.01..100.0_f64) {
        let plain = mean_effect(&a, &b);
        let scaled = |rows: &[[f64; 2]]| rows.iter().map(|row| [c * row[0], row[1]]).collect::<Vec<_>>();
        let large = mean_effect(&scaled(&a), &scaled(&b));
        prop_assert!(close(large.se, c * plain.se, 1e-9));
        prop_assert!((large.value - c * plain.value).abs() <= 1e-9 * large.se);
        let flat = |rows: &[[f64; 2]]| Moments::of_rows(2, rows.iter().map(|row| [row[0], 0.1 * c])).expect("finite");
        let (fa, fb) = (flat(&a), flat(&b));
        let model = Cuped::mean(2);
        let theta = model.theta(&[&fa, &fb], Pooling::Total).expect("units");
        prop_assert_eq!(theta[0], 0.0);
        let all = fa.merged(&fb).expect("columns");
        let adjusted = difference(&model.adjust(&fa, &all, &theta).expect("units"), &model.adjust(&fb, &all, &theta).expect("units")).expect("finite");
        prop_assert!(close(adjusted.se, plain.se, 1e-12) && (adjusted.value - plain.value).abs() <= 1e-12 * 50.0);
    }

    #[test]
    fn every_effect_turns_with_the_arms(a in rows(), b in rows()) {
        for ((name, forth), (_, back)) in effects(&a, &b).into_iter().zip(effects(&b, &a)) {
            prop_assert!((forth.value + back.value).abs() <= 1e-9 * forth.se.max(1e-9), "{}: {} {}", name, forth.value, back.value);
            prop_assert!(close(forth.se, back.se, 1e-9), "{}: {} {}", name, forth.se, back.se);
            let sequence = ConfidenceSequence::new(0.05, 50.0, Alternative::TwoSided).expect("valid");
            let (here, there) = (sequence.interval(&forth, 60.0).expect("units"), sequence.interval(&back, 60.0).expect("units"));
            prop_assert!((here.low + there.high).abs() <= 1e-8 * forth.se.max(1e-9));
        }
        let flip = |at: usize| b[at % b.len()][0] - a[at % a.len()][0];
        let (forth, back): (Vec<f64>, Vec<f64>) = (0..8).map(|at| (flip(at), -flip(at))).unzip();
        let (forth, back) = (sign_flip(&forth, 1).expect("pairs"), sign_flip(&back, 1).expect("pairs"));
        prop_assert!(forth.difference == -back.difference && forth.p == back.p);
    }

    #[test]
    fn every_effect_scales_with_its_metric(a in rows(), b in rows(), c in 0.01..100.0_f64) {
        let scaled = |rows: &[[f64; 2]]| rows.iter().map(|row| [c * row[0], row[1]]).collect::<Vec<_>>();
        let (large_a, large_b) = (scaled(&a), scaled(&b));
        for ((name, plain), (_, large)) in effects(&a, &b).into_iter().zip(effects(&large_a, &large_b)) {
            let factor = if name == "lift" { 1.0 } else { c };
            prop_assert!(close(large.se, factor * plain.se, 1e-7), "{}: {} {}", name, large.se, plain.se);
            prop_assert!((large.value - factor * plain.value).abs() <= 1e-7 * large.se.max(1e-9), "{}: {} {}", name, large.value, plain.value);
        }
        let column = |rows: &[[f64; 2]]| rows.iter().map(|row| row[0]).collect::<Vec<_>>();
        let (plain, large) = ([column(&a), column(&b)], [column(&large_a), column(&large_b)]);
        let cap = |arms: &[Vec<f64>; 2]| quantile::cap(&[&arms[0], &arms[1]], 0.9, false).expect("values");
        prop_assert!(close(cap(&large), c * cap(&plain), 1e-12));
        let lift = |factor: f64| {
            let sample = |rows: &[[f64; 2]]| Sample::mean(&Moments::of_rows(1, rows.iter().map(|row| [factor * row[1]])).expect("finite"), 0);
            relative::relative_delta(&sample(&a).expect("units"), &sample(&b).expect("units")).expect("positive")
        };
        prop_assert!((lift(c).value - lift(1.0).value).abs() < 1e-9 && close(lift(c).se, lift(1.0).se, 1e-7));
    }

    #[test]
    fn a_constant_covariate_leaves_every_method_as_it_is(a in rows(), b in rows(), constant in -1e3..1e3_f64) {
        let arm = |rows: &[[f64; 2]]| Moments::of_rows(4, rows.iter().map(|row| [row[0], row[1], constant, 1.0])).expect("finite");
        let (c, t) = (arm(&a), arm(&b));
        let all = c.merged(&t).expect("columns");
        let plain = difference(&Sample::ratio(&c, 0, 1).expect("positive"), &Sample::ratio(&t, 0, 1).expect("positive")).expect("finite");
        for pooling in [Pooling::Total, Pooling::WithinArms] {
            let theta = Cuped::ratio().theta(&[&c, &t], pooling).expect("units");
            let adjusted = |arm| Cuped::ratio().adjust(arm, &all, &theta).expect("units");
            prop_assert_eq!(difference(&adjusted(&c), &adjusted(&t)).expect("finite"), plain);
        }
        let mean = mean_effect(&a, &b);
        let with = |model: Cuped| {
            let theta = model.theta(&[&c, &t], Pooling::Total).expect("units");
            difference(&model.adjust(&c, &all, &theta).expect("units"), &model.adjust(&t, &all, &theta).expect("units")).expect("finite")
        };
        prop_assert_eq!(with(Cuped { metric: Term::Mean(0), covariates: vec![Term::Mean(2)] }), mean);
    }

    #[test]
    fn a_shifted_covariate_changes_nothing(a in rows(), b in rows(), shift in -1e3..1e3_f64) {
        let effect = |shift: f64| {
            let arm = |rows: &[[f64; 2]]| Moments::of_rows(2, rows.iter().map(|row| [row[0], row[1] + shift])).expect("finite");
            let (a, b) = (arm(&a), arm(&b));
            let model = Cuped::mean(2);
            let theta = model.theta(&[&a, &b], Pooling::Total).expect("units");
            let all = a.merged(&b).expect("columns");
            difference(&model.adjust(&a, &all, &theta).expect("units"), &model.adjust(&b, &all, &theta).expect("units")).expect("finite")
        };
        let (here, there) = (effect(0.0), effect(shift));
        prop_assert!(close(here.se, there.se, 1e-7) && (here.value - there.value).abs() < 1e-7 * here.se.max(1.0));
    }

    #[test]
    fn ramping_never_moves_a_unit(unit in "[a-z0-9]{1,12}", low in 0.01..1.0_f64, high in 0.01..1.0_f64, weight in 0.05..0.95_f64) {
        for hash in [Hash::Wide, Hash::GrowthBook1, Hash::GrowthBook2, Hash::PlanOut, Hash::Murmur3] {
            let at = |coverage| Assignment { salt: "s".into(), hash, weights: vec![weight, 1.0 - weight], coverage, namespace: None }.arm(&unit);
            if let Some(arm) = at(low.min(high)) {
                prop_assert_eq!(at(low.max(high)), Some(arm));
                prop_assert_eq!(at(1.0), Some(arm));
            }
        }
    }

    #[test]
    fn bad_input_is_an_error_not_a_panic(x in prop::num::f64::ANY, y in prop::num::f64::ANY, n in prop::num::f64::ANY, alpha in prop::num::f64::ANY) {
        let _ = Moments::of_values(&[x, y]).and_then(|moments| Sample::mean(&moments, 0));
        let _ = Sample::proportion(x, n).and_then(|sample| proportion::wilson(&sample, alpha));
        let _ = relative::fieller((x, y.abs()), (n, y.abs()), alpha);
        let _ = srm::sample_ratio(&[x, y], &[n, alpha]);
        let _ = quantile::Quantile::of(&[x, y, n], alpha, 0.05);
        let _ = quantile::interpolated(&[x, y, n], alpha);
        let _ = permutation(&[x], &[y, n], 0);
        let case = serde_json::json!({"mean": {"cases": [{"name": "m", "control": [x, y], "treatment": [n], "alpha": alpha, "expect": {"p": 0}}]}});
        prop_assert!(verify(&case).is_ok());
    }
}

proptest! {
    // Bounds by integration and threads take milliseconds a case.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn shards_parts_and_threads_change_no_byte(rows in vec(row(), 0..200), shards in 1..6_usize, parts in 1..9_usize, threads in 1..5_usize, seed in any::<u64>()) {
        let whole = bytes(&counter(&rows).finish().expect("finite"));
        let mut stream = Stream::new(seed);
        let mut shuffled = rows.clone();
        stream.shuffle(&mut shuffled);
        let mut split = vec![Vec::new(); shards];
        shuffled.into_iter().for_each(|row| split[stream.below(shards)].push(row));
        let read = |part: Part| {
            std::thread::scope(|scope| {
                let shard = |rows| scope.spawn(move || filled(Counter::of_part(definition(), part).expect("valid"), rows));
                let counters: Vec<_> = split.iter().map(|rows| shard(rows)).collect();
                let mut all = Counter::of_part(definition(), part)?;
                counters.into_iter().try_for_each(|counter| all.merge(counter.join().expect("no panic")))?;
                Ok::<_, Error>(all)
            })
        };
        prop_assert_eq!(&bytes(&read(Part::WHOLE).and_then(|all| all.finish_on(threads)).expect("finite")), &whole);
        prop_assert_eq!(&bytes(&count_in_parts(&definition(), parts, threads, read).expect("finite")), &whole);
    }

    #[test]
    fn power_and_smallest_effect_are_inverses(units in 200.0..1e6_f64, alpha in 0.01..0.2_f64, share in 0.05..1.0_f64) {
        for rule in [Rule::Fixed, Rule::ConfidenceSequence(1e4), Rule::GroupSequential(Spending::ObrienFleming, vec![0.5, 1.0])] {
            let goal = Goal { alpha, power: 0.8, sides: 2.0 };
            let design = Design { variance: 4.0, kept_by_cuped: 0.7, trigger_share: share, comparisons: 2.0, rule, goal };
            let effect = design.smallest_effect(units).expect("reachable");
            prop_assert!(close(design.power(effect, units).expect("valid"), 0.8, 1e-9));
            prop_assert!(close(design.units(effect).expect("reachable"), units, 1e-6));
        }
    }
}

#[test]
fn two_experiments_are_independent() {
    let arm = |salt: &str, unit: &str| usize::from(Hash::Wide.bucket(salt, unit) >= 0.5);
    let mut table = [[0.0_f64; 2]; 2];
    let units = 1_000_000;
    for at in 0..units {
        let unit = at.to_string();
        table[arm("one", &unit)][arm("two", &unit)] += 1.0;
    }
    let expected = f64::from(units) / 4.0;
    let chi2: f64 = table.iter().flatten().map(|n| (n - expected).powi(2) / expected).sum();
    assert!(chi_square_upper(chi2, 3.0) > 1e-3, "chi-square {chi2} of {table:?}");
}

#[test]
fn a_broken_case_does_not_end_the_others() {
    let file = serde_json::json!({
        "srm": {"cases": [
            {"name": "no weights", "users": [1, 2], "expect": {"p": 1}},
            {"name": "fine", "users": [10, 10], "weights": [0.5, 0.5], "expect": {"p": 1, "nobody_knows": 1}},
        ]},
        "astrology": {"cases": [{"name": "moon", "expect": {"luck": 1}}]},
    });
    let answer = verify(&file).expect("groups");
    let cases = answer["cases"].as_array().expect("a list");
    let by_name = |name: &str| cases.iter().find(|case| case["name"] == name).expect("answered");
    assert!(by_name("no weights")["error"].as_str().expect("a message").contains("weights"));
    assert_eq!(by_name("fine")["got"], serde_json::json!({"p": 1.0}));
    assert_eq!(by_name("fine")["unknown"], serde_json::json!(["nobody_knows"]));
    assert_eq!(by_name("moon")["unknown"], serde_json::json!(["luck"]));
}
