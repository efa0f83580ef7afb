from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import pytest
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers as kl

import lwtnn_converter
from lwtnn_converter import ConversionError, Graph, convert, dumps
from lwtnn_converter import layers as own
from lwtnn_converter.converter import TABLE, template


def through_json(graph: dict[str, Any]) -> dict[str, Any]:
    return json.loads(dumps(graph))


def feeds(graph: dict[str, Any], inputs: dict[str, np.ndarray]) -> tuple[Any, Any]:
    vectors = {node["name"]: inputs[node["name"]] for node in graph["inputs"]}
    sequences = {}
    for node in graph["input_sequences"]:
        array = inputs[node["name"]]
        sequences[node["name"]] = array if array.ndim == 3 else array[..., np.newaxis]
    return vectors, sequences


def assert_same(model: Any, number: int = 20, rtol: float = 1e-5) -> dict[str, Any]:
    """Keras and the NumPy evaluator agree on every output; returns the JSON."""
    graph = through_json(convert(model))
    inputs = zoo.events(model, number)
    vectors, sequences = feeds(graph, inputs)
    for dtype in (np.float64, np.float32):
        network = Graph(graph, dtype=dtype)
        for name, expected in zip(graph["outputs"], zoo.keras_outputs(model, inputs), strict=True):
            run = network.scan if expected.ndim == 3 else network.compute
            found = run(vectors, sequences, name)
            assert found.shape == expected.shape
            scale = np.abs(expected).max()
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * scale)
    return graph


@pytest.mark.parametrize("name", zoo.ZOO)
def test_zoo_gives_what_keras_gives(name: str) -> None:
    assert_same(zoo.build(name))


def test_every_entry_of_the_table_is_in_the_zoo() -> None:
    seen: set[type] = set()

    def visit(operation: Any) -> None:
        seen.add(type(operation))
        if isinstance(operation, keras.layers.Wrapper):
            visit(operation.layer)
        for inner in (*getattr(operation, "layers", ()), *getattr(operation, "operations", ())):
            visit(inner)

    for make in zoo.ZOO.values():
        visit(make())
    assert set(TABLE) - seen == set()


SEQUENTIAL = [
    "dense relu",
    "dropped layers",
    "batch normalization with gamma 0",
    "highway",
    "maxout",
    "lstm sequence",
    "gru",
    "simple rnn",
    "embedding",
]


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_sequential_json(name: str) -> None:
    model = zoo.build(name)
    result = through_json(convert(model, sequential=True))
    assert set(result) == {"inputs", "layers", "outputs", "defaults", "miscellaneous"}
    inputs = zoo.events(model)
    (array,) = inputs.values()
    network = Graph(result)
    if network.sequences:
        array = array if array.ndim == 3 else array[..., np.newaxis]
        found = network.compute(sequences={"inputs": array})
    else:
        found = network.compute({"inputs": array})
    np.testing.assert_allclose(found, zoo.keras_outputs(model, inputs)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name, message",
    [
        ("gate", "one input and one output; this model has 2 and 1"),
        ("residual, shared", "'add' becomes 'add' in a graph"),
        ("conv1d softmax", "layer 'conv1d.*': lwtnn's sequential form has no convolutions"),
        ("time distributed", "'dense.*' becomes 'time_distributed' in a graph"),
        ("sequence output", "gives the last layer's vector"),
    ],
)
def test_no_sequential_form(name: str, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        convert(zoo.build(name), sequential=True)


def test_sequential_variables_of_keras2json() -> None:
    variables = {
        "inputs": [
            {"name": f"v{i}", "offset": -i, "scale": 0.5, "default": i / 4}
            for i in range(zoo.WIDTH)
        ],
        "class_labels": ["light", "charm", "bottom"],
        "miscellaneous": {"trained": 2024},
    }
    model = zoo.randomize(zoo.vector(kl.Dense(3)))
    result = convert(model, variables, sequential=True)
    assert result["outputs"] == ["light", "charm", "bottom"]
    assert result["inputs"][2] == {"name": "v2", "offset": -2.0, "scale": 0.5}
    assert result["defaults"]["v3"] == 0.75
    assert result["miscellaneous"] == {"trained": "2024"}


# Structure


def test_shared_layers_are_stored_once() -> None:
    graph = convert(zoo.build("nested, shared"))
    kinds = [layer["architecture"] for layer in graph["layers"]]
    assert sorted(kinds) == ["dense", "dense", "normalization"]
    assert len(graph["nodes"]) > 10


def test_shared_activation_of_two_widths_is_two_layers() -> None:
    graph = convert(zoo.build("shared activation"))
    scales = [layer for layer in graph["layers"] if layer["architecture"] == "normalization"]
    assert [len(layer["weights"]) for layer in scales] == [zoo.WIDTH, 2]


def test_dropped_layers_leave_nothing() -> None:
    graph = convert(zoo.build("dropped layers"))
    assert [node["type"] for node in graph["nodes"]] == ["input", "feed_forward"]


def test_gate_is_a_concatenation_and_a_highway() -> None:
    x, logit = keras.Input((2,), name="x"), keras.Input((1,), name="logit")
    graph = convert(keras.Model([x, logit], own.Gate()([x, logit])))
    assert [node["type"] for node in graph["nodes"]][2:] == ["concatenate", "feed_forward"]
    (layer,) = graph["layers"]
    assert layer == {
        "architecture": "highway",
        "components": {
            "t": {"weights": [0.0] * 9, "bias": [0.0] * 3},
            "carry": {"weights": [0.0, 0.0, -1.0] * 3, "bias": [0.0] * 3},
        },
        "activation": "linear",
    }
    found = Graph(graph, dtype=np.float32).compute({"x": [[1.0, 3.0]], "logit": [[-12.0]]})
    gate = 1 / (1 + np.exp(12.0))
    np.testing.assert_allclose(found, [[gate, 3 * gate, -12 * gate]], rtol=1e-6)


def test_weights_are_row_major_outputs_first() -> None:
    model = zoo.vector(kl.Dense(3))
    kernel = np.arange(15, dtype=np.float32).reshape(5, 3)
    model.layers[0].set_weights([kernel, np.zeros(3, np.float32)])
    (layer,) = convert(model)["layers"]
    assert layer["weights"][:6] == [0.0, 3.0, 6.0, 9.0, 12.0, 1.0]


def test_half_precision_weights() -> None:
    for policy in ("mixed_float16", "float16", "bfloat16"):
        x = keras.Input((zoo.WIDTH,), name="x")
        h = kl.Dense(8, activation="relu", dtype=policy)(x)
        model = keras.Model(x, kl.Dense(2, dtype="float32")(h))
        assert_same(zoo.randomize(model), rtol=3e-2)


def test_output_that_is_an_input() -> None:
    x = keras.Input((zoo.WIDTH,), name="x")
    model = keras.Model(x, {"copy": kl.Identity()(x), "sum": kl.Dense(1)(x)})
    graph = assert_same_outputs_in_dict(model)
    assert graph["outputs"]["copy"]["node_index"] == 0


def assert_same_outputs_in_dict(model: Any) -> dict[str, Any]:
    graph = convert(model)
    inputs = zoo.events(model)
    found = Graph(graph).compute(inputs)
    expected = model(inputs["x"])
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5)
    return graph


def test_models_saved_and_loaded(tmp_path: Any) -> None:
    x = keras.Input((zoo.WIDTH,), name="x")
    h = own.Highway(activation=own.absolute, carry_bias=1.0)(x)
    h = own.Maxout(3, pieces=4)(h)
    model = zoo.randomize(keras.Model(x, own.Gate()([h, kl.Dense(1)(x)])))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert dumps(convert(loaded)) == dumps(convert(model))
    assert_same(loaded)


def test_functional_subclass_that_only_trains_differently() -> None:
    class Trainer(keras.Model):
        def train_step(self, data: Any) -> dict[str, Any]:
            raise NotImplementedError

    x = keras.Input((zoo.WIDTH,), name="x")
    assert_same(zoo.randomize(Trainer(x, kl.Dense(2)(x))))


# Names


def test_default_names() -> None:
    graph = convert(zoo.build("several inputs and outputs"))
    assert [node["name"] for node in graph["inputs"]] == ["x", "y"]
    assert graph["inputs"][1]["variables"] == [
        {"name": "y_0", "offset": 0.0, "scale": 1.0},
        {"name": "y_1", "offset": 0.0, "scale": 1.0},
    ]
    assert [node["name"] for node in graph["input_sequences"]] == ["steps"]
    assert graph["outputs"]["classes"]["labels"] == ["classes_0", "classes_1", "classes_2"]


def test_two_outputs_of_one_layer_get_two_names() -> None:
    x = keras.Input((2,), name="x")
    dense = kl.Dense(2, name="d")
    graph = convert(keras.Model(x, [dense(x), dense(dense(x))]))
    assert list(graph["outputs"]) == ["d", "d_1"]


def test_offset_and_scale_are_applied_before_the_network() -> None:
    model = zoo.build("dense tanh")
    variables = template(model)
    for number, variable in enumerate(variables["inputs"][0]["variables"]):
        variable.update(offset=-0.5 * number, scale=1.0 / (1 + number))
    inputs = zoo.events(model)
    shifts = 0.5 * np.arange(zoo.WIDTH)
    scaled = ((inputs["x"] - shifts) / (1 + np.arange(zoo.WIDTH))).astype(np.float32)
    expected = zoo.keras_outputs(model, {"x": scaled})[0]
    found = Graph(convert(model, variables)).compute(inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_output_labels() -> None:
    x = keras.Input((2,), name="x")
    model = keras.Model(x, kl.Dense(2, name="d")(x))
    assert convert(model, output_labels=["a", "b"])["outputs"]["d"]["labels"] == ["a", "b"]
    graph = convert(model, output_labels={"fractions": ["a", "b"]})
    assert graph["outputs"] == {"fractions": {"labels": ["a", "b"], "node_index": 1}}


def test_masked_steps_are_left_out_for_lwtnn() -> None:
    model = zoo.build("masking")
    inputs = zoo.events(model, 5)
    inputs["x"][:, 4:] = 0.0
    expected = zoo.keras_outputs(model, inputs)[0]
    found = Graph(convert(model)).compute(sequences={"x": inputs["x"][:, :4]})
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_miscellaneous_is_passed_on() -> None:
    model = zoo.build("dense relu")
    assert convert(model, {"miscellaneous": {"year": 2024}})["miscellaneous"] == {"year": "2024"}
    assert "miscellaneous" not in convert(model)


# What cannot be converted


def sequence_of(layer: Any) -> Any:
    return zoo.sequence(layer)


def merged_sequences(layer: Any) -> Any:
    a, b = keras.Input((4, 2)), keras.Input((4, 2))
    return keras.Model([a, b], layer([a, b]))


def called(make: Any) -> Any:
    x = keras.Input((zoo.WIDTH,), name="x")
    return keras.Model(x, make(x))


def stateful_start() -> Any:
    steps, state = keras.Input((4, 2)), keras.Input((3,))
    return keras.Model([steps, state], kl.SimpleRNN(3)(steps, initial_state=state))


def with_states() -> Any:
    steps = keras.Input((4, 2))
    return keras.Model(steps, kl.LSTM(3, return_state=True)(steps)[1])


def two_uses_of_an_index() -> Any:
    index = keras.Input((1,), name="index")
    embedded = kl.Flatten()(kl.Embedding(4, 2)(index))
    return keras.Model(index, kl.Concatenate()([embedded, kl.Dense(2)(index)]))


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="mine")
        self.dense = kl.Dense(2)

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)


class ScaledDense(kl.Dense):
    def call(self, inputs: Any) -> Any:
        return 2 * super().call(inputs)


REFUSED: dict[str, tuple[Any, str]] = {
    "layer": (
        lambda: zoo.vector(kl.LayerNormalization(name="ln")),
        r"layer 'ln' \(LayerNormalization\) cannot be computed by lwtnn; supported are Activation",
    ),
    "subclass of a layer": (
        lambda: zoo.vector(ScaledDense(2, name="mine")),
        r"layer 'mine' \(ScaledDense\) cannot be computed",
    ),
    "layer in a nested model": (
        lambda: zoo.vector(keras.Sequential([kl.UnitNormalization(name="un")], name="inner")),
        r"layer 'inner/un' \(UnitNormalization\)",
    ),
    "lambda": (lambda: zoo.vector(kl.Lambda(lambda x: 2 * x, name="twice")), r"layer 'twice'"),
    "multiply": (
        lambda: merged_sequences(kl.Multiply(name="times")),
        r"layer 'times' \(Multiply\) cannot",
    ),
    "activation function": (
        lambda: zoo.vector(kl.Dense(2, activation="gelu", name="d")),
        r"layer 'd' \(Dense\) has the activation 'gelu', which lwtnn lacks; supported are abs",
    ),
    "activation object": (
        lambda: zoo.vector(kl.Dense(2, activation=kl.PReLU(), name="d")),
        r"layer 'd' \(Dense\) has the activation PReLU",
    ),
    "relu6": (
        lambda: zoo.vector(kl.ReLU(max_value=6.0, name="r")),
        r"layer 'r' \(ReLU\) has max_value=6.0 and threshold=0",
    ),
    "softmax axis": (
        lambda: sequence_of(kl.Softmax(axis=1, name="s")),
        r"layer 's' \(Softmax\) has axis=1",
    ),
    "batch normalization axis": (
        lambda: sequence_of(kl.BatchNormalization(axis=1, name="b")),
        r"layer 'b' \(BatchNormalization\) has axis=1",
    ),
    "normalization axis": (
        lambda: sequence_of(kl.Normalization(axis=(1, 2), name="n")),
        r"layer 'n' \(Normalization\) has axis",
    ),
    "rescaling shape": (
        lambda: sequence_of(kl.Rescaling(np.ones((zoo.STEPS, 1)), name="r")),
        r"layer 'r' \(Rescaling\) must have one scale and offset, or 5 of each",
    ),
    "gru": (
        lambda: sequence_of(kl.GRU(3, name="g")),
        r"layer 'g' \(GRU\) has reset_after=True.*reset_after=False",
    ),
    "lstm activation": (
        lambda: sequence_of(kl.LSTM(3, activation="hard_sigmoid", name="l")),
        r"layer 'l' \(LSTM\) has the activation 'hard_sigmoid', unlike",
    ),
    "backwards": (
        lambda: sequence_of(kl.LSTM(3, go_backwards=True, name="l")),
        r"layer 'l' \(LSTM\) has go_backwards=True",
    ),
    "returned states": (with_states, r"LSTM\) has return_state=True"),
    "initial state": (stateful_start, r"SimpleRNN\) is called with initial_state"),
    "bidirectional": (
        lambda: sequence_of(kl.Bidirectional(kl.LSTM(3), name="b")),
        r"layer 'b' \(Bidirectional\)",
    ),
    "strides": (
        lambda: sequence_of(kl.Conv1D(3, 2, strides=2, name="c")),
        r"layer 'c' \(Conv1D\) has strides=2, groups=1",
    ),
    "masked convolution": (
        lambda: zoo.sequence(kl.Masking(), kl.Conv1D(3, 2, name="c")),
        r"layer 'c' \(Conv1D\) reads a masked sequence and loses the mask",
    ),
    "masked sum": (
        lambda: zoo.sequence(kl.Masking(), own.Sum(name="s")),
        r"layer 's' \(Sum\) reads a masked sequence and loses the mask",
    ),
    "sum over values": (
        lambda: called(lambda x: keras.ops.sum(x, axis=1)),
        r"\(Sum\) must sum a sequence over its steps",
    ),
    "added sequences": (
        lambda: merged_sequences(kl.Add(name="a")),
        r"layer 'a' \(Add\) merges seq",
    ),
    "concatenated sequences": (
        lambda: merged_sequences(kl.Concatenate(name="c")),
        r"layer 'c' \(Concatenate\) merges sequences",
    ),
    "broadcast addition": (
        lambda: called(lambda x: kl.Add(name="a")([x, kl.Dense(1)(x)])),
        r"layer 'a' \(Add\) adds widths \[5, 1\]",
    ),
    "constant": (lambda: called(lambda x: x + 1.0), r"\(Add\) is called with the argument 1.0"),
    "whole numbers": (
        lambda: called(lambda x: keras.ops.cast(x, "int32")),
        r"\(Cast\) casts to int32; lwtnn has floating point only",
    ),
    "training": (
        lambda: called(lambda x: kl.Dropout(0.1, name="d")(x, training=True)),
        r"layer 'd' \(Dropout\) is called with training=True",
    ),
    "flatten": (
        lambda: sequence_of(kl.Flatten(name="f")),
        r"layer 'f' \(Flatten\) flattens a sequence of more than one step",
    ),
    "reshape": (
        lambda: zoo.vector(kl.Dense(6), kl.Reshape((2, 3), name="r")),
        r"layer 'r' \(Reshape\) reshapes to \(2, 3\)",
    ),
    "images": (
        lambda: keras.Sequential([keras.Input((4, 4, 3), name="x"), kl.Conv2D(2, 2)]),
        r"input 'x' has shape \(None, 4, 4, 3\)",
    ),
    "embedded values": (
        lambda: zoo.vector(kl.Dense(3, activation="relu"), kl.Embedding(4, 2, name="e")),
        r"layer 'e' \(Embedding\) must read an Input",
    ),
    "index read twice": (two_uses_of_an_index, r"input 'index' feeds both an Embedding and other"),
    "subclassed model": (Subclassed, r"model 'mine' \(Subclassed\) computes by a call of its own"),
    "unbuilt model": (
        lambda: keras.Sequential([kl.Dense(2)], name="new"),
        r"model 'new' \(Sequential\) is not built",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ConversionError, match=message):
        convert(make())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_name_the_layer(value: float) -> None:
    model = zoo.vector(kl.Dense(2, name="first"), kl.Dense(2, name="broken"))
    model.layers[1].bias.assign([0.0, value])
    with pytest.raises(ConversionError, match=r"layer 'broken' \(Dense\) has 1 of 2 values in its"):
        convert(model)


def test_not_a_model() -> None:
    with pytest.raises(TypeError, match="expected a Keras model, found Dense"):
        convert(kl.Dense(2))


# Random functional graphs

KINDS = st.sampled_from(
    ["dense", "batch", "relu", "elu", "highway", "maxout", "gate", "add", "concatenate", "dropout"]
)


@given(
    plan=st.lists(st.tuples(KINDS, st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=7)
)
@settings(max_examples=25, deadline=None)
def test_random_graphs(plan: list[tuple[str, int, int]]) -> None:
    keras.utils.set_random_seed(1)
    inputs = [keras.Input((3,), name="a"), keras.Input((4,), name="b")]
    tensors: list[Any] = list(inputs)
    shared = kl.Dense(4, activation="softmax")
    for kind, first, second in plan:
        x, y = tensors[first % len(tensors)], tensors[second % len(tensors)]
        if kind == "dense":
            result = shared(x) if x.shape[-1] == 3 else kl.Dense(3, activation="tanh")(x)
        elif kind == "gate":
            result = own.Gate()([x, kl.Dense(1)(y)])
        elif kind == "add":
            result = kl.Add()([x, kl.Dense(x.shape[-1])(y)])
        elif kind == "concatenate":
            result = kl.Concatenate()([x, y])
        else:
            layer = {
                "batch": kl.BatchNormalization,
                "relu": kl.ReLU,
                "elu": kl.ELU,
                "highway": own.Highway,
                "maxout": lambda: own.Maxout(2),
                "dropout": lambda: kl.Dropout(0.2),
            }[kind]()
            result = layer(x)
        tensors.append(result)
    joined = kl.Concatenate(name="all")(tensors)
    assert_same(zoo.randomize(keras.Model(inputs, [joined, tensors[-1]])), number=5)


# The package


def test_public_names() -> None:
    assert lwtnn_converter.__all__ == sorted(lwtnn_converter.__all__, key=str)
    for name in lwtnn_converter.__all__:
        assert getattr(lwtnn_converter, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = lwtnn_converter.nothing
