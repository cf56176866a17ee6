//! Models, tables of vectors, names of encoders, and the cache.

use crate::common::tiny_bert;
use crate::data::write;
use crate::harness::{Subject, said};
use semrank_core::Catalog;
use semrank_embed::{Cache, CacheKey, Document, Field, Fit, Spec, VectorWriter, hash::FeatureSettings, open};
use std::io::Write;
use std::path::{Path, PathBuf};

pub(crate) const BERT: &[Subject] =
    &[Subject { name: "bert", make: bert, read: |folder| encode(&format!("bert:{}", folder.display())) }];

pub(crate) const WHEELS: &[Subject] = &[
    Subject { name: "wheel", make: wheel, read: |folder| encode_file("bert", &folder.join("model.whl")) },
    Subject {
        name: "plain_zip",
        make: plain_zip,
        read: |folder| encode_file("bert", &folder.join("model.zip")),
    },
];

pub(crate) const VECTORS: &[Subject] = &[
    Subject { name: "plain", make: |folder| golden(folder, "plain"), read: static_table },
    Subject { name: "shared", make: |folder| golden(folder, "shared"), read: static_table },
    Subject {
        name: "tsv",
        make: vectors,
        read: |folder| encode_file("parquet", &folder.join("vectors.tsv")),
    },
    Subject {
        name: "parquet",
        make: vectors,
        read: |folder| encode_file("parquet", &folder.join("v.parquet")),
    },
];

pub(crate) const ONNX: &[Subject] =
    &[Subject { name: "onnx", make: onnx, read: |folder| encode(&format!("onnx:{}", folder.display())) }];

pub(crate) const CACHES: &[Subject] = &[
    Subject { name: "cache", make: cache, read: read_cache },
    Subject { name: "names", make: names, read: read_names },
];

/// Opens an encoder and encodes two texts.
pub(crate) fn encode(name: &str) -> Result<(), String> {
    let (catalog, settings) = (Catalog::default(), FeatureSettings::default());
    let encoder =
        open(name, &Fit { source: &catalog, known: None, settings: &settings, seed: 1 }).map_err(said)?;
    let mut out = vec![0.0; 2 * encoder.width()];
    let first =
        [Field { name: "title", text: "red shoes, a teapot" }, Field { name: "text", text: "é 漢字 \u{0}" }];
    let documents = [Document { id: "a", fields: &first }, Document { id: "b", fields: &first[..1] }];
    encoder.encode(&documents, &mut out).map_err(said)
}

pub(crate) fn encode_file(kind: &str, file: &Path) -> Result<(), String> {
    encode(&format!("{kind}:{}", file.display()))
}

const BERT_FILES: [&str; 8] = [
    "config.json",
    "config_sentence_transformers.json",
    "tokenizer_config.json",
    "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "model.safetensors",
];

fn bert(folder: &Path) -> Vec<String> {
    tiny_bert::write(folder);
    let prompts = "{\"prompts\": {\"query\": \"q: \"}, \"default_prompt_name\": \"query\"}";
    write(
        folder,
        &[
            ("sentence_bert_config.json", "{\"max_seq_length\": 12, \"do_lower_case\": false}"),
            ("config_sentence_transformers.json", prompts),
            ("tokenizer_config.json", "{\"model_max_length\": 64}"),
        ],
    );
    BERT_FILES.map(String::from).into()
}

fn wheel(folder: &Path) -> Vec<String> {
    zipped(folder, "model.whl", zip::CompressionMethod::Deflated)
}

fn plain_zip(folder: &Path) -> Vec<String> {
    zipped(folder, "model.zip", zip::CompressionMethod::Stored)
}

fn zipped(folder: &Path, name: &str, method: zip::CompressionMethod) -> Vec<String> {
    let model = folder.join("model");
    std::fs::create_dir(&model).expect("a folder");
    bert(&model);
    let mut zip = zip::ZipWriter::new(std::fs::File::create(folder.join(name)).expect("a file"));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for file in BERT_FILES {
        zip.start_file(format!("pkg/{file}"), options).expect("an entry");
        zip.write_all(&std::fs::read(model.join(file)).expect("a file")).expect("its content");
    }
    zip.finish().expect("a zip file");
    vec![name.to_owned()]
}

/// Files of the tests of `embed`.
fn copied(folder: &Path, from: &str, files: &[&str]) -> Vec<String> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../embed/tests").join(from);
    let content = files.iter().map(|file| (*file, std::fs::read(from.join(file)).expect("a file")));
    write(folder, &content.collect::<Vec<_>>())
}

fn golden(folder: &Path, name: &str) -> Vec<String> {
    copied(folder, &format!("golden/static/{name}"), &["config.json", "tokenizer.json", "model.safetensors"])
}

fn static_table(folder: &Path) -> Result<(), String> {
    encode(&format!("static:{}", folder.display()))
}

fn onnx(folder: &Path) -> Vec<String> {
    copied(folder, "data/tiny-onnx", &["config.json", "tokenizer.json", "model.onnx"])
}

fn vectors(folder: &Path) -> Vec<String> {
    write(folder, &[("vectors.tsv", "a\t1 2 3\nb\t4 5 -6e-3\n")]);
    let path = folder.join("v.parquet");
    let file = std::fs::File::create(&path).expect("a file");
    let mut writer = VectorWriter::new(&path, vec![("vector".to_owned(), 3)], file).expect("a writer");
    let documents = ["a", "b"].map(|id| Document { id, fields: &[] });
    writer.write(&documents, &[&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]).expect("rows");
    writer.finish().expect("a file");
    ["vectors.tsv", "v.parquet"].map(String::from).into()
}

const FINGERPRINT: &str = "hash of a test";

fn keys() -> [CacheKey; 4] {
    ["a", "b", "c", "d"]
        .map(|text| Cache::key(&Document { id: "x", fields: &[Field { name: "title", text }] }))
}

fn cache(folder: &Path) -> Vec<String> {
    let mut cache = Cache::open(folder, FINGERPRINT, 2).expect("a cache");
    cache.put(&keys()[..3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).expect("vectors");
    drop(cache);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let inner = entry.expect("an entry").path();
        let names = std::fs::read_dir(&inner).expect("a folder").map(|entry| entry.expect("an entry").path());
        files.extend(
            names.map(|path: PathBuf| path.strip_prefix(folder).expect("inside").display().to_string()),
        );
    }
    files.sort();
    files
}

fn read_cache(folder: &Path) -> Result<(), String> {
    let cache = Cache::open(folder, FINGERPRINT, 2).map_err(said)?;
    let mut out = [0.0; 2];
    keys().into_iter().try_for_each(|key| cache.get(key, &mut out).map(drop)).map_err(said)
}

const NAMES: &str = "hash:?dim=8&buckets=1024&word_grams=2\nbert:models/minilm?precision=int8&max_tokens=128\nstatic:a?b=c\nllama:m.gguf?layers=3&pool=mean\nonnx:m\nparquet:v.tsv\nhttp://127.0.0.1:1/embed?batch=64&concurrency=2&retries=0&timeout_s=1\n";

fn names(folder: &Path) -> Vec<String> {
    write(folder, &[("names", NAMES)])
}

fn read_names(folder: &Path) -> Result<(), String> {
    let bytes = std::fs::read(folder.join("names")).expect("a file");
    let mut result = Ok(());
    for line in String::from_utf8_lossy(&bytes).lines() {
        // Only parsed: the address may be anybody's.
        let is_remote = line.contains("http");
        let opened = if is_remote { Spec::parse(line).map(drop).map_err(said) } else { encode(line) };
        if line.starts_with("hash:") {
            result = result.and(opened);
        }
    }
    result
}
