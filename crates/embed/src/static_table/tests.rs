//! Static tables: the vectors of model2vec, options, and tables that are refused.

use super::*;
use crate::Field;
use crate::testing::cosine;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/static").join(name)
}

fn open_at(folder: &Path, options: &str) -> Result<Box<dyn TextEncoder>, Error> {
    open(Spec::parse(&format!("static:{}{options}", folder.display()))?)
}

fn encode(encoder: &dyn TextEncoder, texts: &[&str]) -> Vec<Vec<f32>> {
    let out = crate::testing::encode(encoder, texts);
    out.chunks(encoder.width()).map(<[f32]>::to_vec).collect()
}

/// Compares with the vectors that `model2vec` gave, see `tests/golden/static/make.py`.
#[track_caller]
fn agrees(folder: &Path) {
    let golden: Value =
        serde_json::from_slice(&fs::read(folder.join("vectors.json")).expect("vectors")).expect("JSON");
    let texts: Vec<&str> =
        golden["texts"].as_array().expect("texts").iter().filter_map(Value::as_str).collect();
    let encoder = open_at(folder, "").expect("a table");
    for ((got, want), text) in
        encode(&*encoder, &texts).iter().zip(golden["vectors"].as_array().expect("rows")).zip(&texts)
    {
        let want: Vec<f32> = serde_json::from_value(want.clone()).expect("numbers");
        assert_eq!(got.len(), want.len());
        // model2vec rounds to the table's type, f16 in one case.
        let near = got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-3);
        let silent = want.iter().all(|&x| x == 0.0) && got.iter().all(|&x| x == 0.0);
        assert!(near && (silent || cosine(got, &want) > 0.99999), "{text:?}: {got:?}, model2vec {want:?}");
    }
}

#[test]
fn vectors_are_those_of_model2vec() {
    agrees(&golden("plain"));
    agrees(&golden("shared")); // mapping, weights, Unigram, max_length, no normalisation
}

#[test]
fn vectors_of_a_whole_vocabulary_are_those_of_model2vec() {
    let models = std::env::var_os("SEMRANK_MODELS").map_or("/tmp/models".into(), PathBuf::from);
    let folder = models.join("static-check");
    if !folder.is_dir() {
        return println!("skipped: no {}; tests/golden/static/make.py makes it", folder.display());
    }
    agrees(&folder);
}

#[test]
fn unknown_and_special_tokens_count_as_nothing_and_silence_is_zero() {
    let encoder = open_at(&golden("plain"), "").expect("a table");
    let vectors = encode(&*encoder, &["red polish", "red zzzzz polish", "zzzzz", ""]);
    assert_eq!(vectors[0], vectors[1]);
    assert_eq!((&vectors[2], &vectors[3]), (&vec![0.0; 8], &vec![0.0; 8]));
}

#[test]
fn max_tokens_cuts_and_is_part_of_the_fingerprint() {
    let short = open_at(&golden("plain"), "?max_tokens=2").expect("a table");
    let long = open_at(&golden("plain"), "").expect("a table");
    let texts = ["red nail polish", "red nail"];
    let cut = encode(&*short, &texts);
    assert_eq!(cut[0], cut[1]);
    assert_ne!(encode(&*long, &texts)[0], cut[0]);
    assert_ne!(short.fingerprint(), long.fingerprint());
    for (options, part) in [("?max_tokens=0", "at least 1"), ("?precision=int8", "max_tokens")] {
        let error = open_at(&golden("plain"), options).err().expect(options).to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_vector_depends_neither_on_the_batch_nor_on_the_threads() {
    let encoder = open_at(&golden("shared"), "").expect("a table");
    let texts: Vec<String> = (0..100).map(|i| format!("red stove {}", "gas camp ".repeat(i % 7))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = encode(&*encoder, &texts);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    assert_eq!(pool.install(|| encode(&*encoder, &texts)), together);
    for (text, vector) in texts.iter().zip(&together) {
        assert_eq!(&encode(&*encoder, &[text])[0], vector);
    }
}

/// Writes a table beside the tiny WordPiece tokenizer (29 ids) and expects it to be refused.
#[track_caller]
fn refused(tensors: &[(&str, Dtype, &[usize])], part: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    let zeros = vec![0u8; 1 << 12];
    let bytes_of = |dtype: Dtype, shape: &[usize]| shape.iter().product::<usize>() * dtype.bitsize() / 8;
    let views = tensors.iter().map(|&(name, dtype, shape)| {
        (name, TensorView::new(dtype, shape.to_vec(), &zeros[..bytes_of(dtype, shape)]).expect("a tensor"))
    });
    fs::write(dir.path().join(WEIGHTS), safetensors::serialize(views, None).expect("a file"))
        .expect("written");
    fs::write(dir.path().join(CONFIG), json!({"normalize": true}).to_string()).expect("written");
    fs::copy(golden("plain").join(TOKENIZER), dir.path().join(TOKENIZER)).expect("copied");
    match (open_at(dir.path(), ""), part) {
        (Ok(_), "") => {}
        (Ok(_), part) => panic!("accepted instead of: {part}"),
        (Err(error), part) => {
            let message = error.to_string();
            assert!(!part.is_empty() && message.contains(part), "{message}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_with_the_reason() {
    use Dtype::{BF16, F32, F64, I8, I32, U8};
    refused(&[("embeddings", BF16, &[29, 4])], "");
    refused(&[("embeddings", I8, &[2, 4]), ("mapping", I32, &[29]), ("weights", F64, &[29])], "");
    refused(&[("vectors", F32, &[29, 4])], "`embeddings`");
    refused(&[("embeddings", F32, &[116])], "[rows x width]");
    refused(&[("embeddings", F32, &[29, 0])], "[rows x width]");
    refused(&[("embeddings", U8, &[29, 4])], "F32, F16");
    refused(&[("embeddings", F32, &[28, 4])], "two models");
    refused(&[("embeddings", F32, &[30, 4])], "two models");
    refused(&[("embeddings", F32, &[29, 4]), ("weights", F32, &[28])], "[29], one value per token");
    refused(&[("embeddings", F32, &[2, 4]), ("mapping", I32, &[2])], "two models");
    refused(&[("embeddings", F32, &[2, 4]), ("mapping", F32, &[29])], "I32, I64");
}

#[test]
fn damaged_and_missing_files_are_named() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in [CONFIG, WEIGHTS, TOKENIZER] {
        let error = open_at(dir.path(), "").err().expect(name);
        assert!(matches!(&error, Error::MissingFile { file, .. } if file == name), "{error}");
        fs::write(dir.path().join(name), "{").expect("written");
        let error = open_at(dir.path(), "").err().expect(name).to_string();
        assert!(error.contains(name) && error.contains("damaged"), "{error}");
        fs::copy(golden("plain").join(name), dir.path().join(name)).expect("copied");
    }
    open_at(dir.path(), "").expect("a whole folder");
}

#[test]
fn a_row_outside_the_table_and_a_vector_that_is_not_finite_are_errors() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut table = fs::read(golden("plain").join(WEIGHTS)).expect("a table");
    let end = table.len();
    table[end - 29 * 16..].fill(0xff); // all f16 values NaN
    fs::write(dir.path().join(WEIGHTS), table).expect("written");
    for name in [CONFIG, TOKENIZER] {
        fs::copy(golden("plain").join(name), dir.path().join(name)).expect("copied");
    }
    let encoder = open_at(dir.path(), "").expect("a table");
    let fields = [Field { name: "text", text: "red" }];
    let error = encoder.encode(&[Document { id: "7", fields: &fields }], &mut [0.0; 8]).expect_err("NaN");
    assert!(matches!(&error, Error::NotFinite { item, .. } if item == "7"), "{error}");

    let indices: Vec<u8> = [0i32, 2].iter().flat_map(|i| i.to_le_bytes()).collect();
    let zeros = [0u8; 16];
    let views = [
        ("embeddings", TensorView::new(Dtype::F32, vec![2, 2], &zeros).expect("a tensor")),
        ("mapping", TensorView::new(Dtype::I32, vec![2], &indices).expect("a tensor")),
    ];
    let file = safetensors::serialize(views, None).expect("a file");
    let error = Table::parse(&file, Path::new("x")).err().expect("a bad row").to_string();
    assert!(error.contains("is 2, expected 0 to 1"), "{error}");
}

/// Nanoseconds that the calling thread has worked.
fn worked_ns() -> Option<u64> {
    fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

#[test]
#[ignore = "measures speed for about 10 s; wants a quiet machine and the folder of make.py"]
fn encoding_runs_at_the_tokenizers_own_rate() {
    let models = std::env::var_os("SEMRANK_MODELS").map_or("/tmp/models".into(), PathBuf::from);
    let folder = models.join("static-check");
    if !folder.is_dir() || worked_ns().is_none() {
        return println!("skipped: no {}", folder.display());
    }
    let golden: Value =
        serde_json::from_slice(&fs::read(folder.join("vectors.json")).expect("read")).expect("JSON");
    let texts: Vec<&str> =
        golden["texts"].as_array().expect("texts").iter().filter_map(Value::as_str).collect();
    let encoder = open_at(&folder, "").expect("a table");
    let tokenizer =
        without_special_tokens(&ModelFolder::open(&folder).expect("a folder"), 512).expect("a tokenizer");
    let work = |encode_whole: bool| {
        let start = worked_ns().expect("a clock");
        if encode_whole {
            encode(&*encoder, &texts[..380]);
        } else {
            for text in &texts[..380] {
                std::hint::black_box(tokenizer.encode("7", text)).expect("ids");
            }
        }
        worked_ns().expect("a clock") - start
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    let rounds: Vec<(u64, u64)> = pool.install(|| (0..200).map(|_| (work(false), work(true))).collect());
    let (tokens, whole) = rounds[20..].iter().fold((0, 0), |(a, b), round| (a + round.0, b + round.1));
    let rate = |ns: u64| 380.0 * 180.0 / (ns as f64 / 1e9);
    let share = tokens as f64 / whole as f64;
    println!("tokenizer {:.0}, encoder {:.0} texts per CPU-second: {share:.3}", rate(tokens), rate(whole));
    assert!(share > 0.8);
}
