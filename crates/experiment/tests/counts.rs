//! The counting rules one at a time, on logs small enough to count by hand.

use semrank_experiment::Error;
use semrank_experiment::counts::{Counter, Counts, Definition, Event, Exposure, Part, count_in_parts};

fn definition(click_ms: i64, conversion_ms: i64) -> Definition {
    Definition {
        arms: vec!["control".into(), "treatment".into()],
        start_ms: 0,
        end_ms: 1_000,
        as_of_ms: 500,
        settle_ms: 10,
        windows_ms: [("click".to_owned(), click_ms), ("conversion".to_owned(), conversion_ms)].into(),
    }
}

/// `(id, unit, arm, time, received, would differ)`
type Shown = (&'static str, &'static str, &'static str, i64, i64, bool);
/// `(id, unit, action, time, received)`
type Done = (&'static str, &'static str, &'static str, i64, i64);

fn count(definition: Definition, exposures: &[Shown], events: &[Done]) -> Counts {
    let mut counter = Counter::new(definition).expect("valid");
    for &(id, unit, arm, time_ms, received_ms, would_differ) in exposures {
        let (event_id, unit, arm) = (id.to_owned(), unit.to_owned(), arm.to_owned());
        let row = Exposure { event_id, unit, arm, time_ms, received_ms, would_differ, bot: false };
        counter.exposure(&row).expect("a known arm");
    }
    for &(id, unit, action, time_ms, received_ms) in events {
        let (event_id, unit, action) = (id.to_owned(), unit.to_owned(), action.to_owned());
        counter.event(&Event { event_id, unit, action, time_ms, received_ms, value: 1.0 }).expect("finite");
    }
    counter.finish().expect("finite")
}

/// A unit matures when the longer window ends, whichever action has it.
#[test]
fn maturity_waits_for_the_longest_window_of_any_action() {
    let exposures = [("x1", "a", "control", 390, 390, true), ("x2", "b", "control", 391, 391, true)];
    for (click, conversion) in [(100, 20), (20, 100)] {
        let counts = count(definition(click, conversion), &exposures, &[]);
        assert_eq!((counts.all[0].matured, counts.all[0].left_out), (1, 1));
    }
}

#[test]
fn a_window_includes_its_start_and_excludes_its_end() {
    let exposures = [("x", "a", "control", 100, 100, true)];
    let events = [
        ("e1", "a", "click", 99, 99),
        ("e2", "a", "click", 100, 100),
        ("e3", "a", "click", 119, 119),
        ("e4", "a", "click", 120, 120),
    ];
    assert_eq!(count(definition(20, 50), &exposures, &events).all[0].sums, [2.0, 0.0]);
}

#[test]
fn the_phase_excludes_its_end_and_late_rows_are_not_known() {
    let mut early = definition(20, 50);
    early.end_ms = 200;
    let exposures = [("x1", "a", "control", 199, 199, true), ("x2", "b", "control", 200, 200, true)];
    let counts = count(early, &exposures, &[("e", "a", "click", 199, 501)]);
    assert_eq!(
        (counts.left_out.outside, counts.all[0].units, counts.left_out.received_after_as_of),
        (1, 1, 1)
    );
    assert_eq!(counts.all[0].sums, [0.0, 0.0]);
}

#[test]
fn the_first_received_of_equal_ids_counts() {
    let exposures = [("x", "a", "control", 100, 100, true)];
    let events = [("e", "a", "click", 300, 310), ("e", "a", "click", 105, 106)];
    let counts = count(definition(20, 50), &exposures, &events);
    assert_eq!((counts.left_out.duplicates, counts.all[0].sums[0]), (1, 1.0));
}

#[test]
fn the_triggered_view_starts_at_the_first_request_that_differs() {
    let exposures = [
        ("x1", "a", "treatment", 100, 100, false),
        ("x2", "a", "treatment", 200, 200, true),
        ("x3", "b", "treatment", 100, 100, false),
        ("x4", "c", "control", 100, 100, true),
        ("x5", "c", "treatment", 110, 110, true),
    ];
    let events = [("e1", "a", "click", 101, 101), ("e2", "a", "click", 201, 201), ("e3", "z", "click", 1, 1)];
    let counts = count(definition(20, 50), &exposures, &events);
    assert_eq!((counts.all[1].units, counts.triggered[1].units, counts.left_out.crossovers), (2, 1, 1));
    assert_eq!((counts.all[1].sums[0], counts.triggered[1].sums[0]), (1.0, 1.0));
    assert_eq!(counts.left_out.without_exposure, 1);
    assert_eq!(counts.units_by_day[&0], [0, 2]);
}

#[test]
fn an_unknown_arm_and_a_window_of_nothing_are_errors() {
    let row = |arm: &str| Exposure {
        event_id: "x".into(),
        unit: "a".into(),
        arm: arm.into(),
        time_ms: 1,
        received_ms: 1,
        would_differ: true,
        bot: false,
    };
    let error =
        Counter::new(definition(20, 50)).expect("valid").exposure(&row("blue")).expect_err("not an arm");
    assert!(error.to_string().contains("blue"), "{error}");
    assert!(Counter::new(definition(0, 50)).is_err());
}

#[test]
fn parts_are_not_mixed_up() {
    let empty = |part| Counter::of_part(definition(20, 50), part);
    let [first, second] = [0, 1].map(|at| Part::all(2).nth(at).expect("two parts"));
    assert!(empty(first).expect("valid").merge(empty(second).expect("valid")).is_err());
    let wrong = |_| empty(first);
    assert!(count_in_parts::<Error>(&definition(20, 50), 2, 1, wrong).is_err());
    let counts = count_in_parts::<Error>(&definition(20, 50), 2, 1, empty).expect("no rows");
    assert_eq!(counts, empty(Part::WHOLE).and_then(Counter::finish).expect("no rows"));
}
