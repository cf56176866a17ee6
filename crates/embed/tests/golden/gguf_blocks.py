"""Writes gguf_blocks.json: two blocks of every GGUF number format, decoded by the `gguf` package.

    python gguf_blocks.py > gguf_blocks.json
"""

import json

import gguf
import numpy as np

rng = np.random.default_rng(7)
cases = []
for name in "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q4_K Q6_K".split():
    kind = gguf.GGMLQuantizationType[name]
    values, size = gguf.GGML_QUANT_SIZES[kind]
    data = rng.integers(0, 256, (2, size), dtype=np.uint8)
    # Scales are half-precision numbers of ordinary size; random bits could be NaN.
    scale = np.frombuffer(rng.normal(0, 0.1, (2, 2)).astype(np.float16).tobytes(), np.uint8).reshape(2, 4)
    if name == "F32":
        data = np.frombuffer(rng.normal(0, 1, 2).astype(np.float32).tobytes(), np.uint8).reshape(2, 4)
    elif name in ("F16", "BF16"):
        data[:, 1] &= 0xBF
    elif name == "Q6_K":
        data[:, 208:] = scale[:, :2]
    else:
        width = 4 if name in ("Q4_1", "Q5_1", "Q4_K") else 2
        data[:, :width] = scale[:, :width]
    decoded = gguf.quants.dequantize(data, kind).reshape(-1)
    cases.append({"type": int(kind), "bytes": data.reshape(-1).tolist(), "values": [float(v) for v in decoded]})
print(json.dumps(cases, separators=(",", ":")))
