//! What is known when: no count, no snapshot and no score depends on a label that came later.

use super::*;
use crate::affinity::Neighbours;
use crate::counts::{CountSizes, CountState, Learned, Subject};
use crate::replay::Replay;
use proptest::prelude::*;

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

/// A world of so many rows, and one whose labels are others as far as they are not known at the time of row `at`.
fn twins((rows, seed): (usize, u64), (logging, disordered): (i64, bool), at: usize) -> (World, World) {
    let [world, mut other] = [(); 2].map(|()| {
        let world = World::new(rows, seed).logging_hours(logging);
        if disordered { world.disordered(seed) } else { world }
    });
    let now = world.examples.times[at];
    (0..rows).for_each(|row| other.turn_around(row, now));
    (world, other)
}

#[test]
fn a_snapshot_knows_only_what_came_before_it() {
    for (logging, disordered) in [(0, false), (6, false), (0, true), (6, true)] {
        let (world, other) = twins((800, 6), (logging, disordered), 400);
        let cut = world.examples.times[400];
        let settings = PointwiseSettings { known: Known::Past, ..small() };
        for (delay, hazard, keep_negatives) in [
            (Delay::Window, Hazard::Piecewise, 1.0),
            (Delay::Window, Hazard::Piecewise, 0.3),
            (Delay::Naive, Hazard::Piecewise, 1.0),
            (Delay::FakeNegativeWeighted, Hazard::Piecewise, 1.0),
            (Delay::DelayModel, Hazard::Piecewise, 1.0),
            (Delay::DelayModel, Hazard::Weibull, 0.3),
            (Delay::Elapsed, Hazard::Piecewise, 1.0),
        ] {
            let settings = PointwiseSettings { hazard, keep_negatives, ..settings.clone() };
            let snapshot = |world: &World| {
                world.with_trainer((&settings, &once(delay)), |mut trainer| {
                    trainer.train_to(cut).unwrap();
                    trainer.network().weights.params.clone()
                })
            };
            assert_eq!(
                snapshot(&world),
                snapshot(&other),
                "{delay:?}, {hazard:?}, keeps {keep_negatives}, logged {logging} hours later, disordered {disordered}"
            );
        }
    }
}

#[test]
fn a_kept_state_is_the_same_bytes_whatever_came_after_it() {
    for (known, logging, disordered) in
        [(Known::Earlier, 0, true), (Known::Past, 6, true), (Known::Past, 0, false)]
    {
        // Row 720 is the first of the test.
        let (world, other) = twins((800, 9), (logging, disordered), 720);
        let settings = PointwiseSettings { known, ..small() };
        let kept = |world: &World| {
            world.with_trainer((&settings, &once(Delay::Window)), |mut trainer| {
                let dir = tempfile::tempdir().unwrap();
                trainer.snapshot().save(dir.path()).unwrap();
                std::fs::read(dir.path().join("features.safetensors")).unwrap()
            })
        };
        assert!(kept(&world) == kept(&other), "{known:?}, logged {logging} hours later");
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
            trainer.fit(&mut |_, _| true).unwrap();
            trainer.score(&(0..500).collect::<Vec<_>>(), Position::Logged).unwrap()
        })
    };
    assert_eq!(scores(&world), scores(&other));
}

/// Brings rows and their labels in time order, and tells of the features of each row.
fn replay(
    world: &World,
    known: Known,
    mut learned: impl FnMut(Learned),
    mut of_row: impl FnMut(&[f32]),
) -> CountState {
    let settings = PointwiseSettings { known, ..PointwiseSettings::default() };
    let (labels, items) = (world.labels(), &world.items);
    let sizes = CountSizes {
        users: USERS,
        items: ITEMS,
        advertisers: items.advertiser_count(),
        slots: 3,
        impressions: world.examples.len(),
        conversions: labels.has_conversions(),
    };
    let (mut counts, mut replay) = (CountState::new(sizes, &settings), Replay::new(labels, known));
    for row in 0..world.examples.len() {
        while let Some(arrived) = replay.next_before(row) {
            assert!(counts.observe(arrived.event, &mut learned), "{arrived:?}");
        }
        let (user, item) = (world.examples.users[row].0, world.examples.items[row].0);
        let slot = world.examples.slots.get(row).copied().unwrap_or(NO_SLOT);
        let subject = Subject { user, item, advertiser: items.advertiser(item).unwrap_or(u32::MAX), slot };
        let mut out = Vec::new();
        let expected = counts.read(&subject, &mut out);
        assert_eq!(out.len(), counts.width());
        assert!(out.iter().all(|value| value.is_finite()));
        of_row(&out);
        replay.show(row).into_iter().for_each(|impression| counts.shown(impression, subject, expected));
    }
    counts
}

fn counted(world: &World, known: Known) -> Vec<Vec<f32>> {
    let mut rows = Vec::new();
    replay(world, known, |_| {}, |features| rows.push(features.to_vec()));
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn later_labels_change_no_earlier_count(seed in 0u64..1000, at in 0usize..200, logging in 0i64..12) {
        let (world, other) = twins((200, seed), (logging, seed % 2 == 0), at);
        for known in [Known::Train, Known::Earlier, Known::Past] {
            let (a, b) = (counted(&world, known), counted(&other, known));
            prop_assert_eq!(&a[..=at], &b[..=at], "row {} of seed {}, {:?}", at, seed, known);
        }
    }
}

/// Long enough for effects of contents to be fitted several times.
#[test]
fn later_labels_change_no_earlier_feature() {
    let features = |world: &World, known: Known| {
        let settings = PointwiseSettings { known, ..small() };
        world.with_trainer((&settings, &once(Delay::Window)), |mut trainer| {
            let rows = world.examples.len();
            trainer.features.make_up_to(rows - 1);
            (0..rows).map(|row| trainer.features.of(row).to_vec()).collect::<Vec<_>>()
        })
    };
    for (at, disordered) in [(300, false), (700, true), (1050, false), (1050, true)] {
        let (world, other) = twins((1200, 8), (0, disordered), at);
        for known in [Known::Earlier, Known::Past] {
            let (a, b) = (features(&world, known), features(&other, known));
            assert_eq!(&a[..=at], &b[..=at], "row {at}, {known:?}");
            assert!(known == Known::Earlier || a[1199] != b[1199]);
        }
    }
}

#[test]
fn counts_by_hand() {
    let mut world = World::new(4, 1);
    world.items.advertisers = Vec::new();
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

/// Shown on day 30, clicked five minutes later, which the log has on day 40.
#[test]
fn a_click_that_is_not_known_yet_is_none_that_did_not_convert() {
    let mut world = World::new(4, 1);
    world.dataset.meta.windows.insert("conversion_days".into(), 7.into());
    let shown = 30 * DAY_MS;
    let examples = &mut world.examples;
    (examples.times[0], examples.clicks[0], examples.click_times[0]) = (shown, true, shown + 5 * 60_000);
    (examples.conversions[0], examples.conversion_times[0]) = (Some(false), i64::MIN);
    examples.click_received = vec![40 * DAY_MS; 4];
    let labels = world.labels();
    let known = |moment: i64| {
        let clicks = labels.click_before(0, moment);
        (clicks, labels.conversion_before(0, moment), labels.click_and_conversion_before(0, moment))
    };
    assert_eq!(known(38 * DAY_MS), (Some(false), None, Some(false)));
    assert_eq!(known(41 * DAY_MS), (Some(true), Some(false), Some(false)));
    assert_eq!(known(shown + 60_000), (None, None, None));
}

/// Two items of one user: the click on the first is known after the second row's label.
#[test]
fn a_late_click_corrects_what_items_share() {
    let mut world = World::new(3, 1);
    let examples = &mut world.examples;
    examples.parts = vec![Part::Train; 3];
    examples.users = vec![UserId(0); 3];
    examples.items = vec![ItemId(0), ItemId(1), ItemId(2)];
    examples.times = vec![0, HOUR_MS, 8 * HOUR_MS];
    examples.clicks = vec![true, true, false];
    examples.click_times = vec![60_000, HOUR_MS + 60_000, i64::MIN];
    examples.click_received = vec![4 * HOUR_MS, HOUR_MS + 60_000, i64::MIN];
    let mut neighbours = Neighbours::default();
    let counts = replay(&world, Known::Past, |learned| neighbours.learn(learned), |_| {});
    let past = counts.pasts().of(0);
    assert_eq!(past.len(), 2);
    assert!(past.iter().all(|past| past.residual > 0.0), "both were clicked: {past:?}");
    // One user, three at likeness 0.
    let expected = past[0].residual * past[1].residual / 4.0;
    assert!((neighbours.likeness(0, 1) - expected).abs() < 1e-5, "{} {expected}", neighbours.likeness(0, 1));
}
