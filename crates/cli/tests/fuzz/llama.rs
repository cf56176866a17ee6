//! Decoders: GGUF files and Hugging Face folders, of the tiny model that the tests of `embed` have.

use crate::data::write;
use crate::embed::encode;
use crate::harness::Subject;
use semrank_embed::llama::{LlamaModel, LoadOptions};
use std::path::Path;

#[allow(dead_code, reason = "the tests of `embed` use the rest")]
#[path = "../../../embed/src/llama/testing.rs"]
mod testing;

pub(crate) const LLAMA: &[Subject] = &[
    Subject {
        name: "gguf",
        make: gguf,
        read: |folder| encode(&format!("llama:{}", folder.join("m.gguf?max_tokens=16").display())),
    },
    Subject { name: "folder", make: |folder| hugging_face(folder, false), read: open_folder },
    Subject { name: "shards", make: |folder| hugging_face(folder, true), read: open_folder },
];

fn gguf(folder: &Path) -> Vec<String> {
    write(folder, &[("m.gguf", testing::TinyGguf::new().bytes())])
}

fn hugging_face(folder: &Path, is_sharded: bool) -> Vec<String> {
    testing::write_folder(folder, is_sharded);
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    files.sort();
    files
}

fn open_folder(folder: &Path) -> Result<(), String> {
    encode(&format!("llama:{}?max_tokens=16", folder.display()))
}
