//! What the tests share: reference files, and one case put to `verify`.
#![allow(dead_code, reason = "each test file uses a part")]

use semrank_experiment::verify::verify;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A file of `../shared`, as seen from the repository; none where it is absent.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(name);
    if !path.exists() {
        println!("skipped: ../shared/{name} is absent");
    }
    path.exists().then_some(path)
}

/// The answer to one case that asks for these keys.
pub(crate) fn answer(group: &str, mut case: Value, keys: Value) -> Value {
    case["expect"] = keys;
    let answers = verify(&json!({group: {"cases": [case]}})).expect("an object of groups");
    let answer = &answers["cases"][0];
    assert!(answer.get("unknown").is_none() && answer.get("error").is_none(), "{answer}");
    answer["got"].clone()
}
