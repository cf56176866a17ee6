//! The page's tables: rows of numbers in, HTML with captions and header cells out.

use semrank_measure::{NamedMetric, RankSummary};
use semrank_page::{
    Row, UNKNOWN, count, counted, escape, fixed, heads, metric, pairs, seconds, signed, table,
};
use semrank_pipeline::overview::{DatasetFacts, Epoch, MODEL, Report, ResultRow};

/// The protocol that headlines and charts show.
pub(super) const PROTOCOL: &str = "strict";

/// A value with its interval, bold where it is the best of its kind.
fn value(row: &ResultRow, (name, of): NamedMetric, best: f64) -> String {
    let text = metric(of(&row.metrics));
    let is_best = of(&row.metrics) >= best && best > 0.0 && !row.is_upper_bound();
    let text = if is_best { format!("<b>{text}</b>") } else { text };
    match row.interval(name) {
        Some(ends) => text + &range(ends, metric),
        None => text,
    }
}

/// An interval below its value.
fn range(ends: [f64; 2], show: impl Fn(f64) -> String) -> String {
    let [low, high] = ends.map(show);
    format!("<br><small>{low} to {high}</small>")
}

/// The best of the rows that are not an upper bound.
fn best<'a>(summaries: impl Iterator<Item = &'a RankSummary>, of: fn(&RankSummary) -> f64) -> f64 {
    summaries.map(of).filter(|v| v.is_finite()).fold(f64::NEG_INFINITY, f64::max)
}

/// Model and baselines, one table per protocol.
pub(super) fn results(report: &Report) -> String {
    let mut protocols: Vec<&str> = report.rows.iter().map(|row| row.protocol.as_str()).collect();
    protocols.sort_by_key(|protocol| *protocol != PROTOCOL);
    protocols.dedup();
    protocols.into_iter().map(|protocol| protocol_table(report, protocol)).collect()
}

fn protocol_table(report: &Report, protocol: &str) -> String {
    let rows: Vec<&ResultRow> = report.rows.iter().filter(|row| row.protocol == protocol).collect();
    let ranked = || rows.iter().filter(|row| !row.is_upper_bound()).map(|row| &row.metrics);
    let bests: Vec<f64> = RankSummary::METRICS.iter().map(|&(_, of)| best(ranked(), of)).collect();
    let line = |row: &&ResultRow| {
        let bound = if row.is_upper_bound() { " <small>(upper bound)</small>" } else { "" };
        let values = RankSummary::METRICS.iter().zip(&bests).map(|(&metric, &best)| value(row, metric, best));
        let name = escape(&row.name) + bound;
        Row { cells: std::iter::once(name).chain(values).collect(), best: row.name == MODEL }
    };
    let mut lines: Vec<Row> = rows.iter().map(line).collect();
    lines.extend(if protocol == PROTOCOL { difference(report) } else { None });
    let mut caption = match protocol {
        PROTOCOL => "<b>strict</b>: all items are ranked, nothing is removed".to_owned(),
        "filtered" => "<b>filtered</b>: items of the user's history are removed from the ranking".to_owned(),
        other => escape(other),
    };
    if rows.iter().any(|row| row.intervals.is_some()) {
        caption += ". Small: 95 % intervals, by a bootstrap over users.";
    }
    let names: Vec<&str> =
        std::iter::once("ranker").chain(RankSummary::METRICS.iter().map(|(name, _)| *name)).collect();
    table("numbers", &caption, &heads(&names), &lines)
}

/// The model less the best baseline in NDCG@10, with the interval of that.
fn difference(report: &Report) -> Option<Row> {
    let (model, baseline) = (report.row(MODEL, PROTOCOL)?, report.best_baseline(PROTOCOL, |m| m.ndcg_10)?);
    let (_, interval) = report.differences.iter().find(|(name, _)| *name == baseline.name)?;
    let cell = |&(name, of): &NamedMetric| {
        let signed = |value| signed(value, 4);
        let text = signed(of(&model.metrics) - of(&baseline.metrics));
        if name == "ndcg@10" { text + &range([interval.low, interval.high], signed) } else { text }
    };
    let name = format!("gain over {} <small>(best baseline)</small>", escape(&baseline.name));
    Some(Row {
        cells: std::iter::once(name).chain(RankSummary::METRICS.iter().map(cell)).collect(),
        best: false,
    })
}

/// NDCG@10 and Recall@10 of each ranker by the segment of the target.
pub(super) fn segments(rows: &[&ResultRow], names: &[&str]) -> String {
    let of: [fn(&RankSummary) -> f64; 2] = [|m| m.ndcg_10, |m| m.recall_10];
    let head = |name: &&str| {
        let users = rows.iter().find_map(|row| row.segment(name)).map_or(0, |metrics| metrics.users);
        format!("{}<br><small>{}</small>", escape(name), counted(users, "target", "targets"))
    };
    let heads: Vec<String> = std::iter::once("ranker".to_owned()).chain(names.iter().map(head)).collect();
    let cell = |row: &ResultRow, name: &str| match row.segment(name) {
        Some(metrics) if metrics.users > 0 => {
            format!("{} <small>/ {}</small>", metric(of[0](metrics)), metric(of[1](metrics)))
        }
        _ => UNKNOWN.to_owned(),
    };
    let lines: Vec<Row> = rows
        .iter()
        .map(|row| {
            let values = names.iter().map(|name| cell(row, name));
            Row { cells: std::iter::once(escape(&row.name)).chain(values).collect(), best: row.name == MODEL }
        })
        .collect();
    let caption = "ndcg@10 <small>/ recall@10</small>. Head, torso and tail are the items with the first 50, next 30 \
                   and last 20 % of the training events; new items have none.";
    table("numbers", caption, &heads, &lines)
}

/// One row per epoch, folded.
pub(super) fn training(curve: &[Epoch], kept: Option<usize>) -> String {
    let lines: Vec<Row> = curve
        .iter()
        .map(|epoch| Row {
            cells: vec![
                epoch.epoch.to_string(),
                fixed(epoch.train_loss, 4),
                metric(epoch.ndcg_10),
                metric(epoch.recall_10),
                seconds(epoch.seconds),
            ],
            best: kept == Some(epoch.epoch),
        })
        .collect();
    let heads = heads(&["epoch", "training loss", "validation ndcg@10", "validation recall@10", "time"]);
    let caption = "The marked epoch was kept.";
    format!(
        "<details><summary>All epochs</summary>\n{}</details>\n",
        table("numbers", caption, &heads, &lines)
    )
}

/// Sizes, split and segments of the data set.
pub(super) fn dataset(facts: &DatasetFacts) -> String {
    if facts.items == 0 {
        return String::new();
    }
    let organic = facts.items.saturating_sub(facts.ads);
    let items =
        format!("{} ({}, {} organic)", count(facts.items), counted(facts.ads, "ad", "ads"), count(organic));
    let sizes = [
        ("name", facts.name.clone()),
        ("users", count(facts.users)),
        ("items", items),
        ("events", count(facts.events)),
        ("split", facts.split.clone()),
    ];
    let segments = facts.segments.iter().map(|segment| {
        let text = [
            counted(segment.items, "item", "items"),
            counted(segment.targets, "test target", "test targets"),
        ]
        .join(", ");
        (segment.name.clone(), text)
    });
    let rows: Vec<(String, String)> =
        sizes.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(segments).collect();
    pairs("Data set", "fact", "value", &rows)
}

/// Wall time per stage and in total.
pub(super) fn timings(timings: &[(String, f64)]) -> String {
    if timings.is_empty() {
        return String::new();
    }
    let total = timings.iter().map(|(_, time)| time).sum();
    let rows: Vec<(String, String)> = timings
        .iter()
        .map(|(stage, time)| (stage.clone(), seconds(*time)))
        .chain([("total".to_owned(), seconds(total))])
        .collect();
    pairs("Wall time", "stage", "time", &rows)
}
