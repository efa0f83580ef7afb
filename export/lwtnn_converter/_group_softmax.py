"""What becomes of a `GroupSoftmax`: stages of lwtnn layers, each of which acts on one vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lwtnn_converter import layers as own
from lwtnn_converter._layers_keras import Activation, LayerJson, activation_chain, flat, scaled


def _plain(kernel: Any, bias: Any, activation: str) -> LayerJson:
    """A dense layer of fixed weights; kernel (in, out)."""
    json = {
        "architecture": "dense",
        "weights": flat(kernel.T),
        "bias": flat(bias),
        "activation": activation,
    }
    return LayerJson(json, kernel.shape[1])


def _minus_log_sums(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    """Minus the logarithm of each group's part in a softmax, from ramps; see `GroupSoftmax`.

    lwtnn's hard_sigmoid is clip(x/5 + 1/2, 0, 1).
    """
    n = len(layer.sizes) + 1
    lowest = -layer.ramps * own.LOG_STEP
    start = np.exp(lowest + own.LOG_STEP * np.arange(layer.ramps))
    slope = 5 / (start * np.expm1(own.LOG_STEP))
    ramps = np.kron(np.eye(n), slope)
    offsets = np.full(ramps.shape[1], -5 / np.expm1(own.LOG_STEP) - 2.5)
    totals = np.kron(np.eye(n), np.full((layer.ramps, 1), -own.LOG_STEP))
    return [
        *_softmax_alone(name, layer, width, rank),
        _plain(layer.membership(), np.zeros(n), "linear"),
        _plain(ramps, offsets, "hard_sigmoid"),
        _plain(totals, np.full(n, -lowest - own.LOG_SHIFT), "linear"),
    ]


def _softmax_alone(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    return activation_chain(Activation("softmax"), width)


def _limited(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    return [
        *scaled(0.0, 1 / layer.limit, 0.0, width),
        *activation_chain(Activation("tanh"), width),
        *scaled(0.0, layer.limit, 0.0, width),
    ]


STAGES: dict[str, Callable[[str, Any, int, int], list[LayerJson]]] = {
    "limited": _limited,
    "zero": lambda name, layer, width, rank: [_plain(np.zeros((width, 1)), np.zeros(1), "linear")],
    "minus_log_sums": _minus_log_sums,
    "spread": lambda name, layer, width, rank: [
        _plain(layer.membership().T, np.zeros(sum(layer.sizes) + 1), "linear")
    ],
    "softmax": _softmax_alone,
}
"""The stages of a `GroupSoftmax`, each of which acts on one vector."""
