//! Precedence, and what is said about settings that cannot be used.

use super::layers::load;
use super::*;
use std::ffi::OsString;

fn environment(pairs: &[(&str, &str)]) -> impl Iterator<Item = (OsString, OsString)> {
    let owned: Vec<(OsString, OsString)> = pairs.iter().map(|(k, v)| (k.into(), v.into())).collect();
    owned.into_iter()
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
    assert_eq!(config.train.loss, semrank_model::Loss::Full);
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
    assert_eq!(config.train.sampling, semrank_model::Negatives::Popularity);
    assert!(!config.model.ids);
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
    assert!(text.contains("# Peak learning rate.\nrate = 0.001\n"), "{text}");
    assert_eq!(load(Some(file(&text).path()), environment(&[]), &[]).unwrap(), config);
    for key in keys() {
        assert!(text.contains(&format!("\n{} = ", key.split_once('.').unwrap().1)), "{key}");
    }
}
