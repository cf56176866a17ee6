//! Precedence, and what is said about settings that cannot be used.

use super::*;
use semrank_core::settings::{Key, SettingError};
use semrank_embed::hash::FeatureSettings;
use semrank_response::PointwiseSettings;
use semrank_sequence::BlendSettings;
use semrank_tokens::{AlignSettings, TokenSettings};
use semrank_tower::{ModelSettings, TrainSettings};
use serde::Serialize;
use std::ffi::OsString;

fn environment(pairs: &[(&str, &str)]) -> impl Iterator<Item = (OsString, OsString)> {
    let owned: Vec<(OsString, OsString)> = pairs.iter().map(|(k, v)| (k.into(), v.into())).collect();
    owned.into_iter()
}

fn load(
    file: Option<&std::path::Path>,
    environment: impl Iterator<Item = (OsString, OsString)>,
    set: &[String],
) -> Result<Config, ConfigError> {
    Ok(layers::load(file, environment, set)?.0)
}

fn with_set(set: &[&str]) -> Result<Config, ConfigError> {
    let set: Vec<String> = set.iter().map(|s| s.to_string()).collect();
    load(None, environment(&[]), &set)
}

/// The error of a `--set` and its help.
fn said(set: &str) -> String {
    let error = with_set(&[set]).unwrap_err();
    format!("{error} | {}", error.help().unwrap_or_default())
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn later_sources_win() {
    let path = file("[train]\nepochs = 2\nbatch = 32\nrate = 1\n[data]\nsplit = 'time'\n");
    let variables =
        [("SEMRANK_TRAIN_EPOCHS", "3"), ("SEMRANK_TRAIN_LOSS", "full"), ("SEMRANK_DATA", "/data")];
    let config = load(Some(path.path()), environment(&variables), &["train.epochs=4".into()]).unwrap();
    assert_eq!((config.train.epochs, config.train.batch, config.train.rate), (4, 32, 1.0));
    assert_eq!(config.train.loss, semrank_tower::Loss::Full);
    assert_eq!(config.data.split, SplitChoice::Time);
    assert_eq!(config.model, ModelSettings::default());
    let without_set = load(Some(path.path()), environment(&variables), &[]).unwrap();
    assert_eq!(without_set.train.epochs, 3);
}

#[test]
fn values_are_toml_or_else_strings() {
    let config =
        with_set(&["blend.alphas=[1, 2.5]", "train.sampling=popularity", "model.ids = false"]).unwrap();
    assert_eq!(config.blend.alphas, [1.0, 2.5]);
    assert_eq!(config.train.sampling, semrank_tower::Negatives::Popularity);
    assert!(!config.model.ids);
}

#[test]
fn the_next_item_task_has_an_older_name() {
    let older = with_set(&["task=retrieval"]).unwrap();
    assert_eq!(older, with_set(&["task=next-item"]).unwrap());
    assert_eq!(older.task, Task::NextItem);
    assert!(to_toml(&older).contains("\ntask = \"next-item\"\n"), "the new name is written");
    let run = serde_json::json!({ "task": "retrieval" });
    assert_eq!(serde_json::from_value::<Config>(run).unwrap().task, Task::NextItem);
}

#[test]
fn unknown_keys_name_the_nearest() {
    assert!(said("trian.epochs=3").contains("no setting `trian.epochs` | did you mean `train.epochs`?"));
    assert!(said("negatives=3").contains("did you mean `train.negatives`?"));
    assert!(said("train.epochs").contains("expected section.key=value"));
    let path = file("[train]\n# a comment\nepoch = 3\n");
    let error = load(Some(path.path()), environment(&[]), &[]).unwrap_err();
    assert_eq!(error.to_string(), format!("{}:3: there is no setting `train.epoch`", path.path().display()));
    assert!(error.help().unwrap().contains("`train.epochs`"));
    let error = load(Some(file("x = 1\n").path()), environment(&[]), &[]).unwrap_err();
    assert!(error.to_string().ends_with(":1: there is no setting `x`"), "{error}");
    let error = load(None, environment(&[("SEMRANK_MODEL_DEM", "3")]), &[]).unwrap_err();
    assert_eq!(error.to_string(), "environment variable SEMRANK_MODEL_DEM: there is no setting `model.dem`");
}

#[test]
fn wrong_types_name_key_value_and_type() {
    assert!(said("train.epochs=many").contains("train.epochs is \"many\", expected a whole number"));
    assert!(said("train.epochs=-1").contains("train.epochs is -1, expected a whole number, 0 or more"));
    assert!(said("train.rate=fast").contains("train.rate is \"fast\", expected a number"));
    assert!(said("model.ids=1").contains("model.ids is 1, expected true or false"));
    let loss = said("train.loss=softmax");
    assert!(loss.contains("train.loss is \"softmax\"") && loss.contains("`sampled`"), "{loss}");
    let error = load(Some(file("[train]\nepochs = = 3\n").path()), environment(&[]), &[]).unwrap_err();
    assert!(error.to_string().contains(":2: "), "{error}");
}

#[test]
fn what_is_printed_can_be_read_back() {
    let config = with_set(&["train.epochs=5", "train.rate=0.001", "blend.decay=0.9"]).unwrap();
    let text = to_toml(&config);
    assert!(text.contains("# Peak learning rate.\nrate = 0.001 # 1e-9 to 1\n"), "{text}");
    assert_eq!(load(Some(file(&text).path()), environment(&[]), &[]).unwrap(), config);
    for key in keys() {
        assert!(text.contains(&format!("\n{} = ", key.split_once('.').unwrap().1)), "{key}");
    }
}

#[test]
fn a_number_outside_its_range_is_refused_with_its_origin() {
    assert!(said("train.half_life=-1").contains("train.half_life is -1, expected 0 to 1000"));
    assert!(said("content.weight_decay=inf").contains("content.weight_decay is inf, expected 0 to 100"));
    assert!(said("content.warmup=nan").contains("content.warmup is NaN, expected 0 to 0.99"));
    let halves = said("blend.half_lives_days=[7, 0]");
    assert!(
        halves.contains("blend.half_lives_days is [7, 0], expected each of them 0.001 to 36500"),
        "{halves}"
    );
    let path = file("[pointwise]\n\nrate = 1000\n");
    let error = load(Some(path.path()), environment(&[]), &[]).unwrap_err().to_string();
    assert_eq!(error, format!("{}:3: pointwise.rate is 1000, expected 1e-9 to 1", path.path().display()));
}

/// A section with its name, its keys, and what refuses a changed value.
type Section =
    (&'static str, &'static [Key], serde_json::Value, Box<dyn Fn(serde_json::Value) -> Option<String>>);

fn section<S>(
    name: &'static str,
    keys: &'static [Key],
    check: impl Fn(&S) -> Result<(), SettingError> + 'static,
) -> Section
where
    S: Default + Serialize + serde::de::DeserializeOwned,
{
    let refused = move |value| check(&serde_json::from_value(value).unwrap()).err().map(|e| e.to_string());
    (name, keys, serde_json::to_value(S::default()).unwrap(), Box::new(refused))
}

/// Every section that the settings macro declares.
fn all_sections() -> Vec<Section> {
    macro_rules! sections {
        ($($name:literal: $type:ty),+ $(,)?) => {
            vec![$(section::<$type>($name, <$type>::KEYS, <$type>::check_ranges)),+]
        };
    }
    sections![
        "data": DataSettings,
        "content": ContentSettings,
        "features": FeatureSettings,
        "align": AlignSettings,
        "tokens": TokenSettings,
        "model": ModelSettings,
        "train": TrainSettings,
        "blend": BlendSettings,
        "pointwise": PointwiseSettings,
        "finetune": semrank_embed::FinetuneSettings,
        "prep": semrank_data::PrepSettings,
        "market": semrank_sim::MarketConfig,
        "ads": semrank_sim::AdMarketConfig,
    ]
}

/// Numbers on both sides of a range; those that the type itself cannot hold are left out.
fn just_outside(default: &serde_json::Value, range: semrank_core::settings::Range) -> Vec<serde_json::Value> {
    if default.is_f64() {
        // A hair further off, as an f32 has fewer digits.
        let off = |bound: f64, by: f64| bound + by * bound.abs().max(1e-9) * 1e-6;
        return vec![off(range.least, -1.0).into(), off(range.most, 1.0).into()];
    }
    let below = (range.least > 0.0).then(|| (range.least as u64 - 1).into());
    let above = (range.most < 1e18).then(|| (range.most as u64 + 1).into());
    below.into_iter().chain(above).collect()
}

#[test]
fn every_number_has_a_range_that_holds_its_default_and_refuses_what_is_just_outside() {
    for (name, keys, defaults, refused) in all_sections() {
        assert_eq!(refused(defaults.clone()), None, "{name}");
        for key in keys {
            let default = &defaults[key.name];
            let first = default.get(0).unwrap_or(default);
            assert_eq!(first.is_number(), key.range.is_some(), "{name}.{}: {default}", key.name);
            let Some(range) = key.range else { continue };
            for outside in just_outside(first, range) {
                let mut changed = defaults.clone();
                changed[key.name] =
                    if default.is_array() { vec![first.clone(), outside].into() } else { outside };
                let said = refused(changed.clone()).unwrap_or_default();
                let expected = format!("{name}.{} is", key.name);
                assert!(said.starts_with(&expected), "{expected} {}: {said}", changed[key.name]);
                assert!(said.ends_with(&range.to_string()), "{said}");
            }
        }
    }
}
