"""lwtnn's layers in NumPy: each becomes a function of an array and the width of its result.

Feed-forward functions map (..., k) to (..., m), recurrent ones (n, steps, k) to (n, steps', m).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Function = Callable[[Array], Array]
Layer = Mapping[str, Any]


class GraphError(ValueError):
    """JSON that is not a network lwtnn would run; the message names the field."""


def feed_forward(
    layer: Layer, width: int, where: str, dtype: np.dtype[Any]
) -> tuple[Function, int]:
    """Function of a dense, normalization, maxout or highway layer, and the width of its result."""
    return _make(_FEED_FORWARD, "feed-forward", layer, width, where, dtype)


def recurrent(layer: Layer, width: int, where: str, dtype: np.dtype[Any]) -> tuple[Function, int]:
    """Function of an lstm, gru, simplernn, conv1d or embedding layer, and its result's width."""
    return _make(_RECURRENT, "sequence", layer, width, where, dtype)


def _make(
    table: Mapping[str, Any],
    kind: str,
    layer: Layer,
    width: int,
    where: str,
    dtype: np.dtype[Any],
) -> tuple[Function, int]:
    architecture = str(layer.get("architecture"))
    if architecture not in table:
        raise GraphError(
            f"field {where}.architecture is {architecture!r}; a {kind} node runs one of "
            + ", ".join(sorted(table))
        )
    function, out = table[architecture](layer, width, where, dtype)
    return function, out


# Fields


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number that a double holds: no bool, NaN, infinity, or 10**400."""
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain and abs(value) <= sys.float_info.max


def _is_count(value: Any, least: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _array(layer: Layer, key: str, where: str, dtype: np.dtype[Any]) -> Array:
    if not isinstance(layer, Mapping) or key not in layer:
        raise GraphError(f"field {where}.{key} is missing")
    try:
        array = np.asarray(layer[key], dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise GraphError(f"field {where}.{key} is not an array of numbers: {error}") from error
    if array.ndim != 1:
        raise GraphError(f"field {where}.{key} has shape {array.shape}; expected a flat array")
    if not np.isfinite(array).all():
        first = int(np.argmin(np.isfinite(array)))
        raise GraphError(
            f"field {where}.{key}[{first}] is {array[first]}; expected a finite number"
        )
    return array


def _matrix(layer: Layer, key: str, width: int, where: str, dtype: np.dtype[Any]) -> Array:
    """Matrix (m, width) from a flat array, row-major."""
    array = _array(layer, key, where, dtype)
    if width == 0 or array.size % width or not array.size:
        raise GraphError(
            f"field {where}.{key} has {array.size} elements, not a multiple of the {width} inputs"
        )
    return array.reshape(-1, width)


def _weights_and_bias(
    layer: Layer, width: int, where: str, dtype: np.dtype[Any]
) -> tuple[Array, Array]:
    matrix = _matrix(layer, "weights", width, where, dtype)
    bias = _array(layer, "bias", where, dtype)
    if bias.size != len(matrix):
        raise GraphError(
            f"field {where}.bias has {bias.size} elements, but the weights have {len(matrix)} rows"
        )
    return matrix, bias


def _component(layer: Layer, name: str, where: str) -> tuple[Layer, str]:
    components = layer.get("components")
    if not isinstance(components, Mapping) or not isinstance(components.get(name), Mapping):
        raise GraphError(f"field {where}.components.{name} is missing")
    return components[name], f"{where}.components.{name}"


def _affine(matrix: Array, bias: Array) -> Function:
    """``x W^T + b``, without the work that zero columns would be: gates are mostly zeros."""
    used = np.flatnonzero(matrix.any(axis=0))
    if 2 * used.size > matrix.shape[1]:
        transposed = np.ascontiguousarray(matrix.T)
        return lambda x: x @ transposed + bias
    columns = np.ascontiguousarray(matrix.T[used])
    return lambda x: x[..., used] @ columns + bias


# Activations


def _activation(layer: Layer, key: str, where: str) -> Function:
    """Activation along the last axis; ``layer[key]`` is a name, or a function and its alpha."""
    value = layer.get(key)
    alpha: Any = None
    name = value
    if isinstance(value, Mapping):
        name, alpha = value.get("function"), value.get("alpha")
    elif value == "elu":
        alpha = 1.0
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise GraphError(
            f"field {where}.{key} is {name!r}; expected one of " + ", ".join(sorted(_ACTIVATIONS))
        )
    function = _ACTIVATIONS[name]
    if name not in _WITH_ALPHA:
        return function
    if not is_number(alpha):
        raise GraphError(f"field {where}.{key}.alpha is {alpha!r}; expected a finite number")
    slope = float(alpha)
    return lambda x: function(x, slope)


def _sigmoid(x: Array) -> Array:
    # lwtnn cuts the exponential off at 30.
    result = 1 / (1 + np.exp(-np.clip(x, -30, 30)))
    return np.where(x < -30, 0, np.where(x > 30, 1, result)).astype(x.dtype, copy=False)


def _softmax(x: Array) -> Array:
    exponentials: Array = np.exp(x - x.max(axis=-1, keepdims=True))
    exponentials /= exponentials.sum(axis=-1, keepdims=True)
    return exponentials


_ACTIVATIONS: dict[str, Callable[..., Array]] = {
    "linear": lambda x: x,
    "sigmoid": _sigmoid,
    "rectified": lambda x: np.where(x < 0, x.dtype.type(0), x),
    "softmax": _softmax,
    "tanh": np.tanh,
    "hard_sigmoid": lambda x: np.clip(x.dtype.type(0.2) * x + x.dtype.type(0.5), 0, 1),
    "abs": np.abs,
    "elu": lambda x, alpha: np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0))),
    "leakyrelu": lambda x, alpha: np.where(x > 0, x, alpha * x),
    "swish": lambda x, alpha: x * _sigmoid(alpha * x),
}
_WITH_ALPHA = frozenset({"elu", "leakyrelu", "swish"})


# Feed-forward layers


def _dense(layer: Layer, width: int, where: str, dtype: np.dtype[Any]) -> tuple[Function, int]:
    weights = _array(layer, "weights", where, dtype)
    bias = _array(layer, "bias", where, dtype)
    activation = _activation(layer, "activation", where)
    out = width
    # Either may be empty: an activation or a bias alone.
    affine: Function
    if weights.size:
        matrix = _matrix(layer, "weights", width, where, dtype)
        out = len(matrix)
        affine = _affine(matrix, bias if bias.size else np.zeros(out, dtype))
    elif bias.size:
        affine = lambda x: x + bias  # noqa: E731
    else:
        affine = lambda x: x  # noqa: E731
    if bias.size not in (0, out):
        raise GraphError(f"field {where}.bias has {bias.size} elements, but the layer has {out}")
    return lambda x: activation(affine(x)), out


def _normalization(
    layer: Layer, width: int, where: str, dtype: np.dtype[Any]
) -> tuple[Function, int]:
    weights = _array(layer, "weights", where, dtype)
    bias = _array(layer, "bias", where, dtype)
    for key, array in (("weights", weights), ("bias", bias)):
        if array.size != width:
            raise GraphError(
                f"field {where}.{key} has {array.size} elements, but the layer reads {width}"
            )
    return lambda x: (x + bias) * weights, width


def _maxout(layer: Layer, width: int, where: str, dtype: np.dtype[Any]) -> tuple[Function, int]:
    pieces = []
    sublayers = layer.get("sublayers")
    if not isinstance(sublayers, (list, tuple)) or not sublayers:
        raise GraphError(f"field {where}.sublayers is missing or empty")
    for number, sublayer in enumerate(sublayers):
        pieces.append(_weights_and_bias(sublayer, width, f"{where}.sublayers[{number}]", dtype))
    outs = {len(bias) for _, bias in pieces}
    if len(outs) != 1:
        raise GraphError(f"field {where}.sublayers have different widths: {sorted(outs)}")
    functions = [_affine(*piece) for piece in pieces]

    def compute(x: Array) -> Array:
        largest = functions[0](x)
        for function in functions[1:]:
            largest = np.maximum(largest, function(x))
        return largest

    return compute, outs.pop()


def _highway(layer: Layer, width: int, where: str, dtype: np.dtype[Any]) -> tuple[Function, int]:
    parts = []
    for name in ("t", "carry"):
        part, place = _component(layer, name, where)
        matrix, bias = _weights_and_bias(part, width, place, dtype)
        if len(bias) != width:
            raise GraphError(
                f"field {where}.components.{name} has {len(bias)} outputs, but the layer reads "
                f"{width} values, and a highway layer keeps their number"
            )
        parts.append((matrix, bias))
    (matrix, bias), (carry_matrix, carry_bias) = parts
    if (carry_matrix == carry_matrix[0]).all() and (carry_bias == carry_bias[0]).all():
        carry_matrix, carry_bias = carry_matrix[:1], carry_bias[:1]  # one gate for all columns
    transform, carry = _affine(matrix, bias), _affine(carry_matrix, carry_bias)
    activation = _activation(layer, "activation", where)

    def compute(x: Array) -> Array:
        gate = carry(x)
        result: Array = _sigmoid(gate) * activation(transform(x)) + _sigmoid(-gate) * x
        return result

    return compute, width


# Sequence layers


def _gates(
    layer: Layer, names: str, width: int, where: str, dtype: np.dtype[Any]
) -> list[tuple[Array, Array, Array]]:
    """For each gate its input matrix (k, m), recurrent matrix (m, m) and bias (m,), transposed."""
    gates = []
    for name in names:
        part, place = _component(layer, name, where)
        matrix, bias = _weights_and_bias(part, width, place, dtype)
        inner = _matrix(part, "U", len(bias), place, dtype)
        if len(inner) != len(bias):
            raise GraphError(f"field {place}.U has {inner.size} elements; expected {len(bias)}**2")
        gates.append((matrix.T, inner.T, bias))
    sizes = {len(bias) for _, _, bias in gates}
    if len(sizes) != 1:
        raise GraphError(f"field {where}.components have different widths: {sorted(sizes)}")
    return gates


def _scan(step: Callable[[Array, Any], tuple[Array, Any]], x: Array, start: Any, out: int) -> Array:
    result = np.empty((x.shape[0], x.shape[1], out), dtype=x.dtype)
    state = start
    for number in range(x.shape[1]):
        result[:, number], state = step(x[:, number], state)
    return result


def _lstm(layer: Layer, width: int, where: str, dtype: np.dtype[Any]) -> tuple[Function, int]:
    gates = _gates(layer, "ifoc", width, where, dtype)
    activation = _activation(layer, "activation", where)
    inner = _activation(layer, "inner_activation", where)
    out = len(gates[0][2])

    def step(x: Array, state: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        hidden, cell = state
        i, f, o, c = (x @ w + b + hidden @ u for w, u, b in gates)
        cell = inner(f) * cell + inner(i) * activation(c)
        hidden = inner(o) * activation(cell)
        return hidden, (hidden, cell)

    def compute(x: Array) -> Array:
        zeros = np.zeros((len(x), out), dtype=x.dtype)
        return _scan(step, x, (zeros, zeros), out)

    return compute, out


def _gru(layer: Layer, width: int, where: str, dtype: np.dtype[Any]) -> tuple[Function, int]:
    (wz, uz, bz), (wr, ur, br), (wh, uh, bh) = _gates(layer, "zrh", width, where, dtype)
    activation = _activation(layer, "activation", where)
    inner = _activation(layer, "inner_activation", where)
    out = len(bz)

    def step(x: Array, hidden: Array) -> tuple[Array, Array]:
        z = inner(x @ wz + bz + hidden @ uz)
        r = inner(x @ wr + br + hidden @ ur)
        candidate = activation(x @ wh + bh + (r * hidden) @ uh)
        hidden = z * hidden + (1 - z) * candidate
        return hidden, hidden

    return lambda x: _scan(step, x, np.zeros((len(x), out), dtype=x.dtype), out), out


def _simplernn(layer: Layer, width: int, where: str, dtype: np.dtype[Any]) -> tuple[Function, int]:
    ((w, u, b),) = _gates(layer, "h", width, where, dtype)
    activation = _activation(layer, "activation", where)
    out = len(b)

    def step(x: Array, hidden: Array) -> tuple[Array, Array]:
        hidden = activation(x @ w + b + hidden @ u)
        return hidden, hidden

    return lambda x: _scan(step, x, np.zeros((len(x), out), dtype=x.dtype), out), out


def _conv1d(layer: Layer, width: int, where: str, dtype: np.dtype[Any]) -> tuple[Function, int]:
    bias = _array(layer, "bias", where, dtype)
    weights = _array(layer, "weights", where, dtype)
    out = bias.size
    if not out or not weights.size or weights.size % (out * width):
        raise GraphError(
            f"field {where}.weights has {weights.size} elements, not a multiple of {width} inputs "
            f"times {out} outputs"
        )
    taps = weights.reshape(out, width, -1).transpose(2, 1, 0)  # (kernel, k, m)
    dilation = layer.get("dilation_rate")
    if not _is_count(dilation, 1):
        raise GraphError(f"field {where}.dilation_rate is {dilation!r}; expected 1 or more")
    padding = layer.get("padding")
    span = (len(taps) - 1) * dilation
    pads = {"valid": (0, 0), "same": ((span + 1) // 2, span // 2), "causal": (span, 0)}
    if not isinstance(padding, str) or padding not in pads:
        raise GraphError(f"field {where}.padding is {padding!r}; expected valid, same or causal")
    activation = _activation(layer, "activation", where)

    def compute(x: Array) -> Array:
        padded = np.pad(x, ((0, 0), pads[padding], (0, 0)))
        steps = padded.shape[1] - span
        if steps < 1:
            raise ValueError(
                f"{where}: {x.shape[1]} steps are too few for valid padding, {span + 1}"
            )
        total = np.broadcast_to(bias, (len(x), steps, out))
        for number, tap in enumerate(taps):
            total = total + padded[:, number * dilation : number * dilation + steps] @ tap
        # lwtnn applies the activation to each output along the steps.
        result: Array = activation(total.swapaxes(1, 2)).swapaxes(1, 2)
        return result

    return compute, out


def _embedding(layer: Layer, width: int, where: str, dtype: np.dtype[Any]) -> tuple[Function, int]:
    tables: list[tuple[int, Array]] = []
    sublayers = layer.get("sublayers")
    if not isinstance(sublayers, (list, tuple)) or not sublayers:
        raise GraphError(f"field {where}.sublayers is missing or empty")
    for number, sublayer in enumerate(sublayers):
        place = f"{where}.sublayers[{number}]"
        if not isinstance(sublayer, Mapping):
            raise GraphError(f"field {place} is not an object")
        index, size = sublayer.get("index"), sublayer.get("n_out")
        if not _is_count(index, 0) or index >= width:
            raise GraphError(f"field {place}.index is {index!r}; the layer reads {width} values")
        weights = _array(sublayer, "weights", place, dtype)
        if not _is_count(size, 1) or not weights.size or weights.size % size:
            raise GraphError(f"field {place}.n_out is {size!r} for {weights.size} weights")
        tables.append((index, weights.reshape(size, -1).T))
        width += size - 1

    def compute(x: Array) -> Array:
        for index, table in tables:
            numbers = x[..., index]
            known = (np.floor(numbers) == numbers) & (numbers >= 0) & (numbers < len(table))
            if not known.all():
                raise ValueError(
                    f"{where}: embedded index {numbers[~known][0]:g} is not one of 0 to "
                    f"{len(table) - 1}"
                )
            rows = table[numbers.astype(np.intp)]
            x = np.concatenate([x[..., :index], rows, x[..., index + 1 :]], axis=-1)
        return x

    return compute, width


_FEED_FORWARD = {
    "dense": _dense,
    "normalization": _normalization,
    "maxout": _maxout,
    "highway": _highway,
}
_RECURRENT = {
    "lstm": _lstm,
    "gru": _gru,
    "simplernn": _simplernn,
    "conv1d": _conv1d,
    "embedding": _embedding,
}
