//! Which samples a row gives, and when.

use super::*;
use crate::samples::{Plan, Sample, Samples};

const MINUTE_MS: i64 = 60_000;

/// A world of rows at time 0 with a click at the first minute; dwell and reception of each click in minutes.
fn clicks(of: &[(i64, i64)]) -> World {
    let mut world = World::new(of.len(), 1);
    let examples = &mut world.examples;
    examples.parts = vec![Part::Train; of.len()];
    examples.times = vec![0; of.len()];
    examples.clicks = vec![true; of.len()];
    examples.click_times = vec![MINUTE_MS; of.len()];
    examples.dwell_ms = of.iter().map(|(dwell, _)| (dwell * MINUTE_MS) as i32).collect();
    examples.click_received = of.iter().map(|(_, received)| received * MINUTE_MS).collect();
    world
}

/// Minute, row and sample of all samples before a minute, and whether each is its row's last.
fn samples(world: &World, keep_negatives: f64, until: i64) -> Vec<(i64, u32, Sample, bool)> {
    let settings = PointwiseSettings { keep_negatives, ..PointwiseSettings::default() };
    let labels = (world.labels(), Delay::Window);
    let mut samples = Samples::new(Plan::new(labels, Some(until * MINUTE_MS), &settings, false, true, 1));
    let next = || samples.next_before(i64::MAX);
    std::iter::from_fn(next).map(|of| (of.time / MINUTE_MS, of.row, of.sample, of.last)).collect()
}

/// An impression waits 30 minutes for its click.
#[test]
fn a_click_waits_for_its_dwell_no_longer_than_an_impression_for_its_click() {
    let world = clicks(&[(10, 1), (180, 1), (10, 120), (10, 20)]);
    let all = [
        (11, 0, Sample::Click(true), true),
        (20, 3, Sample::Click(true), true),
        (30, 1, Sample::EarlyClick, false),
        (30, 2, Sample::Click(false), false),
        (120, 2, Sample::Click(true), true),
        (181, 1, Sample::Dwell, true),
    ];
    assert_eq!(samples(&world, 1.0, 200), all);
    let early: Vec<_> = all[..4].iter().map(|&(at, row, sample, _)| (at, row, sample, true)).collect();
    assert_eq!(samples(&world, 1.0, 100), early, "a long dwell keeps no click back");
}

/// What is thinned is the label that is known then, whatever the log has later.
#[test]
fn rows_are_thinned_by_what_is_known() {
    let rows = 2000;
    let late: Vec<(i64, i64)> = vec![(0, 120); rows];
    let mut never = clicks(&late);
    never.examples.clicks = vec![false; rows];
    let before = |world: &World| samples(world, 0.2, 100);
    let plain = before(&never);
    assert!((350..450).contains(&plain.len()), "{} of {rows} are kept", plain.len());
    assert_eq!(before(&clicks(&late)), plain);
    let clicked = samples(&clicks(&late), 0.2, 200);
    let late = clicked.iter().filter(|(_, _, sample, _)| *sample == Sample::Click(true)).count();
    assert_eq!((late, clicked.len()), (rows, rows + plain.len()), "every click is learned when it is known");
}
