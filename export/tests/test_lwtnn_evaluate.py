from __future__ import annotations

import contextlib
import copy
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwtnn_converter import Graph, GraphError, save


def variables(*names: str, offset: float = 0.0, scale: float = 1.0) -> list[dict[str, Any]]:
    return [{"name": name, "offset": offset, "scale": scale} for name in names]


def dense(weights: list[float], bias: list[float], activation: Any = "linear") -> dict[str, Any]:
    return {
        "architecture": "dense",
        "weights": weights,
        "bias": bias,
        "activation": activation,
    }


def graph() -> dict[str, Any]:
    """Two vectors and a sequence; two outputs, one of them a sequence too."""
    gates = {
        name: {"weights": [0.5, -1.0], "U": [0.25], "bias": [0.1]} for name in ("i", "f", "o", "c")
    }
    return {
        "inputs": [
            {"name": "a", "variables": variables("p", "q", offset=1.0, scale=2.0)},
            {"name": "b", "variables": variables("r")},
        ],
        "input_sequences": [{"name": "s", "variables": variables("u", "v")}],
        "nodes": [
            {"type": "input", "sources": [0], "size": 2},
            {"type": "input", "sources": [1], "size": 1},
            {"type": "input_sequence", "sources": [0], "size": 2},
            {"type": "sequence", "sources": [2], "layer_index": 1},
            {"type": "concatenate", "sources": [0, 1, 3]},
            {"type": "feed_forward", "sources": [4], "layer_index": 0},
            {"type": "time_distributed", "sources": [2], "layer_index": 2},
            {"type": "sum", "sources": [6]},
            {"type": "add", "sources": [0, 7]},
        ],
        "layers": [
            dense([1, 2, 3, 4, 5, 6, 7, 8], [0.5, -0.5], "tanh"),
            {
                "architecture": "lstm",
                "components": gates,
                "activation": "tanh",
                "inner_activation": "sigmoid",
            },
            {"architecture": "normalization", "weights": [2, 3], "bias": [1, -1]},
        ],
        "outputs": {
            "y": {"node_index": 5, "labels": ["y0", "y1"]},
            "sum": {"node_index": 8, "labels": ["z0", "z1"]},
            "steps": {"node_index": 6, "labels": ["w0", "w1"]},
            "last": {"node_index": 3, "labels": ["h"]},
        },
    }


def sequential(layers: list[dict[str, Any]], inputs: int, outputs: int) -> Graph:
    return Graph(
        {
            "inputs": variables(*(f"x{i}" for i in range(inputs))),
            "layers": layers,
            "outputs": [f"y{i}" for i in range(outputs)],
        }
    )


SEQUENCE = {"s": np.arange(12.0).reshape(2, 3, 2) / 10}
VECTORS = {"a": [[0.0, 1.0], [2.0, -1.0]], "b": [[3.0], [4.0]]}


def test_names() -> None:
    network = Graph(graph())
    assert network.inputs == {"a": ("p", "q"), "b": ("r",)}
    assert network.sequences == {"s": ("u", "v")}
    assert network.outputs["y"] == ("y0", "y1")


def test_sum_and_add() -> None:
    found = Graph(graph()).compute(VECTORS, SEQUENCE, "sum")
    steps = (SEQUENCE["s"] + [1, -1]) * [2, 3]
    expected = (np.array(VECTORS["a"]) + 1) * 2 + steps.sum(axis=1)
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(Graph(graph()).scan(VECTORS, SEQUENCE, "steps"), steps)


def test_a_recurrent_output_is_a_vector_or_a_sequence() -> None:
    network = Graph(graph())
    scanned = network.scan(sequences=SEQUENCE, output="last")
    assert scanned.shape == (2, 3, 1)
    computed = network.compute(sequences=SEQUENCE, output="last")
    np.testing.assert_array_equal(computed, scanned[:, -1])
    empty = network.compute(sequences={"s": np.zeros((2, 0, 2))}, output="last")
    np.testing.assert_array_equal(empty, np.zeros((2, 1)))


def test_inputs_by_variable_and_values_for_all_events() -> None:
    network = Graph(graph())
    named = {"a": {"q": [1.0, -1.0], "p": [0.0, 2.0]}, "b": {"r": 3.0}}
    by_name = {"s": {"u": SEQUENCE["s"][..., 0], "v": SEQUENCE["s"][..., 1]}}
    found = network.compute(named, by_name, "y")
    expected = network.compute({**VECTORS, "b": [[3.0], [3.0]]}, SEQUENCE, "y")
    np.testing.assert_array_equal(found, expected)
    assert found.flags.writeable
    constant = network.compute({"b": [3.0], "a": [0.0, 1.0]}, {"s": SEQUENCE["s"][0]}, "y")
    np.testing.assert_allclose(constant, expected[:1])


def test_an_output_of_inputs_given_once_has_all_events() -> None:
    config = graph()
    config["outputs"] = {"y": {"node_index": 0, "labels": ["p", "q"]}}
    found = Graph(config).compute({"a": [0.0, 1.0], "b": [[1.0], [2.0], [3.0]]})
    np.testing.assert_array_equal(found, [[2.0, 4.0]] * 3)


def test_all_outputs_at_once() -> None:
    config = graph()
    del config["outputs"]["steps"]
    found = Graph(config).compute(VECTORS, SEQUENCE)
    assert {name: value.shape for name, value in found.items()} == {
        "y": (2, 2),
        "sum": (2, 2),
        "last": (2, 1),
    }


def test_nodes_in_any_order_and_float32(tmp_path: Path) -> None:
    config = graph()
    shuffled = copy.deepcopy(config)
    order = list(reversed(range(9)))
    shuffled["nodes"] = [shuffled["nodes"][i] for i in order]
    for node in shuffled["nodes"]:
        if not node["type"].startswith("input"):
            node["sources"] = [8 - source for source in node["sources"]]
    for output in shuffled["outputs"].values():
        output["node_index"] = 8 - output["node_index"]
    save(shuffled, tmp_path / "m.json")
    found = Graph(tmp_path / "m.json", dtype=np.float32).compute(VECTORS, SEQUENCE, "y")
    assert found.dtype == np.float32
    expected = Graph(config).compute(VECTORS, SEQUENCE, "y")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


X = np.array([[-40.0, -2.0, -0.25, 0.0, 0.25, 2.0, 40.0]])


@pytest.mark.parametrize(
    "activation, expected",
    [
        ("linear", X),
        ("rectified", np.maximum(X, 0)),
        ("abs", np.abs(X)),
        ("tanh", np.tanh(X)),
        ("hard_sigmoid", np.clip(0.2 * X + 0.5, 0, 1)),
        ("softmax", np.exp(X) / np.exp(X).sum()),
        ("elu", np.where(X > 0, X, np.expm1(X))),
        ({"function": "elu", "alpha": 0.5}, np.where(X > 0, X, 0.5 * np.expm1(X))),
        ({"function": "leakyrelu", "alpha": 0.1}, np.where(X > 0, X, 0.1 * X)),
    ],
)
def test_activations(activation: Any, expected: np.ndarray) -> None:
    network = sequential([dense([], [], activation)], 7, 7)
    np.testing.assert_allclose(network.compute({"inputs": X}), expected, rtol=1e-12)


def test_sigmoid_is_cut_at_30() -> None:
    found = sequential([dense([], [], "sigmoid")], 7, 7).compute({"inputs": X})
    assert found[0, 0] == 0 and found[0, -1] == 1
    np.testing.assert_allclose(found[0, 1:-1], 1 / (1 + np.exp(-X[0, 1:-1])))
    swish = {"function": "swish", "alpha": 2.0}
    found = sequential([dense([], [], swish)], 7, 7).compute({"inputs": X})
    np.testing.assert_allclose(found[0, 1:-1], X[0, 1:-1] / (1 + np.exp(-2 * X[0, 1:-1])))


def test_dense_with_a_bias_alone() -> None:
    found = sequential([dense([], [1.0, 2.0])], 2, 2).compute({"inputs": [[1.0, 1.0]]})
    np.testing.assert_array_equal(found, [[2.0, 3.0]])


def test_highway_by_hand() -> None:
    part = {"weights": [1.0, 2.0, 3.0, 4.0], "bias": [0.5, -0.5]}
    carry = {"weights": [0.1, -0.2, 0.3, 0.0], "bias": [0.0, 1.0]}
    layer = {
        "architecture": "highway",
        "components": {"t": part, "carry": carry},
        "activation": "rectified",
    }
    found = sequential([layer], 2, 2).compute({"inputs": [[1.0, -2.0]]})
    gate = 1 / (1 + np.exp(-np.array([0.5, 1.3])))
    np.testing.assert_allclose(found, [gate * [0.0, 0.0] + (1 - gate) * [1.0, -2.0]])


def test_embedding_among_other_variables() -> None:
    layer = {
        "architecture": "embedding",
        "sublayers": [
            {"weights": [1.0, 2.0, 3.0, 4.0], "index": 1, "n_out": 2},
            {"weights": [5.0, 6.0, 7.0], "index": 0, "n_out": 1},
        ],
    }
    network = sequential([layer], 3, 4)
    found = network.compute(sequences={"inputs": [[[2.0, 1.0, 9.0]]]})
    np.testing.assert_array_equal(found, [[7.0, 2.0, 4.0, 9.0]])
    with pytest.raises(ValueError, match=r"layers\[0\]: embedded index 2 is not one of 0 to 1"):
        network.compute(sequences={"inputs": [[[0.0, 2.0, 9.0]]]})


def test_recurrent_layers_of_a_sequential_come_first() -> None:
    config = graph()
    lstm = config["layers"][1]
    network = sequential([dense([2.0], [1.0]), lstm], 2, 1)
    hidden = Graph(config).compute(sequences=SEQUENCE, output="last")
    np.testing.assert_allclose(network.compute(sequences={"inputs": SEQUENCE["s"]}), 2 * hidden + 1)


def test_too_few_steps_for_a_valid_convolution() -> None:
    config = graph()
    config["layers"][1] = {
        "architecture": "conv1d",
        "weights": [1.0] * 8,
        "bias": [0.0],
        "dilation_rate": 1,
        "padding": "valid",
        "activation": "linear",
    }
    with pytest.raises(ValueError, match=r"layers\[1\]: 3 steps are too few for valid padding, 4"):
        Graph(config).compute(sequences=SEQUENCE, output="last")


def test_a_large_generator_is_fast() -> None:
    rng = np.random.default_rng(1)

    def random(out: int, width: int, activation: Any) -> dict[str, Any]:
        weights = rng.normal(0, 0.05, out * width).tolist()
        return dense(weights, [0.0] * out, activation)

    layers = [random(512, 130, "tanh"), random(512, 512, "tanh")]
    nodes: list[dict[str, Any]] = [
        {"type": "input", "sources": [0], "size": 130},
        {"type": "feed_forward", "sources": [0], "layer_index": 0},
        {"type": "feed_forward", "sources": [1], "layer_index": 1},
    ]
    ends = []
    for voxels in (288, 144, 72):
        layers += [random(voxels, 512, "softmax"), random(1, 512, "linear")]
        start = len(nodes)
        for layer in (len(layers) - 2, len(layers) - 1):
            nodes.append({"type": "feed_forward", "sources": [2], "layer_index": layer})
        nodes.append({"type": "concatenate", "sources": [start, start + 1]})
        width = voxels + 1
        carry = np.zeros((width, width))
        carry[:, -1] = -1
        zeros = {"weights": [0.0] * width**2, "bias": [0.0] * width}
        layers.append(
            {
                "architecture": "highway",
                "components": {"t": zeros, "carry": {**zeros, "weights": carry.ravel().tolist()}},
                "activation": "linear",
            }
        )
        nodes.append(
            {"type": "feed_forward", "sources": [start + 2], "layer_index": len(layers) - 1}
        )
        ends.append(len(nodes) - 1)
    nodes.append({"type": "concatenate", "sources": ends})
    names = [f"v{i}" for i in range(130)]
    config = {
        "inputs": [{"name": "x", "variables": variables(*names)}],
        "input_sequences": [],
        "nodes": nodes,
        "layers": layers,
        "outputs": {
            "y": {"node_index": len(nodes) - 1, "labels": [str(i) for i in range(507)]},
        },
    }
    network = Graph(config, dtype=np.float32)
    x = rng.normal(size=(10_000, 130)).astype(np.float32)
    start_time = time.perf_counter()
    y = network.compute({"x": x})
    assert time.perf_counter() - start_time < 10
    assert y.shape == (10_000, 507)
    assert (y[:, :288].sum(axis=1) < 1).all()


def broken(path: str, value: Any) -> dict[str, Any]:
    """The graph with one field changed; a path like ``nodes.3.layer_index``."""
    config = graph()
    *parents, key = [int(part) if part.isdigit() else part for part in path.split(".")]
    item: Any = config
    for parent in parents:
        item = item[parent]
    if value is None:
        del item[key]
    else:
        item[key] = value
    return config


@pytest.mark.parametrize(
    "path, value, message",
    [
        ("nodes.3.layer_index", 9, r"field nodes\[3\]\.layer_index is 9, but there are 3 layers"),
        ("nodes.3.type", "lstm", r"field nodes\[3\]\.type is 'lstm'; expected one of 'add'"),
        ("nodes.3", 7, r"field nodes\[3\] is not an object"),
        ("nodes.4.sources", [0, 99], r"field nodes\[4\]\.sources holds 99, but there are 9 nodes"),
        ("nodes.4.sources", [0, -1], r"field nodes\[4\]\.sources holds -1; expected a node's"),
        ("nodes.4.sources", [0, 5], r"field nodes\[\d\]\.sources holds \d, which is a cycle"),
        ("nodes.4.sources", [0, 6], r"nodes\[4\]\.sources holds 6, a time_distributed node, but"),
        ("nodes.5.sources", [0, 1], r"field nodes\[5\]\.sources has 2 entries; expected 1 source"),
        ("nodes.4.sources", [], r"field nodes\[4\]\.sources has 0 entries; expected at least 1"),
        ("nodes.6.sources", [0], r"nodes\[6\]\.sources holds 0, a input node, but a time_distri"),
        ("nodes.8.sources", [0, 1], r"field nodes\[8\]\.sources adds vectors of widths \[2, 1\]"),
        ("nodes.0.size", 3, r"field nodes\[0\]\.size is 3, but inputs\[0\] has 2 variables"),
        ("nodes.1.sources", [2], r"field nodes\[1\]\.sources holds 2, but there are 2 inputs"),
        ("nodes.5.sources", [0], r"layers\[0\]\.weights has 8 elements.*bias|bias has 2 elements"),
        ("layers.0.weights", [1.0] * 7, r"layers\[0\]\.weights has 7 elements, not a multiple of"),
        ("layers.0.bias", [1.0], r"field layers\[0\]\.bias has 1 elements, but the layer has 2"),
        ("layers.0.weights", [float("nan")] * 8, r"field layers\[0\]\.weights\[0\] is nan"),
        ("layers.0.weights", [[1.0]], r"field layers\[0\]\.weights has shape \(1, 1\)"),
        ("layers.0.weights", ["a"], r"field layers\[0\]\.weights is not an array of numbers"),
        ("layers.0.weights", None, r"field layers\[0\]\.weights is missing"),
        ("layers.0.activation", "gelu", r"field layers\[0\]\.activation is 'gelu'; expected one"),
        ("layers.0.activation", {"function": "elu"}, r"activation\.alpha is None; expected a fin"),
        ("layers.0.architecture", "lstm", r"architecture is 'lstm'; a feed-forward node runs one"),
        ("layers.1.architecture", "dense", r"architecture is 'dense'; a sequence node runs one"),
        ("layers.0", 3, r"field layers\[0\] is not an object"),
        ("layers.1.components.f", None, r"field layers\[1\]\.components\.f is missing"),
        (
            "layers.1.components.f.U",
            [1.0, 2.0],
            r"components\.f\.U has 2 elements; expected 1\*\*2",
        ),
        ("layers.1.components.f.bias", [], r"components\.f\.bias has 0 elements, but the weights"),
        ("layers.2.weights", [1.0], r"field layers\[2\]\.weights has 1 elements, but the layer"),
        ("inputs.0.variables.1.scale", "2", r"field inputs\[0\]\.variables\[1\]\.scale is '2'"),
        ("inputs.0.variables.1", 2, r"field inputs\[0\]\.variables\[1\] is not an object"),
        ("inputs.1", [], r"field inputs\[1\] is not an object"),
        ("outputs.y.node_index", 9, r"field outputs\.y\.node_index is 9, but there are 9 nodes"),
        ("outputs.y.labels", ["a", "b", "c"], r"outputs\.y\.labels has 3 labels, but node 5 has 2"),
        ("outputs.y.labels", ["a", "a"], r"field outputs\.y\.labels holds 'a' more than once"),
        ("outputs", {}, "field outputs is empty"),
        ("layers", None, "field layers is missing; the model has 'input_sequences', 'inputs'"),
    ],
)
def test_broken_json(path: str, value: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        Graph(broken(path, value))


def test_input_nodes_of_one_name_share_what_is_given() -> None:
    """As in lwtnn, where a node looks its variables up by name in what is given under its own."""

    def node(*names: str) -> dict[str, Any]:
        variables = [{"name": name, "offset": 1.0, "scale": 2.0} for name in names]
        return {"name": "a", "variables": variables}

    config = {
        "inputs": [node("z", "x"), node("y", "x")],
        "input_sequences": [],
        "nodes": [
            {"type": "input", "sources": [1], "size": 2},
            {"type": "input", "sources": [0], "size": 2},
            {"type": "concatenate", "sources": [0, 1]},
        ],
        "layers": [],
        "outputs": {"out": {"node_index": 2, "labels": ["y", "x", "z", "x again"]}},
    }
    shared = Graph(config)
    assert shared.inputs == {"a": ("z", "x", "y")}
    given = {"x": [10.0, 20.0], "y": [30.0, 40.0], "z": [50.0, 60.0]}
    expected = [[62.0, 22.0, 102.0, 22.0], [82.0, 42.0, 122.0, 42.0]]
    np.testing.assert_array_equal(shared.compute({"a": given}), expected)
    side_by_side = np.stack([given["z"], given["x"], given["y"]], axis=1)
    np.testing.assert_array_equal(shared.compute({"a": side_by_side}), expected)
    with pytest.raises(ValueError, match="input 'a' lacks the variables 'z'"):
        shared.compute({"a": {"x": 1.0, "y": 2.0}})


PARTS = {"weights": [1.0, 1.0], "bias": [1.0]}


@pytest.mark.parametrize(
    "layer, message",
    [
        ({"architecture": "maxout"}, "sublayers is missing or empty"),
        (
            {
                "architecture": "maxout",
                "sublayers": [PARTS, {"weights": [1.0] * 4, "bias": [1.0] * 2}],
            },
            r"sublayers have different widths: \[1, 2\]",
        ),
        (
            {"architecture": "highway", "components": {"t": PARTS, "carry": PARTS}},
            r"components\.t has 1 outputs, but the layer reads 2 values",
        ),
        ({"architecture": "embedding"}, "sublayers is missing or empty"),
        (
            {"architecture": "embedding", "sublayers": [{"weights": [1.0], "index": 2}]},
            r"sublayers\[0\]\.index is 2; the layer reads 2 values",
        ),
        (
            {
                "architecture": "embedding",
                "sublayers": [{"weights": [1.0], "index": 0, "n_out": 2}],
            },
            r"sublayers\[0\]\.n_out is 2 for 1 weights",
        ),
    ],
)
def test_broken_layers(layer: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=r"field layers\[0\]\." + message):
        sequential([layer], 2, 1)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"weights": [1.0] * 3}, "weights has 3 elements, not a multiple of 2 inputs times 1"),
        ({"dilation_rate": 0}, "dilation_rate is 0; expected 1 or more"),
        ({"padding": "full"}, "padding is 'full'; expected valid, same or causal"),
    ],
)
def test_broken_convolution(changes: dict[str, Any], message: str) -> None:
    config = graph()
    config["layers"][1] = {
        "architecture": "conv1d",
        "weights": [1.0] * 4,
        "bias": [0.0],
        "dilation_rate": 1,
        "padding": "valid",
        "activation": "linear",
        **changes,
    }
    with pytest.raises(GraphError, match=r"field layers\[1\]\." + message):
        Graph(config)


def test_one_layer_on_two_widths() -> None:
    config = graph()
    config["layers"].append(dense([], [], "tanh"))
    config["nodes"] += [
        {"type": "feed_forward", "sources": [0], "layer_index": 3},
        {"type": "feed_forward", "sources": [1], "layer_index": 3},
    ]
    with pytest.raises(GraphError, match="a layer that reads 2 values elsewhere and 1 here"):
        Graph(config)


def places(item: Any) -> list[tuple[Any, Any]]:
    """Every container of a JSON value with each of its keys."""
    keys = list(item) if isinstance(item, dict) else range(len(item))
    found = [(item, key) for key in keys]
    for key in keys:
        if isinstance(item[key], (dict, list)):
            found += places(item[key])
    return found


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_other_json_is_a_graph_error_or_runs(data: st.DataObject) -> None:
    config = graph()
    embedding = {"weights": [1.0, 2.0], "index": 1, "n_out": 2}
    config["layers"] += [
        {"architecture": "maxout", "sublayers": [{"weights": [1.0, 2.0], "bias": [0.0]}]},
        {"architecture": "embedding", "sublayers": [embedding]},
    ]
    config["nodes"] += [
        {"type": "feed_forward", "sources": [0], "layer_index": 3},
        {"type": "sequence", "sources": [2], "layer_index": 4},
    ]
    spots = places(config)
    item, key = spots[data.draw(st.integers(0, len(spots) - 1))]
    item[key] = data.draw(json_values)
    with contextlib.suppress(GraphError):
        Graph(config)


@pytest.mark.parametrize(
    "text, message",
    [("{", r"m\.json is not JSON"), ("[]", r"m\.json holds a list; expected a JSON object")],
)
def test_files_that_are_not_json(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(GraphError, match=message):
        Graph(tmp_path / "m.json")


def test_unknown_keys_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(json.dumps({**graph(), "calogan": {"schema_version": 1}}))
    assert Graph(tmp_path / "m.json").inputs["b"] == ("r",)


@pytest.mark.parametrize(
    "inputs, sequences, output, message",
    [
        ({"c": [1.0]}, None, "y", "no input 'c'; the network has 'a', 'b'"),
        ({}, {"t": [1.0]}, "y", "no input sequence 't'; the network has 's'"),
        ({"a": [[1.0, 2.0]]}, SEQUENCE, "y", "inputs lacks 'b', which the output"),
        (VECTORS, None, "y", "sequences lacks 's', which the output depends on"),
        ({"a": {"p": 1.0}}, None, "y", "input 'a' lacks the variables 'q'"),
        ({"a": np.ones((2, 3))}, None, "y", r"shape \(2, 3\); expected \(n, 2\)"),
        (
            VECTORS,
            {"s": np.ones((2, 3, 1))},
            "y",
            r"shape \(2, 3, 1\); expected \(n, steps, 2\)",
        ),
        (
            {"a": np.ones((3, 2)), "b": np.ones((2, 1))},
            SEQUENCE,
            "y",
            r"differ in their number of events: \[2, 3\]",
        ),
        (VECTORS, SEQUENCE, "x", "no output 'x'; the outputs are 'last', 'steps'"),
        (VECTORS, SEQUENCE, "steps", "from a time_distributed node; use scan for it"),
    ],
)
def test_wrong_inputs(inputs: Any, sequences: Any, output: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Graph(graph()).compute(inputs, sequences, output)


def test_scan_of_a_vector_and_other_dtypes() -> None:
    with pytest.raises(ValueError, match="output 'y' comes from a feed_forward node; use compute"):
        Graph(graph()).scan(VECTORS, SEQUENCE, "y")
    with pytest.raises(ValueError, match="dtype is float16; expected float32 or float64"):
        Graph(graph(), dtype=np.float16)
