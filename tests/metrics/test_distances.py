"""Distances against closed forms, against reference code, and their errors against repetition.

`REFERENCE_CODE` holds what other packages gave for the arrays of `seeded`: jetnet 0.2.5 (Fréchet
and kernel distances), prdc 0.2 (neighbourhoods).
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calogan.errors import CaloganError
from calogan.metrics import distances

REFERENCE_CODE = {
    "frechet": 0.19680277538974877,  # _calculate_frechet_distance of the sample moments
    "kernel": 0.7541744496137692,  # _mmd_poly_quadratic_unbiased of the first 500 rows
    "fpd": (0.011374819035745396, 0.0007644969701062198),  # batches of 200 to 800
    "kpd": (0.0036847413873988266, 0.001959625743990187),  # batches of 500
    "precision": 0.973,  # compute_prdc of the first 1000 rows, k = 5
    "recall": 0.99,
    "density": 0.9226,
    "coverage": 0.949,
}


def seeded() -> tuple[np.ndarray, np.ndarray]:
    """Gaussians 0.1 apart and one 1.1 times as wide, with a product as fifth feature."""
    rng = np.random.default_rng(20)
    x = rng.normal(size=(4000, 5))
    y = 1.1 * rng.normal(size=(4000, 5)) + 0.1
    for sample in (x, y):
        sample[:, 4] = sample[:, 0] * sample[:, 1]
    return x, y


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


# --------------------------------------------------------------------------------------- Fréchet


def with_moments(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """200 rows whose sample mean and covariance are exactly these."""
    raw = rng.normal(size=(200, len(mean)))
    raw -= raw.mean(axis=0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw, rowvar=False))).T
    return mean + white @ np.linalg.cholesky(covariance).T


def test_frechet_distance_of_gaussians_that_commute(rng: np.random.Generator) -> None:
    """Covariances with common axes: ‖Δμ‖² + Σ (σ1 - σ2)² over those axes."""
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    s1, s2, shift = np.array([1.0, 2.0, 0.5]), np.array([1.5, 1.0, 0.5]), np.array([0.3, 0, -1])
    x = with_moments(np.zeros(3), turn @ np.diag(s1**2) @ turn.T, rng)
    y = with_moments(shift, turn @ np.diag(s2**2) @ turn.T, rng)
    exact = (shift**2).sum() + ((s1 - s2) ** 2).sum()
    assert distances.frechet_distance(x, y) == pytest.approx(exact, rel=1e-9)


def test_frechet_distance_is_that_of_reference_code() -> None:
    found = distances.frechet_distance(*seeded())
    assert found == pytest.approx(REFERENCE_CODE["frechet"], rel=1e-9)


def test_features_that_depend_on_each_other_are_no_trouble(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2, 300, 2))
    doubled = [np.column_stack([s, s, np.zeros(300)]) for s in (x, y)]
    assert distances.frechet_distance(*doubled) == pytest.approx(
        2 * distances.frechet_distance(x, y), rel=1e-6
    )
    assert distances.frechet_distance(doubled[0], doubled[0]) == pytest.approx(0, abs=1e-6)


def test_fpd_is_that_of_reference_code(rng: np.random.Generator) -> None:
    found = distances.frechet_physics_distance(*seeded(), rng)
    value, error = REFERENCE_CODE["fpd"]  # type: ignore[misc]
    assert abs(found.value - value) < 2 * np.hypot(found.uncertainty, error)
    assert found.uncertainty < 0.2 * found.value


def test_fpd_extrapolates_to_the_exact_distance(rng: np.random.Generator) -> None:
    """N(0, 1) against N(0.3, 1.2²) in four dimensions; as ratios to 0.13 Σ 1 / max |x|²."""
    found, plain = [], []
    for _ in range(12):
        x, y = rng.normal(size=(400, 4)), 0.3 + 1.2 * rng.normal(size=(400, 4))
        exact = 0.13 * (1 / np.abs(x).max(axis=0) ** 2).sum()
        found.append(np.array(distances.frechet_physics_distance(x, y, rng)) / exact)
        plain.append(distances.frechet_distance(*distances.scaled_to_reference(x, y)) / exact)
    values, errors = np.transpose(found)
    error = values.std(ddof=1) / np.sqrt(12)
    assert values.mean() == pytest.approx(1, abs=3 * error)
    assert np.mean(plain) > values.mean() + 0.05
    assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.6)


def test_equal_samples_of_common_conditions_are_at_no_distance(rng: np.random.Generator) -> None:
    """Both are led by one condition; what it brings must not be counted as noise."""
    fpd, kpd = [], []
    for _ in range(12):
        c = 3 * rng.normal(size=(300, 1))
        x, y = (np.hstack([c, c + rng.normal(size=(300, 1))]) for _ in range(2))
        fpd.append(distances.frechet_physics_distance(x, y, rng))
        kpd.append(distances.kernel_physics_distance(x, y, rng))
    for found in (fpd, kpd):
        values = np.array(found)[:, 0]
        assert abs(values.mean()) < 4 * values.std(ddof=1) / np.sqrt(12)
        assert all(abs(f.value) < 4 * f.uncertainty for f in found)


def test_intercept_of_a_line() -> None:
    x = np.array([1.0, 2.0, 3.0, 5.0])
    assert distances.intercept_of_line(x, 7 - 2 * x) == pytest.approx((7.0, 0.0), abs=1e-12)
    # By hand: means (2, 2), slope ½, intercept 1; residuals ½, -1, ½; s² = 1.5, 1/3 + 4/2
    found = distances.intercept_of_line([1, 2, 3], [2, 1, 3])
    assert found == pytest.approx((1.0, np.sqrt(1.5 * (1 / 3 + 2))))


# ---------------------------------------------------------------------------------------- kernel


def test_kernel_distance_by_hand(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2, 4, 3))

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return (sum(p * q for p, q in zip(a, b, strict=True)) / 3 + 1) ** 4

    pairs = list(itertools.permutations(range(4), 2))
    exact = sum(k(x[i], x[j]) + k(y[i], y[j]) - 2 * k(x[i], y[j]) for i, j in pairs) / len(pairs)
    assert distances.kernel_distance(x, y) == pytest.approx(exact)


def test_kernel_distance_is_that_of_reference_code() -> None:
    """jetnet averages the mixed term over all pairs of rows; ours leaves out equal rows."""
    x, y = (s[:500] for s in seeded())
    equal_rows = (((x * y).sum(axis=1) / 5 + 1) ** 4).sum()
    all_rows = (((x @ y.T) / 5 + 1) ** 4).sum()
    changed = 2 * ((all_rows - equal_rows) / (500 * 499) - all_rows / 500**2)
    found = distances.kernel_distance(x, y) + changed
    assert found == pytest.approx(REFERENCE_CODE["kernel"], rel=1e-9)


def test_kpd_is_that_of_reference_code(rng: np.random.Generator) -> None:
    found = distances.kernel_physics_distance(*seeded(), rng)
    value, error = REFERENCE_CODE["kpd"]  # type: ignore[misc]
    assert abs(found.value - value) < 2 * np.hypot(found.uncertainty, error)
    assert found.value > 5 * found.uncertainty


# -------------------------------------------------------------------------------- neighbourhoods


def test_neighbourhoods_on_a_line() -> None:
    """Reference 0, 1, 2, 3 and 20, 21, 22; k = 2, so radii 2, 1, 1, 2 and 2, 1, 2.

    Generated: two just above 0 and 1, the others beyond 100, with radii of over 90.
    """
    reference = np.array([0, 1, 2, 3, 20, 21, 22.0])[:, None]
    generated = np.array([0.25, 1.25, 100, 110, 120, 130, 140.0])[:, None]
    found = distances.neighbourhoods(reference, generated, k=2)
    assert found.precision.value == pytest.approx(2 / 7)
    # 0.25 is in the balls of 0 and 1, 1.25 in those of 0, 1, 2, 3.
    assert found.density.value == pytest.approx((2 + 4) / 2 / 7)
    assert found.coverage.value == pytest.approx(4 / 7)
    assert found.recall.value == 1  # the lone ones' balls are as wide as they are far
    lost = distances.neighbourhoods(generated, reference, k=2)
    assert lost.recall.value == pytest.approx(2 / 7)


def test_neighbourhoods_are_those_of_reference_code() -> None:
    x, y = (s[:1000] for s in seeded())
    for name, value in distances.neighbourhoods(x, y)._asdict().items():
        assert value.value == pytest.approx(REFERENCE_CODE[name], abs=1e-12), name


def test_a_lost_mode_costs_recall_and_not_precision(rng: np.random.Generator) -> None:
    reference = rng.normal(size=(500, 2)) + 8 * rng.integers(0, 2, (500, 1))
    generated = rng.normal(size=(500, 2))
    found = distances.neighbourhoods(reference, generated)
    assert found.precision.value > 0.9 and found.density.value > 0.9
    assert found.recall.value == pytest.approx(0.5, abs=0.1)
    assert found.coverage.value == pytest.approx(0.5, abs=0.1)


def test_neighbourhoods_have_the_errors_of_repetition(rng: np.random.Generator) -> None:
    found = [
        distances.neighbourhoods(rng.normal(size=(200, 3)), rng.normal(0.5, 1, (200, 3)))
        for _ in range(60)
    ]
    for name in distances.Neighbourhoods._fields:
        values = np.array([getattr(f, name) for f in found])
        assert values[:, 1].mean() == pytest.approx(values[:, 0].std(), rel=0.6), name


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.1, 10))
def test_neighbourhoods_know_no_scale(seed: int, factor: float) -> None:
    x, y = np.random.default_rng(seed).normal(size=(2, 40, 3))
    first, second = distances.neighbourhoods(x, y), distances.neighbourhoods(factor * x, factor * y)
    assert first == second
    assert all(0 <= v.value <= 1 for v in (first.precision, first.recall, first.coverage))


# ----------------------------------------------------------------------------------------- errors


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CaloganError, match=r"reference has shape \(5, 2\), generated \(5, 3\)"):
        distances.frechet_distance(np.zeros((5, 2)), np.zeros((5, 3)))
    with pytest.raises(CaloganError, match=r"expected \(n, d\) of both"):
        distances.neighbourhoods(np.zeros(5), np.zeros(5))
    with pytest.raises(CaloganError, match="5 showers have no 5 neighbours each, expected 6"):
        distances.neighbourhoods(np.zeros((5, 2)), np.zeros((5, 2)))
