//! Splits are exactly those of the data sets' published truth files, and nothing a trainer sees depends on a target.

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use common::{Folder, data_folder};
use proptest::prelude::*;
use semrank_core::{ItemId, Rng, UserId, segments};
use semrank_data::{
    Dataset, DatasetWriter, EventRow, FitScope, ItemRow, Meta, Split, SplitKind, When, WriterOptions,
    import::{Format, Mapping, Options, import},
};
use std::collections::BTreeSet;

fn truth_lines(dataset: &Dataset, split: &Split) -> BTreeSet<String> {
    let name = |item: usize| dataset.catalog.name(ItemId(item as u32));
    let segments = segments(FitScope::of_split(dataset, split).counts(), name);
    let line = |case: &semrank_data::Case| {
        let segment = segments[case.target.index()].name();
        format!("{}\t{}\t{segment}", dataset.users.name(case.user.0), dataset.catalog.name(case.target))
    };
    split.test.iter().map(line).collect()
}

fn check_time_truth(options: Options, truth: &std::path::Path, without_history: usize) {
    import(&options).unwrap();
    let dataset = Dataset::open(&options.out).unwrap();
    let split = Split::new(&dataset, SplitKind::Time).unwrap();
    let truth: BTreeSet<String> =
        std::fs::read_to_string(truth).unwrap().lines().map(str::to_owned).collect();
    let ours = truth_lines(&dataset, &split);
    assert_eq!(ours.len(), split.test.len());
    assert!(
        ours == truth,
        "{} ours, {} truth, {} both",
        ours.len(),
        truth.len(),
        ours.intersection(&truth).count()
    );
    assert_eq!(split.without_history.test, without_history);
}

#[test]
fn movietweetings_time_split_is_the_published_one() {
    let Some(data) = data_folder("movietweetings-100k") else { return };
    let folder = Folder::new();
    let options = Options {
        format: Format::Movielens,
        events: data.clone(),
        out: folder.path("set"),
        ..Options::default()
    };
    check_time_truth(options, &data.join("timesplit_test.tsv"), 1523);
}

#[test]
fn online_retail_time_split_is_the_published_one() {
    let Some(data) = data_folder("uci-online-retail") else { return };
    let folder = Folder::new();
    let options = Options {
        events: data.join("events.parquet"),
        items: Some(data.join("items.tsv")),
        out: folder.path("set"),
        mapping: Mapping { text: Some(vec!["text".into()]), ..Mapping::default() },
        target_action: Some("purchase".into()),
        ..Options::default()
    };
    check_time_truth(options, &data.join("timesplit_test.tsv"), 136);
}

/// One event: user, item, action, time.
type Line = (u8, u8, bool, i64);

const ITEMS: u8 = 12;

fn dataset(lines: &[Line], target: bool, timed: bool) -> Dataset {
    let folder = Folder::new();
    let out = folder.path("set");
    let target_action = target.then(|| "buy".to_owned());
    let meta = Meta { name: "random".into(), target_action, ..Meta::default() };
    let mut writer = DatasetWriter::create(&out, WriterOptions { meta, ..WriterOptions::default() }).unwrap();
    for item in 0..ITEMS {
        writer.item(&ItemRow { id: &format!("i{item}"), ..ItemRow::default() }).unwrap();
    }
    // One event that makes the target action exist.
    writer.event(&row("u", "i0", "buy", 0, timed)).unwrap();
    for &(user, item, buy, time) in lines {
        let action = if buy { "buy" } else { "view" };
        writer.event(&row(&format!("u{user}"), &format!("i{item}"), action, time, timed)).unwrap();
    }
    writer.finish().unwrap();
    Dataset::open(&out).unwrap()
}

fn row<'a>(user: &'a str, item: &'a str, action: &'a str, time: i64, timed: bool) -> EventRow<'a> {
    let time = if timed { When::Time(time) } else { When::Position(time) };
    EventRow { user, item, action, time, extra: &[] }
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    prop::collection::vec((0..6u8, 0..ITEMS, any::<bool>(), 0..40i64), 1..120)
}

/// Replaces the item of every held-out test target, cases without history included.
fn replace_targets(lines: &[Line], dataset: &Dataset, kind: SplitKind, seed: u64) -> Vec<Line> {
    let mut rng = Rng::new(seed, "targets");
    let mut out = lines.to_vec();
    let split = Split::new(dataset, kind).unwrap();
    let second_cut = split.cuts.map(|cuts| cuts[1]);
    for user in 0..6u8 {
        let mut rows: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].0 == user).collect();
        rows.sort_by_key(|&at| lines[at].3);
        rows.retain(|&at| dataset.meta.target_action.is_none() || lines[at].2);
        let target = match second_cut {
            None => rows.last(),
            Some(cut) => rows.iter().find(|&&at| lines[at].3 as f64 >= cut),
        };
        if let Some(&at) = target {
            out[at].1 = rng.below(ITEMS.into()) as u8;
        }
    }
    out
}

fn check_invariants(dataset: &Dataset, split: &Split) {
    let log = &dataset.events;
    let scope = FitScope::of_split(dataset, split);
    for (cases, first) in [(&split.validation, 0), (&split.test, 1)] {
        assert!(cases.is_sorted_by_key(|case| case.user));
        for case in cases {
            let event = log.event(case.end);
            assert_eq!(event.item, case.target);
            assert!(dataset.is_target(event.action));
            let history = log.before(case.user, case.end);
            assert!(history.actions.iter().any(|&action| dataset.is_target(action)));
            assert!(scope.ends()[case.user.index()] <= case.end, "a case is never trained on");
            if let Some(cuts) = split.cuts {
                assert!(event.time as f64 >= cuts[first]);
            }
        }
    }
    for (user, &end) in scope.ends().iter().enumerate() {
        let range = log.range(UserId(user as u32));
        assert!(range.start <= end && end <= range.end);
    }
    let trained: u32 = scope.counts().iter().sum();
    assert!(trained as usize + split.test.len() + split.validation.len() <= log.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn replacing_test_targets_changes_nothing_a_trainer_sees(
        lines in lines(), target in any::<bool>(), seed in any::<u64>(),
    ) {
        for kind in [SplitKind::LeaveOneOut, SplitKind::Time] {
            let before = dataset(&lines, target, true);
            let after = dataset(&replace_targets(&lines, &before, kind, seed), target, true);
            let (a, b) = (Split::new(&before, kind).unwrap(), Split::new(&after, kind).unwrap());
            check_invariants(&before, &a);
            prop_assert_eq!(&a.validation, &b.validation);
            let scopes = [FitScope::of_split(&before, &a), FitScope::of_split(&after, &b)];
            prop_assert_eq!(&scopes[0], &scopes[1]);
            prop_assert!(before.catalog.ids.names().eq(after.catalog.ids.names()));
            prop_assert!(before.users.names().eq(after.users.names()));
            for user in (0..before.events.users()).map(|user| UserId(user as u32)) {
                prop_assert_eq!(scopes[0].history(&before, user).items, scopes[1].history(&after, user).items);
            }
            let ends = |split: &Split| split.test.iter().map(|case| case.end).collect::<Vec<_>>();
            prop_assert_eq!(ends(&a), ends(&b));
        }
    }
}

#[test]
fn leave_one_out_takes_the_last_two_target_events() {
    let lines = [
        (0, 1, true, 10),
        (0, 2, true, 20),
        (0, 3, false, 25),
        (0, 4, true, 30),
        (0, 5, false, 40),
        (1, 6, true, 10),
        (2, 7, false, 10),
        (3, 8, true, 10),
        (3, 9, true, 10),
        (4, 1, false, 10),
        (4, 2, true, 20),
    ];
    let dataset = dataset(&lines, true, false);
    let split = Split::new(&dataset, SplitKind::LeaveOneOut).unwrap();
    let names = |cases: &[semrank_data::Case]| -> Vec<(String, String)> {
        let name = |case: &semrank_data::Case| {
            (dataset.users.name(case.user.0).to_owned(), dataset.catalog.name(case.target).to_owned())
        };
        cases.iter().map(name).collect()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(user, item)| (user.to_string(), item.to_string())).collect()
    };
    // The tie of u3 is broken by the row order.
    assert_eq!(names(&split.test), pairs(&[("u0", "i4"), ("u3", "i9")]));
    assert_eq!(names(&split.validation), pairs(&[("u0", "i2")]));
    assert_eq!(split.without_history.test, 3, "u, u1 and u4 have one target event");
    assert_eq!(split.without_history.validation, 1, "u3");
    let u0 = dataset.users.get("u0").map(UserId).unwrap();
    assert_eq!(dataset.events.before(u0, split.test[0].end).len(), 3, "the view between is history");
    assert_eq!(FitScope::of_split(&dataset, &split).history(&dataset, u0).len(), 1);
}

#[test]
fn a_log_without_times_has_no_time_split() {
    let error = Split::new(&dataset(&[(0, 1, true, 1)], false, false), SplitKind::Time).unwrap_err();
    assert!(error.to_string().contains("has no timestamps"), "{error}");
}
