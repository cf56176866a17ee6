//! Promises of the features: scikit-learn's numbers, fit scope, the same bytes on any number of threads.

use super::*;
use proptest::prelude::*;
use semrank_core::{Dictionary, Rng, TextColumn};

fn catalog<S: AsRef<str>>(texts: &[S]) -> Catalog {
    let ids: Dictionary = (0..texts.len()).map(|row| row.to_string()).collect();
    let values = texts.iter().map(|text| text.as_ref().to_owned()).collect();
    Catalog { ids, texts: vec![TextColumn { name: "text".into(), values }], ..Catalog::default() }
}

fn settings(dim: usize) -> FeatureSettings {
    FeatureSettings { dim, ..FeatureSettings::default() }
}

/// scikit-learn 1.9: `TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, 2), token_pattern=r"[^\W_]+")`,
/// the values of each row in rising order (columns are hashed here, so they have no order in common).
#[test]
fn tfidf_agrees_with_scikit_learn() {
    let golden: [(&str, &[f32]); 9] = [
        ("Red shatter nail polish", &[0.46396, 0.46396, 0.533612, 0.533612]),
        ("red nail polish, nail file (nail kit)", &[0.330616, 0.330616, 0.380249, 0.797996]),
        ("Blue eye shadow", &[0.5, 0.5, 0.5, 0.5]),
        ("eye shadow blue 15 color", &[0.5, 0.5, 0.5, 0.5]),
        ("", &[]),
        ("skin79 BB balm", &[1.0]),
        ("Crème polish 15ml", &[0.656138, 0.754641]),
        ("crème balm, RED", &[0.523742, 0.602368, 0.602368]),
        ("zebra", &[]),
    ];
    let catalog = catalog(&golden.map(|row| row.0));
    let tfidf = TfIdf::fit(&catalog, &[true; 9], &settings(2));
    let matrix = tfidf.transform(&catalog);
    assert_eq!((matrix.rows, matrix.cols, tfidf.cols()), (9, 10, 10));
    for (row, (text, expected)) in golden.iter().enumerate() {
        let mut values = matrix.row(row).1.to_vec();
        values.sort_by(f32::total_cmp);
        assert_eq!(values.len(), expected.len(), "of {text:?}");
        for (got, want) in values.iter().zip(*expected) {
            assert!((got - want).abs() < 2e-6, "{values:?} of {text:?}");
        }
    }
}

#[test]
fn pairs_of_words_never_span_two_fields() {
    let mut catalog = catalog(&["nail", "nail"]);
    catalog.texts.push(TextColumn { name: "brand".into(), values: vec!["polish".into(); 2] });
    assert_eq!(TfIdf::fit(&catalog, &[true; 2], &settings(2)).cols(), 2);
    let joined = self::catalog(&["nail polish", "nail polish"]);
    assert_eq!(TfIdf::fit(&joined, &[true; 2], &settings(2)).cols(), 3);
}

/// Texts over a small vocabulary, with topics so that the spectrum decays.
fn synthetic(items: usize) -> Vec<String> {
    let mut rng = Rng::new(3, "test");
    let text = |rng: &mut Rng| {
        let topic = rng.below(12);
        (0..6).map(|_| format!("w{}", topic * 40 + rng.below(40))).collect::<Vec<_>>().join(" ")
    };
    (0..items).map(|_| text(&mut rng)).collect()
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let catalog = catalog(&synthetic(1500));
    let known: Vec<bool> = (0..1500).map(|item| item % 5 != 0).collect();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| build(&catalog, &known, &settings(24), 11).unwrap())
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
    assert_ne!(one.fingerprint, build(&catalog, &known, &settings(24), 12).unwrap().fingerprint);
}

#[test]
fn rows_have_length_one_and_neighbours_share_a_topic() {
    let texts = synthetic(600);
    let features = build(&catalog(&texts), &[true; 600], &settings(16), 1).unwrap();
    let topic = |item: usize| texts[item][1..].split(' ').next().unwrap().parse::<usize>().unwrap() / 40;
    let mut same = 0;
    for item in 0..600 {
        let row = features.of(item);
        let length: f32 = row.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5, "item {item} has squared length {length}");
        let cosine = |other: usize| row.iter().zip(features.of(other)).map(|(x, y)| x * y).sum::<f32>();
        let others = (0..600).filter(|&other| other != item);
        let nearest = others.max_by(|&a, &b| cosine(a).total_cmp(&cosine(b))).unwrap();
        same += usize::from(topic(nearest) == topic(item));
    }
    assert!(same >= 590, "only {same} of 600 nearest neighbours share the topic");
}

#[test]
fn a_catalogue_without_a_known_token_has_zero_vectors() {
    for texts in [&["", ""][..], &["a", "b"], &[]] {
        let features = build(&catalog(texts), &vec![true; texts.len()], &settings(4), 1).unwrap();
        assert_eq!(features.values, vec![0.0; texts.len() * 4]);
    }
}

#[test]
fn invalid_settings_are_refused() {
    let check = |change: fn(&mut FeatureSettings)| {
        let mut settings = settings(4);
        change(&mut settings);
        settings.check()
    };
    assert_eq!(check(|_| ()), Ok(()));
    assert_eq!(check(|s| s.word_grams = 0), Err(FeatureError::NoTokens));
    let no_dimension = check(|s| s.dim = 0).unwrap_err().to_string();
    assert_eq!(no_dimension, "features.dim is 0, expected 1 to 16384");
    assert_eq!(check(|s| s.buckets = 1000), Err(FeatureError::Buckets { got: 1000, nearest: 1024 }));
    assert_eq!(check(|s| s.char_max = 2), Err(FeatureError::CharacterRange { min: 3, max: 2 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Fit scope: whatever stands in an unknown item, no other vector changes by a bit.
    #[test]
    fn an_unknown_items_text_never_changes_another_vector(
        mut texts in prop::collection::vec("[ab\u{301}\u{1f525} 赤い]{0,12}|[a-d]{1,2}( [a-d]{1,2}){0,5}", 3..12),
        replacement in "\\PC{0,20}|[a-d]{1,2}( [a-d]{1,2}){0,5}",
        at in 0usize..12,
    ) {
        let at = at % texts.len();
        let known: Vec<bool> = (0..texts.len()).map(|item| item != at).collect();
        let settings = FeatureSettings { char_max: 4, oversample: 4, ..settings(3) };
        let before = build(&catalog(&texts), &known, &settings, 5).unwrap();
        texts[at] = replacement;
        let after = build(&catalog(&texts), &known, &settings, 5).unwrap();
        for item in (0..texts.len()).filter(|&item| item != at) {
            prop_assert_eq!(before.of(item), after.of(item));
        }
        prop_assert!(after.values.iter().all(|value| value.is_finite()));
    }
}
