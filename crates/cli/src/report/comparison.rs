//! `compare.html`: quality against cost of several runs.

use semrank_core::Segment;
use semrank_page::{
    Bars, Labelled, Point, Row, Scatter, Series, UNKNOWN, WIDE, bars, card_list, count, counted, escape,
    fixed, heads, metric, notes, page, scatter, seconds, section, swatch, table,
};
use semrank_pipeline::comparison::{Comparison, Figures, Group, Quality};

const MIB: f64 = 1024.0 * 1024.0;
/// As many ways as there are colours.
const DRAWN: usize = 7;

/// Names with their figures.
type Shown<'a> = [(String, &'a Figures)];

/// The whole page.
pub(crate) fn render(comparison: &Comparison) -> String {
    let shown = comparison.shown();
    let body = [
        cards(comparison, &shown),
        section("costs", "Quality and cost", &costs(comparison, &shown)),
        section("segments", "Head, torso, tail and new items", &segments(&shown)),
        section("runs", "Runs", &runs(comparison)),
        notes(&comparison.notes),
    ]
    .concat();
    let title = format!("{}: {} runs compared", comparison.dataset, comparison.runs.len());
    let lead = format!(
        "The model of each run on the same test cases, strict; gains are over {}. A run's cost is what making all of its \
         stages took.",
        reference_name(comparison)
    );
    page(&title, &lead, &body, &format!("semrank {}", env!("CARGO_PKG_VERSION")))
}

/// The best way, and the one with the largest gain for its cost.
fn cards(comparison: &Comparison, shown: &Shown) -> String {
    let mut cards = Vec::new();
    if let Some((name, best)) = shown.iter().max_by(|a, b| a.1.all.ndcg_10.total_cmp(&b.1.all.ndcg_10)) {
        cards.push(("Highest NDCG@10", metric(best.all.ndcg_10), name.clone()));
        cards.push(("Its CPU time", span(best.cpu_seconds), format!("wall {}", seconds(best.wall_seconds))));
    }
    let gains = shown.iter().filter_map(|(name, figures)| Some((name, figures.gain_per_cpu_minute?)));
    if let Some((name, gain)) = gains.max_by(|a, b| a.1.total_cmp(&b.1)) {
        let note = format!("NDCG@10 per additional CPU minute over {}: {name}", reference_name(comparison));
        cards.push(("Largest gain", signed(gain), note));
    }
    let targets = shown.first().map_or(0, |(_, figures)| figures.all.targets);
    cards.push(("Users tested", count(targets), "one target each, all items ranked".into()));
    card_list(&cards)
}

fn costs(comparison: &Comparison, shown: &Shown) -> String {
    let chart = scatter(&Scatter {
        id: "chart-costs",
        title: "NDCG@10 against CPU minutes",
        x_label: "CPU minutes of all stages",
        points: points(comparison, shown),
        level: reference(comparison).map(|figures| (figures.all.ndcg_10, "reference")),
    });
    let caption = match comparison.groups.is_empty() {
        true => String::new(),
        false => "Medians over seeds; the small points are the single runs.".into(),
    };
    chart + &cost_table(&caption, shown, &comparison.groups, true)
}

/// The figures that gains are over.
fn reference(comparison: &Comparison) -> Option<&Figures> {
    let run = || comparison.runs.iter().find(|run| run.name == comparison.reference);
    reference_group(comparison).map(|group| &group.medians).or_else(|| run().map(|run| &run.figures))
}

fn reference_name(comparison: &Comparison) -> &str {
    reference_group(comparison).map_or(&comparison.reference, |group| &group.name)
}

fn reference_group(comparison: &Comparison) -> Option<&Group> {
    comparison.groups.iter().find(|group| group.runs.contains(&comparison.reference))
}

fn points<'a>(comparison: &'a Comparison, shown: &'a Shown) -> Vec<Point<'a>> {
    let point = |colour: usize, name: &'a str, figures: &Figures, named| Point {
        x: figures.cpu_minutes().unwrap_or(f64::NAN),
        y: figures.all.ndcg_10,
        colour: colour.min(DRAWN - 1),
        name,
        tooltip: format!("{name}: {} in {}", metric(figures.all.ndcg_10), span(figures.cpu_seconds)),
        named,
    };
    let mut out = Vec::new();
    for (colour, group) in comparison.groups.iter().enumerate().filter(|(_, group)| group.runs.len() > 1) {
        let runs = comparison.runs.iter().filter(|run| group.runs.contains(&run.name));
        out.extend(runs.map(|run| point(colour, &run.name, &run.figures, false)));
    }
    out.extend(shown.iter().enumerate().map(|(at, (name, figures))| point(at, name, figures, true)));
    out
}

/// With `groups`, one per row, also the range of NDCG@10; `coloured` names carry the colour of their point.
fn cost_table(caption: &str, rows: &Shown, groups: &[Group], coloured: bool) -> String {
    let best = rows.iter().map(|(_, figures)| figures.all.ndcg_10).fold(f64::NEG_INFINITY, f64::max);
    let range = |at: usize| match groups.get(at).filter(|group| group.runs.len() > 1) {
        Some(group) => {
            format!("<br><small>{} to {}</small>", metric(group.ndcg_10_min), metric(group.ndcg_10_max))
        }
        None => String::new(),
    };
    let line = |(at, (name, figures)): (usize, &(String, &Figures))| {
        let colour = if coloured { swatch(at.min(DRAWN - 1)) } else { String::new() };
        let cells = vec![
            colour + &escape(name),
            metric(figures.all.ndcg_10) + &range(at),
            figures.gain_per_cpu_minute.map_or(UNKNOWN.to_owned(), signed),
            metric(figures.all.recall_10),
            span(figures.cpu_seconds),
            seconds(figures.wall_seconds),
            figures.peak_rss_mb.map_or(UNKNOWN.to_owned(), |mib| format!("{} MiB", fixed(mib, 0))),
            count(figures.encoder_passes as usize),
            format!("{} MiB", fixed(figures.bytes_cached / MIB, 1)),
        ];
        Row { cells, best: figures.all.ndcg_10 >= best }
    };
    let names = [
        "run",
        "ndcg@10",
        "gain per CPU minute",
        "recall@10",
        "CPU time",
        "wall time",
        "peak memory",
        "encoder passes",
        "cached lower layers",
    ];
    let lines: Vec<Row> = rows.iter().enumerate().map(line).collect();
    table("numbers narrow", caption, &heads(&names), &lines)
}

fn segments(shown: &Shown) -> String {
    let Some((_, first)) = shown.first() else { return String::new() };
    let groups: Vec<(&str, usize)> = std::iter::once(("all", first.all.targets))
        .chain(Segment::ALL.map(|segment| (segment.name(), first.segments.of(segment).targets)))
        .collect();
    let of = |figures: &Figures| -> Vec<Quality> {
        let segments = Segment::ALL.map(|segment| *figures.segments.of(segment));
        std::iter::once(figures.all).chain(segments).collect()
    };
    let value = |quality: Quality| if quality.targets == 0 { f64::NAN } else { quality.ndcg_10 };
    let series = |figures: &Figures| of(figures).into_iter().map(value).collect();
    let drawn = &shown[..shown.len().min(DRAWN)];
    let title = match shown.len() > DRAWN {
        true => format!("NDCG@10 by the target's segment: the first {DRAWN} of {}", shown.len()),
        false => "NDCG@10 by the target's segment".to_owned(),
    };
    let chart = bars(&Bars {
        id: "chart-segments",
        title: &title,
        width: WIDE,
        labelled: Labelled::Highest,
        groups: groups.iter().map(|(name, _)| (*name).to_owned()).collect(),
        series: drawn.iter().map(|row| Series { name: &row.0, values: series(row.1) }).collect(),
    });
    let head = |(name, targets): &(&str, usize)| {
        format!("{name}<br><small>{}</small>", counted(*targets, "target", "targets"))
    };
    let heads: Vec<String> = std::iter::once("run".to_owned()).chain(groups.iter().map(head)).collect();
    let cell = |quality: Quality| match quality.targets {
        0 => UNKNOWN.to_owned(),
        _ => format!("{} <small>/ {}</small>", metric(quality.ndcg_10), metric(quality.recall_10)),
    };
    let lines = shown.iter().map(|(name, figures)| Row {
        cells: std::iter::once(escape(name)).chain(of(figures).into_iter().map(cell)).collect(),
        best: false,
    });
    let caption = "ndcg@10 <small>/ recall@10</small>. Head, torso and tail are the items with the first 50, next 30 \
                   and last 20 % of the training events; new items have none.";
    chart + &table("numbers", caption, &heads, &lines.collect::<Vec<Row>>())
}

/// The single runs, where the other tables have medians.
fn runs(comparison: &Comparison) -> String {
    if comparison.groups.is_empty() {
        return String::new();
    }
    let caption = format!("Gains are over {}.", escape(&comparison.reference));
    cost_table(&caption, &comparison.single(), &[], false)
}

fn span(time: Option<f64>) -> String {
    time.map_or(UNKNOWN.to_owned(), seconds)
}

/// A gain with its sign: `+.00123`.
fn signed(gain: f64) -> String {
    if !gain.is_finite() {
        return UNKNOWN.into();
    }
    let digits = fixed(gain.abs(), 5).replacen("0.", ".", 1);
    if gain < 0.0 { format!("−{digits}") } else { format!("+{digits}") }
}
