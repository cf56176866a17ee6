//! `report.html`, `tokens.html`, `sources.html` and `compare.html`: what runs found, in; self-contained pages out.
//!
//! A page loads nothing: style and pictures are inside it, there is no script, and it follows the
//! reader's light or dark scheme, on a phone as on a desk. Every text is escaped; a number that is not finite
//! is shown as "–".
//!
//! | file | does |
//! |---|---|
//! | `tokens` | the page on semantic ids |
//! | `comparison`, `probabilities` | the page on several runs, of next-item and of ranking tasks |
//! | `sources` | the page on sources of candidates |
//! | `tables` | results, segments, training, facts |
//! | `pointwise` | the page of a ranking task |
//! | `people` | users' histories beside their recommendations |
//!
//! ```text
//! let html = report::render(&Report { title: "market".into(), ..Report::default() });
//! ```

mod comparison;
mod people;
mod pointwise;
mod probabilities;
mod sources;
mod tables;
#[cfg(test)]
mod tests;
mod tokens;

pub(crate) use comparison::render as render_comparison;
pub(crate) use pointwise::render as render_pointwise;
pub(crate) use probabilities::render as render_probabilities;
pub(crate) use sources::render as render_sources;
pub(crate) use tokens::render as render_tokens;

use semrank_measure::RankSummary;
use semrank_page::{
    Bars, Labelled, Lines, Series, WIDE, bars, card_list, count, counted, escape, lines, metric, notes, page,
    pairs, seconds, section, signed_percent,
};
use semrank_pipeline::overview::{Epoch, MODEL, Report, ResultRow, TokensLink};
use tables::PROTOCOL;

/// The whole page.
pub(crate) fn render(report: &Report) -> String {
    let sections: String = [
        section("results", "Results", &results(report)),
        section("segments", "Head, torso, tail and new items", &segments(report)),
        section("training", "Training", &training(report)),
        section("users", "Users and what they are recommended", &people::cards(&report.users)),
        section("data", "Data and settings", &facts(report)),
    ]
    .concat();
    let body = [cards(report), report.tokens.as_ref().map_or(String::new(), tokens_link), sections].concat();
    page(&report.title, &report.subtitle, &body, &report.footer)
}

fn tokens_link(link: &TokensLink) -> String {
    format!(
        "<p class=\"link\">Semantic ids: {}. <a href=\"{}\">What the codes mean</a></p>\n",
        escape(&link.summary),
        escape(&link.page)
    )
}

/// The headline metrics.
fn cards(report: &Report) -> String {
    let mut cards = Vec::new();
    if let Some(model) = report.row(MODEL, PROTOCOL) {
        cards.push(("NDCG@10", metric(model.metrics.ndcg_10), versus(report, |m| m.ndcg_10)));
        cards.push(("Recall@10", metric(model.metrics.recall_10), versus(report, |m| m.recall_10)));
        cards.push(("Users tested", count(model.metrics.users), "one target each, all items ranked".into()));
    }
    if !report.curve.is_empty() {
        let total = report.curve.iter().map(|epoch| epoch.seconds).sum();
        cards.push((
            "Training",
            seconds(total),
            counted(report.curve.last().map_or(0, |epoch| epoch.epoch), "epoch", "epochs"),
        ));
    }
    card_list(&cards)
}

/// The model against the best baseline in one metric.
fn versus(report: &Report, of: fn(&RankSummary) -> f64) -> String {
    let Some(model) = report.row(MODEL, PROTOCOL) else { return String::new() };
    match report.best_baseline(PROTOCOL, of) {
        Some(best) => {
            format!(
                "{} on {}, the best baseline",
                signed_percent(of(&model.metrics), of(&best.metrics)),
                best.name
            )
        }
        None => String::new(),
    }
}

fn results(report: &Report) -> String {
    if report.rows.is_empty() {
        return String::new();
    }
    let strict: Vec<&ResultRow> = report.rows.iter().filter(|row| row.protocol == PROTOCOL).collect();
    let series = strict.iter().map(|row| Series {
        name: &row.name,
        values: RankSummary::METRICS.iter().map(|(_, of)| of(&row.metrics)).collect(),
    });
    let chart = bars(&Bars {
        id: "chart-results",
        title: "Model and baselines on the test split (strict)",
        width: WIDE,
        labelled: Labelled::First,
        groups: RankSummary::METRICS.iter().map(|(name, _)| (*name).to_owned()).collect(),
        series: series.collect(),
    });
    chart + &tables::results(report)
}

fn segments(report: &Report) -> String {
    let strict: Vec<&ResultRow> =
        report.rows.iter().filter(|row| row.protocol == PROTOCOL && !row.segments.is_empty()).collect();
    let Some(first) = strict.first() else { return String::new() };
    let names: Vec<&str> = first.segments.iter().map(|(name, _)| name.as_str()).collect();
    let series = strict.iter().map(|row| Series {
        name: &row.name,
        values: names.iter().map(|name| row.segment(name).map_or(f64::NAN, |m| m.ndcg_10)).collect(),
    });
    let chart = bars(&Bars {
        id: "chart-segments",
        title: "NDCG@10 by the target's segment (strict)",
        width: WIDE,
        labelled: Labelled::First,
        groups: names.iter().map(|name| (*name).to_owned()).collect(),
        series: series.collect(),
    });
    chart + &tables::segments(&strict, &names)
}

fn training(report: &Report) -> String {
    if report.curve.is_empty() {
        return String::new();
    }
    let column = |of: fn(&Epoch) -> f64| report.curve.iter().map(of).collect::<Vec<f64>>();
    let epochs = column(|epoch| epoch.epoch as f64);
    let best = report.best_epoch.map(|epoch| epoch as f64);
    let loss = lines(&Lines {
        id: "chart-loss",
        title: "Training loss",
        x_label: "epoch",
        x: &epochs,
        series: vec![Series { name: "loss", values: column(|epoch| epoch.train_loss) }],
        mark: best,
    });
    let quality = lines(&Lines {
        id: "chart-validation",
        title: "Validation quality",
        x_label: "epoch",
        x: &epochs,
        series: vec![
            Series { name: "ndcg@10", values: column(|epoch| epoch.ndcg_10) },
            Series { name: "recall@10", values: column(|epoch| epoch.recall_10) },
        ],
        mark: best,
    });
    format!(
        "<div class=\"pair\">\n{loss}{quality}</div>\n{}",
        tables::training(&report.curve, report.best_epoch)
    )
}

fn facts(report: &Report) -> String {
    [
        tables::dataset(&report.dataset),
        pairs("Settings", "setting", "value", &report.settings),
        tables::timings(&report.timings),
        notes(&report.notes),
    ]
    .concat()
}
