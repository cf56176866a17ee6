//! The promise of a click run behind a next-item run's funnel: a model opened without its examples scores test rows as the evaluation does;
//! runs of other catalogues are refused; lists are ordered by probability, know where items come from, and have later items.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{QUICK, fail, succeed};
use semrank_core::{History, ItemId, Kind};
use semrank_data::{ContextValues, Examples, Labels, Part};
use semrank_embed::{Document, Field};
use semrank_pipeline::ranking::{ClickRanking, Depth};
use semrank_pipeline::response::{ClickModel, Inputs, LaterItem, Moment};
use semrank_pipeline::retrieval::Ask;
use semrank_pipeline::{Context, Run};
use semrank_response::{ContextValue, LabelEvent, Position, labels_of};
use semrank_retrieve::{Eligibility, Items, Value};
use std::path::{Path, PathBuf};

/// Settings of a small click model.
const CLICKS: [&str; 4] = ["task=ctr", "pointwise.epochs=1", "pointwise.min_steps=0", "features.dim=8"];

fn prepared(dir: &Path, ads: &str) -> PathBuf {
    let (raw, out) = (dir.join(format!("raw-{ads}")), dir.join(format!("data-{ads}")));
    let sizes = ["--impressions", "9000", "--users", "150", "--ads", ads];
    succeed(["simulate", "--out", raw.to_str().unwrap()].into_iter().chain(sizes));
    succeed(["prep", "--data", raw.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    out
}

fn run(data: &Path, out: PathBuf, settings: &[&str], seed: &str) -> PathBuf {
    let (data, place) = (data.to_str().unwrap(), out.to_str().unwrap());
    let set = settings.iter().flat_map(|setting| ["--set", setting]);
    succeed(["run", "--data", data, "--out", place, "--seed", seed].into_iter().chain(set));
    out
}

/// A row's context column.
fn value<'e>(examples: &'e Examples, row: usize, name: &str) -> Option<ContextValue<'e>> {
    if name == "surface" {
        let code = examples.surfaces.get(row).filter(|&&code| code != u8::MAX)?;
        return Some(ContextValue::Text(examples.surface_names.name((*code).into())));
    }
    match &examples.context.iter().find(|column| column.name == name)?.values {
        ContextValues::Text { codes, names } => {
            (codes[row] != u32::MAX).then(|| ContextValue::Text(names.name(codes[row])))
        }
        ContextValues::Integer(values) => Some(ContextValue::Integer(values[row])),
        ContextValues::Number(_) => None,
    }
}

#[test]
fn a_click_run_ranks_what_a_next_item_run_finds() {
    let dir = tempfile::tempdir().unwrap();
    let data = prepared(dir.path(), "320");
    let clicks = run(&data, dir.path().join("clicks"), &CLICKS, "1");
    let next = run(&data, dir.path().join("next"), &QUICK, "1");
    offline_is_online(&clicks);

    let other = run(&prepared(dir.path(), "300"), dir.path().join("other"), &CLICKS, "1");
    let index = |clicks: &Path| {
        ["index", next.to_str().unwrap(), "--json", "--clicks", clicks.to_str().unwrap()].map(String::from)
    };
    let said = fail(index(&other));
    assert!(said.contains("has another item in row 300 than the next-item run"), "{said}");
    assert!(fail(index(&next)).contains("has the task next-item, this needs ctr"));

    let made: serde_json::Value = serde_json::from_str(&succeed(index(&clicks))).unwrap();
    let again: serde_json::Value = serde_json::from_str(&succeed(index(&clicks))).unwrap();
    assert_eq!(made["early"], again["early"], "made once, then read");
    let orders = made["early"]["merged"]["orders"].as_array().unwrap();
    assert_eq!(orders.len(), 3);
    assert!(made["early"]["explained"].as_f64().unwrap() > 0.0, "{made}");
    lists(&next, &clicks);

    let second = run(&data, dir.path().join("second"), &CLICKS, "2");
    let (run, second) = (Run::open(&next).unwrap(), ClickModel::open(Run::open(&second).unwrap()).unwrap());
    let said = ClickRanking::open(&run, &run.retrieval().unwrap(), second).err().unwrap();
    assert!(said.help().unwrap().contains("semrank index RUN --clicks"), "{said}");
}

fn offline_is_online(clicks: &Path) {
    let mut run = Run::open(clicks).unwrap();
    let inputs = Inputs::new(&mut run).unwrap();
    let (examples, events) = (inputs.examples, &inputs.data.dataset.events);
    let rows: Vec<usize> = examples.rows(Part::Test).collect();
    let want = inputs.model().unwrap().score_last(&rows, Position::Neutral).unwrap();
    let model = ClickModel::open(Run::open(clicks).unwrap()).unwrap();
    assert!(rows.len() > 600, "{} rows, more than two looks", rows.len());
    // Labels of rows before the test that come during it.
    let (labels, begins) = (Labels::new(&inputs.data.dataset, examples), examples.times[rows[0]]);
    let all = (0..rows[0]).flat_map(|row| labels_of(&labels, row));
    let mut coming: Vec<_> = all.filter(|label| label.0 >= begins).collect();
    coming.sort_by_key(|&(known, row, order, _)| (known, row, order));
    let mut coming = coming.into_iter().peekable();
    for (&row, want) in rows.iter().zip(&want) {
        while let Some((_, of, _, label)) = coming.next_if(|label| label.0 < examples.times[row]) {
            assert!(model.observe(LabelEvent { impression: of as u64, label }), "a label of row {of}");
        }
        model.refresh();
        let (user, item) = (examples.users[row], examples.items[row]);
        let nothing = History { items: &[], actions: &[], times: &[] };
        let start = if user.index() < events.users() { events.range(user).start } else { 0 };
        let end = start + examples.history_ends[row] as usize;
        let history = if end > start { events.before(user, end) } else { nothing };
        let dwells = events.dwells().get(start..end).unwrap_or(&[]);
        let context = |name: &str| value(examples, row, name);
        let moment = Moment { time: examples.times[row], dwells, context: &context };
        let name = examples.user_names.name(user.0);
        assert_eq!(model.score((Some(name), history), &moment, &[item]), [*want], "row {row}");
        let slot = examples.slots.get(row).copied();
        model.shown(name, (item, slot), None);
    }
}

fn lists(next: &Path, clicks: &Path) {
    let run = Run::open(next).unwrap();
    let (retrieval, clicks_run) = (run.retrieval().unwrap(), Run::open(clicks).unwrap());
    let mut encoder = clicks_run.item_encoder().unwrap();
    let ranking = ClickRanking::open(&run, &retrieval, ClickModel::open(clicks_run).unwrap()).unwrap();
    assert!(ranking.early().is_some());
    let (data, funnel) = (run.data().unwrap(), ranking.funnel(&retrieval, &run.quotas(&retrieval).unwrap()));
    let case = &data.split.test[0];
    let (history, name) = (case.history(&data.dataset.events), data.dataset.users.name(case.user.0));
    let moment = Moment::at(data.now().unwrap());
    let ads = Eligibility { now_ms: None, filter: Some("kind = ad".parse().unwrap()) };
    let ask = Ask { user_id: Some(name), ..Ask::new(history, &ads) };
    let rank =
        |candidates, k| ranking.rank(&retrieval, (&ask, &moment), &funnel, Depth { candidates, k }).unwrap();
    let page = rank(1_000, 1_000);
    assert_eq!((page.scored, page.items.len()), (320, 320), "every ad, as so many were asked for");
    assert!(page.items.is_sorted_by(|a, b| a.probability >= b.probability));
    let item = |id: &str| ItemId(data.dataset.catalog.ids.get(id).unwrap());
    for ranked in &page.items {
        assert!(!ranked.sources.is_empty());
        let score = ranking.clicks().score((Some(name), history), &moment, &[item(&ranked.item)])[0];
        assert_eq!(ranked.probability, score.click());
    }
    assert_eq!((rank(50, 10).scored, rank(50, 10).items.len()), (50, 10));
    assert_eq!(rank(5, 10).items.len(), 10, "as many as asked for");

    // A later ad with the texts of another: unknown to the click model until it is put in there too.
    let fields: Vec<Field> = data
        .dataset
        .catalog
        .texts
        .iter()
        .map(|column| Field { name: &column.name, text: &column.values[3] })
        .collect();
    let encoded = |encoder: &mut semrank_pipeline::next_item::ItemEncoder| {
        encoder.encode(&[Document { id: "late", fields: &fields }], &Context::default()).unwrap().remove(0)
    };
    let late = |items: &mut Items, item| {
        items.set(item, "advertiser_id", Value::Text("late")).unwrap();
        items.set(item, "kind", Value::Text("ad")).unwrap();
    };
    let row = retrieval.put("late", &encoded(&mut run.item_encoder().unwrap()), late).unwrap();
    let only = Eligibility { now_ms: None, filter: Some("advertiser_id = late".parse().unwrap()) };
    let ask = Ask { user_id: Some(name), ..Ask::new(history, &only) };
    let late_ad = || {
        let page = ranking.rank(&retrieval, (&ask, &moment), &funnel, Depth { candidates: 9, k: 9 }).unwrap();
        assert_eq!(page.items.len(), 1);
        page.items[0].probability
    };
    let (unknown, content) = (late_ad(), encoded(&mut encoder));
    let later = LaterItem { id: "late", content: &content, kind: Kind::Ad, advertiser: None };
    let broken = semrank_pipeline::next_item::EncodedItem { content: vec![f32::NAN], ..content.clone() };
    let next = ItemId(row.0 + 1);
    assert!(ranking.put(&[(row, later), (next, LaterItem { content: &broken, ..later })]).is_err());
    let said = ranking.put(&[(next, later)]).unwrap_err().to_string();
    assert!(said.contains("the funnel's first item that the click model lacks"), "{said}");
    assert_eq!(ranking.clicks().items(), data.dataset.catalog.len(), "all or none");
    ranking.put(&[(row, later)]).unwrap();
    assert_ne!(late_ad(), unknown);
    let known = late_ad();
    ranking.put(&[(row, LaterItem { kind: Kind::Organic, ..later })]).unwrap();
    assert_eq!((late_ad(), ranking.clicks().items()), (known, row.index() + 1), "known already");
    let ids: Vec<String> = ["late", "unknown", "late"].map(str::to_owned).into();
    let these = ranking.rank_these(&retrieval, (&ask, &moment), &ids, 5).unwrap();
    assert_eq!((these.items.len(), these.items[0].probability, these.scored), (1, known, 1));
}
