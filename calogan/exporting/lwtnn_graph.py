"""A model file as an lwtnn graph for a program that feeds it in its own way.

Conditions are made in the graph from what the program feeds, and the readout threshold is applied
in it, by what lwtnn has. lwtnn keeps no intermediate results, so a node is computed once for each
node that reads it; what is added here is read by all heads, and therefore small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.conditions import Condition, energy_of
from calogan.exporting.consumers import Consumer, Reading
from calogan.generating.model_file import ModelFile

KNOTS = 256
"""Pieces, even in the logarithm of the value, of a condition that is not straight in the input."""
CUT_KNOTS, CUT_BEYOND = 512, 100
"""The same of the threshold over the energy, and up to how many times the highest energy it goes:
programs ask for more than was trained, and for less, down to where the threshold is all energy."""
STEEP = 2.0**20
"""Slope of what stands for a step in lwtnn, which has none."""
BELOW_ONE = 1 - 2.0**-24
DARK = -10.0
"""Far below any fraction of energy."""
OUTPUT = "fractions"
Array = NDArray[Any]


@dataclass(frozen=True)
class Approximations:
    """How far what the graph makes of what is fed is from what it stands for, at most."""

    conditions: Mapping[str, float]
    """Of each condition that is read, the error of its value; relative for those on a log scale."""
    threshold: float
    """Relative error of the readout threshold."""


def lwtnn_graph(model: ModelFile, consumer: Consumer) -> tuple[dict[str, Any], Approximations]:
    """The network as the consumer reads it, as lwtnn graph JSON, with variables variable_<i>.

    Its one output has a label out_<i> for each voxel, in the consumer's order: energy as a fraction
    of the incident energy, zero below the readout threshold. Labels out_unused_<i> are always zero.
    """
    graph = _Graph(model.document)
    graph.inputs = _inputs(model, consumer)
    made, approximations = _from_fed(model, consumer)

    # In place of the input for conditions stands what makes them from what is fed.
    names = [node["name"] for node in model.document["inputs"]]
    place = names.index(model.conditions_node)
    old = next(n for n in graph.nodes if n["type"] == "input" and n["sources"] == [place])
    fed = graph.node("input", [place], size=len(graph.inputs[place]["variables"]))
    old.clear()
    old.update(graph.nodes[graph.chain(made.conditions, fed)])

    output = model.document["outputs"][model.output]
    places = dict(zip(consumer.order.tolist(), range(len(consumer.order)), strict=True))
    columns = {f"voxel_{i}": f"out_{place}" for i, place in places.items()}
    labels = [columns.get(x, f"out_unused_{i}") for i, x in enumerate(output["labels"])]
    is_voxel = np.array([label in columns for label in output["labels"]])
    cut = graph.chain(made.cut, fed)
    out = _threshold(graph, output["node_index"], cut, is_voxel)
    return graph.json({OUTPUT: {"node_index": out, "labels": labels}}), approximations


def _threshold(graph: _Graph, fractions: int, cut: int, is_voxel: NDArray[np.bool_]) -> int:
    """The node of fractions f with zero in place of those below the cut t, and of what is no voxel.

    With s = STEEP, leakyrelu(relu(f - t) - t / s) is f - t - t / s above the cut, since the slope
    of leakyrelu below zero is s, and -t below: t more is the fraction, but for a part in s, or
    zero. Each number is computed once: what is read thrice is the cut, a small part of the graph.
    """

    def plus_cut(node: int, factor: float, elsewhere: float) -> int:
        """The sum of a node and factor t; of what is no voxel, and elsewhere."""
        weights = np.full((len(is_voxel), 1), factor)
        bias = np.where(is_voxel, 0.0, elsewhere)
        return graph.node("add", [node, graph.chain([_dense(weights, bias)], cut)])

    def activated(node: int, activation: Any) -> int:
        return graph.chain([_dense(np.zeros(0), np.zeros(0), activation)], node)

    above = activated(plus_cut(fractions, -1.0, DARK), "rectified")
    steep = {"function": "leakyrelu", "alpha": STEEP}
    without = activated(plus_cut(above, -1 / STEEP, 0.0), steep)
    # A little less than the cut, so that nothing is left of it where rounding decides.
    return activated(plus_cut(without, BELOW_ONE, 0.0), "rectified")


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

    def chain(self, layers: Sequence[Mapping[str, Any]], source: int) -> int:
        """The last of nodes that are layers one after the other, the first of a source."""
        for layer in layers:
            source = self.node("feed_forward", [source], layer_index=self._index(layer))
        return source

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
    ends = dict(zip(model.latents, np.cumsum([*model.latents.values()]).tolist(), strict=True))
    for node in model.document["inputs"]:
        name = node["name"]
        if name in model.latents:
            numbers = [*range(ends[name] - model.latents[name], ends[name])]
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
    """Layers, one after the other, that make what the network reads from what is fed."""

    conditions: list[dict[str, Any]]
    """To the conditions, normalised."""
    cut: list[dict[str, Any]]
    """To the readout threshold as a fraction of the incident energy, one number."""


@dataclass(frozen=True)
class _Ramps:
    """A function of one variable: straight between its knots, constant beyond."""

    source: int
    """Which of the numbers that are fed."""
    knots: Array
    """In order, up or down, (n,); sums are exact if the values rise with them from near zero."""
    values: Array
    """At the knots, (n,)."""


def _from_fed(model: ModelFile, consumer: Consumer) -> tuple[_FromFed, Approximations]:
    fed = [n for n, reading in consumer.conditions.items() if isinstance(reading, Reading)]
    functions: list[_Ramps | float] = []
    ramps: list[tuple[int, Condition, Reading, _Ramps]] = []
    for condition in model.conditions:
        reading = consumer.conditions[condition.name]
        if not isinstance(reading, Reading):
            functions += condition.inputs(reading).tolist()
            continue
        assert isinstance(condition, Condition)  # no program says which of a label's values
        straight = reading.log == (condition.scale == "log")
        values = _spread(condition.low, condition.high, 1 if straight else KNOTS)
        along = reading.variable_of(values)
        function = _Ramps(fed.index(condition.name), along, condition.normalise(values))
        ramps.append((len(functions), condition, reading, function))
        functions.append(function)
    conditions = _layers(functions, len(fed))
    errors = {}
    for row, condition, reading, function in ramps:
        values = reading.value_of(_between(function.knots))
        found = _apply(conditions, function, len(fed))[:, row]
        wrong = np.abs(found - condition.normalise(values)).max()
        errors[condition.name] = float(wrong / condition.offset_and_scale[1])

    threshold = model.readout_threshold / 1000  # GeV, as energies
    if not threshold:
        return _FromFed(conditions, _layers([0.0], len(fed))), Approximations(errors, 0.0)
    high = energy_of(model.conditions).high
    values = _spread(threshold, CUT_BEYOND * high, CUT_KNOTS)[::-1]
    along = consumer.energy.variable_of(values)
    function = _Ramps(fed.index("energy"), along, threshold / values)
    cut = _layers([function], len(fed))
    exact = threshold / consumer.energy.value_of(_between(function.knots))
    wrong = np.abs(_apply(cut, function, len(fed))[:, 0] / exact - 1).max()
    return _FromFed(conditions, cut), Approximations(errors, float(wrong))


def _spread(low: float, high: float, n: int) -> Array:
    """Ends of n pieces; even in the logarithm, if there are several."""
    return np.array([low, high]) if n == 1 else np.geomspace(low, high, n + 1)


def _between(knots: Array) -> Array:
    """Twenty points in each piece."""
    places = np.linspace(0, len(knots) - 1, 20 * (len(knots) - 1) + 1)
    return np.interp(places, np.arange(len(knots)), knots)


def _layers(functions: Sequence[_Ramps | float], n_sources: int) -> list[dict[str, Any]]:
    """Two layers from what is fed to the functions' values; a number is a constant.

    The first has a number for each piece: how far what is fed is along it, 0 to 1, which is
    lwtnn's hard_sigmoid, x / 5 + 1 / 2 cut off at 0 and 1. The second adds up each piece's rise.
    """
    ramps = [f for f in functions if isinstance(f, _Ramps)]
    pieces = sum(len(f.knots) - 1 for f in ramps)
    into, offset = np.zeros((max(pieces, 1), n_sources)), np.zeros(max(pieces, 1))
    rises, start = np.zeros((len(functions), max(pieces, 1))), np.zeros(len(functions))
    first = 0
    for row, function in enumerate(functions):
        if not isinstance(function, _Ramps):
            start[row] = function
            continue
        mine = slice(first, first + len(function.knots) - 1)
        first = mine.stop
        into[mine, function.source] = slope = 5 / np.diff(function.knots)
        offset[mine] = -slope * function.knots[:-1] - 2.5
        rises[row, mine], start[row] = np.diff(function.values), function.values[0]
    return [_dense(into, offset, "hard_sigmoid"), _dense(rises, start)]


def _apply(layers: Sequence[Mapping[str, Any]], function: _Ramps, n_sources: int) -> Array:
    """What layers of `_layers` make of a function's source between its knots, (n, n_functions)."""
    x: Array = np.zeros((20 * (len(function.knots) - 1) + 1, n_sources))
    x[:, function.source] = _between(function.knots)
    for layer in layers:
        bias: Array = layer["bias"].astype(np.float64)
        x = x @ layer["weights"].astype(np.float64).reshape(len(bias), -1).T + bias
        if layer["activation"] == "hard_sigmoid":
            x = np.clip(x / 5 + 0.5, 0, 1)
    return x


def _dense(weights: Array, bias: Array, activation: Any = "linear") -> dict[str, Any]:
    """A dense layer, weights (outputs, inputs), in the precision in which files hold it."""
    return {
        "architecture": "dense",
        "weights": weights.reshape(-1).astype(np.float32),
        "bias": bias.astype(np.float32),
        "activation": activation,
    }
