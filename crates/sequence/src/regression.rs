//! What follows on what: ridge regression of the next events on those before them, as weights of pairs of items.
//!
//! At each place `t` of a user's training events stand the `recent` newest events before it, in a row of `S` with weights
//! `decay^age`, and the `window` events from it on, in a row of `Y` with weights `decay^gap`. The solution of
//! `(SᵀS + ridge · I) X = C`, with `C = SᵀY + backward · YᵀS` (only target events are candidates; the diagonal of `C` is zero), says
//! what an item of a history adds to a candidate besides the others (SLIST: Choe et al., "Session-aware Linear Item-Item Models for
//! Session-based Recommendation", WWW 2021, section 3). The inverse would be as large as the square of the catalogue. One step of
//! Jacobi's iteration from the diagonal, `X = D⁻¹ (C - O D⁻¹ C)` with `D + O = SᵀS + ridge · I`, approximates it with sparse rows
//! (figures: `docs/log.md`, 2026-11-28).

use crate::pairs::{Pairs, Scratch};
use crate::rows::{Sums, strongest};
use crate::{BlendSettings, TrainingData};
use rayon::prelude::*;

/// Strongest entries of each row of `O` and of `D⁻¹ C`: 4 KiB for each item while the table is made, and at most the square of this in
/// additions.
const KEPT: usize = 256;

type Row = Vec<(u32, f32)>;

/// The positive entries of the regression, `top` of each row at most, strongest first.
pub(crate) fn regression(data: &TrainingData, settings: &BlendSettings) -> Vec<Row> {
    solved(data, settings, KEPT)
}

fn solved(data: &TrainingData, settings: &BlendSettings, kept: usize) -> Vec<Row> {
    let pairs = Pairs::new(data, kernel(settings), settings.backward);
    let (diagonal, others): (Vec<f64>, Vec<Row>) = (0..data.items())
        .into_par_iter()
        .map_init(Scratch::default, |scratch, item| gram(item, data, &pairs, settings, (scratch, kept)))
        .unzip();
    let inverse: Vec<f64> = diagonal.iter().map(|own| 1.0 / (own + settings.ridge)).collect();
    let first: Vec<Row> = (0..data.items())
        .into_par_iter()
        .map_init(Scratch::default, |scratch, item| {
            pairs.row(item, scratch);
            let row = scratch.merged().filter(|&(other, weight)| other as usize != item && weight > 0.0);
            strongest(row.map(|(other, weight)| (other, (weight * inverse[item]) as f32)).collect(), kept)
        })
        .collect();
    let step = |sums: &mut Sums, item: usize| {
        let mut add = |row: &Row, factor: f32| {
            row.iter().for_each(|&(other, value)| sums.add(other, factor * value));
        };
        add(&first[item], 1.0);
        for &(through, weight) in &others[item] {
            add(&first[through as usize], -weight * inverse[item] as f32);
        }
        let found = sums.take().filter(|&(other, value)| value > 0.0 && other as usize != item);
        strongest(found.collect(), settings.top)
    };
    let items = (0..data.items()).into_par_iter();
    items.map_init(|| Sums::new(data.items()), step).collect()
}

/// Entries of `SᵀY` for two events by their distance, from 1 on: one for each place between them that sees both.
fn kernel(settings: &BlendSettings) -> Vec<f64> {
    let (recent, window) = (settings.recent, settings.window);
    let places = |gap: usize| (recent.min(gap) + 1).saturating_sub((gap + 1).saturating_sub(window).max(1));
    (1..recent + window).map(|gap| places(gap) as f64 * power(settings, gap - 1)).collect()
}

/// `1 + ratio + ratio² + …`, so many terms.
fn series(ratio: f64, terms: usize) -> f64 {
    match ratio == 1.0 {
        true => terms as f64,
        false => (1.0 - ratio.powi(i32::try_from(terms).unwrap_or(i32::MAX))) / (1.0 - ratio),
    }
}

fn power(settings: &BlendSettings, exponent: usize) -> f64 {
    settings.decay.powi(i32::try_from(exponent).unwrap_or(i32::MAX))
}

/// A row of `SᵀS`: its diagonal entry, and the strongest of the others.
fn gram(
    item: usize,
    data: &TrainingData,
    pairs: &Pairs,
    settings: &BlendSettings,
    (scratch, kept): (&mut Scratch, usize),
) -> (f64, Row) {
    let (items, recent, square) = (data.events.items(), settings.recent, power(settings, 2));
    scratch.found.clear();
    let mut own = 0.0;
    for &[start, at, end] in pairs.events(item) {
        let from = (at + 1).saturating_sub(recent).max(start);
        let near = from..(at + recent).min(end).max(from);
        for (other, near) in near.clone().zip(&items[near]) {
            let (gap, later) = (at.abs_diff(other), at.max(other));
            // The places after both, as far as both are among the newest: a geometric series.
            let places = (recent - gap).min(end - 1 - later);
            let weight = power(settings, gap) * series(square, places);
            if near.index() == item {
                own += weight;
            } else if weight > 0.0 {
                scratch.found.push((near.0, weight));
            }
        }
    }
    let others = scratch.merged().map(|(other, weight)| (other, weight as f32)).collect();
    (own, strongest(others, kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::{ActionId, Event, EventLog, EventLogBuilder, ItemId, Rng, UserId};

    const ITEMS: usize = 40;
    const USERS: usize = 30;

    /// Random histories in two actions, the last event of which is not for training.
    fn log() -> (EventLog, Vec<usize>) {
        let (mut log, mut rng) = (EventLogBuilder::default(), Rng::new(3, "regression"));
        for user in 0..USERS as u32 {
            for time in 0..2 + i64::from(user % 11) {
                let (item, action) = (ItemId(rng.below(ITEMS) as u32), ActionId(rng.below(2) as u8));
                log.push(UserId(user), Event { item, action, time });
            }
        }
        let log = log.finish(USERS, true);
        let ends = (0..USERS as u32).map(|user| log.range(UserId(user)).end - 1).collect();
        (log, ends)
    }

    /// `S`, `Y` and one step of the iteration as they are written down.
    fn dense(data: &TrainingData, settings: &BlendSettings) -> Vec<Vec<f64>> {
        let mut gram = vec![vec![0.0; ITEMS]; ITEMS];
        let mut follows = gram.clone();
        for user in 0..USERS {
            let events: Vec<Event> = data.range(user).map(|at| data.events.event(at)).collect();
            // Weights of the events at these places; as candidates those that are targets.
            let row = |places: &mut dyn Iterator<Item = (usize, i32)>| {
                let mut all = [vec![0.0; ITEMS], vec![0.0; ITEMS]];
                for (at, age) in places {
                    let (item, weight) = (events[at].item.index(), settings.decay.powi(age));
                    all[0][item] += weight;
                    all[1][item] += if data.is_target(events[at].action) { weight } else { 0.0 };
                }
                all
            };
            for t in 0..events.len() {
                let [before, taken] = row(&mut (0..t).rev().zip(0..).take(settings.recent));
                let [next, targets] = row(&mut (t..events.len()).zip(0..).take(settings.window));
                for i in 0..ITEMS {
                    for j in 0..ITEMS {
                        gram[i][j] += before[i] * before[j];
                        follows[i][j] += before[i] * targets[j] + settings.backward * next[i] * taken[j];
                    }
                }
            }
        }
        let inverse = |i: usize| 1.0 / (gram[i][i] + settings.ridge);
        let first = |i: usize, j: usize| if i == j { 0.0 } else { inverse(i) * follows[i][j] };
        let entry = |i: usize, j: usize| {
            let rest = (0..ITEMS).filter(|&l| l != i).map(|l| gram[i][l] * first(l, j));
            first(i, j) - inverse(i) * rest.sum::<f64>()
        };
        (0..ITEMS).map(|i| (0..ITEMS).map(|j| if i == j { 0.0 } else { entry(i, j) }).collect()).collect()
    }

    #[test]
    fn rows_are_those_of_the_matrices() {
        let (log, ends) = log();
        let data = TrainingData {
            target: Some(ActionId(0)),
            actions: 2,
            ..TrainingData::new(&log, &ends, &[1; ITEMS])
        };
        let all = BlendSettings { ridge: 2.0, ..BlendSettings::default() };
        for settings in [
            BlendSettings { recent: 2, window: 3, ..all.clone() },
            BlendSettings { recent: 3, window: 1, backward: 0.0, ..all.clone() },
            BlendSettings { recent: 1_000_000, decay: 1.0, ..all.clone() },
            all,
        ] {
            let mut found = 0;
            let rows = solved(&data, &settings, usize::MAX);
            for (row, wanted) in rows.iter().zip(dense(&data, &settings)) {
                let mut own = [0.0; ITEMS];
                row.iter().for_each(|&(other, value)| own[other as usize] = f64::from(value));
                for (own, wanted) in own.iter().zip(wanted) {
                    assert!((own - wanted.max(0.0)).abs() < 1e-6, "{own} {wanted}");
                }
                found += row.len();
            }
            assert!(found > ITEMS, "{found}");
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_counts() {
        let (log, ends) = log();
        for (recent, window) in [(0, 5), (5, 0), (0, 0)] {
            let settings = BlendSettings { recent, window, ..BlendSettings::default() };
            let rows = regression(&TrainingData::new(&log, &ends, &[1; ITEMS]), &settings);
            assert!(rows.iter().all(Vec::is_empty), "{recent} {window}");
        }
    }
}
