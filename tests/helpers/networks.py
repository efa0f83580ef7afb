"""Comparing networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


def assert_same_network(one: keras.Model, two: keras.Model) -> None:
    """Dense layers of the same names, sizes and activations, and all weights equal."""
    assert _dense_sizes(one) == _dense_sizes(two)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def _dense_sizes(model: keras.Model) -> list[tuple[str, tuple[int, ...], str]]:
    import keras

    return [
        (layer.name, layer.kernel.shape, layer.activation.__name__)
        for layer in model.layers
        if isinstance(layer, keras.layers.Dense)
    ]
