//! Published model families: RoBERTa, XLM-R, CamemBERT, DistilBERT and MPNet give the vectors of sentence-transformers
//! (`golden/make_families.py`), with the model's prompt, and what training writes has the tensors that other tools look for.

use safetensors::SafeTensors;
use semrank_embed::testing::{Texts, cosine, encode};
use semrank_embed::{Error, Kept, ModelFolder, Spec, TextEncoder, Trainable, UpperSaved, bert};
use serde_json::Value;
use std::path::{Path, PathBuf};

const FAMILIES: [&str; 5] = ["roberta", "xlm-roberta", "camembert", "distilbert", "mpnet"];
const WEIGHTS: &str = "model.safetensors";
const PROMPTS: &str = "config_sentence_transformers.json";

fn archive(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/families/{family}.zip"))
}

fn name(path: &Path, options: &str) -> String {
    format!("bert:{}{options}", path.display())
}

fn open(path: &Path, options: &str) -> Result<Box<dyn TextEncoder>, Error> {
    bert::open(Spec::parse(&name(path, options)).expect("a name"))
}

fn vectors(encoder: &dyn TextEncoder, texts: &[String]) -> Vec<Vec<f32>> {
    let out = encode(encoder, texts);
    out.chunks(encoder.width()).map(<[f32]>::to_vec).collect()
}

/// The texts, and their vectors by the reference.
fn golden(family: &str) -> (Vec<String>, Vec<Vec<f32>>) {
    let golden: Value = serde_json::from_str(include_str!("golden/families.json")).expect("JSON");
    let of = |value: &Value| serde_json::from_value(value.clone()).expect("vectors");
    (serde_json::from_value(golden["texts"].clone()).expect("texts"), of(&golden["vectors"][family]))
}

#[track_caller]
fn near(got: &[Vec<f32>], want: &[Vec<f32>], what: &str) {
    assert_eq!(got.len(), want.len());
    for (row, (got, want)) in got.iter().zip(want).enumerate() {
        let cosine = cosine(got, want);
        assert!(cosine > 0.9999, "{what}, text {row}: cosine {cosine}");
        let farthest = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(farthest < 1e-4, "{what}, text {row}: {got:?}, reference {want:?}");
    }
}

#[test]
fn vectors_are_those_of_the_reference() {
    for family in FAMILIES {
        let (texts, want) = golden(family);
        let encoder = open(&archive(family), "").expect(family);
        near(&vectors(&*encoder, &texts), &want, family);
        assert!(want[0] != want[1] && want[0] != want[6], "{family}: texts differ");
    }
}

#[test]
fn the_default_prompt_is_honoured_and_another_can_be_given() {
    let model = archive("xlm-roberta"); // its default is `query`, that is "tea: "
    let texts = ["red shoes".to_owned(), "lamp".to_owned()];
    let with_prompt = texts.clone().map(|text| format!("tea: {text}"));
    let of = |options: &str, texts: &[String]| {
        let encoder = open(&model, options).expect("a model");
        (vectors(&*encoder, texts), encoder.fingerprint().to_owned(), encoder.notes().join("\n"))
    };
    let (default, fingerprint, note) = of("", &texts);
    assert!(
        note.contains("default prompt `query`") && note.contains("\"tea: \"") && note.contains("?prompt="),
        "{note}"
    );
    let (none, bare, note) = of("?prompt=", &texts);
    assert!(none != default && bare != fingerprint && note.is_empty());
    assert_eq!(of("?prompt=", &with_prompt).0, default);
    let (named, same, note) = of("?prompt=query", &texts);
    assert!(named == default && same == fingerprint && note.contains("model's prompt `query`"), "{note}");
    let (text, same, note) = of("?prompt=tea: ", &texts);
    assert!(text == default && same == fingerprint, "a prompt is its text");
    assert!(note.contains("not the name of a prompt") && note.contains("document, query"), "{note}");
    let (other, different, _) = of("?prompt=blue %26 ", &texts);
    assert!(other != default && different != fingerprint && different.contains("blue & "), "{different}");
    assert_eq!(of("?prompt=document", &texts).0, none);
    let plain = open(&archive("roberta"), "").expect("a model");
    assert!(plain.notes().is_empty() && !plain.fingerprint().contains("prompt"));
}

#[test]
fn prompts_that_do_not_fit_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    unpack("xlm-roberta", dir.path());
    let refused = |file: &str, content: &str, parts: &[&str]| {
        let path = dir.path().join(file);
        let before = std::fs::read(&path).expect("a file");
        std::fs::write(&path, content).expect("a file");
        let said = open(dir.path(), "").map(drop).expect_err("a refusal").to_string();
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        std::fs::write(&path, before).expect("a file");
    };
    let prompts = r#"{"prompts": {"query": "q: "}, "default_prompt_name": "passage"}"#;
    refused(PROMPTS, prompts, &["default_prompt_name is `passage`", "query"]);
    let pooling = r#"{"pooling_mode_mean_tokens": true, "include_prompt": false}"#;
    refused("1_Pooling/config.json", pooling, &["include_prompt is false", "?prompt="]);
}

#[test]
fn what_training_writes_is_the_same_model_for_other_tools() {
    for (family, options, layers) in [
        ("roberta", "", 1),
        ("xlm-roberta", "", 1),
        ("camembert", "?prompt=blue ", 2),
        ("distilbert", "", 2),
        ("mpnet", "", 1),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let (texts, want) = golden(family);
        let encoder = Trainable::open(&name(&archive(family), options), Some(layers), 70).expect(family);
        let kept = Kept::make(&encoder, &Texts(&texts), 0, &dir.path().join("cache")).expect("kept");
        let items: Vec<u32> = (0..texts.len() as u32).collect();
        let (offsets, lower) = kept.of(&encoder, &items).expect("kept");
        let mut trained = vec![0.0; texts.len() * encoder.width()];
        encoder.forward(&offsets, lower, &mut UpperSaved::default(), &mut trained);
        let new = dir.path().join("new");
        std::fs::create_dir(&new).expect("a folder");
        encoder.write(&new).expect("a folder");

        let again = vectors(&*open(&new, "").expect(family), &texts);
        if options.is_empty() {
            near(&again, &want, family);
        }
        for (row, (got, want)) in trained.chunks(encoder.width()).zip(&again).enumerate() {
            // What is kept of the lower layers has 8 bits.
            assert!(cosine(got, want) > 0.99, "{family}, text {row}: {got:?} {want:?}");
        }
        let source = ModelFolder::open(&archive(family)).expect("a model").read(WEIGHTS).expect("weights");
        let written = std::fs::read(new.join(WEIGHTS)).expect("weights");
        assert_eq!(shapes(&source), shapes(&written), "{family}");
        let (_, header) = SafeTensors::read_metadata(&written).expect("a header");
        assert_eq!(
            header.metadata().as_ref().and_then(|map| map.get("format")).map(String::as_str),
            Some("pt")
        );
        for file in ["config.json", "tokenizer.json", "modules.json", "1_Pooling/config.json", PROMPTS] {
            assert!(new.join(file).is_file(), "{family}: {file}");
        }
        let config = std::fs::read(new.join("config.json")).expect("a file");
        let config: Value = serde_json::from_slice(&config).expect("JSON");
        assert_eq!(config["dtype"], "float32", "the weights are written so");
        if family == "camembert" {
            let note = open(&new, "").expect("a model").notes().join("\n");
            assert!(note.contains("default prompt") && note.contains("\"blue \""), "{note}");
        }
    }
}

/// Names and shapes of all tensors.
fn shapes(file: &[u8]) -> Vec<(String, Vec<usize>)> {
    let tensors = SafeTensors::deserialize(file).expect("a weight file").tensors();
    let mut shapes: Vec<_> = tensors.into_iter().map(|(name, view)| (name, view.shape().to_vec())).collect();
    shapes.sort();
    shapes
}

fn unpack(family: &str, folder: &Path) {
    let file = std::fs::File::open(archive(family)).expect("an archive");
    zip::ZipArchive::new(file).expect("an archive").extract(folder).expect("a folder");
}
