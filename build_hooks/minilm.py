"""all-MiniLM-L6-v2 as an ONNX graph with int8 weights: the BERT encoder, mean pooling and unit length in one file.

    word + position + type → norm → 6 × (attention → norm → feed-forward → norm) → mean over the text → unit length

Fused operators of ONNX Runtime (domain `com.microsoft`) do the work: a graph of plain operators is slower, and the
runtime would have to find the fusions anew at each start. No torch, and no arithmetic whose order may differ between
machines: the same weights give the same file everywhere.
"""

import json
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Floats = npt.NDArray[np.float32]
Weights = dict[str, Floats]

LAYERS: Final = 6
HEADS: Final = 12
DIMENSIONS: Final = 384
MAX_TOKENS: Final = 256
"""The length that the model was trained with; positions beyond it are left out of the file."""
NORM_EPSILON: Final = 1e-12

WEIGHT_LIMIT: Final = 63
"""Weights use 7 of their 8 bits. Processors without VNNI add pairs of products in 16 bits, and 255 · 127 · 2 does not
fit there: measured, the vectors of one text on two machines had a cosine of 0.990 with 8 bits, and 1.000 with 7. The
lost bit costs 0.001 of the cosine to float arithmetic; the activations' rounding costs 0.005."""

FUSED: Final = "com.microsoft"
OPSET: Final = 18
IR_VERSION: Final = 9
"""Fixed, so that neither a newer `onnx` nor its defaults change the file."""


def read_safetensors(data: bytes) -> Weights:
    """The float32 tensors of a safetensors file: a length, a JSON table of contents, then the values."""
    start = 8 + int.from_bytes(data[:8], "little")
    weights: Weights = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            values = np.frombuffer(data[start + begin : start + end], "<f4")
            weights[name] = values.reshape(entry["shape"])
    return weights


def build_model(weights: Weights) -> bytes:
    """The model file. Inputs `input_ids`, `attention_mask` (int64 [batch, sequence]), output `embedding` (float32
    [batch, 384], unit length); a mask marks padding at the end only."""
    graph = _Graph(weights)
    hidden = _embed_tokens(graph)
    mask = graph.add("Cast", "attention_mask", to=TensorProto.INT32)
    for layer in range(LAYERS):
        hidden = _encode(graph, f"encoder.layer.{layer}", hidden, mask)
    _pool(graph, hidden)
    return graph.serialize()


@dataclass
class _Graph:
    """A graph in the making. Values are named by number, constants by what they are."""

    weights: Weights
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: int | float) -> str:
        return self.add_many(op, *inputs, outputs=1, domain=domain, **attributes)[0]

    def add_many(self, op: str, *inputs: str, outputs: int, domain: str = "", **attributes: int | float) -> list[str]:
        names = [f"value_{len(self.nodes)}_{number}" for number in range(outputs)]
        node = helper.make_node(op, inputs, names, domain=domain, **attributes)  # type: ignore[arg-type]  # it takes any
        self.nodes.append(node)
        return names

    def constant(self, name: str, values: npt.NDArray[np.generic]) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def weight(self, name: str) -> str:
        """A tensor of the original file, as it is."""
        return self.constant(name, self.weights[name])

    def quantized(self, name: str, matrix: Floats, *, axis: int) -> tuple[str, str]:
        """A matrix as int8 and its scales, one for each row or column: the largest value along `axis` is the limit."""
        scale = np.abs(matrix).max(axis=axis, keepdims=True) / np.float32(WEIGHT_LIMIT)
        rounded = np.rint(matrix / scale).astype(np.int8)
        return self.constant(name, rounded), self.constant(f"{name}.scale", scale.reshape(-1))

    def serialize(self) -> bytes:
        shape = ["batch", "sequence"]
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")
        ]
        output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMENSIONS])
        graph = helper.make_graph(self.nodes, "all-MiniLM-L6-v2", inputs, [output], list(self.constants.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        file: bytes = model.SerializeToString(deterministic=True)
        return file


def _embed_tokens(graph: _Graph) -> str:
    """Word, position and (always the first) type embeddings, summed and normalised."""
    weights = graph.weights
    words, scales = graph.quantized("word", weights["embeddings.word_embeddings.weight"], axis=1)
    rounded = graph.add("Cast", graph.add("Gather", words, "input_ids"), to=TensorProto.FLOAT)
    scale = graph.add("Unsqueeze", graph.add("Gather", scales, "input_ids"), graph.constant("last", _integers(-1)))
    positions = weights["embeddings.position_embeddings.weight"][:MAX_TOKENS]
    table = graph.constant("position", positions + weights["embeddings.token_type_embeddings.weight"][0])
    length = graph.add("Shape", "input_ids", start=1, end=2)
    first = graph.constant("first", _integers(0))
    summed = graph.add("Add", graph.add("Mul", rounded, scale), graph.add("Slice", table, first, length, first))
    norm = [graph.weight(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")]
    return graph.add("LayerNormalization", summed, *norm, axis=-1, epsilon=NORM_EPSILON)


def _encode(graph: _Graph, layer: str, hidden: str, mask: str) -> str:
    """One layer. The bias of each second matrix goes into the normalisation that follows it."""
    attended = _multiply(graph, f"{layer}.attention.output.dense", _attend(graph, layer, hidden, mask))
    hidden = _add_and_norm(graph, f"{layer}.attention.output", hidden, attended)
    wide = _multiply(graph, f"{layer}.intermediate.dense", hidden)
    active = graph.add("BiasGelu", wide, graph.weight(f"{layer}.intermediate.dense.bias"), domain=FUSED)
    return _add_and_norm(graph, f"{layer}.output", hidden, _multiply(graph, f"{layer}.output.dense", active))


def _attend(graph: _Graph, layer: str, hidden: str, mask: str) -> str:
    parts = [f"{layer}.attention.self.{part}" for part in ("query", "key", "value")]
    matrix = np.concatenate([graph.weights[f"{part}.weight"].T for part in parts], axis=1)
    bias = np.concatenate([graph.weights[f"{part}.bias"] for part in parts])
    name = f"{layer}.attention.self"
    values, scales = graph.quantized(name, matrix, axis=0)
    rounded, scale, zero = graph.add_many("DynamicQuantizeLinear", hidden, outputs=3)
    zeros = graph.constant(f"{name}.zero", np.zeros(matrix.shape[1], np.int8))
    inputs = [rounded, values, graph.constant(f"{name}.bias", bias), scale, scales, mask, zero, zeros]
    return graph.add("QAttention", *inputs, domain=FUSED, num_heads=HEADS)


def _multiply(graph: _Graph, name: str, hidden: str) -> str:
    values, scales = graph.quantized(name, graph.weights[f"{name}.weight"].T, axis=0)
    return graph.add("DynamicQuantizeMatMul", hidden, values, scales, domain=FUSED)


def _add_and_norm(graph: _Graph, name: str, hidden: str, added: str) -> str:
    norm = [graph.weight(f"{name}.LayerNorm.{part}") for part in ("weight", "bias")]
    bias = graph.weight(f"{name}.dense.bias")
    return graph.add("SkipLayerNormalization", hidden, added, *norm, bias, domain=FUSED, epsilon=NORM_EPSILON)


def _pool(graph: _Graph, hidden: str) -> None:
    """The mean over the text, at unit length: a sum has the mean's direction, so nothing is divided by the count."""
    second = graph.constant("second", _integers(1))
    mask = graph.add("Unsqueeze", graph.add("Cast", "attention_mask", to=TensorProto.FLOAT), second)
    summed = graph.add("Squeeze", graph.add("MatMul", mask, hidden), second)
    graph.nodes.append(helper.make_node("LpNormalization", [summed], ["embedding"], axis=1, p=2))


def _integers(*values: int) -> npt.NDArray[np.int64]:
    return np.array(values, np.int64)
