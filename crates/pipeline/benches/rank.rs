//! A whole request on one thread: the funnel of a next-item run, 1,000 candidates, their click probabilities; milliseconds. And, with
//! an early-stage model (`semrank index RUN --clicks CLICKS`), how much of the click model's list each order holds on the test cases.
//!
//! `cargo bench -p semrank-pipeline --bench rank -- RUN CLICKS [REQUESTS]`

use semrank_pipeline::ranking::{ClickRanking, Depth, orders_of_cases};
use semrank_pipeline::response::{ClickModel, Moment};
use semrank_pipeline::retrieval::Ask;
use semrank_pipeline::{Context, Part, Run};
use semrank_retrieve::Eligibility;
use std::path::Path;
use std::time::Instant;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let [run, clicks, rest @ ..] = &args[..] else {
        println!("name two runs: cargo bench -p semrank-pipeline --bench rank -- RUN CLICKS [REQUESTS]");
        return;
    };
    let requests = rest.first().and_then(|arg| arg.parse().ok()).unwrap_or(1_000);
    let run = Run::open(Path::new(run)).expect("a run");
    let retrieval = run.retrieval().expect("a next-item run");
    let clicks = ClickModel::open(Run::open(Path::new(clicks)).expect("a run")).expect("a click run");
    let ranking = ClickRanking::open(&run, &retrieval, clicks).expect("runs of one data set");
    let (data, quotas) = (run.data().expect("its data"), run.quotas(&retrieval).expect("quotas"));
    let funnel = ranking.funnel(&retrieval, &quotas);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    pool.install(|| {
        for candidates in [300, 1_000] {
            let (mut whole, mut second, mut scored, mut events) = (Vec::new(), Vec::new(), 0, 0);
            let cases = data.split.test.iter().cycle().take(requests);
            for case in cases {
                let log = &data.dataset.events;
                let (history, all) = (case.history(log), Eligibility::default());
                let dwells = log.dwells().get(log.range(case.user).start..case.end).unwrap_or(&[]);
                let ask = Ask { user_id: Some(data.dataset.users.name(case.user.0)), ..Ask::new(history, &all) };
                let moment = Moment { dwells, ..Moment::at(log.times()[case.end]) };
                let begin = Instant::now();
                let depth = Depth { candidates, k: 20 };
                let page = ranking.rank(&retrieval, (&ask, &moment), &funnel, depth).expect("a list");
                let took = begin.elapsed().as_secs_f64() * 1e3;
                whole.push(took);
                let first: u64 = page.sources.iter().map(|source| source.micros).sum();
                second.push(took - first as f64 / 1e3);
                (scored, events) = (scored + page.scored, events + history.len());
            }
            let of = |times: &mut Vec<f64>| {
                times.sort_by(f64::total_cmp);
                [0.5, 0.99].map(|share| times[((times.len() - 1) as f64 * share) as usize])
            };
            let [[p50, p99], [rest, rest_99]] = [of(&mut whole), of(&mut second)];
            let mean = |sum: usize| sum as f64 / requests as f64;
            println!(
                "{:.0} candidates, histories of {:.0} events: p50 {p50:.2} ms, p99 {p99:.2} ms; without the sources {rest:.2}, {rest_99:.2} ms",
                mean(scored),
                mean(events)
            );
        }
    });
    if let Some(early) = ranking.early() {
        let from = (&retrieval, &quotas, ranking.clicks());
        let orders =
            orders_of_cases(from, &early.model, (data, Part::Test), &Context::default()).expect("figures");
        for (orders, over) in orders.iter().zip(["all items", "merged candidates"]) {
            println!("{over}: {} test cases, gain {:?}", orders.cases, orders.gain);
            orders.orders.iter().for_each(|order| println!("  {order:?}"));
        }
    }
}
