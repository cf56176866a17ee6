"""Makes static tables and the vectors that the Python package model2vec 0.10.0 gives for some texts.

    python make.py                         the two tiny tables beside this file, which are committed
    python make.py TOKENIZER.json FOLDER   a table of random vectors over a whole tokenizer, and 400 texts

Each folder holds model.safetensors, tokenizer.json, config.json and vectors.json: {"texts": [...], "vectors": [...]}.
Needs: pip install model2vec==0.10.0
"""

import json
import pathlib
import sys

import numpy as np
from model2vec import StaticModel
from model2vec.persistence import save_pretrained
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

HERE = pathlib.Path(__file__).parent
WORDS = "nail polish file red blue gas camp stove cotton shirt for men women und für ##s ##ing ##er ##ish a i p".split()
TEXTS = [
    "", " ", "red nail polish", "Red NAIL polishs", "camping stoves, gas", "unknownword", "red unknownword polish",
    "cotton shirt for men\ncotton shirt for women", "für men", "FÜR", "a a a a", "[SEP] red [CLS]", "red🔥blue", "nailfile",
    "red blue gas camp stove cotton shirt for men women und für red blue gas camp stove cotton shirt for men women " * 40,
]


def word_piece():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, ",", "[", "]"]
    tokenizer = Tokenizer(models.WordPiece({token: i for i, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    # Special tokens, padding and truncation, as a sentence encoder leaves them: none of them may be used.
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]", length=16)
    tokenizer.enable_truncation(8)
    return tokenizer


def unigram():
    pieces = [("<s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((c, -4.0) for c in "abcdefghilmnoprst")]
    pieces += [(f"▁{word}", -3.0) for word in WORDS if not word.startswith("##")]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=1, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


def write(folder, tokenizer, texts, embeddings, normalize, max_length=512, weights=None, mapping=None):
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_type": "model2vec", "normalize": normalize}
    if max_length != 512:
        config["max_length"] = max_length
    save_pretrained(folder, embeddings, tokenizer, config, create_model_card=False, weights=weights, mapping=mapping)
    (folder / "modules.json").unlink()
    vectors = StaticModel.from_pretrained(folder).encode(texts).astype(np.float32)
    golden = {"texts": texts, "vectors": [[round(float(x), 7) for x in row] for row in vectors]}
    (folder / "vectors.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def tiny():
    tokenizer = word_piece()
    write(HERE / "plain", tokenizer, TEXTS, normal(1, tokenizer.get_vocab_size(), 8).astype(np.float16), True)
    tokenizer = unigram()
    size = tokenizer.get_vocab_size()
    weights = np.abs(normal(2, size)) + 0.1
    mapping = np.random.default_rng(3).integers(0, 9, size).astype(np.int32)
    rows = normal(4, 9, 5).astype(np.float32)
    write(HERE / "shared", tokenizer, TEXTS, rows, False, max_length=7, weights=weights, mapping=mapping)


def whole(path, folder):
    tokenizer = Tokenizer.from_file(path)
    draw = np.random.default_rng(5)
    words = [token.removeprefix("##") for token in tokenizer.get_vocab()]
    texts = [" ".join(draw.choice(words, draw.integers(1, 60))) for _ in range(380)]
    texts += ["".join(draw.choice(words, draw.integers(1, 9))) for _ in range(10)]
    texts += [" ".join(draw.choice(words, 2000)) for _ in range(10)]
    table = normal(6, tokenizer.get_vocab_size(), 256)
    write(pathlib.Path(folder), tokenizer, texts, table.astype(np.float32), True)


if __name__ == "__main__":
    whole(*sys.argv[1:]) if len(sys.argv) == 3 else tiny()
