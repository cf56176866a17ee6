//! Baselines of labels on rows small enough to count by hand.

use super::*;
use semrank_data::{DatasetWriter, EventRow, ExampleRow, ExamplesWriter, ItemRow, Meta, When, WriterOptions};

/// Ann saw `shoe` before every row; rows are (part, user, item, label).
fn open(rows: &[(Part, &str, &str, bool)]) -> (Dataset, Examples) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("set");
    let meta = Meta { text: vec!["title".into()], ..Meta::default() };
    let mut writer = DatasetWriter::create(&dir, WriterOptions { meta, ..WriterOptions::default() }).unwrap();
    for (id, title) in [("shoe", "red leather"), ("boot", "black leather"), ("hat", "black")] {
        writer.item(&ItemRow { id, texts: &[title], ..ItemRow::default() }).unwrap();
    }
    writer
        .event(&EventRow { user: "ann", item: "shoe", time: When::Time(1), ..EventRow::default() })
        .unwrap();
    let mut out = ExamplesWriter::create(writer.folder(), &[], &[]).unwrap();
    for (seq, &(part, user, item, click)) in rows.iter().enumerate() {
        let history_end = u32::from(user == "ann");
        let (seq, timestamp) = (seq as i64, 9);
        let row =
            ExampleRow { part, user, item, timestamp, seq, history_end, click, ..ExampleRow::default() };
        out.push(&row).unwrap();
    }
    out.close().unwrap();
    writer.finish().unwrap();
    let dataset = Dataset::open(&dir).unwrap();
    let examples = Examples::open(&dir, &dataset).unwrap();
    (dataset, examples)
}

const ROWS: [(Part, &str, &str, bool); 7] = [
    (Part::Train, "ann", "hat", true),
    (Part::Train, "bob", "hat", false),
    (Part::Train, "ann", "boot", true),
    (Part::Valid, "ann", "shoe", false),
    (Part::Valid, "bob", "hat", true),
    (Part::Test, "ann", "hat", true),
    (Part::Test, "cy", "shoe", false),
];

#[test]
fn every_baseline_is_a_column_of_probabilities() {
    let (dataset, examples) = open(&ROWS);
    let scope = FitScope::of_examples(&dataset, &examples);
    let data = LabelledRows::new(&dataset, &examples, &scope, Label::Click);
    let all = baselines(data, &data.rows(&[Part::Test]));
    let names: Vec<&str> = all.iter().map(|baseline| baseline.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "base_rate",
            "popularity",
            "item_mean",
            "item_user_mean",
            "item_user_residual",
            "item_mean+valid",
            "item_user_mean+valid",
            "item_user_residual+valid",
            "history_length",
        ]
    );
    assert!(all.iter().all(|baseline| baseline.scores.len() == 2));
    assert!(all.iter().flat_map(|baseline| &baseline.scores).all(|p| *p > 0.0 && *p < 1.0));
    // 2 of 3 rows and half a pseudo-row: 2.5 / 4. The hat: 1 of 2 and 5 at the base rate.
    let of = |name: &str| &all.iter().find(|baseline| baseline.name == name).unwrap().scores;
    assert_eq!(of("base_rate")[0], 0.625);
    assert!((of("item_mean")[0] - (1.0 + 5.0 * 0.625) / 7.0).abs() < 1e-12);
    assert_eq!(of("item_mean")[1], 0.625, "an item without rows");
    assert!((of("item_user_mean")[1] - 0.625).abs() < 1e-12, "an unknown user with an unknown item");
    assert!(of("item_user_mean")[0] > of("item_mean")[0], "ann likes everything");
    // Of the validation rows the one with a history has label 0.
    assert!(of("history_length")[0] < 0.1 && of("history_length")[1] > 0.9);
}

#[test]
fn a_rare_label_stays_rare() {
    let rows: Vec<_> = (0..5000).map(|row| (Part::Train, "ann", "hat", row == 0)).collect();
    let (dataset, examples) = open(&rows);
    let scope = FitScope::of_examples(&dataset, &examples);
    let data = LabelledRows::new(&dataset, &examples, &scope, Label::Click);
    let means = SmoothedMeans::fit(data, &[Part::Train], Smoothing::default());
    assert!(means.item_and_residual(0) < 4e-4, "1 of 5000: {}", means.item_and_residual(0));
}

#[test]
fn test_labels_change_no_score() {
    let (dataset, examples) = open(&ROWS);
    let mut turned = ROWS;
    turned.iter_mut().filter(|row| row.0 == Part::Test).for_each(|row| row.3 = !row.3);
    let (_, others) = open(&turned);
    let score = |examples| {
        let scope = FitScope::of_examples(&dataset, examples);
        let data = LabelledRows::new(&dataset, examples, &scope, Label::Click);
        baselines(data, &data.rows(&[Part::Test]))
    };
    assert_eq!(score(&examples), score(&others));
}

#[test]
fn conversions_are_another_label_of_some_rows() {
    let (dataset, mut examples) = open(&ROWS);
    examples.conversions = [None, Some(true), Some(false), None, Some(true), Some(false), None].to_vec();
    let scope = FitScope::of_examples(&dataset, &examples);
    let data = LabelledRows::new(&dataset, &examples, &scope, Label::Conversion);
    assert_eq!(data.rows(&[Part::Train]), [1, 2]);
    assert_eq!(data.labels(&[1, 2]), [true, false]);
    assert_eq!(SmoothedMeans::fit(data, &[Part::Train], Smoothing::default()).base_rate(), 0.5);
    let both = LabelledRows { label: Label::ClickAndConversion, ..data };
    assert_eq!(both.rows(&[Part::Train]), [1, 2], "the conversion label of row 0 is not known");
    assert_eq!(both.labels(&[1, 2]), [false, false], "row 1 converts but was not clicked");
    examples.matured = vec![true; 7];
    examples.matured[2] = false;
    let scope = FitScope::of_examples(&dataset, &examples);
    let data = LabelledRows::new(&dataset, &examples, &scope, Label::Conversion);
    assert_eq!(data.rows(&[Part::Train]), [1], "a label that can still change is not used");
}

/// One row per day; the click of a training row is known when validation has begun.
#[test]
fn what_is_known_too_late_is_not_fitted() {
    let (mut dataset, mut examples) = open(&ROWS);
    let day = |days: i64| days * 86_400_000;
    dataset.meta.windows.insert("click_minutes".into(), 30.into());
    dataset.meta.windows.insert("conversion_days".into(), 0.5.into());
    examples.times = (0..7).map(day).collect();
    examples.click_times =
        (0..7).map(|row| if examples.clicks[row as usize] { day(row) } else { i64::MIN }).collect();
    examples.conversions = examples.clicks.iter().map(|&click| click.then_some(true)).collect();
    examples.conversion_times = examples.click_times.clone();
    examples.log_end = Some(day(30));
    // Row 2 is of training, row 4 of validation; the test begins on day 5.
    let with = |received: [i64; 2], clicked: bool| {
        let mut examples = examples.clone();
        examples.click_received = examples.click_times.clone();
        for (row, received) in [2, 4].into_iter().zip(received) {
            (examples.clicks[row], examples.click_received[row]) = (clicked, received);
        }
        examples
    };
    let scores = |examples: &Examples, label| {
        let scope = FitScope::of_examples(&dataset, examples);
        let data = LabelledRows::new(&dataset, examples, &scope, label);
        baselines(data, &[5, 6])
    };
    for label in [Label::Click, Label::ClickAndConversion, Label::Conversion] {
        let late = scores(&with([day(6), day(6)], true), label);
        assert_eq!(late, scores(&with([day(6), day(6)], false), label), "{label:?}");
        assert_ne!(late, scores(&with([day(2), day(4)], true), label), "{label:?}: known in time, it counts");
    }
}
