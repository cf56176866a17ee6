//! How much of the click model's own list the first places of an order hold: of the early-stage model, of the fusion of the sources, and of
//! the next-item ranker; over all items, as sources, and over the merged candidates, which are to be cut.

use super::moments::{At, Teacher, cases};
use crate::response::ClickModel;
use crate::retrieval::{Quotas, Retrieval};
use crate::{Context, Data, Error, Part};
use semrank_core::ItemId;
use semrank_measure::ranking::mean_interval;
use semrank_retrieve::report::Mean;
use semrank_retrieve::{Early, Request};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Items that the click model scores for these figures, and the cases that they then are of.
const SCORED: usize = 3_000_000;
const CASES: [usize; 2] = [20, 300];
/// Best items of the click model, and first places of an order.
const FIGURES: [(usize, usize); 4] = [(10, 100), (50, 100), (10, 500), (50, 500)];
/// The orders that are compared.
const NAMES: [&str; 3] = ["early-stage", "fusion", "next-item"];

/// Shares of the click model's best items among the first places of an order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderRecall {
    /// Which order.
    pub name: String,
    /// Of its best 10, among the first 100.
    #[serde(rename = "top10@100")]
    pub top_10_100: Mean,
    /// Of its best 50, among the first 100.
    #[serde(rename = "top50@100")]
    pub top_50_100: Mean,
    /// Of its best 10, among the first 500.
    #[serde(rename = "top10@500")]
    pub top_10_500: Mean,
    /// Of its best 50, among the first 500.
    #[serde(rename = "top50@500")]
    pub top_50_500: Mean,
}

/// Orders over the same cases.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Orders {
    /// Cases.
    pub cases: usize,
    /// The early-stage model first.
    pub orders: Vec<OrderRecall>,
    /// Recall of the early-stage model less that of the better other, the mean of the four figures.
    pub gain: Mean,
}

/// Recall of every figure: of each order, one value per case.
type Values = [Vec<[f64; 4]>; 3];

impl Orders {
    fn new(values: &Values) -> Self {
        let mean = |values: Vec<f64>| Mean {
            value: values.iter().sum::<f64>() / values.len().max(1) as f64,
            interval: mean_interval(&values, 0),
        };
        let of_order = |(name, values): (&str, &Vec<[f64; 4]>)| {
            let figure = |at: usize| mean(values.iter().map(|figures| figures[at]).collect());
            OrderRecall {
                name: name.to_owned(),
                top_10_100: figure(0),
                top_50_100: figure(1),
                top_10_500: figure(2),
                top_50_500: figure(3),
            }
        };
        let whole = |order: usize| values[order].iter().map(|figures| figures.iter().sum::<f64>() / 4.0);
        let better = if whole(1).sum::<f64>() > whole(2).sum::<f64>() { 1 } else { 2 };
        Self {
            cases: values[0].len(),
            orders: NAMES.into_iter().zip(values).map(of_order).collect(),
            gain: mean(whole(0).zip(whole(better)).map(|(early, other)| early - other).collect()),
        }
    }

    /// Whether the early-stage model is better than both others, by more than chance.
    pub fn wins(&self) -> bool {
        self.gain.interval.is_some_and(|[low, _]| low > 0.0)
    }
}

/// Orders of all items and of the merged candidates, over the cases of a part.
///
/// # Errors
/// A source that fails; an interruption.
pub fn orders_of_cases(
    (retrieval, quotas, clicks): (&Retrieval, &Quotas, &ClickModel),
    early: &Arc<Early>,
    (data, part): (&Data, Part),
    context: &Context,
) -> Result<[Orders; 2], Error> {
    let teacher = Teacher::new(retrieval, quotas, clicks, data);
    orders(&teacher, early, &cases(data, part, CASES[1]), context)
}

/// The same over moments.
pub(super) fn orders(
    teacher: &Teacher,
    early: &Arc<Early>,
    moments: &[At],
    context: &Context,
) -> Result<[Orders; 2], Error> {
    let items = teacher.data.dataset.catalog.len().max(1);
    let most = (SCORED / items).clamp(CASES[0], CASES[1]).min(moments.len());
    let mut values: [Values; 2] = Default::default();
    for at in (0..most).map(|case| moments[case * moments.len() / most]) {
        context.check()?;
        teacher.with_request(at, |request| {
            for (values, (best, orders)) in values.iter_mut().zip(compared(teacher, early, at, request)?) {
                for (values, order) in values.iter_mut().zip(orders) {
                    values.push(FIGURES.map(|(top, depth)| recall(&best, top, &order, depth)));
                }
            }
            Ok(())
        })?;
    }
    Ok(values.each_ref().map(Orders::new))
}

/// The click model's best, and the three orders.
type Compared = (Vec<u32>, [Vec<u32>; 3]);

/// Of all items and of the merged candidates.
fn compared(
    teacher: &Teacher,
    early: &Arc<Early>,
    at: At,
    request: &Request,
) -> Result<[Compared; 2], Error> {
    let depth = FIGURES.map(|figure| figure.1).into_iter().max().unwrap_or(0);
    let merged = teacher.funnel.gather(request, 0).items;
    let fusion: Vec<u32> = merged.iter().map(|found| found.item).collect();
    let (mut found, source) = (Vec::new(), teacher.retrieval.early_stage(early.clone(), depth).source);
    source.candidates(request, depth, &mut found)?;
    let next: Vec<u32> =
        teacher.retrieval.ranker().top_k(request, depth)?.iter().map(|scored| scored.1).collect();
    let all: Vec<u32> = request.eligible.iter().collect();
    let whole = [found.iter().map(|scored| scored.item).collect(), fusion.clone(), next];

    let fused = request.servable.fused_query(request.user, 0.0).values;
    let rows = |item: u32, row: &mut [f32]| request.servable.fused_row(ItemId(item), row);
    let cut = early.cut(&fused, &rows, merged, usize::MAX).iter().map(|found| found.item).collect();
    let ids: Vec<ItemId> = fusion.iter().map(|&item| ItemId(item)).collect();
    let mut scores = vec![0.0; ids.len()];
    request.servable.score_items(request.user, &ids, &mut scores);
    let next = best(&fusion, &scores.iter().map(|&score| f64::from(score)).collect::<Vec<_>>());
    let of_clicks = |items: &[u32]| best(items, &teacher.log_odds(at, items));
    Ok([(of_clicks(&all), whole), (of_clicks(&fusion), [cut, fusion, next])])
}

/// Items by their scores, best first, of equal scores the lower item.
fn best(items: &[u32], scores: &[f64]) -> Vec<u32> {
    let mut order: Vec<(f64, u32)> = scores.iter().copied().zip(items.iter().copied()).collect();
    order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    order.into_iter().map(|(_, item)| item).collect()
}

/// The share of the first `top` of `best` that are among the first `depth` of `order`.
fn recall(best: &[u32], top: usize, order: &[u32], depth: usize) -> f64 {
    let (best, order) = (&best[..best.len().min(top)], &order[..order.len().min(depth)]);
    best.iter().filter(|item| order.contains(item)).count() as f64 / best.len().max(1) as f64
}
