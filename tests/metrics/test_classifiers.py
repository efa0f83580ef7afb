"""Classifiers on samples that are equal, and on ones that are not."""

from __future__ import annotations

import numpy as np
import pytest

from calogan import features
from calogan.metrics import classifiers
from calogan.metrics.classifiers import NetworkSettings
from calogan.metrics.statistics import Value
from calogan.showers import Showers

SMALL = NetworkSettings(
    width=16, learning_rate=3e-3, batch_size=100, epochs=10, patience=10, standardise=True
)
TRAINERS = {"trees": classifiers.train_trees, "network": classifiers.train_network(SMALL)}


def gaussians(shift: float, n: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    reference, generated = rng.normal(size=(2, n, 4)).astype(np.float32)
    generated[:, 0] += shift
    return reference, generated


@pytest.mark.parametrize("name", TRAINERS)
def test_equal_samples_cannot_be_told_apart(name: str) -> None:
    found = classifiers.classify(name, name, *gaussians(0.0), TRAINERS[name], 2, seed=1)
    assert abs(found.auc.value - 0.5) < 4 * found.auc.uncertainty
    assert len(found.trainings) == 2


@pytest.mark.parametrize("name", TRAINERS)
def test_a_shift_is_found_as_well_as_can_be(name: str) -> None:
    """The best possible AUC of unit Gaussians 2 apart is Phi(2 / sqrt 2) = 0.921."""
    found = classifiers.classify(name, name, *gaussians(2.0), TRAINERS[name], 1, seed=1)
    assert abs(found.auc.value - 0.921) < 4 * found.auc.uncertainty
    assert found.auc.uncertainty < 0.02
    # In bits, of the same Gaussians (by quadrature): the best classifier's.
    assert abs(found.jsd.value - 0.4859) < 4 * found.jsd.uncertainty + 0.03
    assert found.roc[0][0] == 0 and found.roc[1][-1] == 1


def test_the_same_seed_gives_the_same_scores() -> None:
    first, second = (
        classifiers.classify("n", "n", *gaussians(0.3, 500), TRAINERS["network"], 1, seed=4)
        for _ in range(2)
    )
    assert first.auc == second.auc


def test_rotations_split_in_five_and_test_on_each_shower_once() -> None:
    found = classifiers.rotations(503, 5, seed=0)
    for train, validation, test in found:
        assert len({*train.tolist(), *validation.tolist(), *test.tolist()}) == 503
        assert len(train) == pytest.approx(302, abs=2)
    tested = np.concatenate([test for _, _, test in found])
    np.testing.assert_array_equal(np.sort(tested), np.arange(503))


def test_inputs_are_finite_and_named(showers: Showers) -> None:
    empty = Showers(0 * showers.energies, showers.conditions, showers.geometry)
    for sample in (showers, empty):
        found, names = features.high_level_features(sample)
        assert found.shape == (600, len(names)) and np.isfinite(found).all()
        assert len(set(names)) == len(names)
        assert np.isfinite(features.log_voxel_features(sample)).all()
    voxels = features.voxel_features(showers)
    assert voxels.shape == (600, 2 + showers.geometry.n_voxels)
    np.testing.assert_allclose(voxels[:, 0], np.log10(showers.incident_energy), rtol=1e-6)
    np.testing.assert_allclose(
        voxels[:, 2:].sum(axis=1) * 10 * showers.incident_energy,
        showers.energies.sum(axis=1),
        rtol=1e-4,
    )


def test_calibration_pools_what_is_in_the_wrong_order() -> None:
    """Labels 0 1 0 1 of rising scores: the two in the middle become ½, the ends stay certain."""
    labels = np.array([0, 1, 0, 1], np.float32)
    scores = np.array([-3.0, -1.0, 0.5, 2.0])
    found = classifiers.calibrate(scores, labels, np.array([-9.0, -3.0, 0.0, 2.0, 9.0]))
    np.testing.assert_allclose(found, [1e-6, 1e-6, 0.5, 1 - 1e-6, 1 - 1e-6], rtol=1e-5)


def test_scores_that_say_nothing_leave_an_error() -> None:
    def wrong_way(x: np.ndarray, y: np.ndarray, *rest: object) -> tuple[np.ndarray, np.ndarray]:
        x_validation, _, x_test, _ = rest
        return -x_validation[:, 0], -x_test[:, 0]  # type: ignore[index]

    found = classifiers.classify("w", "w", *gaussians(-1.0), wrong_way, 1, seed=1)
    assert found.auc.value == pytest.approx(0.5, abs=0.05) and found.auc.uncertainty > 0.01


def test_a_floor_is_kept_with_its_divergence() -> None:
    line = np.linspace(0, 1, 3)
    floor = classifiers.ClassifierResult(
        "f", "f", Value(0.51, 0.01), (), (line, line), Value(0.01, 0.02)
    )
    train = TRAINERS["trees"]
    found = classifiers.classify("f", "f", *gaussians(0.0, 500), train, 1, seed=1, floor=floor)
    assert (found.floor, found.jsd_floor) == ((0.51, 0.01), (0.01, 0.02))


def test_full_is_the_network_of_the_calochallenge() -> None:
    """Three hidden layers of 2048, LeakyReLU 0.01, one logit, weights as PyTorch starts them."""
    full = classifiers.FULL
    assert (full.width, full.epochs, full.batch_size) == (2048, 50, 1000)
    assert full.learning_rate == 2e-4 and not full.standardise and full.patience >= full.epochs
    model, _ = classifiers._compile(NetworkSettings(8, 2e-4, 10, 1, 1, False), 5)
    assert [w.shape for w in model.get_weights()][::2] == [(5, 8), (8, 8), (8, 8), (8, 1)]
    assert model.optimizer.epsilon == 1e-8
    weights = classifiers._initial([(25, 4000), (4000,)], np.random.default_rng(0))
    for w in weights:  # variance of a uniform within ±1/5
        assert np.abs(w).max() <= 0.2
        assert w.var() == pytest.approx(0.2**2 / 3, rel=0.1)
