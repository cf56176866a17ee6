//! `sources.html`: what each source of candidates finds, what it adds to the others, and what of it reaches the final list.

use semrank_page::{
    Bars, HALF, Labelled, Row, Series, WIDE, bars, card_list, count, counted, escape, fixed, heads, metric,
    page, section, table,
};
use semrank_pipeline::retrieval::FunnelEvaluation;
use semrank_retrieve::report::{Added, Mean, SourceFigures};

/// The whole page; `title` names the run, `split` the cases.
pub(crate) fn render(title: &str, split: &str, found: &FunnelEvaluation) -> String {
    let body = [
        cards(found),
        section("finds", "What each source finds", &recall(&found.sources)),
        section("adds", "What each source adds to the others", &added(&found.sources)),
        section("reaches", "What reaches the final list", &survivors(&found.sources)),
        section("overlap", "Which sources find the same", &overlap(&found.sources)),
        section("cost", "Quotas and time", &costs(&found.sources)),
    ]
    .concat();
    let lead = format!(
        "{} of the {split} split. Every source gave its first 1,000 candidates for each.",
        counted(found.users, "case", "cases")
    );
    let title = format!("{title}: sources of candidates");
    page(&title, &lead, &body, &format!("semrank {}", env!("CARGO_PKG_VERSION")))
}

fn cards(found: &FunnelEvaluation) -> String {
    let [ranker, funnel] = [found.ranker, found.funnel_ranked].map(|figures| metric(figures.ndcg_10));
    card_list(&[
        (
            "Funnel finds",
            metric(found.funnel.recall),
            format!("of the next items, with {} candidates", fixed(found.funnel.candidates, 0)),
        ),
        ("Of new items", metric(found.funnel.new_recall), "next items without training events".into()),
        ("NDCG@10", funnel, format!("of the ranker over the funnel; {ranker} over all items")),
    ])
}

fn names(sources: &[SourceFigures]) -> Vec<String> {
    sources.iter().map(|source| source.name.clone()).collect()
}

fn values(sources: &[SourceFigures], of: impl Fn(&SourceFigures) -> f64) -> Vec<f64> {
    sources.iter().map(of).collect()
}

fn recall(sources: &[SourceFigures]) -> String {
    let chart = |id, title, width, series| {
        bars(&Bars { id, title, width, labelled: Labelled::Highest, groups: names(sources), series })
    };
    let series = |name, of: fn(&SourceFigures) -> f64| Series { name, values: values(sources, of) };
    let depths = vec![
        series("first 100", |source| source.recall_100),
        series("first 500", |source| source.recall_500),
        series("first 1,000", |source| source.recall_1000),
    ];
    let segments = vec![
        series("all items", |source| source.recall_500),
        series("tail", |source| source.tail_recall_500),
        series("new", |source| source.new_recall_500),
    ];
    chart("chart-recall", "Recall of the next item", WIDE, depths)
        + &chart(
            "chart-segments",
            "Recall within 500, by how often the next item was taken in training",
            WIDE,
            segments,
        )
}

fn added(sources: &[SourceFigures]) -> String {
    let line = |source: &SourceFigures| Row {
        cells: [
            escape(&source.name),
            metric(source.unique_500),
            signed(source.marginal_500),
            with_interval(source.tail.unique_500),
            with_interval(source.tail.marginal_500),
            with_interval(source.new.unique_500),
            with_interval(source.new.marginal_500),
        ]
        .to_vec(),
        best: false,
    };
    let rows: Vec<Row> = sources.iter().map(line).collect();
    let cases = |of: fn(&SourceFigures) -> Added| sources.first().map_or(0, |source| of(source).cases);
    let caption = format!(
        "Unique: next items that no other source has among its first 500. Marginal: recall that the funnel loses without \
         the source, at 500 candidates in all. With 95 % intervals for {} of the tail and {} without training events.",
        counted(cases(|source| source.tail), "case", "cases"),
        counted(cases(|source| source.new), "case", "cases"),
    );
    let columns =
        ["source", "unique", "marginal", "unique, tail", "marginal, tail", "unique, new", "marginal, new"];
    table("figures", &escape(&caption), &heads(&columns), &rows)
}

fn signed(value: f64) -> String {
    if value < 0.0 { format!("−{}", metric(-value)) } else { metric(value) }
}

fn with_interval(mean: Mean) -> String {
    match mean.interval {
        None => signed(mean.value),
        Some([low, high]) => format!("{} [{}, {}]", signed(mean.value), signed(low), signed(high)),
    }
}

fn survivors(sources: &[SourceFigures]) -> String {
    let chart = bars(&Bars {
        id: "chart-survivors",
        title: "Share of the final ten places that hold an item of the source",
        width: HALF,
        labelled: Labelled::Highest,
        groups: names(sources),
        series: vec![
            Series { name: "found by it", values: values(sources, |source| source.survivors_10) },
            Series { name: "by it alone", values: values(sources, |source| source.unique_survivors_10) },
        ],
    });
    let idle = sources.iter().filter(|source| source.quota > 0 && source.survivors_10 == 0.0);
    let idle: Vec<&str> = idle.map(|source| source.name.as_str()).collect();
    let said = match idle.is_empty() {
        true => String::new(),
        false => format!(
            "<p>Has a quota, and nothing of it reaches the final list: {}. It finds what the ranker does not want.</p>\n",
            escape(&idle.join(", "))
        ),
    };
    chart + &said
}

fn overlap(sources: &[SourceFigures]) -> String {
    let line = |source: &SourceFigures| {
        let shares = source.overlap.iter().map(|share| format!("{} %", fixed(share * 100.0, 0)));
        Row { cells: std::iter::once(escape(&source.name)).chain(shares).collect(), best: false }
    };
    let rows: Vec<Row> = sources.iter().map(line).collect();
    let heads: Vec<String> = std::iter::once("of the first 500 of".to_owned())
        .chain(sources.iter().map(|source| escape(&source.name)))
        .collect();
    table("figures", "Share that another source has among its first 500", &heads, &rows)
}

fn costs(sources: &[SourceFigures]) -> String {
    let line = |source: &SourceFigures| Row {
        cells: [
            escape(&source.name),
            count(source.quota),
            fixed(source.micros, 0),
            count(source.failed),
            format!("{} %", fixed(source.new_share * 100.0, 1)),
            format!("{} %", fixed(source.tail_share * 100.0, 1)),
        ]
        .to_vec(),
        best: false,
    };
    let rows: Vec<Row> = sources.iter().map(line).collect();
    let columns = ["source", "candidates", "µs for 1,000 (median)", "failed", "new items", "tail items"];
    table("figures", "What a source may give, what it takes, and what it gives", &heads(&columns), &rows)
}
