//! What the tests share: reference files, and one case put to `verify`.
#![allow(dead_code, reason = "each test file uses a part")]

use semrank_experiment::verify::verify;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The folder beside the repository.
fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(name)
}

fn existing(path: PathBuf, name: &str) -> Option<PathBuf> {
    if !path.exists() {
        println!("skipped: {name} is absent");
    }
    path.exists().then_some(path)
}

/// A file of `../shared`, as seen from the repository; none where it is absent.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    existing(beside(name), name)
}

/// A file of the public data, in `$SEMRANK_DATA` or `../shared/data`; none where it is absent.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SEMRANK_DATA").map_or_else(|| beside("data"), PathBuf::from);
    existing(folder.join(name), name)
}

/// The text of a packed file of the public data.
pub(crate) fn unpacked(name: &str) -> Option<String> {
    let mut text = String::new();
    let packed = std::fs::File::open(data(name)?).expect("readable");
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).expect("gzip");
    Some(text)
}

/// The answer to one case that asks for these keys.
pub(crate) fn answer(group: &str, mut case: Value, keys: Value) -> Value {
    case["expect"] = keys;
    let answers = verify(&json!({group: {"cases": [case]}})).expect("an object of groups");
    let answer = &answers["cases"][0];
    assert!(answer.get("unknown").is_none() && answer.get("error").is_none(), "{answer}");
    answer["got"].clone()
}
