"""Keras layers as lwtnn layers: weights, activations and parameters, one function for each type.

A Keras layer becomes a chain of lwtnn layers, mostly of one. Where the two programs compute
differently, the weights are changed so that lwtnn gives what Keras gives, or the layer is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from lwtnn_converter import layers as own

Array = npt.NDArray[Any]


class ConversionError(ValueError):
    """A model that lwtnn cannot compute; the message names the layer and its type."""


@dataclass(frozen=True, slots=True)
class LayerJson:
    """One lwtnn layer."""

    json: dict[str, Any]
    width: int  # of its result
    over_steps: bool = False  # reads a whole sequence


@dataclass(frozen=True, slots=True)
class Activation:
    """An activation as lwtnn writes it; Keras's f(x) is lwtnn's f(scale * x)."""

    function: str
    alpha: float | None = None
    scale: float = 1.0

    @property
    def json(self) -> str | dict[str, Any]:
        if self.alpha is None:
            return self.function
        return {"function": self.function, "alpha": self.alpha}


def reject(name: str, layer: Any, problem: str) -> ConversionError:
    return ConversionError(f"layer {name!r} ({type(layer).__name__}) {problem}")


# Activations

# lwtnn's hard_sigmoid is clip(x / 5 + 1 / 2, 0, 1), Keras 3's clip(x / 6 + 1 / 2, 0, 1).
_LINEAR = Activation("linear")
_HARD_SIGMOID = Activation("hard_sigmoid", scale=5 / 6)


def _activation_table() -> dict[Any, Activation]:
    table = {keras.activations.linear: _LINEAR, own.absolute: Activation("abs")}
    for module in (keras.activations, keras.ops):
        table |= {
            module.relu: Activation("rectified"),
            module.sigmoid: Activation("sigmoid"),
            module.tanh: Activation("tanh"),
            module.softmax: Activation("softmax"),
            module.hard_sigmoid: _HARD_SIGMOID,
            module.elu: Activation("elu", alpha=1.0),
            module.leaky_relu: Activation("leakyrelu", alpha=0.2),
            module.silu: Activation("swish", alpha=1.0),
        }
    return table | {function: Activation("abs") for function in (keras.ops.abs, keras.ops.absolute)}


_ACTIVATIONS = _activation_table()


def activation(name: str, layer: Any, given: Any, rank: int) -> Activation:
    """lwtnn's form of a Keras activation: a function, or a layer used as one."""
    if isinstance(given, keras.layers.Layer):
        if type(given) not in _ACTIVATION_LAYERS:
            raise reject(name, layer, f"has the activation {type(given).__name__}" + _known())
        return _ACTIVATION_LAYERS[type(given)](name, given, rank)
    if given not in _ACTIVATIONS:
        called = getattr(given, "__name__", repr(given))
        raise reject(name, layer, f"has the activation {called!r}" + _known())
    return _ACTIVATIONS[given]


def _known() -> str:
    names = sorted({function.__name__ for function in _ACTIVATIONS})
    return ", which lwtnn lacks; supported are " + ", ".join(names)


def _relu(name: str, layer: Any, rank: int) -> Activation:
    if layer.max_value is not None or layer.threshold != 0:
        raise reject(
            name,
            layer,
            f"has max_value={layer.max_value} and threshold={layer.threshold}; lwtnn has only the "
            "plain one, max_value=None and threshold=0",
        )
    slope = float(layer.negative_slope)
    return Activation("leakyrelu", alpha=slope) if slope else Activation("rectified")


def _softmax(name: str, layer: Any, rank: int) -> Activation:
    if layer.axis not in (-1, rank - 1):
        raise reject(name, layer, f"has axis={layer.axis}; lwtnn has the last axis only, -1")
    return Activation("softmax")


_ACTIVATION_LAYERS: dict[type, Callable[[str, Any, int], Activation]] = {
    keras.layers.Activation: lambda name, layer, rank: activation(
        name, layer, layer.activation, rank
    ),
    keras.layers.ReLU: _relu,
    keras.layers.LeakyReLU: lambda name, layer, rank: Activation(
        "leakyrelu", alpha=float(layer.negative_slope)
    ),
    keras.layers.ELU: lambda name, layer, rank: Activation("elu", alpha=float(layer.alpha)),
    keras.layers.Softmax: _softmax,
}


# Weights


def _array(name: str, layer: Any, what: str, tensor: Any) -> Array:
    """A Keras tensor as float64, of values that float32 holds."""
    array = np.asarray(keras.ops.convert_to_numpy(tensor)).astype(np.float64)
    with np.errstate(over="ignore"):
        finite = np.isfinite(array.astype(np.float32))
    if not finite.all():
        raise reject(
            name,
            layer,
            f"has {int((~finite).sum())} of {array.size} values in its {what} that are NaN, "
            "infinite or beyond float32",
        )
    return array


def flat(array: Array) -> list[float]:
    """Row-major list of the values as float32 holds them."""
    values: list[float] = array.astype(np.float32).ravel().tolist()
    return values


def _bias(name: str, layer: Any, source: Any, width: int) -> Array:
    return _array(name, layer, "bias", source.bias) if source.use_bias else np.zeros(width)


def _check_plain(name: str, layer: Any) -> None:
    if getattr(layer, "quantization_mode", None) is not None:
        raise reject(name, layer, f"is quantized ({layer.quantization_mode}); convert it before")


# Layers on a vector, or on each step of a sequence


def activation_chain(act: Activation, width: int) -> list[LayerJson]:
    """An activation as a layer of its own."""
    if act == _LINEAR:
        return []
    chain = [] if act.scale == 1 else scaled(0.0, act.scale, 0.0, width)
    plain: dict[str, Any] = {
        "architecture": "dense",
        "weights": [],
        "bias": [],
        "activation": act.json,
    }
    return [*chain, LayerJson(plain, width)]


def scaled(before: Any, scale: Any, after: Any, width: int) -> list[LayerJson]:
    """``(x + before) * scale + after``.

    lwtnn's normalization is ``(x + bias) * weight``, so that ``after`` goes into its bias. Where
    the scale is zero (or so small that the bias would overflow) it cannot, and a dense layer
    without weights adds it.
    """
    before, scale, after = (
        np.broadcast_to(v, width).astype(np.float64) for v in (before, scale, after)
    )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bias = before + np.where(after == 0, 0.0, after / scale)
        foldable = np.abs(bias) < 1e30
    addition: list[LayerJson] = []
    if not foldable.all():
        bias = before
        plain = {
            "architecture": "dense",
            "weights": [],
            "bias": flat(after),
            "activation": "linear",
        }
        addition = [LayerJson(plain, width)]
    weights = {"architecture": "normalization", "weights": flat(scale), "bias": flat(bias)}
    return [LayerJson(weights, width), *addition]


def _activation_layer(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    return activation_chain(_ACTIVATION_LAYERS[type(layer)](name, layer, rank), width)


def _dense(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    _check_plain(name, layer)
    act = activation(name, layer, layer.activation, rank)
    kernel = _array(name, layer, "kernel", layer.kernel)
    bias = _bias(name, layer, layer, kernel.shape[1])
    json = {
        "architecture": "dense",
        "weights": flat(kernel.T * act.scale),
        "bias": flat(bias * act.scale),
        "activation": act.json,
    }
    return [LayerJson(json, kernel.shape[1])]


def _batch_normalization(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    if layer.axis not in (-1, rank - 1):
        raise reject(name, layer, f"has axis={layer.axis}; lwtnn has the last axis only, -1")
    mean = _array(name, layer, "moving mean", layer.moving_mean)
    variance = _array(name, layer, "moving variance", layer.moving_variance)
    scale = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        scale = scale * _array(name, layer, "gamma", layer.gamma)
    beta = _array(name, layer, "beta", layer.beta) if layer.center else 0.0
    return scaled(-mean, scale, beta, width)


def _normalization(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    mean = _array(name, layer, "mean", layer.mean).ravel()
    variance = _array(name, layer, "variance", layer.variance).ravel()
    if mean.size not in (1, width) or variance.size not in (1, width):
        raise reject(name, layer, f"has axis={layer.axis}; lwtnn has the last axis only, -1")
    deviation = np.maximum(np.sqrt(variance), keras.config.epsilon())
    if layer.invert:
        return scaled(0.0, deviation, mean, width)
    return scaled(-mean, 1 / deviation, 0.0, width)


def _rescaling(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    scale, offset = np.asarray(layer.scale, float), np.asarray(layer.offset, float)
    if any(v.size != 1 and v.shape != (width,) for v in (scale, offset)):
        raise reject(name, layer, f"must have one scale and offset, or {width} of each")
    return scaled(0.0, scale.reshape(-1), offset.reshape(-1), width)


def _scale(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    return scaled(0.0, _array(name, layer, "scale", layer.scale), 0.0, width)


def _component(kernel: Array, bias: Array, scale: float = 1.0) -> dict[str, list[float]]:
    return {"weights": flat(kernel.T * scale), "bias": flat(bias * scale)}


def _highway(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    act = activation(name, layer, layer.activation, rank)
    arrays = {
        what: _array(name, layer, what, getattr(layer, what))
        for what in ("kernel", "bias", "carry_kernel", "carry_bias")
    }
    components = {
        "t": _component(arrays["kernel"], arrays["bias"], act.scale),
        "carry": _component(arrays["carry_kernel"], arrays["carry_bias"]),
    }
    json = {"architecture": "highway", "components": components, "activation": act.json}
    return [LayerJson(json, width)]


def _gate(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    """sigmoid(l) x = (1 - c) x with the carry gate c = sigmoid(-l), l the last column."""
    zeros = np.zeros((width, width))
    carry = zeros.copy()
    carry[-1] = -1.0
    components = {
        "t": _component(zeros, np.zeros(width)),
        "carry": _component(carry, np.zeros(width)),
    }
    json = {"architecture": "highway", "components": components, "activation": "linear"}
    return [LayerJson(json, width)]


def _maxout(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    kernel = _array(name, layer, "kernel", layer.kernel)
    bias = _array(name, layer, "bias", layer.bias)
    pieces = [
        {"architecture": "dense", **_component(k, b)} for k, b in zip(kernel, bias, strict=True)
    ]
    return [LayerJson({"architecture": "maxout", "sublayers": pieces}, layer.units)]


PER_STEP: dict[type, Callable[[str, Any, int, int], list[LayerJson]]] = {
    **dict.fromkeys(_ACTIVATION_LAYERS, _activation_layer),
    keras.layers.Dense: _dense,
    keras.layers.BatchNormalization: _batch_normalization,
    keras.layers.Normalization: _normalization,
    keras.layers.Rescaling: _rescaling,
    own.Gate: _gate,
    own.Highway: _highway,
    own.Maxout: _maxout,
    own.Scale: _scale,
}


# Layers on a sequence


def _rnn(
    name: str, layer: Any, gates: str, bias: Array, activations: dict[str, Activation]
) -> dict[str, Any]:
    """Components of a recurrent layer; ``gates`` is the order of the columns in Keras."""
    for flag in ("go_backwards", "stateful", "return_state"):
        if getattr(layer, flag, False):
            raise reject(name, layer, f"has {flag}=True; lwtnn runs forwards, from zero states")
    kernel = _array(name, layer, "kernel", layer.cell.kernel)
    recurrent = _array(name, layer, "recurrent kernel", layer.cell.recurrent_kernel)
    units = layer.units
    components = {}
    for number, gate in enumerate(gates):
        columns = slice(units * number, units * (number + 1))
        scale = activations[gate].scale
        components[gate] = {
            **_component(kernel[:, columns], bias[columns], scale),
            "U": flat(recurrent[:, columns].T * scale),
        }
    return components


def _lstm(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    act = activation(name, layer, layer.activation, rank)
    inner = activation(name, layer, layer.recurrent_activation, rank)
    if act.scale != 1:
        # It acts on the cell state too, which has no weights to scale.
        raise reject(name, layer, f"has the activation {act.function!r}, unlike lwtnn's own")
    bias = _bias(name, layer, layer.cell, 4 * layer.units)
    each = {"i": inner, "f": inner, "c": act, "o": inner}
    json = {
        "architecture": "lstm",
        "components": _rnn(name, layer, "ifco", bias, each),
        "activation": act.json,
        "inner_activation": inner.json,
    }
    return [LayerJson(json, layer.units, over_steps=True)]


def _gru(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    """lwtnn applies the reset gate to the state, before the matrix: reset_after=False.

    With reset_after=True the gate multiplies ``h U + b``; this is the same only for a diagonal U
    and no recurrent bias.
    """
    act = activation(name, layer, layer.activation, rank)
    inner = activation(name, layer, layer.recurrent_activation, rank)
    units = layer.units
    bias = _bias(name, layer, layer.cell, 3 * units)
    if layer.reset_after:
        recurrent = _array(name, layer, "recurrent kernel", layer.cell.recurrent_kernel)
        own_part = recurrent[:, 2 * units :]
        after = bias[1] if bias.ndim == 2 else np.zeros(3 * units)
        if (own_part != np.diag(np.diag(own_part))).any() or after[2 * units :].any():
            raise reject(
                name,
                layer,
                "has reset_after=True, Keras's default, where the reset gate comes after the "
                "recurrent matrix; lwtnn's comes before: train with GRU(..., reset_after=False)",
            )
        bias = (bias[0] if bias.ndim == 2 else bias) + after
    json = {
        "architecture": "gru",
        "components": _rnn(name, layer, "zrh", bias, {"z": inner, "r": inner, "h": act}),
        "activation": act.json,
        "inner_activation": inner.json,
    }
    return [LayerJson(json, units, over_steps=True)]


def _simple_rnn(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    act = activation(name, layer, layer.activation, rank)
    bias = _bias(name, layer, layer.cell, layer.units)
    components = _rnn(name, layer, "h", bias, {"h": act})
    json = {"architecture": "simplernn", "components": components, "activation": act.json}
    return [LayerJson(json, layer.units, over_steps=True)]


def _conv1d(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    _check_plain(name, layer)
    if layer.strides != (1,) or layer.groups != 1 or layer.data_format != "channels_last":
        raise reject(
            name,
            layer,
            f"has strides={layer.strides[0]}, groups={layer.groups} and "
            f"data_format={layer.data_format!r}; lwtnn has 1, 1 and 'channels_last'",
        )
    act = activation(name, layer, layer.activation, rank)
    # lwtnn's softmax would run along the steps, so here it is a layer of its own.
    apart = act if act.function == "softmax" else _LINEAR
    inside = _LINEAR if act.function == "softmax" else act
    kernel = _array(name, layer, "kernel", layer.kernel)
    dilation = int(layer.dilation_rate[0])
    if layer.padding == "same" and (len(kernel) - 1) * dilation % 2:
        kernel, dilation = _evened(kernel, dilation), 1
    json = {
        "architecture": "conv1d",
        "weights": flat(kernel.transpose(2, 1, 0) * inside.scale),
        "bias": flat(_bias(name, layer, layer, layer.filters) * inside.scale),
        "dilation_rate": dilation,
        "padding": layer.padding,
        "activation": inside.json,
    }
    conv = LayerJson(json, layer.filters, over_steps=True)
    return [conv, *activation_chain(apart, layer.filters)]


def _evened(kernel: Array, dilation: int) -> Array:
    """Kernel (taps, k, m) that, padded evenly, does what Keras does with odd padding.

    Of an odd number of padding steps, Keras puts the larger half at the end, lwtnn at the start.
    A zero tap before the first makes the number even; gaps become zero taps too.
    """
    wide = np.zeros(((len(kernel) - 1) * dilation + 2, *kernel.shape[1:]))
    wide[1::dilation] = kernel
    return wide


def _embedding(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    _check_plain(name, layer)
    table = _array(name, layer, "embeddings", layer.embeddings)
    size = int(table.shape[1])
    sublayer = {"weights": flat(table.T), "index": 0, "n_out": size}
    json = {"architecture": "embedding", "sublayers": [sublayer], "activation": "linear"}
    return [LayerJson(json, size, over_steps=True)]


SEQUENCE: dict[type, Callable[[str, Any, int, int], list[LayerJson]]] = {
    keras.layers.LSTM: _lstm,
    keras.layers.GRU: _gru,
    keras.layers.SimpleRNN: _simple_rnn,
    keras.layers.Conv1D: _conv1d,
    keras.layers.Embedding: _embedding,
}
