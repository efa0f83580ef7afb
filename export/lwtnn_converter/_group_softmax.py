"""What becomes of a `GroupSoftmax`: stages of lwtnn layers, each of which acts on one vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lwtnn_converter import layers as own
from lwtnn_converter._layers_keras import Activation, LayerJson, activation_chain, flat


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
    start = np.exp(own.LOG_STEP * np.arange(own.LOG_RAMPS) - own.LOG_RANGE)
    slope = 5 / (start * np.expm1(own.LOG_STEP))
    ramps = np.kron(np.eye(n), slope)
    offsets = np.full(ramps.shape[1], -5 / np.expm1(own.LOG_STEP) - 2.5)
    totals = np.kron(np.eye(n), np.full((own.LOG_RAMPS, 1), -own.LOG_STEP))
    return [
        *_softmax_alone(name, layer, width, rank),
        _plain(layer.membership(), np.zeros(n), "linear"),
        _plain(ramps, offsets, "hard_sigmoid"),
        _plain(totals, np.full(n, own.LOG_RANGE - own.LOG_SHIFT), "linear"),
    ]


def _softmax_alone(name: str, layer: Any, width: int, rank: int) -> list[LayerJson]:
    return activation_chain(Activation("softmax"), width)


STAGES: dict[str, Callable[[str, Any, int, int], list[LayerJson]]] = {
    "zero": lambda name, layer, width, rank: [_plain(np.zeros((width, 1)), np.zeros(1), "linear")],
    "minus_log_sums": _minus_log_sums,
    "spread": lambda name, layer, width, rank: [
        _plain(layer.membership().T, np.zeros(sum(layer.sizes) + 1), "linear")
    ],
    "softmax": _softmax_alone,
}
"""The stages of a `GroupSoftmax`, each of which acts on one vector."""
