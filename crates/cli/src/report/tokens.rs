//! `tokens.html`: how semantic ids use their codes, which items share an id, and what codes mean.

use semrank_page::{
    Bars, HALF, Labelled, Profile, Row, Series, UNKNOWN, bars, card_list, count, counted, escape, fixed,
    heads, isolate, page, profile, section, table,
};
use semrank_pipeline::ids::{Branch, Bucket, Neighbourhoods, TokenReport};
use semrank_tokens::{LevelMeasures, Neighbours};

/// The whole page.
pub(crate) fn render(report: &TokenReport) -> String {
    let body = [
        cards(report),
        section("meaning", "What codes mean", &meaning(&report.examples)),
        section("use", "Use of the codes", &codes(report)),
        section("shared", "Items that share an id", &shared(&report.largest)),
        section("neighbours", "Near items and their ids", &neighbours(&report.neighbours)),
    ]
    .concat();
    let lead = format!(
        "The id of each of {} is a list of {}, coarse to fine ({}).",
        counted(report.items, "item", "items"),
        counted(report.levels.len(), "code", "codes"),
        report.ids
    );
    let title = format!("{}: semantic ids", report.dataset);
    page(&title, &lead, &body, &format!("semrank {}", env!("CARGO_PKG_VERSION")))
}

fn percent(share: f64) -> String {
    if share.is_finite() { format!("{} %", fixed(share * 100.0, 1)) } else { UNKNOWN.into() }
}

fn prefix(codes: &[u16]) -> String {
    let codes: Vec<String> = codes.iter().map(u16::to_string).collect();
    format!("<span class=\"code\">{}</span>", codes.join(" "))
}

fn cards(report: &TokenReport) -> String {
    let dead: usize = report.levels.iter().map(|level| level.dead).sum();
    let all: usize = report.levels.iter().map(|level| level.codes).sum();
    let mut cards = vec![
        (
            "Ids of one item",
            percent(report.unique_share),
            "share of the items that have their id alone".into(),
        ),
        ("Codes in use", count(all - dead), format!("of {} on all levels", count(all))),
    ];
    if let Some(error) = report.reconstruction_error {
        let kept = "of the vectors' variance is in the ids".into();
        cards.push(("Kept", percent(1.0 - error), kept));
    }
    let best = [&report.neighbours.aligned, &report.neighbours.content].into_iter().flatten().next();
    if let Some(found) = best {
        let random =
            format!("codes shared with near items; {} with random ones", fixed(found.prefix_of_random, 3));
        cards.push(("Neighbours share", fixed(found.prefix_of_nearest, 2), random));
    }
    card_list(&cards)
}

fn meaning(branches: &[Branch]) -> String {
    if branches.is_empty() {
        return String::new();
    }
    let tree = |top: &Branch| format!("<article><ul class=\"tree\">\n{}</ul></article>\n", branch(top));
    format!(
        "<p class=\"lead\">The most frequent first codes, below each the most frequent next ones, with some of their \
         items.</p>\n<div class=\"trees\">\n{}</div>\n",
        branches.iter().map(tree).collect::<String>()
    )
}

fn branch(found: &Branch) -> String {
    let below: String = match found.children.is_empty() {
        true => {
            found.texts.iter().map(|text| format!("<li class=\"item\">{}</li>\n", isolate(text))).collect()
        }
        false => found.children.iter().map(branch).collect(),
    };
    format!(
        "<li>{} <small>{}</small>\n<ul>\n{below}</ul></li>\n",
        prefix(&found.prefix),
        counted(found.items, "item", "items")
    )
}

fn codes(report: &TokenReport) -> String {
    let draw = |(at, counts): (usize, &Vec<usize>)| {
        let level = &report.levels[at];
        let title =
            format!("Level {}: {} of {} used", at + 1, level.used, counted(level.codes, "code", "codes"));
        let id = format!("chart-level-{}", at + 1);
        let (name, even) = ("code", "all codes used alike");
        profile(&Profile { id: &id, title: &title, counts, name, even })
    };
    let profiles: String = report.use_of_codes.iter().enumerate().map(draw).collect();
    let more = [entropy(&report.levels), sharing(&report.shared_by_prefix)].concat();
    format!("<div class=\"pair\">\n{profiles}{more}</div>\n{}", levels(report))
}

fn most_bits(level: &LevelMeasures) -> f64 {
    (level.codes as f64).log2()
}

fn entropy(levels: &[LevelMeasures]) -> String {
    bars(&Bars {
        id: "chart-entropy",
        title: "Entropy of the codes, bits",
        width: HALF,
        labelled: Labelled::First,
        groups: (1..=levels.len()).map(|level| format!("level {level}")).collect(),
        series: vec![
            Series { name: "entropy", values: levels.iter().map(|level| level.entropy_bits).collect() },
            Series { name: "all codes used alike", values: levels.iter().map(most_bits).collect() },
        ],
    })
}

fn levels(report: &TokenReport) -> String {
    let row = |(at, level): (usize, &LevelMeasures)| Row {
        cells: vec![
            (at + 1).to_string(),
            count(level.codes),
            count(level.used),
            count(level.dead),
            format!("{} <small>of {}</small>", fixed(level.entropy_bits, 3), fixed(most_bits(level), 3)),
            percent(level.largest_share),
            count(report.prefixes[at]),
            percent(report.shared_by_prefix[at]),
        ],
        best: false,
    };
    let names = [
        "level",
        "codes",
        "used",
        "dead",
        "entropy, bits",
        "largest code",
        "prefixes up to here",
        "items that share theirs",
    ];
    let rows: Vec<Row> = report.levels.iter().enumerate().map(row).collect();
    table("numbers", "A code is dead where no item has it.", &heads(&names), &rows)
}

fn sharing(shared_by_prefix: &[f64]) -> String {
    bars(&Bars {
        id: "chart-shared",
        title: "Share of items whose first codes are those of another item too",
        width: HALF,
        labelled: Labelled::First,
        groups: (1..=shared_by_prefix.len()).map(|len| format!("first {len}")).collect(),
        series: vec![Series { name: "items that share", values: shared_by_prefix.to_vec() }],
    })
}

fn shared(largest: &[Bucket]) -> String {
    let rows: Vec<Row> = largest
        .iter()
        .map(|bucket| Row {
            cells: vec![
                prefix(&bucket.prefix),
                count(bucket.items),
                bucket.texts.iter().map(|text| isolate(text)).collect::<Vec<_>>().join("<br>"),
            ],
            best: false,
        })
        .collect();
    let caption = "The ids that most items share.";
    table("wrap", caption, &heads(&["id", "items", "some of them"]), &rows)
}

fn neighbours(found: &Neighbourhoods) -> String {
    let named = [("near by content", &found.content), ("near by aligned vectors", &found.aligned)];
    let named: Vec<(&str, &Neighbours)> =
        named.into_iter().filter_map(|(name, found)| Some((name, found.as_ref()?))).collect();
    if named.is_empty() {
        return String::new();
    }
    let values = |of: fn(&Neighbours) -> f64| named.iter().map(|(_, found)| of(found)).collect();
    let chart = bars(&Bars {
        id: "chart-neighbours",
        title: "Leading codes that an item shares with others, on average",
        width: super::WIDE,
        labelled: Labelled::First,
        groups: named.iter().map(|(name, _)| (*name).to_owned()).collect(),
        series: vec![
            Series { name: "with its 10 nearest", values: values(|found| found.prefix_of_nearest) },
            Series { name: "with 10 at random", values: values(|found| found.prefix_of_random) },
        ],
    });
    let rows: Vec<Row> = named
        .iter()
        .map(|(name, found)| Row {
            cells: vec![
                escape(name),
                fixed(found.prefix_of_nearest, 3),
                fixed(found.prefix_of_random, 3),
                found.agreement.map_or(UNKNOWN.to_owned(), percent),
                count(found.asked),
                count(found.pool),
            ],
            best: false,
        })
        .collect();
    let names =
        ["items", "codes shared", "at random", "still nearest after decoding", "items asked", "among"];
    let caption = "Content is what the texts alone say; aligned vectors, where there are some, are what the ids are made from.";
    chart + &table("numbers", caption, &heads(&names), &rows)
}
