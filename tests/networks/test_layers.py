"""Activations, and convolutions of images of the cells, in the critic that they are for."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from calogan.card.keys import CriticCard
from calogan.card.layouts import ACTIVATIONS
from calogan.errors import CaloganError
from calogan.geometry import FULL_TURN, Geometry
from calogan.networks.critic import build_critic


def _critic(layout: str, geometry: Geometry) -> keras.Model:
    keras.utils.set_random_seed(3)
    return build_critic(CriticCard(layout=layout), geometry, 5, 2)


BENDS = {
    "SWISH": lambda x: x / (1 + np.exp(-x)),
    "RELU": lambda x: np.maximum(x, 0),
    "LEAKYRELU": lambda x: np.where(x > 0, x, 0.2 * x),
    "ELU": lambda x: np.where(x > 0, x, np.expm1(x)),
    "TANH": np.tanh,
    "SIGMOID": lambda x: 1 / (1 + np.exp(-x)),
    "SYMMRELU": np.abs,
    "LINEAR": lambda x: x,
    "SOFTSIGN": lambda x: x / (1 + np.abs(x)),
    "GAUSS": lambda x: np.exp(-np.square(x)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_have_the_derivatives_that_gradient_penalties_need(name: str) -> None:
    geometry = Geometry.from_dict({"layers": [{"x_edges": [0, 1, 2], "y_edges": [0, 1, 2]}]})
    critic = _critic(f"DENSE|3|{name}", geometry)
    layer = critic.get_layer("voxel_hidden_0")
    x = tf.constant([[-1.5, -0.7, 0.4, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            bent = layer.activation(x)
        slope = inner.gradient(bent, x)
        penalty = tf.reduce_sum(slope**2) + 0.0 * tf.reduce_sum(x)
    np.testing.assert_allclose(bent, BENDS[name](x.numpy()), rtol=1e-5)
    step = 1e-3
    low, mid, high = (BENDS[name](x.numpy().astype(np.float64) + d) for d in (-step, 0, step))
    first, second = (high - low) / (2 * step), (high - 2 * mid + low) / step**2
    np.testing.assert_allclose(slope, first, atol=1e-4)
    np.testing.assert_allclose(tape.gradient(penalty, x), 2 * first * second, atol=1e-3)


STRIDED = "CONV|6|3|3|2|2|1|1|LEAKYRELU"


def _calorimeter(fastest: str = "last") -> Geometry:
    """A cartesian layer, one of rings and sectors over a full turn, one of sectors over half."""
    r = {"low": 0, "high": 10, "n": 4}
    return Geometry.from_dict(
        {
            "fastest": fastest,
            "layers": [
                {"x": {"low": -3, "high": 3, "n": 3}, "y": {"low": -8, "high": 8, "n": 16}},
                {
                    "system": "cylindrical",
                    "r": r,
                    "alpha": {"low": 0, "high": FULL_TURN, "n": 8},
                },
                {
                    "system": "cylindrical",
                    "r": r,
                    "alpha": {"low": 0, "high": FULL_TURN / 2, "n": 8},
                },
            ],
        }
    )


def test_convolutions_see_every_cell_and_share_their_weights() -> None:
    geometry = _calorimeter()
    critic = _critic(f"{STRIDED},{STRIDED},RESHAPE|FLAT,DENSE|8|LEAKYRELU", geometry)
    rng = np.random.default_rng(0)
    voxels = tf.constant(rng.normal(size=(4, geometry.n_voxels)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(voxels)
        scores = critic([voxels, tf.zeros((4, 5)), tf.zeros((4, 2))])
    assert scores.shape == (4, 2)
    assert (np.abs(tape.gradient(scores, voxels)).max(axis=0) > 0).all()
    assert critic.get_layer("conv_0_0").kernel.shape == (3, 3, 1, 6)
    assert critic.get_layer("conv_0_1").kernel.shape == (3, 3, 6, 6)
    # 1 x 4 of 3 x 16, and 1 x 2 of 4 x 8 twice
    assert critic.get_layer("voxel_hidden_0").kernel.shape == (6 * (4 + 2 + 2) + 5 + 2, 8)


@pytest.mark.parametrize("layout", ["CONV|5|3|4|2|3|1|2|TANH", "CONV|5|2|3|1|1|1|0|GAUSS"])
def test_a_convolution_is_that_of_keras_between_zeros(layout: str) -> None:
    geometry = Geometry.from_dict(
        {"layers": [{"x": {"low": 0, "high": 7, "n": 7}, "y": {"low": 0, "high": 8, "n": 8}}]}
    )
    critic = _critic(f"{layout},RESHAPE|FLAT", geometry)
    own = critic.get_layer("conv_0_0")
    (step, _) = CriticCard(layout=f"{layout},RESHAPE|FLAT").voxel_layers.steps
    images = np.random.default_rng(0).normal(size=(6, 7, 8, 1)).astype(np.float32)
    (above, beside) = step.padding
    around = np.pad(images, ((0, 0), (above, above), (beside, beside), (0, 0)))
    expected = keras.ops.conv(around, own.kernel, step.stride, "valid")
    bend = np.tanh if step.activation == "TANH" else lambda x: np.exp(-np.square(x))
    np.testing.assert_allclose(own(images), bend(np.asarray(expected)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fastest", ["first", "last"])
def test_images_have_the_axes_of_the_cells(fastest: str) -> None:
    """A kernel as long as the second axis sums over it, whatever the order of voxels."""
    geometry = _calorimeter(fastest)
    layer = geometry.layers[0]
    critic = _critic("CONV|1|1|8|1|1|0|0|LINEAR,RESHAPE|FLAT", geometry)
    inner = keras.Model(critic.inputs, critic.get_layer("conv_0_0").output)
    critic.get_layer("conv_0_0").set_weights([np.ones((1, 8, 1, 1)), np.zeros(1)])
    x = geometry.centres[: layer.n_voxels, 0]
    voxels = np.zeros((1, geometry.n_voxels), np.float32)
    voxels[0, : layer.n_voxels] = np.round(x)
    found = np.asarray(inner([voxels, np.zeros((1, 5)), np.zeros((1, 2))]))
    np.testing.assert_array_equal(found[0, :, :, 0], np.repeat([[-16], [0], [16]], 9, axis=1))


@pytest.mark.parametrize("fastest", ["first", "last"])
def test_alpha_is_closed_where_it_spans_a_turn(fastest: str) -> None:
    """Turned about the axis, a full turn gives the same numbers turned; other images do not."""
    geometry = _calorimeter(fastest)
    critic = _critic("CONV|4|3|3|1|1|1|1|TANH,CONV|4|3|3|2|2|1|1|TANH,RESHAPE|FLAT", geometry)
    inner = keras.Model(critic.inputs, [critic.get_layer(f"conv_{k}_1").output for k in range(3)])
    rng = np.random.default_rng(0)
    voxels = rng.normal(size=(2, geometry.n_voxels)).astype(np.float32)
    turned = voxels.copy()
    for layer, cells in zip(geometry.layers, geometry.slices, strict=True):
        order = "F" if fastest == "first" else "C"
        for shower in turned:
            image = shower[cells].reshape(layer.shape, order=order)
            shower[cells] = np.roll(image, 4, axis=1).ravel(order=order)
    others = [np.zeros((2, 5)), np.zeros((2, 2))]
    before, after = ([np.asarray(t) for t in inner([v, *others])] for v in (voxels, turned))
    # Turned by 4 sectors of 8, that is by 2 places after a stride of 2.
    np.testing.assert_allclose(after[1], np.roll(before[1], 2, axis=2), rtol=1e-4, atol=1e-5)
    assert np.abs(after[2] - np.roll(before[2], 2, axis=2)).max() > 0.01


def test_layers_of_the_same_cells_may_be_channels_of_one_image() -> None:
    geometry = Geometry.from_dict(
        {
            "fastest": "first",
            "layers": [{"x": {"low": 0, "high": 3, "n": 3}, "y": {"low": 0, "high": 5, "n": 5}}]
            * 2,
        }
    )
    critic = _critic("RESHAPE|2|3|5,CONV|4|3|5|1|1|0|0|LINEAR,RESHAPE|FLAT", geometry)
    inner = keras.Model(critic.inputs, critic.get_layer("conv_0_0").output)
    voxels = np.random.default_rng(0).normal(size=(1, 30)).astype(np.float32)
    found = np.asarray(inner([voxels, np.zeros((1, 5)), np.zeros((1, 2))]))
    kernel = np.asarray(critic.get_layer("conv_0_0").kernel)
    image = voxels.reshape(2, 5, 3).transpose(2, 1, 0)
    np.testing.assert_allclose(found.ravel(), np.tensordot(image, kernel, 3), rtol=1e-4, atol=1e-5)
    with pytest.raises(CaloganError, match=r"expected RESHAPE\|2\|3\|5"):
        _critic("RESHAPE|1|3|10,CONV|4|3|5|1|1|0|0,RESHAPE|FLAT", geometry)


def test_gradient_penalties_go_through_convolutions_compiled() -> None:
    """The slope of a squared gradient, compiled by XLA, is that of finite differences."""
    sectors = {"r": {"low": 0, "high": 9, "n": 4}, "alpha": {"low": 0, "high": FULL_TURN, "n": 8}}
    geometry = Geometry.from_dict({"layers": [{"system": "cylindrical", **sectors}]})
    critic = _critic("CONV|3|3|3|2|2|1|1|TANH,CONV|3|3|3|2|2|1|1|TANH,RESHAPE|FLAT", geometry)
    kernel = critic.get_layer("conv_0_0").kernel
    rng = np.random.default_rng(0)
    voxels = tf.constant(rng.normal(size=(16, geometry.n_voxels)), tf.float32)
    others = [tf.zeros((16, 5)), tf.zeros((16, 2))]

    @tf.function(jit_compile=True)
    def penalty() -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            with tf.GradientTape() as inner:
                inner.watch(voxels)
                scores = critic([voxels, *others])
            value = tf.reduce_sum(tf.square(inner.gradient(scores, voxels)))
        return value, tape.gradient(value, kernel)

    _, slope = penalty()
    direction = rng.normal(size=kernel.shape).astype(np.float32)
    start = kernel.numpy()
    values = []
    for sign in (1, -1):
        kernel.assign(start + sign * 1e-2 * direction)
        values.append(float(penalty()[0]))
    expected = (values[0] - values[1]) / 2e-2
    assert expected == pytest.approx(float(np.sum(slope * direction)), rel=1e-2)
