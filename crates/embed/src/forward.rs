//! The version of the forward pass of `bert:` and `llama:`, a part of their fingerprints.
//!
//! Vectors are cached by (texts, fingerprint), and two programs may share a cache. A change that moves vectors by as little as
//! a rounding (another order of a sum, another formula of an activation) needs a new number, or the cache would mix vectors of
//! both programs.

/// In the fingerprint of every encoder that runs on `semrank_nn`. Raise the number when the test below fails.
///
/// Programs before 2026-11-27 wrote none; 2 is the first version of the one transformer.
pub(crate) const FORWARD: &str = "forward=2";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llama::testing::TinyGguf;
    use crate::{Spec, TextEncoder, bert, llama, testing};
    use std::fmt::Write;

    /// Encoder, precision, and the hash of the bytes of its vectors. Where a hash changes, raise [`FORWARD`], then copy what the
    /// test prints to here.
    const GOLDEN: &str = "\
roberta f32 b41cd8fa4013e00c
roberta bf16 6447b0c9cfa8091c
roberta int8 162b6f3f138157bc
mpnet f32 7d7de858a0f55ea2
mpnet bf16 045f73cfb5133081
mpnet int8 951919903464841e
llama f32 7d08bd4c6299fa31
llama bf16 74540ed1873a4ce6
llama int8 32a3fc28af45397a
";

    const TEXTS: [&str; 4] = ["hello", "a longer text than the others, cut off", "", "42 red lamps"];

    /// Hash of the vectors' bytes.
    fn hash(encoder: &dyn TextEncoder) -> String {
        assert!(encoder.fingerprint().contains(FORWARD), "{}", encoder.fingerprint());
        let vectors = testing::encode(encoder, &TEXTS);
        let bytes: Vec<u8> = vectors.iter().flat_map(|value| value.to_le_bytes()).collect();
        blake3::hash(&bytes).to_hex()[..16].to_owned()
    }

    #[test]
    fn the_version_is_raised_when_vectors_change() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tiny.gguf"), TinyGguf::new().bytes()).unwrap();
        let families = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/families");
        let mut found = String::new();
        for name in ["roberta", "mpnet", "llama"] {
            for precision in ["f32", "bf16", "int8"] {
                let spec =
                    |path: &str| Spec::parse(&format!("{path}?max_tokens=16&precision={precision}")).unwrap();
                let encoder = match name {
                    "llama" => llama::open(spec(&format!("llama:{}", dir.path().display()))),
                    _ => bert::open(spec(&format!("bert:{families}/{name}.zip"))),
                };
                writeln!(found, "{name} {precision} {}", hash(&*encoder.unwrap())).unwrap();
            }
        }
        assert_eq!(
            found,
            GOLDEN,
            "the vectors of this forward pass are not those of {FORWARD}: raise the number of FORWARD in {}, then copy the \
             hashes on the left to GOLDEN, so that cached vectors of other programs are not taken for these",
            file!()
        );
    }
}
