"""Writes the graphs of this folder: pip install onnx==1.23.2 && python make.py

A token's state is [id, 1, -id / 2] + [0, 0.5, 0]. `sentence_embedding` is the largest state, to tell it from pooled
states. Each of the other files has one thing that the encoder must refuse.
"""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

VOCABULARY, WIDTH = 6, 3


def graph(name, *, inputs=("input_ids", "attention_mask", "token_type_ids"), tokens="tokens",
          outputs=("last_hidden_state", "sentence_embedding"), last=("Add", "")):
    ids = np.arange(VOCABULARY, dtype=np.float32)
    words = np.stack([ids, np.ones_like(ids), -ids / 2], axis=1)
    types = np.array([[0, 0.5, 0], [9, 9, 9]], dtype=np.float32)
    nodes = [
        helper.make_node("Gather", ["words", inputs[0]], ["word"]),
        helper.make_node("Gather", ["types", "token_type_ids"], ["type"]),
        helper.make_node(last[0], ["word", "type"], [outputs[0]], domain=last[1]),
        helper.make_node("ReduceMax", [outputs[0]], ["sentence_embedding"], axes=[1], keepdims=0),
    ]
    weights = [numpy_helper.from_array(words, "words"), numpy_helper.from_array(types, "types")]
    value = lambda name, kind, shape: helper.make_tensor_value_info(name, kind, shape)
    body = helper.make_graph(
        nodes, "tiny",
        [value(name, TensorProto.INT64, ["batch", tokens]) for name in inputs],
        [value(name, TensorProto.FLOAT, ["batch", tokens, WIDTH] if name != "sentence_embedding" else ["batch", WIDTH])
         for name in outputs],
        weights)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("example", 1)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=8, producer_name="make.py")
    checker.check_model(model)
    save(model, name)


graph("model.onnx")
graph("only_tokens.onnx", outputs=("last_hidden_state",))
graph("other_operator.onnx", last=("Sum3000", "example"))
graph("other_input.onnx", inputs=("input_ids", "attention_mask", "token_type_ids", "pixel_values"))
graph("without_ids.onnx", inputs=("attention_mask", "token_type_ids"))
graph("other_output.onnx", outputs=("logits",))
graph("fixed_length.onnx", tokens=128)
