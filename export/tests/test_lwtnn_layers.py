from __future__ import annotations

import keras
import numpy as np
import pytest

from lwtnn_converter import layers as own


def test_gate() -> None:
    x = np.array([[0.2, 0.8], [0.5, 0.5]], dtype=np.float32)
    logit = np.array([[-3.0], [2.0]], dtype=np.float32)
    found = np.asarray(keras.ops.convert_to_numpy(own.Gate()([x, logit])))
    expected = np.concatenate([x, logit], axis=1) / (1 + np.exp(-logit))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_gate_of_symbolic_tensors() -> None:
    result = own.Gate()([keras.Input((7,)), keras.Input((1,))])
    assert result.shape == (None, 8)


@pytest.mark.parametrize(
    "shapes, message",
    [
        ([(3,)], "takes a list of two tensors"),
        ([(3,), (2,)], r"a logit of shape \(batch, 1\); found \(None, 3\) and \(None, 2\)"),
        ([(4, 3), (1,)], r"found \(None, 4, 3\) and \(None, 1\)"),
    ],
)
def test_gate_of_other_shapes(shapes: list[tuple[int, ...]], message: str) -> None:
    tensors = [keras.Input(shape) for shape in shapes]
    with pytest.raises(ValueError, match=message):
        own.Gate()(tensors if len(tensors) > 1 else tensors[0])


@pytest.mark.parametrize("sizes", [(4, 1, 3), (2, 2, 2)])
def test_group_softmax(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 6, (200, sum(sizes))).astype(np.float32)
    groups = rng.normal(0, 2, (200, len(sizes) + 1)).astype(np.float32)
    layer = own.GroupSoftmax(sizes)
    found = np.asarray(keras.ops.convert_to_numpy(layer([logits, groups])))
    shares = np.exp(groups) / np.exp(groups).sum(axis=1, keepdims=True)
    ends = np.cumsum(sizes)[:-1]
    limited = 12 * np.tanh(logits / 12)
    parts = [np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) for x in np.split(limited, ends, 1)]
    expected = [part * share[:, None] for part, share in zip(parts, shares.T, strict=False)]
    np.testing.assert_allclose(found[:, :-1], np.concatenate(expected, axis=1), rtol=5e-3)
    np.testing.assert_allclose(found[:, -1], shares[:, -1], rtol=5e-3)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    again = own.GroupSoftmax.from_config(layer.get_config())
    assert (again.sizes, again.limit) == (sizes, 12)


def test_group_softmax_holds_whatever_the_logits() -> None:
    """One group far above all others, and one far below."""
    logits = np.array([[1e3, 1e3, -1e3, -1e3, 0, 0]], np.float32)
    found = own.GroupSoftmax([2, 2, 2])([logits, np.log([[0.1, 0.2, 0.3, 0.4]]).astype(np.float32)])
    expected = [0.05, 0.05, 0.1, 0.1, 0.15, 0.15, 0.4]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found)[0], expected, rtol=5e-3)


def test_group_softmax_of_other_shapes() -> None:
    with pytest.raises(ValueError, match="needs groups of 1 or more; found"):
        own.GroupSoftmax([3, 0])
    message = r"logits \(batch, 5\) and logits of its groups \(batch, 3\); found input shape"
    with pytest.raises(ValueError, match=message):
        own.GroupSoftmax([3, 2])([keras.Input((5,)), keras.Input((2,))])


def test_highway_starts_near_the_identity() -> None:
    layer = own.Highway(carry_bias=-8.0)
    x = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    y = np.asarray(keras.ops.convert_to_numpy(layer(x)))
    np.testing.assert_allclose(y, x, atol=5e-3)
    assert own.Highway.from_config(layer.get_config()).get_config() == layer.get_config()


def test_maxout() -> None:
    layer = own.Maxout(1, pieces=2, kernel_initializer="ones")
    layer.build((None, 2))
    layer.kernel.assign([[[1.0], [0.0]], [[0.0], [1.0]]])
    found = np.asarray(keras.ops.convert_to_numpy(layer(np.array([[3.0, -1.0], [0.0, 2.0]]))))
    np.testing.assert_array_equal(found, [[3.0], [2.0]])
    assert own.Maxout.from_config(layer.get_config()).pieces == 2


def test_maxout_without_pieces() -> None:
    with pytest.raises(ValueError, match="needs units and pieces of at least 1; found units=2"):
        own.Maxout(2, pieces=0)


def test_scale() -> None:
    layer = own.Scale(scale_initializer=keras.initializers.Constant(2.0))
    found = np.asarray(keras.ops.convert_to_numpy(layer(np.array([[3.0, -1.0]]))))
    np.testing.assert_array_equal(found, [[6.0, -2.0]])
    assert own.Scale.from_config(layer.get_config()).get_config() == layer.get_config()


def test_sum() -> None:
    x = np.arange(12, dtype=np.float32).reshape(1, 4, 3)
    found = np.asarray(keras.ops.convert_to_numpy(own.Sum()(x)))
    np.testing.assert_array_equal(found, x.sum(axis=1))
    with pytest.raises(ValueError, match=r"takes a sequence \(batch, steps, k\); found shape"):
        own.Sum(name="s").compute_output_shape((None, 3))
