//! Damaged files: every size in a header is checked before memory is allocated for it.

use super::*;
use crate::llama::testing::open_bytes;
use semrank_core::Rng;

fn list_of(kind: u32, count: u64) -> Meta {
    Meta::Raw(9, [&kind.to_le_bytes()[..], &count.to_le_bytes()].concat())
}

#[test]
fn headers_that_lie_are_refused_before_anything_is_allocated() {
    let bytes = TinyGguf::new().bytes();
    let patched = |at: usize, patch: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + patch.len()].copy_from_slice(patch);
        open_bytes(&bytes)
    };
    refused(patched(0, b"GGML"), "not with the bytes of \"GGUF\"");
    refused(patched(4, &[1]), "the GGUF version is 1; supported: 2 and 3");
    refused(patched(8, &[0xff; 8]), "tensor table");
    refused(patched(16, &[0xff; 8]), "metadata");
    refused(patched(24, &[0xff; 8]), "a text of the header");
    refused_gguf("a list of the metadata", |gguf| {
        gguf.metadata.insert("tokenizer.ggml.tokens", list_of(8, u64::MAX));
    });
    refused_gguf("type 9", |gguf| {
        gguf.metadata.insert("tokenizer.ggml.tokens", list_of(9, 1));
    });
    refused_gguf("type 77", |gguf| {
        gguf.metadata.insert("a", Meta::Raw(77, vec![]));
    });
    refused_gguf("the number of layers is 4000000000", |gguf| {
        gguf.metadata.insert("llama.block_count", Meta::U32(4_000_000_000));
    });
    refused_gguf("reaches beyond the file's end", |gguf| {
        tensor(gguf, "blk.0.ffn_up.weight").dimensions = vec![u64::MAX, u64::MAX];
    });
    refused_gguf("7 dimensions", |gguf| tensor(gguf, "blk.0.ffn_up.weight").dimensions = vec![1; 7]);
    refused_gguf("has rows of 4611686018427387905", |gguf| {
        let kind = 2; // Q4_0, 32 weights in 18 bytes
        let values = tensor(gguf, "blk.0.ffn_up.weight");
        (values.dimensions, values.kind) = (vec![(1 << 62) + 1, 1], kind);
    });
    for (rows, cols) in [(1, 1 << 62), (1, 1 << 61), (1 << 62, 1 << 62)] {
        refused_gguf("reaches beyond the file's end", |gguf| {
            tensor(gguf, "blk.0.ffn_up.weight").dimensions = vec![cols, rows];
        });
    }
    for (rows, cols) in [(1 << 60, 0), (0, 1 << 60)] {
        refused_gguf("is empty", |gguf| {
            tensor(gguf, "blk.0.ffn_up.weight").dimensions = vec![cols, rows];
        });
    }
    refused_gguf("general.alignment", |gguf| {
        gguf.metadata.insert("general.alignment", Meta::U32(24));
    });
}

#[test]
fn lists_that_nobody_reads_are_passed_over_and_those_of_the_tokenizer_have_an_end() {
    let want = states(&TinyGguf::new().open().expect("a model"));
    for value in [list(0, 5_000_000, &[7]), list(12, 9, &[1; 8]), list(8, 3, &text("unused"))] {
        let mut gguf = TinyGguf::new();
        gguf.metadata.insert("general.unread", value);
        assert_eq!(states(&gguf.open().expect("a model")), want);
    }
    refused_gguf("at most 1048576 are read", |gguf| {
        gguf.metadata.insert("tokenizer.ggml.token_type", list(0, 5_000_000, &[1]));
    });
    refused_gguf("holds 0, not an integer", |gguf| {
        gguf.metadata.insert("tokenizer.ggml.token_type", list(6, 1, &[0; 4]));
    });
    refused_gguf("is a list of 1 integers, expected a list of texts", |gguf| {
        gguf.metadata.insert("tokenizer.ggml.tokens", list(4, 1, &[0; 4]));
    });
}

/// A list of `count` times the same entry.
fn list(kind: u32, count: u64, entry: &[u8]) -> Meta {
    let entries = entry.repeat(count as usize);
    Meta::Raw(9, [&kind.to_le_bytes()[..], &count.to_le_bytes(), &entries].concat())
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A safetensors file of this header and `data` bytes.
fn safetensors_file(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

/// A folder whose second shard is a file of this header.
#[track_caller]
fn refused_shard(part: &str, header: &str, data: usize) {
    let dir = tempfile::tempdir().expect("a folder");
    write_folder(dir.path(), true);
    std::fs::write(dir.path().join("a.safetensors"), safetensors_file(header, data)).expect("a file");
    refused(LlamaModel::open(dir.path(), options()), part);
}

#[test]
fn tensors_that_nobody_reads_are_checked_like_any_other() {
    let unread = |shape: &str| {
        format!(r#"{{"rotary_emb.inv_freq":{{"dtype":"F32","shape":{shape},"data_offsets":[0,4]}}}}"#)
    };
    for shape in ["[4611686018427387904]", "[9223372036854775808]", "[4611686018427387904,4]"] {
        refused_shard("reaches beyond the file's end", &unread(shape), 4);
    }
    refused_shard("is empty", &unread("[1152921504606846976,0]"), 4);
    refused_shard("is empty", &unread("[0]"), 4);
    refused_shard("dimensions", &unread("[1,1,1]"), 4);
    refused_shard("has no valid place", &unread("[1]").replace("[0,4]", "[18446744073709551615,4]"), 4);
    let twice = r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"__metadata__":{"shape":"x"},
        "b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}"#;
    refused_shard("tensor `b` overlaps `a`", twice, 16);
    let mut long = safetensors_file("", 0);
    long[..8].copy_from_slice(&100_000_001u64.to_le_bytes());
    let dir = tempfile::tempdir().expect("a folder");
    write_folder(dir.path(), true);
    std::fs::write(dir.path().join("a.safetensors"), long).expect("a file");
    refused(LlamaModel::open(dir.path(), options()), "at most 100000000 are read");
}

#[test]
fn a_wheel_that_unpacks_to_far_more_than_it_takes_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let gguf = TinyGguf::new().bytes();
    let zeros = [gguf, vec![0; 80 << 20]].concat();
    refused(LlamaModel::open(&zip(dir.path(), &[("a.gguf", zeros)]), options()), "unpacked, has 83");
}

#[test]
fn a_file_cut_anywhere_or_with_a_changed_byte_is_an_error_or_a_model_but_no_panic() {
    let bytes = TinyGguf::new().bytes();
    for cut in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
        let error = open_bytes(&bytes[..cut]).map(|_| ()).expect_err("cut");
        assert!(matches!(error, Error::Damaged { .. }), "cut at {cut}: {error}");
    }
    let mut rng = Rng::new(9, "changed bytes");
    let header =
        bytes.len() - TinyGguf::new().tensors.values().map(|tensor| tensor.bytes.len()).sum::<usize>();
    for _ in 0..400 {
        let mut changed = bytes.clone();
        changed[rng.below(header)] = rng.below(256) as u8;
        let _ = open_bytes(&changed);
    }
}
