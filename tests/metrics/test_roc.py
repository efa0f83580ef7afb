"""AUC and divergence against closed forms and scikit-learn, their errors against repetition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from calogan.metrics import roc
from calogan.metrics.statistics import Value


@pytest.mark.parametrize("distance", [0.0, 0.5, 2.0])
def test_auc_of_two_gaussians(distance: float, rng: np.random.Generator) -> None:
    x, y = rng.normal(distance, 1, 4000), rng.normal(0, 1, 5000)
    found = roc.auc(x, y)
    exact = 0.5 * (1 + math.erf(distance / 2))  # Phi(d / sqrt 2)
    assert abs(found.value - exact) < 4 * found.uncertainty
    assert roc.auc(y, x).value == pytest.approx(1 - found.value)


def test_auc_uncertainty_is_its_spread(rng: np.random.Generator) -> None:
    found = [roc.auc(rng.normal(1, 1, 150), rng.normal(0, 1, 150)) for _ in range(300)]
    spread = np.std([f.value for f in found])
    assert np.mean([f.uncertainty for f in found]) == pytest.approx(spread, rel=0.15)


def test_ties_count_half() -> None:
    assert roc.auc([1.0, 1.0], [1.0, 1.0]).value == 0.5
    assert roc.auc([2.0, 1.0], [1.0, 0.0]).value == 0.875


def test_auc_is_that_of_scikit_learn(rng: np.random.Generator) -> None:
    x, y = np.round(rng.normal(0.5, 1, 300), 1), np.round(rng.normal(0, 1, 200), 1)
    labels = np.repeat([1, 0], [300, 200])
    exact = roc_auc_score(labels, np.concatenate([x, y]))
    assert roc.auc(x, y).value == pytest.approx(exact, rel=1e-12)


def test_divergence_of_the_best_classifier_of_gaussians(rng: np.random.Generator) -> None:
    """Unit Gaussians 2 apart: 0.485944 bits, by quadrature."""
    x = np.concatenate([rng.normal(2, 1, 4000), rng.normal(0, 1, 4000)])
    labels = np.repeat([1.0, 0.0], 4000)
    p = 1 / (1 + np.exp(2 - 2 * x))
    found = roc.jensen_shannon(p, labels)
    assert abs(found.value - 0.485944) < 4 * found.uncertainty
    assert found.value == pytest.approx(1 - log_loss(labels, p) / math.log(2))
    assert roc.jensen_shannon(np.full(10, 0.5), np.arange(10) % 2) == (0.0, 0.0)


def test_combined_aucs_are_reflected_once() -> None:
    found = roc.combine_aucs([Value(0.48, 0.02), Value(0.54, 0.02)])
    assert found.value == pytest.approx(0.51)
    assert found.uncertainty > 0.02
    assert roc.combine_aucs([Value(0.3, 0.01)]) == pytest.approx((0.7, 0.01))


def test_roc_curve_runs_from_corner_to_corner(rng: np.random.Generator) -> None:
    x, y = rng.normal(1, 1, 3000), rng.normal(0, 1, 3000)
    false_rate, true_rate = roc.roc_curve(x, y)
    assert (false_rate[0], true_rate[0], false_rate[-1], true_rate[-1]) == (0, 0, 1, 1)
    assert (np.diff(false_rate) >= 0).all() and (np.diff(true_rate) >= 0).all()
    area = np.sum(np.diff(false_rate) * 0.5 * (true_rate[1:] + true_rate[:-1]))
    assert area == pytest.approx(roc.auc(x, y).value, abs=5e-3)
