"""Writes families/*.zip and families.json: tiny random encoders and their vectors, for tests/families.rs.

    pip install torch transformers sentence-transformers
    HF_HUB_OFFLINE=1 python make_families.py

Each model has two layers of eight values with random weights that 16-bit floats hold exactly, and a tokenizer that was trained on
a few words. sentence-transformers writes the folder and computes the vectors, each text alone, so no padding is involved.
With a folder as its argument it says instead how far the vectors of that encoder are from those in families.json:

    python make_families.py FOLDER mpnet
"""

import json
import os
import sys
import tempfile
import zipfile

import sentence_transformers
import tokenizers
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, Pooling, Transformer
from tokenizers import models, normalizers, pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
POSITIONS = 72
SIZES = dict(
    hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, hidden_act="gelu",
    max_position_embeddings=POSITIONS,
)
WORDS = "red shoes running tea pot lamp crème été coffee grinder blue tent 12 V drill"
TEXTS = [
    "red running shoes",
    "tea",
    "Blue LAMP, tent",
    "",
    "  coffee grinder 12 V ",
    "crème été",
    "drill " + " ".join(WORDS.split()[i % 15] for i in range(0, 105, 7)),
    " ".join(WORDS.split()[(i * i) % 15] for i in range(60)),
    "lamp\ntea pot",
]


def byte_bpe():
    tokenizer = tokenizers.Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator([WORDS, WORDS.upper() + ","], trainers.BpeTrainer(vocab_size=72, special_tokens=special))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer, ("<s>", "</s>")


def unigram(special, start, end):
    tokenizer = tokenizers.Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=48, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator([WORDS, WORDS.upper() + ","], trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in (start, end)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=ids)
    return tokenizer, (start, end)


def word_piece(special, start, end, unknown):
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=64, special_tokens=special)
    tokenizer.train_from_iterator([WORDS], trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in (start, end)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=ids)
    return tokenizer, (start, end)



ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
CAMEMBERT = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>", "<mask>"]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
DISTIL = dict(dim=8, n_layers=2, n_heads=2, hidden_dim=12, max_position_embeddings=POSITIONS)
PROMPTS = dict(prompts={"query": "tea: ", "document": ""}, default_prompt_name="query")

# Name, configuration, model, tokenizer, padding and unknown token, pooling, whether vectors get length 1, prompts.
FAMILIES = [
    ("roberta", transformers.RobertaConfig, transformers.RobertaModel, byte_bpe, "<pad>", "<unk>", "mean", True, {}),
    ("xlm-roberta", transformers.XLMRobertaConfig, transformers.XLMRobertaModel,
     lambda: unigram(ROBERTA, "<s>", "</s>"), "<pad>", "<unk>", "mean", True, PROMPTS),
    ("camembert", transformers.CamembertConfig, transformers.CamembertModel,
     lambda: unigram(CAMEMBERT, "<s>", "</s>"), "<pad>", "<unk>", "mean", False, {}),
    ("distilbert", transformers.DistilBertConfig, transformers.DistilBertModel,
     lambda: word_piece(BERT, "[CLS]", "[SEP]", "[UNK]"), "[PAD]", "[UNK]", "cls", False, {}),
    ("mpnet", transformers.MPNetConfig, transformers.MPNetModel,
     lambda: word_piece(["<s>", "<pad>", "</s>", "[UNK]", "<mask>"], "<s>", "</s>", "[UNK]"), "<pad>", "[UNK]", "mean", True, {}),
]


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, values in model.named_parameters():
            noise = torch.randn(values.shape, generator=generator) * (0.3 if values.dim() == 1 else 0.7)
            gain = 1.0 if "LayerNorm.weight" in name or "layer_norm.weight" in name else 0.0
            values.copy_((noise + gain).half().float())


def make(seed, name, config, model, tokenizer, pad, unknown, pooling, is_normalised, prompts, out):
    tokenizer, (start, end) = tokenizer()
    ids = {f"{key}_token_id": tokenizer.token_to_id(token) for key, token in [("pad", pad), ("bos", start), ("eos", end)]}
    sizes = DISTIL if name == "distilbert" else SIZES
    more = {} if name in ("distilbert", "mpnet") else {"type_vocab_size": 1}
    network = model(config(vocab_size=tokenizer.get_vocab_size(), **sizes, **more, **ids)).eval()
    randomise(network, seed)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, unk_token=unknown, cls_token=start, sep_token=end, bos_token=start,
        eos_token=end, model_max_length=POSITIONS - 2,
    )
    with tempfile.TemporaryDirectory() as plain:
        network.save_pretrained(plain)
        fast.save_pretrained(plain)
        body = Transformer(plain)
        parts = [body, Pooling(8, pooling_mode=pooling)] + ([Normalize()] if is_normalised else [])
        encoder = SentenceTransformer(modules=parts, device="cpu", **prompts)
        cases = [encoder.encode([text])[0].astype(float).tolist() for text in TEXTS]
        encoder.half().save(out, create_model_card=False)
    return [[round(value, 6) for value in vector] for vector in cases]


def pack(folder, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for root, _, files in sorted(os.walk(folder)):
            for file in sorted(files):
                full = os.path.join(root, file)
                inside = zipfile.ZipInfo(os.path.relpath(full, folder), (1980, 1, 1, 0, 0, 0))
                inside.compress_type = zipfile.ZIP_DEFLATED
                with open(full, "rb") as content:
                    out.writestr(inside, content.read())


def make_all():
    torch.set_num_threads(1)
    golden = {"versions": f"torch {torch.__version__}, transformers {transformers.__version__}, "
                          f"sentence-transformers {sentence_transformers.__version__}", "texts": TEXTS, "vectors": {}}
    for seed, (name, *family) in enumerate(FAMILIES):
        with tempfile.TemporaryDirectory() as out:
            golden["vectors"][name] = make(seed, name, *family, out)
            pack(out, os.path.join(HERE, "families", f"{name}.zip"))
    with open(os.path.join(HERE, "families.json"), "w") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")


def check(folder, name):
    with open(os.path.join(HERE, "families.json")) as file:
        golden = json.load(file)
    encoder = SentenceTransformer(folder, device="cpu", local_files_only=True).float()
    for text, want in zip(golden["texts"], golden["vectors"][name]):
        got = torch.tensor(encoder.encode([text])[0])
        cosine = torch.nn.functional.cosine_similarity(got, torch.tensor(want), dim=0).item()
        print(f"{cosine:.6f} {text[:40]!r}")


if __name__ == "__main__":
    torch.manual_seed(0)
    check(*sys.argv[1:]) if len(sys.argv) > 1 else make_all()
