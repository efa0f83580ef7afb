"""What the critic sees: the same numbers from NumPy and Keras, and standardised features."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.samples import make_card

from calogan.conditions import network_input
from calogan.showers import Showers
from calogan.training.preprocessing import Preprocessing


@pytest.fixture(scope="module")
def fitted(showers: Showers) -> Preprocessing:
    inputs = network_input(make_card().condition_list, showers.conditions)
    return Preprocessing.fit(showers, inputs, 0.1)


def test_features_are_standardised_at_every_energy(showers: Showers, fitted: Preprocessing) -> None:
    inputs = network_input(make_card().condition_list, showers.conditions)
    incident = 1000 * showers.incident_energy[:, None]
    features = fitted.features(showers.energies, incident, inputs, np)
    assert features.shape == (len(showers), fitted.n_features)
    for half in (inputs[:, 0] < 0, inputs[:, 0] >= 0):
        response = features[half, 0]
        assert abs(response.mean()) < 0.2
        assert 0.75 < response.std() < 1.25


def test_voxels_are_standardised_at_every_energy(showers: Showers, fitted: Preprocessing) -> None:
    inputs = network_input(make_card().condition_list, showers.conditions)
    voxels = fitted.voxels(showers.energies, inputs, np)
    assert voxels.shape == showers.energies.shape
    for half in (inputs[:, 0] < 0, inputs[:, 0] >= 0):
        assert np.abs(voxels[half].mean(axis=0)).max() < 0.3
        assert voxels[half].std(axis=0).max() < 1.5
        assert 0.3 < np.median(voxels[half].std(axis=0)) < 1.25


def test_keras_and_numpy_agree(showers: Showers, fitted: Preprocessing) -> None:
    from keras import ops

    inputs = network_input(make_card().condition_list, showers.conditions)
    incident = 1000 * showers.incident_energy[:, None]
    for name, arguments in (
        ("voxels", (showers.energies, inputs)),
        ("features", (showers.energies, incident, inputs)),
    ):
        mine = getattr(fitted, name)(*arguments, np)
        theirs = np.asarray(getattr(fitted, name)(*arguments, ops))
        # A width is a small difference of moments: in float32 a hundredth of its spread is noise.
        np.testing.assert_allclose(theirs, mine, rtol=1e-3, atol=5e-2)


def test_energy_features_are_the_first_features(showers: Showers, fitted: Preprocessing) -> None:
    inputs = network_input(make_card().condition_list, showers.conditions)
    incident = 1000 * showers.incident_energy[:, None]
    layers = np.stack([showers.energies[:, s].sum(axis=1) for s in showers.geometry.slices], axis=1)
    found = fitted.energy_features(layers, incident, inputs, np)
    assert found.shape == (len(showers), fitted.n_energy_features)
    features = fitted.features(showers.energies, incident, inputs, np)
    np.testing.assert_allclose(found, features[:, : found.shape[1]], rtol=1e-4, atol=1e-4)


def test_beyond_the_limit_features_grow_by_their_logarithm(
    showers: Showers, fitted: Preprocessing
) -> None:
    inputs = network_input(make_card().condition_list, showers.conditions)
    incident = 1000 * showers.incident_energy[:, None]
    limited = Preprocessing.fit(showers, inputs, 0.1, limit=2.0)
    free, found = (p.features(showers.energies, incident, inputs, np) for p in (fitted, limited))
    inside = np.abs(free) <= 2
    np.testing.assert_array_equal(found[inside], free[inside])
    beyond = 2 * (1 + np.log(np.abs(free[~inside]) / 2)) * np.sign(free[~inside])
    assert beyond.size > 100
    np.testing.assert_allclose(found[~inside], beyond, rtol=1e-5)


def test_an_empty_shower_gives_finite_features(showers: Showers, fitted: Preprocessing) -> None:
    nothing = np.zeros((1, showers.geometry.n_voxels), np.float32)
    features = fitted.features(nothing, np.ones((1, 1), np.float32), np.zeros((1, 2), "f4"), np)
    assert np.isfinite(features).all()


def test_no_threshold_takes_the_scale_from_the_data(showers: Showers) -> None:
    inputs = network_input(make_card().condition_list, showers.conditions)
    found = Preprocessing.fit(showers, inputs, 0.0)
    assert 0 < found.energy_floor < np.median(showers.energies)
    assert (np.diff(found.count_levels) > 0).all()
