//! How many of every ten places are kept for items without events.
//!
//! A case is scored once; every number of places then moves a few new items of its row.

use super::Chosen;
use crate::places::most_kept;
use crate::servable::Blended;
use crate::{Blend, BlendSettings, NewItems, Servable, TrainingData, keep_places};
use rayon::prelude::*;
use semrank_core::{EventLog, History, narrow};
use semrank_data::Case;
use semrank_measure::{
    RankMetrics,
    ranking::{EvaluateError, histories_of_a_tile},
};

/// Keeps as many places for items without events as helps those who want them, while NDCG@10 over all cases loses at most
/// `place_price` times their share of the targets.
pub(super) fn keep(
    mut chosen: Chosen,
    servable: &Servable,
    data: &TrainingData,
    cases: &[Case],
    settings: &BlendSettings,
) -> Result<Chosen, EvaluateError> {
    let is_new: Vec<bool> = cases.iter().map(|case| data.counts[case.target.index()] == 0).collect();
    let new_share = is_new.iter().filter(|new| **new).count() as f64 / cases.len().max(1) as f64;
    let may_lose = settings.place_price * new_share;
    let new_items = servable.new_items.as_ref().filter(|_| may_lose > 0.0);
    let Some(new_items) = new_items else { return Ok(chosen) };
    let blend = Blend { new_places: 0, ..chosen.blend };
    let blended = Blended { servable, prior: &chosen.prior, blend };
    let ranks = ranks(&blended, new_items, (data.events, cases), &settings.new_places)?;
    let ndcg_10 = |at: usize| {
        let of = |wanted: bool| {
            let ranks = ranks.iter().zip(&is_new).filter(move |(_, new)| **new || !wanted);
            RankMetrics::from_ranks(ranks.map(|(ranks, _)| ranks[at] as usize)).summary().ndcg_10
        };
        (of(false), of(true))
    };
    let (without, mut best_new) = ndcg_10(0);
    let mut best = (0, without);
    for (at, &places) in settings.new_places.iter().enumerate() {
        let (all, new) = ndcg_10(at + 1);
        if all >= without * (1.0 - may_lose) && new > best_new {
            best_new = new;
            best = (places as u32, all);
        }
    }
    (chosen.blend.new_places, chosen.ndcg_10) = best;
    Ok(chosen)
}

/// The target's rank, one list per case: without kept places, then with each number of them.
fn ranks(
    blended: &Blended,
    new_items: &NewItems,
    (events, cases): (&EventLog, &[Case]),
    numbers: &[usize],
) -> Result<Vec<Vec<u32>>, EvaluateError> {
    let items = blended.servable.items();
    let most = most_kept(numbers.iter().copied().max().unwrap_or(0));
    let block = |cases: &[Case]| {
        let histories: Vec<History> = cases.iter().map(|case| case.history(events)).collect();
        let users = blended.servable.users(&histories);
        let mut scores = vec![0.0; cases.len() * items];
        blended.rows(&users, &mut scores);
        let rows = cases.iter().zip(&users).zip(scores.chunks_exact(items));
        rows.map(|((case, user), row)| {
            let favoured = blended.servable.favoured(user, blended.blend.seen, most, |_| true);
            let mut lifted = Vec::new();
            let mut ranks = vec![rank(case, row)?];
            for &places in numbers {
                row.clone_into(&mut lifted);
                keep_places(places, &favoured, &new_items.items, &mut lifted);
                ranks.push(rank(case, &lifted)?);
            }
            Ok(ranks)
        })
        .collect::<Result<Vec<Vec<u32>>, EvaluateError>>()
    };
    let blocks: Result<Vec<_>, _> = cases.par_chunks(histories_of_a_tile(items)).map(block).collect();
    Ok(blocks?.into_iter().flatten().collect())
}

/// The target's pessimistic rank.
fn rank(case: &Case, row: &[f32]) -> Result<u32, EvaluateError> {
    let target = row[case.target.index()];
    if let Some(item) = row.iter().position(|score| score.is_nan()) {
        let (scorer, item) = ("model".to_owned(), narrow::index(item));
        return Err(EvaluateError::NotANumber { scorer, user: case.user.0, item });
    }
    Ok(narrow::count(row.iter().filter(|&&score| score >= target).count()))
}
