"""Correlations against those of Gaussians."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calogan.metrics import correlations
from calogan.metrics.halves import matched_halves


def test_correlation_of_gaussians(rng: np.random.Generator) -> None:
    cov = [[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]]
    x = np.column_stack([rng.multivariate_normal(np.zeros(3), cov, 5000), np.ones(5000)])
    rho, error = correlations.correlation(x)
    assert rho[0, 1] == pytest.approx(0.8, abs=5 * error[0, 1])
    assert error[0, 1] == pytest.approx((1 - 0.64) / math.sqrt(4999), rel=0.1)
    np.testing.assert_array_equal(np.diag(rho), 1)
    assert rho[0, 3] == 0  # a column that does not vary


@pytest.mark.parametrize("other", [0.8, 0.5])
def test_correlation_distance_of_gaussians(other: float, rng: np.random.Generator) -> None:
    """Of three columns one pair is correlated: the root mean square is over sqrt(3)."""

    def sample(rho: float) -> np.ndarray:
        return rng.multivariate_normal(np.zeros(3), [[1, rho, 0], [rho, 1, 0], [0, 0, 1]], 800)

    found = [correlations.correlation_distance(sample(0.8), sample(other), rng) for _ in range(25)]
    values = np.array([f.value for f in found])
    x = sample(0.8)
    halves = [matched_halves([rng.uniform(size=800)], rng) for _ in range(20)]
    floor = correlations.correlation_floor(x, halves)
    if other == 0.8:
        assert values.mean() == pytest.approx(floor.value, abs=2 * floor.uncertainty)
        assert values.std() == pytest.approx(floor.uncertainty, rel=0.5)
    else:
        exact = math.hypot(0.3 / math.sqrt(3), floor.value)
        assert values.mean() == pytest.approx(exact, abs=4 * values.std() / 5)
        assert np.mean([f.uncertainty for f in found]) == pytest.approx(values.std(), rel=0.4)


def test_a_constant_column_is_correlated_with_nothing(rng: np.random.Generator) -> None:
    x = np.column_stack([rng.normal(size=50), np.ones(50)])
    assert correlations.correlation_distance(x, x, rng) == (0.0, 0.0)
