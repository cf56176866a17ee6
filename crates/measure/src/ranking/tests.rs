//! The evaluator against a simple reference, on scores with many ties.

use super::*;
use proptest::prelude::*;
use semrank_core::{ActionId, Dictionary, Event, EventLog, EventLogBuilder, History, ItemId, UserId};
use semrank_data::Case;

/// Scores read from a table, one row per user.
struct Table {
    items: usize,
    scores: Vec<f32>,
}

impl Scorer for Table {
    fn name(&self) -> &str {
        "table"
    }

    fn score(&self, histories: &[History], out: &mut [f32]) {
        for (history, row) in histories.iter().zip(out.chunks_mut(self.items)) {
            row.copy_from_slice(&self.scores[user_of(history) * self.items..][..self.items]);
        }
    }
}

/// Times tell whose events they are, as a history does not.
const USER_TIME: i64 = 1000;

fn user_of(history: &History) -> usize {
    (history.times[0] / USER_TIME) as usize
}

/// One sequence of items per user; the last item is the target.
fn world(sequences: &[Vec<u32>]) -> (EventLog, Vec<Case>) {
    let mut log = EventLogBuilder::default();
    for (user, items) in sequences.iter().enumerate() {
        for (time, &item) in items.iter().enumerate() {
            let event = Event {
                item: ItemId(item),
                action: ActionId(0),
                time: user as i64 * USER_TIME + time as i64,
            };
            log.push(UserId(user as u32), event);
        }
    }
    let log = log.finish(sequences.len(), false);
    let users = (0..sequences.len() as u32).map(UserId);
    let cases = users
        .zip(sequences)
        .map(|(user, items)| Case {
            user,
            end: log.range(user).end - 1,
            target: ItemId(*items.last().unwrap()),
        })
        .collect();
    (log, cases)
}

/// Sorts all items: the rank of the target behind its ties, and the list with ties in catalogue order.
fn reference(row: &[f32], history: &[u32], target: u32, protocol: Protocol, k: usize) -> (u32, Vec<ItemId>) {
    let mut items: Vec<u32> = (0..row.len() as u32)
        .filter(|item| protocol == Protocol::Strict || *item == target || !history.contains(item))
        .collect();
    items.sort_by(|&a, &b| row[b as usize].partial_cmp(&row[a as usize]).unwrap().then(a.cmp(&b)));
    let last_tie = items.iter().rposition(|&item| row[item as usize] >= row[target as usize]).unwrap();
    (last_tie as u32 + 1, items.into_iter().take(k).map(ItemId).collect())
}

fn scores() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => (0i8..6).prop_map(f32::from),
        1 => Just(f32::NEG_INFINITY),
        1 => Just(-0.0f32),
        2 => -1.0f32..1.0,
    ]
}

fn a_world() -> impl Strategy<Value = (Vec<Vec<u32>>, Vec<f32>, usize, usize)> {
    (1usize..700, 1usize..5, 1usize..60).prop_flat_map(|(items, users, k)| {
        let sequences = prop::collection::vec(prop::collection::vec(0..items as u32, 2..30), users);
        (sequences, prop::collection::vec(scores(), users * items), Just(items), Just(k))
    })
}

proptest! {
    #[test]
    fn ranks_and_lists_equal_a_full_sort((sequences, scores, items, k) in a_world()) {
        let (log, cases) = world(&sequences);
        let table = Table { items, scores };
        let ranking = rank(&table, &log, items, &cases, RankOptions { list: k }).unwrap();
        for protocol in Protocol::ALL {
            let got = ranking.of(protocol);
            prop_assert_eq!(got.ranks.len(), cases.len());
            for (user, sequence) in sequences.iter().enumerate() {
                let (&target, history) = sequence.split_last().unwrap();
                let row = &table.scores[user * items..][..items];
                let (rank, list) = reference(row, history, target, protocol, k);
                prop_assert_eq!(got.ranks[user], rank);
                prop_assert_eq!(got.list(user), &list[..]);
            }
        }
        prop_assert_eq!(rank(&table, &log, items, &cases, RankOptions::default()).unwrap().strict.ranks, ranking.strict.ranks);
    }
}

#[test]
fn many_blocks_stand_in_order_on_any_number_of_threads() {
    let (items, users) = (300usize, 1111usize);
    let sequences: Vec<Vec<u32>> =
        (0..users as u32).map(|u| (0..9).map(|t| (u * 7 + t * 31) % 300).collect()).collect();
    let (log, cases) = world(&sequences);
    let scores = (0..users * items).map(|at| ((at * 7919) % 1009) as f32).collect();
    let table = Table { items, scores };
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| rank(&table, &log, items, &cases, RankOptions { list: 20 }).unwrap())
    };
    let one = run(1);
    assert_eq!(one, run(3));
    for (user, sequence) in sequences.iter().enumerate() {
        let (&target, history) = sequence.split_last().unwrap();
        let expected =
            reference(&table.scores[user * items..][..items], history, target, Protocol::Filtered, 20);
        assert_eq!((one.filtered.ranks[user], one.filtered.list(user)), (expected.0, &expected.1[..]));
    }
}

#[test]
fn nan_is_an_error_that_names_the_first_user_and_item() {
    let (log, cases) = world(&[vec![0, 1], vec![1, 2], vec![2, 0]]);
    let scores = vec![1.0, 2.0, 3.0, 0.0, f32::NAN, 1.0, 0.0, 0.0, f32::NAN];
    let error = rank(&Table { items: 3, scores }, &log, 3, &cases, RankOptions::default()).unwrap_err();
    assert!(matches!(error, EvaluateError::NotANumber { user: 1, item: 1, .. }), "{error}");
}

#[test]
fn predictions_are_one_line_a_case() {
    let (log, cases) = world(&[vec![0, 1], vec![1, 2]]);
    let table = Table { items: 3, scores: vec![1.0, 2.0, 3.0, 5.0, 4.0, 3.0] };
    let ranking = rank(&table, &log, 3, &cases, RankOptions { list: 50 }).unwrap();
    let users: Dictionary = ["007", "u"].into_iter().collect();
    let write = |items: [&str; 3]| {
        let mut out = Vec::new();
        let items: Dictionary = items.into_iter().collect();
        write_predictions(&mut out, &cases, &ranking.filtered, &users, &items)
            .map(|()| String::from_utf8(out).unwrap())
    };
    assert_eq!(write(["a", "b", "c"]).unwrap(), "007\tc b\nu\ta c\n");
    assert!(matches!(write(["a", "b", "c c"]), Err(EvaluateError::UnwritableId { .. })));
}
