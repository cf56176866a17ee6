//! The page of a test: every section and nothing that is not finite, whatever is missing; names are texts; nothing is loaded.

#[path = "page/sample.rs"]
mod sample;

use sample::{COMMAND, invalid, not_yet, ship};
use semrank_experiment::analysis::{Analysis, Word};
use semrank_experiment::definition::Role;
use semrank_experiment::page::page;

fn sections(html: &str) -> Vec<&str> {
    html.split("<section id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Words of a page, its style aside.
fn words(html: &str) -> impl Iterator<Item = &str> {
    let body = html.split_once("</style>").map_or(html, |(_, body)| body);
    body.split(|letter: char| !letter.is_alphanumeric())
}

#[test]
fn sections_stand_in_their_order_and_those_without_data_are_left_out() {
    let all = [
        "verdict",
        "effects",
        "looks",
        "maturity",
        "checks",
        "guardrails",
        "triggered",
        "delays",
        "days",
        "segments",
        "budgets",
        "calibration",
        "latency",
        "power",
        "settings",
    ];
    assert_eq!(sections(&page(&ship(), COMMAND)), all);
    let few = ["verdict", "effects", "looks", "maturity", "checks", "power", "settings"];
    assert_eq!(sections(&page(&not_yet(), COMMAND)), few);
}

#[test]
fn nothing_is_loaded_and_no_number_is_infinite() {
    for analysis in [ship(), invalid(), not_yet()] {
        let html = page(&analysis, COMMAND);
        for word in ["http", "src=", "<script", "url(", "@import"] {
            assert!(!html.contains(word), "{word}");
        }
        let wrong = words(&html).find(|word| ["NaN", "inf", "nan", "Infinity"].contains(word));
        assert_eq!(wrong, None);
        assert_eq!(html.matches("<section").count(), html.matches("</section>").count());
        assert_eq!(html.matches("<table").count(), html.matches("</table>").count());
    }
}

#[test]
fn names_are_texts() {
    let html = page(&not_yet(), "semrank <analyse> --name 'a & b'");
    for markup in ["<b>20", "<script", "<yet>", "<few>", "<analyse>", "'a & b'"] {
        assert!(!html.contains(markup), "{markup}");
    }
    assert!(
        html.contains("quota &lt;b&gt;20&lt;/b&gt; &amp; more") && html.contains("semrank &lt;analyse&gt;")
    );
    assert!(page(&ship(), COMMAND).contains("&lt;i&gt;new &amp; odd&lt;/i&gt;"));
}

#[test]
fn the_verdict_is_the_first_thing_that_is_read() {
    let first = |analysis: &Analysis| {
        let html = page(analysis, COMMAND);
        let word = html.split_once("<p class=\"word\">").unwrap().1.split_once("</p>").unwrap().0.to_owned();
        assert!(html.find(&analysis.verdict.sentence).unwrap() < html.find("id=\"effects\"").unwrap());
        word
    };
    assert_eq!(first(&ship()), "SHIP");
    assert_eq!(first(&invalid()), "INVALID");
    assert_eq!(first(&not_yet()), "NOT YET <span>about 12 days more</span>");
    let mut none = ship();
    none.verdict.word = Word::NoEffect;
    assert_eq!(first(&none), "NO EFFECT");
    none.verdict.most = Some(0.02);
    assert_eq!(first(&none), "NO EFFECT ABOVE 2 %");
    none.verdict.word = Word::Harm;
    assert_eq!(first(&none), "HARM");
}

#[test]
fn an_invalid_test_warns_and_has_no_card_with_an_effect() {
    let html = page(&invalid(), COMMAND);
    assert!(
        html.contains("The test is invalid.") && html.contains("The definition changed during the test:")
    );
    assert!(html.contains("2026-01-10 01:00 UTC"));
    let cards = html.split_once("class=\"cards\"").unwrap().1.split_once("</dl>").unwrap().0;
    assert!(!cards.contains("conversions per user") && cards.contains("1 failed"));
    let table = html.split_once("id=\"checks\"").unwrap().1;
    assert!(table.find("✗ failed").unwrap() < table.find("! warning").unwrap());
    assert!(!page(&ship(), COMMAND).contains("role=\"alert\""));
}

#[test]
fn every_number_of_the_primary_metric_is_there() {
    let html = page(&ship(), COMMAND);
    for text in [
        "+2.5 %",
        "+1.3 to +3.6 %",
        "+0.00451",
        "&lt;0.0001<small>holm</small>",
        "0.1834",
        "control: 19,112 over 104,211",
        "59.4 %",
        "margin: a loss of 1 %",
    ] {
        assert!(html.contains(text), "{text}");
    }
    for role in [Role::Primary, Role::Secondary, Role::Guardrail, Role::Debug] {
        let metric = ship().metrics.into_iter().find(|metric| metric.role == role).unwrap();
        assert!(html.matches(&metric.name).count() >= 2, "{}", metric.name);
    }
    assert!(
        html.contains("✓ held") && html.contains("not shown yet") && html.contains("2026-02-04 06:00 UTC")
    );
}

/// Writes the pages to a folder, to be looked at: `PAGES=/tmp/pages cargo test -p semrank-experiment --test page -- --ignored`.
#[test]
#[ignore = "writes files"]
fn write() {
    let folder = std::path::PathBuf::from(std::env::var("PAGES").unwrap());
    std::fs::create_dir_all(&folder).unwrap();
    for (name, analysis) in [("ship", ship()), ("invalid", invalid()), ("not-yet", not_yet())] {
        std::fs::write(folder.join(name).with_extension("html"), page(&analysis, COMMAND)).unwrap();
    }
}
