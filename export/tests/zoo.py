"""Small models, one for each thing that the converter can express, with random weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers as kl

from lwtnn_converter import layers as own

WIDTH = 5
STEPS = 6
CATEGORIES = 7


def randomize(model: Any, seed: int = 1) -> Any:
    """Give a model weights that make every term of every layer count."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.dtype.startswith("float"):
            values = rng.normal(0.0, 0.6, weight.shape)
            weight.assign(np.abs(values) + 0.3 if "variance" in weight.path else values)
    return model


def vector(*layers: Any) -> Any:
    return keras.Sequential([keras.Input((WIDTH,), name="x"), *layers])


def sequence(*layers: Any, steps: int | None = STEPS) -> Any:
    return keras.Sequential([keras.Input((steps, WIDTH), name="x"), *layers])


def indices(*layers: Any, steps: int | None = STEPS) -> Any:
    return keras.Sequential([keras.Input((steps,), name="index"), *layers])


def _normalization(**options: Any) -> Any:
    layer = kl.Normalization(**options)
    rng = np.random.default_rng(3)
    layer.adapt(rng.normal(2.0, [1.0, 0.1, 3.0, 1.0, 10.0], (200, WIDTH)))
    return layer


def _zero_gamma() -> Any:
    model = randomize(vector(kl.BatchNormalization()))
    gamma = np.array([0.0, 1.0, -2.0, 1e-38, 0.0])
    model.layers[0].gamma.assign(gamma)
    return model


def _gate() -> Any:
    x, y = keras.Input((WIDTH,), name="x"), keras.Input((2,), name="y")
    parts = []
    for number in range(2):
        fractions = kl.Dense(4, activation="softmax")(x)
        parts.append(own.Gate(name=f"gate_{number}")([fractions, kl.Dense(1)(y)]))
    return keras.Model([x, y], kl.Concatenate(name="fractions")(parts))


def _group_softmax(sizes: tuple[int, ...]) -> Any:
    x, y = keras.Input((WIDTH,), name="x"), keras.Input((2,), name="y")
    parts = [kl.Dense(sum(sizes))(x), kl.Dense(len(sizes) + 1)(y)]
    return keras.Model([x, y], own.GroupSoftmax(sizes)(parts))


def _residual() -> Any:
    x = keras.Input((WIDTH,), name="x")
    dense = kl.Dense(WIDTH, activation="tanh")
    once = kl.Add()([x, dense(x)])
    return keras.Model(x, kl.Add()([once, dense(once), x]))


def _operators() -> Any:
    x, steps = keras.Input((WIDTH,), name="x"), keras.Input((STEPS, WIDTH), name="steps")
    total = kl.Dense(WIDTH)(x) + keras.ops.sum(steps, axis=1)
    total = keras.ops.cast(total, "float64")
    same = keras.ops.cast(total, "float32")
    return keras.Model([x, steps], keras.ops.concatenate([same, x], axis=-1))


def _several() -> Any:
    x, y = keras.Input((WIDTH,), name="x"), keras.Input((2,), name="y")
    steps = keras.Input((STEPS, 3), name="steps")
    h = kl.Concatenate()([x, y, kl.LSTM(4)(steps)])
    h = kl.Dense(8, activation="relu")(h)
    first = kl.Dense(3, activation="softmax", name="classes")(h)
    return keras.Model([x, y, steps], [first, kl.Dense(2, name="regression")(h), h])


def _nested() -> Any:
    inner = keras.Sequential([kl.Dense(4, activation="relu"), kl.BatchNormalization()], name="in")
    a, b = keras.Input((WIDTH,), name="a"), keras.Input((WIDTH,), name="b")
    left, right = inner(a), inner(b)
    pair = keras.Model([a, b], [kl.Concatenate()([left, right]), left], name="pair")
    x, y = keras.Input((WIDTH,), name="x"), keras.Input((WIDTH,), name="y")
    both, one = pair([x, y])
    swapped, _ = pair([y, x])
    return keras.Model([x, y], kl.Concatenate()([both, swapped, kl.Dense(2)(one), inner(y)]))


def _shared_activation() -> Any:
    x, y = keras.Input((WIDTH,), name="x"), keras.Input((2,), name="y")
    act = kl.Activation("hard_sigmoid")
    return keras.Model([x, y], kl.Concatenate()([act(x), act(y)]))


def _masked() -> Any:
    return sequence(
        kl.Masking(0.0), kl.LSTM(4, return_sequences=True), kl.GRU(3, reset_after=False)
    )


def _diagonal_gru() -> Any:
    model = randomize(sequence(kl.GRU(3)))
    cell = model.layers[0].cell
    kernel, bias = np.array(cell.recurrent_kernel), np.array(cell.bias)
    kernel[:, 6:] = np.diag([0.5, -1.0, 2.0])
    bias[1, 6:] = 0
    cell.recurrent_kernel.assign(kernel)
    cell.bias.assign(bias)
    return model


def _double_embedding() -> Any:
    index, x = keras.Input((1,), name="index"), keras.Input((WIDTH,), name="x")
    flat = kl.Flatten()(kl.Embedding(CATEGORIES, 3)(index))
    return keras.Model([index, x], kl.Concatenate()([flat, x]))


def _distributed_model() -> Any:
    inner = keras.Sequential([kl.Dense(4, activation="relu"), kl.Dropout(0.1), kl.Dense(2)])
    return sequence(kl.TimeDistributed(inner), own.Sum())


FUNCTIONS = {
    "linear": None,
    "sigmoid": "sigmoid",
    "relu": "relu",
    "softmax": "softmax",
    "tanh": "tanh",
    "hard_sigmoid": "hard_sigmoid",
    "elu": "elu",
    "leaky_relu": "leaky_relu",
    "swish": "swish",
    "silu": "silu",
    "abs": own.absolute,
    "ops.abs": keras.ops.abs,
}

ZOO: dict[str, Callable[[], Any]] = {
    **{
        f"dense {name}": lambda f=f: vector(kl.Dense(6, activation=f))
        for name, f in FUNCTIONS.items()
    },
    **{f"activation {name}": lambda f=f: vector(kl.Activation(f)) for name, f in FUNCTIONS.items()},
    "dense without bias": lambda: vector(kl.Dense(4, use_bias=False)),
    "dense with layer as activation": lambda: vector(kl.Dense(4, activation=kl.LeakyReLU(0.07))),
    "relu layer": lambda: vector(kl.ReLU()),
    "relu with slope": lambda: vector(kl.ReLU(negative_slope=0.15)),
    "leaky relu layer": lambda: vector(kl.LeakyReLU(negative_slope=0.05)),
    "elu layer": lambda: vector(kl.ELU(alpha=0.4)),
    "softmax layer": lambda: vector(kl.Softmax()),
    "batch normalization": lambda: vector(kl.BatchNormalization()),
    "batch normalization without scale": lambda: vector(kl.BatchNormalization(scale=False)),
    "batch normalization without center": lambda: vector(kl.BatchNormalization(center=False)),
    "batch normalization with gamma 0": _zero_gamma,
    "normalization": lambda: vector(_normalization()),
    "normalization inverted": lambda: vector(_normalization(invert=True)),
    "normalization by numbers": lambda: vector(
        kl.Normalization(mean=[2.0] * WIDTH, variance=[9.0] * WIDTH)
    ),
    "rescaling": lambda: vector(kl.Rescaling(0.25, offset=-3.0)),
    "rescaling each": lambda: vector(kl.Rescaling([1.0, 2.0, 0.0, 4.0, 5.0], [0.0, 0, 7, 1, 1])),
    "highway": lambda: vector(own.Highway(activation="tanh")),
    "highway hard_sigmoid": lambda: vector(own.Highway(activation="hard_sigmoid")),
    "maxout": lambda: vector(own.Maxout(4, pieces=3)),
    "scale": lambda: vector(own.Scale(), kl.Activation("swish")),
    "gate": _gate,
    "group softmax": lambda: _group_softmax((4, 1, 3)),
    "group softmax, equal groups": lambda: _group_softmax((3, 3)),
    "dropped layers": lambda: vector(
        kl.Dropout(0.5),
        kl.GaussianNoise(1.0),
        kl.Dense(3),
        kl.GaussianDropout(0.5),
        kl.AlphaDropout(0.5),
        kl.Identity(),
        kl.ActivityRegularization(l2=1.0),
        kl.Flatten(),
        kl.Reshape((3,)),
    ),
    "residual, shared": _residual,
    "operators": _operators,
    "several inputs and outputs": _several,
    "nested, shared": _nested,
    "shared activation": _shared_activation,
    "lstm": lambda: sequence(kl.LSTM(4)),
    "lstm sequence": lambda: sequence(kl.LSTM(4, return_sequences=True), kl.LSTM(3), kl.Dense(2)),
    "lstm activations": lambda: sequence(
        kl.LSTM(4, activation="softmax", recurrent_activation="hard_sigmoid", use_bias=False)
    ),
    "gru": lambda: sequence(kl.GRU(4, reset_after=False)),
    "gru activations": lambda: sequence(
        kl.GRU(4, activation="hard_sigmoid", recurrent_activation="hard_sigmoid", reset_after=False)
    ),
    "gru without bias": lambda: sequence(kl.GRU(4, use_bias=False, reset_after=False)),
    "gru reset_after, diagonal": _diagonal_gru,
    "gru reset_after, one unit": lambda: sequence(kl.GRU(1, use_bias=False)),
    "simple rnn": lambda: sequence(kl.SimpleRNN(4)),
    "simple rnn hard_sigmoid": lambda: sequence(kl.SimpleRNN(4, activation="hard_sigmoid")),
    "masking": _masked,
    **{
        f"conv1d {padding} {size} {dilation}": lambda p=padding, s=size, d=dilation: sequence(
            kl.Conv1D(4, s, padding=p, dilation_rate=d, activation="relu")
        )
        for padding in ("valid", "same", "causal")
        for size in (1, 2, 3, 4)
        for dilation in ((1,) if size in (1, 4) else (1, 2, 3))
        if padding != "valid" or (size - 1) * dilation < STEPS
    },
    "conv1d softmax": lambda: sequence(kl.Conv1D(4, 2, padding="same", activation="softmax")),
    "conv1d hard_sigmoid": lambda: sequence(kl.Conv1D(4, 2, activation="hard_sigmoid")),
    "conv1d without bias": lambda: sequence(kl.Conv1D(4, 2, use_bias=False), kl.LSTM(2)),
    "conv1d to one step": lambda: sequence(kl.Conv1D(4, STEPS), kl.Flatten(), kl.Dense(2)),
    "embedding": lambda: indices(kl.Embedding(CATEGORIES, 3), kl.LSTM(4), steps=None),
    "embedding of one": _double_embedding,
    "time distributed": lambda: sequence(
        kl.TimeDistributed(kl.Dense(4, activation="softmax")),
        kl.TimeDistributed(kl.BatchNormalization()),
        kl.SpatialDropout1D(0.5),
        kl.GRU(3, reset_after=False),
        steps=None,
    ),
    "time distributed model": _distributed_model,
    "layers on sequences": lambda: sequence(
        kl.Dense(4, activation="relu"),
        kl.BatchNormalization(),
        own.Maxout(3),
        own.Highway(),
        kl.Softmax(),
        own.Sum(),
    ),
    "sequence output": lambda: sequence(kl.LSTM(4, return_sequences=True)),
    "time distributed output": lambda: sequence(kl.Dense(4)),
}

# Built with weights that must stay as they are.
FINISHED = {"batch normalization with gamma 0", "gru reset_after, diagonal"}


def build(name: str) -> Any:
    keras.utils.set_random_seed(7)
    model = ZOO[name]()
    return model if name in FINISHED else randomize(model)


def events(model: Any, number: int = 40, seed: int = 2) -> dict[str, np.ndarray]:
    """Random inputs of a model by name; whole numbers for an input called ``index``."""
    rng = np.random.default_rng(seed)
    inputs = {}
    for tensor in model.inputs:
        shape = [STEPS if size is None else size for size in tensor.shape[1:]]
        if tensor.name == "index":
            values = rng.integers(0, CATEGORIES, (number, *shape))
        else:
            values = rng.normal(0.0, 2.0, (number, *shape))
        inputs[tensor.name] = values.astype(np.float32)
    return inputs


def keras_outputs(model: Any, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    given = [inputs[tensor.name] for tensor in model.inputs]
    result = model(given[0] if len(given) == 1 else given, training=False)
    values = result if isinstance(result, list) else [result]
    return [np.asarray(keras.ops.convert_to_numpy(value)) for value in values]
