"""Keras layers for what lwtnn computes and Keras lacks.

They are registered with Keras under the package name ``lwtnn_converter``: a model that uses them
is saved and loaded like any other once this module is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

__all__ = ["Gate", "GroupSoftmax", "Highway", "Maxout", "Scale", "Sum", "absolute"]

_register = keras.saving.register_keras_serializable(package="lwtnn_converter")


@_register
def absolute(x: Any) -> Any:
    """Absolute value; an activation for any layer: ``Dense(8, activation=absolute)``."""
    return ops.absolute(x)


@_register
class Gate(keras.layers.Layer):
    """A vector times a sigmoid: ``Gate()([x, logit])``.

    For ``x`` of shape (batch, n) and ``logit`` of shape (batch, 1) the result is
    ``sigmoid(logit) * concatenate([x, logit])``, of shape (batch, n + 1): the gated vector, and one
    leftover column. lwtnn has no product of two vectors, but its highway layer
    ``c * t + (1 - c) * x`` with ``c = sigmoid(Wc x + bc)`` and ``t = 0`` is this one; that layer
    has as many outputs as inputs, hence the leftover.
    """

    def build(self, input_shape: Any) -> None:
        two = isinstance(input_shape, (list, tuple)) and len(input_shape) == 2
        if not two or not all(isinstance(shape, (list, tuple)) for shape in input_shape):
            raise ValueError(
                f"Gate {self.name!r} takes a list of two tensors, the vector (batch, n) and the "
                f"logit (batch, 1); found input shape {input_shape}"
            )
        vector, logit = input_shape
        if len(vector) != 2 or len(logit) != 2 or logit[-1] != 1:
            raise ValueError(
                f"Gate {self.name!r} takes a vector of shape (batch, n) and a logit of shape "
                f"(batch, 1); found {tuple(vector)} and {tuple(logit)}"
            )
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        vector, logit = inputs
        return ops.sigmoid(logit) * ops.concatenate([vector, logit], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        vector, _ = input_shape
        return (vector[0], None if vector[1] is None else vector[1] + 1)


LOG_STEP = 1 / 6
"""Of the logarithm in `GroupSoftmax`: what each of its straight pieces rises by."""
LOG_SHIFT = LOG_STEP**2 / 16
"""Chords lie below the logarithm, by LOG_STEP² / 8 at most: half of it is added everywhere."""


@_register
class GroupSoftmax(keras.layers.Layer):
    """A softmax in which each group of entries has a share of its own: many softmaxes, one layer.

    ``GroupSoftmax(sizes, limit)([x, g])`` takes logits x of shape (batch, sum of sizes), the groups
    one after the other, and logits g of the groups, (batch, number of groups + 1), the last for
    what is left over. Within a group the result is a softmax of x, times the group's entry in the
    softmax of g: ``softmax(y + g - log(sum of exp(y) over the group))``, with the logits kept
    within bounds, ``y = limit tanh(x / limit)``. Its shape is (batch, sum of sizes + 1), with the
    leftover last.

    lwtnn has no logarithm. Its place takes a sum of ramps (`hard_sigmoid`), a function of the
    group's part in a softmax of all logits together, right to 0.002. They reach as far down as
    bounded logits can. This layer computes the same function, so that nothing changes on the way
    to lwtnn.
    """

    def __init__(self, sizes: Sequence[int], limit: float = 12.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sizes = tuple(int(size) for size in sizes)
        self.limit = float(limit)
        if not self.sizes or min(self.sizes) < 1:
            raise ValueError(
                f"GroupSoftmax {self.name!r} needs groups of 1 or more; found {list(sizes)}"
            )

    def build(self, input_shape: Any) -> None:
        wanted = (sum(self.sizes), len(self.sizes) + 1)
        two = isinstance(input_shape, (list, tuple)) and len(input_shape) == 2
        if not two or tuple(shape[-1] for shape in input_shape) != wanted:
            raise ValueError(
                f"GroupSoftmax {self.name!r} takes a list of two tensors, logits (batch, "
                f"{wanted[0]}) and logits of its groups (batch, {wanted[1]}); found input shape "
                f"{input_shape}"
            )
        super().build(input_shape)

    @property
    def ramps(self) -> int:
        """How many a logarithm is made of: down to that of the least part that a group may have."""
        lowest = 2 * self.limit + np.log((sum(self.sizes) + 1) / min(self.sizes))
        return int(np.ceil(lowest / LOG_STEP))

    def membership(self) -> Any:
        """1 where an entry of the result is in a group, (sum of sizes + 1, groups + 1)."""
        groups = np.repeat(np.arange(len(self.sizes) + 1), [*self.sizes, 1])
        return np.eye(len(self.sizes) + 1, dtype=np.float32)[groups]

    def call(self, inputs: Any) -> Any:
        logits, groups = inputs
        logits = self.limit * ops.tanh(logits / self.limit)
        together = ops.softmax(ops.concatenate([logits, ops.zeros_like(groups[:, :1])], axis=1))
        parts = self._sums(together)
        gained = groups - _ramps(parts, self.ramps)
        gained = ops.exp(gained - ops.max(gained, axis=1, keepdims=True))
        factors = gained / ops.sum(parts * gained, axis=1, keepdims=True)
        return together * self._spread(factors)

    def _sums(self, entries: Any) -> Any:
        if len(set(self.sizes)) > 1:
            return ops.matmul(entries, self.membership())
        grid = ops.reshape(entries[:, :-1], (-1, len(self.sizes), self.sizes[0]))
        return ops.concatenate([ops.sum(grid, axis=2), entries[:, -1:]], axis=1)

    def _spread(self, factors: Any) -> Any:
        if len(set(self.sizes)) > 1:
            return ops.matmul(factors, self.membership().T)
        repeated = ops.repeat(factors[:, :-1], self.sizes[0], axis=1)
        return ops.concatenate([repeated, factors[:, -1:]], axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0][0], sum(self.sizes) + 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sizes": list(self.sizes), "limit": self.limit}


def _ramps(part: Any, n: int) -> Any:
    """The logarithm of a part in (0, 1], from n straight pieces; see `GroupSoftmax`."""
    # Only the ramp in which the part lies is neither at its start nor at its end.
    lowest = -n * LOG_STEP
    which = ops.floor((ops.log(ops.maximum(part, 1e-30)) - lowest) / LOG_STEP)
    below = lowest + LOG_STEP * ops.stop_gradient(ops.clip(which, 0.0, n - 1.0))
    ramp = (part * ops.exp(-below) - 1.0) / float(np.expm1(LOG_STEP))
    return below + LOG_STEP * ops.clip(ramp, 0.0, 1.0) + LOG_SHIFT


class _Affine(keras.layers.Layer):
    """Base of layers that act on each step of a sequence alike, so that they pass on its mask."""

    def __init__(self, kernel_initializer: Any = "glorot_uniform", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def get_config(self) -> dict[str, Any]:
        initializer = keras.initializers.serialize(self.kernel_initializer)
        return {**super().get_config(), "kernel_initializer": initializer}


@_register
class Highway(_Affine):
    """Highway layer: ``c * t + (1 - c) * x``, the same shape as ``x``.

    ``t = activation(x W + b)`` and the carry gate ``c = sigmoid(x Wc + bc)``; biases of the gate
    start at ``carry_bias``, so that a negative value starts the layer near the identity
    (Srivastava, Greff, Schmidhuber, arXiv:1505.00387).
    """

    def __init__(self, activation: Any = "relu", carry_bias: float = -2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)
        self.carry_bias_value = float(carry_bias)

    def build(self, input_shape: Any) -> None:
        width = input_shape[-1]
        start = keras.initializers.Constant(self.carry_bias_value)
        self.kernel = self.add_weight(
            shape=(width, width), initializer=self.kernel_initializer, name="kernel"
        )
        self.bias = self.add_weight(shape=(width,), initializer="zeros", name="bias")
        self.carry_kernel = self.add_weight(
            shape=(width, width), initializer=self.kernel_initializer, name="carry_kernel"
        )
        self.carry_bias = self.add_weight(shape=(width,), initializer=start, name="carry_bias")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        carry = ops.sigmoid(ops.matmul(inputs, self.carry_kernel) + self.carry_bias)
        transformed = self.activation(ops.matmul(inputs, self.kernel) + self.bias)
        return carry * transformed + (1 - carry) * inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "carry_bias": self.carry_bias_value,
        }


@_register
class Maxout(_Affine):
    """Maxout layer: the largest of ``pieces`` dense layers, output by output.

    Shape (..., k) to (..., units); kernel (pieces, k, units), bias (pieces, units)
    (Goodfellow et al., arXiv:1302.4389).
    """

    def __init__(self, units: int, pieces: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if units < 1 or pieces < 1:
            raise ValueError(
                f"Maxout {self.name!r} needs units and pieces of at least 1; "
                f"found units={units}, pieces={pieces}"
            )
        self.units = int(units)
        self.pieces = int(pieces)

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(
            shape=(self.pieces, input_shape[-1], self.units),
            initializer=self.kernel_initializer,
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(self.pieces, self.units), initializer="zeros", name="bias"
        )
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        pieces = ops.tensordot(inputs, self.kernel, axes=[[-1], [1]]) + self.bias
        return ops.max(pieces, axis=-2)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "pieces": self.pieces}


@_register
class Scale(keras.layers.Layer):
    """A learned factor for each element, ``x * scale``; lwtnn's normalization without a bias."""

    def __init__(self, scale_initializer: Any = "ones", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.scale_initializer = keras.initializers.get(scale_initializer)

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight(
            shape=(input_shape[-1],), initializer=self.scale_initializer, name="scale"
        )
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return inputs * self.scale

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        initializer = keras.initializers.serialize(self.scale_initializer)
        return {**super().get_config(), "scale_initializer": initializer}


@_register
class Sum(keras.layers.Layer):
    """Sum of a sequence over its steps: (batch, steps, k) to (batch, k)."""

    def call(self, inputs: Any) -> Any:
        return ops.sum(inputs, axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        if len(input_shape) != 3:
            raise ValueError(
                f"Sum {self.name!r} takes a sequence (batch, steps, k); found shape {input_shape}"
            )
        return (input_shape[0], input_shape[2])
