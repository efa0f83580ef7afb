"""Shower features: one definition, in NumPy and in Keras."""

from __future__ import annotations

import numpy as np
import pytest

from calogan.features import (
    layer_sums,
    log_energy,
    moment_weights,
    shape_features,
    soft_step,
    weighted_layer_sums,
)
from calogan.geometry import Geometry
from calogan.showers import Showers


def test_moments_give_sums_per_layer(showers: Showers) -> None:
    geometry, energies = showers.geometry, showers.energies
    sums = weighted_layer_sums(energies, moment_weights(geometry), geometry, np)
    x = geometry.centres[:, 0] / 100
    for k, part in enumerate(geometry.slices):
        np.testing.assert_allclose(sums[:, 0, k], energies[:, part].sum(axis=1), rtol=1e-5)
        expected = (energies[:, part] * x[part]).sum(axis=1)
        np.testing.assert_allclose(sums[:, 1, k], expected, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(layer_sums(energies, geometry, np), sums[:, 0], rtol=1e-5)


@pytest.mark.parametrize("n", [1, 2])
def test_sums_over_equal_and_other_layers(n: int) -> None:
    layers = [
        {"x": {"low": -1, "high": 1, "n": 2}, "y": {"low": -1, "high": 1, "n": 3}},
        {"x": {"low": -1, "high": 1, "n": n}, "y": {"low": -1, "high": 1, "n": 3}},
    ]
    geometry = Geometry.from_dict({"layers": layers})
    assert geometry.equal_layers == (n == 2)
    rng = np.random.default_rng(1)
    values = rng.random((5, geometry.n_voxels), np.float32)
    weights = rng.random((geometry.n_voxels, 4), np.float32)
    found = weighted_layer_sums(values, weights, geometry, np)
    assert found.shape == (5, 4, 2)
    for k, part in enumerate(geometry.slices):
        np.testing.assert_allclose(found[:, :, k], values[:, part] @ weights[part], rtol=1e-5)
        sums = values[:, part].sum(axis=1)
        np.testing.assert_allclose(layer_sums(values, geometry, np)[:, k], sums, rtol=1e-5)


def test_a_soft_step_is_a_half_at_its_level() -> None:
    energies = np.array([0, 0.15, 0.3, 0.6, 5000], np.float32)
    found = soft_step(log_energy(energies, np), 0.3, np)
    np.testing.assert_allclose(found, [0, 1 / 33, 0.5, 32 / 33, 1], atol=1e-6)


def test_features_are_weighted_means_and_deviations(showers: Showers) -> None:
    geometry = showers.geometry
    found = shape_features(showers.energies, geometry, np)
    part, weight = geometry.slices[0], showers.energies[3, geometry.slices[0]].astype(float)
    y = geometry.centres[part, 1] / 100
    centre = np.average(y, weights=weight)
    assert found["centre_y"][3, 0] == pytest.approx(centre, abs=1e-5)
    width = np.sqrt(np.average((y - centre) ** 2, weights=weight))
    assert found["width_y"][3, 0] == pytest.approx(width, rel=1e-3)


def test_a_layer_far_below_the_floor_has_no_shape(showers: Showers) -> None:
    geometry = showers.geometry
    bright = 1e3 * np.ones((1, geometry.n_voxels), np.float32)
    dark = 1e-9 * bright
    free = shape_features(dark, geometry, np)
    wide = shape_features(bright, geometry, np)["width_x"]
    np.testing.assert_allclose(free["width_x"], wide, atol=1e-3)
    for name, values in shape_features(bright, geometry, np, floor=0.1).items():
        np.testing.assert_allclose(
            values, shape_features(bright, geometry, np)[name], rtol=1e-3, atol=1e-3
        )
    found = shape_features(dark, geometry, np, floor=0.1)
    assert max(np.abs(found[f"{w}_{a}"]).max() for w in ("centre", "width") for a in "xyr") < 5e-3


def test_keras_agrees_with_numpy(showers: Showers) -> None:
    from keras import ops

    geometry = showers.geometry
    energies = showers.energies[:50].copy()
    energies[0] = 0
    one = shape_features(energies, geometry, np)
    two = shape_features(ops.convert_to_tensor(energies), geometry, ops)
    assert set(one) == set(two)
    for name, values in one.items():
        np.testing.assert_allclose(ops.convert_to_numpy(two[name]), values, rtol=1e-3, atol=1e-4)
    assert one["centre_x"][0].max() == 0
