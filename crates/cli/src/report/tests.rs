//! The page as a whole: complete, escaped, self-contained, whatever the numbers are.

use super::*;
use semrank_measure::ranking::{Interval, SummaryIntervals};
use semrank_pipeline::{
    ids::{Branch, Bucket, Neighbourhoods, TokenReport},
    overview::{DatasetFacts, Epoch, Past, Recommended, Report, ResultRow, SegmentFacts, UserExample},
};
use semrank_tokens::{SemanticIds, measures};

const NAMES: [&str; 5] = ["model", "popularity", "markov", "tfidf", "oracle"];

#[allow(clippy::needless_update, reason = "another metric changes nothing here")]
fn summary(level: f64) -> RankSummary {
    RankSummary {
        users: 500,
        recall_5: level * 0.7,
        recall_10: level,
        ndcg_5: level * 0.5,
        ndcg_10: level * 0.6,
        mrr: level * 0.52,
        ..RankSummary::default()
    }
}

fn interval(difference: f64) -> Interval {
    Interval { difference, low: difference - 0.02, high: difference + 0.02 }
}

fn rows() -> Vec<ResultRow> {
    let level = |name: &str| match name {
        "model" => 0.31,
        "popularity" => 0.05,
        "markov" => 0.21,
        "tfidf" => 0.12,
        _ => 0.47,
    };
    let row = |protocol: &str, name: &str| ResultRow {
        name: name.into(),
        protocol: protocol.into(),
        metrics: summary(level(name)),
        segments: [("head", 1.4), ("torso", 1.0), ("tail", 0.7), ("new", 0.2)]
            .map(|(segment, factor)| (segment.into(), summary(level(name) * factor)))
            .into(),
        intervals: (name == MODEL)
            .then_some(SummaryIntervals { recall_10: [0.2711, 0.3489], ndcg_10: [0.1622, 0.2098] }),
    };
    ["strict", "filtered"].iter().flat_map(|protocol| NAMES.map(|name| row(protocol, name))).collect()
}

fn example(user: &str, hit: usize) -> UserExample {
    let texts = [
        ("ad", "Larkspur recycled dome tent, moss green"),
        ("organic", "A mat for side sleepers: where to start"),
        ("ad", "Recycled down sleeping bag by Larkspur in moss green"),
        ("organic", "Layers for spring hiking: what a season with Fernway taught us"),
        ("ad", "Stonecreek: insulated camp mug, recycled, charcoal"),
    ];
    let past = |(at, (kind, text)): (usize, &(&str, &str))| Past {
        item: format!("{kind}-{at:06}"),
        text: (*text).into(),
        kind: (*kind).into(),
        action: if at % 2 == 0 { "click" } else { "view" }.into(),
        when: format!("2026-01-{:02} 19:4{at}", at + 3),
    };
    let next = |(at, (kind, text)): (usize, &(&str, &str))| Recommended {
        rank: at + 1,
        item: format!("{kind}-{:06}", 100 + at),
        text: (*text).into(),
        kind: (*kind).into(),
        score: 9.1 - at as f64,
        sources: vec![("sequence".into(), 7.4 - at as f64), ("item-item".into(), 1.7)],
        hit: at + 1 == hit,
    };
    UserExample {
        user: user.into(),
        history: texts.iter().enumerate().map(past).collect(),
        recommendations: texts.iter().enumerate().map(next).collect(),
    }
}

fn sample() -> Report {
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
    let segment =
        |(name, items, targets): (&str, usize, usize)| SegmentFacts { name: name.into(), items, targets };
    let epoch = |epoch: usize| Epoch {
        epoch,
        train_loss: 5.2 + 2.0 * (-(epoch as f64) / 3.0).exp(),
        ndcg_10: 0.19 * (1.0 - (-(epoch as f64) / 3.0).exp()),
        recall_10: 0.31 * (1.0 - (-(epoch as f64) / 3.0).exp()),
        seconds: 0.8,
    };
    Report {
        title: "Semantic ranking of a simulated market".into(),
        subtitle: "A sequence model over ads and organic items, beside popularity, Markov and TF-IDF.".into(),
        footer: "semrank 0.1.0 · semrank quickstart --out market".into(),
        dataset: DatasetFacts {
            name: "market".into(),
            users: 2_000,
            items: 1_500,
            ads: 675,
            events: 38_750,
            split: "leave-one-out: last event = test, second last = validation".into(),
            segments: [("head", 160, 900), ("torso", 320, 620), ("tail", 960, 430), ("new", 60, 50)]
                .map(segment)
                .into(),
        },
        settings: pairs(&[
            ("seed", "7"),
            ("width", "128"),
            ("history", "50"),
            ("loss", "sampled softmax, 1,024 negatives"),
        ]),
        curve: (1..=14).map(epoch).collect(),
        best_epoch: Some(12),
        rows: rows(),
        differences: vec![("popularity".into(), interval(0.156)), ("markov".into(), interval(0.06))],
        tokens: None,
        users: vec![example("user-0007", 2), example("user-0012", 0)],
        timings: vec![
            ("simulate".into(), 0.4),
            ("features".into(), 1.2),
            ("train".into(), 11.3),
            ("evaluate".into(), 0.9),
        ],
        notes: vec!["Seen policy: learned bias, chosen on validation.".into()],
    }
}

/// Every element is closed, in order; the elements that HTML leaves open are skipped.
fn assert_nested(html: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in html.split('<').skip(1).map(|rest| rest.split_once('>').expect("every < is closed").0) {
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap();
        match name {
            "!doctype" | "meta" | "br" => {}
            _ if tag.ends_with('/') => {}
            _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name), "closing </{name}>"),
            _ => open.push(name),
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
}

#[test]
fn the_page_holds_everything_and_loads_nothing() {
    let html = render(&sample());
    let path = std::env::temp_dir().join("semrank-report-sample.html");
    std::fs::write(&path, &html).unwrap();
    assert_nested(&html);
    for name in NAMES {
        assert_eq!(
            html.matches(&format!("<th scope=\"row\">{name}")).count(),
            3,
            "two protocols, segments: {name}"
        );
    }
    for text in [
        "user-0012",
        "Larkspur recycled dome tent",
        "hit at 2",
        "38,750",
        "Seen policy",
        "2026-01-03",
        ".1860",
    ] {
        assert!(html.contains(text), "{text}");
    }
    for reference in ["http:", "https:", "//cdn", "src=", "href=", "url(", "@import", "<script"] {
        assert!(!html.contains(reference), "{reference} loads something");
    }
    assert_eq!(html.matches("<svg").count(), 4);
    assert_eq!(html.matches("role=\"img\"").count(), html.matches("<title id=").count());
    assert!(html.len() > 20_000);
}

#[test]
fn the_model_and_its_gain_have_intervals() {
    let html = render(&sample());
    for (text, times) in [
        ("<br><small>.2711 to .3489</small>", 2),
        ("<br><small>.1622 to .2098</small>", 2),
        ("Small: 95 % intervals, by a bootstrap over users.", 2),
        ("<th scope=\"row\">gain over markov <small>(best baseline)</small></th>", 1),
        ("<td>+.0600<br><small>+.0400 to +.0800</small></td>", 1),
    ] {
        assert_eq!(html.matches(text).count(), times, "{text}");
    }
    let mut report = sample();
    report.rows.iter_mut().for_each(|row| row.intervals = None);
    report.differences.clear();
    let html = render(&report);
    assert!(!html.contains("95 %") && !html.contains("gain over"), "of a single user there is no interval");
    assert_nested(&html);
}

#[test]
fn every_text_is_escaped() {
    let evil = "<script>alert('x')</script>\"&";
    let mut report = sample();
    report.title = evil.into();
    report.subtitle = evil.into();
    report.footer = evil.into();
    report.dataset.name = evil.into();
    report.dataset.split = evil.into();
    report.dataset.segments[0].name = evil.into();
    report.settings = vec![(evil.into(), evil.into())];
    report.timings = vec![(evil.into(), 1.0)];
    report.notes = vec![evil.into()];
    report.rows[1].name = evil.into();
    report.rows[5].protocol = evil.into();
    report.rows.iter_mut().for_each(|row| row.segments[0].0 = evil.into());
    let user = &mut report.users[0];
    user.user = evil.into();
    let past = &mut user.history[0];
    for field in [&mut past.item, &mut past.text, &mut past.kind, &mut past.action, &mut past.when] {
        *field = evil.into();
    }
    let next = &mut user.recommendations[0];
    for field in [&mut next.item, &mut next.text, &mut next.kind, &mut next.sources[0].0] {
        *field = evil.into();
    }
    let html = render(&report);
    assert!(!html.contains("<script") && !html.contains("alert('x')"));
    assert_nested(&html);
}

#[test]
fn numbers_that_are_not_finite_are_shown_as_unknown() {
    let mut report = sample();
    report.rows[0].metrics.ndcg_10 = f64::NAN;
    report.rows[0].intervals =
        Some(SummaryIntervals { recall_10: [f64::NAN; 2], ndcg_10: [0.1, f64::INFINITY] });
    report.differences[1].1.low = f64::NAN;
    report.rows[1].segments[0].1.ndcg_10 = f64::INFINITY;
    report.curve[3].train_loss = f64::NAN;
    report.curve[4].ndcg_10 = f64::NEG_INFINITY;
    report.timings[0].1 = f64::NAN;
    report.users[0].recommendations[0].score = f64::NAN;
    let html = render(&report);
    assert!(!html.contains("NaN") && !html.contains("inf<") && !html.contains("inf\""));
    assert!(html.contains('–'));
    assert_nested(&html);
}

#[test]
fn a_report_of_nothing_is_still_a_page() {
    let html = render(&Report { title: "empty".into(), ..Report::default() });
    assert_nested(&html);
    assert!(html.contains("<h1>empty</h1>") && !html.contains("<section"));
    let zero = ResultRow { name: "model".into(), protocol: "strict".into(), ..ResultRow::default() };
    assert_nested(&render(&Report { rows: vec![zero], curve: vec![Epoch::default()], ..Report::default() }));
}

fn token_report(text: &str) -> TokenReport {
    let ids = SemanticIds::new(2, 4, vec![0, 3, 0, 3, 1, 0, 2, 2]);
    let found = measures(&ids, None, None).unwrap();
    let leaf = Branch { prefix: vec![0, 3], items: 2, texts: vec![text.into()], children: vec![] };
    TokenReport {
        dataset: text.into(),
        ids: text.into(),
        items: found.items,
        levels: found.levels,
        unique_share: found.unique_share,
        collision_share: found.collision_share,
        shared_by_prefix: found.shared_by_prefix,
        prefixes: found.prefixes,
        reconstruction_error: Some(f64::NAN),
        neighbours: Neighbourhoods { content: None, aligned: None },
        held_back: None,
        largest: vec![Bucket { prefix: vec![0, 3], items: 2, texts: vec![text.into()] }],
        examples: vec![Branch { prefix: vec![0], items: 2, texts: vec![], children: vec![leaf] }],
        use_of_codes: vec![vec![2, 1, 1, 0], vec![2, 1, 1, 0]],
    }
}

#[test]
fn the_page_on_ids_is_whole_and_escaped_and_the_report_leads_to_it() {
    let html = render_tokens(&token_report("Nail file"));
    assert_nested(&html);
    assert_eq!((html.matches("<svg").count(), html.matches("Nail file").count()), (4, 5));
    assert!(html.contains("<span class=\"code\">0 3</span> <small>2 items</small>"));
    let html = render_tokens(&token_report("<script>alert('x')</script>\"&"));
    assert_nested(&html);
    assert!(!html.contains("<script") && !html.contains("alert('x')") && !html.contains("NaN"));
    let link = TokensLink { page: "tokens.html".into(), summary: "4 levels".into() };
    let html = render(&Report { tokens: Some(link), ..sample() });
    assert!(html.contains("Semantic ids: 4 levels. <a href=\"tokens.html\">"));
    assert_nested(&html);
}
