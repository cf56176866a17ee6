"""A sentence encoder of the BERT family from Hugging Face layout into ONNX, for the test of `onnx:` on a real model.

    pip install onnx==1.23.2 safetensors tokenizers
    python export_minilm.py FOLDER

FOLDER holds config.json, model.safetensors and tokenizer.json, such as all-MiniLM-L6-v2 (the tests look for it in
$SEMRANK_MODELS/minilm-onnx). Written into it: model.onnx, and expected.json with vectors (mean, length 1) that the
reference implementation of ONNX, in numpy, computes.
"""

import json
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save
from onnx.reference import ReferenceEvaluator
from safetensors.numpy import load_file
from tokenizers import Tokenizer

TEXTS = ["Nail file with glass handle", "Beauty",
         "A red dress for summer evenings, cotton, size 38, with pockets and a belt"]
INPUTS = ["input_ids", "attention_mask", "token_type_ids"]

folder = Path(sys.argv[1])
config = json.loads((folder / "config.json").read_text())
weights = load_file(folder / "model.safetensors")
width, heads = config["hidden_size"], config["num_attention_heads"]
nodes, initializers = [], []


def constant(value, kind=np.float32):
    name = f"constant{len(initializers)}"
    initializers.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=kind), name))
    return name


def integers(*values):
    return constant(np.array(values), np.int64)


def node(kind, *inputs, **attributes):
    name = f"node{len(nodes)}"
    nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
    return name


def linear(x, name):
    product = node("MatMul", x, constant(weights[name + ".weight"].T))
    return node("Add", product, constant(weights[name + ".bias"]))


def layer_norm(x, name):
    scale, bias = constant(weights[name + ".weight"]), constant(weights[name + ".bias"])
    return node("LayerNormalization", x, scale, bias, axis=-1, epsilon=config["layer_norm_eps"])


def by_head(x, order):
    return node("Transpose", node("Reshape", x, integers(0, 0, heads, width // heads)), perm=order)


def attention(x, name, mask):
    query = by_head(linear(x, name + "self.query"), [0, 2, 1, 3])
    key = by_head(linear(x, name + "self.key"), [0, 2, 3, 1])
    value = by_head(linear(x, name + "self.value"), [0, 2, 1, 3])
    scores = node("Div", node("MatMul", query, key), constant(np.sqrt(width // heads)))
    mixed = node("MatMul", node("Softmax", node("Add", scores, mask), axis=-1), value)
    mixed = node("Reshape", node("Transpose", mixed, perm=[0, 2, 1, 3]), integers(0, 0, width))
    return linear(mixed, name + "output.dense")


def gelu(x):
    erf = node("Erf", node("Div", x, constant(np.sqrt(2))))
    return node("Mul", node("Mul", x, node("Add", erf, constant(1))), constant(0.5))


def encoder():
    table = lambda name: constant(weights[f"embeddings.{name}_embeddings.weight"])
    words = node("Gather", table("word"), "input_ids")
    types = node("Gather", table("token_type"), "token_type_ids")
    tokens = node("Slice", node("Shape", "input_ids"), integers(1), integers(2))
    positions = node("Slice", table("position"), integers(0), tokens, integers(0))
    x = layer_norm(node("Add", node("Add", words, types), positions), "embeddings.LayerNorm")
    mask = node("Unsqueeze", node("Cast", "attention_mask", to=TensorProto.FLOAT), integers(1, 2))
    mask = node("Mul", node("Sub", constant(1), mask), constant(-1e9))
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}."
        x = node("Add", x, attention(x, name + "attention.", mask))
        x = layer_norm(x, name + "attention.output.LayerNorm")
        wide = gelu(linear(x, name + "intermediate.dense"))
        x = layer_norm(node("Add", x, linear(wide, name + "output.dense")), name + "output.LayerNorm")
    nodes.append(helper.make_node("Identity", [x], ["last_hidden_state"]))


def model():
    encoder()
    value = helper.make_tensor_value_info
    inputs = [value(name, TensorProto.INT64, ["batch", "tokens"]) for name in INPUTS]
    output = value("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", width])
    graph = helper.make_graph(nodes, "encoder", inputs, [output], initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(made)
    return made


def vector(evaluator, ids):
    values = [np.array([ids]), np.ones((1, len(ids)), np.int64), np.zeros((1, len(ids)), np.int64)]
    states = evaluator.run(None, dict(zip(INPUTS, values)))[0][0]
    mean = states.mean(0)
    return (mean / np.linalg.norm(mean)).tolist()


made = model()
save(made, folder / "model.onnx")
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
tokenizer.no_padding()
tokenizer.no_truncation()
reference = ReferenceEvaluator(made)
expected = [[text, vector(reference, tokenizer.encode(text).ids)] for text in TEXTS]
(folder / "expected.json").write_text(json.dumps(expected))
