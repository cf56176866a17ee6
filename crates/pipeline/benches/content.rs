//! The content source on the simulated ad market, where the chance of every click is known: of the best that is possible with the ads that
//! have no training event, which share does each source find? At the end of the log, users of the test.
//!
//! `semrank simulate --out raw --impressions N --ads A --users U --seed S`, `semrank prep`, `semrank run`, then
//! `cargo bench -p semrank-pipeline --bench content -- RUN N A U S`

use semrank_core::{Kind, Rng, UserId};
use semrank_measure::ranking::mean_interval;
use semrank_pipeline::Run;
use semrank_retrieve::{Bitmap, Request};
use semrank_sim::{AdMarket, AdMarketConfig};
use std::path::Path;

const DEPTHS: [usize; 2] = [100, 500];
/// Users that are looked at.
const USERS: usize = 1_000;
/// The best ads of a user, by the truth.
const BEST: usize = 10;

/// Of a user and a source: the value of its first places over that of the best as many, the share of the best 10 among them, and the same
/// where the source is asked for any ad.
type Figures = [f64; 6];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let numbers: Vec<usize> = args.iter().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let ([run, ..], &[impressions, ads, users, seed]) = (&args[..], &numbers[..]) else {
        println!("cargo bench -p semrank-pipeline --bench content -- RUN IMPRESSIONS ADS USERS SEED");
        return;
    };
    let config = AdMarketConfig { ads, users, seed: seed as u64, ..AdMarketConfig::sized(impressions) };
    let market = AdMarket::new(config).expect("a market");
    let run = Run::open(Path::new(run)).expect("a run");
    let (data, retrieval) = (run.data().expect("its data"), run.retrieval().expect("a next-item run"));
    let catalog = &data.dataset.catalog;
    // The truth of each item of the catalogue is that of the ad with its id.
    let mut rows = vec![usize::MAX; catalog.len()];
    for (row, ad) in market.ads().iter().enumerate() {
        if let Some(item) = catalog.ids.get(&ad.id) {
            rows[item as usize] = row;
        }
    }
    let is_ad = |item: usize| catalog.kinds[item] == Kind::Ad && rows[item] != usize::MAX;
    let all: Bitmap = (0..catalog.len()).map(is_ad).collect();
    let counts = data.scope.counts();
    let unknown: Bitmap = (0..catalog.len()).map(|item| is_ad(item) && counts[item] == 0).collect();
    println!("{} of {} ads have no training event", unknown.count(), all.count());
    let mut names = retrieval.names();
    names.push("random");
    let mut figures: Vec<Vec<Figures>> = vec![Vec::new(); names.len()];
    let step = data.dataset.users.len().div_ceil(USERS).max(1);
    for user in (0..data.dataset.users.len() as u32).step_by(step) {
        let Some(row) = data.dataset.users.name(user).strip_prefix("user-").and_then(|row| row.parse().ok())
        else {
            continue;
        };
        let chances = market.chances_at_end(row);
        let chance = |item: &u32| chances[rows[*item as usize]];
        let live = retrieval.live();
        let state = live.servable.user(data.dataset.events.of(UserId(user)));
        let [mut unknown, mut all] = [unknown.clone(), all.clone()];
        for item in live.servable.masked(&state) {
            unknown.set(item.0, false);
            all.set(item.0, false);
        }
        let mut best: Vec<u32> = unknown.iter().collect();
        best.sort_by(|a, b| chance(b).total_cmp(&chance(a)).then(a.cmp(b)));
        for (name, figures) in names.iter().zip(&mut figures) {
            let found = |eligible: &Bitmap| -> Vec<u32> {
                if *name == "random" {
                    let mut items: Vec<u32> = eligible.iter().collect();
                    Rng::new(u64::from(user), "random").shuffle(&mut items);
                    return items;
                }
                let funnel = retrieval.only(name, DEPTHS[1]).expect("a source");
                let request =
                    Request { names: Some(&live.names), ..Request::new(&live.servable, &state, eligible) };
                funnel.find(&request)[0].candidates.iter().map(|scored| scored.item).collect()
            };
            let (of_unknown, of_all) = (found(&unknown), found(&all));
            let sum =
                |items: &[u32]| items.iter().filter(|&&item| unknown.contains(item)).map(chance).sum::<f64>();
            let share =
                |found: &[u32], k: usize| sum(&found[..found.len().min(k)]) / sum(&best[..best.len().min(k)]);
            let hits = |k: usize| {
                let first = &of_unknown[..of_unknown.len().min(k)];
                best.iter().take(BEST).filter(|item| first.contains(item)).count() as f64 / BEST as f64
            };
            let [a, b] = DEPTHS;
            figures.push([
                share(&of_unknown, a),
                share(&of_unknown, b),
                hits(a),
                hits(b),
                share(&of_all, a),
                share(&of_all, b),
            ]);
        }
    }
    println!(
        "{} users; value@100, value@500, best 10 within 100, 500; of any ad: value@100, value@500",
        figures[0].len()
    );
    let content = names.iter().position(|name| *name == "content").expect("texts");
    let interval = |values: Vec<f64>| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let [low, high] = mean_interval(&values, 0).unwrap_or_default();
        format!("{mean:.3} [{low:.3}, {high:.3}]")
    };
    for (name, of_source) in names.iter().zip(&figures) {
        let value = |at: usize| interval(of_source.iter().map(|figures| figures[at]).collect());
        let less = |at: usize| {
            interval(figures[content].iter().zip(of_source).map(|(a, b)| a[at] - b[at]).collect())
        };
        println!("{name:<14} {}", (0..6).map(value).collect::<Vec<_>>().join("  "));
        println!("  content less it {}", (0..6).map(less).collect::<Vec<_>>().join("  "));
    }
}
