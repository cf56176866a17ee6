//! Bodies of requests to a server, and records of its log.

use crate::data::write;
use crate::harness::Subject;
use std::path::Path;

pub(crate) const BODIES: &[Subject] = &[Subject { name: "bodies", make, read }];

const FILES: [(&str, &str); 5] = [
    (
        "event",
        r#"{"event_id":"e1","user_id":"u","item_id":"i","action":"click","timestamp":1700000000000,"slot":3}"#,
    ),
    (
        "events",
        "[{\"user_id\":\"u\",\"item_id\":\"i\",\"action\":\"view\",\"timestamp\":1}]\n{\"user_id\":\"ü\",\"item_id\":\"i\",\"action\":\"a\"}",
    ),
    (
        "rank",
        r#"{"user":"u","k":3,"candidates":["a","b"],"filter":"kind = ad","explain":true,"context":{"a":[1]}}"#,
    ),
    (
        "infer",
        r#"{"id":"1","inputs":[{"name":"user","shape":[1],"datatype":"BYTES","data":["u"]},{"name":"candidates","shape":[2,2],"datatype":"BYTES","data":[["a","b"],["c","d"]]}],"parameters":{"k":2}}"#,
    ),
    (
        "record",
        r#"E{"event_id":"e1","user_id":"u","item_id":"i","action":"click","timestamp":1,"received_at":2}"#,
    ),
];

fn make(folder: &Path) -> Vec<String> {
    write(folder, &FILES)
}

fn read(folder: &Path) -> Result<(), String> {
    let bytes = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let refused = FILES.iter().filter(|(name, _)| !semrank_serve::testing::body(&bytes(name))).count();
    if refused == 0 { Ok(()) } else { Err(format!("{refused} refused")) }
}
