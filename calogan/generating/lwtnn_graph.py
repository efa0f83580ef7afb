"""A model file as an lwtnn graph for a program that feeds it in its own way.

Conditions are made in the graph from what the program feeds, and the readout threshold is applied
in it, by what lwtnn has. lwtnn keeps no intermediate results, so a node is computed once for each
node that reads it; what is added here is read by all heads, and therefore small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.conditions import Condition
from calogan.errors import CaloganError
from calogan.generating.consumers import Consumer, Reading
from calogan.generating.model_file import ModelFile

KNOTS = 256
"""Pieces, even in the logarithm of the value, of a function that is not straight in the input."""
THRESHOLD_WIDTH = 1e-3
"""Part of the readout threshold, at the highest energy, within which a voxel is let through in
part: lwtnn has no step, but a sigmoid that is 0 or 1 outside of that."""
LARGE = 1000.0
"""A logit at which lwtnn's sigmoid is 0 or 1."""
OUTPUT = "fractions"
Array = NDArray[Any]


@dataclass(frozen=True)
class Approximations:
    """How far what the graph makes of what is fed is from what it stands for, at most."""

    conditions: Mapping[str, float]
    """Of each condition that is read, the error of its value; relative for those on a log scale."""
    threshold: float
    """Relative error of the threshold, and how far from it, in parts of it, voxels are let through
    in part."""


def lwtnn_graph(model: ModelFile, consumer: Consumer) -> tuple[dict[str, Any], Approximations]:
    """The network as the consumer reads it, as lwtnn graph JSON, with variables variable_<i>.

    Its one output has a label out_<i> for each voxel, in the consumer's order: energy as a fraction
    of the incident energy, zero below the readout threshold. Labels out_unused_<i> are always zero.

    Raises CaloganError if the model's network is not such as `calogan export` writes.
    """
    graph = _Graph(model.document)
    graph.inputs = _inputs(model, consumer)
    made, approximations = _from_fed(model, consumer)

    # In place of the input for conditions stands what makes them from what is fed.
    names = [node["name"] for node in model.document["inputs"]]
    place = names.index(model.conditions_node)
    old = next(n for n in graph.nodes if n["type"] == "input" and n["sources"] == [place])
    fed = graph.node("input", [place], size=len(graph.inputs[place]["variables"]))
    pieces = graph.layer(made.pieces, fed)
    old.clear()
    old.update(graph.nodes[graph.layer(made.conditions, pieces)])
    cut = graph.layer(made.cut, pieces)

    places = np.empty(model.geometry.n_voxels, np.intp)
    places[consumer.order] = np.arange(model.geometry.n_voxels)
    parts, labels = [], []
    for k, (gate, layer) in enumerate(zip(_gates(model), model.geometry.layers, strict=True)):
        joined = graph.node("concatenate", [gate, cut])
        parts.append(graph.layer(_threshold_layer(layer.n_voxels, made.sharpness), joined))
        labels += [f"out_{i}" for i in places[model.geometry.slices[k]]]
        labels += [f"out_unused_{2 * k}", f"out_unused_{2 * k + 1}"]
    out = parts[0] if len(parts) == 1 else graph.node("concatenate", parts)
    return graph.json({OUTPUT: {"node_index": out, "labels": labels}}), approximations


class _Graph:
    """An lwtnn graph in the making; equal layers are stored once."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Begin with all nodes and layers of another."""
        self.inputs: list[dict[str, Any]] = []
        self.nodes: list[dict[str, Any]] = []
        self._layers: list[Mapping[str, Any]] = []
        self._known: dict[Any, int] = {}
        for node in document["nodes"]:
            index = node.get("layer_index")
            own = {} if index is None else {"layer_index": self._index(document["layers"][index])}
            self.nodes.append({**node, **own})

    def node(self, kind: str, sources: list[int], **fields: int) -> int:
        self.nodes.append({"type": kind, "sources": sources, **fields})
        return len(self.nodes) - 1

    def layer(self, layer: Mapping[str, Any], source: int) -> int:
        """A node that is a layer of a source."""
        return self.node("feed_forward", [source], layer_index=self._index(layer))

    def json(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "inputs": self.inputs,
            "input_sequences": [],
            "nodes": self.nodes,
            "layers": self._layers,
            "outputs": dict(outputs),
        }

    def _index(self, layer: Mapping[str, Any]) -> int:
        key = _content(layer)
        if key not in self._known:
            self._known[key] = len(self._layers)
            self._layers.append(layer)
        return self._known[key]


def _content(value: Any) -> Any:
    """Equal for equal layers."""
    if isinstance(value, Mapping):
        return tuple((key, _content(item)) for key, item in value.items())
    if isinstance(value, str | int | float):
        return value
    return np.asarray(value, np.float32).tobytes()


def _inputs(model: ModelFile, consumer: Consumer) -> list[dict[str, Any]]:
    """Input nodes; those of one name each take some of the numbers that are fed under it."""
    inputs = []
    start = 0
    for node in model.document["inputs"]:
        name = node["name"]
        if name in model.latents:
            numbers = [*range(start, start + model.latents[name])]
            start += len(numbers)
            of = {"offset": -consumer.latent_mean, "scale": 1 / consumer.latent_std}
            feeder = consumer.latent_node
        else:
            read = [r for r in consumer.conditions.values() if isinstance(r, Reading)]
            numbers = [reading.variable for reading in read]
            of = {"offset": 0.0, "scale": 1.0}
            feeder = consumer.condition_node
        variables = [{"name": f"variable_{i}", **of} for i in numbers]
        inputs.append({"name": feeder, "variables": variables})
    return inputs


@dataclass(frozen=True)
class _FromFed:
    """Layers that make from what is fed what the network reads."""

    pieces: Mapping[str, Any]
    """Of each piece of each function how far what is fed is along it, 0 to 1."""
    conditions: Mapping[str, Any]
    """From the pieces to the conditions, normalised."""
    cut: Mapping[str, Any]
    """From the pieces to the threshold as a fraction of the incident energy, one number."""
    sharpness: float
    """Factor of a voxel's distance from the threshold that makes a step; 0 for no threshold."""


def _from_fed(model: ModelFile, consumer: Consumer) -> tuple[_FromFed, Approximations]:
    threshold = model.readout_threshold / 1000  # GeV
    read = [c for c in model.conditions if isinstance(consumer.conditions[c.name], Reading)]
    starts, stops, columns = [], [], []
    weights = np.zeros((len(model.conditions) + 1, 0))  # the last row is the threshold's
    bias = np.zeros(len(weights))
    for row, condition in enumerate(model.conditions):
        reading = consumer.conditions[condition.name]
        if not isinstance(reading, Reading):
            bias[row] = condition.normalise(reading)
            continue
        knots = _knots(condition, reading)
        along = reading.variable_of(knots)
        starts += [*along[:-1]]
        stops += [*along[1:]]
        columns += [read.index(condition)] * (len(knots) - 1)
        steps = np.zeros((len(weights), len(knots) - 1))
        steps[row], bias[row] = np.diff(condition.normalise(knots)), condition.normalise(knots[0])
        if condition.name == "energy":
            steps[-1], bias[-1] = np.diff(threshold / knots), threshold / knots[0]
        weights = np.concatenate([weights, steps], axis=1)
    # lwtnn's hard_sigmoid is x / 5 + 1 / 2 between 0 and 1.
    slope = 5 / (np.array(stops) - np.array(starts))
    into = np.zeros((len(slope), len(read)))
    into[np.arange(len(slope)), columns] = slope
    pieces = _dense(into, -slope * np.array(starts) - 2.5, "hard_sigmoid")
    least = threshold / _range(model)[1]
    made = _FromFed(
        pieces,
        _dense(weights[:-1], bias[:-1]),
        _dense(weights[-1:], bias[-1:]),
        30 / (THRESHOLD_WIDTH * least) if least else 0.0,
    )
    return made, _measure(made, model, consumer, read)


def _range(model: ModelFile) -> tuple[float, float]:
    """Of the incident energy, GeV."""
    energy = next(c for c in model.conditions if c.name == "energy")
    return energy.low, energy.high


def _knots(condition: Condition, reading: Reading) -> NDArray[np.float64]:
    """Values between which the condition, normalised, is taken as straight in what is fed."""
    straight = reading.log == (condition.scale == "log")
    if condition.name == "energy" or not straight:  # the threshold is never straight
        return np.geomspace(condition.low, condition.high, KNOTS + 1)
    return np.array([condition.low, condition.high])


def _dense(weights: Array, bias: Array, activation: str = "linear") -> dict[str, Any]:
    """A dense layer, weights (outputs, inputs), in the precision in which files hold it."""
    return {
        "architecture": "dense",
        "weights": weights.reshape(-1).astype(np.float32),
        "bias": bias.astype(np.float32),
        "activation": activation,
    }


def _measure(
    made: _FromFed, model: ModelFile, consumer: Consumer, read: list[Condition]
) -> Approximations:
    """Compare the layers with what they stand for, at twenty points of each piece."""

    def apply(layer: Mapping[str, Any], x: Array) -> Array:
        bias: Array = layer["bias"].astype(np.float64)
        weights: Array = layer["weights"].astype(np.float64).reshape(len(bias), -1)
        result: Array = x @ weights.T + bias
        return result

    n = 20 * KNOTS + 1
    values = np.stack([_between(c, n) for c in read], axis=1)
    readings = [consumer.conditions[c.name] for c in read]
    fed = [r.variable_of(v) for r, v in zip(readings, values.T, strict=True)]  # type: ignore[union-attr]
    pieces = np.clip(apply(made.pieces, np.stack(fed, axis=1)) / 5 + 0.5, 0, 1)
    found = apply(made.conditions, pieces)
    errors = {}
    for row, condition in enumerate(model.conditions):
        if condition in read:
            wanted = condition.normalise(values[:, read.index(condition)])
            scale = condition.offset_and_scale[1]
            errors[condition.name] = float(np.abs(found[:, row] - wanted).max() / scale)
    if not model.readout_threshold:
        return Approximations(errors, 0.0)
    energies = values[:, [c.name for c in read].index("energy")]
    cut = apply(made.cut, pieces)[:, 0] / (model.readout_threshold / 1000 / energies)
    return Approximations(errors, float(np.abs(cut - 1).max()) + THRESHOLD_WIDTH)


def _between(condition: Condition, n: int) -> NDArray[np.float64]:
    ends = condition.low, condition.high
    return np.geomspace(*ends, n) if condition.low > 0 else np.linspace(*ends, n)


def _threshold_layer(n_voxels: int, sharpness: float) -> dict[str, Any]:
    """lwtnn's highway layer c t + (1 - c) x with t = 0 on a layer's voxels, a leftover, the cut.

    c is a step from 1 to 0 where a voxel exceeds the cut; for the last two it is 1.
    """
    width = n_voxels + 2
    weights = np.zeros((width, width), np.float32)
    voxels = np.arange(n_voxels)
    weights[voxels, voxels], weights[voxels, -1] = -sharpness, sharpness
    bias = np.full(width, LARGE, np.float32)
    bias[:n_voxels] = 0 if sharpness else -LARGE
    nothing = {"weights": np.zeros(width**2, np.float32), "bias": np.zeros(width, np.float32)}
    carry = {"weights": weights.reshape(-1), "bias": bias}
    return {
        "architecture": "highway",
        "components": {"t": nothing, "carry": carry},
        "activation": "linear",
    }


def _gates(model: ModelFile) -> list[int]:
    """The nodes that give each calorimeter layer's voxels and one leftover number."""
    output = model.document["outputs"][model.output]
    index, labels = output["node_index"], []
    for k, voxels in enumerate(model.geometry.slices):
        labels += [f"voxel_{i}" for i in range(voxels.start, voxels.stop)] + [f"unused_layer_{k}"]
    node = model.document["nodes"][index]
    gates = [index] if model.geometry.n_layers == 1 else list(node["sources"])
    if output["labels"] != labels or len(gates) != model.geometry.n_layers:
        raise CaloganError(
            f"{model.where}: the network does not end in one part for each layer of the geometry, "
            "as those that `calogan export` writes; export the run again"
        )
    return gates
