//! How many of every ten places are kept for items without events.
//!
//! A case is scored once; every number of places then moves a few new items of its row.

use super::Chosen;
use crate::places::most_kept;
use crate::{Blend, BlendSettings, NewItems, Ranker, Terms, TrainingData, keep_places};
use rayon::prelude::*;
use semrank_core::narrow;
use semrank_data::Case;
use semrank_measure::{
    RankMetrics,
    ranking::{EvaluateError, Query, Scorer, queries_of_a_tile},
};

/// Keeps as many places for items without events as helps those who want them, while NDCG@10 over all cases loses at most
/// `place_price` times their share of the targets.
pub(super) fn keep(
    mut chosen: Chosen,
    terms: &Terms,
    data: &TrainingData,
    cases: &[Case],
    settings: &BlendSettings,
) -> Result<Chosen, EvaluateError> {
    let is_new: Vec<bool> = cases.iter().map(|case| data.counts[case.target.index()] == 0).collect();
    let new_share = is_new.iter().filter(|new| **new).count() as f64 / cases.len().max(1) as f64;
    let may_lose = settings.place_price * new_share;
    let Some(new_items) = terms.new_items.filter(|_| may_lose > 0.0) else { return Ok(chosen) };
    let ranker = Ranker {
        terms: Terms { new_items: None, ..*terms },
        prior: &chosen.prior,
        blend: Blend { new_places: 0, ..chosen.blend },
    };
    let ranks = ranks(&ranker, new_items, cases, &settings.new_places)?;
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

/// The target's rank, one list a case: without kept places, then with each number of them.
fn ranks(
    ranker: &Ranker,
    new_items: &NewItems,
    cases: &[Case],
    numbers: &[usize],
) -> Result<Vec<Vec<u32>>, EvaluateError> {
    let items = ranker.terms.encoded.items();
    let most = most_kept(numbers.iter().copied().max().unwrap_or(0));
    let block = |cases: &[Case]| {
        let queries: Vec<Query> = cases.iter().map(|case| Query { user: case.user, end: case.end }).collect();
        let mut scores = vec![0.0; cases.len() * items];
        ranker.score(&queries, &mut scores);
        let rows = cases.iter().zip(&queries).zip(scores.chunks_exact(items));
        rows.map(|((case, query), row)| {
            let favoured = ranker.favoured(query, new_items, most);
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
    let blocks: Result<Vec<_>, _> = cases.par_chunks(queries_of_a_tile(items)).map(block).collect();
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
