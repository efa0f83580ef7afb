"""Classifiers on samples that are equal, and on ones that are not."""

from __future__ import annotations

import numpy as np
import pytest

from calogan import classifier
from calogan.classifier import NetworkSettings
from calogan.dataset import Showers

SMALL = NetworkSettings(width=16, learning_rate=3e-3, batch_size=100, epochs=10, patience=10)
TRAINERS = {"trees": classifier.train_trees, "network": classifier.train_network(SMALL)}


def gaussians(shift: float, n: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    reference, generated = rng.normal(size=(2, n, 4)).astype(np.float32)
    generated[:, 0] += shift
    return reference, generated


@pytest.mark.parametrize("name", TRAINERS)
def test_equal_samples_cannot_be_told_apart(name: str) -> None:
    found = classifier.classify(name, name, *gaussians(0.0), TRAINERS[name], 2, seed=1)
    assert abs(found.auc.value - 0.5) < 4 * found.auc.uncertainty
    assert len(found.trainings) == 2


@pytest.mark.parametrize("name", TRAINERS)
def test_a_shift_is_found_as_well_as_can_be(name: str) -> None:
    """The best possible AUC of unit Gaussians 2 apart is Phi(2 / sqrt 2) = 0.921."""
    found = classifier.classify(name, name, *gaussians(2.0), TRAINERS[name], 1, seed=1)
    assert abs(found.auc.value - 0.921) < 4 * found.auc.uncertainty
    assert found.auc.uncertainty < 0.02
    assert found.roc[0][0] == 0 and found.roc[1][-1] == 1


def test_the_same_seed_gives_the_same_scores() -> None:
    first, second = (
        classifier.classify("n", "n", *gaussians(0.3, 500), TRAINERS["network"], 1, seed=4)
        for _ in range(2)
    )
    assert first.auc == second.auc


def test_rotations_split_in_five_and_test_on_each_shower_once() -> None:
    found = classifier.rotations(503, 5, seed=0)
    for train, validation, test in found:
        assert len({*train.tolist(), *validation.tolist(), *test.tolist()}) == 503
        assert len(train) == pytest.approx(302, abs=2)
    tested = np.concatenate([test for _, _, test in found])
    np.testing.assert_array_equal(np.sort(tested), np.arange(503))


def test_inputs_are_finite_and_named(showers: Showers) -> None:
    empty = Showers(0 * showers.energies, showers.conditions, showers.geometry)
    for sample in (showers, empty):
        features, names = classifier.high_level_features(sample)
        assert features.shape == (600, len(names)) and np.isfinite(features).all()
        assert len(set(names)) == len(names)
        assert np.isfinite(classifier.log_voxel_features(sample)).all()
    voxels = classifier.voxel_features(showers)
    assert voxels.shape == (600, 2 + showers.geometry.n_voxels)
    np.testing.assert_allclose(voxels[:, 0], np.log10(showers.incident_energy), rtol=1e-6)
    np.testing.assert_allclose(
        voxels[:, 2:].sum(axis=1) * 1000 * showers.incident_energy,
        showers.energies.sum(axis=1),
        rtol=1e-4,
    )


def test_full_is_the_network_of_the_calochallenge() -> None:
    assert (classifier.FULL.width, classifier.FULL.epochs) == (2048, 50)
    assert (classifier.FULL.batch_size, classifier.FULL.learning_rate) == (1000, 2e-4)
