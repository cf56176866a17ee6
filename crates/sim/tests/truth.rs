//! Promises of the truth: events follow it, and popularity is far from the oracle.

use semrank_measure::{RankMetrics, RankSummary};
use semrank_sim::{Market, MarketConfig, Traits};
use std::collections::HashMap;

/// Leave-one-out: a score for every item from the user's events before the last.
fn evaluate(market: &Market, scores: impl Fn(usize) -> Vec<f64>) -> RankSummary {
    let ranks = (0..market.users().len()).map(|user| {
        let events = market.events_of(user);
        let (scores, target) = (scores(user), events[events.len() - 1].item);
        1 + (0..scores.len()).filter(|&item| item != target && scores[item] >= scores[target]).count()
    });
    RankMetrics::from_ranks(ranks).summary()
}

/// Each user's items but the last.
fn training(market: &Market) -> Vec<Vec<usize>> {
    let known = |user| {
        let events = market.events_of(user);
        events[..events.len() - 1].iter().map(|event| event.item).collect()
    };
    (0..market.users().len()).map(known).collect()
}

fn popularity(training: &[Vec<usize>], items: usize) -> Vec<f64> {
    let mut counts = vec![0.0; items];
    training.iter().flatten().for_each(|&item| counts[item] += 1.0);
    counts
}

fn transitions(training: &[Vec<usize>], of: impl Fn(usize) -> usize) -> HashMap<(usize, usize), f64> {
    let mut counts = HashMap::new();
    for pair in training.iter().flat_map(|items| items.windows(2)) {
        *counts.entry((of(pair[0]), of(pair[1]))).or_default() += 1.0;
    }
    counts
}

/// How much more often than by chance the brand, style and colour of an item occur in a history; its words state
/// them.
fn likeness(market: &Market, history: &[Traits], item: usize) -> f64 {
    let traits = market.items()[item].traits;
    let topic = |t: &&Traits| t.part / 5 == traits.part / 5;
    let lift = |same: usize, of: usize, values: f64| (1.0 + same as f64) / (1.0 + of as f64 / values);
    let count = |test: &dyn Fn(&Traits) -> bool| history.iter().filter(|t| test(t)).count();
    lift(count(&|t| topic(&t) && t.brand == traits.brand), history.iter().filter(topic).count(), 6.0)
        * lift(count(&|t| t.style == traits.style), history.len(), 8.0)
        * lift(count(&|t| t.colour == traits.colour), history.len(), 8.0)
}

#[test]
fn a_reader_of_histories_and_texts_beats_the_baselines_and_not_the_oracle() {
    let market = Market::new(MarketConfig::default()).unwrap();
    let items = market.items().len();
    let training = training(&market);
    let part = |item: usize| market.items()[item].traits.part;
    let counts = popularity(&training, items);
    let steps = transitions(&training, |item| item);
    let needs = transitions(&training, part);
    let mut leaving = vec![1.0; 60];
    needs.iter().for_each(|(&(from, _), count)| leaving[from] += count);

    let oracle = market.oracle();
    let popular = evaluate(&market, |_| counts.clone());
    let markov = evaluate(&market, |user| {
        let last = *training[user].last().unwrap();
        (0..items).map(|item| steps.get(&(last, item)).unwrap_or(&0.0) + 1e-6 * counts[item]).collect()
    });
    let reader = evaluate(&market, |user| {
        let history: Vec<Traits> = training[user].iter().map(|&item| market.items()[item].traits).collect();
        let last = part(*training[user].last().unwrap());
        let own =
            |part: usize| history.iter().filter(|t| t.part == part).count() as f64 / history.len() as f64;
        let chance: Vec<f64> = (0..60)
            .map(|part| needs.get(&(last, part)).unwrap_or(&0.0) / leaving[last] + 0.3 * own(part) + 0.002)
            .collect();
        let score = |item| {
            let within = (0.5 + counts[item]) / leaving[part(item)];
            let new = if training[user].contains(&item) { 0.05 } else { 1.0 };
            chance[part(item)] * within * new * likeness(&market, &history, item)
        };
        (0..items).map(score).collect()
    });
    println!("oracle {oracle:?}\nreader {reader:?}\nmarkov {markov:?}\npopular {popular:?}");
    assert!(oracle.ndcg_10 > 5.0 * popular.ndcg_10);
    assert!(oracle.ndcg_10 > 1.8 * markov.ndcg_10);
    assert!(reader.ndcg_10 > 1.2 * markov.ndcg_10 && markov.ndcg_10 > popular.ndcg_10);
    assert!(oracle.ndcg_10 > reader.ndcg_10);
}

#[test]
fn events_happen_as_often_as_the_truth_says() {
    let market = Market::new(MarketConfig { users: 1_000, items: 300, ..MarketConfig::default() }).unwrap();
    let (mut expected, mut happened, mut variance) = (0.0, 0.0, 0.0);
    for user in 0..market.users().len() {
        let truth = market.truth(user, 4);
        let best = (0..truth.len()).max_by(|&a, &b| truth[a].total_cmp(&truth[b])).unwrap();
        expected += truth[best];
        variance += truth[best] * (1.0 - truth[best]);
        happened += f64::from(market.events_of(user)[4].item == best);
    }
    let deviation = (happened - expected).abs() / f64::sqrt(variance);
    assert!(deviation < 4.0, "the likeliest item came {happened} times, expected {expected}");
}
