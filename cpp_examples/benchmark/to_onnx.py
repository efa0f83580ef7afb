"""A generator's lwtnn JSON as an ONNX graph of the same network, as quick as ONNX Runtime has it.

Normalizations are folded, dense layers on one source become one matrix product, and heads of one
shape are computed together. Inputs are what the network sees: latents, and conditions after offset
and scale. The one output, (n, n_voxels), lacks the leftover elements of the gates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray


class Writer:
    """Collects the nodes and constants of an ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Array) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def split(self, x: str, sizes: list[int]) -> list[str]:
        names = [f"value_{len(self.nodes)}_{i}" for i in range(len(sizes))]
        self.nodes.append(
            helper.make_node("Split", [x, self.constant(np.asarray(sizes))], names, axis=1)
        )
        return names

    def activate(self, x: str, activation: dict[str, Any]) -> str:
        function = activation["function"]
        if function == "linear":
            return x
        if function == "swish" and activation["alpha"] == 1.0:
            return self.add("Mul", x, self.add("Sigmoid", x))
        if function == "softmax":
            return self.add("Softmax", x, axis=-1)
        if function == "sigmoid":
            return self.add("Sigmoid", x)
        raise ValueError(f"activation {activation} has no ONNX equivalent here")


def folded(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The graph's nodes with their layers; those that became part of another are empty."""
    nodes: list[dict[str, Any]] = []
    uses = np.zeros(len(document["nodes"]), int)
    for node in document["nodes"]:
        if node["type"] != "input":
            np.add.at(uses, node["sources"], 1)
    for node in document["nodes"]:
        out = {"type": node["type"], "sources": node["sources"]}
        if node["type"] == "feed_forward":
            layer = document["layers"][node["layer_index"]]
            kind = layer["architecture"]
            activation = layer.get("activation", "linear")
            if not isinstance(activation, dict):
                activation = {"function": activation, "alpha": 1.0}
            out |= {"type": kind, "activation": activation}
            bias = np.asarray(layer.get("bias", []), np.float32)
            weights = np.asarray(layer.get("weights", []), np.float32)
            source = node["sources"][0]
            before = nodes[source]
            if kind == "highway":
                carry = layer["components"]["carry"]
                n = len(carry["bias"])
                rows = np.reshape(np.asarray(carry["weights"], np.float32), (n, n))
                gate = np.zeros((n, n))
                gate[:, -1] = -1
                if any(layer["components"]["t"]["weights"]) or not np.array_equal(rows, gate):
                    raise ValueError("a highway layer that is no gate")
                out["type"] = "gate"
            elif kind == "normalization" and before.get("type") == "dense":
                if uses[source] != 1 or before["activation"]["function"] != "linear":
                    raise ValueError("a normalization that cannot be folded")
                out = before | {
                    "weights": before["weights"] * weights,
                    "bias": (before["bias"] + bias) * weights,
                }
                nodes[source] = {}
            elif kind == "normalization":
                out |= {"scale": weights, "shift": bias * weights}
            elif kind == "dense" and not len(weights):
                out["type"] = "activation"
                foldable = before.get("type") == "dense" and uses[source] == 1
                if foldable and before["activation"]["function"] == "linear":
                    out = before | {"activation": activation}
                    nodes[source] = {}
            elif kind == "dense":
                out |= {"weights": np.reshape(weights, (len(bias), -1)).T, "bias": bias}
            else:
                raise ValueError(f"layer {kind} has no ONNX equivalent here")
        nodes.append(out)
    return nodes


def to_onnx(document: dict[str, Any]) -> onnx.ModelProto:
    """Convert; raises ValueError for what generators of calogan do not contain."""
    nodes = folded(document)
    writer = Writer()
    values: dict[int, str] = {}
    by_source: dict[int, list[int]] = {}
    for i, node in enumerate(nodes):
        if node.get("type") == "dense":
            by_source.setdefault(node["sources"][0], []).append(i)
    output = nodes[document["outputs"][document["calogan"]["output"]]["node_index"]]
    heads: list[tuple[int, int]] = []  # of each gate: fractions, logit
    for gate in output["sources"]:
        if nodes[gate]["type"] == "gate":
            joined = nodes[nodes[gate]["sources"][0]]
            heads.append(tuple(joined["sources"]))
    skipped = {i for head in heads for i in head}
    alike = {
        (nodes[a]["type"], str(nodes[a]["activation"]), np.size(nodes[a].get("bias", 0)))
        for a, _ in heads
    }
    together = len(heads) > 3 and len(alike) == 1 and next(iter(alike))[0] == "dense"

    def gemm(source: int, members: list[int]) -> str:
        weights = np.concatenate([nodes[i]["weights"] for i in members], axis=1)
        bias = np.concatenate([nodes[i]["bias"] for i in members])
        constants = writer.constant(np.ascontiguousarray(weights)), writer.constant(bias)
        return writer.add("Gemm", values[source], *constants)

    def dense(source: int) -> None:
        members = [i for i in by_source[source] if not (together and i in skipped)]
        if not members:
            return
        product = gemm(source, members)
        parts = [product]
        if len(members) > 1:
            parts = writer.split(product, [nodes[i]["bias"].size for i in members])
        for i, part in zip(members, parts, strict=True):
            values[i] = writer.activate(part, nodes[i]["activation"])

    inputs = []
    for i, node in enumerate(nodes):
        if not node or i in values or (together and i in skipped):
            continue
        sources = [values[s] for s in node["sources"] if s in values]
        if node["type"] == "input":
            described = document["inputs"][document["nodes"][i]["sources"][0]]
            values[i] = described["name"]
            shape = ["n", len(described["variables"])]
            inputs.append(helper.make_tensor_value_info(values[i], TensorProto.FLOAT, shape))
        elif node["type"] == "dense":
            dense(node["sources"][0])
        elif node["type"] == "activation":
            values[i] = writer.activate(sources[0], node["activation"])
        elif node["type"] == "normalization":
            scaled = writer.add("Mul", sources[0], writer.constant(node["scale"]))
            values[i] = writer.add("Add", scaled, writer.constant(node["shift"]))
        elif node["type"] == "add":
            values[i] = sources[0]
            for other in sources[1:]:
                values[i] = writer.add("Add", values[i], other)
        elif node["type"] == "concatenate" and len(sources) == len(node["sources"]):
            values[i] = writer.add("Concat", *sources, axis=1)
    if together:
        fractions, logits = ([pair[k] for pair in heads] for k in (0, 1))
        first, second = nodes[fractions[0]], nodes[logits[0]]
        width = first["bias"].size
        by_head = writer.constant(np.asarray([-1, len(heads), width]))
        flat = gemm(first["sources"][0], fractions)
        each = writer.activate(writer.add("Reshape", flat, by_head), first["activation"])
        gates = writer.add("Sigmoid", gemm(second["sources"][0], logits))
        gates = writer.add("Unsqueeze", gates, writer.constant(np.asarray([2])))
        side_by_side = writer.constant(np.asarray([-1, len(heads) * width]))
        result = writer.add("Reshape", writer.add("Mul", each, gates), side_by_side)
    else:
        parts = [writer.add("Mul", values[a], writer.add("Sigmoid", values[b])) for a, b in heads]
        result = writer.add("Concat", *(parts or [values[i] for i in output["sources"]]), axis=1)
    n_voxels = sum(label.startswith("voxel_") for label in labels(document))
    out = helper.make_tensor_value_info(result, TensorProto.FLOAT, ["n", n_voxels])
    used = {name for node in writer.nodes for name in node.input} | {result}
    kept = [node for node in writer.nodes if used.intersection(node.output)]
    graph = helper.make_graph(kept, "generator", inputs, [out], writer.constants)
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    onnx.checker.check_model(model)
    return model


def labels(document: dict[str, Any]) -> list[str]:
    """Names of the elements of the network's output."""
    found: list[str] = document["outputs"][document["calogan"]["output"]]["labels"]
    return found


def network_inputs(document: dict[str, Any], latents: Array, conditions: Array) -> dict[str, Array]:
    """What to feed for (n, n_latent) latents and (n, n_conditions) conditions, physical units."""
    variables = document["calogan"]["conditions"]["variables"]
    columns = [
        np.log(conditions[:, i]) if v["scale"] == "log" else conditions[:, i]
        for i, v in enumerate(variables)
    ]
    values = {document["calogan"]["conditions"]["node"]: np.stack(columns, axis=1)}
    first = 0
    for node in document["calogan"]["latent"]["nodes"]:
        values[node["name"]] = latents[:, first : first + node["size"]]
        first += node["size"]
    out = {}
    for described in document["inputs"]:
        offset = np.asarray([v["offset"] for v in described["variables"]])
        scale = np.asarray([v["scale"] for v in described["variables"]])
        value = (values[described["name"]] + offset) * scale
        out[described["name"]] = np.ascontiguousarray(value, np.float32)
    return out
