"""A model file as an ONNX graph for a program that feeds it in its own way.

What is inside: conditions from what the program feeds, the network, the readout threshold, and the
program's order of voxels. Operators are those of ONNX's opset 13, which every ONNX Runtime since
1.8 has. Calorimeter layers of one shape are computed together.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from calogan.conditions import AnyCondition, Condition
from calogan.errors import CaloganError
from calogan.exporting.consumers import Consumer, Reading
from calogan.generating.model_file import ModelFile

OPSET, IR_VERSION = 13, 7
OUTPUT = "fractions"
Array = NDArray[Any]


def onnx_graph(model: ModelFile, consumer: Consumer) -> onnx.ModelProto:
    """The network as the consumer reads it: inputs (n, size) by name, one output "fractions".

    The output, (n, n_voxels), are voxel energies as fractions of the incident energy, in the
    consumer's order, and zero below the readout threshold.

    Raises CaloganError for layers that ONNX has no equivalent of.
    """
    writer = _Writer()
    known = {
        **_latents(writer, model, consumer),
        model.conditions_node: _conditions(writer, model.conditions, consumer),
    }
    body = _Body(writer, model.document, known)
    fractions, labels = body.output(model.output)
    if model.readout_threshold > 0:
        energy = _value(writer, consumer, consumer.energy)
        cut = writer.add("Div", writer.constant(np.float32(model.readout_threshold / 1000)), energy)
        dark = writer.add("Less", fractions, cut)
        fractions = writer.add("Where", dark, writer.constant(np.float32(0)), fractions)
    columns = [labels.index(f"voxel_{i}") for i in consumer.order]
    writer.add("Gather", fractions, writer.constant(np.asarray(columns)), axis=1, name=OUTPUT)

    def tensor(name: str, size: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])

    graph = helper.make_graph(
        writer.nodes,
        "generator",
        [tensor(name, size) for name, size in consumer.nodes.items()],
        [tensor(OUTPUT, len(columns))],
        writer.constants,
    )
    made = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name=str(model.block.get("producer", "calogan")),
    )
    onnx.checker.check_model(made)
    return made


class _Writer:
    """Collects the nodes and constants of an ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Any) -> str:
        array = np.asarray(value)
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        name = name or f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def reshape(self, x: str, *shape: int) -> str:
        return self.add("Reshape", x, self.constant(np.array(shape, np.int64)))

    def product(self, x: str, weights: Array, bias: Array) -> str:
        # Transposed here, as ONNX Runtime reads it in order.
        matrix = self.constant(np.ascontiguousarray(weights.T))
        return self.add("Gemm", x, matrix, self.constant(bias))

    def columns(self, x: str, start: int, stop: int) -> str:
        ends = (self.constant(np.array([end])) for end in (start, stop, 1))
        return self.add("Slice", x, *ends)

    def affine(self, x: str, scale: Any, shift: Any) -> str:
        if np.any(np.asarray(scale) != 1):
            x = self.add("Mul", x, self.constant(np.float32(scale)))
        return self.add("Add", x, self.constant(np.float32(shift))) if np.any(shift) else x

    def activate(self, x: str, activation: Any) -> str:
        """Apply lwtnn's activation, over the last axis if it is a softmax."""
        fields = activation if isinstance(activation, Mapping) else {"function": activation}
        function, alpha = fields["function"], float(fields.get("alpha", 1.0))
        if function == "linear":
            return x
        if function == "swish":
            inner = x if alpha == 1.0 else self.add("Mul", x, self.constant(np.float32(alpha)))
            return self.add("Mul", x, self.add("Sigmoid", inner))
        if function == "softmax":
            return self.add("Softmax", x, axis=-1)
        if function == "hard_sigmoid":
            return self.add("HardSigmoid", x, alpha=0.2, beta=0.5)
        if function == "elu":
            return self.add("Elu", x, alpha=alpha)
        if function == "leakyrelu":
            return self.add("LeakyRelu", x, alpha=alpha)
        plain = {"sigmoid": "Sigmoid", "rectified": "Relu", "tanh": "Tanh", "abs": "Abs"}
        if function not in plain:
            raise CaloganError(f"activation '{function}' has no equivalent in ONNX here")
        return self.add(plain[function], x)


def _latents(writer: _Writer, model: ModelFile, consumer: Consumer) -> dict[str, str]:
    """The graph's latent inputs out of the consumer's one node."""
    found = {}
    start = 0
    scale = 1 / consumer.latent_std
    for name, size in model.latents.items():
        part = writer.columns(consumer.latent_node, start, start + size)
        found[name] = writer.affine(part, scale, -consumer.latent_mean * scale)
        start += size
    return found


def _conditions(writer: _Writer, conditions: Sequence[AnyCondition], consumer: Consumer) -> str:
    """Conditions as the network sees them, (n, n_inputs)."""
    columns = []
    for condition in conditions:
        reading = consumer.conditions[condition.name]
        if not isinstance(reading, Reading):
            # One number for each shower of the batch.
            fed = _fed(writer, consumer, consumer.energy)
            columns += [writer.affine(fed, 0, float(x)) for x in condition.inputs(reading)]
        elif isinstance(condition, Condition):  # no program says which of a label's values
            value = _value(writer, consumer, reading)
            ends = (writer.constant(np.float32(end)) for end in (condition.low, condition.high))
            value = writer.add("Clip", value, *ends)
            if condition.scale == "log":
                value = writer.add("Log", value)
            offset, scale = condition.offset_and_scale
            columns.append(writer.affine(value, scale, offset * scale))
    return writer.add("Concat", *columns, axis=1)


def _value(writer: _Writer, consumer: Consumer, reading: Reading) -> str:
    """A condition in its own unit, (n, 1)."""
    value = writer.affine(_fed(writer, consumer, reading), reading.slope, reading.offset)
    return writer.add("Exp", value) if reading.log else value


def _fed(writer: _Writer, consumer: Consumer, reading: Reading) -> str:
    """The number that the consumer feeds for a condition, (n, 1)."""
    return writer.columns(consumer.condition_node, reading.variable, reading.variable + 1)


class _Body:
    """Nodes of the lwtnn graph as values of the ONNX graph."""

    def __init__(
        self, writer: _Writer, document: Mapping[str, Any], known: Mapping[str, str]
    ) -> None:
        self._writer = writer
        self._nodes = document["nodes"]
        self._layers = document["layers"]
        self._outputs = document["outputs"]
        self._inputs = [known[node["name"]] for node in document["inputs"]]
        self._done: dict[int, str] = {}

    def output(self, name: str) -> tuple[str, list[str]]:
        """An output, (n, n_columns), and the labels of its columns; without leftovers of gates."""
        index = self._outputs[name]["node_index"]
        labels = list(self._outputs[name]["labels"])
        gates = self._sources(index) if self._kind(index) == "concatenate" else [index]
        if not all(self._is_gate(gate) for gate in gates):
            return self._value(index), labels
        writer = self._writer
        parts, kept = [], []
        pairs = [self._sources(self._sources(gate)[0]) for gate in gates]
        for _, group in itertools.groupby(pairs, lambda pair: [self._shape(i) for i in pair]):
            fractions, logits = zip(*group, strict=True)
            # (n, layers, voxels) times (n, layers, 1)
            share = writer.add("Sigmoid", self._together(logits))
            each = writer.add("Mul", self._together(fractions), share)
            parts.append(writer.reshape(each, -1, len(fractions) * self._width(fractions[0])))
        start = 0
        for fractions_node, _ in pairs:
            width = self._width(fractions_node)
            kept += labels[start : start + width]
            start += width + 1
        if len(parts) == 1:
            return parts[0], kept
        return writer.add("Concat", *parts, axis=1), kept

    def _kind(self, index: int) -> str:
        """Of a node; of a feed-forward one its layer's architecture."""
        kind: str = self._nodes[index]["type"]
        return self._layer(index)["architecture"] if kind == "feed_forward" else kind

    def _layer(self, index: int) -> Mapping[str, Any]:
        layer: Mapping[str, Any] = self._layers[self._nodes[index]["layer_index"]]
        return layer

    def _sources(self, index: int) -> list[int]:
        return list(self._nodes[index]["sources"])

    def _width(self, index: int) -> int:
        """Numbers in a node's vector."""
        kind = self._kind(index)
        if kind == "input":
            return int(self._nodes[index]["size"])
        if kind == "concatenate":
            return sum(self._width(source) for source in self._sources(index))
        if kind == "dense" and len(self._layer(index)["weights"]):
            return len(self._layer(index)["bias"])
        return self._width(self._sources(index)[0])

    def _is_gate(self, index: int) -> bool:
        """Whether a node is sigmoid(b) times its source, the concatenation of some a and one b."""
        if self._kind(index) != "highway" or self._kind(self._sources(index)[0]) != "concatenate":
            return False
        pair = self._sources(self._sources(index)[0])
        parts = self._layer(index)["components"]
        width = self._width(index)
        rows = np.asarray(parts["carry"]["weights"], np.float32).reshape(width, width)
        alone = not rows[:, :-1].any() and (rows[:, -1] == -1).all()
        zero = (parts["t"]["weights"], parts["t"]["bias"], parts["carry"]["bias"])
        nothing = not any(np.any(array) for array in zero)
        return len(pair) == 2 and self._width(pair[1]) == 1 and alone and nothing

    def _shape(self, index: int) -> Any:
        """Equal for nodes that can be computed together."""
        kind = self._kind(index)
        if kind == "input":
            return kind, self._width(index)
        if kind in ("concatenate", "add"):
            return kind, tuple(self._shape(source) for source in self._sources(index))
        layer, (source,) = self._layer(index), self._sources(index)
        if kind == "dense" and len(layer["weights"]):
            return kind, source, len(layer["bias"]), str(layer["activation"])
        if kind == "dense":
            return kind, self._shape(source), len(layer["bias"]), str(layer["activation"])
        return (kind, self._shape(source)) if kind == "normalization" else (kind, index)

    def _together(self, nodes: Sequence[int]) -> str:
        """Nodes of one shape as one value, (n, nodes, width)."""
        writer = self._writer
        first, kind = nodes[0], self._kind(nodes[0])
        count, width = len(nodes), self._width(first)
        if kind == "add":
            total, *others = (
                self._together(sources)
                for sources in zip(*(self._sources(i) for i in nodes), strict=True)
            )
            for other in others:
                total = writer.add("Add", total, other)
            return total
        if kind in ("dense", "normalization"):
            layers = [self._layer(i) for i in nodes]
            bias = np.array([layer["bias"] for layer in layers], np.float32)
            sources = [self._sources(i)[0] for i in nodes]
            if kind == "normalization":
                scale = np.array([layer["weights"] for layer in layers], np.float32)
                return writer.affine(self._together(sources), scale, bias * scale)
            if not len(layers[0]["weights"]):
                inner = self._together(sources)
                if bias.size:
                    inner = writer.add("Add", inner, writer.constant(bias))
                return writer.activate(inner, layers[0]["activation"])
            weights = np.concatenate([_matrix(layer) for layer in layers])
            product = writer.product(self._value(sources[0]), weights, bias.reshape(-1))
            each = writer.reshape(product, -1, count, width)
            return writer.activate(each, layers[0]["activation"])
        flat = [self._value(i) for i in nodes]
        joined = flat[0] if count == 1 else writer.add("Concat", *flat, axis=1)
        return writer.reshape(joined, -1, count, width)

    def _value(self, index: int) -> str:
        """A node's vector, (n, width)."""
        if index not in self._done:
            self._done[index] = self._make(index)
        return self._done[index]

    def _make(self, index: int) -> str:
        writer, kind = self._writer, self._kind(index)
        if kind == "input":
            return self._inputs[self._sources(index)[0]]
        sources = [self._value(source) for source in self._sources(index)]
        if kind == "concatenate":
            return sources[0] if len(sources) == 1 else writer.add("Concat", *sources, axis=1)
        if kind == "add":
            total = sources[0]
            for other in sources[1:]:
                total = writer.add("Add", total, other)
            return total
        (source,) = sources
        if kind == "dense":
            layer = self._layer(index)
            bias = np.asarray(layer["bias"], np.float32)
            if len(layer["weights"]):
                source = writer.product(source, _matrix(layer), bias)
            elif bias.size:
                source = writer.add("Add", source, writer.constant(bias))
            return writer.activate(source, layer["activation"])
        if kind == "normalization":
            layer = self._layer(index)
            bias, scale = (np.asarray(layer[key], np.float32) for key in ("bias", "weights"))
            return writer.affine(source, scale, bias * scale)
        raise CaloganError(
            f"nodes[{index}] is a {kind}, which has no equivalent in ONNX here; generators of "
            "calogan have dense and normalization layers, and gates at their end"
        )


def _matrix(layer: Mapping[str, Any]) -> Array:
    """A dense layer's weights, (outputs, inputs)."""
    return np.asarray(layer["weights"], np.float32).reshape(len(layer["bias"]), -1)
