"""Writes model folders of random weights, to measure the speed of encoders where no model can be fetched.

    python3 benches/random_model.py bert FOLDER    # the sizes of all-MiniLM-L6-v2
    python3 benches/random_model.py llama FOLDER   # the sizes of SmolLM2-135M

Weights are bfloat16 and repeat every million; the tokenizer knows 20,000 made-up words. Only the standard library is needed.
"""

import array
import json
import pathlib
import random
import struct
import sys

WORDS = 20_000


def bfloat16(values):
    """The upper halves of 32-bit floats."""
    raw = array.array("f", values).tobytes()
    return b"".join(raw[i + 2 : i + 4] for i in range(0, len(raw), 4))


def bert():
    dim, hidden, layers = 384, 1536, 6
    config = dict(model_type="bert", vocab_size=30_522, max_position_embeddings=512, type_vocab_size=2, hidden_size=dim,
                  num_attention_heads=12, num_hidden_layers=layers, intermediate_size=hidden, hidden_act="gelu",
                  layer_norm_eps=1e-12)
    tensors = {f"embeddings.{table}_embeddings.weight": [rows, dim]
               for table, rows in [("word", 30_522), ("position", 512), ("token_type", 2)]}
    norm = lambda name: {f"{name}.weight": [dim], f"{name}.bias": [dim]}
    linear = lambda name, inputs, outputs: {f"{name}.weight": [outputs, inputs], f"{name}.bias": [outputs]}
    tensors |= norm("embeddings.LayerNorm")
    for layer in range(layers):
        name = f"encoder.layer.{layer}"
        for part in ["self.query", "self.key", "self.value", "output.dense"]:
            tensors |= linear(f"{name}.attention.{part}", dim, dim)
        tensors |= norm(f"{name}.attention.output.LayerNorm") | norm(f"{name}.output.LayerNorm")
        tensors |= linear(f"{name}.intermediate.dense", dim, hidden) | linear(f"{name}.output.dense", hidden, dim)
    return config, tensors


def llama():
    dim, hidden, layers, heads, groups = 576, 1536, 30, 9, 3
    config = dict(model_type="llama", vocab_size=49_152, max_position_embeddings=2048, hidden_size=dim, intermediate_size=hidden,
                  num_attention_heads=heads, num_key_value_heads=groups, num_hidden_layers=layers, hidden_act="silu",
                  rms_norm_eps=1e-5, rope_theta=1e5, tie_word_embeddings=True)
    width = dim // heads
    tensors = {"model.embed_tokens.weight": [49_152, dim], "model.norm.weight": [dim]}
    for layer in range(layers):
        name = f"model.layers.{layer}"
        shapes = {"self_attn.q_proj": [dim, dim], "self_attn.k_proj": [groups * width, dim],
                  "self_attn.v_proj": [groups * width, dim], "self_attn.o_proj": [dim, dim], "mlp.gate_proj": [hidden, dim],
                  "mlp.up_proj": [hidden, dim], "mlp.down_proj": [dim, hidden], "input_layernorm": [dim],
                  "post_attention_layernorm": [dim]}
        tensors |= {f"{name}.{part}.weight": shape for part, shape in shapes.items()}
    return config, tensors


def write(folder, config, tensors):
    rng = random.Random(1)
    pool = bfloat16(rng.gauss(0, 0.04) for _ in range(1 << 20))
    one = bfloat16([1.0])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    vocabulary = {word: id for id, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])}
    vocabulary |= {f"w{word}": 4 + word for word in range(WORDS)}
    ends = None if config["model_type"] == "llama" else {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": ends, "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}}))
    header, at = {}, 0
    for name, shape in tensors.items():
        size = 2
        for length in shape:
            size *= length
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for index, (name, shape) in enumerate(tensors.items()):
            size = header[name]["data_offsets"][1] - header[name]["data_offsets"][0]
            if "orm" in name and name.endswith("weight"):
                file.write(one * (size // 2))
                continue
            start = 2 * (index * 7919 % 1000)
            while size > 0:
                part = pool[start : start + size]
                file.write(part)
                size, start = size - len(part), 0


if __name__ == "__main__":
    kind, folder = sys.argv[1:]
    write(pathlib.Path(folder), *{"bert": bert, "llama": llama}[kind]())
