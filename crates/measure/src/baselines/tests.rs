//! Baselines on a world small enough to count by hand.

use super::*;
use crate::ranking::Scorer;
use semrank_core::{Catalog, Event, EventLogBuilder, TextColumn, UserId};
use semrank_data::{FitScope, Meta, Split, SplitKind};
use semrank_embed::hash::FeatureSettings;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Events as (user, item, action, day); actions are `view` and `purchase`.
fn dataset(events: &[(u32, u32, u8, i64)], timed: bool, target: Option<&str>) -> Dataset {
    let texts = ["red nail polish", "nail polish", "gas stove", "stove, red", "balm"];
    let mut log = EventLogBuilder::default();
    for &(user, item, action, day) in events {
        log.push(UserId(user), Event { item: ItemId(item), action: ActionId(action), time: day * DAY });
    }
    Dataset {
        meta: Meta { target_action: target.map(str::to_owned), ..Meta::default() },
        users: ["a", "b", "c"].into_iter().collect(),
        actions: ["view", "purchase"].into_iter().collect(),
        catalog: Catalog {
            ids: ["0", "1", "2", "3", "4"].into_iter().collect(),
            texts: vec![TextColumn { name: "title".into(), values: texts.map(String::from).to_vec() }],
            ..Catalog::default()
        },
        events: log.finish(3, timed),
    }
}

fn score(dataset: &Dataset, scorer: &dyn Scorer, user: u32, end: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; 5];
    scorer.score(&[dataset.events.before(UserId(user), end)], &mut out);
    out
}

/// Users a: 0 1 2 | 3 4; b: 0 1 0 | 1 2; c: 4 2 | 3 3 — the last two events of each are held out.
fn leave_one_out() -> Dataset {
    let users = [[0, 1, 2, 3, 4].as_slice(), &[0, 1, 0, 1, 2], &[4, 2, 3, 3]];
    let events: Vec<(u32, u32, u8, i64)> = users
        .iter()
        .zip(0..)
        .flat_map(|(items, user)| items.iter().zip(0..).map(move |(&item, day)| (user, item, 0, day)))
        .collect();
    dataset(&events, false, None)
}

#[test]
fn popularity_counts_training_events_only() {
    let dataset = leave_one_out();
    let split = Split::new(&dataset, SplitKind::LeaveOneOut).unwrap();
    let scope = FitScope::of_split(&dataset, &split);
    assert_eq!(score(&dataset, &Popularity::fit(&scope), 0, 4), [3.0, 2.0, 2.0, 0.0, 1.0]);
    assert!(Popularity::recent(&dataset, &scope, 7).is_none(), "no timestamps");
}

#[test]
fn markov_counts_transitions_and_backs_off_to_popularity() {
    let dataset = leave_one_out();
    let split = Split::new(&dataset, SplitKind::LeaveOneOut).unwrap();
    let scope = FitScope::of_split(&dataset, &split);
    let markov = Markov::fit(&dataset, &scope);
    let popularity = [0.75, 0.5, 0.5, 0.0, 0.25]; // counts over (largest count + 1)
    // After 1: 1 -> 2 once (user a), 1 -> 0 once (user b).
    assert_eq!(score(&dataset, &markov, 0, 2), [1.75, 0.5, 1.5, 0.0, 0.25]);
    // After 0: 0 -> 1 twice.
    assert_eq!(score(&dataset, &markov, 0, 1), [0.75, 2.5, 0.5, 0.0, 0.25]);
    // After 3, and with no history at all: nothing is known.
    assert_eq!(score(&dataset, &markov, 0, 4), popularity);
    assert_eq!(score(&dataset, &markov, 1, 5), popularity);
}

#[test]
fn only_events_of_the_target_action_count() {
    let events = [(0, 0, 1, 0), (0, 4, 0, 1), (0, 1, 1, 2), (0, 2, 1, 3), (0, 2, 1, 4), (1, 3, 0, 0)];
    let dataset = dataset(&events, true, Some("purchase"));
    let split = Split::new(&dataset, SplitKind::LeaveOneOut).unwrap();
    let scope = FitScope::of_split(&dataset, &split);
    assert_eq!(score(&dataset, &Popularity::fit(&scope), 0, 3), [1.0, 1.0, 0.0, 0.0, 0.0]);
    // The view of item 4 between purchases 0 and 1 is neither a transition nor a last item.
    assert_eq!(score(&dataset, &Markov::fit(&dataset, &scope), 0, 2), [0.5, 1.5, 0.0, 0.0, 0.0]);
}

#[test]
fn recent_popularity_counts_the_last_days_of_training() {
    // Training ends on day 20 (user a's third event); day 13 is outside its last 7 days.
    let events = [(0, 0, 0, 1), (0, 1, 0, 14), (0, 2, 0, 20), (0, 3, 0, 30), (0, 3, 0, 31)];
    let early = [(1, 0, 0, 2), (1, 0, 0, 13), (1, 4, 0, 33), (1, 4, 0, 34)];
    let dataset = dataset(&[&events[..], &early].concat(), true, None);
    let split = Split::new(&dataset, SplitKind::LeaveOneOut).unwrap();
    let scope = FitScope::of_split(&dataset, &split);
    let recent = Popularity::recent(&dataset, &scope, 7).unwrap();
    assert_eq!(score(&dataset, &recent, 0, 3), [0.75, 1.25, 1.25, 0.0, 0.0]);
}

#[test]
fn similar_text_is_the_cosine_to_the_last_three_items() {
    let dataset = leave_one_out();
    let split = Split::new(&dataset, SplitKind::LeaveOneOut).unwrap();
    let scope = FitScope::of_split(&dataset, &split);
    let fit = |mask| SimilarText::fit(&dataset, &scope, &FeatureSettings::default(), mask);
    // Columns are "red", "nail", "polish", "nail polish" and "stove", all of two items and so of one idf.
    let third = 1.0 / 3f32.sqrt();
    let close = |got: Vec<f32>, want: [f32; 5]| {
        assert!(got.iter().zip(want).all(|(g, w)| g == &w || (g - w).abs() < 1e-6), "{got:?}, not {want:?}");
    };
    // Last item 0: "red nail polish".
    close(score(&dataset, &fit(false), 0, 1), [1.0, 0.75f32.sqrt(), 0.0, 0.125f32.sqrt(), 0.0]);
    close(score(&dataset, &fit(true), 0, 1), [f32::NEG_INFINITY, 0.75f32.sqrt(), 0.0, 0.125f32.sqrt(), 0.0]);
    // Last item 4 has no known token, and an empty history no item.
    close(score(&dataset, &fit(false), 2, 11), [0.0; 5]);
    close(score(&dataset, &fit(false), 0, 0), [0.0; 5]);
    // Items 0, 1, 2 are known, 3 = (red + stove): the sum is red/2, stove, and the rest (1/2 + third) each.
    let length = (0.25 + 1.0 + 3.0 * (0.5 + third).powi(2)).sqrt();
    assert!((score(&dataset, &fit(true), 0, 3)[3] - 1.5 / 2f32.sqrt() / length).abs() < 1e-6);
}

/// Ten events a day for thirty days, the first half of item 0, the others of item 1; one clock is in the year 2079.
#[test]
fn an_event_of_a_wrong_clock_is_not_now() {
    let mut events: Vec<(u32, u32, u8, i64)> =
        (0..300).map(|at| (at % 3, u32::from(at >= 150), 0, i64::from(at / 10))).collect();
    events.extend((0..3).map(|at| (0, 2, 0, 40_000 + at)));
    let dataset = dataset(&events, true, None);
    let split = Split::new(&dataset, SplitKind::LeaveOneOut).unwrap();
    let scope = FitScope::of_split(&dataset, &split);
    assert_eq!(scope.counts()[2], 1, "two of the three are held out");
    let recent = score(&dataset, &Popularity::recent(&dataset, &scope, 7).unwrap(), 0, 0);
    assert!(recent[1] > 50.0 && recent[0] < 1.0, "{recent:?}");
}
