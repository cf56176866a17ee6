"""Loads an encoder that `semrank finetune` wrote, with the transformers library, and prints cosines of a few texts.

    semrank finetune --data shop --encoder bert:models/minilm --out models/shop
    pip install torch transformers
    python3 docs/load_finetuned.py models/shop "red shoes" "running shoes" "a lamp"
"""

import sys

import torch
from transformers import AutoModel, AutoTokenizer


def vectors(folder, texts):
    """One vector of length 1 a text: the mean over its tokens, as the folder's modules.json says for MiniLM."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        states = model.eval()(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)


if __name__ == "__main__":
    rows = vectors(sys.argv[1], sys.argv[2:])
    for text, row in zip(sys.argv[2:], (rows @ rows.T).tolist()):
        print(" ".join(f"{cosine:6.3f}" for cosine in row), text)
